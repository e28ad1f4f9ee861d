/* The journal under all its threads at once: readers see every committed row, always, whatever is closed, settled,
 * swapped or removed meanwhile. Meant to run under ThreadSanitizer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "world.h"

enum { GROUPS = 250, PER_GROUP = 40, SUBJECTS = 20, READERS = 2 };

struct crowd {
    struct world world;
    _Atomic bool over;
    _Atomic uint64_t groups; /* committed: each gives every subject two rows */
    _Atomic int64_t wrong, slices, settled, built;
};

static bool slice_is_right(struct crowd *crowd, struct journal_reader *reader, uint32_t subject, bool oldest_first,
                           struct arena *arena)
{
    uint64_t before = crowd->groups;
    struct event_query query = { .account = 1,
                                 .subjects = &subject,
                                 .subject_count = 1,
                                 .bound = oldest_first ? 0 : UINT64_MAX,
                                 .oldest_first = oldest_first,
                                 .max = 2000 };
    struct error error = { 0 };
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more = false;

    arena_reset(arena);
    if (!journal_read(reader, &query, arena, &rows, &count, &more, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    for (size_t i = 1; i < count; i++)
        if (oldest_first ? rows[i].seq <= rows[i - 1].seq : rows[i].seq >= rows[i - 1].seq)
            return false;
    return count >= 2 * before && count % 2 == 0;
}

static void *read_always(void *arg)
{
    struct crowd *crowd = arg;
    struct journal_reader *reader = NULL;
    struct error error = { 0 };
    struct arena arena;
    uint32_t turn = 0;

    arena_init(&arena, 64 * 1024 * 1024);
    if (!journal_reader_new(crowd->world.journal, &reader, &error))
        crowd->wrong++;
    while (reader && !crowd->over) {
        turn++;
        crowd->wrong += !slice_is_right(crowd, reader, 1 + turn % (SUBJECTS - 1), turn % 2 == 0, &arena);
        crowd->slices++;
    }
    journal_reader_free(reader);
    arena_clear(&arena);
    return NULL;
}

static void *rest_always(void *arg)
{
    struct crowd *crowd = arg;

    while (!crowd->over) {
        struct error error = { 0 };
        struct journal_counts counts;
        bool built = false;

        if (journal_settle(crowd->world.journal, &error))
            crowd->settled++;
        else
            crowd->wrong += error.code != ERROR_BUSY;
        crowd->wrong += !journal_build(crowd->world.journal, &built, &error);
        crowd->built += built;
        journal_counts(crowd->world.journal, &counts);
        usleep(500);
    }
    return NULL;
}

static void write_group(struct crowd *crowd)
{
    for (uint32_t i = 0; i < PER_GROUP; i++)
        world_add(&crowd->world, 1, 1 + i % SUBJECTS);
    world_commit(&crowd->world);
    crowd->groups++;
}

/* What the writer does between two groups. The last subject is erased again and again. */
static void keep_house(struct crowd *crowd)
{
    struct journal *journal = crowd->world.journal;
    struct error error = { 0 };
    int64_t removed = 0;
    bool left = false, done = false;

    (void)journal_turn(journal, &error);
    (void)journal_rotate(journal, when_now(&crowd->world.clock), &error);
    if (!journal_swap(journal, &error) && error.code == ERROR_BUSY)
        error.code = ERROR_NONE;
    if (error.code != ERROR_NONE || !journal_remove(journal, 1, SUBJECTS, 50, &removed, &left, &error) ||
        !journal_scrub_logs(journal, &done, &error))
        fail_msg("%s", error.text);
}

/* Erasing ends while everything else goes on. */
static void erase_beside_readers(struct crowd *crowd)
{
    struct error error = { 0 };
    int64_t removed = 0;
    bool left = true, done = false;
    int tries = 0;

    for (; (left || !done) && tries < 3000; tries++) {
        if (!journal_swap(crowd->world.journal, &error) && error.code != ERROR_BUSY)
            fail_msg("%s", error.text);
        error.code = ERROR_NONE;
        if (left && !journal_remove(crowd->world.journal, 1, SUBJECTS, 50, &removed, &left, &error))
            fail_msg("%s", error.text);
        if (!left && !journal_scrub_logs(crowd->world.journal, &done, &error))
            fail_msg("%s", error.text);
        if (left || !done)
            usleep(1000);
    }
    if (left || !done)
        fail_msg("an erasure starved beside readers");
    for (size_t i = 0; i < crowd->world.count; i++)
        crowd->world.rows[i].removed = crowd->world.rows[i].subject == SUBJECTS;
}

static void readers_see_every_committed_row_while_volumes_come_and_go(void **state)
{
    static struct crowd crowd;
    struct error error = { 0 };
    pthread_t readers[READERS], rest;

    (void)state;
    world_make(&crowd.world);
    crowd.world.limits.log_bytes = 40 * 1024;
    crowd.world.limits.pair_rows = 1500;
    if (!world_open(&crowd.world, &error))
        fail_msg("%s", error.text);
    write_group(&crowd);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_always, &crowd), 0);
    assert_int_equal(pthread_create(&rest, NULL, rest_always, &crowd), 0);
    for (int group = 1; group < GROUPS; group++) {
        write_group(&crowd);
        keep_house(&crowd);
    }
    for (int i = 0; i < 2000 && crowd.built < 2; i++) {
        keep_house(&crowd);
        usleep(1000);
    }
    erase_beside_readers(&crowd);
    crowd.over = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_join(rest, NULL);
    assert_int_equal(crowd.wrong, 0);
    assert_true(crowd.slices > 20);
    assert_true(crowd.settled > 0);
    assert_true(crowd.built >= 2);
    assert_int_equal(world_traces(&crowd.world, true), 0);
    for (uint32_t subject = 1; subject <= SUBJECTS; subject++)
        assert_true(world_reads_back(&crowd.world, 1, &subject, 1, 2000, true));
    world_reopen(&crowd.world);
    for (uint32_t subject = 1; subject <= SUBJECTS; subject++)
        assert_true(world_reads_back(&crowd.world, 1, &subject, 1, 2000, false));
    world_remove(&crowd.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_every_committed_row_while_volumes_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
