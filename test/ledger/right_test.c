/* Rights are rows: the mask is what those in force deny together, ending one ends that one, and nobody sees any of it
 * before the commit. */
#include "ledger/house.h"

/* Every right that this program gives, as a row of the table. */
static const struct {
    const char *name;
    enum right_kind kind;
    uint32_t denies;
} rights[] = {
    { "restriction", RIGHT_RESTRICTION, DENIED_BY_RESTRICTION },
    { "pending erasure", RIGHT_PENDING_ERASURE, DENIED_BY_PENDING_ERASURE },
    { "no e-mail", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_EMAIL) },
    { "no sms", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_SMS) },
    { "no push", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_PUSH) },
    { "no web push", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_WEB_PUSH) },
    { "no in-app", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_IN_APP) },
    { "no whatsapp", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_WHATSAPP) },
    { "no rcs", RIGHT_OBJECTION, MARKET_BIT(CHANNEL_RCS) },
    { "no service e-mail", RIGHT_OBJECTION, SERVICE_BIT(CHANNEL_EMAIL) },
};

static void add(struct house *house, uint32_t ordinal, size_t i, int64_t until_ms)
{
    const struct right right = { .kind = rights[i].kind,
                                 .denies = rights[i].denies,
                                 .since_ms = when_now(&house->clock),
                                 .until_ms = until_ms,
                                 .road = STR("test") };

    MUST(right_add(house->ledger, house->account, ordinal, &right, &why));
}

static int64_t end(struct house *house, uint32_t ordinal, size_t i)
{
    const struct right_end how = { .notice_ms = WHEN_NONE };
    uint32_t which = rights[i].kind == RIGHT_OBJECTION ? rights[i].denies : 0;
    int64_t ended = 0;

    MUST(rights_end(house->ledger, house->account, ordinal, rights[i].kind, which, &how, &ended, &why));
    return ended;
}

static void every_pair_of_rights_ends_apart(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");

    for (size_t one = 0; one < COUNT_OF(rights); one++) {
        for (size_t other = 0; other < COUNT_OF(rights); other++) {
            if (one == other)
                continue;
            house_begin(house);
            add(house, ordinal, one, WHEN_NONE);
            add(house, ordinal, other, WHEN_NONE);
            house_commit(house);
            assert_int_equal(house_denied(house, ordinal), rights[one].denies | rights[other].denies);
            house_begin(house);
            assert_int_equal(end(house, ordinal, one), 1);
            house_commit(house);
            if (house_denied(house, ordinal) != rights[other].denies)
                fail_msg("ending '%s' touched '%s'", rights[one].name, rights[other].name);
            house_begin(house);
            assert_int_equal(end(house, ordinal, other), 1);
            house_commit(house);
            assert_int_equal(house_denied(house, ordinal), 0);
        }
    }
}

static void the_same_right_twice_ends_once_for_all(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");

    house_begin(house);
    add(house, ordinal, 0, WHEN_NONE);
    add(house, ordinal, 0, WHEN_NONE);
    house_commit(house);
    house_begin(house);
    assert_int_equal(end(house, ordinal, 0), 2);
    house_commit(house);
    house_begin(house);
    assert_int_equal(end(house, ordinal, 0), 0);
    house_commit(house);
    assert_int_equal(house_denied(house, ordinal), 0);
}

static void a_mask_is_published_only_behind_the_commit(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann"), denied = 0;
    uint32_t generation = account_subject(house->account, ordinal)->generation;

    house_begin(house);
    add(house, ordinal, 0, WHEN_NONE);
    assert_int_equal(house_denied(house, ordinal), 0);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_VIEW, REASON_NONE), ERROR_NONE);
    MUST(rights_denied(house->ledger, house->account, ordinal, &denied, &why));
    assert_int_equal(denied, DENIED_BY_RESTRICTION); /* the writer knows */
    house_commit(house);
    assert_int_equal(house_denied(house, ordinal), DENIED_BY_RESTRICTION);
    assert_true(account_subject(house->account, ordinal)->generation > generation);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_VIEW, REASON_NONE), ERROR_FORBIDDEN);
}

static void a_right_undone_or_rolled_back_was_never_there(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann"), denied = 7;

    house_begin(house);
    add(house, ordinal, 0, WHEN_NONE);
    house_undo(house);
    assert_int_equal(house_denied(house, ordinal), 0);
    MUST(rights_denied(house->ledger, house->account, ordinal, &denied, &why));
    assert_int_equal(denied, 0);
    house_begin(house);
    add(house, ordinal, 1, WHEN_NONE);
    ledger_rollback(house->ledger);
    assert_int_equal(house_denied(house, ordinal), 0);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM rights")), 0);
}

static void the_mask_comes_back_after_a_restart(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann"), other = house_person(house, "ben");

    house_begin(house);
    add(house, ordinal, 0, WHEN_NONE);
    add(house, ordinal, 2, WHEN_NONE);
    house_commit(house);
    house_begin(house);
    (void)end(house, ordinal, 0);
    house_commit(house);
    house_restart(house);
    assert_int_equal(house_denied(house, ordinal), rights[2].denies);
    assert_int_equal(house_denied(house, other), 0);
}

static bool count(void *arg, const struct right *right, struct error *error)
{
    size_t *counted = arg;

    (void)error;
    (*counted)++;
    return right->number > 0;
}

static void a_right_with_an_end_is_in_force_until_then(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    int64_t now = when_now(&house->clock);

    house_begin(house);
    add(house, ordinal, 0, now + WHEN_DAY);
    add(house, ordinal, 2, WHEN_NONE);
    house_commit(house);
    for (int days = 0; days <= 2; days += 2) {
        size_t counted = 0;
        bool stands = false;
        int64_t then = now + days * WHEN_DAY;
        MUST(rights_in_force(ledger_db(house->ledger), 1, ordinal, then, count, &counted, &why));
        MUST(right_stands(ledger_db(house->ledger), 1, ordinal, RIGHT_RESTRICTION, then, &stands, &why));
        assert_int_equal(counted, days == 0 ? 2 : 1);
        assert_int_equal(stands, days == 0);
    }
}

struct told {
    struct house *house;
    uint32_t ordinal;
    char road[100];
};

static bool take_told(void *arg, const struct right *right, const struct right_past *past, struct error *error)
{
    struct told *told = arg;
    struct house *house = told->house;
    struct arena arena;
    struct str road;
    const struct grant *grant =
        gate_open(house->reader, house->account, told->ordinal, PURPOSE_ANSWER, REASON_NONE, error);

    (void)right;
    arena_init(&arena, 10000);
    bool ok = grant && past->notice_ms == 1234 && past->ended_ms != WHEN_NONE &&
              right_notice_unseal(past, grant, &arena, &road, error);
    if (ok)
        (void)snprintf(told->road, sizeof told->road, "%.*s", STR_ARG(road));
    arena_clear(&arena);
    return ok;
}

static void how_a_right_ended_is_kept(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct told told = { house, ordinal, "" };
    const struct right_end how = {
        .request = 9, .notice_ms = 1234, .notice_road = STR("letter to ann"), .seat = house->writer
    };
    int64_t ended = 0;
    struct error error = { 0 };

    house_begin(house);
    add(house, ordinal, 0, WHEN_NONE);
    MUST(rights_end(house->ledger, house->account, ordinal, RIGHT_RESTRICTION, 0, &how, &ended, &why));
    house_commit(house);
    MUST(rights_of_subject(ledger_db(house->ledger), 1, ordinal, take_told, &told, &why));
    assert_string_equal(told.road, "letter to ann");
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM rights WHERE instr(notice_sealed, 'letter') > 0")),
                     0);
    MUST(db_begin(ledger_db(house->ledger), &why));
    MUST(db_run(ledger_db(house->ledger), SQL("UPDATE rights SET ended_by = 8"), NULL, NULL, NULL, &why));
    assert_false(rights_of_subject(ledger_db(house->ledger), 1, ordinal, take_told, &told, &error));
    db_rollback(ledger_db(house->ledger));
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(every_pair_of_rights_ends_apart),
        WITH_HOUSE(the_same_right_twice_ends_once_for_all),
        WITH_HOUSE(a_mask_is_published_only_behind_the_commit),
        WITH_HOUSE(a_right_undone_or_rolled_back_was_never_there),
        WITH_HOUSE(the_mask_comes_back_after_a_restart),
        WITH_HOUSE(a_right_with_an_end_is_in_force_until_then),
        WITH_HOUSE(how_a_right_ended_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
