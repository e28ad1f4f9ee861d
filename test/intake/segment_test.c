/* Segment's dialect: what each type of message becomes, whose it is, when it was, and what is refused. */
#include "translated.h"

#include <stdio.h>

#include "intake/segment.h"

static void translate_segment(struct translated *out, size_t arena_limit, enum segment_type type, struct str body)
{
    struct segment_call call = { .type = type };
    const struct json *root;

    *out = (struct translated){ .parser = json_parser_new() };
    arena_init(&out->arena, arena_limit);
    buf_init(&out->text, TEST_LIMIT);
    buf_init(&out->body, body.len + JSON_PADDING);
    buf_add(&out->body, body);
    memset(buf_room(&out->body, JSON_PADDING), 'x', JSON_PADDING);
    root = json_read_twins(out->parser, &out->arena, buf_str(&out->body), &call.twins, &out->error);
    out->ok = root && segment_items(&call, root, TEST_RECEIVED, &out->arena, &out->items, &out->count, &out->error);
}

/* What this dialect has beside the others. */
static void show_more(struct buf *text, const struct item *item)
{
    static const char *const joins[] = { "", "anonymous", "alias" };

    if (item->refused.code != ERROR_NONE)
        return;
    if (item->kind == ITEM_USER && item->occurred_ms != WHEN_NONE)
        buf_addf(text, " at=%lld", (long long)item->occurred_ms);
    if (item->event_context.len > 0)
        buf_addf(text, " context=%.*s", STR_ARG(item->event_context));
    for (uint32_t i = 0; i < item->finder_count; i++)
        buf_addf(text, " %s=%.*s", identity_kind_name(item->finders[i].kind), STR_ARG(item->finders[i].value));
    if (item->said_consent.len > 0)
        buf_addf(text, " said=%.*s", STR_ARG(item->said_consent));
    if (item->joins_by != JOINS_NONE)
        buf_addf(text, " joins(%s)=%.*s", joins[item->joins_by], STR_ARG(item->joins));
    else
        assert_int_equal(item->joins.len, 0);
    if (item->beside.len > 0)
        buf_addf(text, " beside=%.*s", STR_ARG(item->beside));
}

static struct str shown_whole(struct translated *translated, uint32_t index)
{
    (void)shown(translated, index);
    if (translated->ok)
        show_more(&translated->text, &translated->items[index]);
    assert_null(translated->ignored.first);
    return buf_str(&translated->text);
}

static void expect(const char *body, struct str found, const char *wanted)
{
    if (!str_equal(found, str_of(wanted)))
        fail_msg("%s\n  gives  %.*s\n  wanted %s", body, STR_ARG(found), wanted);
}

struct outcome {
    enum segment_type type;
    const char *body, *gives;
};
static const char *const type_names[] = { "", "track", "page", "screen", "identify", "group", "alias" };

/* Parked, and taken in again much later: the same. */
static void check_parked(const struct item *item, const struct outcome *outcome)
{
    struct translated again = { .parser = json_parser_new(), .ok = true };
    struct buf text;

    buf_init(&text, TEST_LIMIT);
    buf_add(&text, item->park_head);
    buf_add(&text, item->raw);
    buf_add(&text, item->park_tail);
    assert_int_equal(text.at[0], 's');
    memset(buf_room(&text, JSON_PADDING), 0, JSON_PADDING);
    arena_init(&again.arena, TEST_LIMIT);
    buf_init(&again.text, TEST_LIMIT);
    if (!segment_parked(again.parser, (struct str){ text.at + 1, text.len - 1 }, TEST_RECEIVED, &again.arena,
                        &again.items, &again.count, &again.error))
        fail_msg("%.*s: %s", STR_ARG(buf_str(&text)), again.error.text);
    assert_int_equal(again.count, 1);
    expect(outcome->body, shown_whole(&again, 0), outcome->gives);
    translated_clear(&again);
    buf_clear(&text);
}

static void check_single(const struct outcome *outcome)
{
    struct translated translated;

    translate_segment(&translated, TEST_LIMIT, outcome->type, str_of(outcome->body));
    expect(outcome->body, shown_whole(&translated, 0), outcome->gives);
    if (translated.ok)
        check_parked(&translated.items[0], outcome);
    else
        assert_int_equal(translated.error.code, ERROR_INVALID);
    translated_clear(&translated);
}

/* The same between two neighbours: what happens to it does not touch them. */
static void check_batch(const struct outcome *outcome)
{
    const char *neighbour = "{\"type\":\"track\",\"userId\":\"bob\",\"event\":\"E\"}";
    struct translated translated;
    struct buf body;

    buf_init(&body, TEST_LIMIT);
    buf_addf(&body, "{\"batch\":[%s,{\"type\":\"%s\",%s,%s]}", neighbour, type_names[outcome->type], outcome->body + 1,
             neighbour);
    translate_segment(&translated, TEST_LIMIT, SEGMENT_BATCH, buf_str(&body));
    assert_true(translated.ok);
    assert_int_equal(translated.count, 3);
    expect(outcome->body, shown_whole(&translated, 0), "cuid bob event=E");
    expect(outcome->body, shown_whole(&translated, 1), outcome->gives);
    expect(outcome->body, shown_whole(&translated, 2), "cuid bob event=E");
    assert_int_equal(translated.items[1].index, 1);
    if (translated.items[1].refused.code == ERROR_NONE)
        check_parked(&translated.items[1], outcome);
    translated_clear(&translated);
    buf_clear(&body);
}

static void check_all(const struct outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_single(&outcomes[i]);
        check_batch(&outcomes[i]);
    }
}

#define TRACK(members) SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":\"E\"" members "}"
#define IDENTIFY(members) SEGMENT_IDENTIFY, "{\"userId\":\"ann\"" members "}"
#define TRAITS(traits) IDENTIFY(",\"traits\":{" traits "}")

static void a_track_is_an_event_with_its_bytes(void **state)
{
    static const struct outcome outcomes[] = {
        { TRACK(""), "cuid ann event=E" },
        { TRACK(",\"properties\":{\"price\":39.80,\"we_x\":1}"),
          "cuid ann event=E data={\"price\":39.80,\"we_x\":1} price:number=39.80" },
        { TRACK(",\"properties\":{ }"), "cuid ann event=E data={ }" },
        { TRACK(",\"properties\":null,\"context\":null"), "cuid ann event=E" },
        { TRACK(",\"properties\":[]"), "refused: properties: must be an object" },
        { TRACK(",\"messageId\":\"m 1\",\"integrations\":{\"All\":true},\"_metadata\":7"),
          "cuid ann event=E message=m 1" },
        { TRACK(",\"messageId\":71"), "cuid ann event=E message=71" },
        { TRACK(",\"messageId\":\"\""), "cuid ann event=E" },
        { TRACK(",\"messageId\":{}"), "refused: messageId: must be a string" },
        { TRACK(",\"context\":{\"ip\":\"::1\"}"), "cuid ann event=E context={\"ip\":\"::1\"}" },
        { TRACK(",\"context\":7"), "refused: context: must be an object" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\"}", "refused: event: is missing" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":7}", "refused: event: must be a string" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":\"\"}", "refused: event: must not be empty" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":\"we_x\"}", "refused: event: must not start with we_" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":\"a\\u0000b\"}", "refused: event: must not contain NUL" },
        { SEGMENT_TRACK, "{\"userId\":\"ann\",\"event\":\"123456789012345678901234567890123456789012345678901\"}",
          "refused: event: must not be longer than 50 characters" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void pages_and_screens_are_events_with_name_and_category(void **state)
{
    static const struct outcome outcomes[] = {
        { SEGMENT_PAGE, "{\"userId\":\"ann\"}", "cuid ann event=Page Viewed" },
        { SEGMENT_PAGE, "{\"userId\":\"ann\",\"name\":\"Home\",\"category\":\"Shop\"}",
          "cuid ann event=Page Viewed data={\"name\":\"Home\",\"category\":\"Shop\"}" },
        { SEGMENT_SCREEN, "{\"userId\":\"ann\",\"name\":\"Home\",\"properties\":{\"x\": 1.0}}",
          "cuid ann event=Screen Viewed data={\"name\":\"Home\",\"x\": 1.0} x:number=1.0" },
        { SEGMENT_PAGE, "{\"userId\":\"ann\",\"name\":\"Home\",\"properties\":{}}",
          "cuid ann event=Page Viewed data={\"name\":\"Home\"}" },
        { SEGMENT_PAGE, "{\"userId\":\"ann\",\"name\":\"Top\",\"properties\":{\"name\":\"In\"}}",
          "cuid ann event=Page Viewed data={\"name\":\"In\"} name:string=\"In\"" },
        { SEGMENT_PAGE, "{\"userId\":\"ann\",\"name\":null,\"properties\":{\"url\":\"u\"}}",
          "cuid ann event=Page Viewed data={\"url\":\"u\"} url:string=\"u\"" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void the_user_id_says_whose_it_is_and_numbers_are_text(void **state)
{
    static const struct outcome outcomes[] = {
        { SEGMENT_TRACK, "{\"userId\":42,\"event\":\"E\"}", "cuid 42 event=E" },
        { SEGMENT_TRACK, "{\"userId\":null,\"anonymousId\":\"x\",\"event\":\"E\"}", "anonymous x event=E" },
        { SEGMENT_TRACK, "{\"userId\":\"\",\"anonymousId\":7,\"event\":\"E\"}", "anonymous 7 event=E" },
        { SEGMENT_TRACK, "{\"anonymousId\":\"x\",\"userId\":\"ann\",\"event\":\"E\"}", "cuid ann event=E beside=x" },
        { SEGMENT_TRACK, "{\"userId\":\" a/b\\u00e9\",\"event\":\"E\"}", "cuid  a/b\xc3\xa9 event=E" },
        { SEGMENT_TRACK, "{\"event\":\"E\"}", "refused: userId and anonymousId are missing" },
        { SEGMENT_TRACK, "{\"userId\":\"\",\"event\":\"E\"}", "refused: userId and anonymousId are missing" },
        { SEGMENT_TRACK, "{\"userId\":true,\"event\":\"E\"}", "refused: userId: must be a string" },
        { SEGMENT_TRACK, "{\"userId\":\"a\",\"anonymousId\":[],\"event\":\"E\"}",
          "refused: anonymousId: must be a string" },
        { SEGMENT_ALIAS, "{\"userId\":\"ann\",\"previousId\":\"x\"}", "cuid ann joins(alias)=x" },
        { SEGMENT_ALIAS, "{\"userId\":1,\"previousId\":2}", "cuid 1 joins(alias)=2" },
        { SEGMENT_ALIAS, "{\"userId\":\"ann\",\"previousId\":\"ann\"}", "cuid ann" },
        { SEGMENT_ALIAS, "{\"userId\":\"ann\"}", "refused: previousId: is missing" },
        { SEGMENT_ALIAS, "{\"anonymousId\":\"x\",\"previousId\":\"y\"}", "refused: userId: is missing" },
        { SEGMENT_ALIAS, "{\"userId\":\"ann\",\"previousId\":\"\"}", "refused: previousId: must not be empty" },
        { IDENTIFY(",\"anonymousId\":\"x\""), "cuid ann joins(anonymous)=x beside=x" },
        { SEGMENT_IDENTIFY, "{\"anonymousId\":\"x\"}", "anonymous x" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void ids_have_a_hundred_characters_at_most(void **state)
{
    (void)state;
    for (size_t len = 100; len <= 101; len++) {
        const char *gives = len == 100 ? NULL : "refused: userId: must not be longer than 100 characters";
        struct outcome outcome = { .type = SEGMENT_IDENTIFY };
        char body[600] = "{\"userId\":\"", wanted[600] = "cuid ";
        for (size_t i = 0; i < len; i++) {
            strcat(body, "\xc3\xa4");
            strcat(wanted, "\xc3\xa4");
        }
        strcat(body, "\"}");
        outcome.body = body;
        outcome.gives = gives ? gives : wanted;
        check_single(&outcome);
        check_batch(&outcome);
    }
}

static void traits_go_where_they_belong(void **state)
{
    static const struct outcome outcomes[] = {
        { IDENTIFY(""), "cuid ann" },
        { TRAITS("\"email\":\"a@b.c\",\"phone\":491234,\"firstName\":\"A\",\"lastName\":\"B\","
                 "\"birthday\":\"1990-05-21\",\"gender\":\"f\",\"company\":\"C\""),
          "cuid ann firstName=\"A\" lastName=\"B\" birthDate=\"1990-05-21\" gender=\"f\" email=\"a@b.c\" "
          "phone=\"491234\" company=\"C\"" },
        { TRAITS("\"birthday\":\"1990-05-21T00:00:00.000Z\""), "cuid ann birthDate=\"1990-05-21T00:00:00.000Z\"" },
        { TRAITS("\"birthday\":\"in May\""), "cuid ann birthday:string=\"in May\"" },
        { TRAITS("\"gender\":true"), "cuid ann gender:boolean=true" },
        { TRAITS("\"company\":{\"name\":\"C\",\"id\":3}"),
          "cuid ann company=\"C\" company:object={\"name\":\"C\",\"id\":3}" },
        { TRAITS("\"company\":{\"id\":3}"), "cuid ann company:object={\"id\":3}" },
        { TRAITS("\"email\":null,\"x\":null"), "cuid ann email=null x:none=null" },
        { TRAITS("\"age\":31,\"name\":\"A B\",\"address\":{\"city\":\"X\"},\"createdAt\":\"2026-01-01T00:00:00Z\""),
          "cuid ann age:number=31 name:string=\"A B\" address:object={\"city\":\"X\"} "
          "createdAt:date=\"2026-01-01T00:00:00Z\"" },
        { TRAITS("\"we_email\":\"a@b.c\",\"we_first_name\":\"A\",\"we_hashed_phone\":\"ff\",\"we_other\":1"),
          "cuid ann firstName=\"A\" email=\"a@b.c\" hashedPhone=\"ff\"" },
        { TRAITS("\"email\":\"old\",\"we_email\":\"new\""), "cuid ann email=\"new\"" },
        { TRAITS("\"we_email_opt_in\":false,\"we_sms_opt_in\":true,\"we_push_opt_in\":null,"
                 "\"we_inapp_opt_in\":\"no\",\"we_whatsapp_opt_in\":false"),
          "cuid ann email:out sms:in whatsapp:out" },
        { IDENTIFY(",\"context\":{\"traits\":{\"x\":1}}"), "cuid ann x:number=1" },
        { IDENTIFY(",\"traits\":{\"x\":2},\"context\":{\"traits\":{\"x\":1}}"), "cuid ann x:number=2" },
        { IDENTIFY(",\"traits\":[]"), "refused: traits: must be an object" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void a_group_is_two_attributes(void **state)
{
    static const struct outcome outcomes[] = {
        { SEGMENT_GROUP, "{\"userId\":\"ann\",\"groupId\":\"g\"}", "cuid ann groupId:string=\"g\"" },
        { SEGMENT_GROUP, "{\"anonymousId\":\"x\",\"groupId\":42,\"traits\":{\"plan\":\"p\",\"n\":1.0}}",
          "anonymous x groupId:string=\"42\" groupTraits:object={\"plan\":\"p\",\"n\":1.0}" },
        { SEGMENT_GROUP, "{\"userId\":\"ann\"}", "refused: groupId: is missing" },
        { SEGMENT_GROUP, "{\"userId\":\"ann\",\"groupId\":\"\"}", "refused: groupId: must not be empty" },
        { SEGMENT_GROUP, "{\"userId\":\"ann\",\"groupId\":\"g\",\"traits\":1}", "refused: traits: must be an object" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

#define DEVICE(members) ",\"context\":{\"device\":{" members "}}"
static void devices_and_consent_are_found_in_the_context(void **state)
{
    static const struct outcome outcomes[] = {
        { IDENTIFY(DEVICE("\"id\":\"d\",\"token\":\"t\",\"advertisingId\":\"ad\",\"type\":\"ios\"")),
          "cuid ann device=d advertising=ad push_token=t" },
        { IDENTIFY(DEVICE("\"advertisingId\":\"00000000-0000-0000-0000-000000000000\",\"token\":\"\"")), "cuid ann" },
        { IDENTIFY(DEVICE("\"id\":5,\"token\":{},\"advertisingId\":null")), "cuid ann device=5" },
        { IDENTIFY(",\"context\":{\"device\":\"phone\",\"consent\":true}"), "cuid ann" },
        { IDENTIFY(",\"context\":{\"consent\":{\"categoryPreferences\":{\"Ads\":false}}}"),
          "cuid ann said={\"Ads\":false}" },
        { IDENTIFY(",\"context\":{\"consent\":{\"categoryPreferences\":{}}}"), "cuid ann said={}" },
        { IDENTIFY(",\"context\":{\"consent\":{}}"), "cuid ann" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

/* Received at 2026-11-23T12:00:00Z. */
static void the_time_is_corrected_by_the_senders_own_clock(void **state)
{
    static const struct outcome outcomes[] = {
        /* Its clock is two hours wrong; it was sent five seconds later. */
        { TRACK(",\"timestamp\":\"2026-11-23T14:00:00Z\",\"sentAt\":\"2026-11-23T14:00:05Z\""),
          "cuid ann event=E at=1795435195000" },
        { TRACK(",\"originalTimestamp\":\"2026-11-23T09:00:00Z\",\"sentAt\":\"2026-11-23T09:00:05Z\""),
          "cuid ann event=E at=1795435195000" },
        { TRACK(",\"timestamp\":\"2025-11-23T12:00:00Z\",\"sentAt\":\"2026-11-23T12:00:00Z\""),
          "cuid ann event=E at=1763899200000" },
        { TRACK(",\"timestamp\":\"2026-11-23T12:00:00Z\",\"originalTimestamp\":\"2026-11-23T12:00:04Z\","
                "\"sentAt\":\"2026-11-23T12:00:05Z\""),
          "cuid ann event=E at=1795435195000" },
        { TRACK(",\"timestamp\":\"2026-11-23T14:00:00Z\""), "cuid ann event=E" },
        { TRACK(",\"sentAt\":\"2026-11-23T14:00:00Z\""), "cuid ann event=E" },
        { TRACK(",\"timestamp\":\"yesterday\",\"sentAt\":\"2026-11-23T14:00:00Z\""), "cuid ann event=E" },
        { TRACK(",\"timestamp\":\"2026-11-23T14:00:00Z\",\"sentAt\":5"), "cuid ann event=E" },
        /* At most a day ahead. */
        { TRACK(",\"timestamp\":\"2036-11-23T12:00:00Z\",\"sentAt\":\"2026-11-23T12:00:00Z\""),
          "cuid ann event=E at=1795521600000" },
        { IDENTIFY(",\"timestamp\":\"2026-11-23T14:00:00Z\",\"sentAt\":\"2026-11-23T14:00:05Z\""),
          "cuid ann at=1795435195000" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void what_stands_around_a_batch_counts_for_each_message(void **state)
{
    const char *body = "{\"sentAt\":\"2026-11-23T14:00:05Z\",\"context\":{\"app\":1,\"ip\":\"b\"},\"writeKey\":\"k\","
                       "\"batch\":["
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\",\"timestamp\":\"2026-11-23T14:00:00Z\"},"
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\",\"timestamp\":\"2026-11-23T14:00:00Z\","
                       "\"sentAt\":\"2026-11-23T14:00:01Z\",\"context\":{\"ip\":\"m\",\"os\":2}},"
                       "{\"type\":\"page\",\"userId\":\"a\"},"
                       "{\"type\":\"import\",\"userId\":\"a\"},{\"userId\":\"a\"},7]}";
    static const char *const gives[] = {
        "cuid a event=E at=1795435195000 context={\"app\":1,\"ip\":\"b\"}",
        "cuid a event=E at=1795435199000 context={\"ip\":\"m\",\"os\":2,\"app\":1}",
        "cuid a event=Page Viewed context={\"app\":1,\"ip\":\"b\"}",
        "refused: type: is missing or unknown",
        "refused: type: is missing or unknown",
        "refused: must be an object",
    };
    struct translated translated;

    (void)state;
    translate_segment(&translated, TEST_LIMIT, SEGMENT_BATCH, str_of(body));
    assert_true(translated.ok);
    assert_int_equal(translated.count, COUNT_OF(gives));
    for (uint32_t i = 0; i < COUNT_OF(gives); i++) {
        struct outcome outcome = { SEGMENT_BATCH, body, gives[i] };
        expect(body, shown_whole(&translated, i), gives[i]);
        if (translated.items[i].refused.code == ERROR_NONE)
            check_parked(&translated.items[i], &outcome);
    }
    translated_clear(&translated);
}

/* Also when it comes back out of parking. */
static void an_archive_keeps_its_times(void **state)
{
    const char *body = "{\"sentAt\":\"2026-11-23T14:00:05Z\",\"exactTimes\":true,\"batch\":["
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\",\"timestamp\":\"2026-11-23T11:59:55Z\"},"
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\",\"timestamp\":\"2025-11-23T12:00:00Z\","
                       "\"originalTimestamp\":\"2025-11-23T10:00:00Z\",\"sentAt\":\"2025-11-23T10:00:05Z\"},"
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\",\"timestamp\":\"2036-11-23T12:00:00Z\"},"
                       "{\"type\":\"track\",\"userId\":\"a\",\"event\":\"E\"}]}";
    static const char *const gives[] = {
        "cuid a event=E at=1795435195000",
        "cuid a event=E at=1763899200000",
        "cuid a event=E at=1795521600000",
        "cuid a event=E",
    };
    struct translated translated;

    (void)state;
    translate_segment(&translated, TEST_LIMIT, SEGMENT_BATCH, str_of(body));
    assert_true(translated.ok);
    assert_int_equal(translated.count, COUNT_OF(gives));
    for (uint32_t i = 0; i < COUNT_OF(gives); i++) {
        struct outcome outcome = { SEGMENT_BATCH, body, gives[i] };
        expect(body, shown_whole(&translated, i), gives[i]);
        if (translated.items[i].refused.code == ERROR_NONE)
            check_parked(&translated.items[i], &outcome);
    }
    translated_clear(&translated);
}

static const char *refusal_of(struct translated *translated, enum segment_type type, struct str body)
{
    translate_segment(translated, TEST_LIMIT, type, body);
    return translated->ok ? "" : translated->error.text;
}

static void a_body_that_is_no_batch_is_refused_whole(void **state)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        { "[]", "the body must be a JSON object" },
        { "{}", "batch: is missing" },
        { "{\"batch\":{}}", "batch: must be an array" },
        { "{\"batch\":[],\"batch\":[]}", "batch: stands twice in one object" },
        { "{\"batch\":[]}", "" },
    };
    struct translated translated;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(refusal_of(&translated, SEGMENT_BATCH, str_of(cases[i].body)), cases[i].why);
        translated_clear(&translated);
    }
}

static void a_name_that_stands_twice_refuses_its_message_alone(void **state)
{
    struct translated translated;

    (void)state;
    translate_segment(&translated, TEST_LIMIT, SEGMENT_BATCH,
                      STR("{\"batch\":[{\"type\":\"page\",\"userId\":\"a\",\"properties\":{\"x\":1,\"x\":2}},"
                          "{\"type\":\"page\",\"userId\":\"b\"}]}"));
    assert_true(translated.ok);
    expect("twins", shown_whole(&translated, 0), "refused: x: stands twice in one object");
    expect("twins", shown_whole(&translated, 1), "cuid b event=Page Viewed");
    translated_clear(&translated);
    assert_string_equal(refusal_of(&translated, SEGMENT_PAGE, STR("{\"userId\":\"a\",\"userId\":\"b\"}")),
                        "userId: stands twice in one object");
    translated_clear(&translated);
}

/* ---- limits ---- */

/* A message of exactly `len` bytes. */
static void add_message(struct buf *body, const char *type, size_t len)
{
    const char *head = "\"userId\":\"ann\",\"event\":\"E\",\"properties\":{\"x\":\"", *tail = "\"}}";
    size_t fill = len - 1 - strlen(type) - strlen(head) - strlen(tail);

    buf_addf(body, "{%s%s", type, head);
    memset(buf_room(body, fill), 'x', fill);
    body->len += fill;
    buf_addf(body, "%s", tail);
}

static void a_message_holds_32_kilobytes(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        const char *wanted = over ? "a message must not be larger than 32 KB" : "";
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        add_message(&body, "", SEGMENT_MESSAGE_MAX_BYTES + over);
        assert_string_equal(refusal_of(&translated, SEGMENT_TRACK, buf_str(&body)), wanted);
        translated_clear(&translated);
        buf_reset(&body);
        buf_addf(&body, "{\"batch\":[");
        add_message(&body, "\"type\":\"track\",", SEGMENT_MESSAGE_MAX_BYTES + over);
        buf_addf(&body, "]}");
        assert_string_equal(refusal_of(&translated, SEGMENT_BATCH, buf_str(&body)), "");
        assert_string_equal(translated.items[0].refused.text, wanted);
        translated_clear(&translated);
        buf_clear(&body);
    }
}

static void a_batch_holds_half_a_megabyte(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        buf_addf(&body, "{\"batch\":[");
        for (int i = 0; i < 17; i++) {
            add_message(&body, "\"type\":\"track\",", 30000);
            buf_addf(&body, ",");
        }
        add_message(&body, "\"type\":\"track\",", SEGMENT_BATCH_MAX_BYTES + over - body.len - 2);
        buf_addf(&body, "]}");
        assert_int_equal(body.len, SEGMENT_BATCH_MAX_BYTES + over);
        assert_string_equal(refusal_of(&translated, SEGMENT_BATCH, buf_str(&body)),
                            over ? "batch: must not be larger than 500 KB" : "");
        translated_clear(&translated);
        buf_clear(&body);
    }
}

static void a_batch_holds_2500_messages(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        buf_addf(&body, "{\"batch\":[");
        for (int i = 0; i < SEGMENT_BATCH_MAX + over; i++)
            buf_addf(&body, "%s{\"type\":\"page\",\"userId\":%d}", i ? "," : "", i);
        buf_addf(&body, "]}");
        assert_string_equal(refusal_of(&translated, SEGMENT_BATCH, buf_str(&body)),
                            over ? "batch: must not hold more than 2,500" : "");
        if (!over)
            assert_int_equal(translated.count, SEGMENT_BATCH_MAX);
        translated_clear(&translated);
        buf_clear(&body);
    }
}

static void a_message_id_has_a_hundred_bytes(void **state)
{
    char body[300];

    (void)state;
    for (int len = 100; len <= 101; len++) {
        struct translated translated;

        (void)snprintf(body, sizeof body, "{\"userId\":\"a\",\"event\":\"E\",\"messageId\":\"%0*d\"}", len, 7);
        assert_int_equal(refusal_of(&translated, SEGMENT_TRACK, str_of(body))[0] == '\0', len == 100);
        translated_clear(&translated);
    }
}

/* Whatever memory there is: all, or told as too large, and nothing in between. */
static void a_full_arena_refuses_the_call(void **state)
{
    const char *body =
        "{\"context\":{\"a\":1},\"batch\":["
        "{\"type\":\"page\",\"userId\":\"\\u0061\",\"name\":\"x\",\"properties\":{\"y\":\"\\n\"},\"context\":{\"b\":2}}"
        ","
        "{\"type\":\"identify\",\"userId\":\"\\u0061\",\"traits\":{\"email\":7,\"company\":{\"name\":\"c\"}},"
        "\"context\":{\"device\":{\"id\":\"\\u0061\"}}},"
        "{\"type\":\"group\",\"userId\":\"a\",\"groupId\":7,\"traits\":{}},"
        "{\"type\":\"alias\",\"userId\":\"a\",\"previousId\":\"\\u0062\"}]}";
    bool was_ok = false;

    (void)state;
    for (size_t limit = 0; limit < 65536 && !was_ok; limit += 16) {
        struct translated translated;

        translate_segment(&translated, limit, SEGMENT_BATCH, str_of(body));
        was_ok = translated.ok;
        if (!was_ok)
            assert_int_equal(translated.error.code, ERROR_TOO_LARGE);
        for (uint32_t i = 0; was_ok && i < translated.count; i++)
            assert_int_equal(translated.items[i].refused.code, ERROR_NONE);
        translated_clear(&translated);
    }
    assert_true(was_ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_track_is_an_event_with_its_bytes),
        cmocka_unit_test(pages_and_screens_are_events_with_name_and_category),
        cmocka_unit_test(the_user_id_says_whose_it_is_and_numbers_are_text),
        cmocka_unit_test(ids_have_a_hundred_characters_at_most),
        cmocka_unit_test(traits_go_where_they_belong),
        cmocka_unit_test(a_group_is_two_attributes),
        cmocka_unit_test(devices_and_consent_are_found_in_the_context),
        cmocka_unit_test(the_time_is_corrected_by_the_senders_own_clock),
        cmocka_unit_test(what_stands_around_a_batch_counts_for_each_message),
        cmocka_unit_test(an_archive_keeps_its_times),
        cmocka_unit_test(a_body_that_is_no_batch_is_refused_whole),
        cmocka_unit_test(a_name_that_stands_twice_refuses_its_message_alone),
        cmocka_unit_test(a_message_holds_32_kilobytes),
        cmocka_unit_test(a_batch_holds_half_a_megabyte),
        cmocka_unit_test(a_batch_holds_2500_messages),
        cmocka_unit_test(a_message_id_has_a_hundred_bytes),
        cmocka_unit_test(a_full_arena_refuses_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
