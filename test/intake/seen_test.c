/* What is known to be recorded: a set of ways to find people, and the last word on consent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "intake/seen.h"

static struct seen_fact device(uint32_t ordinal, const char *id)
{
    return (struct seen_fact){ 1, ordinal, 5, str_of(id), STR("") };
}

static struct seen_fact consent(uint32_t ordinal, const char *value)
{
    return (struct seen_fact){ 1, ordinal, 64, STR(""), str_of(value) };
}

static void each_device_of_each_person_is_a_fact_of_its_own(void **state)
{
    struct seen *seen = seen_new();
    const struct seen_fact facts[] = {
        device(7, "d"), device(7, "e"), device(8, "d"), { 2, 7, 5, STR("d"), STR("") }, { 1, 7, 6, STR("d"), STR("") }
    };

    (void)state;
    assert_non_null(seen);
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        assert_false(seen_has(seen, &facts[i], 0));
        seen_put(seen, &facts[i], 0);
        for (size_t j = 0; j <= i; j++)
            assert_true(seen_has(seen, &facts[j], 0));
    }
    seen_free(seen);
}

static void the_latest_word_on_consent_counts(void **state)
{
    struct seen *seen = seen_new();
    const struct seen_fact yes = consent(7, "{\"Ads\":true}"), no = consent(7, "{\"Ads\":false}");

    (void)state;
    assert_non_null(seen);
    seen_put(seen, &yes, 10);
    assert_true(seen_has(seen, &yes, 11));
    assert_false(seen_has(seen, &no, 20));
    seen_put(seen, &no, 20);
    assert_true(seen_has(seen, &no, 21));
    assert_false(seen_has(seen, &yes, 22)); /* so that a third word is written */
    assert_true(seen_has(seen, &yes, 15));  /* said before, arrives later */
    seen_put(seen, &yes, 15);
    assert_false(seen_has(seen, &yes, 30));
    seen_put(seen, &yes, 30);
    assert_true(seen_has(seen, &yes, 40)); /* said again: no new fact, but later than what follows */
    assert_true(seen_has(seen, &no, 35));
    assert_false(seen_has(seen, &no, 41));
    seen_free(seen);
}

static void past_its_bound_it_forgets_and_never_invents(void **state)
{
    enum { MANY = 1 << 19 };
    struct seen *seen = seen_new();
    size_t known = 0;

    (void)state;
    assert_non_null(seen);
    for (uint32_t i = 1; i <= MANY; i++) {
        struct seen_fact fact = device(i, "d");
        assert_false(seen_has(seen, &fact, 0));
        seen_put(seen, &fact, 0);
    }
    for (uint32_t i = 1; i <= MANY; i++) {
        struct seen_fact fact = device(i, "d");
        known += seen_has(seen, &fact, 0);
    }
    assert_true(known > MANY / 8 && known < MANY);
    seen_free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_of_each_person_is_a_fact_of_its_own),
        cmocka_unit_test(the_latest_word_on_consent_counts),
        cmocka_unit_test(past_its_bound_it_forgets_and_never_invents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
