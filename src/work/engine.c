/* Opening and closing the engine, the queue into the writer, and counts. */
#include "work/engine.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "vault/kept.h"
#include "vault/recent.h"
#include "work/engine_inside.h"

#define MIB ((int64_t)1024 * 1024)

static const struct when_clock plain_clock = { 0 };
static const struct job no_jobs[] = { { .name = NULL } };

void engine_defaults(struct engine_options *options)
{
    *options = (struct engine_options){
        .cancel_window_ms = 7 * WHEN_DAY,
        .queue_max_bytes = 64 * MIB,
        .reserve_bytes = 32 * MIB,
        .journal = { .log_bytes = 16 * MIB, .pair_rows = 4000000, .message_ids = RECENT_MAX, .message_ms = WHEN_DAY },
        .clock = &plain_clock,
        .jobs = no_jobs,
    };
}

/* Key bytes must not reach a core file, and other processes of this user need not read our memory. */
static void forbid_core_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

/* A directory that has its ledger has its master key somewhere: another one would only hide that it is missing. */
static bool has_ledger(const struct engine *engine)
{
    char path[ENGINE_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/ledger/ledger.db", engine->directory);
    return access(path, F_OK) == 0;
}

/* Beside the directory itself, whatever name it was called by: "." and a link have a place elsewhere. */
static bool path_beside(const struct engine *engine, char out[ENGINE_PATH_MAX], struct error *error)
{
    char real[PATH_MAX];

    if (!realpath(engine->directory, real))
        return error_errno(error, "find the data directory");
    return (size_t)snprintf(out, ENGINE_PATH_MAX, "%s.master-key", real) < ENGINE_PATH_MAX ||
           error_set(error, ERROR_INVALID, "the path of the data directory is too long: choose a shorter one");
}

static bool open_keyring(struct engine *engine, struct error *error)
{
    char beside[ENGINE_PATH_MAX];
    const char *path = engine->options.master_key_path;

    if (!path || !*path) {
        if (!path_beside(engine, beside, error))
            return false;
        path = beside;
    }
    return keyring_open(path, engine->options.create && !has_ledger(engine), &engine->ring, error);
}

/* The newest people of an account that one group of the writer can have made. */
#define GROUP_PEOPLE_MAX 65536

struct seen {
    bool *people; /* from `first` on */
    uint32_t first, next;
};

static void is_seen(void *arg, uint32_t ordinal)
{
    struct seen *seen = arg;

    if (ordinal >= seen->first && ordinal < seen->next)
        seen->people[ordinal - seen->first] = true;
}

/* A crash or a failure between the ledger's commit and that of profiles.db leaves new people without their record: found
 * here, mended by their next datum. */
static bool find_bare(struct engine *engine, struct account *account, bool *people, struct error *error)
{
    uint32_t next = account->subjects.next_ordinal;
    struct seen seen = { people, next > GROUP_PEOPLE_MAX ? next - GROUP_PEOPLE_MAX : 1, next };

    memset(people, 0, GROUP_PEOPLE_MAX);
    if (!profiles_seen(engine->profiles, account->number, seen.first, is_seen, &seen, error))
        return false;
    for (uint32_t ordinal = seen.first; ordinal < next; ordinal++) {
        const struct subject *subject = account_subject(account, ordinal);
        if (subject && subject->state == SUBJECT_LIVE && !subject->bare && !people[ordinal - seen.first])
            ledger_miss(engine->ledger, account, ordinal);
    }
    return true;
}

bool engine_find_bare(struct engine *engine, struct error *error)
{
    bool *people = malloc(GROUP_PEOPLE_MAX * sizeof *people);
    bool ok = people || error_set(error, ERROR_INTERNAL, "out of memory");

    for (uint32_t number = 1; ok && number <= ledger_account_count(engine->ledger); number++)
        ok = find_bare(engine, ledger_account(engine->ledger, number), people, error);
    free(people);
    return ok;
}

static bool open_stores(struct engine *engine, struct error *error)
{
    char ledger[ENGINE_PATH_MAX], vault[ENGINE_PATH_MAX];
    struct anchor anchor;

    (void)snprintf(ledger, sizeof ledger, "%s/ledger", engine->directory);
    (void)snprintf(vault, sizeof vault, "%s/vault", engine->directory);
    if (!ledger_open(ledger, engine->ring, engine->options.create, engine->options.clock, &engine->ledger, error))
        return false;
    anchor = (struct anchor){ ledger_position(engine->ledger), ledger_position_time(engine->ledger) };
    return profiles_open(vault, ledger_identity(engine->ledger), engine->options.create, &engine->profiles, error) &&
           journal_open(vault, engine->profiles, ledger_identity(engine->ledger), anchor, &engine->options.journal,
                        engine->options.clock, &engine->journal, error) &&
           engine_find_bare(engine, error);
}

static bool prepare_turn(struct engine *engine, struct error *error)
{
    engine->turn = (struct turn){
        .ledger = engine->ledger, .profiles = engine->profiles, .journal = engine->journal, .parser = json_parser_new()
    };
    if (!engine->turn.parser)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (!seat_new(engine->ledger, &engine->turn.seat, error))
        return false;
    seat_is_writers(engine->turn.seat);
    return true;
}

static bool start(struct engine *engine, struct helper *helper, void *(*body)(void *), struct error *error)
{
    int failed = pthread_create(&helper->thread, NULL, body, engine);

    helper->is_started = failed == 0;
    errno = failed;
    return failed == 0 || error_errno(error, "cannot start a thread");
}

static bool start_threads(struct engine *engine, struct error *error)
{
    return start(engine, &engine->writer, writer_run, error) &&
           start(engine, &engine->checkpointer, checkpointer_run, error) &&
           start(engine, &engine->janitor, janitor_run, error) && start(engine, &engine->worker, worker_run, error);
}

static void init_signals(struct engine *engine)
{
    pthread_condattr_t kind;

    (void)pthread_mutex_init(&engine->mutex, NULL);
    (void)pthread_mutex_init(&engine->space, NULL);
    (void)pthread_condattr_init(&kind);
    (void)pthread_condattr_setclock(&kind, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&engine->changed, &kind);
    (void)pthread_cond_init(&engine->writer_wanted, &kind);
    (void)pthread_condattr_destroy(&kind);
}

/* Until the worker has looked once at what fell due while nothing ran. */
static void await_first_look(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    while (!engine->counts.is_ready)
        engine_wait(engine, &engine->changed, INT64_MAX);
    (void)pthread_mutex_unlock(&engine->mutex);
}

bool engine_open(const struct engine_options *options, struct engine **out, struct error *error)
{
    struct engine *engine = calloc(1, sizeof *engine);

    if (!engine)
        return error_set(error, ERROR_INTERNAL, "out of memory for the engine");
    engine->options = *options;
    engine->lock_file = -1;
    engine->background_wanted = options->background != NULL;
    (void)snprintf(engine->directory, sizeof engine->directory, "%s", options->directory);
    for (size_t len = strlen(engine->directory); len > 1 && engine->directory[len - 1] == '/'; len--)
        engine->directory[len - 1] = '\0'; /* "data/" and "data" have the same master key beside them */
    init_signals(engine);
    forbid_core_dumps();
    if (!datadir_open(engine, error) || !open_keyring(engine, error) || !open_stores(engine, error) ||
        !prepare_turn(engine, error)) {
        engine_close(engine);
        return false;
    }
    datadir_watch_space(engine);
    if ((options->load && !options->load(engine, options->load_arg, error)) || !start_threads(engine, error)) {
        engine_close(engine);
        return false;
    }
    await_first_look(engine);
    *out = engine;
    return true;
}

static void join(struct helper *helper)
{
    if (helper->is_started)
        (void)pthread_join(helper->thread, NULL);
    helper->is_started = false;
}

static void stop_threads(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->helpers_stop = true;
    (void)pthread_cond_broadcast(&engine->changed);
    (void)pthread_mutex_unlock(&engine->mutex);
    join(&engine->worker);
    (void)pthread_mutex_lock(&engine->mutex);
    engine->is_stopping = true;
    (void)pthread_cond_signal(&engine->writer_wanted);
    (void)pthread_mutex_unlock(&engine->mutex);
    join(&engine->writer);
    join(&engine->checkpointer);
    join(&engine->janitor);
}

static void free_readers(struct reader *reader)
{
    while (reader) {
        struct reader *next = reader->next;
        journal_reader_free(reader->journal);
        db_close(reader->ledger);
        db_close(reader->profiles);
        json_parser_free(reader->parser);
        seat_free(reader->seat);
        free(reader);
        reader = next;
    }
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    stop_threads(engine);
    free_readers(engine->readers);
    seat_free(engine->turn.seat);
    json_parser_free(engine->turn.parser);
    journal_close(engine->journal);
    profiles_close(engine->profiles);
    ledger_close(engine->ledger);
    keyring_close(engine->ring);
    datadir_close(engine);
    (void)pthread_cond_destroy(&engine->changed);
    (void)pthread_cond_destroy(&engine->writer_wanted);
    (void)pthread_mutex_destroy(&engine->mutex);
    (void)pthread_mutex_destroy(&engine->space);
    free(engine);
}

struct ledger *engine_ledger(struct engine *engine)
{
    return engine->ledger;
}

struct journal *engine_journal(struct engine *engine)
{
    return engine->journal;
}

struct profiles *engine_profiles(struct engine *engine)
{
    return engine->profiles;
}

const struct when_clock *engine_clock(const struct engine *engine)
{
    return engine->options.clock;
}

int64_t engine_cancel_window(const struct engine *engine)
{
    return engine->options.cancel_window_ms;
}

/* ---- the queue ---- */

static bool may_submit(const struct engine *engine, const struct command *command, struct error *error)
{
    if (engine->is_stopping)
        return error_set(error, ERROR_BUSY, "the server is stopping");
    if (command->kind->purpose == PURPOSE_COLLECT && atomic_load(&engine->disk_is_low))
        return error_set(error, ERROR_FULL, "the disk is full: nothing new is taken until there is room");
    if (command->kind->lane != LANE_RIGHTS && engine->queue_bytes > engine->options.queue_max_bytes)
        return error_set(error, ERROR_BUSY, "too much is waiting to be written: try again");
    return true;
}

bool engine_submit(struct engine *engine, struct command *command, struct error *error)
{
    struct queue *lane = &engine->lanes[command->kind->lane];
    bool ok;

    (void)pthread_mutex_lock(&engine->mutex);
    ok = may_submit(engine, command, error);
    if (ok) {
        command->next = NULL;
        if (lane->last)
            lane->last->next = command;
        else
            lane->first = command;
        lane->last = command;
        engine->queue_bytes += (int64_t)command->bytes;
        if (engine->writer_waits)
            (void)pthread_cond_signal(&engine->writer_wanted);
    }
    (void)pthread_mutex_unlock(&engine->mutex);
    return ok;
}

struct call {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void call_done(struct command *command)
{
    struct call *call = command->waiter;

    (void)pthread_mutex_lock(&call->mutex);
    call->is_done = true;
    (void)pthread_cond_signal(&call->done);
    (void)pthread_mutex_unlock(&call->mutex);
}

bool engine_call(struct engine *engine, struct command *command, struct error *error)
{
    struct call call = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

    command->done = call_done;
    command->waiter = &call;
    if (!engine_submit(engine, command, error))
        return false;
    (void)pthread_mutex_lock(&call.mutex);
    while (!call.is_done)
        (void)pthread_cond_wait(&call.done, &call.mutex);
    (void)pthread_mutex_unlock(&call.mutex);
    if (command->error.code == ERROR_NONE)
        return true;
    *error = command->error;
    return false;
}

void engine_wake_worker(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->worker.has_work = true;
    (void)pthread_cond_broadcast(&engine->changed);
    (void)pthread_mutex_unlock(&engine->mutex);
}

void engine_wake_background(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->background_wanted = engine->options.background != NULL;
    (void)pthread_cond_signal(&engine->writer_wanted);
    (void)pthread_mutex_unlock(&engine->mutex);
}

void engine_wait(struct engine *engine, pthread_cond_t *condition, int64_t until_us)
{
    struct timespec until;

    if (until_us == INT64_MAX) {
        (void)pthread_cond_wait(condition, &engine->mutex);
        return;
    }
    until.tv_sec = (time_t)(until_us / 1000000);
    until.tv_nsec = (long)(until_us % 1000000) * 1000;
    (void)pthread_cond_timedwait(condition, &engine->mutex, &until);
}

/* ---- readers ---- */

static struct reader *new_reader(struct engine *engine, struct error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);

    if (!reader) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory for a reader");
        return NULL;
    }
    reader->parser = json_parser_new();
    if (reader->parser && seat_new(engine->ledger, &reader->seat, error) &&
        db_open_sqlite(ledger_database_path(engine->ledger), DB_READER, &reader->ledger, error) &&
        db_open_sqlite(profiles_path(engine->profiles), DB_READER, &reader->profiles, error) &&
        journal_reader_new(engine->journal, &reader->journal, error))
        return reader;
    free_readers(reader);
    return NULL;
}

struct reader *engine_take_reader(struct engine *engine, struct error *error)
{
    struct reader *reader;

    (void)pthread_mutex_lock(&engine->mutex);
    reader = engine->readers;
    if (reader)
        engine->readers = reader->next;
    (void)pthread_mutex_unlock(&engine->mutex);
    if (!reader)
        return new_reader(engine, error);
    reader->next = NULL;
    return reader;
}

void engine_give_reader(struct engine *engine, struct reader *reader)
{
    gate_close(reader->seat);
    if (reader->ledger->broken || reader->profiles->broken) {
        reader->next = NULL;
        free_readers(reader);
        return;
    }
    (void)pthread_mutex_lock(&engine->mutex);
    reader->next = engine->readers;
    engine->readers = reader;
    (void)pthread_mutex_unlock(&engine->mutex);
}

/* ---- counts ---- */

void engine_tally(struct engine *engine, enum engine_tally tally, uint64_t count)
{
    atomic_fetch_add_explicit(&engine->tallies[tally], count, memory_order_relaxed);
}

void engine_counts(struct engine *engine, struct engine_counts *out)
{
    (void)pthread_mutex_lock(&engine->mutex);
    *out = engine->counts;
    out->queue_bytes = engine->queue_bytes;
    (void)pthread_mutex_unlock(&engine->mutex);
    out->is_full = atomic_load(&engine->disk_is_low);
    out->events_accepted = atomic_load(&engine->tallies[TALLY_EVENTS_ACCEPTED]);
    out->events_repeated = atomic_load(&engine->tallies[TALLY_EVENTS_REPEATED]);
    out->events_refused = atomic_load(&engine->tallies[TALLY_EVENTS_REFUSED]);
    out->users_accepted = atomic_load(&engine->tallies[TALLY_USERS_ACCEPTED]);
    out->users_refused = atomic_load(&engine->tallies[TALLY_USERS_REFUSED]);
}
