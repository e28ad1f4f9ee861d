/* The master key: where it comes from, what is refused, and the accounts' keys under it. */
#include <fcntl.h>
#include <sodium.h>

#include "ledger/house.h"
#include "ledger/keyring.h"

#define HEX_ONE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int set_up(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));

    (void)unsetenv("HABEAS_MASTER_KEY_HEX");
    scratch_make(scratch);
    *state = scratch;
    return sodium_init() < 0;
}

static int tear_down(void **state)
{
    (void)unsetenv("HABEAS_MASTER_KEY_HEX");
    scratch_remove(*state);
    free(*state);
    return 0;
}

static const char *write_key(struct scratch *scratch, const char *text, mode_t mode)
{
    const char *path = scratch_path(scratch, "key");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* What a ring of the same key says of a constant wrapped by `ring`. */
static bool is_same_key(const struct keyring *ring, const struct keyring *other)
{
    unsigned char check[WRAPPED_LEN];

    keyring_make_check(ring, check);
    return keyring_check(other, (struct str){ (const char *)check, sizeof(check) });
}

static void a_missing_key_is_made_once_and_only_when_asked(void **state)
{
    struct scratch *scratch = *state;
    struct keyring *ring = NULL, *again = NULL;

    MUST_NOT(ERROR_NOT_FOUND, keyring_open(scratch_path(scratch, "new"), false, &ring, &why));
    MUST(keyring_open(scratch_path(scratch, "new"), true, &ring, &why));
    assert_int_equal(scratch_mode(scratch, "new"), 0600);
    assert_int_equal(scratch_size(scratch, "new"), 65);
    MUST(keyring_open(scratch_path(scratch, "new"), true, &again, &why));
    assert_true(is_same_key(ring, again));
    keyring_close(ring);
    keyring_close(again);
}

static void a_key_file_must_be_private_and_hold_64_hex_digits(void **state)
{
    const struct {
        const char *text;
        mode_t mode;
        enum error_code code;
    } cases[] = {
        { HEX_ONE, 0600, ERROR_NONE },         { HEX_ONE "\n", 0400, ERROR_NONE },
        { HEX_ONE "\n", 0640, ERROR_INVALID }, { HEX_ONE "\n", 0604, ERROR_INVALID },
        { HEX_ONE "\n", 0610, ERROR_INVALID }, { "", 0600, ERROR_INVALID },
        { HEX_ONE "00", 0600, ERROR_INVALID }, { "x" HEX_ONE, 0600, ERROR_INVALID },
        { "0011\n", 0600, ERROR_INVALID },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *path = write_key(*state, cases[i].text, cases[i].mode);
        struct error error = { 0 };
        struct keyring *ring = NULL;
        bool ok = keyring_open(path, false, &ring, &error);
        if (error.code != cases[i].code || ok != (cases[i].code == ERROR_NONE))
            fail_msg("case %zu: %d '%s'", i, (int)error.code, error.text);
        keyring_close(ring);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_directory_or_a_link_is_no_key(void **state)
{
    struct scratch *scratch = *state;
    struct keyring *ring = NULL;
    char target[SCRATCH_PATH_MAX];
    struct error error = { 0 };

    strcpy(target, write_key(scratch, HEX_ONE, 0600));
    assert_int_equal(symlink(target, scratch_path(scratch, "link")), 0);
    assert_false(keyring_open(scratch_path(scratch, "link"), true, &ring, &error));
    assert_int_equal(mkdir(scratch_path(scratch, "folder"), 0700), 0);
    MUST_NOT(ERROR_INVALID, keyring_open(scratch_path(scratch, "folder"), false, &ring, &why));
}

static void the_environment_comes_first_and_is_wiped(void **state)
{
    const char *path = write_key(*state, HEX_ONE, 0600);
    char other[] = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct keyring *from_file = NULL, *from_environment = NULL;
    char *place;

    MUST(keyring_open(path, false, &from_file, &why));
    assert_int_equal(setenv("HABEAS_MASTER_KEY_HEX", other, 1), 0);
    place = getenv("HABEAS_MASTER_KEY_HEX");
    MUST(keyring_open(path, false, &from_environment, &why));
    assert_null(getenv("HABEAS_MASTER_KEY_HEX"));
    assert_true(sodium_is_zero((const unsigned char *)place, 64)); /* where it lay, not only by name */
    assert_false(is_same_key(from_environment, from_file));
    keyring_close(from_file);
    keyring_close(from_environment);
}

static void a_bad_environment_is_refused_and_wiped_too(void **state)
{
    const char *path = write_key(*state, HEX_ONE, 0600);
    struct keyring *ring = NULL;

    assert_int_equal(setenv("HABEAS_MASTER_KEY_HEX", "0011", 1), 0);
    MUST_NOT(ERROR_INVALID, keyring_open(path, false, &ring, &why));
    assert_null(getenv("HABEAS_MASTER_KEY_HEX"));
}

static struct str wrapped(const unsigned char bytes[WRAPPED_LEN])
{
    return (struct str){ (const char *)bytes, WRAPPED_LEN };
}

static void an_accounts_keys_open_under_their_own_number_and_master_only(void **state)
{
    struct scratch *scratch = *state;
    unsigned char key[WRAPPED_LEN], pepper[WRAPPED_LEN];
    struct keyring *ring = NULL, *other = NULL;
    struct account_keys *made, *opened;
    struct error error = { 0 };

    MUST(keyring_open(scratch_path(scratch, "one"), true, &ring, &why));
    MUST(keyring_open(scratch_path(scratch, "two"), true, &other, &why));
    made = keyring_make_account(ring, 7, key, pepper, &error);
    assert_non_null(made);
    opened = keyring_open_account(ring, 7, wrapped(key), wrapped(pepper), &error);
    assert_non_null(opened);
    assert_memory_equal(made, opened, sizeof(*made));
    assert_memory_not_equal(&made->wrapping, &made->sealing, sizeof(made->sealing));
    assert_null(keyring_open_account(ring, 8, wrapped(key), wrapped(pepper), &error));
    assert_null(keyring_open_account(ring, 7, wrapped(pepper), wrapped(key), &error));
    assert_null(keyring_open_account(other, 7, wrapped(key), wrapped(pepper), &error));
    assert_int_equal(error.code, ERROR_CORRUPT);
    keyring_close(ring);
    keyring_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_key_is_made_once_and_only_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_file_must_be_private_and_hold_64_hex_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_or_a_link_is_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_environment_comes_first_and_is_wiped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_environment_is_refused_and_wiped_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_accounts_keys_open_under_their_own_number_and_master_only, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
