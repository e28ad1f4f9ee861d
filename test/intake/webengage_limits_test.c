/* Lengths and numbers in WebEngage's dialect: each limit met exactly, and passed by one. */
#include "translated.h"

static void expect(const char *name, struct str found, const char *wanted)
{
    if (!str_equal(found, str_of(wanted)))
        fail_msg("%s gives %.*s, wanted %s", name, (int)(found.len < 200 ? found.len : 200), found.at, wanted);
}

static void add_times(struct buf *buf, const char *piece, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add(buf, str_of(piece));
}

/* Translates `head`, `piece` so many times, `tail`. */
static void translate_repeated(struct translated *out, enum item_kind kind, const char *head, const char *piece,
                               size_t times, const char *tail)
{
    struct buf body;

    buf_init(&body, TEST_LIMIT);
    add_times(&body, head, 1);
    add_times(&body, piece, times);
    add_times(&body, tail, 1);
    translate_body(out, kind, false, buf_str(&body));
    buf_clear(&body);
}

/* One code point each: a letter, two bytes, four bytes, an escape, an escaped quote, a surrogate pair. */
static const char *const points[] = { "a", "\xc3\xa9", "\xf0\x9f\x98\x80", "\\u00e9", "\\\"", "\\ud83d\\ude00" };

static void names_and_ids_are_counted_in_code_points(void **state)
{
    static const struct {
        enum item_kind kind;
        size_t max;
        const char *head, *tail, *refused;
    } cases[] = {
        { ITEM_USER, 100, "{\"userId\":\"", "\"}", "userId: must not be longer than 100 characters" },
        { ITEM_USER, 100, "{\"anonymousId\":\"", "\"}", "anonymousId: must not be longer than 100 characters" },
        { ITEM_EVENT, 50, "{\"userId\":\"a\",\"eventName\":\"", "\"}",
          "eventName: must not be longer than 50 characters" },
        { ITEM_USER, 512, "{\"userId\":\"a\",\"hashedEmail\":\"", "\"}",
          "hashedEmail: must not be longer than 512 characters" },
        { ITEM_USER, 512, "{\"userId\":\"a\",\"hashedPhone\":\"", "\"}",
          "hashedPhone: must not be longer than 512 characters" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(points); i++) {
        const char *point = points[i % COUNT_OF(points)];
        size_t row = i / COUNT_OF(points);
        struct translated translated;

        translate_repeated(&translated, cases[row].kind, cases[row].head, point, cases[row].max, cases[row].tail);
        if (!translated.ok)
            fail_msg("%s: %s", cases[row].head, translated.error.text);
        translated_clear(&translated);
        translate_repeated(&translated, cases[row].kind, cases[row].head, point, cases[row].max + 1, cases[row].tail);
        assert_false(translated.ok);
        assert_string_equal(translated.error.text, cases[row].refused);
        translated_clear(&translated);
    }
}

static void a_message_id_is_counted_in_bytes(void **state)
{
    static const struct {
        const char *piece;
        size_t times;
        bool ok;
    } cases[] = {
        { "m", 100, true },      { "m", 101, false },      { "\xc3\xa9", 50, true }, { "\xc3\xa9", 51, false },
        { "\\u00e9", 50, true }, { "\\u00e9", 51, false }, { "\\u0041", 100, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct translated translated;

        translate_repeated(&translated, ITEM_EVENT, "{\"userId\":\"a\",\"eventName\":\"E\",\"messageId\":\"",
                           cases[i].piece, cases[i].times, "\"}");
        assert_int_equal(translated.ok, cases[i].ok);
        translated_clear(&translated);
    }
}

static void attribute_names_over_50_are_ignored(void **state)
{
    static const char *const heads[] = { "{\"userId\":\"a\",\"attributes\":{\"",
                                         "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{\"" };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(points); i++) {
        enum item_kind kind = i % 2 ? ITEM_EVENT : ITEM_USER;

        for (size_t times = 50; times <= 51; times++) {
            struct translated translated;

            translate_repeated(&translated, kind, heads[i % 2], points[i / 2], times, "\":1}}");
            assert_true(translated.ok);
            assert_int_equal(translated.items->attributes[0].dropped, times > 50);
            assert_int_equal(translated.ignored.first != NULL, times > 50);
            if (times > 50)
                expect("name", translated.ignored.first->message, "a name must not be longer than 50 characters");
            translated_clear(&translated);
        }
    }
}

static struct str raw_of(const struct item *item)
{
    if (item->attribute_count > 0)
        return item->attributes[0].raw;
    return item->system_count > 0 ? item->system[0].raw : item->consent.wording;
}

/* Whether `raw` is so many of that piece, with or without quotes. */
static bool is_repeated(struct str raw, const char *piece, size_t times)
{
    size_t len = strlen(piece);

    if (raw.len > 0 && raw.at[0] == '"')
        raw = (struct str){ raw.at + 1, raw.len - 2 };
    for (size_t i = 0; i < times; i++)
        if (raw.len != len * times || memcmp(raw.at + i * len, piece, len) != 0)
            return false;
    return true;
}

static void long_text_is_cut_on_a_code_point(void **state)
{
    static const struct {
        enum item_kind kind;
        const char *head, *tail, *field;
    } cases[] = {
        { ITEM_USER, "{\"userId\":\"a\",\"attributes\":{\"k\":\"", "\"}}", "k" },
        { ITEM_USER, "{\"userId\":\"a\",\"firstName\":\"", "\"}", "firstName" },
        { ITEM_USER, "{\"userId\":\"a\",\"email\":\"", "\"}", "email" },
        { ITEM_EVENT, "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{\"k\":\"", "\"}}", "k" },
    };
    static const size_t times[] = { 999, 1000, 1001, 1500 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(points) * COUNT_OF(times); i++) {
        size_t row = i % COUNT_OF(cases), wanted = times[i / COUNT_OF(cases) % COUNT_OF(times)];
        const char *point = points[i / COUNT_OF(cases) / COUNT_OF(times)];
        bool cut = wanted > 1000;
        struct translated translated;

        translate_repeated(&translated, cases[row].kind, cases[row].head, point, wanted, cases[row].tail);
        assert_true(translated.ok);
        if (!is_repeated(raw_of(translated.items), point, cut ? 1000 : wanted))
            fail_msg("'%s' %zu times in %s", point, wanted, cases[row].field);
        assert_int_equal(translated.ignored.first != NULL, cut);
        if (cut) {
            expect("field", translated.ignored.first->field, cases[row].field);
            expect("message", translated.ignored.first->message, "cut to 1,000 characters");
        }
        translated_clear(&translated);
    }
}

static void a_cut_value_stands_in_the_event_that_is_stored(void **state)
{
    static const char head[] = "{\"n\":39.80,\"k\":\"", tail[] = "\",\"t\":[\"\"]}";
    struct translated translated;
    struct error error = { 0 };
    struct str data, middle;

    (void)state;
    translate_repeated(&translated, ITEM_EVENT,
                       "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{\"n\":39.80, \"k\":\"", "\\ud83d\\ude00",
                       1001, "\",\"we_x\":1,\"t\":[\"\"]}}");
    assert_true(translated.ok);
    assert_true(item_event_body(translated.items, &translated.arena, &data, &error));
    assert_int_equal(data.len, strlen(head) + 1000 * 12 + strlen(tail));
    assert_memory_equal(data.at, head, strlen(head));
    assert_memory_equal(data.at + data.len - strlen(tail), tail, strlen(tail));
    middle = (struct str){ data.at + strlen(head), 1000 * 12 };
    assert_true(is_repeated(middle, "\\ud83d\\ude00", 1000));
    translated_clear(&translated);
}

static void text_inside_arrays_and_objects_is_not_cut(void **state)
{
    struct translated translated;

    (void)state;
    translate_repeated(&translated, ITEM_EVENT, "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{\"k\":{\"x\":\"",
                       "a", 5000, "\"}}}");
    assert_true(translated.ok);
    assert_null(translated.ignored.first);
    assert_int_equal(translated.items->attributes[0].raw.len, 5000 + strlen("{\"x\":\"\"}"));
    translated_clear(&translated);
}

static void consent_wording_is_cut_too(void **state)
{
    struct translated translated;

    (void)state;
    translate_repeated(&translated, ITEM_USER, "{\"userId\":\"a\",\"emailOptIn\":true,\"consent\":{\"wording\":\"",
                       "\\u00e9", 1001, "\"}}");
    assert_true(translated.ok);
    assert_true(is_repeated(translated.items->consent.wording, "\xc3\xa9", 1000));
    expect("field", translated.ignored.first->field, "consent.wording");
    translated_clear(&translated);
}

/* `count` attributes of that value, then one number and one of each other sort, in one item. */
static void translate_many(struct translated *out, enum item_kind kind, const char *value, size_t count)
{
    struct buf body;

    buf_init(&body, TEST_LIMIT);
    add_times(&body,
              kind == ITEM_EVENT ? "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{"
                                 : "{\"userId\":\"a\",\"attributes\":{",
              1);
    for (size_t i = 0; i < count; i++)
        buf_addf(&body, "\"k%zu\":%s,", i, value);
    add_times(&body, "\"last\":null}}", 1);
    translate_body(out, kind, false, buf_str(&body));
    buf_clear(&body);
}

static size_t dropped(const struct item *item)
{
    size_t count = 0;

    for (uint32_t i = 0; i < item->attribute_count; i++)
        count += item->attributes[i].dropped;
    return count;
}

static void an_event_holds_25_attributes_of_a_type(void **state)
{
    static const struct {
        const char *value;
        bool limited;
    } cases[] = {
        { "\"s\"", true }, { "1", true },   { "true", true }, { "\"2026-01-02T03:04:05Z\"", true },
        { "null", false }, { "[]", false }, { "{}", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t count = 25; count <= 27; count++) {
            struct translated translated;

            translate_many(&translated, ITEM_EVENT, cases[i].value, count);
            assert_true(translated.ok);
            assert_int_equal(dropped(translated.items), cases[i].limited ? count - 25 : 0);
            if (translated.ignored.first) {
                expect("field", translated.ignored.first->field, "k25");
                expect("message", translated.ignored.first->message, "an event holds at most 25 attributes of a type");
            }
            translated_clear(&translated);
            translate_many(&translated, ITEM_USER, cases[i].value, count);
            assert_int_equal(dropped(translated.items), 0); /* depends on what is held */
            translated_clear(&translated);
        }
    }
}

static void maps_and_arrays_of_an_event_share_16_kb(void **state)
{
    /* Two of them, then a small one that still fits or not. */
    static const struct {
        size_t first, second;
        bool drops_second, drops_third;
    } cases[] = {
        { 8192, 8190, false, false }, { 8192, 8191, false, true }, { 8192, 8192, false, true },
        { 8192, 8193, true, false },  { 16384, 4, true, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        add_times(&body, "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\":{\"a\":[\"", 1);
        add_times(&body, "x", cases[i].first - 4);
        add_times(&body, "\"],\"b\":[\"", 1);
        add_times(&body, "x", cases[i].second - 4);
        add_times(&body, "\"],\"c\":{}}}", 1);
        translate_body(&translated, ITEM_EVENT, false, buf_str(&body));
        assert_true(translated.ok);
        assert_int_equal(translated.items->attributes[0].raw.len, cases[i].first);
        assert_false(translated.items->attributes[0].dropped);
        assert_int_equal(translated.items->attributes[1].dropped, cases[i].drops_second);
        assert_int_equal(translated.items->attributes[2].dropped, cases[i].drops_third);
        if (cases[i].drops_second)
            expect("message", translated.ignored.first->message, "maps and arrays together must not be over 16 KB");
        translated_clear(&translated);
        buf_clear(&body);
    }
}

/* What a profile holds must be readable inside it, two levels further down than it was sent. */
static void a_users_tree_of_over_60_levels_is_ignored(void **state)
{
    (void)state;
    for (size_t levels = 59; levels <= 62; levels++) {
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        add_times(&body, "{\"userId\":\"a\",\"attributes\":{\"k\":", 1);
        add_times(&body, "[[],", levels - 1);
        add_times(&body, "{}", 1);
        add_times(&body, "]", levels - 1);
        add_times(&body, "}}", 1);
        translate_body(&translated, ITEM_USER, false, buf_str(&body));
        assert_true(translated.ok);
        assert_int_equal(translated.items->attributes[0].dropped, levels > 60);
        if (levels > 60)
            expect("message", translated.ignored.first->message, "maps and arrays must not have more than 60 levels");
        translated_clear(&translated);
        buf_clear(&body);
    }
}

static void a_bulk_call_holds_1000_items(void **state)
{
    static const struct {
        enum item_kind kind;
        const char *head, *item, *refused;
    } cases[] = {
        { ITEM_EVENT, "{\"events\":[", "{\"userId\":\"a\",\"eventName\":\"E\"}",
          "events: must not hold more than 1,000" },
        { ITEM_USER, "{\"users\":[", "{\"userId\":\"a\"}", "users: must not hold more than 1,000" },
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        size_t row = i / 2, count = 1000 + i % 2;
        struct translated translated;
        struct buf body;

        buf_init(&body, TEST_LIMIT);
        add_times(&body, cases[row].head, 1);
        for (size_t item = 0; item < count; item++)
            buf_addf(&body, "%s%s", item > 0 ? "," : "", cases[row].item);
        add_times(&body, "]}", 1);
        translate_body(&translated, cases[row].kind, true, buf_str(&body));
        assert_int_equal(translated.ok, count == 1000);
        if (translated.ok) {
            assert_int_equal(translated.count, 1000);
            assert_int_equal(translated.items[999].index, 999);
        } else {
            assert_int_equal(translated.error.code, ERROR_INVALID);
            assert_string_equal(translated.error.text, cases[row].refused);
        }
        translated_clear(&translated);
        buf_clear(&body);
    }
}

/* Takes less memory each time, down to none: whole or refused, never something between. */
static void a_name_that_stands_twice_refuses_what_it_stands_in(void **state)
{
    const struct {
        const char *name;
        bool bulk;
        struct str body;
        const char *whole;  /* error of the call; NULL: taken */
        const char *second; /* error of the second item */
    } cases[] = {
        { "single", false, STR("{\"userId\":\"a\",\"eventName\":\"x\",\"userId\":\"b\"}"),
          "userId: stands twice in one object", NULL },
        { "single, nested", false,
          STR("{\"userId\":\"a\",\"eventName\":\"x\",\"eventData\":{\"k\":[{\"m\":1,\"\\u006d\":2}]}}"),
          "m: stands twice in one object", NULL },
        { "bulk, in one item", true,
          STR("{\"events\":[{\"userId\":\"a\",\"eventName\":\"x\"},"
              "{\"userId\":\"a\",\"eventName\":\"x\",\"eventData\":{\"q\":1,\"q\":1}}]}"),
          NULL, "q: stands twice in one object" },
        { "bulk, outside", true, STR("{\"events\":[{\"userId\":\"a\",\"eventName\":\"x\"}],\"b\":1,\"b\":2}"),
          "b: stands twice in one object", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct translated out;
        translate_body(&out, ITEM_EVENT, cases[i].bulk, cases[i].body);
        if (out.ok != !cases[i].whole || (cases[i].whole && strcmp(out.error.text, cases[i].whole) != 0))
            fail_msg("case '%s': %s", cases[i].name, out.error.text);
        if (cases[i].second && (out.count != 2 || out.items[0].refused.code != ERROR_NONE ||
                                strcmp(out.items[1].refused.text, cases[i].second) != 0))
            fail_msg("case '%s': the second item", cases[i].name);
        translated_clear(&out);
    }
}

static void a_full_arena_refuses_the_whole_call(void **state)
{
    static const struct {
        enum item_kind kind;
        bool bulk;
        const char *body;
    } cases[] = {
        { ITEM_USER, false,
          "{\"userId\":\"\\u0061\",\"firstName\":\"Ann\",\"birthDate\":\"1990\\u002d01-01\",\"emailOptIn\":true,\"x\":"
          "1,"
          "\"consent\":{\"wording\":\"\\u0061\",\"y\":1,\"when\":\"2026\\u002d11-23T12:00:00Z\"},"
          "\"attributes\":{\"k\":\"\\u0032026-01-02T03:04:05Z\",\"we_\":1}}" },
        { ITEM_EVENT, true,
          "{\"z\":1,\"events\":[{\"userId\":\"\\u0061\",\"eventName\":\"\\u0061\",\"messageId\":\"\\u0061\",\"x\":1,"
          "\"eventData\":{\"k\":\"\\u0032026-01-02T03:04:05Z\",\"we_\":1}},{\"anonymousId\":7}]}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t refused = 0, limit = 0;
        bool ok = false;

        for (; !ok; limit += 8) {
            struct translated translated;

            translate_within(&translated, limit, cases[i].kind, cases[i].bulk, str_of(cases[i].body));
            ok = translated.ok;
            if (!ok) {
                refused++;
                assert_int_equal(translated.error.code, ERROR_TOO_LARGE);
                assert_null(translated.ignored.first);
            }
            translated_clear(&translated);
        }
        assert_true(refused > 50);
    }
}

static void an_event_body_that_does_not_fit_is_an_error(void **state)
{
    struct attribute attribute = { .name = STR("k"), .raw = STR("1"), .type = TYPE_NUMBER, .dropped = true };
    struct item item = {
        .kind = ITEM_EVENT, .attributes = &attribute, .attribute_count = 1, .event_data = STR("{\"k\":1}")
    };

    (void)state;
    for (size_t limit = 0; limit < 12; limit++) {
        struct arena arena;
        struct error error = { 0 };
        struct str data;

        arena_init(&arena, limit);
        if (item_event_body(&item, &arena, &data, &error)) {
            assert_true(str_equal(data, STR("{}")));
            assert_true(limit >= item.event_data.len);
        } else {
            assert_null(data.at);
            assert_int_equal(error.code, ERROR_TOO_LARGE);
        }
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_ids_are_counted_in_code_points),
        cmocka_unit_test(a_message_id_is_counted_in_bytes),
        cmocka_unit_test(attribute_names_over_50_are_ignored),
        cmocka_unit_test(long_text_is_cut_on_a_code_point),
        cmocka_unit_test(a_cut_value_stands_in_the_event_that_is_stored),
        cmocka_unit_test(text_inside_arrays_and_objects_is_not_cut),
        cmocka_unit_test(consent_wording_is_cut_too),
        cmocka_unit_test(an_event_holds_25_attributes_of_a_type),
        cmocka_unit_test(maps_and_arrays_of_an_event_share_16_kb),
        cmocka_unit_test(a_users_tree_of_over_60_levels_is_ignored),
        cmocka_unit_test(a_bulk_call_holds_1000_items),
        cmocka_unit_test(a_name_that_stands_twice_refuses_what_it_stands_in),
        cmocka_unit_test(a_full_arena_refuses_the_whole_call),
        cmocka_unit_test(an_event_body_that_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
