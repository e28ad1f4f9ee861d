/* The index against a plain list, through growth and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/index.h"

enum { ROWS = 20000, SUBJECTS = 3000, FIRST = 1000 };

struct model {
    struct index_subject who[ROWS];
    unsigned char file[ROWS];
    unsigned char gone[ROWS];
};

static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static void fill(struct index *index, struct model *model, uint32_t *seed)
{
    assert_true(index_init(index, FIRST));
    for (size_t i = 0; i < ROWS;) {
        size_t group = 1 + roll(seed, 200);
        unsigned file = roll(seed, 2);

        if (group > ROWS - i)
            group = ROWS - i;
        for (size_t k = i; k < i + group; k++) {
            model->who[k] = (struct index_subject){ 1 + roll(seed, 3), 1 + roll(seed, SUBJECTS) };
            model->file[k] = (unsigned char)file;
        }
        assert_true(index_reserve(index, FIRST + i + group - 1, group));
        index_publish(index, FIRST + i, file, &model->who[i], group);
        i += group;
    }
}

static bool is_of(const struct model *model, size_t row, struct index_subject who)
{
    return !model->gone[row] && model->who[row].account == who.account && model->who[row].subject == who.subject;
}

static void check(struct index *index, const struct model *model, struct index_subject who)
{
    struct index_place places[64];
    int64_t rows = 0;
    size_t count = index_newest(index, who, UINT64_MAX, places, 64), at = 0;

    for (size_t row = ROWS; row-- > 0;) {
        if (!is_of(model, row, who))
            continue;
        rows++;
        if (at == 64)
            continue;
        assert_true(at < count);
        assert_int_equal(places[at].seq, FIRST + row);
        assert_int_equal(places[at].file, model->file[row]);
        at++;
    }
    assert_int_equal(at, count);
    assert_int_equal(index_count(index, who), rows);
}

static void rows_are_found_in_order_and_cut_ones_are_not(void **state)
{
    static struct model model;
    struct index index;
    uint32_t seed = 20261123;

    (void)state;
    fill(&index, &model, &seed);
    for (int i = 0; i < 600; i++) {
        struct index_subject who = { 1 + roll(&seed, 3), 1 + roll(&seed, SUBJECTS) };
        size_t from = i % 3 == 0 ? 0 : roll(&seed, ROWS); /* whole, or its newer part */

        index_cut(&index, who, FIRST + from);
        for (size_t row = from; row < ROWS; row++)
            model.gone[row] |= is_of(&model, row, who);
        check(&index, &model, who);
    }
    for (uint32_t subject = 1; subject <= SUBJECTS; subject += 7)
        check(&index, &model, (struct index_subject){ 2, subject });
    index_clear(&index);
}

static void bounds_hold_in_both_directions(void **state)
{
    struct index index;
    struct index_subject rows[10];
    struct index_place out[10];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        rows[i] = (struct index_subject){ 1, 5 };
    assert_true(index_init(&index, 100));
    assert_true(index_reserve(&index, 109, 10));
    index_publish(&index, 100, 0, rows, 10);
    assert_int_equal(index_newest(&index, rows[0], 105, out, 3), 3);
    assert_int_equal(out[0].seq, 104);
    assert_int_equal(index_newest(&index, rows[0], 100, out, 3), 0);
    assert_int_equal(index_oldest(&index, rows[0], 105, out, 10), 4);
    assert_int_equal(index_oldest(&index, rows[0], 102, out, 3), 3);
    uint64_t sum = out[0].seq + out[1].seq + out[2].seq;
    assert_int_equal(sum, 103 + 104 + 105); /* the oldest three, in any order */
    assert_int_equal(index_oldest(&index, rows[0], 109, out, 3), 0);
    assert_int_equal(index_newest(&index, (struct index_subject){ 2, 5 }, UINT64_MAX, out, 3), 0);
    index_clear(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_in_order_and_cut_ones_are_not),
        cmocka_unit_test(bounds_hold_in_both_directions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
