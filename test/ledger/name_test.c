/* Names of events and attributes: which might be a person's, how many there may be, and what type they keep. */
#include "ledger/house.h"

static void names_that_might_be_a_persons_are_told_from_schema(void **state)
{
    static const struct {
        const char *name;
        bool personal;
    } cases[] = {
        { "Product ID", false },
        { "Order Completed", false },
        { "price", false },
        { "utm_source", false },
        { "Added to cart @ checkout", false },
        { "page 2 of 3", false },
        { "3D view", false },
        { "e.g. a value", false },
        { "cafe babe", false },
        { "feedback", false },
        { "@mention", false },
        { "a@b", false },
        { "Größe", false },
        { "Sale @ St. Pauls", false },
        { "ann@example.com", true },
        { "mail ann@example.com now", true },
        { " ann@example.com ", true },
        { "ann.lee+news@mail.example.org", true },
        { "42", true },
        { "007", true },
        { "+49 170 1234567", true },
        { "(030) 123-456", true },
        { "12/31/1999", true },
        { "1.234,56", true },
        { "550e8400-e29b-41d4-a716-446655440000", true },
        { "550E8400E29B41D4A716446655440000", true },
        { "visit of 550e8400-e29b-41d4-a716-446655440000", true },
        { "0123456789abcdef0123", true },
        { "0123456789abcdef012", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (name_looks_personal(str_of(cases[i].name)) != cases[i].personal)
            fail_msg("'%s' is %spersonal", cases[i].name, cases[i].personal ? "" : "not ");
}

static bool add(struct house *house, enum name_kind kind, const char *text, enum name_type type, struct name *out,
                struct error *error)
{
    return ledger_add_name(house->ledger, house->account, kind, str_of(text), type, out, error);
}

static void a_name_is_numbered_once_and_keeps_its_first_type(void **state)
{
    struct house *house = *state;
    struct name first, again, other;

    house_begin(house);
    MUST(add(house, NAME_USER_ATTRIBUTE, "colour", TYPE_STRING, &first, &why));
    MUST(add(house, NAME_USER_ATTRIBUTE, "colour", TYPE_NUMBER, &again, &why));
    MUST(add(house, NAME_EVENT_ATTRIBUTE, "colour", TYPE_NUMBER, &other, &why));
    assert_null(names_find(&house->account->names[NAME_USER_ATTRIBUTE], STR("colour"))); /* not committed yet */
    house_commit(house);
    assert_int_equal(first.number, again.number);
    assert_int_equal(again.type, TYPE_STRING);
    assert_int_equal(other.type, TYPE_NUMBER);
    house_restart(house);
    const struct name *found = names_find(&house->account->names[NAME_USER_ATTRIBUTE], STR("colour"));
    assert_non_null(found);
    assert_int_equal(found->type, TYPE_STRING);
    assert_int_equal(found->number, first.number);
}

static void a_name_undone_leaves_its_number_to_the_next(void **state)
{
    struct house *house = *state;
    struct name undone, kept;

    house_begin(house);
    MUST(add(house, NAME_EVENT, "undone", TYPE_NONE, &undone, &why));
    MUST(ledger_part_end(house->ledger, false, &why));
    MUST(ledger_part_begin(house->ledger, &why));
    MUST(add(house, NAME_EVENT, "kept", TYPE_NONE, &kept, &why));
    house_commit(house);
    assert_int_equal(undone.number, kept.number);
    assert_null(names_find(&house->account->names[NAME_EVENT], STR("undone")));
    assert_non_null(names_find(&house->account->names[NAME_EVENT], STR("kept")));
}

static void names_end_at_the_accounts_cap(void **state)
{
    static const struct {
        enum name_kind kind;
        const char *option;
    } cases[] = { { NAME_EVENT, "event_names_max" },
                  { NAME_USER_ATTRIBUTE, "attribute_names_max" },
                  { NAME_EVENT_ATTRIBUTE, "attribute_names_max" } };
    struct house *house = *state;
    struct name name;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        house_begin(house);
        MUST(ledger_set_option(house->ledger, 1, str_of(cases[i].option), STR("2"), &why));
        house_commit(house);
        house_begin(house);
        MUST(add(house, cases[i].kind, "one", TYPE_STRING, &name, &why));
        MUST(add(house, cases[i].kind, "two", TYPE_STRING, &name, &why));
        MUST_NOT(ERROR_LIMITED, add(house, cases[i].kind, "three", TYPE_STRING, &name, &why));
        MUST(add(house, cases[i].kind, "one", TYPE_STRING, &name, &why)); /* what is there stays usable */
        MUST_NOT(ERROR_INVALID, add(house, cases[i].kind, "ann@example.com", TYPE_STRING, &name, &why));
        house_commit(house);
    }
}

static void a_corrected_type_is_seen_behind_the_commit(void **state)
{
    struct house *house = *state;
    struct name name;

    house_begin(house);
    MUST(add(house, NAME_USER_ATTRIBUTE, "age", TYPE_STRING, &name, &why));
    house_commit(house);
    house_begin(house);
    MUST(ledger_set_name_type(house->ledger, house->account, NAME_USER_ATTRIBUTE, STR("age"), TYPE_NUMBER, &why));
    assert_int_equal(names_find(&house->account->names[NAME_USER_ATTRIBUTE], STR("age"))->type, TYPE_STRING);
    house_commit(house);
    assert_int_equal(names_find(&house->account->names[NAME_USER_ATTRIBUTE], STR("age"))->type, TYPE_NUMBER);
    house_restart(house);
    assert_int_equal(names_find(&house->account->names[NAME_USER_ATTRIBUTE], STR("age"))->type, TYPE_NUMBER);
}

static void thousands_of_names_are_found_again(void **state)
{
    struct names names = { 0 };
    char text[32];

    (void)state;
    for (uint32_t i = 1; i <= 3000; i++) {
        (void)snprintf(text, sizeof(text), "name %u", i);
        assert_true(names_add(&names, i, str_of(text), TYPE_STRING));
    }
    for (uint32_t i = 1; i <= 3000; i++) {
        (void)snprintf(text, sizeof(text), "name %u", i);
        const struct name *found = names_find(&names, str_of(text));
        assert_non_null(found);
        assert_int_equal(found->number, i);
    }
    assert_null(names_find(&names, STR("name 3001")));
    assert_null(names_at(&names, 0));
    assert_null(names_at(&names, 3001));
    assert_false(names_add(&names, 3002, STR("a gap"), TYPE_STRING));
    names_clear(&names);
}

static void types_have_words(void **state)
{
    enum name_type type;

    (void)state;
    for (enum name_type each = TYPE_STRING; each < NAME_TYPES; each++) {
        assert_true(name_type_of(str_of(name_type_name(each)), &type));
        assert_int_equal(type, each);
    }
    assert_false(name_type_of(STR("none"), &type));
    assert_false(name_type_of(STR("String"), &type));
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_might_be_a_persons_are_told_from_schema),
        WITH_HOUSE(a_name_is_numbered_once_and_keeps_its_first_type),
        WITH_HOUSE(a_name_undone_leaves_its_number_to_the_next),
        WITH_HOUSE(names_end_at_the_accounts_cap),
        WITH_HOUSE(a_corrected_type_is_seen_behind_the_commit),
        cmocka_unit_test(thousands_of_names_are_found_again),
        cmocka_unit_test(types_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
