/* The engine: one owner of a directory, lanes, phases and homes of commands, failures that stay with their own, and a stop
 * that finishes what was accepted. */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "ledger/house.h"
#include "work/engine.h"

/* ---- a disk whose syncs can be made to fail ---- */

static atomic_bool syncs_fail;

int fdatasync(int file)
{
    errno = EIO;
    return atomic_load(&syncs_fail) ? -1 : (int)syscall(SYS_fdatasync, file);
}

int fsync(int file)
{
    errno = EIO;
    return atomic_load(&syncs_fail) ? -1 : (int)syscall(SYS_fsync, file);
}

/* ---- the engine under test ---- */

struct plant {
    struct scratch scratch;
    char directory[SCRATCH_PATH_MAX];
    struct engine_options options;
    struct engine *engine;
};

static void open_engine(struct plant *plant)
{
    MUST(engine_open(&plant->options, &plant->engine, &why));
}

static int set_up(void **state)
{
    struct plant *plant = calloc(1, sizeof(*plant));

    if (sodium_init() < 0)
        return -1;
    scratch_make(&plant->scratch);
    strcpy(plant->directory, scratch_path(&plant->scratch, "data"));
    engine_defaults(&plant->options);
    plant->options.directory = plant->directory;
    plant->options.create = true;
    plant->options.reserve_bytes = 0;
    *state = plant;
    return 0;
}

static int tear_down(void **state)
{
    struct plant *plant = *state;

    engine_close(plant->engine);
    scratch_remove(&plant->scratch);
    free(plant);
    return 0;
}

static void sleep_ms(long ms)
{
    const struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
}

/* ---- commands that leave a trace ---- */

#define TRACE_MAX 4096

/* Written on the writer's thread; read when all is done. */
static struct {
    pthread_mutex_t mutex;
    char text[TRACE_MAX];
} trace = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void note(const char *what, const char *name)
{
    (void)pthread_mutex_lock(&trace.mutex);
    size_t len = strlen(trace.text);
    (void)snprintf(trace.text + len, TRACE_MAX - len, "%s%s ", what, name);
    (void)pthread_mutex_unlock(&trace.mutex);
}

struct traced {
    struct command command; /* first */
    const char *name;
    unsigned fails_in;    /* phase */
    atomic_bool *gate;    /* waits in its ledger part until this is set */
    atomic_bool *entered; /* set when it waits */
    atomic_int done_count;
};

static bool step_of(struct command *command, const char *what, unsigned phase, struct error *error)
{
    const struct traced *traced = (const struct traced *)command;

    note(what, traced->name);
    return traced->fails_in != phase || error_set(error, ERROR_INVALID, "told to fail");
}

static bool in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    const struct traced *traced = (const struct traced *)command;

    (void)turn;
    if (traced->entered)
        atomic_store(traced->entered, true);
    while (traced->gate && !atomic_load(traced->gate))
        sleep_ms(1);
    return step_of(command, "l:", PHASE_LEDGER, error);
}

static bool settle(struct turn *turn, struct command *command, struct error *error)
{
    (void)turn;
    (void)error;
    note("s:", ((struct traced *)command)->name);
    return true;
}

static bool in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    (void)turn;
    return step_of(command, "p:", PHASE_PROFILES, error);
}

static bool in_volume(struct turn *turn, struct command *command, struct error *error)
{
    (void)turn;
    return step_of(command, "v:", PHASE_VOLUME, error);
}

static void done(struct command *command)
{
    struct traced *traced = (struct traced *)command;

    note(command->error.code == ERROR_NONE ? "d:" : "x:", traced->name);
    atomic_fetch_add(&traced->done_count, 1);
}

static const struct command_kind kinds[LANES] = {
    [LANE_RIGHTS] = { "rights", LANE_RIGHTS, PURPOSE_NONE, in_ledger, settle, in_profiles, in_volume },
    [LANE_SINGLE] = { "single", LANE_SINGLE, PURPOSE_NONE, in_ledger, settle, in_profiles, in_volume },
    [LANE_BULK] = { "bulk", LANE_BULK, PURPOSE_NONE, in_ledger, settle, in_profiles, in_volume },
};

static struct traced traced(const char *name, enum lane lane, unsigned phases)
{
    return (struct traced){ .command = { .kind = &kinds[lane], .phases = phases, .bytes = 100, .done = done },
                            .name = name };
}

static void submit(struct plant *plant, struct traced *command)
{
    MUST(engine_submit(plant->engine, &command->command, &why));
}

static void await(struct traced *command)
{
    for (int i = 0; i < 10000 && atomic_load(&command->done_count) == 0; i++)
        sleep_ms(1);
    sleep_ms(1);
    assert_int_equal(atomic_load(&command->done_count), 1);
}

/* Holds the writer inside a command until it is let go: what is submitted meanwhile makes one group. */
struct holder {
    struct traced command;
    atomic_bool gate, entered;
};

static void hold(struct plant *plant, struct holder *holder)
{
    memset(trace.text, 0, sizeof(trace.text));
    holder->command = traced("hold", LANE_SINGLE, PHASE_LEDGER);
    atomic_store(&holder->gate, false);
    atomic_store(&holder->entered, false);
    holder->command.gate = &holder->gate;
    holder->command.entered = &holder->entered;
    submit(plant, &holder->command);
    while (!atomic_load(&holder->entered))
        sleep_ms(1);
}

static void let_go(struct holder *holder)
{
    atomic_store(&holder->gate, true);
    await(&holder->command);
}

static void traces(const char *expected)
{
    (void)pthread_mutex_lock(&trace.mutex);
    if (strcmp(trace.text, expected) != 0)
        fail_msg("'%s', not '%s'", trace.text, expected);
    (void)pthread_mutex_unlock(&trace.mutex);
}

/* ---- the queue ---- */

static void lanes_are_taken_in_their_order(void **state)
{
    struct plant *plant = *state;
    struct holder holder;

    open_engine(plant);
    struct traced bulk = traced("bulk", LANE_BULK, PHASE_LEDGER), single = traced("single", LANE_SINGLE, PHASE_LEDGER),
                  first = traced("first", LANE_RIGHTS, PHASE_LEDGER),
                  second = traced("second", LANE_RIGHTS, PHASE_LEDGER);
    hold(plant, &holder);
    submit(plant, &bulk);
    submit(plant, &single);
    submit(plant, &first);
    submit(plant, &second);
    let_go(&holder);
    await(&bulk);
    traces("l:hold s:hold d:hold l:first l:second l:single l:bulk s:first s:second s:single s:bulk "
           "d:first d:second d:single d:bulk ");
}

static void a_command_is_done_when_its_home_has_committed(void **state)
{
    struct plant *plant = *state;
    struct holder holder;

    open_engine(plant);
    struct traced ledger = traced("L", LANE_SINGLE, PHASE_LEDGER), profiles = traced("P", LANE_SINGLE, PHASE_PROFILES),
                  all = traced("LPV", LANE_SINGLE, PHASE_LEDGER | PHASE_PROFILES | PHASE_VOLUME),
                  volume = traced("V", LANE_SINGLE, PHASE_VOLUME);
    hold(plant, &holder);
    submit(plant, &ledger);
    submit(plant, &profiles);
    submit(plant, &all);
    submit(plant, &volume);
    let_go(&holder);
    await(&all);
    await(&volume);
    traces("l:hold s:hold d:hold l:L l:LPV s:L s:P s:LPV s:V d:L p:P p:LPV d:P v:LPV v:V d:LPV d:V ");
}

static void a_command_that_fails_leaves_the_others(void **state)
{
    static const struct {
        unsigned phase;
        const char *trace;
    } cases[] = {
        { PHASE_LEDGER, "l:a l:bad l:c s:a s:c x:bad p:a p:c v:a v:c d:a d:c " },
        { PHASE_PROFILES, "l:a l:bad l:c s:a s:bad s:c p:a p:bad p:c x:bad v:a v:c d:a d:c " },
        { PHASE_VOLUME, "l:a l:bad l:c s:a s:bad s:c p:a p:bad p:c v:a v:bad v:c d:a x:bad d:c " },
    };
    struct plant *plant = *state;
    const unsigned all = PHASE_LEDGER | PHASE_PROFILES | PHASE_VOLUME;

    open_engine(plant);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct holder holder;
        struct traced a = traced("a", LANE_SINGLE, all), bad = traced("bad", LANE_SINGLE, all),
                      c = traced("c", LANE_SINGLE, all);
        bad.fails_in = cases[i].phase;
        hold(plant, &holder);
        memset(trace.text, 0, sizeof(trace.text));
        submit(plant, &a);
        submit(plant, &bad);
        submit(plant, &c);
        let_go(&holder);
        await(&c);
        await(&bad);
        assert_int_equal(bad.command.error.code, ERROR_INVALID);
        assert_int_equal(a.command.error.code, ERROR_NONE);
        char expected[200];
        (void)snprintf(expected, sizeof(expected), "l:hold s:hold d:hold %s", cases[i].trace);
        traces(expected);
    }
}

static void a_full_queue_refuses_all_but_rights(void **state)
{
    struct plant *plant = *state;
    struct holder holder;

    plant->options.queue_max_bytes = 1000;
    open_engine(plant);
    struct traced small = traced("small", LANE_BULK, PHASE_LEDGER), large = traced("large", LANE_SINGLE, PHASE_LEDGER),
                  refused = traced("refused", LANE_SINGLE, PHASE_LEDGER),
                  also = traced("also", LANE_BULK, PHASE_LEDGER), right = traced("right", LANE_RIGHTS, PHASE_LEDGER);
    hold(plant, &holder);
    large.command.bytes = 2000;
    submit(plant, &small);
    submit(plant, &large);
    MUST_NOT(ERROR_BUSY, engine_submit(plant->engine, &refused.command, &why));
    MUST_NOT(ERROR_BUSY, engine_submit(plant->engine, &also.command, &why));
    submit(plant, &right);
    let_go(&holder);
    await(&small);
    await(&large);
    await(&right);
    assert_int_equal(atomic_load(&refused.done_count), 0);
    submit(plant, &refused); /* there is room again */
    await(&refused);
}

static void a_stop_finishes_what_was_accepted(void **state)
{
    enum { COUNT = 300 };
    struct plant *plant = *state;
    struct traced *commands = calloc(COUNT, sizeof(*commands));
    struct holder holder;

    open_engine(plant);
    hold(plant, &holder);
    for (int i = 0; i < COUNT; i++) {
        commands[i] = traced("", i % LANES, PHASE_LEDGER | PHASE_VOLUME);
        submit(plant, &commands[i]);
    }
    atomic_store(&holder.gate, true);
    engine_close(plant->engine);
    plant->engine = NULL;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(atomic_load(&commands[i].done_count), 1);
    free(commands);
}

/* ---- groups that fail ---- */

struct adding {
    struct command command; /* first */
    char license[32];
    bool is_bad;
};

static bool add_option(struct turn *turn, struct command *command, struct error *error)
{
    const struct adding *adding = (const struct adding *)command;

    return ledger_set_option(turn->ledger, 1, STR("late_mark_days"), str_of(adding->license), error) &&
           (!adding->is_bad || error_set(error, ERROR_CONFLICT, "told to fail"));
}

static bool add_account(struct turn *turn, struct command *command, struct error *error)
{
    const struct adding *adding = (const struct adding *)command;
    const struct new_account fresh = { str_of(adding->license), STR("UTC") };
    uint32_t number;

    return ledger_add_account(turn->ledger, &fresh, &number, error);
}

static const struct command_kind option_kind = {
    .name = "option", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_ledger = add_option
};
static const struct command_kind account_kind = {
    .name = "account", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_ledger = add_account
};

static struct adding adding(const struct command_kind *kind, const char *text)
{
    struct adding made = { .command = { .kind = kind, .phases = PHASE_LEDGER, .bytes = 100 } };

    strcpy(made.license, text);
    return made;
}

static int64_t late_mark_days(struct plant *plant)
{
    int64_t days;

    ledger_enter(engine_ledger(plant->engine));
    days = ledger_account(engine_ledger(plant->engine), 1)->options.late_mark_days;
    ledger_leave(engine_ledger(plant->engine));
    return days;
}

static void add_shop(struct plant *plant)
{
    struct adding shop = adding(&account_kind, "shop");

    open_engine(plant);
    MUST(engine_call(plant->engine, &shop.command, &why));
}

static void what_a_failed_command_changed_is_undone(void **state)
{
    struct plant *plant = *state;

    add_shop(plant);
    struct adding good = adding(&option_kind, "40"), bad = adding(&option_kind, "50");
    bad.is_bad = true;
    MUST(engine_call(plant->engine, &good.command, &why));
    MUST_NOT(ERROR_CONFLICT, engine_call(plant->engine, &bad.command, &why));
    assert_int_equal(late_mark_days(plant), 40);
    engine_close(plant->engine);
    open_engine(plant);
    assert_int_equal(late_mark_days(plant), 40);
}

static void a_commit_that_fails_publishes_nothing_and_says_so(void **state)
{
    struct plant *plant = *state;
    struct error error = { 0 };
    struct engine_counts counts;

    add_shop(plant);
    struct adding failing = adding(&option_kind, "50"), next = adding(&option_kind, "60");
    atomic_store(&syncs_fail, true);
    bool ok = engine_call(plant->engine, &failing.command, &error);
    atomic_store(&syncs_fail, false);
    assert_false(ok);
    assert_int_equal(error_status(error.code), 503);
    assert_int_equal(late_mark_days(plant), 30);
    MUST(engine_call(plant->engine, &next.command, &why));
    assert_int_equal(late_mark_days(plant), 60);
    engine_counts(plant->engine, &counts);
    assert_int_equal(counts.failed_groups, 1);
    engine_close(plant->engine);
    open_engine(plant);
    assert_int_equal(late_mark_days(plant), 60);
}

/* ---- ids of messages that have no row ---- */

struct noting {
    struct command command;
    uint64_t message;
    bool is_bad, was_known;
};

static bool note_it(struct turn *turn, struct command *command, struct error *error)
{
    struct noting *noting = (struct noting *)command;

    noting->was_known = journal_has_message(turn->journal, noting->message);
    return journal_note_message(turn->journal, noting->message, turn->now_ms, error) &&
           (!noting->is_bad || error_set(error, ERROR_CONFLICT, "told to fail"));
}

static bool look_it_up(struct turn *turn, struct command *command, struct error *error)
{
    struct noting *noting = (struct noting *)command;

    (void)error;
    noting->was_known = journal_has_message(turn->journal, noting->message);
    return true;
}

static const struct command_kind note_kind = { .name = "note", .lane = LANE_SINGLE, .in_profiles = note_it };
static const struct command_kind look_kind = { .name = "look", .lane = LANE_SINGLE, .in_profiles = look_it_up };

static struct noting noting(const struct command_kind *kind, uint64_t message)
{
    return (struct noting){ .command = { .kind = kind, .phases = PHASE_PROFILES, .bytes = 1 }, .message = message };
}

static bool is_known(struct plant *plant, uint64_t message)
{
    struct noting look = noting(&look_kind, message);

    MUST(engine_call(plant->engine, &look.command, &why));
    return look.was_known;
}

static void an_id_that_was_noted_in_vain_is_not_known(void **state)
{
    struct plant *plant = *state;
    struct noting good = noting(&note_kind, 1), bad = noting(&note_kind, 2), lost = noting(&note_kind, 3);
    struct noting again = noting(&note_kind, 2);
    struct error error = { 0 };

    open_engine(plant);
    bad.is_bad = true;
    MUST(engine_call(plant->engine, &good.command, &why));
    MUST_NOT(ERROR_CONFLICT, engine_call(plant->engine, &bad.command, &why));
    assert_false(is_known(plant, 2));
    atomic_store(&syncs_fail, true);
    bool ok = engine_call(plant->engine, &lost.command, &error);
    atomic_store(&syncs_fail, false);
    assert_false(ok);
    assert_false(is_known(plant, 3));
    MUST(engine_call(plant->engine, &again.command, &why));
    assert_false(again.was_known);
    for (uint64_t message = 1; message <= 2; message++)
        assert_true(is_known(plant, message));
    engine_close(plant->engine);
    open_engine(plant);
    for (uint64_t message = 1; message <= 2; message++)
        assert_true(is_known(plant, message));
}

/* Readers of accounts go on while the list of them grows. */
static void *read_accounts(void *arg)
{
    struct plant *plant = arg;
    struct ledger *ledger = engine_ledger(plant->engine);
    uint32_t count = 0;

    while (count < 60) {
        ledger_enter(ledger);
        count = ledger_account_count(ledger);
        for (uint32_t i = 1; i <= count; i++)
            if (ledger_account(ledger, i)->number != i)
                count = UINT32_MAX - 1;
        ledger_leave(ledger);
    }
    return count == 60 ? arg : NULL;
}

static void accounts_are_read_while_others_are_added(void **state)
{
    struct plant *plant = *state;
    pthread_t reader;
    void *result = NULL;
    char license[32];

    open_engine(plant);
    assert_int_equal(pthread_create(&reader, NULL, read_accounts, plant), 0);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(license, sizeof(license), "account-%d", i);
        struct adding more = adding(&account_kind, license);
        MUST(engine_call(plant->engine, &more.command, &why));
    }
    assert_int_equal(pthread_join(reader, &result), 0);
    assert_ptr_equal(result, plant);
}

/* ---- jobs and the background ---- */

static atomic_int job_runs, background_steps;

static int64_t run_job(struct engine *engine, void *arg, int64_t now_ms)
{
    (void)engine;
    (void)arg;
    (void)now_ms;
    atomic_fetch_add(&job_runs, 1);
    return INT64_MAX;
}

static bool step_background(struct turn *turn, void *arg, bool *more, struct error *error)
{
    (void)turn;
    (void)arg;
    int steps = atomic_fetch_add(&background_steps, 1) + 1;
    *more = steps % 5 != 0;
    return steps != 3 || error_set(error, ERROR_BUSY, "once, in the middle");
}

static void await_count(atomic_int *count, int at_least)
{
    for (int i = 0; i < 5000 && atomic_load(count) < at_least; i++)
        sleep_ms(1);
    assert_true(atomic_load(count) >= at_least);
}

static void jobs_run_before_the_engine_is_ready_and_when_woken(void **state)
{
    const struct job jobs[] = { { "count", PURPOSE_NONE, NULL, run_job }, { .name = NULL } };
    struct plant *plant = *state;
    struct engine_counts counts;

    atomic_store(&job_runs, 0);
    plant->options.jobs = jobs;
    open_engine(plant);
    engine_counts(plant->engine, &counts);
    assert_true(counts.is_ready);
    int before = atomic_load(&job_runs);
    assert_true(before >= 1);
    engine_wake_worker(plant->engine);
    await_count(&job_runs, before + 1);
    engine_close(plant->engine);
    plant->engine = NULL;
}

static void the_background_goes_on_until_nothing_is_left(void **state)
{
    const struct background background = { "count", PURPOSE_NONE, NULL, step_background };
    struct plant *plant = *state;

    atomic_store(&background_steps, 0);
    plant->options.background = &background;
    open_engine(plant);
    await_count(&background_steps, 5); /* also past a failure */
    sleep_ms(20);
    assert_int_equal(atomic_load(&background_steps), 5);
    engine_wake_background(plant->engine);
    await_count(&background_steps, 10);
    engine_close(plant->engine);
    plant->engine = NULL;
}

/* ---- the directory ---- */

static void a_directory_has_one_owner(void **state)
{
    struct plant *plant = *state;
    struct engine *second = NULL;

    assert_false(engine_is_served(plant->directory));
    open_engine(plant);
    assert_true(engine_is_served(plant->directory));
    MUST_NOT(ERROR_BUSY, engine_open(&plant->options, &second, &why));
    engine_close(plant->engine);
    plant->engine = NULL;
    assert_false(engine_is_served(plant->directory));
    open_engine(plant);
}

static void write_file(struct plant *plant, const char *name, const char *text)
{
    FILE *file = fopen(scratch_path(&plant->scratch, name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void refuses(struct plant *plant, enum error_code code, const char *says)
{
    struct error error = { 0 };
    struct engine *engine = NULL;

    if (engine_open(&plant->options, &engine, &error) || error.code != code || !strstr(error.text, says))
        fail_msg("%d '%s'", (int)error.code, error.text);
}

static void a_directory_that_is_not_there_is_made_only_when_asked(void **state)
{
    struct plant *plant = *state;

    plant->options.create = false;
    refuses(plant, ERROR_NOT_FOUND, "no data directory");
    plant->options.create = true;
    open_engine(plant);
    assert_int_equal(scratch_mode(&plant->scratch, "data"), 0700);
    assert_int_equal(scratch_mode(&plant->scratch, "data/ledger/ledger.db"), 0600);
    assert_int_equal(scratch_mode(&plant->scratch, "data/ledger/keys"), 0600);
    assert_int_equal(scratch_mode(&plant->scratch, "data.master-key"), 0600);
}

static void a_directory_of_others_is_refused_and_left_alone(void **state)
{
    struct plant *plant = *state;

    assert_int_equal(mkdir(plant->directory, 0755), 0);
    refuses(plant, ERROR_INVALID, "open to others");
    assert_int_equal(chmod(plant->directory, 0700), 0);
    write_file(plant, "data/letter", "dear Ann");
    refuses(plant, ERROR_INVALID, "no data directory of habeas");
    assert_int_equal(scratch_size(&plant->scratch, "data/lock"), -1);
    assert_int_equal(scratch_size(&plant->scratch, "data.master-key"), -1);
}

static void formats_are_told_apart(void **state)
{
    struct plant *plant = *state;

    open_engine(plant);
    engine_close(plant->engine);
    plant->engine = NULL;
    write_file(plant, "data/format", "habeas data format 2\n");
    refuses(plant, ERROR_INVALID, "newer habeas");
    write_file(plant, "data/format", "habeas data format 1 control\n");
    refuses(plant, ERROR_INVALID, "another seal");
}

static void a_lost_master_key_is_not_replaced(void **state)
{
    struct plant *plant = *state;

    open_engine(plant);
    engine_close(plant->engine);
    plant->engine = NULL;
    assert_int_equal(unlink(scratch_path(&plant->scratch, "data.master-key")), 0);
    refuses(plant, ERROR_NOT_FOUND, "no master key");
    assert_int_equal(scratch_size(&plant->scratch, "data.master-key"), -1);
}

static void readers_are_used_again(void **state)
{
    struct plant *plant = *state;
    struct error error = { 0 };

    open_engine(plant);
    struct reader *one = engine_take_reader(plant->engine, &error);
    struct reader *two = engine_take_reader(plant->engine, &error);
    assert_non_null(one);
    assert_non_null(two);
    assert_ptr_not_equal(one, two);
    engine_give_reader(plant->engine, one);
    assert_ptr_equal(engine_take_reader(plant->engine, &error), one);
    engine_give_reader(plant->engine, one);
    engine_give_reader(plant->engine, two);
}

#define WITH_PLANT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLANT(lanes_are_taken_in_their_order),
        WITH_PLANT(a_command_is_done_when_its_home_has_committed),
        WITH_PLANT(a_command_that_fails_leaves_the_others),
        WITH_PLANT(a_full_queue_refuses_all_but_rights),
        WITH_PLANT(a_stop_finishes_what_was_accepted),
        WITH_PLANT(what_a_failed_command_changed_is_undone),
        WITH_PLANT(a_commit_that_fails_publishes_nothing_and_says_so),
        WITH_PLANT(an_id_that_was_noted_in_vain_is_not_known),
        WITH_PLANT(accounts_are_read_while_others_are_added),
        WITH_PLANT(jobs_run_before_the_engine_is_ready_and_when_woken),
        WITH_PLANT(the_background_goes_on_until_nothing_is_left),
        WITH_PLANT(a_directory_has_one_owner),
        WITH_PLANT(a_directory_that_is_not_there_is_made_only_when_asked),
        WITH_PLANT(a_directory_of_others_is_refused_and_left_alone),
        WITH_PLANT(formats_are_told_apart),
        WITH_PLANT(a_lost_master_key_is_not_replaced),
        WITH_PLANT(readers_are_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
