/* Values taken out of a JSON tree: text, cuts by code points, whole numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/json_read.h"

struct fixture {
    struct json_parser *parser;
    struct arena arena;
    char text[256 + JSON_PADDING];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->parser = json_parser_new();
    arena_init(&fixture->arena, 1 << 20);
    *state = fixture;
    return fixture->parser ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    json_parser_free(fixture->parser);
    arena_clear(&fixture->arena);
    free(fixture);
    return 0;
}

static const struct json *value_of(struct fixture *fixture, struct str text)
{
    struct error error = { 0 };

    assert_true(text.len <= 256);
    memcpy(fixture->text, text.at, text.len);
    const struct json *value =
        json_read(fixture->parser, &fixture->arena, (struct str){ fixture->text, text.len }, &error);
    if (!value)
        fail_msg("%.*s: %s", STR_ARG(text), error.text);
    return value;
}

static void text_comes_out_unescaped(void **state)
{
    const struct {
        struct str raw, text;
        size_t code_points;
    } cases[] = {
        { STR("\"\""), STR(""), 0 },
        { STR("\"abc\""), STR("abc"), 3 },
        { STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\/\b\f\n\r\t"), 8 },
        { STR("\"\\u0041\\u00e9\\u20AC\""), STR("A\xC3\xA9\xE2\x82\xAC"), 3 },
        { STR("\"\\u0000\""), STR("\0"), 1 },
        { STR("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""), STR("\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"), 5 },
        { STR("\"\\ud800\\udc00\\uDBFF\\uDFFF\""), STR("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 2 },
        { STR("\"\\uD7FF\\uE000\\udada\\uDCDC\""), STR("\xED\x9F\xBF\xEE\x80\x80\xF3\x86\xA3\x9C"), 3 },
        { STR("\"a\xF0\x9F\x98\x80\\nb\""), STR("a\xF0\x9F\x98\x80\nb"), 4 },
        { STR("\"\\\\u0041\""), STR("\\u0041"), 6 },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct json *string = value_of(fixture, cases[i].raw);
        struct str text = json_text(string, &fixture->arena);
        if (!str_equal(text, cases[i].text))
            fail_msg("case %zu: %.*s", i, STR_ARG(text));
        assert_non_null(text.at);
        assert_int_equal(json_code_points(string), cases[i].code_points);
    }
}

static void text_without_escapes_is_not_copied(void **state)
{
    struct fixture *fixture = *state;
    const struct json *string = value_of(fixture, STR("\"plain\""));

    assert_ptr_equal(json_text(string, &fixture->arena).at, fixture->text + 1);
    assert_ptr_equal(json_cut(string, 5, &fixture->arena).at, fixture->text);
}

static void a_full_arena_gives_no_text(void **state)
{
    struct fixture *fixture = *state;
    const struct json *string = value_of(fixture, STR("\"abcdef\\n\""));
    struct arena full;

    arena_init(&full, 1);
    assert_null(json_text(string, &full).at);
    assert_null(json_cut(string, 3, &full).at);
    arena_clear(&full);
}

static void cuts_fall_between_code_points(void **state)
{
    const struct {
        struct str raw;
        size_t max;
        struct str cut;
    } cases[] = {
        { STR("\"abc\""), 3, STR("\"abc\"") },
        { STR("\"abc\""), 2, STR("\"ab\"") },
        { STR("\"abc\""), 0, STR("\"\"") },
        { STR("\"\""), 0, STR("\"\"") },
        { STR("\"a\\nb\""), 2, STR("\"a\\n\"") },
        { STR("\"\\\\\\\"x\""), 2, STR("\"\\\\\\\"\"") },
        { STR("\"\\u00e9\\u00e9\""), 1, STR("\"\\u00e9\"") },
        { STR("\"\\ud83d\\ude00\\uD83D\\uDE00\""), 1, STR("\"\\ud83d\\ude00\"") },
        { STR("\"\\ud83d\\ude00x\""), 2, STR("\"\\ud83d\\ude00x\"") },
        { STR("\"\\ud7ffxy\""), 2, STR("\"\\ud7ffx\"") },
        { STR("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\""), 3, STR("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"") },
        { STR("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\""), 2, STR("\"\xC3\xA9\xE2\x82\xAC\"") },
        { STR("\"\xC3\xA9\xE2\x82\xAC\""), 1, STR("\"\xC3\xA9\"") },
        { STR("\"\xF0\x9F\x98\x80\""), 1, STR("\"\xF0\x9F\x98\x80\"") },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str cut = json_cut(value_of(fixture, cases[i].raw), cases[i].max, &fixture->arena);
        if (!str_equal(cut, cases[i].cut))
            fail_msg("case %zu: %.*s", i, STR_ARG(cut));
    }
}

static void whole_numbers_are_told_by_value(void **state)
{
    const struct {
        struct str raw;
        bool ok;
        int64_t value;
    } cases[] = {
        { STR("0"), true, 0 },
        { STR("-0"), true, 0 },
        { STR("42"), true, 42 },
        { STR("9223372036854775807"), true, INT64_MAX },
        { STR("-9223372036854775808"), true, INT64_MIN },
        { STR("9223372036854775808"), false, 0 },
        { STR("-9223372036854775809"), false, 0 },
        { STR("18446744073709551615"), false, 0 },
        { STR("99999999999999999999999"), false, 0 },
        { STR("1.0"), true, 1 },
        { STR("1.5"), false, 0 },
        { STR("1.5e1"), true, 15 },
        { STR("1.50e1"), true, 15 },
        { STR("1.55e1"), false, 0 },
        { STR("1E3"), true, 1000 },
        { STR("-1e+18"), true, -1000000000000000000 },
        { STR("1e19"), false, 0 },
        { STR("1200e-2"), true, 12 },
        { STR("1200e-3"), false, 0 },
        { STR("0e999999999999999999999999"), true, 0 },
        { STR("0.0e-999999999999999999999999"), true, 0 },
        { STR("1e999999999999999999999999"), false, 0 },
        { STR("1e-999999999999999999999999"), false, 0 },
        { STR("0.000000000000000000000000000007e30"), true, 7 },
        { STR("9223372036854775807.000"), true, INT64_MAX },
        { STR("922337203685477580700e-2"), true, INT64_MAX },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 0;
        if (json_to_i64(value_of(fixture, cases[i].raw), &value) != cases[i].ok || value != cases[i].value)
            fail_msg("case '%.*s': %lld", STR_ARG(cases[i].raw), (long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_comes_out_unescaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_without_escapes_is_not_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_gives_no_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_fall_between_code_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_numbers_are_told_by_value, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
