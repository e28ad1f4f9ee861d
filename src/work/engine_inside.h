/* The engine's own struct: for the files of this folder only. */
#ifndef HABEAS_WORK_ENGINE_INSIDE_H
#define HABEAS_WORK_ENGINE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ledger/gate.h"
#include "work/engine.h"

#define ENGINE_PATH_MAX 4096

struct queue {
    struct command *first, *last;
};
/* One helper thread that sleeps until it is woken or its time has come. */
struct helper {
    pthread_t thread;
    bool is_started;
    bool has_work;
};

struct engine {
    struct engine_options options;
    char directory[ENGINE_PATH_MAX - 64];
    int lock_file;
    struct keyring *ring;
    struct ledger *ledger;
    struct profiles *profiles;
    struct journal *journal;
    struct turn turn; /* the writer's */

    pthread_mutex_t mutex;        /* all below */
    pthread_cond_t changed;       /* helpers */
    pthread_cond_t writer_wanted; /* the writer alone: each request signals it */
    bool writer_waits;
    int64_t background_rests_until; /* the writer's own; monotonic */
    bool needs_mending;             /* the writer's own: a group failed */
    struct queue lanes[LANES];
    int64_t queue_bytes;
    bool is_stopping; /* the writer ends when its lanes are empty */
    bool helpers_stop;
    bool background_wanted;
    atomic_bool disk_is_low;
    pthread_mutex_t space; /* one look at the disk at a time */
    struct helper writer, checkpointer, janitor, worker;
    struct reader *readers;
    struct engine_counts counts;
    atomic_uint_fast64_t tallies[TALLIES];
};

/* Finds the people whose record in profiles.db is missing. On the writer's thread, or before there are threads. */
bool engine_find_bare(struct engine *engine, struct error *error);

/* The threads' bodies. */
void *writer_run(void *engine);
void *checkpointer_run(void *engine);
void *janitor_run(void *engine);
void *worker_run(void *engine);

/* Waits until `until_us` (monotonic; INT64_MAX: no end). With the mutex held. */
void engine_wait(struct engine *engine, pthread_cond_t *condition, int64_t until_us);

/* datadir.c */
bool datadir_open(struct engine *engine, struct error *error);
void datadir_close(struct engine *engine);
/* Looks at the free space; gives the reserve up when the disk is full, makes it again when there is room. */
void datadir_watch_space(struct engine *engine);

#endif
