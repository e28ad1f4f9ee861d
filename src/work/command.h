/* What the writer can be asked. A command is one request's change, made on a server thread, carried out by the writer
 * in up to three steps, each inside one file's transaction of the group, in the order ledger, profiles, volume.
 * It is done when the last file it touches has committed: durable and visible. */
#ifndef HABEAS_WORK_COMMAND_H
#define HABEAS_WORK_COMMAND_H

#include "base/json_read.h"
#include "ledger/ledger.h"
#include "ledger/purpose.h"
#include "vault/journal.h"
#include "vault/profiles.h"

enum lane { LANE_RIGHTS, LANE_SINGLE, LANE_BULK, LANES };

/* The steps a command has, as bits; the highest is its home: there its marks against repetition are committed. */
enum phase { PHASE_LEDGER = 1, PHASE_PROFILES = 2, PHASE_VOLUME = 4 };

/* What a command works with, on the writer's thread. */
struct turn {
    struct ledger *ledger;
    struct profiles *profiles;
    struct journal *journal;
    struct seat *seat; /* the writer's own */
    struct json_parser *parser;
    int64_t now_ms;
    uint64_t message_mark; /* ids of messages noted from here on belong to the open transaction of profiles.db */
};

struct command;
/* False undoes this command alone (its savepoint) and answers it with the error. In a volume there are no savepoints: what
 * can fail by the command's own fault is done before it appends, or everybody's rows of that group are undone. */
typedef bool command_step(struct turn *turn, struct command *command, struct error *error);

/* One row a kind. A step is called only where the command's `phases` has its bit; a step may add later bits.
 * `settle`, where there is one, is called for each command behind the ledger's commit and publication: the last moment
 * at which rights can have moved, and so where it is decided what becomes of proposals. */
struct command_kind {
    const char *name;
    enum lane lane;
    enum purpose purpose;
    command_step *in_ledger, *settle, *in_profiles, *in_volume;
};

/* Embedded as the first member of what a kind really carries. Its memory belongs to whoever made it, until `done`. */
struct command {
    const struct command_kind *kind;
    struct command *next;
    unsigned phases;
    size_t bytes;                          /* what it weighs in the queue */
    struct error error;                    /* ERROR_NONE when done: it holds */
    void (*done)(struct command *command); /* once, on the writer's thread; the command may be gone behind it */
    void *waiter;
};

#endif
