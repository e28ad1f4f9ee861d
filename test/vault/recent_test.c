/* The set of recent ids against a plain list: by number, by time, through growth, shrinking and what is taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/when.h"
#include "vault/recent.h"

#define MODEL_MAX 400000
#define START_MS INT64_C(1700000000000)

struct model {
    uint64_t ids[MODEL_MAX];
    int64_t at_ms[MODEL_MAX];
    size_t count, first; /* first: of those that are kept by number */
    int64_t max, keep_ms, grain_ms, now_ms;
};
static struct model model;
static uint64_t seed;

static uint64_t roll(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void seed_it(void)
{
    const char *given = getenv("HABEAS_SEED");

    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    print_message("HABEAS_SEED=0x%llx\n", (unsigned long long)seed);
}

static struct recent *begin(int64_t max, int64_t keep_ms)
{
    struct recent *recent = recent_new(max, keep_ms);

    assert_non_null(recent);
    model.count = model.first = 0;
    model.max = max;
    model.keep_ms = keep_ms;
    model.grain_ms = keep_ms / 1440;
    model.now_ms = 0;
    return recent;
}

static void add(struct recent *recent, uint64_t id, int64_t at_ms)
{
    recent_fetch(recent, id);
    assert_true(recent_reserve(recent));
    recent_add(recent, id, at_ms);
    assert_true(model.count < MODEL_MAX);
    model.now_ms = at_ms > model.now_ms ? at_ms : model.now_ms;
    model.ids[model.count] = id;
    model.at_ms[model.count++] = model.now_ms;
    if (model.count - model.first > (size_t)model.max)
        model.first++;
}

static void pass(struct recent *recent, int64_t ms)
{
    model.now_ms += ms;
    recent_tend(recent, model.now_ms);
}

/* The set must know it, must not, or may: an id is kept up to one grain longer than it must be. */
enum verdict { MUST, MAY, MUST_NOT };

static enum verdict verdict_of(size_t i)
{
    int64_t age_ms = model.now_ms - model.at_ms[i];

    if (i < model.first || i >= model.count || age_ms >= model.keep_ms + 2 * model.grain_ms)
        return MUST_NOT;
    return age_ms < model.keep_ms ? MUST : MAY;
}

static void check_one(struct recent *recent, size_t i)
{
    enum verdict verdict = verdict_of(i);
    bool has = recent_has(recent, model.ids[i]);

    if ((has && verdict == MUST_NOT) || (!has && verdict == MUST))
        fail_msg("id %zu of %zu (kept from %zu) is %s", i, model.count, model.first, has ? "there" : "not there");
}

static void check_all(struct recent *recent)
{
    struct recent_facts facts;
    int64_t must = 0, may = 0;

    for (size_t i = 0; i < model.count; i++) {
        check_one(recent, i);
        must += verdict_of(i) == MUST;
        may += verdict_of(i) != MUST_NOT;
    }
    for (int i = 0; i < 1000; i++)
        assert_false(recent_has(recent, roll()));
    recent_facts(recent, &facts);
    if (facts.count < must || facts.count > may)
        fail_msg("%lld ids are counted, %lld must be there and %lld may be", (long long)facts.count, (long long)must,
                 (long long)may);
    if (facts.count == 0) {
        assert_true(facts.oldest_ms == WHEN_NONE);
        return;
    }
    int64_t oldest_ms = model.at_ms[model.count - (size_t)facts.count];
    assert_true(facts.oldest_ms <= oldest_ms && oldest_ms - facts.oldest_ms < model.grain_ms + 1);
}

static void it_is_what_a_plain_list_is(void **state)
{
    static const struct {
        int64_t max, keep_ms, step_ms;
    } cases[] = {
        { 1000, WHEN_DAY, 20 },          /* bound by number */
        { 100000, WHEN_HOUR, 400 },      /* bound by time */
        { 30000, WHEN_DAY, 3000 },       /* now by this, now by that */
        { 1, WHEN_DAY, 1 },              /* the newest alone */
        { RECENT_MAX, 1440, 1 },         /* over in a moment */
        { RECENT_MAX, 10 * WHEN_DAY, 0 } /* nothing goes */
    };

    (void)state;
    seed_it();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct recent *recent = begin(cases[i].max, cases[i].keep_ms);
        int64_t at_ms = START_MS;

        for (int step = 0; step < 200000; step++) {
            int64_t span = cases[i].step_ms;

            at_ms += span > 0 ? (int64_t)(roll() % (uint64_t)(2 * span + 1)) : 0;
            if (step % 20000 < 10000) /* busy and idle hours */
                at_ms -= span > 0 ? span * 9 / 10 : 0;
            add(recent, roll(), at_ms);
            check_one(recent, roll() % model.count);
            if (step % 1000 == 0)
                pass(recent, (int64_t)(roll() % (uint64_t)(50 * span + 1)));
            if (step % 25000 == 0)
                check_all(recent);
            if (at_ms < model.now_ms)
                at_ms = model.now_ms;
        }
        check_all(recent);
        recent_free(recent);
    }
}

static void what_is_taken_back_was_never_there(void **state)
{
    struct recent *recent = begin(20000, WHEN_DAY);
    int64_t at_ms = START_MS;

    (void)state;
    seed_it();
    for (int group = 0; group < 3000; group++) {
        uint64_t mark = recent_mark(recent);
        size_t count = model.count, added = roll() % 200;
        bool undone = roll() % 3 == 0;

        for (size_t i = 0; i < added; i++)
            add(recent, roll(), at_ms += (int64_t)(roll() % 2000));
        if (undone) {
            recent_cut(recent, mark);
            for (size_t i = count; i < model.count; i++)
                assert_false(recent_has(recent, model.ids[i]));
            model.count = count > model.first ? count : model.first;
        }
        if (model.count > 0)
            check_one(recent, roll() % model.count);
        if (group % 500 == 0)
            check_all(recent);
    }
    check_all(recent);
    recent_free(recent);
}

/* Ids alike in all but their low bits share buckets: still each is found and goes. */
static void ids_that_are_no_hashes_are_kept_apart(void **state)
{
    struct recent *recent = begin(3000, WHEN_DAY);

    (void)state;
    for (uint64_t id = 1; id <= 20000; id++)
        add(recent, id, START_MS);
    for (uint64_t id = 1; id <= 20000; id++)
        assert_true(recent_has(recent, id) == (id > 17000));
    recent_free(recent);
}

static void an_id_lives_its_time_and_not_much_longer(void **state)
{
    struct recent *recent = begin(1000, WHEN_DAY);

    (void)state;
    add(recent, 7, START_MS);
    pass(recent, WHEN_DAY - 1);
    assert_true(recent_has(recent, 7));
    pass(recent, 2 * WHEN_MINUTE);
    assert_false(recent_has(recent, 7));
    add(recent, 7, START_MS); /* again, and from now on */
    pass(recent, WHEN_DAY - 1);
    assert_true(recent_has(recent, 7));
    recent_free(recent);
}

static void memory_grows_with_the_ids_and_is_given_back(void **state)
{
    struct recent *recent = begin(RECENT_MAX, WHEN_DAY);
    struct recent_facts facts;

    (void)state;
    recent_facts(recent, &facts);
    assert_true(facts.bytes < 64 * 1024);
    for (uint64_t id = 1; id <= 3000000; id++) {
        assert_true(recent_reserve(recent));
        recent_add(recent, id, START_MS + (int64_t)id);
    }
    recent_facts(recent, &facts);
    assert_int_equal(facts.count, 3000000);
    if (facts.bytes > 3000000 * INT64_C(26))
        fail_msg("%lld bytes for 3 million ids", (long long)facts.bytes);
    for (int i = 0; i < 5000; i++)
        recent_tend(recent, START_MS + 3 * WHEN_DAY);
    recent_facts(recent, &facts);
    assert_int_equal(facts.count, 0);
    if (facts.bytes > 1024 * 1024)
        fail_msg("%lld bytes for no ids", (long long)facts.bytes);
    for (uint64_t id = 1; id <= 100000; id++) {
        assert_true(recent_reserve(recent));
        recent_add(recent, id, START_MS);
        assert_true(recent_has(recent, id));
    }
    recent_free(recent);
}

/* Past the end of the ring's numbers, which is where places are used again. */
static void the_ring_goes_round(void **state)
{
    struct recent *recent = recent_new(70000, WHEN_DAY);

    (void)state;
    assert_non_null(recent);
    for (uint64_t id = 1; id <= (UINT64_C(1) << 24) + 300000; id++) {
        assert_true(recent_reserve(recent));
        recent_add(recent, id, START_MS);
    }
    for (uint64_t back = 0; back < 140000; back++)
        assert_true(recent_has(recent, (UINT64_C(1) << 24) + 300000 - back) == (back < 70000));
    recent_free(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_a_plain_list_is),
        cmocka_unit_test(what_is_taken_back_was_never_there),
        cmocka_unit_test(ids_that_are_no_hashes_are_kept_apart),
        cmocka_unit_test(an_id_lives_its_time_and_not_much_longer),
        cmocka_unit_test(memory_grows_with_the_ids_and_is_given_back),
        cmocka_unit_test(the_ring_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
