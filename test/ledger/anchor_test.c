/* Ledger, keys and master key belong together: what is opened, what is refused, and what is made up for at start. */
#include "ledger/house.h"

static void copy_file(struct house *house, const char *from, const char *to)
{
    char source[SCRATCH_PATH_MAX], bytes[65536];
    FILE *in, *out;
    size_t got;

    strcpy(source, scratch_path(&house->scratch, from));
    in = fopen(source, "rb");
    out = fopen(scratch_path(&house->scratch, to), "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((got = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, got, out), got);
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(scratch_path(&house->scratch, to), 0600), 0);
}

static void refuses(struct house *house, enum error_code code, const char *says, const char *also)
{
    struct error error = { 0 };

    assert_false(house_try_open(house, true, &error));
    if (error.code != code || !strstr(error.text, says) || !strstr(error.text, also))
        fail_msg("%d '%s'", (int)error.code, error.text);
}

static const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };

static void keys_ahead_of_the_ledger_are_refused_with_both_positions(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");

    house_erase(house, ann, &plain);
    assert_int_equal(ledger_position(house->ledger), 1);
    house_shut(house);
    copy_file(house, "ledger/ledger.db", "old.db");
    MUST(house_try_open(house, false, &why));
    house->account = ledger_account(house->ledger, 1);
    house_erase(house, ben, &plain);
    assert_int_equal(ledger_position(house->ledger), 2);
    house_shut(house);
    copy_file(house, "old.db", "ledger/ledger.db");
    refuses(house, ERROR_INVALID, "position 1", "at 2");
}

static void lose_again(struct house *house, bool done)
{
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    uint64_t slot = account_subject(house->account, ann)->slot;
    struct seal_key key;

    house_shut(house);
    copy_file(house, "ledger/keys", "old-keys");
    MUST(house_try_open(house, false, &why));
    house->account = ledger_account(house->ledger, 1);
    house_erase(house, ann, &plain);
    if (done) {
        house_begin(house);
        MUST(subject_erased(house->ledger, house->account, ann, &why));
        house_commit(house);
    }
    house_shut(house);
    copy_file(house, "old-keys", "ledger/keys");
    MUST(house_try_open(house, false, &why));
    house->account = ledger_account(house->ledger, 1);
    MUST_NOT(ERROR_NOT_FOUND,
             keyfile_get(ledger_keyfile(house->ledger), 1, slot, &house->account->keys->wrapping, &key, &why));
    MUST(keyfile_get(ledger_keyfile(house->ledger), 1, account_subject(house->account, ben)->slot,
                     &house->account->keys->wrapping, &key, &why));
    assert_int_equal(keyfile_anchor(ledger_keyfile(house->ledger)).position, ledger_position(house->ledger));
}

static void keys_that_are_behind_lose_again_what_was_erased_since(void **state)
{
    lose_again(*state, false);
}

/* A copy may be put back long after the end of an erasure. */
static void keys_that_are_behind_lose_again_what_was_done_since(void **state)
{
    lose_again(*state, true);
}

static void lost_keys_are_never_replaced_by_empty_ones(void **state)
{
    struct house *house = *state;
    struct error error = { 0 };

    (void)house_person(house, "ann");
    house_shut(house);
    assert_int_equal(unlink(scratch_path(&house->scratch, "ledger/keys")), 0);
    assert_false(house_try_open(house, true, &error));
    assert_int_equal(scratch_size(&house->scratch, "ledger/keys"), -1);
}

static void another_ledgers_keys_are_refused(void **state)
{
    struct house *house = *state, *other;
    char theirs[SCRATCH_PATH_MAX];
    struct error error = { 0 };

    (void)house_person(house, "ann");
    house_set_up((void **)&other);
    house_shut(house);
    strcpy(theirs, scratch_path(&other->scratch, "ledger/keys"));
    assert_int_equal(unlink(scratch_path(&house->scratch, "ledger/keys")), 0);
    assert_int_equal(link(theirs, scratch_path(&house->scratch, "ledger/keys")), 0);
    assert_false(house_try_open(house, true, &error));
    house_tear_down((void **)&other);
}

static void another_master_key_is_refused(void **state)
{
    struct house *house = *state;

    house_shut(house);
    assert_int_equal(unlink(house->key_path), 0);
    refuses(house, ERROR_INVALID, "not the master key", "");
}

static void a_copy_made_by_backup_is_refused(void **state)
{
    struct house *house = *state;

    MUST(db_run(ledger_db(house->ledger), SQL("UPDATE head SET is_copy = 1"), DB_PARAMS(DB_END), NULL, NULL, &why));
    house_shut(house);
    refuses(house, ERROR_INVALID, "copy made by backup", "");
}

static void an_empty_ledger_is_no_ledger_unless_it_is_to_be_made(void **state)
{
    struct house *house = *state;
    struct error error = { 0 };

    house_shut(house);
    strcpy(house->ledger_path, scratch_path(&house->scratch, "nothing"));
    assert_false(house_try_open(house, false, &error));
    MUST(house_try_open(house, true, &why));
    assert_int_equal(ledger_account_count(house->ledger), 0);
}

static void a_position_rises_with_commits_only(void **state)
{
    struct house *house = *state;
    uint64_t position = ledger_position(house->ledger);

    house_begin(house);
    (void)ledger_raise_position(house->ledger);
    assert_int_equal(ledger_position(house->ledger), position);
    ledger_rollback(house->ledger);
    house_begin(house);
    (void)ledger_raise_position(house->ledger);
    (void)ledger_raise_position(house->ledger);
    house_commit(house);
    assert_int_equal(ledger_position(house->ledger), position + 2);
    assert_int_equal(keyfile_anchor(ledger_keyfile(house->ledger)).position, position + 2);
    house_restart(house);
    assert_int_equal(ledger_position(house->ledger), position + 2);
}

static void slots_are_never_used_again(void **state)
{
    struct house *house = *state;
    uint64_t last = 0;
    char id[16];

    for (int i = 0; i < 6; i++) {
        (void)snprintf(id, sizeof(id), "u%d", i);
        uint32_t ordinal = house_person(house, id);
        uint64_t slot = account_subject(house->account, ordinal)->slot;
        assert_true(i == 0 || slot > last);
        last = slot;
        house_erase(house, ordinal, &plain); /* the newest slot is empty now, and still taken */
        house_restart(house);
    }
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(keys_ahead_of_the_ledger_are_refused_with_both_positions),
        WITH_HOUSE(keys_that_are_behind_lose_again_what_was_erased_since),
        WITH_HOUSE(keys_that_are_behind_lose_again_what_was_done_since),
        WITH_HOUSE(lost_keys_are_never_replaced_by_empty_ones),
        WITH_HOUSE(another_ledgers_keys_are_refused),
        WITH_HOUSE(another_master_key_is_refused),
        WITH_HOUSE(a_copy_made_by_backup_is_refused),
        WITH_HOUSE(an_empty_ledger_is_no_ledger_unless_it_is_to_be_made),
        WITH_HOUSE(a_position_rises_with_commits_only),
        WITH_HOUSE(slots_are_never_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
