/* The writer: the only thread that changes state. It takes what waits, lane by lane, commits file by file, and answers;
 * so "accepted" means "on disk", and all that waits pays for one sync together. Between groups it keeps house. */
#include <stdlib.h>

#include "base/log.h"
#include "work/engine_inside.h"

/* About 5 ms of inserts: rights that arrive meanwhile wait no longer. */
#define GROUP_MAX_BYTES ((size_t)1024 * 1024)
#define GROUP_MAX_COMMANDS 4096
#define LOG_PAGES_MAX 1000 /* of a write-ahead log before it is brought into its file: 4 MiB */
#define IDLE_US INT64_C(250000)
#define RETRY_US INT64_C(2000)
#define FAILED_REST_US INT64_C(500000) /* of the last lane behind a failure that is more than a file in use */

struct group {
    struct command *commands[GROUP_MAX_COMMANDS];
    size_t count;
};

/* ---- taking ---- */

static struct command *pop(struct engine *engine)
{
    for (int lane = 0; lane < LANES; lane++) {
        struct queue *queue = &engine->lanes[lane];
        struct command *command = queue->first;
        if (!command)
            continue;
        queue->first = command->next;
        if (!queue->first)
            queue->last = NULL;
        return command;
    }
    return NULL;
}

static void take_group(struct engine *engine, struct group *group)
{
    size_t bytes = 0;
    struct command *command;

    group->count = 0;
    while (group->count < GROUP_MAX_COMMANDS && bytes < GROUP_MAX_BYTES && (command = pop(engine)) != NULL) {
        group->commands[group->count++] = command;
        bytes += command->bytes;
        engine->queue_bytes -= (int64_t)command->bytes;
    }
}

/* ---- the three files, told by a table ---- */

static bool ledger_part(struct turn *turn, struct command *command, struct error *error)
{
    if (!ledger_part_begin(turn->ledger, error))
        return false;
    bool ok = command->kind->in_ledger(turn, command, error);
    struct error closing = { 0 };
    if (!ledger_part_end(turn->ledger, ok, &closing) && ok)
        *error = closing;
    return ok && closing.code == ERROR_NONE;
}

static bool profiles_part(struct turn *turn, struct command *command, struct error *error)
{
    uint64_t mark = journal_message_mark(turn->journal);
    struct error closing = { 0 };

    if (!profiles_part_begin(turn->profiles, error))
        return false;
    bool ok = command->kind->in_profiles(turn, command, error);
    if (!profiles_part_end(turn->profiles, ok, &closing) && ok)
        *error = closing;
    ok = ok && closing.code == ERROR_NONE;
    if (!ok)
        journal_cut_messages(turn->journal, mark);
    return ok;
}

static bool volume_part(struct turn *turn, struct command *command, struct error *error)
{
    return command->kind->in_volume(turn, command, error);
}

static bool begin_ledger(struct turn *turn, struct error *error)
{
    return ledger_begin(turn->ledger, error);
}

static bool begin_profiles(struct turn *turn, struct error *error)
{
    turn->message_mark = journal_message_mark(turn->journal);
    return profiles_begin(turn->profiles, error);
}

static bool begin_volume(struct turn *turn, struct error *error)
{
    (void)turn;
    (void)error;
    return true; /* the first append begins */
}

static struct anchor anchor_of(const struct turn *turn)
{
    return (struct anchor){ ledger_position(turn->ledger), ledger_position_time(turn->ledger) };
}

static bool commit_ledger(struct turn *turn, struct error *error)
{
    return ledger_commit(turn->ledger, error);
}

static bool commit_profiles(struct turn *turn, struct error *error)
{
    return profiles_commit(turn->profiles, anchor_of(turn), error);
}

static bool commit_volume(struct turn *turn, struct error *error)
{
    return !journal_has_work(turn->journal) || journal_commit(turn->journal, anchor_of(turn), error);
}

static void undo_ledger(struct turn *turn)
{
    ledger_rollback(turn->ledger);
}

static void undo_profiles(struct turn *turn)
{
    profiles_rollback(turn->profiles);
    journal_cut_messages(turn->journal, turn->message_mark);
}

static void undo_volume(struct turn *turn)
{
    journal_rollback(turn->journal);
}

/* In the order of commits. A step that fails is undone alone. In a volume rows are appended without savepoints: there a
 * step that fails behind its first row takes the whole file's group with it. */
static const struct file_row {
    enum phase phase;
    bool alone; /* one command's part can be undone alone */
    bool (*begin)(struct turn *turn, struct error *error);
    command_step *part;
    bool (*commit)(struct turn *turn, struct error *error);
    void (*undo)(struct turn *turn);
} files[] = {
    { PHASE_LEDGER, true, begin_ledger, ledger_part, commit_ledger, undo_ledger },
    { PHASE_PROFILES, true, begin_profiles, profiles_part, commit_profiles, undo_profiles },
    { PHASE_VOLUME, false, begin_volume, volume_part, commit_volume, undo_volume },
};

static void answer(struct group *group, size_t i)
{
    struct command *command = group->commands[i];

    group->commands[i] = NULL;
    command->done(command);
}

static bool takes_part(const struct group *group, size_t i, enum phase phase)
{
    const struct command *command = group->commands[i];

    return command && command->error.code == ERROR_NONE && (command->phases & phase);
}

/* A whole file's commit failed: nothing of it was published, and whoever waited for it is told so. */
static void fail_all(struct group *group, enum phase phase, const struct error *error)
{
    for (size_t i = 0; i < group->count; i++)
        if (takes_part(group, i, phase))
            group->commands[i]->error = *error;
}

static bool run_parts(struct turn *turn, struct group *group, const struct file_row *file, struct error *error)
{
    for (size_t i = 0; i < group->count; i++) {
        if (!takes_part(group, i, file->phase))
            continue;
        struct command *command = group->commands[i];
        size_t staged = journal_staged(turn->journal);
        if (file->part(turn, command, &command->error))
            continue;
        if (!file->alone && journal_staged(turn->journal) != staged) {
            *error = command->error;
            command->error = (struct error){ 0 };
            return false;
        }
    }
    return true;
}

static bool run_file(struct turn *turn, struct group *group, const struct file_row *file)
{
    struct error error = { 0 };
    bool any = false;

    for (size_t i = 0; i < group->count && !any; i++)
        any = takes_part(group, i, file->phase);
    if (!any)
        return true;
    if (file->begin(turn, &error) && run_parts(turn, group, file, &error) && file->commit(turn, &error))
        return true;
    file->undo(turn);
    fail_all(group, file->phase, &error);
    log_line(LOG_ERROR, "commit_failed", "file=%d error=\"%s\"", (int)file->phase, error.text);
    return false;
}

/* The ledger is as it will be for this group: what proposals were made on may have moved. */
static void settle_all(struct turn *turn, struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        struct command *command = group->commands[i];
        if (command && command->kind->settle && command->error.code == ERROR_NONE)
            (void)command->kind->settle(turn, command, &command->error);
    }
}

/* Those that failed, and those with no file left to go. */
static void answer_finished(struct group *group, unsigned later_phases)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct command *command = group->commands[i];
        if (command && (command->error.code != ERROR_NONE || !(command->phases & later_phases)))
            answer(group, i);
    }
}

/* Before anybody is told of it. An erasure may stand in the ledger though its caller hears of a failure: it goes on all the
 * same. */
static void note_failure(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->counts.failed_groups++;
    engine->needs_mending = true;
    engine->background_wanted = engine->options.background != NULL;
    (void)pthread_mutex_unlock(&engine->mutex);
}

/* Counted before anybody is answered, so that whoever was answered finds it counted. */
static void note_group(struct engine *engine, size_t commands)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->counts.groups++;
    engine->counts.commands += commands;
    (void)pthread_mutex_unlock(&engine->mutex);
}

static void note_time(struct engine *engine, int64_t took_us)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->counts.commit_us_last = took_us;
    engine->counts.commit_us_total += took_us;
    if (took_us > engine->counts.commit_us_max)
        engine->counts.commit_us_max = took_us;
    (void)pthread_mutex_unlock(&engine->mutex);
}

static void run_group(struct engine *engine, struct group *group)
{
    unsigned later = PHASE_LEDGER | PHASE_PROFILES | PHASE_VOLUME;
    int64_t started = when_monotonic_us();
    bool failed = false;

    note_group(engine, group->count);
    engine->turn.now_ms = when_now(engine->options.clock);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (!run_file(&engine->turn, group, &files[i]) && !failed) {
            failed = true;
            note_failure(engine);
            datadir_watch_space(engine); /* a full disk gives up its reserve now, not at the worker's next look */
        }
        if (files[i].phase == PHASE_LEDGER)
            settle_all(&engine->turn, group);
        later &= ~(unsigned)files[i].phase;
        answer_finished(group, later);
    }
    note_time(engine, when_monotonic_us() - started);
}

/* ---- keeping house ---- */

static void complain(const char *what, const struct error *error)
{
    log_line(LOG_ERROR, "housekeeping", "step=%s error=\"%s\"", what, error->text);
}

static void settle_when_long(struct db *db, const char *what)
{
    struct error error = { 0 };
    int64_t left = 0;

    if (db->broken || db_log_pages(db) < LOG_PAGES_MAX)
        return; /* a broken one is opened anew by the next group */
    if (!db_settle(db, DB_SETTLE_SOME, &left, &error) && error.code != ERROR_BUSY)
        complain(what, &error);
}

static void wake(struct engine *engine, struct helper *helper)
{
    (void)pthread_mutex_lock(&engine->mutex);
    helper->has_work = true;
    (void)pthread_cond_broadcast(&engine->changed);
    (void)pthread_mutex_unlock(&engine->mutex);
}

/* The catalogue lies in profiles.db: its handle may be broken now, and is mended before anything else is written. */
static void doubt_catalogue(struct engine *engine, const char *what, const struct error *error)
{
    engine->needs_mending = true;
    complain(what, error);
}

/* Swapping in costs nothing when the janitor has nothing ready; a reader in its way makes it wait for the next time. */
static void keep_journal(struct engine *engine)
{
    struct error error = { 0 };

    if (journal_turn(engine->journal, &error))
        wake(engine, &engine->checkpointer);
    else if (error.code != ERROR_NONE)
        complain("change-over", &error);
    error = (struct error){ 0 };
    if (journal_rotate(engine->journal, when_now(engine->options.clock), &error)) {
        wake(engine, &engine->checkpointer); /* the pair that is left has a log */
        wake(engine, &engine->janitor);
    } else if (error.code != ERROR_NONE) {
        doubt_catalogue(engine, "new volumes", &error);
    }
    error = (struct error){ 0 };
    if (!journal_swap(engine->journal, &error) && error.code != ERROR_BUSY)
        doubt_catalogue(engine, "closing volumes", &error);
    error = (struct error){ 0 };
    if (!journal_forget_answers(engine->journal, when_now(engine->options.clock), &error))
        doubt_catalogue(engine, "kept answers", &error);
}

/* A failed group leaves handles to be opened anew, and perhaps new people in the ledger without a record in profiles.db.
 * Put right here, so that it need not wait for whoever comes next. */
static bool mend(struct engine *engine, struct error *error)
{
    if (!ledger_begin(engine->ledger, error))
        return false;
    ledger_rollback(engine->ledger);
    if (!profiles_begin(engine->profiles, error))
        return false;
    profiles_rollback(engine->profiles);
    return engine_find_bare(engine, error);
}

static void mend_when_needed(struct engine *engine)
{
    struct error error = { 0 };

    if (engine->needs_mending && mend(engine, &error))
        engine->needs_mending = false;
    else if (error.code != ERROR_NONE)
        complain("mending", &error);
}

static void keep_house(struct engine *engine)
{
    mend_when_needed(engine);
    keep_journal(engine);
    settle_when_long(ledger_db(engine->ledger), "ledger log");
    settle_when_long(profiles_db(engine->profiles), "profiles log");
}

/* One slice of the last lane. True: call again at once. */
static bool run_background(struct engine *engine)
{
    const struct background *background = engine->options.background;
    struct error error = { 0 };
    bool more = false;

    (void)pthread_mutex_lock(&engine->mutex);
    bool wanted = engine->background_wanted && when_monotonic_us() >= engine->background_rests_until;
    engine->background_wanted &= !wanted;
    (void)pthread_mutex_unlock(&engine->mutex);
    if (!wanted)
        return false;
    engine->turn.now_ms = when_now(engine->options.clock);
    if (!background->step(&engine->turn, background->arg, &more, &error)) {
        if (error.code != ERROR_BUSY) {
            complain(background->name, &error);
            engine->background_rests_until = when_monotonic_us() + FAILED_REST_US;
        }
        wake(engine, &engine->checkpointer); /* it may wait for files that are theirs just now */
        wake(engine, &engine->janitor);
        more = true;
    }
    if (more) {
        (void)pthread_mutex_lock(&engine->mutex);
        engine->background_wanted = true;
        (void)pthread_mutex_unlock(&engine->mutex);
    }
    return more && error.code == ERROR_NONE;
}

/* ---- the thread ---- */

static bool has_commands(const struct engine *engine)
{
    return engine->lanes[LANE_RIGHTS].first || engine->lanes[LANE_SINGLE].first || engine->lanes[LANE_BULK].first;
}

/* Sleeps until there is something to do; false when it is time to end. */
static bool await_work(struct engine *engine, struct group *group, bool hurry)
{
    bool goes_on;

    (void)pthread_mutex_lock(&engine->mutex);
    if (!has_commands(engine) && !engine->is_stopping && !hurry) {
        int64_t pause = engine->background_wanted ? RETRY_US : IDLE_US;
        engine->writer_waits = true;
        engine_wait(engine, &engine->writer_wanted, when_monotonic_us() + pause);
        engine->writer_waits = false;
    }
    take_group(engine, group);
    goes_on = group->count > 0 || !engine->is_stopping;
    (void)pthread_mutex_unlock(&engine->mutex);
    return goes_on;
}

void *writer_run(void *arg)
{
    struct engine *engine = arg;
    struct group *group = calloc(1, sizeof *group);
    bool hurry = false;

    if (!group) {
        log_line(LOG_ERROR, "writer", "error=\"out of memory\"");
        abort();
    }
    while (await_work(engine, group, hurry)) {
        mend_when_needed(engine); /* a group need not begin every file, and may need the keys all the same */
        if (group->count > 0)
            run_group(engine, group);
        keep_house(engine);
        hurry = run_background(engine);
    }
    free(group);
    return NULL;
}
