/* For each event name of a volume: how many rows, and when they occurred first and last. Collected while it is built. */
#ifndef HABEAS_VAULT_SPAN_H
#define HABEAS_VAULT_SPAN_H

#include "db/db.h"

struct span {
    uint32_t account, name; /* account 0: empty */
    int64_t rows, min_occurred, max_occurred;
};
struct spans {
    struct span *list; /* open addressing; at most half full */
    size_t cap, count;
};

void spans_clear(struct spans *spans);
/* False when memory is out. */
bool spans_add(struct spans *spans, uint32_t account, uint32_t name, int64_t occurred_ms);
bool spans_write(const struct spans *spans, struct db *db, struct error *error);
/* One row less; the bounds stay bounds. */
bool span_remove_row(struct db *db, uint32_t account, uint32_t name, struct error *error);

#endif
