/* Output that grows to a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void what_is_added_comes_out_in_order(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    buf_add(&buf, STR("a"));
    buf_add(&buf, STR(""));
    buf_add_byte(&buf, '\0');
    buf_add_u64(&buf, UINT64_MAX);
    buf_add_u64(&buf, 0);
    buf_add_i64(&buf, INT64_MIN);
    buf_add_i64(&buf, 42);
    buf_add_hex(&buf, (const unsigned char *)"\x00\xAB", 2);
    buf_addf(&buf, "%s-%d", "x", 7);
    assert_true(str_equal(buf_str(&buf), STR("a\0"
                                             "184467440737095516150-92233720368547758084200abx-7")));
    assert_false(buf.overflowed);
    buf_clear(&buf);
    buf_clear(&buf);
}

static void a_buffer_fills_to_its_limit_and_then_failure_sticks(void **state)
{
    for (size_t limit = 0; limit < 700; limit += 7) {
        struct buf buf;
        (void)state;
        buf_init(&buf, limit);
        for (size_t i = 0; i < limit; i++)
            buf_add_byte(&buf, (char)('a' + i % 26));
        assert_false(buf.overflowed);
        assert_int_equal(buf.len, limit);
        for (size_t i = 0; i < limit; i++)
            assert_int_equal(buf.at[i], 'a' + i % 26);
        buf_add(&buf, STR("xy"));
        assert_true(buf.overflowed);
        buf_add(&buf, STR(""));
        assert_null(buf_room(&buf, 0));
        assert_int_equal(buf.len, limit);
        buf_reset(&buf);
        assert_int_equal(buf.len, 0);
        assert_false(buf.overflowed);
        buf_clear(&buf);
    }
}

static void formatted_text_may_fill_the_last_byte(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_addf(&buf, "%d", 12345);
    assert_false(buf.overflowed);
    buf_addf(&buf, "%d", 6);
    assert_true(buf.overflowed);
    assert_true(str_equal(buf_str(&buf), STR("12345")));
    buf_clear(&buf);
}

static void impossible_sizes_overflow_and_do_no_harm(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX);
    buf_add(&buf, STR("abc"));
    assert_null(buf_room(&buf, SIZE_MAX));
    assert_true(buf.overflowed);
    assert_int_equal(buf.len, 3);
    buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_comes_out_in_order),
        cmocka_unit_test(a_buffer_fills_to_its_limit_and_then_failure_sticks),
        cmocka_unit_test(formatted_text_may_fill_the_last_byte),
        cmocka_unit_test(impossible_sizes_overflow_and_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
