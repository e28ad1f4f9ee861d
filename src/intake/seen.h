/* What clients repeat with every event (the device's ids, consent) and what is recorded already, so that it is written
 * only when it differs. Bounded: what is forgotten is written once more. Holds no identifier: keyed hashes under a key of
 * this process. Any thread. */
#ifndef HABEAS_INTAKE_SEEN_H
#define HABEAS_INTAKE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct seen;
struct seen *seen_new(void);
void seen_free(struct seen *seen);

/* One fact about one person, under `kind`: a set of values when `of` holds the value; a last value when it is empty. An
 * ordinal is never used again, so nothing need be taken back. */
struct seen_fact {
    uint32_t account, ordinal;
    unsigned char kind;
    struct str of, value;
};
/* Whether that, said at `at_ms`, need not be written: it is what was said last, or was said before that. */
bool seen_has(struct seen *seen, const struct seen_fact *fact, int64_t at_ms);
/* It is recorded, as said at `at_ms`. */
void seen_put(struct seen *seen, const struct seen_fact *fact, int64_t at_ms);

#endif
