/* The key file: slots, anchor, what a torn write, a wrong key or a foreign file does. Writes and syncs go through the
 * two functions below, which stand before libc's, so that they can be short, interrupted or failing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>
#include <sodium.h>

#include "db/scratch.h"
#include "seal/keyfile.h"

#define SLOTS_AT 4096
#define SLOT_LEN 64
#define SLOTS_A_STEP (1 << 14)

#define ASSERT_OK(call)                                                                                                \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s", #call, error.text);                                                                     \
    } while (0)

static struct {
    size_t write_max; /* bytes a write takes at most; 0: no bound */
    int interrupts;   /* writes and syncs that are interrupted first */
    int sync_error;   /* errno of every sync; 0: none */
} disk;

ssize_t pwrite(int file, const void *bytes, size_t len, off_t offset)
{
    if (disk.interrupts > 0) {
        disk.interrupts--;
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_pwrite64, file, bytes, disk.write_max && len > disk.write_max ? disk.write_max : len, offset);
}

int fdatasync(int file)
{
    if (disk.interrupts > 0) {
        disk.interrupts--;
        errno = EINTR;
        return -1;
    }
    if (disk.sync_error) {
        errno = disk.sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

static const struct ledger_id id = { "ledger number 1" };
static const struct seal_key wrapping = { "the key of the account, 32 byte" };

static int set_up(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));

    memset(&disk, 0, sizeof(disk));
    scratch_make(scratch);
    *state = scratch;
    return 0;
}

static int tear_down(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

static struct keyfile *open_keys(struct scratch *scratch)
{
    struct error error = { 0 };
    struct keyfile *file = NULL;

    ASSERT_OK(keyfile_open(scratch_path(scratch, "keys"), true, &id, &file, &error));
    return file;
}

static struct seal_key key_of(uint64_t slot)
{
    struct seal_key key;

    for (size_t i = 0; i < SEAL_KEY_LEN; i++)
        key.bytes[i] = (unsigned char)(slot * 31 + i);
    return key;
}

static void put(struct keyfile *file, uint64_t slot)
{
    struct error error = { 0 };
    struct seal_key key = key_of(slot);

    ASSERT_OK(keyfile_put(file, 1, slot, &wrapping, &key, &error));
}

static enum error_code get(struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *under)
{
    struct error error = { 0 };
    struct seal_key key, expected = key_of(slot);

    if (!keyfile_get(file, account, slot, under, &key, &error))
        return error.code;
    assert_memory_equal(key.bytes, expected.bytes, SEAL_KEY_LEN);
    return ERROR_NONE;
}

static void refuses(struct scratch *scratch, const struct ledger_id *whose, enum error_code code, const char *says)
{
    struct error error = { 0 };
    struct keyfile *file = NULL;

    assert_false(keyfile_open(scratch_path(scratch, "keys"), true, whose, &file, &error));
    assert_null(file);
    if (error.code != code || !strstr(error.text, says))
        fail_msg("'%s' (%d) does not say '%s'", error.text, (int)error.code, says);
}

static void keys_come_back_also_after_a_reopen(void **state)
{
    static const uint64_t slots[] = { 0, 1, 2, 1000, SLOTS_A_STEP - 1, SLOTS_A_STEP, 3 * SLOTS_A_STEP + 5 };
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };

    for (size_t i = 0; i < COUNT_OF(slots); i++) {
        put(file, slots[i]);
        assert_int_equal(keyfile_slot_count(file), slots[i] + 1);
    }
    ASSERT_OK(keyfile_sync(file, &error));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(slots); i++)
            assert_int_equal(get(file, 1, slots[i], &wrapping), ERROR_NONE);
        assert_int_equal(get(file, 1, 3, &wrapping), ERROR_NOT_FOUND);
        assert_int_equal(keyfile_slot_count(file), 3 * SLOTS_A_STEP + 6);
        assert_memory_equal(keyfile_ledger_id(file)->bytes, id.bytes, LEDGER_ID_LEN);
        keyfile_close(file);
        file = open_keys(scratch);
    }
    keyfile_close(file);
    assert_int_equal(scratch_mode(scratch, "keys"), 0600);
    assert_int_equal(scratch_size(scratch, "keys"), SLOTS_AT + 4 * SLOTS_A_STEP * SLOT_LEN);
    assert_int_equal(scratch_size(scratch, "keys.new"), -1);
}

static void no_key_stands_in_the_file_in_the_clear(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };
    struct seal_key key = { "the key of a subject, 32 bytes." };

    ASSERT_OK(keyfile_put(file, 1, 0, &wrapping, &key, &error));
    assert_int_equal(scratch_count(scratch, "keys", "HABEASK1"), 1); /* the search finds what is there */
    assert_int_equal(scratch_count(scratch, "keys", "the key of"), 0);
    keyfile_close(file);
}

static void a_slot_number_is_used_once(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };
    struct seal_key key = key_of(5);
    const uint64_t destroyed = 5;

    put(file, 5);
    assert_false(keyfile_put(file, 1, 5, &wrapping, &key, &error));
    assert_int_equal(error.code, ERROR_INTERNAL);
    assert_false(keyfile_put(file, 1, 4, &wrapping, &key, &error));
    ASSERT_OK(keyfile_destroy(file, &destroyed, 1, &error));
    assert_false(keyfile_put(file, 1, 5, &wrapping, &key, &error));
    assert_false(keyfile_put(file, 1, UINT64_MAX, &wrapping, &key, &error));
    put(file, 6);
    keyfile_close(file);
}

static void a_destroyed_slot_is_zeros_and_its_neighbours_stay(void **state)
{
    static const uint64_t destroyed[] = { 3, 7, 9, 3, 123456789 }; /* twice, and one that never was */
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };
    unsigned char bytes[SLOT_LEN];

    for (uint64_t slot = 0; slot < 10; slot++)
        put(file, slot);
    long size = scratch_size(scratch, "keys");
    for (int round = 0; round < 2; round++) {
        ASSERT_OK(keyfile_destroy(file, destroyed, COUNT_OF(destroyed), &error));
        ASSERT_OK(keyfile_sync(file, &error));
        for (uint64_t slot = 0; slot < 10; slot++)
            assert_int_equal(get(file, 1, slot, &wrapping),
                             slot == 3 || slot == 7 || slot == 9 ? ERROR_NOT_FOUND : ERROR_NONE);
    }
    FILE *raw = fopen(scratch_path(scratch, "keys"), "rb");
    for (uint64_t slot = 0; slot < 10; slot++) {
        assert_int_equal(fseek(raw, (long)(SLOTS_AT + slot * SLOT_LEN), SEEK_SET), 0);
        assert_int_equal(fread(bytes, 1, sizeof(bytes), raw), sizeof(bytes));
        assert_int_equal(sodium_is_zero(bytes, sizeof(bytes)), slot == 3 || slot == 7 || slot == 9);
    }
    fclose(raw);
    assert_int_equal(scratch_size(scratch, "keys"), size);
    keyfile_close(file);
    file = open_keys(scratch);
    assert_int_equal(keyfile_slot_count(file), 9); /* slot 9 is gone at the end: the ledger still knows its number */
    keyfile_close(file);
}

static void a_slot_opens_only_in_its_place_for_its_account_and_under_its_key(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct seal_key other = wrapping;
    unsigned char bytes[SLOT_LEN];

    other.bytes[0] ^= 1;
    put(file, 0);
    assert_int_equal(get(file, 1, 0, &wrapping), ERROR_NONE);
    assert_int_equal(get(file, 1, 0, &other), ERROR_CORRUPT);
    assert_int_equal(get(file, 2, 0, &wrapping), ERROR_CORRUPT);
    FILE *raw = fopen(scratch_path(scratch, "keys"), "r+b");
    assert_int_equal(fseek(raw, SLOTS_AT, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), raw), sizeof(bytes));
    assert_int_equal(fseek(raw, SLOTS_AT + SLOT_LEN, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, sizeof(bytes), raw), sizeof(bytes));
    fclose(raw);
    assert_int_equal(get(file, 1, 1, &wrapping), ERROR_CORRUPT);
    assert_int_equal(get(file, 1, 0, &wrapping), ERROR_NONE);
    keyfile_close(file);
}

static void each_changed_byte_of_a_slot_is_noticed(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);

    put(file, 0);
    put(file, 1);
    for (long i = 0; i < SLOT_LEN; i++) {
        scratch_flip(scratch, "keys", SLOTS_AT + i);
        assert_int_equal(get(file, 1, 0, &wrapping), ERROR_CORRUPT);
        scratch_flip(scratch, "keys", SLOTS_AT + i);
        assert_int_equal(get(file, 1, 0, &wrapping), ERROR_NONE);
    }
    assert_int_equal(get(file, 1, 1, &wrapping), ERROR_NONE);
    keyfile_close(file);
}

/* ---- anchor ---- */

static void set_anchor(struct keyfile *file, uint64_t position, bool sync)
{
    struct error error = { 0 };

    ASSERT_OK(keyfile_set_anchor(file, (struct anchor){ position, (int64_t)position * -1000 }, &error));
    if (sync)
        ASSERT_OK(keyfile_sync(file, &error));
    assert_int_equal(keyfile_anchor(file).position, position);
}

static uint64_t anchor_after_reopen(struct scratch *scratch)
{
    struct keyfile *file = open_keys(scratch);
    struct anchor anchor = keyfile_anchor(file);

    assert_int_equal(anchor.time_ms, (int64_t)anchor.position * -1000);
    keyfile_close(file);
    return anchor.position;
}

static void the_newest_whole_anchor_counts(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);

    assert_int_equal(keyfile_anchor(file).position, 0); /* made in copy A */
    for (uint64_t position = 1; position <= 9; position++) {
        long newest = position % 2 ? 1024 : 512, older = position % 2 ? 512 : 1024;

        set_anchor(file, position, true);
        keyfile_close(file);
        assert_int_equal(anchor_after_reopen(scratch), position);
        for (long i = 0; i < 56; i++) { /* each byte that counts, torn: the other copy is used */
            scratch_flip(scratch, "keys", newest + i);
            assert_int_equal(anchor_after_reopen(scratch), position - 1);
            scratch_flip(scratch, "keys", newest + i);
        }
        if (position > 1) { /* and a torn older copy changes nothing */
            scratch_flip(scratch, "keys", older + 3);
            assert_int_equal(anchor_after_reopen(scratch), position);
            scratch_flip(scratch, "keys", older + 3);
        }
        file = open_keys(scratch);
    }
    keyfile_close(file);
}

/* Whatever is torn before the sync, what the last sync saw is still there. */
static void anchors_between_two_syncs_leave_the_last_synced_one_whole(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);

    set_anchor(file, 1, true);
    set_anchor(file, 2, true); /* stands in copy A */
    for (uint64_t position = 3; position <= 6; position++)
        set_anchor(file, position, false);
    keyfile_close(file);
    assert_int_equal(anchor_after_reopen(scratch), 6);
    scratch_flip(scratch, "keys", 1024);
    assert_int_equal(anchor_after_reopen(scratch), 2);
    scratch_flip(scratch, "keys", 512);
    refuses(scratch, &id, ERROR_CORRUPT, "both anchors");
}

/* ---- files that are not ours ---- */

static void a_foreign_or_damaged_file_is_refused(void **state)
{
    const struct {
        const char *name;
        long offset;
        enum error_code code;
        const char *says;
    } cases[] = {
        { "magic", 0, ERROR_INVALID, "not a key file" },
        { "format", 8, ERROR_INVALID, "newer program" },
        { "slot length", 12, ERROR_INVALID, "newer program" },
        { "ledger id", 16, ERROR_INVALID, "another ledger" },
    };
    const struct ledger_id other = { "ledger number 2" };
    struct scratch *scratch = *state;
    struct error error = { 0 };
    struct keyfile *file = open_keys(scratch);

    keyfile_close(file);
    refuses(scratch, &other, ERROR_INVALID, "another ledger");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scratch_flip(scratch, "keys", cases[i].offset);
        refuses(scratch, &id, cases[i].code, cases[i].says);
        scratch_flip(scratch, "keys", cases[i].offset);
    }
    ASSERT_OK(keyfile_open(scratch_path(scratch, "keys"), false, NULL, &file, &error));
    assert_memory_equal(keyfile_ledger_id(file)->bytes, id.bytes, LEDGER_ID_LEN);
    keyfile_close(file);
}

/* A build that seals and one that does not never open each other's files. */
static void the_file_of_the_other_kind_of_build_is_refused(void **state)
{
    struct scratch *scratch = *state;

    keyfile_close(open_keys(scratch));
    FILE *raw = fopen(scratch_path(scratch, "keys"), "r+b");
    assert_int_equal(fseek(raw, 32, SEEK_SET), 0);
    assert_int_equal(fgetc(raw), seal_is_control());
    assert_int_equal(fseek(raw, 32, SEEK_SET), 0);
    fputc(!seal_is_control(), raw);
    fclose(raw);
    refuses(scratch, &id, ERROR_INVALID,
            seal_is_control() ? "a test build must not open it" : "made by a test build that does not seal");
}

static void a_truncated_file_is_noticed(void **state)
{
    static const long lens[] = { 0, 10, 512, 1024, 4095, SLOTS_AT + 1, SLOTS_AT + SLOT_LEN - 1 };
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);

    put(file, 0);
    put(file, 1);
    keyfile_close(file);
    assert_int_equal(truncate(scratch_path(scratch, "keys"), SLOTS_AT + SLOT_LEN), 0);
    file = open_keys(scratch); /* cut between two slots: seen when one behind the cut is wanted */
    assert_int_equal(get(file, 1, 0, &wrapping), ERROR_NONE);
    assert_int_equal(get(file, 1, 1, &wrapping), ERROR_CORRUPT);
    keyfile_close(file);
    for (size_t i = COUNT_OF(lens); i-- > 0;) {
        assert_int_equal(truncate(scratch_path(scratch, "keys"), lens[i]), 0);
        refuses(scratch, &id, ERROR_CORRUPT, "cut off");
    }
}

static void a_missing_file_is_made_only_when_asked(void **state)
{
    struct scratch *scratch = *state;
    struct error error = { 0 };
    struct keyfile *file = NULL;

    assert_false(keyfile_open(scratch_path(scratch, "keys"), false, &id, &file, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(scratch_size(scratch, "keys"), -1);
}

static void a_crash_while_it_is_made_leaves_no_half_file(void **state)
{
    struct scratch *scratch = *state;
    struct error error = { 0 };
    struct keyfile *file = NULL;

    disk.sync_error = EIO;
    assert_false(keyfile_open(scratch_path(scratch, "keys"), true, &id, &file, &error));
    assert_int_equal(scratch_size(scratch, "keys"), -1);
    disk.sync_error = 0;
    keyfile_close(open_keys(scratch)); /* over what was left */
    assert_int_equal(scratch_size(scratch, "keys.new"), -1);
}

/* ---- the disk ---- */

static void short_and_interrupted_writes_are_finished(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };

    disk.write_max = 7;
    for (uint64_t slot = 0; slot < 20; slot++) {
        disk.interrupts = 3;
        put(file, slot);
        assert_int_equal(disk.interrupts, 0);
    }
    set_anchor(file, 5, false);
    disk.interrupts = 3;
    ASSERT_OK(keyfile_sync(file, &error));
    keyfile_close(file);
    assert_int_equal(anchor_after_reopen(scratch), 5);
    file = open_keys(scratch);
    for (uint64_t slot = 0; slot < 20; slot++)
        assert_int_equal(get(file, 1, slot, &wrapping), ERROR_NONE);
    keyfile_close(file);
}

static void after_a_failed_sync_nothing_more_is_done(void **state)
{
    struct scratch *scratch = *state;
    struct keyfile *file = open_keys(scratch);
    struct error error = { 0 };
    struct seal_key key = key_of(1);
    const uint64_t slot = 0;

    put(file, 0);
    disk.sync_error = ENOSPC;
    assert_false(keyfile_sync(file, &error));
    assert_int_equal(error.code, ERROR_FULL);
    disk.sync_error = 0;
    assert_false(keyfile_sync(file, &error));
    assert_int_equal(error.code, ERROR_DATABASE);
    assert_false(keyfile_put(file, 1, 1, &wrapping, &key, &error));
    assert_false(keyfile_get(file, 1, 0, &wrapping, &key, &error));
    assert_false(keyfile_destroy(file, &slot, 1, &error));
    assert_false(keyfile_set_anchor(file, (struct anchor){ 1, 1 }, &error));
    keyfile_close(file);
    file = open_keys(scratch);
    assert_int_equal(get(file, 1, 0, &wrapping), ERROR_NONE);
    keyfile_close(file);
}

/* ---- keys under keys ---- */

static void a_wrapped_key_opens_only_as_it_was_wrapped(void **state)
{
    struct seal_key key = key_of(9), other = wrapping, out;
    unsigned char wrapped[WRAPPED_LEN], again[WRAPPED_LEN];
    struct str whole = { (const char *)wrapped, sizeof(wrapped) };
    const struct seal_key zeros = { { 0 } };

    (void)state;
    other.bytes[31] ^= 0x80;
    key_wrap(wrapped, &key, &wrapping, STR("account 1"));
    key_wrap(again, &key, &wrapping, STR("account 1"));
    assert_memory_not_equal(wrapped, again, sizeof(wrapped));
    assert_true(key_unwrap(&out, whole, &wrapping, STR("account 1")));
    assert_memory_equal(out.bytes, key.bytes, SEAL_KEY_LEN);

    assert_false(key_unwrap(&out, whole, &wrapping, STR("account 2")));
    assert_memory_equal(out.bytes, zeros.bytes, SEAL_KEY_LEN);
    assert_false(key_unwrap(&out, whole, &other, STR("account 1")));
    assert_false(key_unwrap(&out, (struct str){ whole.at, whole.len - 1 }, &wrapping, STR("account 1")));
    assert_false(key_unwrap(&out, (struct str){ NULL, 0 }, &wrapping, STR("account 1")));
    for (size_t i = 0; i < sizeof(wrapped); i++) {
        wrapped[i] ^= 1;
        assert_false(key_unwrap(&out, whole, &wrapping, STR("account 1")));
        wrapped[i] ^= 1;
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_come_back_also_after_a_reopen),
        CASE(no_key_stands_in_the_file_in_the_clear),
        CASE(a_slot_number_is_used_once),
        CASE(a_destroyed_slot_is_zeros_and_its_neighbours_stay),
        CASE(a_slot_opens_only_in_its_place_for_its_account_and_under_its_key),
        CASE(each_changed_byte_of_a_slot_is_noticed),
        CASE(the_newest_whole_anchor_counts),
        CASE(anchors_between_two_syncs_leave_the_last_synced_one_whole),
        CASE(a_foreign_or_damaged_file_is_refused),
        CASE(the_file_of_the_other_kind_of_build_is_refused),
        CASE(a_truncated_file_is_noticed),
        CASE(a_missing_file_is_made_only_when_asked),
        CASE(a_crash_while_it_is_made_leaves_no_half_file),
        CASE(short_and_interrupted_writes_are_finished),
        CASE(after_a_failed_sync_nothing_more_is_done),
        CASE(a_wrapped_key_opens_only_as_it_was_wrapped),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
