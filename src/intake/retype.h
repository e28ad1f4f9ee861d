/* When the type of a user attribute is corrected: the values that people have of it are converted where that is possible
 * without guessing; the others stay as they were sent and are counted. */
#ifndef HABEAS_INTAKE_RETYPE_H
#define HABEAS_INTAKE_RETYPE_H

#include "base/arena.h"
#include "ledger/name.h"
#include "work/engine.h"

/* Goes through all people of the account, some at a time, between other commands. */
struct retype {
    struct command command;
    struct engine *engine;
    uint32_t account, next_ordinal;
    struct str name; /* lives until finished */
    enum name_type type;
    uint64_t converted, kept;
    bool has_more;
    struct error error; /* of the whole */
    void (*finished)(struct retype *retype);
    void *waiter;
};
void retype_start(struct retype *retype);

/* The value as the type wants it; at == NULL where it cannot be converted. */
struct str retype_value(struct str raw, enum name_type from, enum name_type to, struct arena *arena);

#endif
