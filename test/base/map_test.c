/* The hash map, against a plain table as the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/random.h"

enum { KEYS = 500, STEPS = 200000 };

/* Few homes, so that runs are long, collide and wrap round the end of the table. */
static struct map_key key_of(unsigned number)
{
    struct map_key key = { { 0 } };

    key.bytes[0] = (unsigned char)(0xF0 + number % 24);
    memcpy(key.bytes + 8, &number, sizeof(number));
    return key;
}

static void check_all(const struct map *map, const uint64_t *model)
{
    size_t count = 0, walked = 0, place = 0;
    struct map_key key;
    uint64_t value;

    for (unsigned i = 0; i < KEYS; i++) {
        uint64_t *found = map_find(map, key_of(i));
        assert_int_equal(found ? *found : 0, model[i]);
        count += model[i] != 0;
    }
    while (map_each(map, &place, &key, &value)) {
        unsigned number;
        memcpy(&number, key.bytes + 8, sizeof(number));
        assert_in_range(number, 0, KEYS - 1);
        assert_int_equal(value, model[number]);
        walked++;
    }
    assert_int_equal(walked, count);
    assert_int_equal(map->count, count);
}

static void putting_and_removing_at_random_agrees_with_a_table(void **state)
{
    struct map map = { 0 };
    uint64_t model[KEYS] = { 0 };
    unsigned seed;

    (void)state;
    random_bytes(&seed, sizeof(seed));
    printf("seed %u\n", seed);
    for (unsigned step = 0; step < STEPS; step++) {
        seed = seed * 1103515245u + 12345u;
        unsigned number = (seed >> 8) % KEYS;
        /* Half of the time it grows, half of the time it shrinks. */
        if ((seed >> 20) % 100 < (step / 20000 % 2 ? 30u : 70u)) {
            model[number] = step + 1;
            assert_true(map_put(&map, key_of(number), step + 1));
        } else {
            assert_int_equal(map_remove(&map, key_of(number)), model[number] != 0);
            model[number] = 0;
        }
        if (step % 997 == 0)
            check_all(&map, model);
    }
    check_all(&map, model);
    map_clear(&map);
    check_all(&map, (uint64_t[KEYS]){ 0 });
}

static void removing_leaves_no_trace_of_the_keys(void **state)
{
    struct map map = { 0 };
    static const struct map_slot nothing;

    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(map_put(&map, key_of(i), i));
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(map_remove(&map, key_of(i)));
    for (size_t i = 0; i < map.cap; i++)
        assert_memory_equal(&map.slots[i], &nothing, sizeof(nothing));
    map_clear(&map);
}

static void an_empty_map_answers(void **state)
{
    struct map map = { 0 };
    struct map_key key = { { 0 } };
    size_t place = 0;
    uint64_t value;

    (void)state;
    assert_null(map_find(&map, key));
    assert_false(map_remove(&map, key));
    assert_false(map_each(&map, &place, &key, &value));
    map_clear(&map);
}

static void random_bytes_differ(void **state)
{
    unsigned char one[32] = { 0 }, other[32] = { 0 };

    (void)state;
    random_bytes(one, sizeof(one));
    random_bytes(other, sizeof(other));
    assert_memory_not_equal(one, other, sizeof(one));
    random_bytes(one, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(putting_and_removing_at_random_agrees_with_a_table),
        cmocka_unit_test(removing_leaves_no_trace_of_the_keys),
        cmocka_unit_test(an_empty_map_answers),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
