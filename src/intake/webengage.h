/* WebEngage's REST dialect: /users, /events, /bulk-users, /bulk-events, by the public reference; field names and
 * outcomes as documented there, the rest as decided in this program's API guide. Pure translation: no state, no clock. */
#ifndef HABEAS_INTAKE_WEBENGAGE_H
#define HABEAS_INTAKE_WEBENGAGE_H

#include "intake/item.h"

#define WEBENGAGE_BULK_MAX 1000

struct webengage_call {
    enum item_kind kind;
    bool bulk;
    struct json_twin *twins; /* of json_read_twins: they refuse the item they stand in, or the whole call */
};

/* Translates a parsed body. False (ERROR_INVALID) when the body as a whole is refused (no object, no list, over
 * 1,000 items; single: the item's own refusal). In bulk an item that is refused carries its error in `refused`. */
bool webengage_items(const struct webengage_call *call, const struct json *body, int64_t received_ms,
                     struct arena *arena, struct item **items, uint32_t *count, struct ignored_list *ignored,
                     struct error *error);

#endif
