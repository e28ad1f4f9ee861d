/* The program through its routes, without a network: answers, repeats, types, keys and settings, failures that stay with the
 * one who caused them, and what a restart keeps. */
#include <pthread.h>
#include <stdatomic.h>

#include "api/shop.h"
#include "intake/answer.h"

static int set_up(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, 0);
    *state = shop;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static void calls_are_answered_in_their_dialect(void **state)
{
    static const struct {
        enum http_method method;
        const char *path, *body;
        int status;
        const char *holds;
    } cases[] = {
        { HTTP_POST, SHOP_USERS, "{\"userId\":\"ann\"}", 201, "{\"response\":{\"status\":\"queued\"}}" },
        { HTTP_PUT, SHOP_USERS, "{\"userId\":\"ann\"}", 201, "{\"response\":{\"status\":\"queued\"}}" },
        { HTTP_POST, SHOP_USERS, "{}", 400, "\"status\":\"error\"" },
        { HTTP_POST, SHOP_USERS, "{\"userId\":", 400, "\"status\":\"error\"" },
        { HTTP_POST, SHOP_USERS, "[]", 400, "\"status\":\"error\"" },
        { HTTP_POST, SHOP_USERS "?format=xml", "{\"userId\":\"ann\"}", 400, "format" },
        { HTTP_GET, SHOP_USERS, "", 405, "\"status\":\"error\"" },
        { HTTP_POST, "/v1/accounts/nobody/users", "{\"userId\":\"ann\"}", 404, "\"status\":\"error\"" },
        { HTTP_POST, SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"ann@example.com\"}", 400, "eventName" },
        { HTTP_POST, SHOP_DESK, "{}", 400, "{\"subject_request_id\":null,\"message\":\"subject_request_id" },
        { HTTP_GET, SHOP_DESK "/none", "", 404, "{\"subject_request_id\":\"none\",\"message\"" },
        { HTTP_GET, "/api/users/nobody?license=shop", "", 404, "{\"error\":{\"code\":\"not_found\"" },
        { HTTP_GET, "/api/users/ann", "", 404, "license" },
        { HTTP_GET, "/api/users/ann/events?license=shop&limit=0", "", 400, "limit" },
        { HTTP_GET, "/api/users/ann/events?license=shop&cursor=zz", "", 400, "cursor" },
        { HTTP_GET, "/api/nothing", "", 404, "{\"error\":" },
        { HTTP_GET, "/healthz", "", 200, "alive" },
        { HTTP_GET, "/readyz", "", 200, "ready" },
        { HTTP_GET, "/metrics", "", 200, "habeas_users_accepted_total 2" },
        { HTTP_GET, "/api/archives/1?license=shop", "", 404, "no such archive" },
        { HTTP_GET, "/api/archives/x?license=shop", "", 404, "no such archive" },
        { HTTP_DELETE, "/api/keys/0?license=shop", "", 404, "no such key" },
        { HTTP_PUT, "/api/settings?license=shop", "{}", 400, "at least one" },
        { HTTP_PUT, "/api/settings?license=shop", "{\"rate_limit\":-1}", 400, "rate_limit" },
        { HTTP_PUT, "/api/settings?license=shop", "{\"late_mark_days\":5}", 200, "\"late_mark_days\":5" },
        { HTTP_POST, "/api/accounts", "{\"license\":\"shop\"}", 409, "license" },
        { HTTP_POST, "/api/keys?license=shop", "{\"scopes\":\"all\"}", 400, "scopes" },
        { HTTP_PUT, "/api/attributes/none?license=shop", "{\"type\":\"string\"}", 404, "no attribute" },
        { HTTP_PUT, "/api/attributes/none?license=shop", "{\"type\":\"text\"}", 400, "type" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        shop_wants(*state, cases[i].method, cases[i].path, cases[i].body, cases[i].status, cases[i].holds);
}

static void what_was_sent_is_there_after_a_restart(void **state)
{
    struct shop *shop = *state;
    static const char *const holds[] = { "\"price\":39.80", "\"eventName\":\"bought\"", "\"eventTime\":\"2026-11-01" };

    shop_wants(shop, HTTP_POST, SHOP_USERS, "{\"userId\":\"a/b %2e\",\"attributes\":{\"Pro\":true}}", 201, "queued");
    shop_wants(shop, HTTP_POST, SHOP_EVENTS,
               "{\"userId\":\"a/b %2e\",\"eventName\":\"bought\",\"eventTime\":\"2026-11-01T00:00:00Z\","
               "\"eventData\":{\"price\":39.80}}",
               201, "queued");
    for (int restart = 0; restart < 2; restart++) {
        shop_wants(shop, HTTP_GET, "/api/users/a%2Fb%20%252e?license=shop", "", 200, "\"userId\":\"a/b %2e\"");
        shop_wants(shop, HTTP_GET, "/api/users/a%2Fb%20%252e/events?license=shop", "", 200, "\"cursor\":null");
        for (size_t i = 0; i < COUNT_OF(holds); i++)
            assert_non_null(strstr(shop->answer.at, holds[i]));
        shop_restart(shop);
    }
}

static void events_are_paged_newest_first(void **state)
{
    struct shop *shop = *state;
    char path[200], cursor[32] = "";
    int seen = 0;

    for (int i = 0; i < 25; i++) {
        char body[100];
        (void)snprintf(body, sizeof(body), "{\"userId\":\"ann\",\"eventName\":\"n\",\"eventData\":{\"n\":%d}}", i);
        shop_wants(shop, HTTP_POST, SHOP_EVENTS, body, 201, "queued");
    }
    for (int page = 0; page < 4 && (page == 0 || *cursor); page++) {
        (void)snprintf(path, sizeof(path), "/api/users/ann/events?license=shop&limit=10&cursor=%s", cursor);
        shop_wants(shop, HTTP_GET, path, "", 200, "\"events\":[");
        for (char *at = shop->answer.at; (at = strstr(at, "{\"n\":")) != NULL; at++, seen++)
            assert_int_equal(atoi(at + 5), 24 - seen);
        char *next = strstr(shop->answer.at, "\"cursor\":\"");
        cursor[0] = '\0';
        if (next)
            (void)snprintf(cursor, sizeof(cursor), "%.16s", next + 10);
    }
    assert_int_equal(seen, 25);
}

static void a_corrected_type_converts_what_people_have(void **state)
{
    struct shop *shop = *state;

    shop_wants(shop, HTTP_POST, SHOP_USERS, "{\"userId\":\"ann\",\"attributes\":{\"age\":\"42\"}}", 201, "queued");
    shop_wants(shop, HTTP_POST, SHOP_USERS, "{\"userId\":\"ben\",\"attributes\":{\"age\":\"old\"}}", 201, "queued");
    shop_wants(shop, HTTP_POST, SHOP_USERS, "{\"userId\":\"eve\",\"attributes\":{\"age\":7}}", 201, "ignored");
    shop_wants(shop, HTTP_PUT, "/api/attributes/age?license=shop", "{\"type\":\"number\"}", 200,
               "\"converted\":1,\"kept\":1");
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"age\":42");
    shop_wants(shop, HTTP_GET, "/api/users/ben?license=shop", "", 200, "\"age\":\"old\"");
    shop_wants(shop, HTTP_POST, SHOP_USERS, "{\"userId\":\"eve\",\"attributes\":{\"age\":7}}", 201, "queued");
    assert_null(strstr(shop->answer.at, "ignored"));
}

/* ---- an answer that cannot be kept fails its own call, and not those that wait beside it ---- */

struct holding {
    struct command command; /* first */
    atomic_bool gate, entered;
};

static bool wait_at_gate(struct turn *turn, struct command *command, struct error *error)
{
    struct holding *holding = (struct holding *)command;

    (void)turn;
    (void)error;
    atomic_store(&holding->entered, true);
    while (!atomic_load(&holding->gate))
        (void)usleep(1000);
    return true;
}

static void ignore(struct command *command)
{
    (void)command;
}

static const struct command_kind holding_kind = {
    .name = "hold", .lane = LANE_RIGHTS, .purpose = PURPOSE_NONE, .in_ledger = wait_at_gate
};

struct own_fault {
    struct command command; /* first */
    atomic_bool is_done;
};

static bool fail_in_volume(struct turn *turn, struct command *command, struct error *error)
{
    (void)turn;
    (void)command;
    return error_set(error, ERROR_CORRUPT, "a key that cannot be read");
}

static void set_done(struct command *command)
{
    atomic_store(&((struct own_fault *)command)->is_done, true);
}

static const struct command_kind own_fault_kind = {
    .name = "own fault", .lane = LANE_SINGLE, .purpose = PURPOSE_NONE, .in_volume = fail_in_volume
};

struct poster {
    struct shop *shop;
    int status;
};

static void *post_event(void *arg)
{
    struct poster *poster = arg;
    struct error error = { 0 };
    struct buf answer;

    buf_init(&answer, 100000);
    if (!app_call(poster->shop->app, HTTP_POST, STR(SHOP_EVENTS), STR("{\"userId\":\"ann\",\"eventName\":\"bought\"}"),
                  &poster->status, &answer, &error))
        poster->status = -1;
    buf_clear(&answer);
    return NULL;
}

static int64_t queued(struct shop *shop)
{
    struct engine_counts counts;

    engine_counts(shop_engine(shop), &counts);
    return counts.queue_bytes;
}

static void a_command_that_fails_before_it_appends_fails_alone(void **state)
{
    struct shop *shop = *state;
    struct holding holding = { .command = { .kind = &holding_kind, .phases = PHASE_LEDGER, .done = ignore } };
    struct own_fault fault = { .command = {
                                   .kind = &own_fault_kind, .phases = PHASE_VOLUME, .bytes = 10, .done = set_done } };
    struct poster poster = { .shop = shop };
    pthread_t thread;

    shop_meets(shop, "ann");
    MUST(engine_submit(shop_engine(shop), &holding.command, &why));
    while (!atomic_load(&holding.entered))
        (void)usleep(1000);
    MUST(engine_submit(shop_engine(shop), &fault.command, &why));
    int64_t bytes = queued(shop);
    assert_int_equal(pthread_create(&thread, NULL, post_event, &poster), 0);
    while (queued(shop) == bytes)
        (void)usleep(1000);
    atomic_store(&holding.gate, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    while (!atomic_load(&fault.is_done))
        (void)usleep(1000);
    assert_int_equal(fault.command.error.code, ERROR_CORRUPT);
    assert_int_equal(poster.status, 201);
    assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS + 1);
}

/* ---- repeated x-request-ids ---- */

static int resumed;

static void count_resumed(void *arg)
{
    (void)arg;
    resumed++;
}

static void an_id_is_answered_once_and_repeats_wait_for_it(void **state)
{
    struct answers *answers = answers_new();
    const struct answer_mark mark = { "a mark" }, other = { "another" };
    const struct kept_answer answer = { .status = 201,
                                        .body = STR("{\"response\":{\"status\":\"queued\",\"ignored\":[]}}") };
    struct kept_answer kept;
    struct arena arena;

    (void)state;
    arena_init(&arena, 100000);
    resumed = 0;
    assert_int_equal(answers_begin(answers, &mark, 1, count_resumed, NULL, &arena, &kept), ANSWER_GO);
    assert_int_equal(answers_begin(answers, &mark, 2, count_resumed, NULL, &arena, &kept), ANSWER_WAIT);
    assert_int_equal(answers_begin(answers, &mark, 2, count_resumed, NULL, &arena, &kept), ANSWER_WAIT);
    assert_int_equal(answers_begin(answers, &other, 2, count_resumed, NULL, &arena, &kept), ANSWER_GO);
    assert_false(answers_find(answers, &mark, &arena, &kept));
    answers_end(answers, &mark, 3, &answer);
    assert_int_equal(resumed, 2);
    assert_true(answers_find(answers, &mark, &arena, &kept));
    assert_int_equal(kept.status, 201);
    assert_true(str_equal(kept.body, answer.body));
    assert_int_equal(answers_begin(answers, &mark, 3 + ANSWER_KEPT_MS - 1, count_resumed, NULL, &arena, &kept),
                     ANSWER_KEPT);
    assert_int_equal(answers_begin(answers, &mark, 3 + ANSWER_KEPT_MS, count_resumed, NULL, &arena, &kept), ANSWER_GO);
    answers_refuse(answers, &other, NULL);
    assert_int_equal(answers_begin(answers, &other, 4, count_resumed, NULL, &arena, &kept), ANSWER_GO);
    arena_clear(&arena);
    answers_free(answers);
}

#define WITH_SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(calls_are_answered_in_their_dialect),
        WITH_SHOP(what_was_sent_is_there_after_a_restart),
        WITH_SHOP(events_are_paged_newest_first),
        WITH_SHOP(a_corrected_type_converts_what_people_have),
        WITH_SHOP(a_command_that_fails_before_it_appends_fails_alone),
        cmocka_unit_test(an_id_is_answered_once_and_repeats_wait_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
