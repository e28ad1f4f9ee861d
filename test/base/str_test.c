/* Views of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void str_cut_splits_at_the_first_mark(void **state)
{
    const struct {
        const char *name;
        struct str text, head, rest;
    } cases[] = {
        { "in the middle", STR("a.b.c"), STR("a"), STR("b.c") },
        { "no mark", STR("abc"), STR("abc"), STR("") },
        { "at the start", STR(".b"), STR(""), STR("b") },
        { "at the end", STR("a."), STR("a"), STR("") },
        { "empty", STR(""), STR(""), STR("") },
        { "nothing at all", { NULL, 0 }, STR(""), STR("") },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str rest = cases[i].text;
        struct str head = str_cut(&rest, '.');
        if (!str_equal(head, cases[i].head) || !str_equal(rest, cases[i].rest))
            fail_msg("case '%s'", cases[i].name);
    }
}

static void letters_compare_without_case_and_nothing_else_does(void **state)
{
    (void)state;
    assert_true(str_equal_nocase(STR("Content-Length"), STR("content-LENGTH")));
    assert_false(str_equal_nocase(STR("a"), STR("ab")));
    /* '@' and '`', '[' and '{' differ by the same bit as letters do. */
    assert_false(str_equal_nocase(STR("@["), STR("`{")));
    assert_false(str_equal_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
}

static void trimming_takes_blanks_from_both_ends_only(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(STR(" \t\r\n a b \r\n")), STR("a b")));
    assert_true(str_equal(str_trim(STR(" \t ")), STR("")));
    assert_true(str_equal(str_trim(STR("\va")), STR("\va")));
}

static void a_u64_is_decimal_digits_that_fit(void **state)
{
    const struct {
        struct str text;
        bool ok;
        uint64_t value;
    } cases[] = {
        { STR("0"), true, 0 },
        { STR("18446744073709551615"), true, UINT64_MAX },
        { STR("18446744073709551616"), false, 0 },
        { STR("99999999999999999999"), false, 0 },
        { STR("00000000000000000007"), true, 7 },
        { STR("000000000000000000007"), false, 0 },
        { STR(""), false, 0 },
        { STR("+1"), false, 0 },
        { STR("-1"), false, 0 },
        { STR("1 "), false, 0 },
        { STR("0x1"), false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t value = 0;
        if (str_to_u64(cases[i].text, &value) != cases[i].ok || value != cases[i].value)
            fail_msg("case '%.*s'", STR_ARG(cases[i].text));
    }
}

static void hex_is_read_whole_or_not_at_all(void **state)
{
    unsigned char out[3] = { 7, 7, 7 };

    (void)state;
    assert_true(str_from_hex(STR("00fFA9"), out, 3));
    assert_memory_equal(out, "\x00\xFF\xA9", 3);
    assert_false(str_from_hex(STR("00000g"), out, 3));
    assert_false(str_from_hex(STR("0000"), out, 3));
    assert_false(str_from_hex(STR("0000000"), out, 3));
    assert_memory_equal(out, "\x00\xFF\xA9", 3);
}

static void utf8_is_that_of_rfc_3629(void **state)
{
    const struct {
        struct str text;
        size_t prefix, code_points; /* code points only where all of it is well-formed */
    } cases[] = {
        { STR(""), 0, 0 },
        { STR("abc"), 3, 3 },
        { STR("\xC3\xA9"), 2, 1 },
        { STR("a\xE2\x82\xAC"), 4, 2 },
        { STR("\xF0\x9F\x98\x80!"), 5, 2 },
        { STR("\xF4\x8F\xBF\xBF"), 4, 1 },
        { STR("\xF4\x90\x80\x80"), 0, 0 }, /* past U+10FFFF */
        { STR("\xED\x9F\xBF"), 3, 1 },
        { STR("\xED\xA0\x80"), 0, 0 }, /* a surrogate */
        { STR("a\xC0\xAF"), 1, 0 },    /* overlong */
        { STR("\xE0\x9F\xBF"), 0, 0 },
        { STR("\xF0\x8F\xBF\xBF"), 0, 0 },
        { STR("ab\x80"), 2, 0 }, /* a continuation alone */
        { STR("ab\xC3"), 2, 0 }, /* cut off */
        { STR("\xE2\x82"), 0, 0 },
        { STR("\xF0\x9F\x98"), 0, 0 },
        { STR("\xFF"), 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool whole = cases[i].prefix == cases[i].text.len;
        if (str_utf8_prefix(cases[i].text) != cases[i].prefix || str_is_utf8(cases[i].text) != whole)
            fail_msg("case %zu", i);
        if (whole && str_code_points(cases[i].text) != cases[i].code_points)
            fail_msg("code points of case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_cut_splits_at_the_first_mark),
        cmocka_unit_test(letters_compare_without_case_and_nothing_else_does),
        cmocka_unit_test(trimming_takes_blanks_from_both_ends_only),
        cmocka_unit_test(a_u64_is_decimal_digits_that_fit),
        cmocka_unit_test(hex_is_read_whole_or_not_at_all),
        cmocka_unit_test(utf8_is_that_of_rfc_3629),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
