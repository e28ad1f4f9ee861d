/* What is shown and handed over of one person: the document, its stream, the audit of looks, and the end of it all. */
#include "api/shop.h"
#include "rights/portability.h"

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

static void send_events(struct shop *shop, int count)
{
    struct buf body;

    buf_init(&body, 8 * 1024 * 1024);
    for (int sent = 0; sent < count;) {
        buf_reset(&body);
        buf_addf(&body, "{\"events\":[");
        for (int i = 0; i < 500 && sent < count; i++, sent++)
            buf_addf(&body, "%s{\"userId\":\"ann\",\"eventName\":\"came\",\"eventData\":{\"n\":%d}}", i ? "," : "",
                     sent);
        buf_addf(&body, "]}");
        buf_add_byte(&body, '\0');
        shop_wants(shop, HTTP_POST, "/v1/accounts/shop/bulk-events", body.at, 201, "queued");
    }
    buf_clear(&body);
}

static size_t times(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static void the_whole_person_is_handed_over_in_order(void **state)
{
    struct shop *shop = *state;
    const char *last = NULL;

    shop_wants(
        shop, HTTP_POST, SHOP_USERS,
        "{\"userId\":\"ann\",\"firstName\":\"A\\u00e9\\ud83d\\ude00\",\"attributes\":{\"big\":18446744073709551615,"
        "\"money\":39.80,\"tiny\":1e-308,\"empty\":\"\",\"list\":[1,{\"a\":null}]},\"emailOptIn\":false}",
        201, "queued");
    send_events(shop, 10);
    assert_int_equal(shop_asks(shop, "copy", "portability", "ann", ""), 201);
    static const char *const holds[] = {
        "\"complete\":true",
        "\"userId\":\"ann\"",
        "\"firstName\":\"A\\u00e9\\ud83d\\ude00\"",
        "\"big\":18446744073709551615",
        "\"money\":39.80",
        "\"tiny\":1e-308",
        "\"empty\":\"\"",
        "\"list\":[1,{\"a\":null}]",
        "\"archive_url\":\"/api/archives/",
        "\"preferenceHistory\":[{\"channel\":\"email\",\"messages\":\"promotional\",\"optedIn\":false,\"applied\":true",
        "\"kind\":\"objection\"",
        "\"eventData\":{\"n\":9}",
    };
    for (size_t i = 0; i < COUNT_OF(holds); i++)
        if (!strstr(shop->answer.at, holds[i]))
            fail_msg("no %s in %s", holds[i], shop->answer.at);
    for (int i = 0; i < 10; i++) {
        char event[40];
        (void)snprintf(event, sizeof(event), "\"eventData\":{\"n\":%d}", i);
        const char *found = strstr(shop->answer.at, event);
        assert_true(found && found > last); /* oldest first */
        last = found;
    }
}

static void events_stand_in_the_answer_whole_or_not_at_all(void **state)
{
    static const struct {
        int more, total;
        bool complete;
    } steps[] = { { 999, 999, true }, { 1, 1000, true }, { 1, 1001, false }, { 1500, 2501, false } };
    struct shop *shop = *state;
    char id[32];

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        send_events(shop, steps[i].more);
        (void)snprintf(id, sizeof(id), "copy-%zu", i);
        assert_int_equal(shop_asks(shop, id, "portability", "ann", ""), 201);
        assert_int_equal(strstr(shop->answer.at, "\"complete\":true") != NULL, steps[i].complete);
        assert_int_equal(times(shop->answer.at, "\"eventName\":\"came\""), steps[i].complete ? steps[i].total : 0);
        assert_int_equal(strstr(shop->answer.at, "\"events\":[") != NULL, steps[i].complete);
        char path[100];
        const char *url = strstr(shop->answer.at, "/api/archives/");
        assert_non_null(url);
        (void)snprintf(path, sizeof(path), "%.*s?license=shop", (int)strcspn(url, "\""), url);
        shop_wants(shop, HTTP_GET, path, "", 200, "\"userId\":\"ann\"");
        assert_int_equal(times(shop->answer.at, "\"eventName\":\"came\""), steps[i].total);
        assert_non_null(strstr(shop->answer.at, "]}"));
    }
}

/* A document that is being sent ends with the person: the next piece is refused, whatever was sent before. */
static void a_stream_stops_when_its_person_is_erased(void **state)
{
    struct shop *shop = *state;
    struct portability_stream *stream = NULL;
    struct buf piece;
    bool more = false;

    send_events(shop, 1000);
    MUST(portability_stream_new(shop_engine(shop), 1, shop_ordinal(shop, "ann"), &stream, &why));
    buf_init(&piece, (size_t)256 * 1024);
    for (int i = 0; i < 2; i++) {
        buf_reset(&piece);
        MUST(portability_stream_next(stream, &piece, &more, &why));
        assert_true(more);
    }
    assert_int_equal(shop_asks(shop, "erase", "erasure", "ann", ""), 201);
    buf_reset(&piece);
    MUST_NOT(ERROR_NOT_FOUND, portability_stream_next(stream, &piece, &more, &why));
    assert_int_equal(piece.len, 0);
    portability_stream_end(stream);
    buf_clear(&piece);
    shop_awaits(shop, "erase", "DONE");
}

static void pieces_keep_to_the_room_they_are_given(void **state)
{
    struct shop *shop = *state;
    struct portability_stream *stream = NULL;
    struct buf piece, whole;
    bool more = true;

    send_events(shop, 700);
    MUST(portability_stream_new(shop_engine(shop), 1, shop_ordinal(shop, "ann"), &stream, &why));
    buf_init(&piece, 1000);
    buf_init(&whole, 1000000);
    while (more) {
        buf_reset(&piece);
        MUST(portability_stream_next(stream, &piece, &more, &why));
        assert_false(piece.overflowed);
        buf_add(&whole, buf_str(&piece));
    }
    buf_add_byte(&whole, '\0');
    assert_int_equal(times(whole.at, "\"eventName\":\"came\""), 700);
    assert_int_equal(times(whole.at, "}{"), 0);
    assert_string_equal(whole.at + strlen(whole.at) - 2, "]}");
    portability_stream_end(stream);
    buf_clear(&piece);
    buf_clear(&whole);
}

static int64_t audit_entries(struct shop *shop)
{
    long long entries = -1;

    shop_wants(shop, HTTP_GET, "/api/audit/verify", "", 200, "entries");
    assert_int_equal(sscanf(shop->answer.at, "{\"entries\":%lld}", &entries), 1);
    return entries;
}

static void each_look_is_an_entry_and_bringing_data_is_none(void **state)
{
    static const struct {
        enum http_method method;
        const char *path, *body;
        int status, entries;
    } calls[] = {
        { HTTP_POST, SHOP_USERS, "{\"userId\":\"ann\"}", 201, 0 },
        { HTTP_POST, SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"came\"}", 201, 0 },
        { HTTP_GET, "/api/users/ann?license=shop", "", 200, 1 },
        { HTTP_GET, "/api/users/ann/events?license=shop", "", 200, 1 },
        { HTTP_GET, "/api/users/nobody?license=shop", "", 404, 0 },
        { HTTP_GET, "/healthz", "", 200, 0 },
        { HTTP_POST, "/api/keys?license=shop", "{\"scopes\":\"read\"}", 201, 1 },
        { HTTP_DELETE, "/api/keys/3?license=shop", "", 200, 1 },
        { HTTP_DELETE, "/api/keys/3?license=shop", "", 404, 0 },
    };
    struct shop *shop = *state;

    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        int64_t before = audit_entries(shop);
        shop_wants(shop, calls[i].method, calls[i].path, calls[i].body, calls[i].status, "");
        if (audit_entries(shop) != before + calls[i].entries)
            fail_msg("%s: %lld entries", calls[i].path, (long long)(audit_entries(shop) - before));
    }
}

static void a_restricted_person_is_not_shown(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    assert_int_equal(shop_asks(shop, "r", "restriction", "ann", ""), 201);
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 403, "restricted");
    shop_wants(shop, HTTP_GET, "/api/users/ann/events?license=shop", "", 403, "restricted");
    assert_int_equal(shop_asks(shop, "p", "portability", "ann", ""), 201); /* their own right works as always */
    assert_non_null(strstr(shop->answer.at, "\"kind\":\"restriction\""));
}

static void an_erasure_runs_to_its_end(void **state)
{
    struct shop *shop = *state;

    send_events(shop, 2500); /* more than one step of the background removes */
    shop_meets(shop, "ben");
    uint32_t ann = shop_ordinal(shop, "ann"), ben = shop_ordinal(shop, "ben");
    assert_int_equal(shop_asks(shop, "p", "portability", "ann", ""), 201);
    assert_int_equal(shop_asks(shop, "erase", "erasure", "ann", ""), 201);
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 404, "not_found");
    shop_awaits(shop, "erase", "DONE");
    assert_int_equal(shop_event_count(shop, ann), 0);
    assert_int_equal(shop_event_count(shop, ben), SHOP_MET_EVENTS);
    shop_wants(shop, HTTP_GET, "/api/users/ben?license=shop", "", 200, "\"firstName\":\"Ann\"");
    shop_wants(shop, HTTP_GET, "/api/archives/1?license=shop", "", 404, "not_found");
    shop_wants(shop, HTTP_GET, SHOP_DESK "/p", "", 200, "DONE"); /* its status stays readable */
    shop_restart(shop);
    shop_wants(shop, HTTP_GET, SHOP_DESK "/erase", "", 200, "DONE");
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 404, "not_found");
    assert_int_equal(shop_event_count(shop, ben), SHOP_MET_EVENTS);
}

static void many_erasures_run_beside_each_other(void **state)
{
    struct shop *shop = *state;
    char id[32];

    for (int i = 0; i < 70; i++) { /* more than a round takes */
        (void)snprintf(id, sizeof(id), "user-%d", i);
        shop_meets(shop, id);
    }
    for (int i = 0; i < 70; i++) {
        (void)snprintf(id, sizeof(id), "user-%d", i);
        assert_int_equal(shop_asks(shop, id, "erasure", id, ""), 201);
    }
    for (int i = 0; i < 70; i++) {
        (void)snprintf(id, sizeof(id), "user-%d", i);
        shop_awaits(shop, id, "DONE");
        assert_int_equal(shop_event_count(shop, (uint32_t)i + 1), 0);
    }
}

#define WITH_SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(the_whole_person_is_handed_over_in_order),
        WITH_SHOP(events_stand_in_the_answer_whole_or_not_at_all),
        WITH_SHOP(a_stream_stops_when_its_person_is_erased),
        WITH_SHOP(pieces_keep_to_the_room_they_are_given),
        WITH_SHOP(each_look_is_an_entry_and_bringing_data_is_none),
        WITH_SHOP(a_restricted_person_is_not_shown),
        WITH_SHOP(an_erasure_runs_to_its_end),
        WITH_SHOP(many_erasures_run_beside_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
