/* The journal at its door: what is appended, read, closed, removed, refused and found again after a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

static void must(bool done, const struct error *error)
{
    if (!done)
        fail_msg("%s", error->text);
}

static void begin(struct world *world)
{
    struct error error = { 0 };

    world_make(world);
    must(world_open(world, &error), &error);
}

static void expect_all(struct world *world)
{
    static const size_t pages[] = { 1, 7, 2000 };
    static const uint32_t one[] = { 3 }, several[] = { 9, 2, 5 }, none[] = { 4000 };
    const struct {
        const uint32_t *subjects;
        size_t count;
    } people[] = { { one, 1 }, { several, 3 }, { none, 1 } };

    for (size_t i = 0; i < COUNT_OF(people); i++)
        for (size_t page = 0; page < COUNT_OF(pages); page++)
            for (int oldest_first = 0; oldest_first < 2; oldest_first++)
                if (!world_reads_back(world, 1, people[i].subjects, people[i].count, pages[page], oldest_first))
                    fail_msg("people %zu, pages of %zu, %s first", i, pages[page], oldest_first ? "oldest" : "newest");
}

static void rows_come_back_in_both_orders_over_pages_and_volumes(void **state)
{
    struct world world;
    struct journal_counts counts;

    (void)state;
    begin(&world);
    world_fill(&world, 3000, 40);
    expect_all(&world);
    world_close_pair(&world);
    expect_all(&world);
    world_fill(&world, 1000, 40);
    world_close_pair(&world);
    world_fill(&world, 700, 40);
    world_rotate(&world); /* closing, not built yet */
    world_fill(&world, 500, 40);
    expect_all(&world);
    journal_counts(world.journal, &counts);
    assert_int_equal(counts.closed_rows, 4000);
    assert_int_equal(counts.open_rows, 1200);
    assert_int_equal(counts.volumes, 6);
    world_reopen(&world);
    expect_all(&world);
    world_remove(&world);
}

static void events_are_counted_over_all_volumes(void **state)
{
    const uint32_t people[] = { 3, 4 }, nobody[] = { 999 };
    struct world world;
    struct error error = { 0 };
    int64_t count = 0, last = 0, wanted = 0;

    (void)state;
    begin(&world);
    world_fill(&world, 900, 30);
    world_close_pair(&world);
    world_fill(&world, 300, 30);
    for (size_t i = 0; i < world.count; i++)
        wanted += world.rows[i].subject == 3 || world.rows[i].subject == 4;
    must(journal_count(world.reader, 1, people, 2, &count, &last, &error), &error);
    assert_int_equal(count, wanted);
    assert_true(last > 1700000000000 && last < 1700000000000 + 1200);
    must(journal_count(world.reader, 1, nobody, 1, &count, &last, &error), &error);
    assert_int_equal(count, 0);
    assert_true(last == WHEN_NONE);
    world_remove(&world);
}

static void nothing_is_visible_before_its_commit(void **state)
{
    const uint32_t subject = 3;
    struct world world;

    (void)state;
    begin(&world);
    world_fill(&world, 100, 5);
    assert_false(journal_has_work(world.journal));
    world_add(&world, 1, subject);
    assert_true(journal_has_work(world.journal));
    assert_true(world_reads_back(&world, 1, &subject, 1, 50, false));
    world_rollback(&world);
    assert_false(journal_has_work(world.journal));
    assert_true(world_reads_back(&world, 1, &subject, 1, 50, false));
    world_add(&world, 1, subject);
    world_commit(&world);
    assert_true(world_reads_back(&world, 1, &subject, 1, 50, false));
    world_reopen(&world);
    assert_true(world_reads_back(&world, 1, &subject, 1, 50, true));
    world_remove(&world);
}

static void accounts_are_kept_apart(void **state)
{
    const uint32_t subject = 1;
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 20; i++)
        world_add(&world, 1 + (uint32_t)i % 2, subject);
    world_commit(&world);
    assert_true(world_reads_back(&world, 1, &subject, 1, 3, false));
    assert_true(world_reads_back(&world, 2, &subject, 1, 3, true));
    world_close_pair(&world);
    assert_true(world_reads_back(&world, 2, &subject, 1, 3, false));
    world_erase(&world, 2, subject);
    assert_true(world_reads_back(&world, 1, &subject, 1, 3, false));
    world_remove(&world);
}

static void volumes_change_over_and_logs_stay_short(void **state)
{
    struct world world;
    struct journal_counts counts;
    struct error error = { 0 };
    int turns = 0;

    (void)state;
    begin(&world);
    for (int group = 0; group < 200; group++) {
        for (uint32_t i = 0; i < 20; i++)
            world_add(&world, 1, 1 + i);
        world_commit(&world);
        if (journal_turn(world.journal, &error)) {
            turns++;
            must(journal_settle(world.journal, &error), &error);
        }
        journal_counts(world.journal, &counts);
        assert_true(counts.log_bytes < 3 * world.limits.log_bytes);
    }
    assert_true(turns > 5);
    /* Without a checkpointer the writer bounds the log by itself. */
    for (int group = 0; group < 200; group++) {
        for (uint32_t i = 0; i < 20; i++)
            world_add(&world, 1, 1 + i);
        world_commit(&world);
        (void)journal_turn(world.journal, &error);
        must(error.code == ERROR_NONE, &error);
        journal_counts(world.journal, &counts);
        assert_true(counts.log_bytes < 8 * world.limits.log_bytes);
    }
    expect_all(&world);
    assert_true(scratch_size(&world.scratch, "events/000001.db") > 100000);
    assert_true(scratch_size(&world.scratch, "events/000002.db") > 100000);
    world_remove(&world);
}

static void a_pair_is_left_when_it_is_full_or_its_day_is_over(void **state)
{
    struct world world;
    struct error error = { 0 };

    (void)state;
    begin(&world);
    int64_t now = when_now(&world.clock);
    assert_false(journal_rotate(world.journal, now + 3 * WHEN_DAY, &error)); /* it has no rows */
    assert_false(journal_rotate(world.journal, now, &error));
    world_fill(&world, 10, 5);
    assert_false(journal_rotate(world.journal, now, &error));
    assert_true(journal_rotate(world.journal, now + WHEN_DAY, &error));
    world_fill(&world, 10, 5);
    assert_true(journal_rotate(world.journal, now + 9 * WHEN_DAY, &error)); /* only the first may be closing */
    assert_int_equal(scratch_size(&world.scratch, "events/000006.db"), -1);
    must(error.code == ERROR_NONE, &error);
    world_remove(&world);
    begin(&world);
    world.limits.pair_rows = 50;
    world_reopen(&world);
    world_fill(&world, 49, 5);
    assert_false(journal_rotate(world.journal, now, &error));
    world_fill(&world, 1, 5);
    assert_true(journal_rotate(world.journal, now, &error));
    world_remove(&world);
}

static void files_are_for_their_owner_only(void **state)
{
    static const char *const names[] = { "profiles.db", "events/000003.db", "events/000004.db", "events/000005.db" };
    struct world world;

    (void)state;
    begin(&world);
    world_fill(&world, 10, 5);
    world_close_pair(&world);
    assert_int_equal(scratch_mode(&world.scratch, "events"), 0700);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (scratch_mode(&world.scratch, names[i]) != 0600)
            fail_msg("%s has mode %o", names[i], scratch_mode(&world.scratch, names[i]));
    assert_int_equal(scratch_size(&world.scratch, "events/000001.db"), -1);
    assert_int_equal(scratch_size(&world.scratch, "events/000002.db-wal"), -1);
    world_remove(&world);
}

/* ---- removal ---- */

enum stage { OPEN, CLOSING, BUILT, CLOSED };

static void reach(struct world *world, enum stage stage)
{
    struct error error = { 0 };
    bool built = false;

    if (stage >= CLOSING)
        world_rotate(world);
    if (stage >= BUILT)
        must(journal_build(world->journal, &built, &error), &error);
    if (stage == CLOSED)
        must(journal_swap(world->journal, &error), &error);
}

static void removed_rows_are_in_no_file_and_neighbours_are_whole(void **state)
{
    static const char *const names[] = { "open", "closing", "closed" };
    static const enum stage stages[] = { OPEN, CLOSING, CLOSED };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        struct world world;

        begin(&world);
        world_fill(&world, 3000, 60);
        reach(&world, stages[i]);
        for (uint32_t subject = 1; subject <= 60; subject += subject % 7 == 0 ? 2 : 1) {
            world_erase(&world, 1, subject);
            if (subject % 5 == 0)
                assert_true(world_reads_back(&world, 1, &(uint32_t){ subject + 1 }, 1, 10, false));
        }
        size_t traces = world_traces(&world, true);
        if (traces > 0)
            fail_msg("%zu removed rows still stand in files (%s)", traces, names[i]);
        for (uint32_t subject = 1; subject <= 60; subject++)
            if (!world_reads_back(&world, 1, &subject, 1, 100, true))
                fail_msg("subject %u is not as it should be (%s)", subject, names[i]);
        assert_true(world_traces(&world, false) > 0);
        world_reopen(&world);
        assert_true(world_reads_back(&world, 1, &(uint32_t){ 8 }, 1, 100, false));
        assert_int_equal(world_traces(&world, true), 0);
        world_remove(&world);
    }
}

static void the_search_finds_what_stands(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world_fill(&world, 300, 10);
    assert_true(world_traces(&world, false) >= world.count);
    world_remove(&world);
}

static int64_t standing(const struct world *world)
{
    int64_t rows = 0;

    for (size_t i = 0; i < world->committed; i++)
        rows += !world->rows[i].removed;
    return rows;
}

static void what_is_removed_while_a_volume_is_built_is_not_in_it(void **state)
{
    const uint32_t subject = 4;
    struct world world;
    struct error error = { 0 };
    int64_t removed = 0;
    bool left = false;

    (void)state;
    begin(&world);
    world_fill(&world, 2000, 20);
    reach(&world, BUILT);
    must(journal_remove(world.journal, 1, subject, 1000, &removed, &left, &error), &error);
    assert_true(removed > 10);
    assert_true(left); /* a copy stands in the new file */
    for (size_t i = 0; i < world.count; i++)
        world.rows[i].removed = world.rows[i].subject == subject;
    assert_true(world_reads_back(&world, 1, &subject, 1, 10, false));
    must(journal_swap(world.journal, &error), &error);
    must(journal_remove(world.journal, 1, subject, 1000, &removed, &left, &error), &error);
    assert_false(left);
    assert_int_equal(removed, 0);
    world_erase(&world, 1, subject);
    assert_int_equal(world_traces(&world, true), 0);
    expect_all(&world);
    struct journal_counts counts;
    journal_counts(world.journal, &counts);
    assert_int_equal(counts.closed_rows, standing(&world));
    world_remove(&world);
}

/* ---- start ---- */

static void write_rubbish(struct world *world, const char *name)
{
    FILE *file = fopen(scratch_path(&world->scratch, name), "wb");

    assert_non_null(file);
    fputs("left by a crash", file);
    fclose(file);
}

static void leftovers_are_removed_at_start_and_others_files_are_not(void **state)
{
    static const char *const ours[] = { "events/000003.db.new", "events/000009.db",         "events/000009.db-wal",
                                        "events/000009.db-shm", "events/000009.db-journal", "events/000001.db.new" };
    struct world world;
    struct error error = { 0 };

    (void)state;
    begin(&world);
    world_fill(&world, 500, 20);
    world_rotate(&world);
    world_close(&world);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        write_rubbish(&world, ours[i]);
    write_rubbish(&world, "events/notes.txt");
    must(world_open(&world, &error), &error);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (scratch_size(&world.scratch, ours[i]) >= 0)
            fail_msg("%s is still there", ours[i]);
    assert_true(scratch_size(&world.scratch, "events/notes.txt") > 0);
    expect_all(&world);
    bool built = false; /* the interrupted build is done anew */
    assert_true(journal_rotate(world.journal, when_now(&world.clock), &error));
    must(journal_build(world.journal, &built, &error), &error);
    must(journal_swap(world.journal, &error), &error);
    expect_all(&world);
    world_reopen(&world);
    expect_all(&world);
    world_remove(&world);
}

static void a_missing_volume_is_told(void **state)
{
    struct world world;
    struct error error = { 0 };

    (void)state;
    begin(&world);
    world_fill(&world, 10, 5);
    world_close(&world);
    assert_int_equal(unlink(scratch_path(&world.scratch, "events/000002.db")), 0);
    assert_false(world_open(&world, &error));
    assert_non_null(strstr(error.text, "events/000002.db is missing"));
    world_remove(&world);
}

static void a_foreign_or_older_ledger_is_refused(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct world world;
        struct error error = { 0 };

        begin(&world);
        world.anchor = (struct anchor){ 12, 1700000000000 };
        world_fill(&world, 10, 5);
        if (closed)
            world_close_pair(&world);
        world_close(&world);
        world.anchor = (struct anchor){ 11, 1600000000000 };
        assert_false(world_open(&world, &error));
        assert_non_null(strstr(error.text, "position 12 (2023-11-14T22:13:20.000Z)"));
        assert_non_null(strstr(error.text, "position 11 (2020-09-13T12:26:40.000Z)"));
        assert_non_null(strstr(error.text, closed ? "events/000005.db" : "events/000001.db"));
        world_close(&world);
        world.anchor.position = 12;
        world.ledger.bytes[3] ^= 1;
        assert_false(world_open(&world, &error));
        assert_non_null(strstr(error.text, "belongs to another ledger"));
        world_close(&world);
        world.ledger.bytes[3] ^= 1;
        must(world_open(&world, &error), &error);
        world_remove(&world);
    }
}

/* ---- answers ---- */

struct heard {
    int64_t at[10];
    size_t count;
};

static bool hear(void *arg, uint32_t account, const unsigned char mark[16], int64_t at_ms, struct str sealed,
                 struct error *error)
{
    struct heard *heard = arg;

    (void)error;
    assert_int_equal(account, 7);
    assert_int_equal(mark[0], (unsigned char)at_ms);
    assert_true(str_equal(sealed, STR("answer")));
    heard->at[heard->count++] = at_ms;
    return true;
}

static void keep(struct world *world, int64_t at_ms)
{
    unsigned char mark[16] = { (unsigned char)at_ms };
    struct error error = { 0 };

    must(journal_keep_answer(world->journal, 7, mark, at_ms, STR("answer"), &error), &error);
}

static void answers_stand_with_their_effect_and_live_four_hours(void **state)
{
    struct world world;
    struct error error = { 0 };
    struct heard heard = { 0 };

    (void)state;
    begin(&world);
    world.clock.shift_ms = 0;
    int64_t now = when_now(&world.clock) + WHEN_DAY; /* world_rotate goes to the next day */
    world_add(&world, 1, 1);
    keep(&world, now - 5 * WHEN_HOUR);
    keep(&world, now - 3 * WHEN_HOUR);
    world_commit(&world);
    keep(&world, now - WHEN_HOUR);
    world_rollback(&world);
    world_close_pair(&world);
    keep(&world, now);
    world_commit(&world);
    must(journal_answers(world.journal, 0, hear, &heard, &error), &error);
    assert_int_equal(heard.count, 2);
    assert_true(heard.at[0] == now - 3 * WHEN_HOUR && heard.at[1] == now);
    world_reopen(&world);
    heard.count = 0;
    must(journal_answers(world.journal, now - 1, hear, &heard, &error), &error);
    assert_int_equal(heard.count, 1);
    /* In a closed volume they are forgotten when the last of them is over, and what else is there stays. */
    for (int hours = 0; hours <= 2; hours++) {
        for (int i = 0; i < 3; i++)
            must(journal_forget_answers(world.journal, now + hours * WHEN_HOUR, &error), &error);
        heard.count = 0;
        must(journal_answers(world.journal, 0, hear, &heard, &error), &error);
        assert_int_equal(heard.count, hours < 1 ? 2 : 1);
        world_reopen(&world);
    }
    assert_true(world_reads_back(&world, 1, (uint32_t[]){ 1 }, 1, 10, false));
    world_remove(&world);
}

/* ---- ids of messages ---- */

static void begin_now(struct world *world, int64_t message_ms)
{
    struct error error = { 0 };

    world_make(world);
    world->received_from_ms = when_now(&world->clock);
    world->limits.message_ms = message_ms;
    must(world_open(world, &error), &error);
}

/* Row n has the id n; 0 is none. */
static void expect_ids(const struct world *world, uint64_t from, uint64_t to)
{
    struct journal_counts counts;

    for (uint64_t id = 1; id < world->count + 100; id++)
        if (journal_has_message(world->journal, id) != (id >= from && id < to))
            fail_msg("id %llu of %llu up to %llu", (unsigned long long)id, (unsigned long long)from,
                     (unsigned long long)to);
    journal_counts(world->journal, &counts);
    assert_int_equal(counts.message_ids, to - from);
}

static void an_id_comes_and_goes_with_its_row(void **state)
{
    struct world world;
    struct journal_counts counts;

    (void)state;
    begin_now(&world, WHEN_DAY);
    world_fill(&world, 100, 5);
    expect_ids(&world, 1, 100);
    world_add(&world, 1, 1);
    assert_true(journal_has_message(world.journal, 100)); /* so a second one in the same group is a repeat */
    journal_counts(world.journal, &counts);
    assert_int_equal(counts.message_ids, 99);
    world_rollback(&world);
    expect_ids(&world, 1, 100);
    world_add(&world, 1, 1);
    world_commit(&world);
    expect_ids(&world, 1, 101);
    world_add(&world, 1, 1);
    world_reopen(&world); /* uncommitted */
    world.count = world.committed;
    expect_ids(&world, 1, 101);
    world_remove(&world);
}

static void ids_outlive_rows_and_volumes(void **state)
{
    static const enum stage stages[] = { OPEN, CLOSING, BUILT, CLOSED };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        struct world world;
        struct error error = { 0 };

        begin_now(&world, 10 * WHEN_DAY);
        world_fill(&world, 2000, 10);
        reach(&world, stages[i]);
        if (stages[i] == BUILT) /* a copy stands in the new file */
            must(journal_remove(world.journal, 1, 4, 1000, &(int64_t){ 0 }, &(bool){ false }, &error), &error);
        if (stages[i] == BUILT)
            must(journal_swap(world.journal, &error), &error);
        for (uint32_t subject = 2; subject <= 8; subject++)
            world_erase(&world, 1, subject);
        expect_ids(&world, 1, 2000);
        world_reopen(&world);
        must(journal_build(world.journal, &(bool){ false }, &error), &error); /* what is left in between */
        must(journal_swap(world.journal, &error), &error);
        expect_ids(&world, 1, 2000);
        world_fill(&world, 100, 10);
        world_close_pair(&world);
        world_reopen(&world);
        expect_ids(&world, 1, 2100);
        for (uint32_t subject = 1; subject <= 10; subject++)
            world_erase(&world, 1, subject);
        world_reopen(&world);
        expect_ids(&world, 1, 2100);
        world.clock.shift_ms += 10 * WHEN_DAY;
        world_reopen(&world);
        expect_ids(&world, 0, 0);
        world_remove(&world);
    }
}

static void the_newest_ids_of_all_volumes_are_known(void **state)
{
    struct world world;

    (void)state;
    begin_now(&world, 10 * WHEN_DAY);
    world.limits.message_ids = 700;
    world_reopen(&world);
    for (int i = 0; i < 3; i++) {
        world_fill(&world, 300, 5);
        world_close_pair(&world);
    }
    expect_ids(&world, 200, 900);
    world_reopen(&world);
    expect_ids(&world, 200, 900);
    world_fill(&world, 500, 5);
    world_rotate(&world);
    world_fill(&world, 100, 5);
    expect_ids(&world, 800, 1500);
    world_reopen(&world);
    expect_ids(&world, 800, 1500);
    world_remove(&world);
}

static void ids_are_forgotten_by_the_clock(void **state)
{
    struct world world;
    struct error error = { 0 };
    struct journal_counts counts;

    (void)state;
    begin_now(&world, WHEN_DAY);
    world_fill(&world, 50, 5);
    world.clock.shift_ms += 12 * WHEN_HOUR;
    world.received_from_ms += 12 * WHEN_HOUR;
    world_fill(&world, 50, 5);
    (void)journal_rotate(world.journal, when_now(&world.clock), &error);
    expect_ids(&world, 1, 100);
    journal_counts(world.journal, &counts);
    assert_true(counts.message_reach_ms >= 12 * WHEN_HOUR - WHEN_MINUTE);
    assert_true(counts.message_reach_ms < 12 * WHEN_HOUR + 2 * WHEN_MINUTE);
    world.clock.shift_ms += 12 * WHEN_HOUR + 2 * WHEN_MINUTE;
    (void)journal_rotate(world.journal, when_now(&world.clock), &error);
    expect_ids(&world, 50, 100);
    world_reopen(&world);
    expect_ids(&world, 50, 100);
    world.clock.shift_ms += WHEN_DAY;
    (void)journal_rotate(world.journal, when_now(&world.clock), &error);
    must(error.code == ERROR_NONE, &error);
    expect_ids(&world, 0, 0);
    world_remove(&world);
}

static void an_id_without_a_row_stands_in_profiles(void **state)
{
    struct world world;
    struct error error = { 0 };

    (void)state;
    begin_now(&world, WHEN_DAY);
    for (int keep = 0; keep < 2; keep++) {
        uint64_t mark = journal_message_mark(world.journal);

        must(profiles_begin(world.profiles, &error) &&
                 journal_note_message(world.journal, 77, world.received_from_ms, &error),
             &error);
        assert_true(journal_has_message(world.journal, 77));
        if (keep) {
            must(profiles_commit(world.profiles, world.anchor, &error), &error);
        } else {
            profiles_rollback(world.profiles);
            journal_cut_messages(world.journal, mark);
        }
        assert_true(journal_has_message(world.journal, 77) == keep);
        world_reopen(&world);
        assert_true(journal_has_message(world.journal, 77) == keep);
    }
    world_remove(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_in_both_orders_over_pages_and_volumes),
        cmocka_unit_test(events_are_counted_over_all_volumes),
        cmocka_unit_test(nothing_is_visible_before_its_commit),
        cmocka_unit_test(accounts_are_kept_apart),
        cmocka_unit_test(volumes_change_over_and_logs_stay_short),
        cmocka_unit_test(a_pair_is_left_when_it_is_full_or_its_day_is_over),
        cmocka_unit_test(files_are_for_their_owner_only),
        cmocka_unit_test(the_search_finds_what_stands),
        cmocka_unit_test(removed_rows_are_in_no_file_and_neighbours_are_whole),
        cmocka_unit_test(what_is_removed_while_a_volume_is_built_is_not_in_it),
        cmocka_unit_test(leftovers_are_removed_at_start_and_others_files_are_not),
        cmocka_unit_test(a_missing_volume_is_told),
        cmocka_unit_test(a_foreign_or_older_ledger_is_refused),
        cmocka_unit_test(answers_stand_with_their_effect_and_live_four_hours),
        cmocka_unit_test(an_id_comes_and_goes_with_its_row),
        cmocka_unit_test(ids_outlive_rows_and_volumes),
        cmocka_unit_test(the_newest_ids_of_all_volumes_are_known),
        cmocka_unit_test(ids_are_forgotten_by_the_clock),
        cmocka_unit_test(an_id_without_a_row_stands_in_profiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
