/* Subjects: found and made inside and across groups, taken back without a trace, ended by an erasure. */
#include "ledger/house.h"
#include "ledger/mark.h"
#include "ledger/preference.h"

static uint32_t find(struct house *house, const char *user_id)
{
    struct fingerprint print = house_print(house, user_id);
    uint32_t ordinal = 0;

    MUST(subject_find(house->ledger, house->account, IDENTITY_CUID, &print, &ordinal, &why));
    return ordinal;
}

static uint32_t known_to_all(struct house *house, const char *user_id)
{
    struct fingerprint print = house_print(house, user_id);

    return account_find(house->account, &print);
}

static uint32_t create(struct house *house, const char *user_id)
{
    struct fingerprint print = house_print(house, user_id);
    uint32_t ordinal = 0;

    MUST(subject_create(house->ledger, house->writer, house->account, IDENTITY_CUID, &print, 1, &ordinal, &why));
    return ordinal;
}

static void a_new_person_is_the_writers_until_the_commit(void **state)
{
    struct house *house = *state;

    house_begin(house);
    uint32_t ordinal = create(house, "ann");
    assert_int_equal(find(house, "ann"), ordinal);
    assert_int_equal(known_to_all(house, "ann"), 0);
    assert_int_equal(house_asks(house, house->writer, ordinal, PURPOSE_STORE, REASON_NONE), ERROR_NONE);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_STORE, REASON_NONE), ERROR_NOT_FOUND);
    house_commit(house);
    assert_int_equal(known_to_all(house, "ann"), ordinal);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_STORE, REASON_NONE), ERROR_NONE);
    assert_int_equal(find(house, "Ann"), 0); /* byte for byte */
    house_restart(house);
    assert_int_equal(known_to_all(house, "ann"), ordinal);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_STORE, REASON_NONE), ERROR_NONE);
}

static void a_part_undone_leaves_nobody(void **state)
{
    struct house *house = *state;

    house_begin(house);
    uint32_t undone = create(house, "ann");
    MUST(ledger_part_end(house->ledger, false, &why));
    assert_int_equal(find(house, "ann"), 0);
    MUST(ledger_part_begin(house->ledger, &why));
    uint32_t kept = create(house, "ann");
    house_commit(house);
    assert_int_not_equal(undone, kept);
    assert_int_equal(known_to_all(house, "ann"), kept);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject")), 1);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM identity")), 1);
    assert_int_equal(house_asks(house, house->reader, undone, PURPOSE_STORE, REASON_NONE), ERROR_NOT_FOUND);
}

static void a_group_rolled_back_leaves_nobody(void **state)
{
    struct house *house = *state;

    house_begin(house);
    uint32_t ordinal = create(house, "ann");
    ledger_rollback(house->ledger);
    assert_int_equal(find(house, "ann"), 0);
    assert_int_equal(known_to_all(house, "ann"), 0);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_STORE, REASON_NONE), ERROR_NOT_FOUND);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject")), 0);
    assert_true(house_person(house, "ann") > ordinal); /* a number is never used again */
}

static void thousands_of_people_in_one_group_keep_their_own_keys(void **state)
{
    struct house *house = *state;
    unsigned char marks[2][16];
    struct error error = { 0 };
    char id[16];

    house_begin(house);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(id, sizeof(id), "u%d", i);
        (void)create(house, id);
    }
    house_commit(house);
    for (uint32_t i = 0; i < 2; i++) {
        const struct grant *grant =
            gate_open(house->reader, house->account, i == 0 ? 1 : 4999, PURPOSE_STORE, REASON_NONE, &error);
        grant_audit_mark(grant, marks[i]);
    }
    assert_memory_not_equal(marks[0], marks[1], 16);
    assert_int_equal(known_to_all(house, "u4999"), find(house, "u4999"));
}

static void an_address_finds_one_way_at_a_time(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct fingerprint old = account_fingerprint(house->account, IDENTITY_EMAIL, STR("a@example.com"));
    struct fingerprint fresh = account_fingerprint(house->account, IDENTITY_EMAIL, STR("b@example.com"));

    house_begin(house);
    MUST(
        subject_replace_identity(house->ledger, house->writer, house->account, ordinal, IDENTITY_EMAIL, &old, 1, &why));
    MUST(subject_replace_identity(house->ledger, house->writer, house->account, ordinal, IDENTITY_EMAIL, &fresh, 1,
                                  &why));
    MUST(subject_replace_identity(house->ledger, house->writer, house->account, ordinal, IDENTITY_EMAIL, &fresh, 1,
                                  &why));
    house_commit(house);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM identity WHERE kind = 3")), 1);
    assert_int_equal(known_to_all(house, "ann"), ordinal); /* its own id stays */
    house_begin(house);
    MUST(
        subject_replace_identity(house->ledger, house->writer, house->account, ordinal, IDENTITY_EMAIL, NULL, 1, &why));
    house_commit(house);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM identity WHERE kind = 3")), 0);
    assert_int_equal(account_find(house->account, &fresh), 0); /* it finds, it never says whose data it is */
}

static void of_several_devices_the_newest_stay(void **state)
{
    enum { MAX = 20 };
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann"), other = house_person(house, "ben");
    struct fingerprint prints[MAX + 2];

    for (size_t i = 0; i < COUNT_OF(prints); i++) {
        const char name[] = { (char)('A' + i), '\0' };
        prints[i] = account_fingerprint(house->account, IDENTITY_PUSH_TOKEN, str_of(name));
        house_begin(house);
        MUST(subject_add_identity(house->ledger, house->writer, house->account, ordinal, IDENTITY_PUSH_TOKEN,
                                  &prints[i], MAX, 1, &why));
        MUST(subject_add_identity(house->ledger, house->writer, house->account, other, IDENTITY_PUSH_TOKEN, &prints[0],
                                  MAX, 1, &why));
        house_commit(house);
        house->clock.shift_ms += 1000;
    }
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM identity WHERE kind = 7")), MAX + 1);
    for (size_t i = 0; i < COUNT_OF(prints); i++) {
        int64_t found = 0;
        MUST(db_integer(ledger_db(house->ledger),
                        SQL("SELECT COUNT(*) FROM identity WHERE ordinal = $1 AND fingerprint = $2"),
                        DB_PARAMS(DB_INTEGER(ordinal), DB_BLOB(prints[i].bytes, FINGERPRINT_LEN)), &found, NULL, &why));
        assert_int_equal(found, i >= 2);
        assert_int_equal(account_find(house->account, &prints[i]), 0);
    }
    assert_int_equal(known_to_all(house, "ann"), ordinal);
}

static enum mark_verdict judge(struct house *house, const char *user_id, int64_t occurred_ms, int64_t now_ms)
{
    struct fingerprint print = house_print(house, user_id);

    return marks_judge(house->account, &print, occurred_ms, now_ms);
}

static void an_erasure_leaves_late_marks_and_nothing_else(void **state)
{
    struct house *house = *state;
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE, .keep_opt_outs = true };
    uint32_t ordinal = house_person(house, "ann"), other = house_person(house, "ben");
    int64_t before = when_now(&house->clock);

    house_erase(house, ordinal, &plain);
    int64_t behind = when_now(&house->clock);
    assert_int_equal(known_to_all(house, "ann"), 0);
    assert_int_equal(find(house, "ann"), 0);
    assert_int_equal(known_to_all(house, "ben"), other);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(judge(house, "ann", before - 1, behind), MARK_DROP);
        assert_int_equal(judge(house, "ann", behind + 1, behind), MARK_CLEAR);
        assert_int_equal(judge(house, "ann", WHEN_NONE, behind), MARK_CLEAR);
        assert_int_equal(judge(house, "ann", before - 1, behind + 30 * WHEN_DAY), MARK_CLEAR);
        assert_int_equal(judge(house, "ben", before - 1, behind), MARK_CLEAR);
        house_restart(house);
    }
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM identity WHERE ordinal = 1")), 0);
    assert_int_equal(house_denied(house, ordinal), DENIED_BY_ERASURE);
    assert_true(house_person(house, "ann") > ordinal); /* who comes back is new */
}

static void marks_end_with_their_time(void **state)
{
    struct house *house = *state;
    const struct subject_erasure suppressed = { .suppress = true,
                                                .suppress_until_ms = when_now(&house->clock) + 40 * WHEN_DAY,
                                                .has_suppressed_id = true,
                                                .kind = IDENTITY_CUID,
                                                .print = house_print(house, "ann") };

    house_erase(house, house_person(house, "ann"), &suppressed);
    for (int days = 29; days <= 41; days += 6) { /* 29, 35, 41 */
        house->clock.shift_ms = days * WHEN_DAY;
        house_begin(house);
        MUST(marks_expire(house->ledger, house->account, when_now(&house->clock), &why));
        house_commit(house);
        assert_int_equal(house->account->late.count, days < 30);
        assert_int_equal(house->account->suppressed.count, days < 40);
        assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM mark")), (days < 30) + (days < 40));
    }
}

static void suppression_stands_until_its_date_or_for_ever(void **state)
{
    struct house *house = *state;
    const struct {
        const char *id;
        bool suppress;
        int64_t days; /* 0: for ever */
        enum mark_verdict in_a_day, in_a_year;
    } cases[] = {
        { "ann", true, 0, MARK_DROP, MARK_DROP },
        { "ben", true, 10, MARK_DROP, MARK_CLEAR },
        { "eve", false, 0, MARK_CLEAR, MARK_CLEAR },
    };
    int64_t now = when_now(&house->clock);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct subject_erasure how = { .suppress = cases[i].suppress,
                                             .suppress_until_ms =
                                                 cases[i].days ? now + cases[i].days * WHEN_DAY : WHEN_NONE,
                                             .has_suppressed_id = true,
                                             .kind = IDENTITY_CUID,
                                             .print = house_print(house, cases[i].id) };
        house_erase(house, house_person(house, cases[i].id), &how);
    }
    for (int restart = 0; restart < 2; restart++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            assert_int_equal(judge(house, cases[i].id, WHEN_NONE, now + WHEN_DAY), cases[i].in_a_day);
            assert_int_equal(judge(house, cases[i].id, WHEN_NONE, now + 365 * WHEN_DAY), cases[i].in_a_year);
        }
        house_restart(house);
    }
}

/* The writer meets the id again in the same group, before memory knows of the mark. */
static void marks_of_the_open_group_count_for_the_writer(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct fingerprint print = house_print(house, "ann");
    const struct subject_erasure how = { .suppress = true,
                                         .suppress_until_ms = WHEN_NONE,
                                         .has_suppressed_id = true,
                                         .kind = IDENTITY_CUID,
                                         .print = print };
    enum mark_verdict verdict = MARK_CLEAR;
    int64_t now = when_now(&house->clock);

    house_begin(house);
    MUST(subject_erase(house->ledger, house->account, &ordinal, 1, &how, &why));
    assert_int_equal(judge(house, "ann", WHEN_NONE, now), MARK_CLEAR);
    MUST(marks_judge_now(house->ledger, house->account, IDENTITY_CUID, &print, WHEN_NONE, now, &verdict, &why));
    assert_int_equal(verdict, MARK_DROP);
    house_undo(house);
    MUST(marks_judge_now(house->ledger, house->account, IDENTITY_CUID, &print, WHEN_NONE, now, &verdict, &why));
    assert_int_equal(verdict, MARK_CLEAR);
}

static void who_comes_back_within_the_group_of_the_erasure_is_new(void **state)
{
    struct house *house = *state;
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };
    uint32_t ordinal = house_person(house, "ann");

    house_begin(house);
    MUST(subject_erase(house->ledger, house->account, &ordinal, 1, &plain, &why));
    assert_int_equal(find(house, "ann"), 0);
    uint32_t back = create(house, "ann");
    assert_int_equal(find(house, "ann"), back);
    house_commit(house);
    assert_int_not_equal(back, ordinal);
    assert_int_equal(known_to_all(house, "ann"), back);
    house_restart(house);
    assert_int_equal(known_to_all(house, "ann"), back);
}

static bool says_no(struct house *house, uint32_t ordinal)
{
    struct preference_state states[CHANNELS];

    MUST(preference_states(ledger_db(house->ledger), 1, &ordinal, 1, states, &why));
    return states[CHANNEL_EMAIL].set && !states[CHANNEL_EMAIL].opted_in;
}

static void opt_out(struct house *house, uint32_t ordinal)
{
    struct preference no = { .channel = CHANNEL_EMAIL, .voice = VOICE_PERSON, .at_ms = 1, .received_ms = 1 };

    MUST(preference_say(house->ledger, house->writer, house->account, ordinal, &no, &why));
}

static void an_opt_out_outlives_an_erasure_unless_told_otherwise(void **state)
{
    struct house *house = *state;

    for (int keep = 0; keep < 2; keep++) {
        const char *id = keep ? "keeps" : "drops";
        const struct subject_erasure how = { .suppress_until_ms = WHEN_NONE, .keep_opt_outs = keep };
        uint32_t ordinal = house_person(house, id);
        house_begin(house);
        opt_out(house, ordinal);
        house_commit(house);
        house_erase(house, ordinal, &how);
        uint32_t again = house_person(house, id);
        assert_int_equal(says_no(house, again), keep);
        assert_int_equal((house_denied(house, again) & MARKET_BIT(CHANNEL_EMAIL)) != 0, keep);
        assert_int_equal(house_denied(house, again) & SERVICE_BIT(CHANNEL_EMAIL), 0);
    }
}

static void an_erased_number_is_told_apart_to_the_end(void **state)
{
    struct house *house = *state;
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };
    uint32_t ordinal = house_person(house, "ann");
    struct subject_facts facts;
    bool found = false;

    house_erase(house, ordinal, &plain);
    MUST(subject_facts(ledger_db(house->ledger), 1, ordinal, &facts, &found, &why));
    assert_true(found);
    assert_int_equal(facts.state, SUBJECT_ERASING);
    assert_int_equal(facts.created_ms, WHEN_NONE);
    house_begin(house);
    MUST(subject_erased(house->ledger, house->account, ordinal, &why));
    house_commit(house);
    house_restart(house);
    assert_int_equal(account_subject(house->account, ordinal)->state, SUBJECT_ERASED);
    assert_null(account_subject(house->account, 0));
    assert_null(account_subject(house->account, 1000000));
}

static void identities_are_normalised_by_kind(void **state)
{
    static const struct {
        enum identity_kind kind;
        const char *value, *normal;
    } cases[] = {
        { IDENTITY_CUID, " Ann ", " Ann " },
        { IDENTITY_ANONYMOUS, "A/b", "A/b" },
        { IDENTITY_EMAIL, " Ann@Example.COM\t", "ann@example.com" },
        { IDENTITY_PHONE, " +49 (170) 123-45 67 ", "+491701234567" },
        { IDENTITY_PHONE, "", "" },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 10000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str normal = identity_normal(cases[i].kind, str_of(cases[i].value), &arena);
        if (!str_equal(normal, str_of(cases[i].normal)))
            fail_msg("case %zu: '%.*s'", i, STR_ARG(normal));
    }
    arena_clear(&arena);
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(a_new_person_is_the_writers_until_the_commit),
        WITH_HOUSE(a_part_undone_leaves_nobody),
        WITH_HOUSE(a_group_rolled_back_leaves_nobody),
        WITH_HOUSE(thousands_of_people_in_one_group_keep_their_own_keys),
        WITH_HOUSE(an_address_finds_one_way_at_a_time),
        WITH_HOUSE(of_several_devices_the_newest_stay),
        WITH_HOUSE(an_erasure_leaves_late_marks_and_nothing_else),
        WITH_HOUSE(marks_end_with_their_time),
        WITH_HOUSE(suppression_stands_until_its_date_or_for_ever),
        WITH_HOUSE(marks_of_the_open_group_count_for_the_writer),
        WITH_HOUSE(who_comes_back_within_the_group_of_the_erasure_is_new),
        WITH_HOUSE(an_opt_out_outlives_an_erasure_unless_told_otherwise),
        WITH_HOUSE(an_erased_number_is_told_apart_to_the_end),
        cmocka_unit_test(identities_are_normalised_by_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
