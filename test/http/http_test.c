/* What handlers take out of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http.h"

static void segments_are_percent_decoded(void **state)
{
    const struct {
        const char *name;
        struct str text, expected;
        bool ok;
    } cases[] = {
        { "plain", STR("abc"), STR("abc"), true },
        { "slash", STR("a%2Fb"), STR("a/b"), true },
        { "lower-case digits", STR("a%2fb"), STR("a/b"), true },
        { "plus stays", STR("a+b"), STR("a+b"), true },
        { "UTF-8", STR("%C3%A4"), STR("\xc3\xa4"), true },
        { "NUL", STR("a%00b"), STR("a\0b"), true },
        { "percent", STR("%25%32%35"), STR("%25"), true },
        { "only an escape", STR("%20"), STR(" "), true },
        { "empty", STR(""), STR(""), true },
        { "cut off", STR("a%2"), STR(""), false },
        { "only a percent", STR("%"), STR(""), false },
        { "no digits", STR("%zz"), STR(""), false },
        { "a sign", STR("%+1"), STR(""), false },
        { "a space", STR("% 1"), STR(""), false },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str out;
        bool ok = http_segment(cases[i].text, &arena, &out);

        if (ok != cases[i].ok || (ok && (!str_equal(out, cases[i].expected) || !out.at)))
            fail_msg("case '%s'", cases[i].name);
    }
    arena_clear(&arena);
}

static void query_values_are_found_and_decoded(void **state)
{
    const struct {
        const char *name;
        struct str query, key, expected;
        bool found, readable;
    } cases[] = {
        { "only one", STR("a=b"), STR("a"), STR("b"), true, true },
        { "behind others", STR("x=1&a=b&y=2"), STR("a"), STR("b"), true, true },
        { "first of two", STR("a=b&a=c"), STR("a"), STR("b"), true, true },
        { "plus and percent", STR("a=b+c%2Bd"), STR("a"), STR("b c+d"), true, true },
        { "value with an equals sign", STR("a=b=c"), STR("a"), STR("b=c"), true, true },
        { "encoded name", STR("%61=b"), STR("a"), STR("b"), true, true },
        { "without value", STR("a"), STR("a"), STR(""), true, true },
        { "empty value", STR("a=&b=c"), STR("a"), STR(""), true, true },
        { "absent", STR("ab=c"), STR("a"), STR(""), false, false },
        { "no query", STR(""), STR("a"), STR(""), false, false },
        { "only marks", STR("&&=&"), STR("a"), STR(""), false, false },
        { "malformed value", STR("a=%2"), STR("a"), STR(""), true, false },
        { "malformed other name", STR("%2=1&a=b"), STR("a"), STR("b"), true, true },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_request request = { .query = cases[i].query, .arena = &arena };
        struct str out;
        bool found = http_query(&request, cases[i].key, &out);

        if (found != cases[i].found || (out.at != NULL) != cases[i].readable ||
            (cases[i].readable && !str_equal(out, cases[i].expected)))
            fail_msg("case '%s'", cases[i].name);
    }
    arena_clear(&arena);
}

static void a_full_arena_is_told_apart_from_an_empty_value(void **state)
{
    char bytes[400];
    struct arena arena;
    struct str out;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    arena_init(&arena, 100);
    assert_false(http_segment((struct str){ bytes, sizeof(bytes) }, &arena, &out));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_percent_decoded),
        cmocka_unit_test(query_values_are_found_and_decoded),
        cmocka_unit_test(a_full_arena_is_told_apart_from_an_empty_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
