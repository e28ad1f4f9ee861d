/* Every write and every sync of a group's commit fails once in turn: nothing is shown unless it is committed, memory and
 * rows say the same, a key that was to go is gone before anything else is done, and the next group works.
 * Writes and syncs go through the functions below, which stand before libc's. */
#include <errno.h>
#include <sys/syscall.h>

#include "ledger/audit.h"
#include "ledger/house.h"
#include "ledger/link.h"

static struct {
    int calls, fails_at; /* from 1; 0: none */
    bool is_on, struck;
} disk;

static bool strikes(void)
{
    if (!disk.is_on || ++disk.calls != disk.fails_at)
        return false;
    disk.struck = true;
    errno = EIO;
    return true;
}

ssize_t pwrite(int file, const void *bytes, size_t len, off_t offset)
{
    return strikes() ? -1 : syscall(SYS_pwrite64, file, bytes, len, offset);
}

/* The one above may be known to the linker as pwrite64: libraries call either. */
ssize_t plain_pwrite(int file, const void *bytes, size_t len, off_t offset) __asm__("pwrite");

ssize_t plain_pwrite(int file, const void *bytes, size_t len, off_t offset)
{
    return strikes() ? -1 : syscall(SYS_pwrite64, file, bytes, len, offset);
}

int fdatasync(int file)
{
    return strikes() ? -1 : (int)syscall(SYS_fdatasync, file);
}

int fsync(int file)
{
    return strikes() ? -1 : (int)syscall(SYS_fsync, file);
}

/* One group with something of everything: a new person, a link, a right, an erasure, a key, an audit entry. */
struct act {
    uint32_t restricted, erased, made;
    uint64_t erased_slot;
    uint64_t position, entries;
    char text[CREDENTIAL_TEXT_MAX];
};

static bool change(struct house *house, struct act *act, struct error *error)
{
    const struct right right = {
        .kind = RIGHT_RESTRICTION, .denies = DENIED_BY_RESTRICTION, .until_ms = WHEN_NONE, .road = STR("test")
    };
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };
    const struct audit_entry entry = { .at_ms = 1, .act = "test", .account = 1 };
    struct fingerprint print = house_print(house, "new");
    uint32_t number = 0;

    (void)ledger_raise_position(house->ledger);
    return subject_create(house->ledger, house->writer, house->account, IDENTITY_CUID, &print, 1, &act->made, error) &&
           link_add(house->ledger, house->account, act->made, act->restricted, 1, error) &&
           right_add(house->ledger, house->account, act->restricted, &right, error) &&
           subject_erase(house->ledger, house->account, &act->erased, 1, &plain, error) &&
           ledger_add_credential(house->ledger, 1, SCOPE_READ, act->text, &number, error) &&
           audit_add(ledger_audit(house->ledger), &entry, error);
}

static bool run_group(struct house *house, struct act *act, struct error *error)
{
    bool ok;

    if (!ledger_begin(house->ledger, error))
        return false;
    ok = ledger_part_begin(house->ledger, error);
    if (ok) {
        ok = change(house, act, error);
        struct error closing = { 0 };
        ok = ledger_part_end(house->ledger, ok, &closing) && ok;
    }
    if (ok && ledger_commit(house->ledger, error))
        return true;
    ledger_rollback(house->ledger);
    return false;
}

static bool row_says_restricted(struct house *house, uint32_t ordinal)
{
    bool stands = false;

    MUST(right_stands(ledger_db(house->ledger), 1, ordinal, RIGHT_RESTRICTION, 1, &stands, &why));
    return stands;
}

/* What memory shows of the group: all of it or nothing. */
static bool is_shown(struct house *house, const struct act *act)
{
    struct fingerprint new_one = house_print(house, "new"), erased = house_print(house, "erased");
    bool restricted = house_denied(house, act->restricted) != 0;

    assert_int_equal(account_find(house->account, &new_one) != 0, restricted);
    if (restricted) { /* the link stands with all the rest, and so does the right for both */
        uint32_t made = account_find(house->account, &new_one);
        assert_int_equal(account_person(house->account, made), account_person(house->account, act->restricted));
        assert_int_equal(house_denied(house, made), DENIED_BY_RESTRICTION);
    }
    assert_int_equal(account_find(house->account, &erased) == 0, restricted);
    assert_int_equal(ledger_credential(house->ledger, str_of(act->text)) != NULL, restricted);
    assert_int_equal(ledger_position(house->ledger) > act->position, restricted);
    return restricted;
}

static void audit_holds(struct house *house)
{
    uint64_t entries = 0, bad = 99;

    MUST(ledger_verify_audit(house->ledger, &entries, &bad, &why));
    assert_int_equal(bad, 0);
}

static void rows_agree(struct house *house, const struct act *act, bool shown)
{
    assert_int_equal(row_says_restricted(house, act->restricted), shown);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject")), shown ? 3 : 2);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject WHERE state <> 1")), shown);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM credential")), shown);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM link")), shown);
}

static void key_is_gone(struct house *house, const struct act *act, bool gone)
{
    struct error error = { 0 };
    struct seal_key key;

    assert_int_equal(
        keyfile_get(ledger_keyfile(house->ledger), 1, act->erased_slot, &house->account->keys->wrapping, &key, &error),
        !gone);
}

static void start(struct house *house, struct act *act)
{
    *act = (struct act){ .restricted = house_person(house, "restricted"), .erased = house_person(house, "erased") };
    act->erased_slot = account_subject(house->account, act->erased)->slot;
    act->position = ledger_position(house->ledger);
}

/* The next group, on the same open ledger. */
static void works_again(struct house *house)
{
    struct fingerprint print;
    uint32_t ordinal = house_person(house, "afterwards");

    print = house_print(house, "afterwards");
    assert_int_equal(account_find(house->account, &print), ordinal);
    assert_int_equal(house_asks(house, house->reader, ordinal, PURPOSE_VIEW, REASON_NONE), ERROR_NONE);
}

/* Fails the nth call of the group; false when there was no nth. */
static bool fail_once(int nth, bool crash)
{
    struct house *house = NULL;
    struct act act;
    struct error error = { 0 };

    house_set_up((void **)&house);
    start(house, &act);
    disk.calls = 0;
    disk.fails_at = nth;
    disk.struck = false;
    disk.is_on = true;
    bool ok = run_group(house, &act, &error);
    disk.is_on = false;
    assert_int_equal(ok, !disk.struck);
    bool shown = is_shown(house, &act);
    if (ok)
        assert_true(shown);
    if (shown) /* in force even where the caller was told of a failure */
        assert_int_equal(house_asks(house, house->reader, act.restricted, PURPOSE_VIEW, REASON_NONE), ERROR_FORBIDDEN);
    if (crash) {
        house_restart(house);
        shown =
            house_denied(house, act.restricted) != 0; /* a commit in doubt may be found whole: it is one or the other */
        rows_agree(house, &act, shown);
    } else {
        works_again(house);
        assert_int_equal(is_shown(house, &act), shown);
        assert_int_equal(row_says_restricted(house, act.restricted), shown);
    }
    key_is_gone(house, &act, shown);
    audit_holds(house);
    house_restart(house);
    assert_int_equal(house_denied(house, act.restricted) != 0, shown);
    key_is_gone(house, &act, shown);
    audit_holds(house);
    house_tear_down((void **)&house);
    return disk.struck;
}

static void each_write_and_sync_fails_once_and_the_next_group_works(void **state)
{
    int nth = 1;

    (void)state;
    while (fail_once(nth, false))
        nth++;
    assert_true(nth > 8); /* the file calls of a group are more than a few */
}

static void each_write_and_sync_fails_once_and_then_the_process_ends(void **state)
{
    int nth = 1;

    (void)state;
    while (fail_once(nth, true))
        nth++;
    assert_true(nth > 8);
}

/* A part whose own statement is refused takes back all of its own, and nothing of the part before. */
static void a_part_that_fails_leaves_the_others(void **state)
{
    struct house *house = NULL;
    struct act act;
    struct name name;

    (void)state;
    house_set_up((void **)&house);
    start(house, &act);
    house_begin(house);
    MUST(ledger_add_name(house->ledger, house->account, NAME_EVENT, STR("kept"), TYPE_NONE, &name, &why));
    MUST(ledger_part_end(house->ledger, true, &why));
    MUST(ledger_part_begin(house->ledger, &why));
    MUST(change(house, &act, &why));
    MUST(ledger_part_end(house->ledger, false, &why));
    MUST(ledger_commit(house->ledger, &why));
    assert_non_null(names_find(&house->account->names[NAME_EVENT], STR("kept")));
    assert_int_equal(house_denied(house, act.restricted), 0);
    assert_int_equal(row_says_restricted(house, act.restricted), false);
    key_is_gone(house, &act, false);
    audit_holds(house);
    works_again(house);
    house_tear_down((void **)&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write_and_sync_fails_once_and_the_next_group_works),
        cmocka_unit_test(each_write_and_sync_fails_once_and_then_the_process_ends),
        cmocka_unit_test(a_part_that_fails_leaves_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
