/* Memory with one lifetime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

#include "base/arena.h"

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    struct arena arena;
    char *before = NULL;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 1; i < 200; i++) {
        char *bytes = arena_bytes(&arena, 3);
        char *fresh = arena_alloc(&arena, 7, i);
        assert_non_null(bytes);
        assert_non_null(fresh);
        assert_int_equal((uintptr_t)fresh % alignof(max_align_t), 0);
        for (size_t k = 0; k < 7 * i; k++)
            assert_int_equal(fresh[k], 0);
        memset(bytes, 'b', 3);
        memset(fresh, 'f', 7 * i);
        if (before)
            assert_int_equal(*before, 'f');
        before = fresh;
    }
    arena_clear(&arena);
}

static void an_arena_stops_at_its_limit_and_goes_on_below_it(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 100000);
    assert_null(arena_bytes(&arena, 100001));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&arena, 8, SIZE_MAX / 8));
    assert_non_null(arena_bytes(&arena, 60000));
    assert_null(arena_bytes(&arena, 60000));
    assert_non_null(arena_bytes(&arena, 30000));
    assert_true(arena.used <= 100000);
    arena_clear(&arena);
    assert_int_equal(arena.used, 0);
    arena_clear(&arena);
}

static void a_reset_wipes_and_keeps_the_first_block(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    char *first = arena_bytes(&arena, 10);
    memcpy(first, "a secret!!", 10);
    assert_non_null(arena_bytes(&arena, 200000));
    arena_reset(&arena);
    assert_memory_equal(first, "\0\0\0\0\0\0\0\0\0\0", 10);
    assert_ptr_equal(arena_bytes(&arena, 10), first);
    assert_true(arena.used < 200000);
    arena_reset(&arena);
    arena_clear(&arena);
    arena_reset(&arena);
    assert_non_null(arena_bytes(&arena, 1));
    arena_clear(&arena);
}

static void copies_live_in_the_arena(void **state)
{
    struct arena arena;
    char text[] = "abc";

    (void)state;
    arena_init(&arena, 64);
    struct str copy = arena_copy(&arena, str_of(text));
    char *cstring = arena_cstring(&arena, (struct str){ text, 2 });
    text[0] = 'x';
    assert_true(str_equal(copy, STR("abc")));
    assert_string_equal(cstring, "ab");
    assert_string_equal(arena_cstring(&arena, (struct str){ NULL, 0 }), "");
    assert_null(arena_copy(&arena, (struct str){ text, 0 }).at);
    assert_null(arena_cstring(&arena, (struct str){ text, 64 }));
    arena_clear(&arena);
}

static void the_end_of_the_last_allocation_can_be_given_back(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1000);
    char *first = arena_bytes(&arena, 100);
    arena_give_back(&arena, first + 10, first + 100);
    char *second = arena_bytes(&arena, 20);
    assert_ptr_equal(second, first + 10);
    /* Something stands behind it by now. */
    arena_give_back(&arena, first, first + 10);
    assert_ptr_equal(arena_bytes(&arena, 1), second + 20);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_arena_stops_at_its_limit_and_goes_on_below_it),
        cmocka_unit_test(a_reset_wipes_and_keeps_the_first_block),
        cmocka_unit_test(copies_live_in_the_arena),
        cmocka_unit_test(the_end_of_the_last_allocation_can_be_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
