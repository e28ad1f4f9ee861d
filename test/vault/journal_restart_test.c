/* What a stop, a kill or a sync that failed leaves of the journal: every acknowledged row once, none that was refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vault/world.h"

/* In the place of the C library's: while `passing` is 0 every sync fails. */
static int passing = -1; /* syncs that still succeed; -1: all */

static int sync_by(long call, int fd)
{
    if (passing == 0) {
        errno = EIO;
        return -1;
    }
    if (passing > 0)
        passing--;
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

static int set_up(void **state)
{
    static struct world world;
    struct error error = { 0 };

    world_make(&world);
    if (!world_open(&world, &error))
        return -1;
    passing = -1;
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    passing = -1;
    world_remove(*state);
    return 0;
}

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        struct error why = { 0 };                                                                                      \
        if (!(call))                                                                                                   \
            fail_msg("%s", why.text);                                                                                  \
    } while (0)

static int64_t rows_of(struct world *world, uint32_t subject)
{
    int64_t count = 0, last = 0;

    MUST(journal_count(world->reader, 1, &subject, 1, &count, &last, &why));
    return count;
}

/* The files as a kill leaves them at this moment, opened by another start. The first is closed without being brought in. */
static void kill_and_start(struct world *world)
{
    char copy[SCRATCH_PATH_MAX + 8], command[3 * sizeof copy];

    (void)snprintf(copy, sizeof copy, "%s.killed", world->scratch.directory);
    (void)snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", copy, world->scratch.directory, copy);
    assert_int_equal(system(command), 0);
    world_close(world);
    (void)snprintf(command, sizeof command, "rm -rf '%s' && mv '%s' '%s'", world->scratch.directory, copy,
                   world->scratch.directory);
    assert_int_equal(system(command), 0);
    MUST(world_open(world, &why));
}

static void build_and_swap(struct world *world)
{
    bool built = false;

    MUST(journal_build(world->journal, &built, &why));
    assert_true(built);
    MUST(journal_swap(world->journal, &why));
}

static void a_pair_that_was_being_closed_at_a_stop_gets_a_volume_of_its_own(void **state)
{
    static const uint32_t everybody[] = { 1, 2, 3, 4, 5 };
    struct world *world = *state;

    for (int round = 1; round <= 3; round++) {
        struct journal_counts counts;

        world_fill(world, 500, 5);
        world->clock.shift_ms += WHEN_DAY;
        MUST(journal_rotate(world->journal, when_now(&world->clock), &why));
        world_reopen(world);
        build_and_swap(world);
        world_reopen(world);
        journal_counts(world->journal, &counts);
        assert_int_equal(counts.closed_rows, 500 * round);
        assert_true(world_reads_back(world, 1, everybody, 5, 1000, false));
        assert_true(world_reads_back(world, 1, everybody, 5, 7, true));
    }
}

static void refuse_ten_rows(struct world *world)
{
    struct error error = { 0 };

    for (int i = 0; i < 10; i++)
        world_add(world, 1, 77);
    passing = 0;
    assert_false(journal_commit(world->journal, world->anchor, &error));
    passing = -1;
    world_rollback(world);
}

static void rows_whose_sync_failed_do_not_come_back(void **state)
{
    struct world *world = *state;

    world_fill(world, 100, 5);
    refuse_ten_rows(world);
    assert_int_equal(rows_of(world, 77), 0);
    kill_and_start(world);
    assert_int_equal(rows_of(world, 77), 0);
    for (int i = 0; i < 10; i++)
        world_add(world, 1, 77);
    world_commit(world);
    assert_true(world_reads_back(world, 1, (uint32_t[]){ 77 }, 1, 3, true));
}

/* The handle could not even be mended at once; the next rows go to the other file. */
static void nor_do_they_take_the_numbers_of_later_rows(void **state)
{
    struct world *world = *state;
    struct error error = { 0 };

    world_fill(world, 300, 5);
    for (int i = 0; i < 10; i++)
        world_add(world, 1, 77);
    passing = 0;
    assert_false(journal_commit(world->journal, world->anchor, &error));
    world_rollback(world);
    passing = -1;
    MUST(journal_settle(world->journal, &why));
    (void)journal_turn(world->journal, &error);
    for (int i = 0; i < 10; i++)
        world_add(world, 1, 77);
    world_commit(world);
    assert_int_equal(rows_of(world, 77), 10);
    kill_and_start(world);
    assert_int_equal(rows_of(world, 77), 10);
    assert_true(world_reads_back(world, 1, (uint32_t[]){ 77 }, 1, 3, true));
}

/* Each sync of a rotation fails in turn; what is acknowledged behind it is found by a start and survives the closing. */
static void a_rotation_that_failed_loses_nothing(void **state)
{
    static const uint32_t late = 77;
    struct world *world = *state;
    bool rotated = false;

    for (int syncs = 0; !rotated; syncs++) {
        struct error error = { 0 };
        int64_t before = rows_of(world, late);

        assert_in_range(syncs, 0, 60);
        world_fill(world, 20, 5);
        world->clock.shift_ms += WHEN_DAY;
        passing = syncs;
        (void)journal_rotate(world->journal, when_now(&world->clock), &error);
        rotated = error.code == ERROR_NONE;
        passing = -1;
        for (int i = 0; i < 10; i++)
            world_add(world, 1, late);
        world_commit(world);
        kill_and_start(world);
        assert_int_equal(rows_of(world, late), before + 10);
        for (int i = 0; i < 10; i++)
            world_add(world, 1, late);
        world_commit(world);
        if (journal_rotate(world->journal, when_now(&world->clock), &error))
            build_and_swap(world);
        assert_int_equal(rows_of(world, late), before + 20);
        assert_true(world_reads_back(world, 1, &late, 1, 4, true));
        assert_true(world_reads_back(world, 1, &late, 1, 4, false));
    }
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_pair_that_was_being_closed_at_a_stop_gets_a_volume_of_its_own),
        WITH_WORLD(rows_whose_sync_failed_do_not_come_back),
        WITH_WORLD(nor_do_they_take_the_numbers_of_later_rows),
        WITH_WORLD(a_rotation_that_failed_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
