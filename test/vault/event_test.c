/* The seal of an event binds every clear column but seq. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gate.h"
#include "vault/event.h"

static const struct event_row example = { .seq = 9,
                                          .name = 12,
                                          .source = 3,
                                          .occurred_ms = 1700000000123,
                                          .received_ms = 1700000000456,
                                          .message = UINT64_C(0xfedcba9876543210) };

static void a_sealed_event_opens_to_the_bytes_that_were_sent(void **state)
{
    const struct str plains[] = { STR("{\"price\":39.80}"), STR(""), STR("\0\1\2") };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(plains); i++) {
        struct arena arena;
        struct event_row row = example;
        struct error error = { 0 };
        struct str plain = { 0 };

        arena_init(&arena, 1 << 20);
        assert_true(event_seal(&row, fake_grant(7, 21), plains[i], &arena));
        assert_int_equal(row.account, 7);
        assert_int_equal(row.subject, 21);
        row.seq = 10; /* the only column that is free */
        assert_true(event_unseal(&row, fake_grant(7, 21), &arena, &plain, &error));
        assert_true(str_equal(plain, plains[i]));
        arena_clear(&arena);
    }
}

static void each_altered_column_is_refused(void **state)
{
    enum { ACCOUNT, SUBJECT, NAME, OCCURRED, RECEIVED, SOURCE, MESSAGE, SALT, COUNTER, BODY, SHORT, KEY, CASES };
    static const char *const names[CASES] = { "account", "subject", "name",    "occurred", "received",   "source",
                                              "message", "salt",    "counter", "body",     "short body", "other key" };

    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct arena arena;
        struct event_row row = example;
        struct error error = { 0 };
        struct str plain = { 0 };
        char *body;

        arena_init(&arena, 1 << 20);
        assert_true(event_seal(&row, fake_grant(7, 21), STR("{\"a\":1}"), &arena));
        body = (char *)(uintptr_t)row.body.at;
        row.account += i == ACCOUNT;
        row.subject ^= i == SUBJECT ? UINT32_C(1) << 31 : 0;
        row.name += i == NAME;
        row.occurred_ms += i == OCCURRED;
        row.received_ms -= i == RECEIVED;
        row.source += i == SOURCE;
        row.message ^= i == MESSAGE ? UINT64_C(1) << 63 : 0;
        row.nonce.salt[15] ^= i == SALT;
        row.nonce.counter += i == COUNTER;
        body[row.body.len - 1] ^= i == BODY;
        if (i == SHORT)
            row.body.len = GRANT_TAG_LEN - 1;
        if (event_unseal(&row, fake_grant(7, i == KEY ? 22 : 21), &arena, &plain, &error))
            fail_msg("altered %s went unnoticed", names[i]);
        assert_int_equal(error.code, ERROR_CORRUPT);
        arena_clear(&arena);
    }
}

static void what_came_beside_the_data_comes_back_beside_it(void **state)
{
    const struct {
        struct str data, context;
    } cases[] = {
        { STR("{\"a\":1}"), STR("{\"ip\":\"::1\"}") },
        { STR(""), STR("{}") },
        { STR("{\"a\":1}"), STR("") },
        { STR(""), STR("") },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str data, context, plain = event_plain(cases[i].data, cases[i].context, &arena);

        if (cases[i].context.len == 0)
            assert_true(str_equal(plain, cases[i].data));
        event_parts(plain, &data, &context);
        assert_true(str_equal(data, cases[i].data));
        assert_true(str_equal(context, cases[i].context));
    }
    arena_clear(&arena);
    arena_init(&arena, 1);
    assert_null(event_plain(STR("{}"), STR("{}"), &arena).at);
    arena_clear(&arena);
}

static void a_full_arena_is_told(void **state)
{
    struct arena arena;
    struct event_row row = example;

    (void)state;
    arena_init(&arena, 8);
    assert_false(event_seal(&row, fake_grant(1, 1), STR("longer than eight bytes"), &arena));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_event_opens_to_the_bytes_that_were_sent),
        cmocka_unit_test(each_altered_column_is_refused),
        cmocka_unit_test(what_came_beside_the_data_comes_back_beside_it),
        cmocka_unit_test(a_full_arena_is_told),
    };

    fake_new_salt();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
