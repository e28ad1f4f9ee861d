/* The chain of what was done: written before the ledger's head, cut back to it, and every changed byte found. */
#include <sodium.h>

#include "ledger/audit.h"
#include "ledger/house.h"

struct book {
    struct scratch scratch;
    char path[SCRATCH_PATH_MAX];
    struct audit_head head;
    struct audit *audit;
};

static void open_book(struct book *book, bool cut_wanted)
{
    bool cut = !cut_wanted;

    MUST(audit_open(book->path, &book->head, &book->audit, &cut, &why));
    assert_int_equal(cut, cut_wanted);
}

static int set_up(void **state)
{
    struct book *book = calloc(1, sizeof(*book));

    scratch_make(&book->scratch);
    strcpy(book->path, scratch_path(&book->scratch, "audit"));
    book->head.segment = 1;
    *state = book;
    if (sodium_init() < 0 || mkdir(book->path, 0700) != 0)
        return -1;
    open_book(book, false);
    return 0;
}

static int tear_down(void **state)
{
    struct book *book = *state;

    audit_close(book->audit);
    scratch_remove(&book->scratch);
    free(book);
    return 0;
}

static void add(struct book *book, const char *act)
{
    const struct audit_entry entry = { .at_ms = 1000, .act = act, .account = 1, .credential = 2, .route = "/x" };

    MUST(audit_add(book->audit, &entry, &why));
}

static void write_group(struct book *book)
{
    MUST(audit_write(book->audit, &book->head, &why));
    audit_settle(book->audit, true);
}

static uint64_t first_bad(const struct book *book)
{
    uint64_t bad = 99;

    MUST(audit_verify(book->path, &book->head, &bad, &why));
    return bad;
}

static void entries_follow_from_each_other_across_groups_and_restarts(void **state)
{
    struct book *book = *state;

    for (int group = 0; group < 5; group++) {
        add(book, "look");
        add(book, "erasure");
        write_group(book);
        audit_close(book->audit);
        open_book(book, false);
    }
    assert_int_equal(book->head.count, 10);
    assert_int_equal(first_bad(book), 0);
    assert_int_equal(book->head.bytes, scratch_size(&book->scratch, "audit/0001"));
}

/* Every byte of the file in turn: the entry it stands in is the first bad one. */
static void a_changed_byte_is_found_at_its_entry(void **state)
{
    struct book *book = *state;
    long ends[4] = { 0 };

    for (int i = 1; i <= 3; i++) {
        add(book, i == 2 ? "restriction" : "look");
        write_group(book);
        ends[i] = (long)book->head.bytes;
    }
    for (int i = 1; i <= 3; i++) {
        for (long at = ends[i - 1]; at < ends[i]; at++) {
            scratch_flip(&book->scratch, "audit/0001", at);
            uint64_t bad = first_bad(book);
            if (bad != (uint64_t)i)
                fail_msg("byte %ld of entry %d: %llu", at, i, (unsigned long long)bad);
            scratch_flip(&book->scratch, "audit/0001", at);
        }
    }
    assert_int_equal(first_bad(book), 0);
}

static void a_missing_entry_is_found(void **state)
{
    struct book *book = *state;

    add(book, "look");
    write_group(book);
    long first = (long)book->head.bytes;
    add(book, "look");
    write_group(book);
    assert_int_equal(truncate(scratch_path(&book->scratch, "audit/0001"), first), 0);
    assert_int_equal(first_bad(book), 2);
    audit_close(book->audit);
    book->audit = NULL;
    bool cut = false;
    MUST_NOT(ERROR_CORRUPT, audit_open(book->path, &book->head, &book->audit, &cut, &why));
    book->audit = NULL;
}

static void an_undone_part_leaves_the_chain_as_it_was(void **state)
{
    struct book *book = *state;

    for (int before = 0; before <= 2; before++) {
        for (int undone = 0; undone <= 2; undone++) {
            for (int i = 0; i < before; i++)
                add(book, "kept");
            size_t mark = audit_mark(book->audit);
            for (int i = 0; i < undone; i++)
                add(book, "undone");
            audit_undo(book->audit, mark);
            add(book, "behind");
            write_group(book);
            assert_int_equal(first_bad(book), 0);
        }
    }
    assert_int_equal(book->head.count, 3 * (0 + 1 + 2) + 9);
    assert_int_equal(scratch_count(&book->scratch, "audit/0001", "undone"), 0);
}

static void what_no_ledger_counted_is_cut_at_start(void **state)
{
    struct book *book = *state;
    struct audit_head unused;

    add(book, "answered");
    write_group(book);
    add(book, "nobody heard of it");
    MUST(audit_write(book->audit, &unused, &why)); /* and then the power went */
    audit_close(book->audit);
    open_book(book, true);
    assert_int_equal(scratch_size(&book->scratch, "audit/0001"), book->head.bytes);
    add(book, "cut");
    write_group(book);
    assert_int_equal(first_bad(book), 0);
    assert_int_equal(scratch_count(&book->scratch, "audit/0001", "nobody"), 0);
}

static void a_failed_group_is_overwritten_by_the_next(void **state)
{
    struct book *book = *state;
    struct audit_head unused;

    add(book, "first");
    write_group(book);
    for (int i = 0; i < 5; i++)
        add(book, "failed");
    MUST(audit_write(book->audit, &unused, &why));
    audit_settle(book->audit, false);
    assert_false(audit_has_work(book->audit));
    add(book, "second");
    write_group(book);
    assert_int_equal(first_bad(book), 0);
    assert_int_equal(book->head.count, 2);
    assert_int_equal(scratch_count(&book->scratch, "audit/0001", "failed"), 0);
    assert_int_equal(audit_settled(book->audit).count, 2);
}

/* Entries of an ordinary size until the segment is nearly full. */
static void fill_segment(struct book *book, int64_t bytes_left)
{
    const struct audit_entry entry = { .at_ms = 1,
                                       .act = "look",
                                       .route =
                                           "/api/a-route-that-is-as-long-as-an-entry-of-the-audit-may-well-be/"
                                           "so-that-fewer-of-them-fill-a-segment-and-the-test-is-over-sooner/"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789"
                                           "0123456789012345678901234567890123456789012345678901234567890123456789" };

    while (book->head.bytes < AUDIT_SEGMENT_BYTES - bytes_left) {
        for (int i = 0; i < 1000 && book->head.bytes + 900 * (i + 1) < AUDIT_SEGMENT_BYTES - bytes_left + 900; i++)
            MUST(audit_add(book->audit, &entry, &why));
        write_group(book);
    }
}

static void a_full_segment_is_followed_by_the_next(void **state)
{
    struct book *book = *state;

    fill_segment(book, 0);
    assert_int_equal(book->head.segment, 1);
    for (int i = 0; i < 3; i++) {
        add(book, "in the second");
        write_group(book);
    }
    assert_int_equal(book->head.segment, 2);
    assert_int_equal(scratch_size(&book->scratch, "audit/0002"), book->head.bytes);
    assert_int_equal(first_bad(book), 0);
    audit_close(book->audit);
    open_book(book, false);
    scratch_flip(&book->scratch, "audit/0002", 5);
    assert_int_equal(first_bad(book), book->head.count - 2);
}

static void a_group_that_failed_at_the_seam_leaves_nothing_in_either_segment(void **state)
{
    struct book *book = *state;
    struct audit_head unused;

    fill_segment(book, 200);
    for (int i = 0; i < 20; i++)
        add(book, "failed");
    MUST(audit_write(book->audit, &unused, &why));
    audit_settle(book->audit, false);
    while (book->head.bytes < AUDIT_SEGMENT_BYTES) {
        add(book, "last of the first");
        write_group(book);
    }
    for (int i = 0; i < 20; i++)
        add(book, "failed");
    MUST(audit_write(book->audit, &unused, &why)); /* into the second */
    audit_settle(book->audit, false);
    add(book, "first of the second");
    write_group(book);
    assert_int_equal(book->head.segment, 2);
    assert_int_equal(first_bad(book), 0);
    assert_int_equal(scratch_count(&book->scratch, "audit/0001", "failed"), 0);
    assert_int_equal(scratch_count(&book->scratch, "audit/0002", "failed"), 0);
}

static void a_segment_that_a_crash_began_is_removed(void **state)
{
    struct book *book = *state;
    FILE *file = fopen(scratch_path(&book->scratch, "audit/0002"), "w");

    assert_non_null(file);
    fclose(file);
    audit_close(book->audit);
    open_book(book, true);
    assert_int_equal(scratch_size(&book->scratch, "audit/0002"), -1);
}

static void the_ledger_says_that_it_cut(void **state)
{
    struct house *house = *state;
    uint64_t entries = 0, bad = 0;

    house_shut(house);
    FILE *file = fopen(scratch_path(&house->scratch, "ledger/audit/0001"), "a");
    assert_non_null(file);
    fputs("half an entry", file);
    fclose(file);
    MUST(house_try_open(house, false, &why));
    MUST(ledger_verify_audit(house->ledger, &entries, &bad, &why));
    assert_int_equal(entries, 1);
    assert_int_equal(bad, 0);
    assert_int_equal(scratch_count(&house->scratch, "ledger/audit/0001", "\"act\":\"cut\""), 1);
}

#define WITH_BOOK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOOK(entries_follow_from_each_other_across_groups_and_restarts),
        WITH_BOOK(a_changed_byte_is_found_at_its_entry),
        WITH_BOOK(a_missing_entry_is_found),
        WITH_BOOK(an_undone_part_leaves_the_chain_as_it_was),
        WITH_BOOK(what_no_ledger_counted_is_cut_at_start),
        WITH_BOOK(a_failed_group_is_overwritten_by_the_next),
        WITH_BOOK(a_full_segment_is_followed_by_the_next),
        WITH_BOOK(a_group_that_failed_at_the_seam_leaves_nothing_in_either_segment),
        WITH_BOOK(a_segment_that_a_crash_began_is_removed),
        cmocka_unit_test_setup_teardown(the_ledger_says_that_it_cut, house_set_up, house_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
