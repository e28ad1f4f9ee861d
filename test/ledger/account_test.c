/* Accounts, credentials, options and sources. */
#include "ledger/account.h"
#include "ledger/house.h"

static bool add_account(struct house *house, const char *license, const char *zone, struct error *error)
{
    const struct new_account fresh = { str_of(license), str_of(zone) };
    uint32_t number = 0;

    return ledger_add_account(house->ledger, &fresh, &number, error);
}

static void licenses_are_plain_words(void **state)
{
    static const struct {
        const char *license;
        bool ok;
    } cases[] = {
        { "a", true },
        { "~2024aB_-9", true },
        { "", false },
        { "a b", false },
        { "a/b", false },
        { "ä", false },
        { "a.b", false },
        { "{license}", false },
        { "0123456789012345678901234567890123456789012345678901234567890123", true },
        { "01234567890123456789012345678901234567890123456789012345678901234", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (license_is_valid(str_of(cases[i].license)) != cases[i].ok)
            fail_msg("'%s'", cases[i].license);
}

static void an_account_is_refused_for_a_reason(void **state)
{
    struct house *house = *state;

    house_begin(house);
    MUST_NOT(ERROR_CONFLICT, add_account(house, "shop", "UTC", &why));
    MUST_NOT(ERROR_INVALID, add_account(house, "bad license", "UTC", &why));
    MUST_NOT(ERROR_INVALID, add_account(house, "other", "Europe/Nowhere", &why));
    MUST_NOT(ERROR_INVALID, add_account(house, "other", "../../etc/passwd", &why));
    house_undo(house);
    assert_int_equal(ledger_account_count(house->ledger), 1);
}

static void accounts_come_back_with_their_zone_and_keys(void **state)
{
    struct house *house = *state;
    struct account_keys keys;
    char license[32];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(license, sizeof(license), "more-%d", i);
        house_begin(house);
        MUST(add_account(house, license, i % 2 ? "Europe/Berlin" : "UTC", &why));
        assert_null(ledger_account_of_license(house->ledger, str_of(license)));
        house_commit(house);
        assert_non_null(ledger_account_of_license(house->ledger, str_of(license)));
    }
    memcpy(&keys, ledger_account(house->ledger, 11)->keys, sizeof(keys));
    house_restart(house);
    assert_int_equal(ledger_account_count(house->ledger), 21);
    assert_string_equal(ledger_account_of_license(house->ledger, STR("more-19"))->time_zone, "Europe/Berlin");
    assert_memory_equal(&keys, ledger_account(house->ledger, 11)->keys, sizeof(keys));
    assert_null(ledger_account(house->ledger, 0));
    assert_null(ledger_account(house->ledger, 22));
}

static void a_key_works_from_its_commit_to_its_revocation(void **state)
{
    struct house *house = *state;
    char text[CREDENTIAL_TEXT_MAX], other[CREDENTIAL_TEXT_MAX];
    uint32_t number = 0, second = 0;

    house_begin(house);
    MUST(ledger_add_credential(house->ledger, 1, SCOPE_ALL, text, &number, &why));
    MUST(ledger_add_credential(house->ledger, 1, SCOPE_INGEST, other, &second, &why));
    assert_null(ledger_credential(house->ledger, str_of(text)));
    house_commit(house);
    assert_int_equal(second, number + 1);
    assert_string_not_equal(text, other);
    assert_int_equal(strncmp(text, "hba_", 4), 0);
    assert_int_equal(strncmp(other, "hbw_", 4), 0);
    const struct credential *credential = ledger_credential(house->ledger, str_of(text));
    assert_non_null(credential);
    assert_int_equal(credential->scopes, SCOPE_ALL);
    house_begin(house);
    MUST(ledger_revoke_credential(house->ledger, 1, number, &why));
    assert_non_null(ledger_credential(house->ledger, str_of(text))); /* not committed: still in force */
    house_commit(house);
    assert_null(ledger_credential(house->ledger, str_of(text)));
    assert_non_null(ledger_credential(house->ledger, str_of(other)));
    assert_int_equal(ledger_scopes(house->ledger, 1, number), SCOPE_ALL); /* what it could do is still told */
    house_begin(house);
    MUST_NOT(ERROR_NOT_FOUND, ledger_revoke_credential(house->ledger, 1, number, &why));
    MUST_NOT(ERROR_NOT_FOUND, ledger_revoke_credential(house->ledger, 2, second, &why));
    house_undo(house);
    house_restart(house);
    assert_null(ledger_credential(house->ledger, str_of(text)));
    assert_non_null(ledger_credential(house->ledger, str_of(other)));
}

static void a_key_text_that_differs_anywhere_is_not_the_key(void **state)
{
    struct house *house = *state;
    char text[CREDENTIAL_TEXT_MAX];
    uint32_t number = 0;

    house_begin(house);
    MUST(ledger_add_credential(house->ledger, 1, SCOPE_READ, text, &number, &why));
    house_commit(house);
    for (size_t i = 0; i < strlen(text); i++) {
        text[i] ^= 1;
        assert_null(ledger_credential(house->ledger, str_of(text)));
        text[i] ^= 1;
    }
    assert_null(ledger_credential(house->ledger, (struct str){ text, strlen(text) - 1 }));
    assert_null(ledger_credential(house->ledger, STR("")));
    assert_non_null(ledger_credential(house->ledger, str_of(text)));
}

/* What is stored is a hash; one that begins alike and ends otherwise is another key's, so all of it is compared. */
static void the_whole_hash_is_compared(void **state)
{
    struct house *house = *state;
    char text[CREDENTIAL_TEXT_MAX];
    uint32_t number = 0;
    int64_t changed = 0;
    unsigned char hash[CREDENTIAL_HASH_LEN];

    house_begin(house);
    MUST(ledger_add_credential(house->ledger, 1, SCOPE_READ, text, &number, &why));
    house_commit(house);
    credential_hash(str_of(text), hash);
    hash[CREDENTIAL_HASH_LEN - 1] ^= 1;
    MUST(db_change(ledger_db(house->ledger), SQL("UPDATE credential SET hash = $1 WHERE credential = $2"),
                   DB_PARAMS(DB_BLOB(hash, sizeof(hash)), DB_INTEGER(number)), &changed, &why));
    assert_int_equal(changed, 1);
    house_restart(house);
    assert_null(ledger_credential(house->ledger, str_of(text)));
}

static void scopes_are_written_as_they_are_read(void **state)
{
    static const struct {
        const char *list;
        bool ok;
        unsigned scopes;
        const char *written;
    } cases[] = {
        { "ingest", true, SCOPE_INGEST, "ingest" },
        { "admin,read", true, SCOPE_ADMIN | SCOPE_READ, "read,admin" },
        { " rights , report ", true, SCOPE_RIGHTS | SCOPE_REPORT, "report,rights" },
        { "ingest,read,report,rights,admin", true, SCOPE_ALL, "ingest,read,report,rights,admin" },
        { "", false, 0, "" },
        { "ingest,,read", false, 0, "" },
        { "operator", false, 0, "" },
        { "Read", false, 0, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned scopes = 0;
        struct buf out;
        if (scopes_of(str_of(cases[i].list), &scopes) != cases[i].ok || scopes != cases[i].scopes)
            fail_msg("'%s'", cases[i].list);
        buf_init(&out, 100);
        scopes_write(scopes, &out);
        assert_true(str_equal(buf_str(&out), str_of(cases[i].written)));
        buf_clear(&out);
    }
}

static void a_key_never_gets_the_operators_scope(void **state)
{
    struct house *house = *state;
    char text[CREDENTIAL_TEXT_MAX];
    uint32_t number = 0;

    house_begin(house);
    MUST(ledger_add_credential(house->ledger, 1, SCOPE_READ | SCOPE_OPERATOR, text, &number, &why));
    house_commit(house);
    assert_int_equal(ledger_credential(house->ledger, str_of(text))->scopes, SCOPE_READ);
}

static void options_are_checked_and_kept(void **state)
{
    struct house *house = *state;

    house_begin(house);
    MUST_NOT(ERROR_INVALID, ledger_set_option(house->ledger, 1, STR("no_such"), STR("1"), &why));
    MUST_NOT(ERROR_INVALID, ledger_set_option(house->ledger, 1, STR("late_mark_days"), STR("401"), &why));
    MUST_NOT(ERROR_INVALID, ledger_set_option(house->ledger, 1, STR("late_mark_days"), STR("soon"), &why));
    MUST(ledger_set_option(house->ledger, 1, STR("late_mark_days"), STR("400"), &why));
    MUST(ledger_set_option(house->ledger, 1, STR("lift_needs_notice"), STR("true"), &why));
    assert_int_equal(house->account->options.late_mark_days, 30);
    house_commit(house);
    assert_int_equal(house->account->options.late_mark_days, 400);
    house_restart(house);
    assert_int_equal(house->account->options.late_mark_days, 400);
    assert_true(house->account->options.lift_needs_notice);
}

static void a_source_is_one_number_for_ever(void **state)
{
    struct house *house = *state;
    uint32_t first = 0, again = 0, other = 0;

    house_begin(house);
    MUST(ledger_source(house->ledger, 1, 3, STR("/v1/a"), &first, &why));
    MUST(ledger_source(house->ledger, 1, 3, STR("/v1/a"), &again, &why));
    MUST(ledger_source(house->ledger, 1, 4, STR("/v1/a"), &other, &why));
    assert_int_equal(ledger_known_source(house->ledger, 1, 3, STR("/v1/a")), 0);
    house_commit(house);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
    house_restart(house);
    assert_int_equal(ledger_known_source(house->ledger, 1, 3, STR("/v1/a")), first);
    assert_int_equal(ledger_known_source(house->ledger, 2, 3, STR("/v1/a")), 0);
    assert_string_equal(ledger_source_at(house->ledger, 1, other)->route, "/v1/a");
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(licenses_are_plain_words),
        WITH_HOUSE(an_account_is_refused_for_a_reason),
        WITH_HOUSE(accounts_come_back_with_their_zone_and_keys),
        WITH_HOUSE(a_key_works_from_its_commit_to_its_revocation),
        WITH_HOUSE(a_key_text_that_differs_anywhere_is_not_the_key),
        WITH_HOUSE(the_whole_hash_is_compared),
        cmocka_unit_test(scopes_are_written_as_they_are_read),
        WITH_HOUSE(a_key_never_gets_the_operators_scope),
        WITH_HOUSE(options_are_checked_and_kept),
        WITH_HOUSE(a_source_is_one_number_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
