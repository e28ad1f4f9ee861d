/* Names of events and attributes: schema, not personal data, so they stay readable; therefore capped and refused when
 * they look like an address, a number or an id. A name's first value fixes its type. */
#ifndef HABEAS_LEDGER_NAME_H
#define HABEAS_LEDGER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/map.h"
#include "base/str.h"

/* Stored: numbers are settled. */
enum name_kind { NAME_EVENT = 1, NAME_USER_ATTRIBUTE = 2, NAME_EVENT_ATTRIBUTE = 3, NAME_KINDS };
enum name_type {
    TYPE_NONE = 0, /* of events */
    TYPE_STRING = 1,
    TYPE_NUMBER = 2,
    TYPE_BOOLEAN = 3,
    TYPE_DATE = 4,
    TYPE_ARRAY = 5,
    TYPE_OBJECT = 6,
    NAME_TYPES,
};
const char *name_type_name(enum name_type type);
bool name_type_of(struct str text, enum name_type *out);

#define NAME_MAX_POINTS 50

struct name {
    uint32_t number; /* in the account and kind; from 1 */
    enum name_type type;
    char text[4 * NAME_MAX_POINTS + 1];
};
/* All names of one account and kind. Read inside ledger_enter, changed by the writer's publications only. */
struct names {
    struct name **rows; /* by number - 1 */
    uint32_t count, cap;
    struct map by_text; /* keyed 128-bit hash of the text */
    unsigned char hash_key[16];
};
const struct name *names_find(const struct names *names, struct str text);
const struct name *names_at(const struct names *names, uint32_t number);
bool names_add(struct names *names, uint32_t number, struct str text, enum name_type type);
void names_clear(struct names *names);

/* True when a name is itself an address, a number, a UUID or 20 or more hex digits, and so might be a person's. */
bool name_looks_personal(struct str text);

#endif
