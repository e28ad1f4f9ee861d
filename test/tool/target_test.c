/* Addresses of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tool/target.h"

static struct tool_run run_of(const char *license)
{
    struct tool_run run = { .options.license = license };

    arena_init(&run.arena, 64 * 1024);
    return run;
}

static void an_id_of_any_bytes_stays_one_segment(void **state)
{
    const struct {
        struct str id;
        const char *target;
    } cases[] = {
        { STR("plain-1._~"), "/x/plain-1._~?license=shop" },
        { STR("a/b?c=d&e#f"), "/x/a%2Fb%3Fc%3Dd%26e%23f?license=shop" },
        { STR("100% +"), "/x/100%25%20%2B?license=shop" },
        { STR("n\xC3\xA9\n"), "/x/n%C3%A9%0A?license=shop" },
        { STR("a\0b"), "/x/a%00b?license=shop" },
        { STR(".."), "/x/..?license=shop" },
        { STR(""), "/x/?license=shop" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tool_run run = run_of("shop");
        struct error error = { 0 };
        struct str target;

        assert_true(target_make(&run, "/x/", cases[i].id, &target, &error));
        if (!str_equal(target, str_of(cases[i].target)))
            fail_msg("'%s' became '%.*s'", cases[i].target, STR_ARG(target));
        arena_clear(&run.arena);
    }
}

static void the_license_joins_a_query_that_is_there(void **state)
{
    struct tool_run run = run_of("a b");
    struct error error = { 0 };
    struct str target;

    (void)state;
    assert_true(target_make(&run, "/x?limit=1", STR(""), &target, &error));
    assert_true(str_equal(target, STR("/x?limit=1&license=a%20b")));
    arena_clear(&run.arena);
}

static void an_address_from_a_server_loses_its_host(void **state)
{
    const struct {
        const char *url, *target; /* NULL: refused */
    } cases[] = {
        { "/api/archives/7", "/api/archives/7?license=shop" },
        { "https://example.org/api/archives/7", "/api/archives/7?license=shop" },
        { "http://example.org:8080/api/archives/7?x=1", "/api/archives/7?x=1&license=shop" },
        { "http://example.org", NULL },
        { "api/archives/7", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tool_run run = run_of("shop");
        struct error error = { 0 };
        struct str target = { NULL, 0 };
        bool taken = target_of_url(&run, str_of(cases[i].url), &target, &error);

        if (taken != (cases[i].target != NULL) || (taken && !str_equal(target, str_of(cases[i].target))))
            fail_msg("'%s' became '%.*s'", cases[i].url, STR_ARG(target));
        arena_clear(&run.arena);
    }
}

static void what_is_too_long_is_refused(void **state)
{
    static char id[20000];
    struct tool_run run = run_of("shop");
    struct error error = { 0 };
    struct str target;

    (void)state;
    memset(id, 'x', sizeof id);
    assert_false(target_make(&run, "/x/", (struct str){ id, sizeof id }, &target, &error));
    assert_int_equal(error.code, ERROR_TOO_LARGE);
    arena_clear(&run.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_of_any_bytes_stays_one_segment),
        cmocka_unit_test(the_license_joins_a_query_that_is_there),
        cmocka_unit_test(an_address_from_a_server_loses_its_host),
        cmocka_unit_test(what_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
