/* Two people, one browser: links as ingestion makes them and as they are decided, and what every right does with a person of
 * several identities. Through the whole program, without a network. */
#include "api/shop.h"
#include "intake/ingest.h"
#include "intake/webengage.h"
#include "rights/desk.h"

static int set_up(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, WHEN_DAY);
    *state = shop;
    return 0;
}

static int set_up_at_once(void **state)
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

/* ---- what a client sends ---- */

/* One item in short: who, what happened (NULL: an identify), and whom it joins. */
struct said {
    const char *user, *anonymous, *event;
    enum item_joins joins_by;
    const char *joins;
};
#define TRACK(id, what)                                                                                                \
    {                                                                                                                  \
        .anonymous = (id), .event = (what)                                                                             \
    }
#define TRACK_OF(user_id, what)                                                                                        \
    {                                                                                                                  \
        .user = (user_id), .event = (what)                                                                             \
    }
#define IDENTIFY(user_id, id)                                                                                          \
    {                                                                                                                  \
        .user = (user_id), .joins_by = JOINS_ANONYMOUS, .joins = (id)                                                  \
    }
#define ALIAS(user_id, id)                                                                                             \
    {                                                                                                                  \
        .user = (user_id), .joins_by = JOINS_ALIAS, .joins = (id)                                                      \
    }

#define ITEMS_MAX 32
struct arriving {
    struct arena arena;
    struct ingest ingest;
    struct item items[ITEMS_MAX];
};

static void read_item(struct shop *shop, struct reader *reader, struct arriving *arriving, const struct said *said)
{
    struct webengage_call call = { .kind = said->event ? ITEM_EVENT : ITEM_USER };
    struct ingest *ingest = &arriving->ingest;
    char text[500];
    struct item *items;
    uint32_t count = 0;

    int len = snprintf(text, sizeof(text), "{\"%s\":\"%s\"", said->user ? "userId" : "anonymousId",
                       said->user ? said->user : said->anonymous);
    len += snprintf(text + len, sizeof(text) - (size_t)len, said->event ? ",\"eventName\":\"%s\"}" : "}", said->event);
    char *body = arena_alloc(&arriving->arena, (size_t)len + JSON_PADDING, 1);
    memcpy(body, text, (size_t)len);
    struct error error = { 0 };
    const struct json *json = json_read(reader->parser, &arriving->arena, (struct str){ body, (size_t)len }, &error);
    assert_non_null(json);
    MUST(
        webengage_items(&call, json, when_now(&shop->clock), &arriving->arena, &items, &count, &ingest->ignored, &why));
    arriving->items[ingest->count] = items[0];
    if (said->joins)
        arriving->items[ingest->count].joins = str_of(said->joins);
    arriving->items[ingest->count].joins_by = said->joins_by;
    arriving->items[ingest->count].index = ingest->count;
    ingest->count++;
}

/* As a server thread takes one call. */
static void arrive(struct shop *shop, struct arriving *arriving, const struct said *said, size_t count)
{
    struct engine *engine = shop_engine(shop);
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(engine, &error);

    assert_non_null(reader);
    *arriving = (struct arriving){ 0 };
    arena_init(&arriving->arena, 64 * 1024 * 1024);
    arriving->ingest = (struct ingest){ .command = { .kind = &ingest_bulk, .bytes = 1000 },
                                        .origin = { .account = 1,
                                                    .scopes = SCOPE_ALL,
                                                    .route = STR("/v1/batch"),
                                                    .received_ms = when_now(&shop->clock) },
                                        .arena = &arriving->arena,
                                        .is_bulk = true,
                                        .items = arriving->items };
    arriving->ingest.ignored.end = &arriving->ingest.ignored.first;
    for (size_t i = 0; i < count; i++)
        read_item(shop, reader, arriving, &said[i]);
    MUST(ingest_prepare(&arriving->ingest, engine_ledger(engine), reader->seat, &why));
    engine_give_reader(engine, reader);
}

static void hand_in(struct shop *shop, struct arriving *arriving)
{
    if (arriving->ingest.command.phases != 0)
        MUST(engine_call(shop_engine(shop), &arriving->ingest.command, &why));
    assert_int_equal(ingest_refused(&arriving->ingest), 0);
    arena_clear(&arriving->arena);
}

static void sends(struct shop *shop, const struct said *said, size_t count)
{
    struct arriving arriving;

    arrive(shop, &arriving, said, count);
    hand_in(shop, &arriving);
}
#define SENDS(shop, ...)                                                                                               \
    do {                                                                                                               \
        const struct said all[] = { __VA_ARGS__ };                                                                     \
        sends(shop, all, COUNT_OF(all));                                                                               \
    } while (0)

/* ---- what is held ---- */

static int reads(struct shop *shop, const char *path)
{
    return shop_call(shop, HTTP_GET, path, "");
}

/* Names of events, oldest first, as "seen,bought". */
static const char *events_of(struct shop *shop, const char *where)
{
    static char names[1000];
    char path[200];
    const char *at;

    (void)snprintf(path, sizeof(path), "/api/%s/events?license=shop&limit=1000", where);
    assert_int_equal(reads(shop, path), 200);
    names[0] = '\0';
    for (at = strstr(shop->answer.at, "\"eventName\":\""); at; at = strstr(at + 1, "\"eventName\":\"")) {
        char before[sizeof(names)];
        int len = (int)strcspn(at + 13, "\"");
        (void)strcpy(before, names);
        (void)snprintf(names, sizeof(names), "%.*s%s%.900s", len, at + 13, before[0] ? "," : "", before);
    }
    return names;
}

static bool shows(struct shop *shop, const char *where, const char *text)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/%s?license=shop", where);
    assert_int_equal(reads(shop, path), 200);
    return strstr(shop->answer.at, text) != NULL;
}

static int status_of(struct shop *shop, const char *where)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/%s?license=shop", where);
    return reads(shop, path);
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

static int64_t links(struct shop *shop)
{
    return count(shop, SQL("SELECT COUNT(*) FROM link WHERE removed_at IS NULL"));
}

static void parts(struct shop *shop, const char *user, const char *body)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/users/%s/links?license=shop", user);
    shop_wants(shop, HTTP_DELETE, path, body, 200, "links");
}

static void decides(struct shop *shop, const char *user, const char *body, int status)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/users/%s/links?license=shop", user);
    shop_wants(shop, HTTP_POST, path, body, status, status == 201 ? "links" : "error");
}

static void asks(struct shop *shop, const char *id, const char *type, const char *user)
{
    int status = shop_asks(shop, id, type, user, "");

    if (status != 201)
        fail_msg("%s of %s: %d %s", type, user, status, shop->answer.at);
}

static void passes(struct shop *shop, int64_t ms)
{
    shop->clock.shift_ms += ms;
    engine_wake_worker(shop_engine(shop));
}

/* ---- whose events are whose ---- */

static void ann_then_ben_on_one_browser(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"));
    SENDS(shop, IDENTIFY("ann", "web"));
    SENDS(shop, TRACK("web", "anns"), TRACK_OF("ann", "hers"));
    assert_string_equal(events_of(shop, "users/ann"), "before,anns,hers");
    assert_string_equal(events_of(shop, "anonymous/web"), "before,anns,hers");
    SENDS(shop, IDENTIFY("ben", "web"));
    SENDS(shop, TRACK("web", "bens"), TRACK_OF("ben", "his"));
    assert_string_equal(events_of(shop, "users/ann"), "before,anns,hers");
    assert_string_equal(events_of(shop, "users/ben"), "bens,his");
    assert_string_equal(events_of(shop, "anonymous/web"), "bens,his");
    SENDS(shop, IDENTIFY("ann", "web"));
    SENDS(shop, TRACK("web", "again"));
    assert_string_equal(events_of(shop, "users/ann"), "before,anns,hers,again");
    assert_string_equal(events_of(shop, "users/ben"), "bens,his");
    assert_true(shows(shop, "users/ann", "\"anonymousIds\":[\"web\"]"));
    assert_true(shows(shop, "users/ben", "\"anonymousIds\":[\"web\"]"));
    shop_restart(shop);
    assert_string_equal(events_of(shop, "users/ann"), "before,anns,hers,again");
    assert_string_equal(events_of(shop, "anonymous/web"), "before,anns,hers,again");
}

/* The order within one call counts, and each event is there once. */
static void one_call_may_hold_it_all(void **state)
{
    struct shop *shop = *state;

    for (int round = 0; round < 2; round++) { /* once with everything new, once with everything known */
        SENDS(shop, TRACK("tab", "one"), IDENTIFY("ann", "tab"), TRACK("tab", "two"), IDENTIFY("ben", "tab"),
              TRACK("tab", "three"), TRACK_OF("ann", "four"), IDENTIFY("ann", "tab"), TRACK("tab", "five"));
        if (round == 0) {
            assert_string_equal(events_of(shop, "users/ann"), "one,two,four,five");
            assert_string_equal(events_of(shop, "users/ben"), "three");
        }
    }
    assert_string_equal(events_of(shop, "users/ann"), "one,two,four,five,one,two,four,five");
    assert_string_equal(events_of(shop, "users/ben"), "three,three");
    assert_int_equal(links(shop), 2);
}

/* Prepared before the id went to another, written behind it: it was sent when it was hers. */
static void what_is_on_its_way_when_the_id_changes_hands_is_not_lost(void **state)
{
    struct shop *shop = *state;
    static const struct said known[] = { TRACK("web", "seen") }, unknown[] = { TRACK("web", "new name") };
    struct arriving one, two;

    SENDS(shop, TRACK("web", "seen"), IDENTIFY("ann", "web"));
    SENDS(shop, TRACK("web", "seen"));
    arrive(shop, &one, known, 1);
    arrive(shop, &two, unknown, 1);
    assert_int_equal(one.ingest.proposals[0].state, PROPOSAL_SEALED);
    SENDS(shop, IDENTIFY("ben", "web"));
    hand_in(shop, &one);
    hand_in(shop, &two);
    assert_string_equal(events_of(shop, "users/ann"), "seen,seen,seen,new name");
    assert_string_equal(events_of(shop, "users/ben"), "");
}

static void a_link_that_stands_asks_nothing_of_the_ledger(void **state)
{
    struct shop *shop = *state;
    static const struct said identify[] = { IDENTIFY("ann", "web") }, alias[] = { ALIAS("ann", "old") };
    struct arriving arriving;

    SENDS(shop, TRACK_OF("old", "seen"));
    for (int round = 0; round < 3; round++) {
        arrive(shop, &arriving, identify, 1);
        assert_int_equal(!(arriving.ingest.command.phases & PHASE_LEDGER), round > 0);
        hand_in(shop, &arriving);
        arrive(shop, &arriving, alias, 1);
        assert_int_equal(!(arriving.ingest.command.phases & PHASE_LEDGER), round > 0);
        hand_in(shop, &arriving);
    }
    assert_int_equal(links(shop), 2);
}

static void an_alias_joins_known_users_and_anonymous_ids(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK_OF("old", "old"), TRACK("visitor", "visited"));
    SENDS(shop, ALIAS("ann", "old"), ALIAS("ann", "visitor"), ALIAS("ann", "never seen"), ALIAS("ann", "ann"));
    SENDS(shop, TRACK_OF("ann", "new"), TRACK("never seen", "seen"));
    assert_string_equal(events_of(shop, "users/ann"), "old,visited,new,seen");
    assert_string_equal(events_of(shop, "users/old"), "old,visited,new,seen");
    assert_true(shows(shop, "users/ann",
                      "\"userId\":\"ann\",\"anonymousIds\":[\"visitor\",\"never seen\"],"
                      "\"aliases\":[\"old\"]"));
    assert_true(shows(shop, "users/old", "\"userId\":\"old\""));
    assert_true(shows(shop, "users/old", "\"aliases\":[\"ann\"]"));
}

/* ---- values ---- */

static void the_known_users_value_stays_and_gaps_are_filled(void **state)
{
    struct shop *shop = *state;

    shop_wants(shop, HTTP_POST, SHOP_USERS,
               "{\"userId\":\"ann\",\"firstName\":\"Ann\",\"attributes\":{\"plan\":\"gold\"}}", 201, "queued");
    shop_wants(shop, HTTP_POST, SHOP_USERS,
               "{\"anonymousId\":\"web\",\"firstName\":\"Visitor\",\"lastName\":\"Smith\","
               "\"attributes\":{\"plan\":\"none\",\"theme\":\"dark\"}}",
               201, "queued");
    SENDS(shop, IDENTIFY("ann", "web"));
    assert_true(shows(shop, "users/ann",
                      "\"firstName\":\"Ann\",\"lastName\":\"Smith\","
                      "\"attributes\":{\"plan\":\"gold\",\"theme\":\"dark\"}"));
    assert_true(shows(shop, "users/ann", "\"field\":\"firstName\",\"value\":\"Visitor\"")); /* held, so shown */
    assert_true(shows(shop, "users/ann", "\"attribute\":\"plan\",\"value\":\"none\""));
    parts(shop, "ann", "{\"anonymousId\":\"web\"}");
    assert_true(shows(shop, "users/ann", "\"firstName\":\"Ann\",\"attributes\":{\"plan\":\"gold\"},\"preferences\""));
    assert_true(shows(shop, "anonymous/web", "\"firstName\":\"Visitor\",\"lastName\":\"Smith\""));
    assert_true(shows(shop, "anonymous/web", "\"userId\":null"));
}

/* ---- decisions ---- */

static void links_are_made_and_taken_back_by_decision(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), TRACK_OF("ann", "hers"), TRACK_OF("old", "old"));
    decides(shop, "ann", "{}", 400);
    decides(shop, "ann", "{\"anonymousId\":\"web\",\"userId\":\"old\"}", 400);
    decides(shop, "ann", "{\"anonymousId\":7}", 400);
    decides(shop, "ann", "{\"anonymousId\":\"\"}", 400);
    decides(shop, "ann", "{\"userId\":\"ann\"}", 400);
    decides(shop, "ann", "{\"anonymousId\":\"nobody\"}", 404);
    decides(shop, "ann", "{\"userId\":\"nobody\"}", 404);
    decides(shop, "nobody", "{\"anonymousId\":\"web\"}", 404);
    assert_int_equal(links(shop), 0);
    for (int round = 0; round < 2; round++) {
        decides(shop, "ann", "{\"anonymousId\":\"web\"}", 201);
        decides(shop, "ann", "{\"userId\":\"old\"}", 201);
    }
    assert_int_equal(links(shop), 2);
    assert_non_null(
        strstr(shop->answer.at, "{\"of\":{\"anonymousId\":\"web\"},\"to\":{\"userId\":\"ann\"},\"since\":"));
    assert_non_null(strstr(shop->answer.at, "{\"of\":{\"userId\":\"old\"},\"to\":{\"userId\":\"ann\"},\"since\":"));
    assert_non_null(strstr(shop->answer.at, "\"route\":\"/api/users/{userId}/links\""));
    assert_string_equal(events_of(shop, "users/old"), "before,hers,old");
    parts(shop, "old", "{\"userId\":\"ann\"}");
    parts(shop, "ann", "{\"anonymousId\":\"web\"}");
    shop_wants(shop, HTTP_DELETE, "/api/users/ann/links?license=shop", "{\"anonymousId\":\"web\"}", 404,
               "no such link");
    shop_wants(shop, HTTP_DELETE, "/api/users/ann/links?license=shop", "{\"userId\":\"old\"}", 404, "no such link");
    assert_string_equal(events_of(shop, "users/old"), "old");
    assert_string_equal(events_of(shop, "users/ann"), "hers");
    assert_string_equal(events_of(shop, "anonymous/web"), "before");
}

/* Two known users stay two when one tells an id of the other's; the id's past stays where it was. */
static void a_decision_gives_a_taken_id_from_now_on(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, IDENTIFY("ann", "web"), TRACK("web", "anns"), TRACK_OF("ben", "his"));
    decides(shop, "ben", "{\"anonymousId\":\"web\"}", 201);
    SENDS(shop, TRACK("web", "bens"));
    assert_string_equal(events_of(shop, "users/ann"), "anns");
    assert_string_equal(events_of(shop, "users/ben"), "his,bens");
    assert_true(shows(shop, "users/ben", "\"anonymousIds\":[\"web\"]"));
}

/* ---- restricted ---- */

static void a_restriction_holds_for_every_identity_and_re_enable_ends_each(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "web"), TRACK_OF("old", "old"), TRACK_OF("ben", "his"));
    asks(shop, "r1", "restriction", "old");
    asks(shop, "r2", "restriction", "ann");
    decides(shop, "ann", "{\"userId\":\"old\"}", 201);
    SENDS(shop, TRACK("web", "dropped"), TRACK_OF("ann", "dropped"), TRACK_OF("old", "dropped"),
          TRACK_OF("ben", "kept"));
    assert_int_equal(status_of(shop, "anonymous/web"), 403);
    assert_int_equal(status_of(shop, "users/old"), 403);
    assert_string_equal(events_of(shop, "users/ben"), "his,kept");
    asks(shop, "r2", "restriction", "ann"); /* a repeat */
    asks(shop, "l", "re-enable", "old");
    assert_string_equal(events_of(shop, "users/ann"), "before,old");
    assert_int_equal(shop_asks(shop, "r2", "restriction", "ann", ""), 400); /* its effect is over */
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM rights WHERE ended_at IS NULL")), 0);
}

static void both_sides_stay_restricted_until_someone_decides(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "web"));
    asks(shop, "r", "restriction", "ann");
    parts(shop, "ann", "{\"anonymousId\":\"web\"}");
    assert_int_equal(status_of(shop, "users/ann"), 403);
    assert_int_equal(status_of(shop, "anonymous/web"), 403);
    asks(shop, "l", "re-enable", "ann");
    assert_int_equal(status_of(shop, "users/ann"), 200);
    assert_int_equal(status_of(shop, "anonymous/web"), 403);
}

static void the_restricted_are_not_linked_by_data(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK_OF("ann", "hers"), TRACK("web", "seen"), TRACK_OF("ben", "his"));
    asks(shop, "r", "restriction", "ann");
    SENDS(shop, IDENTIFY("ann", "web"), IDENTIFY("ann", "new"), ALIAS("ben", "ann"));
    assert_int_equal(links(shop), 0);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject")), 3);
    asks(shop, "l", "re-enable", "ann");
    assert_string_equal(events_of(shop, "users/ann"), "hers");
    /* An anonymous person can be restricted too. */
    int status =
        shop_call(shop, HTTP_POST, "/api/requests?license=shop",
                  "{\"subject_request_id\":\"w\",\"subject_request_type\":\"restriction\",\"subject_identities\":"
                  "[{\"identity_type\":\"anonymous\",\"identity_value\":\"web\"}]}");
    assert_int_equal(status, 201);
    SENDS(shop, IDENTIFY("ann", "web"));
    assert_int_equal(links(shop), 0);
    assert_string_equal(events_of(shop, "users/ann"), "hers");
    /* But one user's restriction does not keep a shared id from the next. */
    SENDS(shop, IDENTIFY("ann", "tab"));
    asks(shop, "r3", "restriction", "ann");
    SENDS(shop, IDENTIFY("ben", "tab"), TRACK("tab", "bens"));
    assert_string_equal(events_of(shop, "users/ben"), "his,bens");
}

/* ---- pending ---- */

static void links_wait_for_the_end_of_a_window(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK_OF("ann", "hers"), TRACK("web", "before"), IDENTIFY("ann", "phone"));
    asks(shop, "e", "erasure", "ann");
    SENDS(shop, IDENTIFY("ann", "web"), TRACK("phone", "parked"), ALIAS("ann", "visitor"));
    assert_int_equal(links(shop), 1);
    assert_string_equal(events_of(shop, "anonymous/web"), "before");
    int status = shop_asks(shop, "p", "portability", "ann", "");
    assert_int_equal(status, 201);
    assert_non_null(strstr(shop->answer.at, "\"joins\":\"web\",\"sent\":"));
    shop_wants(shop, HTTP_DELETE, SHOP_DESK "/e", "", 200, "cancelled");
    assert_string_equal(events_of(shop, "users/ann"), "hers,before,parked");
    assert_true(shows(shop, "users/ann", "\"anonymousIds\":[\"web\",\"phone\",\"visitor\"]"));
}

static void an_erasure_takes_all_of_them_and_no_one_else(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "web"), IDENTIFY("ann", "phone"), TRACK_OF("old", "old"),
          ALIAS("ann", "old"), IDENTIFY("ben", "web"), TRACK("web", "bens"));
    asks(shop, "e", "erasure", "old");
    assert_int_equal(status_of(shop, "users/ann"), 403);
    assert_int_equal(status_of(shop, "users/ben"), 200);
    SENDS(shop, TRACK("phone", "parked"), TRACK_OF("ann", "parked"));
    assert_int_equal(shop_asks(shop, "e2", "erasure", "ann", ""), 400);
    passes(shop, WHEN_DAY + WHEN_MINUTE);
    shop_awaits(shop, "e", "DONE");
    assert_int_equal(status_of(shop, "users/ann"), 404);
    assert_int_equal(status_of(shop, "users/old"), 404);
    assert_int_equal(status_of(shop, "anonymous/phone"), 404);
    assert_string_equal(events_of(shop, "anonymous/web"), "bens");
    assert_string_equal(events_of(shop, "users/ben"), "bens");
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject WHERE state = 3 AND erased_by IS NULL")), 4);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject WHERE state = 1")), 2);
    for (uint32_t ordinal = 1; ordinal <= 6; ordinal++) /* the subjects of ben and of his tablet have the only row */
        assert_int_equal(shop_event_count(shop, ordinal), ordinal == 6);
    assert_int_equal(shop_asks(shop, "e", "erasure", "old", ""), 201); /* a repeat, nobody being there since */
}

/* A link taken back inside the window: both sides go. One made inside: it goes with them, as its answer said. */
static void a_window_covers_who_was_linked_when_it_was_asked_and_when_it_ends(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "web"), TRACK("kiosk", "later"), TRACK_OF("ben", "his"));
    asks(shop, "e", "erasure", "ann");
    parts(shop, "ann", "{\"anonymousId\":\"web\"}");
    assert_int_equal(status_of(shop, "anonymous/web"), 403);
    decides(shop, "ann", "{\"anonymousId\":\"kiosk\"}", 201);
    assert_int_equal(status_of(shop, "anonymous/kiosk"), 403);
    passes(shop, WHEN_DAY + WHEN_MINUTE);
    shop_awaits(shop, "e", "DONE");
    assert_int_equal(status_of(shop, "users/ann"), 404);
    assert_int_equal(status_of(shop, "anonymous/web"), 404);
    assert_int_equal(status_of(shop, "anonymous/kiosk"), 404);
    assert_string_equal(events_of(shop, "users/ben"), "his");
}

static void a_cancel_frees_both_sides(void **state)
{
    struct shop *shop = *state;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "web"));
    asks(shop, "r", "restriction", "ann");
    asks(shop, "e", "erasure", "ann");
    parts(shop, "ann", "{\"anonymousId\":\"web\"}");
    SENDS(shop, TRACK("web", "dropped or parked"));
    shop_wants(shop, HTTP_DELETE, SHOP_DESK "/e", "", 200, "cancelled");
    assert_int_equal(status_of(shop, "anonymous/web"), 403); /* the restriction stays with both */
    asks(shop, "l", "re-enable", "ann");
    assert_string_equal(events_of(shop, "users/ann"), "");
    passes(shop, 2 * WHEN_DAY);
    shop_restart(shop);
    assert_int_equal(status_of(shop, "users/ann"), 200);
    assert_int_equal(status_of(shop, "anonymous/web"), 403);
}

static void two_pending_erasures_of_one_person_end_together(void **state)
{
    struct shop *shop = *state;
    char said[] = ",\"suppress\":{\"until\":null}";

    SENDS(shop, TRACK_OF("ann", "hers"), TRACK_OF("old", "old"));
    asks(shop, "e1", "erasure", "ann");
    passes(shop, WHEN_HOUR);
    assert_int_equal(shop_asks(shop, "e2", "erasure", "old", said), 201);
    decides(shop, "ann", "{\"userId\":\"old\"}", 201);
    passes(shop, WHEN_DAY - WHEN_MINUTE); /* the first is due, the second not yet */
    shop_awaits(shop, "e1", "DONE");
    shop_awaits(shop, "e2", "DONE");
    assert_int_equal(status_of(shop, "users/old"), 404);
    SENDS(shop, TRACK_OF("old", "suppressed"), TRACK_OF("ann", "new"));
    assert_int_equal(status_of(shop, "users/old"), 404); /* the second one's wish holds */
    assert_int_equal(status_of(shop, "users/ann"), 200);
}

/* ---- what stands against coming into being ---- */

static void the_suppressed_and_the_late_come_into_being_by_no_link(void **state)
{
    struct shop *shop = *state;
    static const struct said late[] = { IDENTIFY("ben", "phone") };
    struct arriving arriving;
    int64_t before;

    SENDS(shop, TRACK("web", "before"), IDENTIFY("ann", "phone"), TRACK_OF("ben", "his"));
    before = when_now(&shop->clock);
    shop->clock.shift_ms += WHEN_MINUTE;
    assert_int_equal(shop_asks(shop, "e1", "erasure", "ann", ",\"suppress\":{\"until\":null}"), 201);
    int status =
        shop_call(shop, HTTP_POST, "/api/requests?license=shop",
                  "{\"subject_request_id\":\"e2\",\"subject_request_type\":\"erasure\",\"subject_identities\":"
                  "[{\"identity_type\":\"anonymous\",\"identity_value\":\"web\"}],\"suppress\":{\"until\":null}}");
    assert_int_equal(status, 201);
    shop_awaits(shop, "e1", "DONE");
    shop_awaits(shop, "e2", "DONE");
    int64_t subjects = count(shop, SQL("SELECT COUNT(*) FROM subject"));
    SENDS(shop, IDENTIFY("ann", "new"), IDENTIFY("ben", "web"), ALIAS("ben", "ann"), ALIAS("ben", "web"),
          IDENTIFY("ann", "web"));
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject")), subjects);
    arrive(shop, &arriving, late, 1);
    arriving.items[0].occurred_ms = before;
    hand_in(shop, &arriving);
    assert_int_equal(count(shop, SQL("SELECT COUNT(*) FROM subject")), subjects);
    assert_int_equal(links(shop), 0);
    decides(shop, "ben", "{\"userId\":\"ann\"}", 404);
    decides(shop, "ben", "{\"anonymousId\":\"web\"}", 404);
    SENDS(shop, IDENTIFY("ben", "phone")); /* without a time it is new */
    assert_int_equal(links(shop), 1);
}

static void a_record_that_a_crash_has_lost_is_made_by_the_next_identify(void **state)
{
    struct shop *shop = *state;
    static const struct said identify[] = { IDENTIFY("ann", "web") };
    struct arriving arriving;

    SENDS(shop, TRACK_OF("ann", "hers"));
    arrive(shop, &arriving, identify, 1);
    hand_in(shop, &arriving);
    shop_restart(shop);
    assert_true(shows(shop, "users/ann", "\"anonymousIds\":[\"web\"]"));
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    ledger_miss(ledger, ledger_account(ledger, 1), 2);
    arrive(shop, &arriving, identify, 1);
    assert_int_equal(arriving.ingest.proposals[0].joined, 2);
    hand_in(shop, &arriving);
    ledger_enter(ledger);
    assert_false(account_subject(ledger_account(ledger, 1), 2)->bare);
    ledger_leave(ledger);
}

#define SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define SHOP_AT_ONCE(test) cmocka_unit_test_setup_teardown(test, set_up_at_once, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP(ann_then_ben_on_one_browser),
        SHOP(one_call_may_hold_it_all),
        SHOP(what_is_on_its_way_when_the_id_changes_hands_is_not_lost),
        SHOP(a_link_that_stands_asks_nothing_of_the_ledger),
        SHOP(an_alias_joins_known_users_and_anonymous_ids),
        SHOP(the_known_users_value_stays_and_gaps_are_filled),
        SHOP(links_are_made_and_taken_back_by_decision),
        SHOP(a_decision_gives_a_taken_id_from_now_on),
        SHOP(a_restriction_holds_for_every_identity_and_re_enable_ends_each),
        SHOP(both_sides_stay_restricted_until_someone_decides),
        SHOP(the_restricted_are_not_linked_by_data),
        SHOP(links_wait_for_the_end_of_a_window),
        SHOP(an_erasure_takes_all_of_them_and_no_one_else),
        SHOP(a_window_covers_who_was_linked_when_it_was_asked_and_when_it_ends),
        SHOP(a_cancel_frees_both_sides),
        SHOP(two_pending_erasures_of_one_person_end_together),
        SHOP_AT_ONCE(the_suppressed_and_the_late_come_into_being_by_no_link),
        SHOP(a_record_that_a_crash_has_lost_is_made_by_the_next_identify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
