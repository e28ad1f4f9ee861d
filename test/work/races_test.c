/* What happens between the arrival of data and its turn at the writer: people are made twice, erased, restricted. Each is
 * made to happen on purpose: data is prepared as a server thread does, something else is carried out, then it is handed in. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "api/shop.h"
#include "intake/ingest.h"
#include "intake/webengage.h"
#include "rights/desk.h"

/* ---- data on its way ---- */

struct arriving {
    struct arena arena;
    struct ingest ingest;
};

static void arrive(struct shop *shop, struct arriving *arriving, enum item_kind kind, const char *text)
{
    struct webengage_call call = { .kind = kind };
    struct engine *engine = shop_engine(shop);
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(engine, &error);
    size_t len = strlen(text);

    assert_non_null(reader);
    arena_init(&arriving->arena, 16 * 1024 * 1024);
    char *body = arena_alloc(&arriving->arena, len + JSON_PADDING, 1);
    memcpy(body, text, len);
    arriving->ingest = (struct ingest){
        .command = { .kind = &ingest_single, .bytes = len },
        .origin = { .account = 1,
                    .scopes = SCOPE_ALL,
                    .route = STR("/v1/accounts/{license}/events"),
                    .received_ms = when_now(&shop->clock) },
        .arena = &arriving->arena,
    };
    struct ingest *ingest = &arriving->ingest;
    ingest->ignored.end = &ingest->ignored.first;
    const struct json *json =
        json_read_twins(reader->parser, &arriving->arena, (struct str){ body, len }, &call.twins, &error);
    assert_non_null(json);
    MUST(webengage_items(&call, json, ingest->origin.received_ms, &arriving->arena, &ingest->items, &ingest->count,
                         &ingest->ignored, &why));
    MUST(ingest_prepare(ingest, engine_ledger(engine), reader->seat, &why));
    engine_give_reader(engine, reader);
}

/* What nothing stands in the way of was sealed on arrival: if not, what moves meanwhile meets a proposal that the writer
 * would look at anyway. */
static void arrives_sealed(const struct arriving *arriving, bool sealed)
{
    assert_int_equal(arriving->ingest.proposals[0].state, sealed ? PROPOSAL_SEALED : PROPOSAL_OPEN);
}

/* The writer takes it, and it is answered as accepted. */
static void hand_in(struct shop *shop, struct arriving *arriving)
{
    if (arriving->ingest.command.phases != 0)
        MUST(engine_call(shop_engine(shop), &arriving->ingest.command, &why));
    assert_int_equal(ingest_refused(&arriving->ingest), 0);
    arena_clear(&arriving->arena);
}

/* Every road through the writer: what is sealed already, what registers names, what only changes values, and what speaks of
 * preferences. */
static const struct {
    const char *name;
    enum item_kind kind;
    const char *body;
    bool sealed; /* on arrival */
} data[] = {
    { "an event", ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"bought\"}", true },
    { "an event of a new name", ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"sold\",\"eventData\":{\"new\":1}}",
      false },
    { "a value", ITEM_USER, "{\"userId\":\"ann\",\"firstName\":\"Changed\"}", false },
    { "a value of a new name", ITEM_USER, "{\"userId\":\"ann\",\"attributes\":{\"changed\":\"Changed\"}}", false },
    { "an address", ITEM_USER, "{\"userId\":\"ann\",\"email\":\"Changed@example.com\"}", false },
    { "an opt-in", ITEM_USER, "{\"userId\":\"ann\",\"smsOptIn\":true,\"lastName\":\"Changed\"}", false },
};

static int set_up_at_once(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, 0);
    *state = shop;
    return 0;
}

static int set_up_window(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, WHEN_DAY);
    *state = shop;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static int64_t count(struct shop *shop, struct sql sql)
{
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(shop_engine(shop), &error);
    int64_t counted = -1;

    assert_non_null(reader);
    MUST(db_integer(reader->ledger, sql, DB_PARAMS(DB_END), &counted, NULL, &why));
    engine_give_reader(shop_engine(shop), reader);
    return counted;
}

static void ask(struct shop *shop, const char *id, const char *type, const char *more)
{
    if (shop_asks(shop, id, type, "ann", more) != 201)
        fail_msg("%s: %s", type, shop->answer.at);
}

/* ---- erased meanwhile ---- */

static void data_of_somebody_erased_meanwhile_goes_with_them(void **state)
{
    struct shop *shop = *state;
    char id[32];

    for (size_t i = 0; i < COUNT_OF(data); i++) {
        struct arriving arriving;
        shop_meets(shop, "ann");
        uint32_t erased = shop_ordinal(shop, "ann");
        arrive(shop, &arriving, data[i].kind, data[i].body);
        arrives_sealed(&arriving, data[i].sealed);
        (void)snprintf(id, sizeof(id), "erase-%zu", i);
        ask(shop, id, "erasure", "");
        hand_in(shop, &arriving);
        if (shop_ordinal(shop, "ann") != 0)
            fail_msg("%s made a new person", data[i].name);
        shop_awaits(shop, id, "DONE");
        assert_int_equal(shop_event_count(shop, erased), 0);
    }
}

static void data_of_somebody_erased_is_not_the_newcomers(void **state)
{
    struct shop *shop = *state;
    char id[32];

    for (size_t i = 0; i < COUNT_OF(data); i++) {
        struct arriving arriving;
        shop_meets(shop, "ann");
        arrive(shop, &arriving, data[i].kind, data[i].body);
        arrives_sealed(&arriving, data[i].sealed);
        (void)snprintf(id, sizeof(id), "erase-%zu", i);
        ask(shop, id, "erasure", "");
        shop_meets(shop, "ann"); /* back, as somebody new */
        hand_in(shop, &arriving);
        assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS);
        shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"userId\":\"ann\"");
        if (strstr(shop->answer.at, "Changed") || strstr(shop->answer.at, "changed"))
            fail_msg("%s reached the newcomer: %s", data[i].name, shop->answer.at);
    }
}

/* ---- one group of the writer ---- */

struct holder {
    struct command command; /* first */
    atomic_bool gate, entered, is_done;
};

static bool wait_at_gate(struct turn *turn, struct command *command, struct error *error)
{
    struct holder *holder = (struct holder *)command;
    const struct timespec pause = { 0, 1000000 };

    (void)turn;
    (void)error;
    atomic_store(&holder->entered, true);
    while (!atomic_load(&holder->gate))
        (void)nanosleep(&pause, NULL);
    return true;
}

static void set_done(struct command *command)
{
    atomic_store(&((struct holder *)command)->is_done, true);
}

static const struct command_kind holder_kind = {
    .name = "hold", .lane = LANE_SINGLE, .purpose = PURPOSE_NONE, .in_ledger = wait_at_gate
};

static void hold(struct shop *shop, struct holder *holder)
{
    const struct timespec pause = { 0, 1000000 };

    *holder = (struct holder){ .command = { .kind = &holder_kind, .phases = PHASE_LEDGER, .done = set_done } };
    MUST(engine_submit(shop_engine(shop), &holder->command, &why));
    while (!atomic_load(&holder->entered))
        (void)nanosleep(&pause, NULL);
}

static void await(atomic_bool *flag)
{
    const struct timespec pause = { 0, 1000000 };

    while (!atomic_load(flag))
        (void)nanosleep(&pause, NULL);
}

static void note_done(struct command *command)
{
    atomic_store((atomic_bool *)command->waiter, true);
}

/* The erasure and new data of the same id are carried out together; what is asked for holds from the first. */
static void suppression_holds_within_the_group_of_its_erasure(void **state)
{
    struct shop *shop = *state;
    struct arriving arriving;
    struct holder holder;
    struct desk_ask erasure;
    atomic_bool asked = false, taken = false;
    const char *body = "{\"userId\":\"ann\",\"eventName\":\"bought\"}";

    shop_meets(shop, "ann");
    hold(shop, &holder);
    arrive(shop, &arriving, ITEM_EVENT, body);
    /* As if nobody of that id had been there when it arrived. */
    arriving.ingest.proposals[0].state = PROPOSAL_OPEN;
    arriving.ingest.proposals[0].ordinal = 0;
    arriving.ingest.command.phases = PHASE_LEDGER | PHASE_VOLUME;
    desk_ask_init(&erasure);
    erasure.account = 1;
    erasure.route = STR("/test");
    erasure.id = STR("suppress");
    erasure.type = REQUEST_ERASURE;
    erasure.kind = IDENTITY_CUID;
    erasure.identity = STR("ann");
    erasure.suppress = true;
    erasure.received_ms = when_now(&shop->clock);
    erasure.command.done = arriving.ingest.command.done = note_done;
    erasure.command.waiter = &asked;
    arriving.ingest.command.waiter = &taken;
    MUST(engine_submit(shop_engine(shop), &arriving.ingest.command, &why));
    MUST(engine_submit(shop_engine(shop), &erasure.command, &why));
    atomic_store(&holder.gate, true);
    await(&holder.is_done);
    await(&asked);
    await(&taken);
    assert_int_equal(erasure.command.error.code, ERROR_NONE);
    assert_int_equal(arriving.ingest.command.error.code, ERROR_NONE);
    assert_int_equal(shop_ordinal(shop, "ann"), 0);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject")), 1);
    arena_clear(&arriving.arena);
}

/* ---- restricted or waiting for an erasure meanwhile ---- */

static void data_of_somebody_restricted_meanwhile_is_dropped(void **state)
{
    struct shop *shop = *state;
    char id[32];

    shop_meets(shop, "ann");
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        struct arriving arriving;
        arrive(shop, &arriving, data[i].kind, data[i].body);
        arrives_sealed(&arriving, data[i].sealed);
        (void)snprintf(id, sizeof(id), "restrict-%zu", i);
        ask(shop, id, "restriction", "");
        hand_in(shop, &arriving);
        (void)snprintf(id, sizeof(id), "lift-%zu", i);
        ask(shop, id, "re-enable", "");
        assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS);
        shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"sms\":{\"optedIn\":true,\"set\":false");
        if (strstr(shop->answer.at, "hanged"))
            fail_msg("%s was recorded: %s", data[i].name, shop->answer.at);
    }
}

static void an_opt_out_of_somebody_restricted_meanwhile_takes_effect(void **state)
{
    struct shop *shop = *state;
    struct arriving arriving;

    shop_meets(shop, "ann");
    arrive(shop, &arriving, ITEM_USER, "{\"userId\":\"ann\",\"emailOptIn\":false,\"firstName\":\"Changed\"}");
    ask(shop, "restrict", "restriction", "");
    hand_in(shop, &arriving);
    ask(shop, "lift", "re-enable", "");
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"email\":{\"optedIn\":false,\"set\":true");
    assert_null(strstr(shop->answer.at, "Changed"));
}

static void data_of_somebody_whose_erasure_waits_is_parked_and_comes_back(void **state)
{
    struct shop *shop = *state;
    struct arriving arriving[COUNT_OF(data)];

    shop_meets(shop, "ann");
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        arrive(shop, &arriving[i], data[i].kind, data[i].body);
        arrives_sealed(&arriving[i], data[i].sealed);
    }
    ask(shop, "erase", "erasure", "");
    for (size_t i = 0; i < COUNT_OF(data); i++)
        hand_in(shop, &arriving[i]);
    assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS);
    shop_wants(shop, HTTP_DELETE, SHOP_DESK "/erase", "", 200, "cancelled");
    assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS + 2);
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"firstName\":\"Changed\"");
}

static void parked_data_goes_with_the_person_at_the_end_of_the_window(void **state)
{
    struct shop *shop = *state;
    struct arriving arriving;

    shop_meets(shop, "ann");
    uint32_t ordinal = shop_ordinal(shop, "ann");
    arrive(shop, &arriving, ITEM_EVENT, data[0].body);
    arrives_sealed(&arriving, true);
    ask(shop, "erase", "erasure", "");
    hand_in(shop, &arriving);
    app_close(shop->app);
    shop->app = NULL;
    shop->clock.shift_ms = 2 * WHEN_DAY; /* while nothing runs */
    struct engine_options options;
    engine_defaults(&options);
    options.directory = shop->directory;
    options.reserve_bytes = 0;
    options.clock = &shop->clock;
    MUST(app_open(&options, &shop->app, &why));
    assert_int_equal(shop_ordinal(shop, "ann"), 0); /* before it is ready, not some time after */
    shop_awaits(shop, "erase", "DONE");
    assert_int_equal(shop_event_count(shop, ordinal), 0);
}

/* ---- threads ---- */

#define PEOPLE 60

struct maker {
    struct shop *shop;
    pthread_barrier_t *start;
    bool ok;
};

static bool post(struct shop *shop, const char *path, const char *body, struct buf *answer)
{
    struct error error = { 0 };
    int status = 0;

    buf_reset(answer);
    return app_call(shop->app, HTTP_POST, str_of(path), str_of(body), &status, answer, &error) && status == 201;
}

static void *make_people(void *arg)
{
    struct maker *maker = arg;
    struct buf answer;
    char body[200];

    buf_init(&answer, 100000);
    maker->ok = true;
    for (int i = 0; i < PEOPLE; i++) {
        (void)pthread_barrier_wait(maker->start);
        (void)snprintf(body, sizeof(body), "{\"userId\":\"user-%d\",\"eventName\":\"came\"}", i);
        maker->ok &= post(maker->shop, SHOP_EVENTS, body, &answer);
    }
    buf_clear(&answer);
    return NULL;
}

static void two_makers_of_one_new_user_make_one(void **state)
{
    struct shop *shop = *state;
    pthread_barrier_t start;
    struct maker makers[2] = { { shop, &start, false }, { shop, &start, false } };
    pthread_t threads[2];
    char id[32];

    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_people, &makers[i]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(makers[i].ok);
    }
    (void)pthread_barrier_destroy(&start);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject")), PEOPLE);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM identity")), PEOPLE);
    for (int i = 0; i < PEOPLE; i++) {
        (void)snprintf(id, sizeof(id), "user-%d", i);
        assert_int_equal(shop_event_count(shop, shop_ordinal(shop, id)), 2);
    }
}

static atomic_bool sending;

static void *send_events(void *arg)
{
    struct maker *maker = arg;
    struct buf answer;

    buf_init(&answer, 100000);
    maker->ok = true;
    while (atomic_load(&sending))
        maker->ok &= post(maker->shop, SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"came\"}", &answer);
    buf_clear(&answer);
    return NULL;
}

/* Under a stream of their own events: what was the erased one's is gone, and readers see nobody half. */
static void people_are_erased_in_the_middle_of_their_own_events(void **state)
{
    struct shop *shop = *state;
    struct maker maker = { .shop = shop };
    uint32_t erased[5];
    pthread_t thread;
    char id[32];

    atomic_store(&sending, true);
    assert_int_equal(pthread_create(&thread, NULL, send_events, &maker), 0);
    for (size_t i = 0; i < COUNT_OF(erased); i++) {
        while ((erased[i] = shop_ordinal(shop, "ann")) == 0)
            ;
        (void)snprintf(id, sizeof(id), "erase-%zu", i);
        ask(shop, id, "erasure", "");
        assert_int_not_equal(shop_ordinal(shop, "ann"), erased[i]);
        (void)shop_call(shop, HTTP_GET, "/api/users/ann?license=shop", "");
        shop_awaits(shop, id, "DONE");
    }
    atomic_store(&sending, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(maker.ok);
    for (size_t i = 0; i < COUNT_OF(erased); i++)
        assert_int_equal(shop_event_count(shop, erased[i]), 0);
}

#define AT_ONCE(test) cmocka_unit_test_setup_teardown(test, set_up_at_once, tear_down)
#define IN_A_DAY(test) cmocka_unit_test_setup_teardown(test, set_up_window, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_ONCE(data_of_somebody_erased_meanwhile_goes_with_them),
        AT_ONCE(data_of_somebody_erased_is_not_the_newcomers),
        AT_ONCE(suppression_holds_within_the_group_of_its_erasure),
        IN_A_DAY(data_of_somebody_restricted_meanwhile_is_dropped),
        IN_A_DAY(an_opt_out_of_somebody_restricted_meanwhile_takes_effect),
        IN_A_DAY(data_of_somebody_whose_erasure_waits_is_parked_and_comes_back),
        IN_A_DAY(parked_data_goes_with_the_person_at_the_end_of_the_window),
        AT_ONCE(two_makers_of_one_new_user_make_one),
        AT_ONCE(people_are_erased_in_the_middle_of_their_own_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
