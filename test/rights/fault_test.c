/* Each call of the ledger's and the profiles' database fails once in turn, in everything that a request makes the writer do:
 * asking, cancelling, the end of a window and each step of an erasure. What was refused has not happened and may be asked
 * again; and nobody is reported as erased of whom anything is left. */
#include <stdatomic.h>
#include <time.h>

#include "api/shop.h"
#include "db/db_tap.h"
#include "rights/desk.h"
#include "rights/erasure.h"

/* ---- on the writer's thread ---- */

static struct db_tap tap;

static bool set_tap(struct turn *turn, struct command *command, struct error *error)
{
    struct db *handles[] = { ledger_db(turn->ledger), profiles_db(turn->profiles) };

    (void)command;
    (void)error;
    db_tap_begin(&tap, handles, COUNT_OF(handles));
    return true;
}

static bool take_tap(struct turn *turn, struct command *command, struct error *error)
{
    (void)command;
    (void)error;
    db_tap_end(ledger_db(turn->ledger));
    db_tap_end(profiles_db(turn->profiles));
    return true;
}

static bool do_nothing(struct turn *turn, struct command *command, struct error *error)
{
    (void)turn;
    (void)command;
    (void)error;
    return true;
}

static const struct command_kind kinds[] = {
    { .name = "tap", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_volume = set_tap },
    { .name = "no tap", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_volume = take_tap },
    { .name = "nothing", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_volume = do_nothing },
};

static void on_writer(struct shop *shop, size_t kind)
{
    struct command command = { .kind = &kinds[kind], .phases = PHASE_VOLUME, .bytes = 10 };

    MUST(engine_call(shop_engine(shop), &command, &why));
}

static void tap_from(struct shop *shop, int64_t nth)
{
    atomic_store(&tap.calls, 0);
    atomic_store(&tap.fails_at, nth);
    atomic_store(&tap.struck, false);
    on_writer(shop, 0);
}

/* Between two groups comes a slice of the background: behind the first none is wanted any more. */
static void tap_off(struct shop *shop)
{
    on_writer(shop, 2);
    on_writer(shop, 1);
}

/* ---- one person ---- */

struct who {
    char user[32], request[32];
    uint32_t ordinal;
    uint64_t slot;
    struct fingerprint print;
    bool leaves_marks; /* by the request: a suppression and the opt-outs */
};

static void fill(struct shop *shop, struct desk_ask *ask, const struct who *who, int64_t window_ms)
{
    desk_ask_init(ask);
    ask->account = 1;
    ask->route = STR("/test");
    ask->id = str_of(who->request);
    ask->type = REQUEST_ERASURE;
    ask->kind = IDENTITY_CUID;
    ask->identity = str_of(who->user);
    ask->suppress = who->leaves_marks;
    ask->drop_opt_outs = !who->leaves_marks; /* with late_mark_days 0 no fingerprint has a reason to stay */
    ask->received_ms = when_now(&shop->clock);
    ask->cancel_window_ms = window_ms;
}

static bool asks(struct shop *shop, const struct who *who, int64_t window_ms)
{
    struct error error = { 0 };
    struct desk_ask ask;

    fill(shop, &ask, who, window_ms);
    return engine_call(shop_engine(shop), &ask.command, &error);
}

static bool cancels(struct shop *shop, const struct who *who)
{
    struct error error = { 0 };
    struct desk_cancel cancel = { .command = { .kind = &desk_cancel_kind, .phases = PHASE_LEDGER, .bytes = 100 },
                                  .account = 1,
                                  .route = STR("/test"),
                                  .id = str_of(who->request) };

    return engine_call(shop_engine(shop), &cancel.command, &error);
}

/* Somebody with a row in every table. */
static void meet(struct shop *shop, struct who *who, int number)
{
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    char body[400], id[64];

    (void)snprintf(who->user, sizeof(who->user), "user-%d", number);
    (void)snprintf(who->request, sizeof(who->request), "erase-%d", number);
    shop_meets(shop, who->user);
    (void)snprintf(body, sizeof(body), "{\"userId\":\"%s\",\"emailOptIn\":false}", who->user);
    shop_wants(shop, HTTP_POST, SHOP_USERS, body, 201, "queued");
    (void)snprintf(id, sizeof(id), "copy-%d", number);
    assert_int_equal(shop_asks(shop, id, "portability", who->user, ""), 201);
    (void)snprintf(id, sizeof(id), "restrict-%d", number);
    assert_int_equal(shop_asks(shop, id, "restriction", who->user, ""), 201);
    (void)snprintf(id, sizeof(id), "lift-%d", number);
    assert_int_equal(shop_asks(shop, id, "re-enable", who->user, ""), 201);
    who->ordinal = shop_ordinal(shop, who->user);
    ledger_enter(ledger);
    who->slot = account_subject(ledger_account(ledger, 1), who->ordinal)->slot;
    who->print = account_fingerprint(ledger_account(ledger, 1), IDENTITY_CUID, str_of(who->user));
    ledger_leave(ledger);
}

static void park(struct shop *shop, const struct who *who)
{
    char body[200];

    (void)snprintf(body, sizeof(body), "{\"userId\":\"%s\",\"eventName\":\"bought\"}", who->user);
    shop_wants(shop, HTTP_POST, SHOP_EVENTS, body, 201, "queued");
}

static struct subject subject_of(struct shop *shop, const struct who *who)
{
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    struct subject copy;

    ledger_enter(ledger);
    copy = *account_subject(ledger_account(ledger, 1), who->ordinal);
    ledger_leave(ledger);
    return copy;
}

static int64_t count(struct shop *shop, const struct who *who, bool in_profiles, struct sql sql)
{
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(shop_engine(shop), &error);
    int64_t counted = -1;

    assert_non_null(reader);
    MUST(db_integer(in_profiles ? reader->profiles : reader->ledger, sql, DB_PARAMS(DB_INTEGER(who->ordinal)), &counted,
                    NULL, &why));
    engine_give_reader(shop_engine(shop), reader);
    return counted;
}

static int64_t marks_of(struct shop *shop, const struct who *who)
{
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(shop_engine(shop), &error);
    int64_t counted = -1;

    assert_non_null(reader);
    MUST(db_integer(reader->ledger, SQL("SELECT COUNT(*) FROM mark WHERE fingerprint = $1"),
                    DB_PARAMS(DB_BLOB(who->print.bytes, sizeof(who->print.bytes))), &counted, NULL, &why));
    engine_give_reader(shop_engine(shop), reader);
    return counted;
}

static const struct {
    bool in_profiles;
    struct sql sql;
} tables[] = {
    { false, { "SELECT COUNT(*) FROM identity WHERE account = 1 AND ordinal = $1" } },
    { false, { "SELECT COUNT(*) FROM rights WHERE account = 1 AND ordinal = $1" } },
    { false, { "SELECT COUNT(*) FROM preference WHERE account = 1 AND ordinal = $1" } },
    { false, { "SELECT COUNT(*) FROM request WHERE account = 1 AND ordinal = $1 AND id_sealed IS NOT NULL" } },
    { true, { "SELECT COUNT(*) FROM profile WHERE account = 1 AND ordinal = $1" } },
    { true, { "SELECT COUNT(*) FROM parked WHERE account = 1 AND ordinal = $1" } },
};

static bool holds(struct shop *shop, const char *name, const struct fingerprint *print)
{
    static char bytes[8 * 1024 * 1024];
    char path[SCRATCH_PATH_MAX];

    strcpy(path, scratch_path(&shop->scratch, name));
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    assert_true(len < sizeof(bytes));
    return memmem(bytes, len, print->bytes, sizeof(print->bytes)) != NULL;
}

/* Of somebody who is not erased: all of it is there, or the search for what is left would prove nothing. */
static void is_whole(struct shop *shop, const struct who *who)
{
    struct error error = { 0 };
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    struct seal_key key;

    for (size_t i = 0; i < COUNT_OF(tables) - 1; i++)
        assert_true(count(shop, who, tables[i].in_profiles, tables[i].sql) > 0);
    assert_int_equal(shop_event_count(shop, who->ordinal), SHOP_MET_EVENTS);
    assert_int_equal(subject_of(shop, who).state, SUBJECT_LIVE);
    assert_int_equal(shop_ordinal(shop, who->user), who->ordinal);
    assert_true(holds(shop, "data/ledger/ledger.db", &who->print) ||
                holds(shop, "data/ledger/ledger.db-wal", &who->print));
    ledger_enter(ledger);
    assert_true(
        keyfile_get(ledger_keyfile(ledger), 1, who->slot, &ledger_account(ledger, 1)->keys->wrapping, &key, &error));
    ledger_leave(ledger);
}

static void is_gone(struct shop *shop, const struct who *who)
{
    struct error error = { 0 };
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    struct seal_key key;

    for (size_t i = 0; i < COUNT_OF(tables); i++)
        if (count(shop, who, tables[i].in_profiles, tables[i].sql) != 0)
            fail_msg("call %lld: left: %s", (long long)atomic_load(&tap.fails_at), tables[i].sql.text);
    assert_int_equal(shop_event_count(shop, who->ordinal), 0);
    assert_int_equal(shop_ordinal(shop, who->user), 0);
    assert_int_equal(scratch_size(&shop->scratch, "data/vault/profiles.db-wal"), 0);
    assert_int_equal(marks_of(shop, who), who->leaves_marks ? 2 : 0);
    if (!who->leaves_marks) {
        assert_false(holds(shop, "data/ledger/ledger.db", &who->print));
        assert_false(holds(shop, "data/ledger/ledger.db-wal", &who->print));
    }
    ledger_enter(ledger);
    assert_false(
        keyfile_get(ledger_keyfile(ledger), 1, who->slot, &ledger_account(ledger, 1)->keys->wrapping, &key, &error));
    ledger_leave(ledger);
}

/* By memory alone: a reader of the databases would be in the way of emptying their logs. */
static void await_erased(struct shop *shop, const struct who *who)
{
    const struct timespec pause = { 0, 1000000 };

    for (int i = 0; i < 20000; i++) {
        if (subject_of(shop, who).state == SUBJECT_ERASED)
            return;
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("call %lld: never erased", (long long)atomic_load(&tap.fails_at));
}

/* ---- what is done ---- */

/* What fails is asked again, once: then nothing fails any more. */
static void ask_for(struct shop *shop, const struct who *who, int64_t window_ms)
{
    bool ok = asks(shop, who, window_ms);

    assert_int_equal(ok, !atomic_load(&tap.struck));
    if (ok)
        return;
    is_whole(shop, who);
    assert_int_equal(subject_of(shop, who).denied, MARKET_BIT(CHANNEL_EMAIL)); /* the opt-out */
    assert_true(asks(shop, who, window_ms));
}

static void prepare_nothing(struct shop *shop, const struct who *who)
{
    (void)shop;
    (void)who;
}

static void prepare_pending(struct shop *shop, const struct who *who)
{
    assert_true(asks(shop, who, WHEN_DAY));
    park(shop, who);
}

static void ask_with_a_window(struct shop *shop, const struct who *who)
{
    ask_for(shop, who, WHEN_DAY);
}

static void is_pending(struct shop *shop, const struct who *who)
{
    is_whole(shop, who);
    assert_int_equal(subject_of(shop, who).denied, DENIED_BY_PENDING_ERASURE | MARKET_BIT(CHANNEL_EMAIL));
}

static void cancel(struct shop *shop, const struct who *who)
{
    bool ok = cancels(shop, who);

    assert_int_equal(ok, !atomic_load(&tap.struck));
    if (ok)
        return;
    is_pending(shop, who);
    assert_true(cancels(shop, who));
}

static void is_free(struct shop *shop, const struct who *who)
{
    is_whole(shop, who);
    assert_int_equal(subject_of(shop, who).denied, MARKET_BIT(CHANNEL_EMAIL)); /* the opt-out */
}

static void erase_at_once(struct shop *shop, const struct who *who)
{
    bool ok = asks(shop, who, 0);

    if (!ok) {
        assert_true(atomic_load(&tap.struck));
        is_free(shop, who);
        assert_true(asks(shop, who, 0));
    }
    engine_wake_background(shop_engine(shop));
    await_erased(shop, who);
}

static void end_the_window(struct shop *shop, const struct who *who)
{
    for (int i = 0; i < 3 && subject_of(shop, who).state == SUBJECT_LIVE; i++) {
        assert_true(i == 0 || atomic_load(&tap.struck));
        if (i > 0)
            is_pending(shop, who);
        (void)desk_run_due(shop_engine(shop), NULL, when_now(&shop->clock) + 2 * WHEN_DAY);
    }
    await_erased(shop, who);
}

struct step {
    void (*prepare)(struct shop *shop, const struct who *who);
    void (*act)(struct shop *shop, const struct who *who);
    void (*check)(struct shop *shop, const struct who *who);
    bool leaves_marks;
};

/* ---- each call in turn ---- */

static int people;

/* Acts with the nth call failing, and returns how many there were. */
static int64_t act(struct shop *shop, const struct step *step, int64_t nth)
{
    struct who who = { .leaves_marks = step->leaves_marks };

    meet(shop, &who, people++);
    step->prepare(shop, &who);
    is_whole(shop, &who);
    tap_from(shop, nth);
    step->act(shop, &who);
    tap_off(shop);
    step->check(shop, &who);
    return atomic_load(&tap.calls);
}

static void each_call_fails_once(struct shop *shop, const struct step *step, int64_t least)
{
    int64_t struck = 0;

    (void)act(shop, step, 0); /* the first makes what is known from then on */
    int64_t calls = act(shop, step, 0);
    assert_true(calls >= least);
    for (;;) {
        (void)act(shop, step, struck + 1);
        if (!atomic_load(&tap.struck))
            break;
        struck++;
    }
    print_message("%lld calls\n", (long long)calls);
    assert_int_equal(struck, calls);
}

static void asking(void **state)
{
    each_call_fails_once(*state, &(struct step){ prepare_nothing, ask_with_a_window, is_pending, false }, 10);
}

static void cancelling(void **state)
{
    each_call_fails_once(*state, &(struct step){ prepare_pending, cancel, is_free, false }, 8);
}

static void an_erasure_at_once(void **state)
{
    each_call_fails_once(*state, &(struct step){ prepare_nothing, erase_at_once, is_gone, false }, 30);
}

static void an_erasure_at_the_end_of_its_window(void **state)
{
    each_call_fails_once(*state, &(struct step){ prepare_pending, end_the_window, is_gone, true }, 30);
}

static int set_up(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, WHEN_DAY);
    shop_wants(shop, HTTP_PUT, "/api/settings?license=shop", "{\"late_mark_days\":0}", 200, "");
    *state = shop;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

#define WITH_SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(asking),
        WITH_SHOP(cancelling),
        WITH_SHOP(an_erasure_at_once),
        WITH_SHOP(an_erasure_at_the_end_of_its_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
