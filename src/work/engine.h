/* The engine: one data directory, its ledger and vault, and the threads that work on them. The only thing that others
 * hold; everything personal goes through its readers (with the gate) or its writer (by commands). */
#ifndef HABEAS_WORK_ENGINE_H
#define HABEAS_WORK_ENGINE_H

#include "work/command.h"

/* What runs in the writer's last lane, between groups: erasure's removal steps. */
struct background {
    const char *name;
    enum purpose purpose;
    void *arg;
    /* At most a few milliseconds of work; *more: call again soon. Errors are retried with a pause. */
    bool (*step)(struct turn *turn, void *arg, bool *more, struct error *error);
};
/* What the worker does when its time has come: makes commands. Returns when to call next (wall clock). */
struct engine;
struct job {
    const char *name;
    enum purpose purpose;
    void *arg;
    int64_t (*run)(struct engine *engine, void *arg, int64_t now_ms);
};

struct engine_options {
    const char *directory;       /* DIR */
    const char *master_key_path; /* NULL: DIR.master-key */
    bool create;                 /* make DIR and the master key on first use */
    int64_t cancel_window_ms;
    int64_t queue_max_bytes; /* 64 MiB */
    int64_t reserve_bytes;   /* of the file `reserve` that is given up on a full disk; ingestion stops below it */
    struct journal_limits journal;
    const struct when_clock *clock;
    const struct background *background;
    const struct job *jobs; /* ends with a row whose name is NULL */
    /* Called when all is open and no thread runs yet: what memory keeps of the stores is read here. NULL: nothing. */
    bool (*load)(struct engine *engine, void *arg, struct error *error);
    void *load_arg;
};
void engine_defaults(struct engine_options *options);

/* Locks DIR (a second process is refused), checks format, owner and modes, opens everything, starts the threads. */
bool engine_open(const struct engine_options *options, struct engine **out, struct error *error);
/* Finishes what was submitted, stops the threads, closes. */
void engine_close(struct engine *engine);
/* True when DIR is locked by another process. */
bool engine_is_served(const char *directory);

struct ledger *engine_ledger(struct engine *engine);
struct journal *engine_journal(struct engine *engine);
struct profiles *engine_profiles(struct engine *engine);
const struct when_clock *engine_clock(const struct engine *engine);
int64_t engine_cancel_window(const struct engine *engine);

/* Hands a command to the writer. False (ERROR_BUSY, ERROR_FULL) when it was not taken: `done` is then never called. */
bool engine_submit(struct engine *engine, struct command *command, struct error *error);
/* Submits and waits; for threads that may block. The command's error is returned. */
bool engine_call(struct engine *engine, struct command *command, struct error *error);
/* Wakes the worker: a window was opened, so its next job may come sooner. */
void engine_wake_worker(struct engine *engine);
/* Wakes the background: there are rows to remove. */
void engine_wake_background(struct engine *engine);

/* A thread's means of reading: a seat at the gate, read-only handles, a parser. Taken for one request or slice. */
struct reader {
    struct seat *seat;
    struct db *ledger, *profiles;
    struct journal_reader *journal;
    struct json_parser *parser;
    struct reader *next;
};
struct reader *engine_take_reader(struct engine *engine, struct error *error);
void engine_give_reader(struct engine *engine, struct reader *reader);

/* Figures for /metrics and /readyz. */
struct engine_counts {
    uint64_t groups, commands, failed_groups;
    uint64_t events_accepted, events_repeated, events_refused, users_accepted, users_refused;
    int64_t queue_bytes, commit_us_last, commit_us_max, commit_us_total;
    bool is_ready, is_full;
};
void engine_counts(struct engine *engine, struct engine_counts *out);
enum engine_tally {
    TALLY_EVENTS_ACCEPTED,
    TALLY_EVENTS_REPEATED, /* of the accepted ones */
    TALLY_EVENTS_REFUSED,
    TALLY_USERS_ACCEPTED,
    TALLY_USERS_REFUSED,
    TALLIES
};
void engine_tally(struct engine *engine, enum engine_tally tally, uint64_t count);

#endif
