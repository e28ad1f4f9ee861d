/* Each database call of the writer fails once in turn: a group is there whole or not at all, and the next one works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../db/db_faulty.h"
#include "vault/journal_inside.h"
#include "world.h"

static const uint32_t person = 2;
#define FIRST_ID UINT64_C(1000000)

/* Puts the fault between the journal and the written file; the true handle stays the test's to close. */
static struct db *put_fault(struct world *world, struct faulty_db *faulty, int64_t nth)
{
    struct volume *volume = &world->journal->open->volumes[world->journal->open->written];
    struct db *inner = volume->db;

    faulty_init(faulty, inner, nth);
    volume->db = &faulty->base;
    return inner;
}

static void take_fault(struct world *world, struct faulty_db *faulty, struct db *inner)
{
    for (int i = 0; i < 2; i++)
        if (world->journal->open->volumes[i].db == &faulty->base) {
            world->journal->open->volumes[i].db = inner;
            return;
        }
    db_close(inner); /* the journal has opened another */
}

static bool try_group(struct world *world, struct error *error)
{
    static const unsigned char mark[16] = { 1 };

    for (uint64_t i = 0; i < 5; i++) {
        unsigned char bytes[WORLD_MARK_LEN];
        struct event_row row = {
            .account = 1, .subject = person, .name = 1, .received_ms = when_now(&world->clock), .message = FIRST_ID + i
        };

        world_mark(1000, bytes);
        memset(row.nonce.salt, 0x77, sizeof(row.nonce.salt));
        row.body = (struct str){ (const char *)bytes, sizeof(bytes) };
        if (!journal_append(world->journal, &row, error))
            return false;
    }
    return journal_keep_answer(world->journal, 1, mark, 5, STR("answer"), error) &&
           journal_commit(world->journal, world->anchor, error);
}

/* How many of the group's ids are known. */
static int64_t ids_known(const struct world *world)
{
    int64_t count = 0;

    for (uint64_t i = 0; i < 5; i++)
        count += journal_has_message(world->journal, FIRST_ID + i);
    return count;
}

static int64_t rows_of_person(struct world *world)
{
    struct error error = { 0 };
    int64_t count = 0, last = 0;

    if (!journal_count(world->reader, 1, &person, 1, &count, &last, &error))
        fail_msg("%s", error.text);
    return count;
}

static bool count_answer(void *arg, uint32_t account, const unsigned char mark[16], int64_t at_ms, struct str sealed,
                         struct error *error)
{
    (void)account, (void)mark, (void)at_ms, (void)sealed, (void)error;
    ++*(int *)arg;
    return true;
}

static void a_group_is_whole_or_absent_whichever_call_fails(void **state)
{
    int64_t nth = 1, struck = 0;

    (void)state;
    for (bool more = true; more; nth++) {
        struct world world;
        struct faulty_db faulty;
        struct error error = { 0 };
        int answers = 0;

        world_make(&world);
        assert_true(world_open(&world, &error));
        world_fill(&world, 50, 5);
        int64_t before = rows_of_person(&world);
        struct db *inner = put_fault(&world, &faulty, nth);
        bool done = try_group(&world, &error);
        if (!done)
            journal_rollback(world.journal);
        more = faulty.struck;
        struck += more;
        assert_true(done != more);
        take_fault(&world, &faulty, inner);
        assert_false(journal_has_work(world.journal));
        assert_int_equal(rows_of_person(&world), before + (done ? 5 : 0));
        assert_int_equal(ids_known(&world), done ? 5 : 0);
        if (!done && !try_group(&world, &error)) /* the next group is whole again */
            fail_msg("after a fault in call %lld: %s", (long long)nth, error.text);
        assert_int_equal(rows_of_person(&world), before + 5);
        assert_int_equal(ids_known(&world), 5);
        world_reopen(&world);
        assert_int_equal(rows_of_person(&world), before + 5);
        assert_int_equal(ids_known(&world), 5);
        assert_true(journal_answers(world.journal, 0, count_answer, &answers, &error));
        assert_int_equal(answers, 1);
        world_remove(&world);
    }
    assert_true(struck > 10);
}

static void a_removal_is_repeated_whichever_call_fails(void **state)
{
    int64_t nth = 1, struck = 0;

    (void)state;
    for (bool more = true; more; nth++) {
        struct world world;
        struct faulty_db faulty;
        struct error error = { 0 };
        int64_t removed = 0;
        bool left = false;

        world_make(&world);
        world.limits.log_bytes = 1 << 24; /* all rows in one file */
        world.received_from_ms = when_now(&world.clock);
        assert_true(world_open(&world, &error));
        world_fill(&world, 90, 5);
        struct db *inner = put_fault(&world, &faulty, nth);
        bool done = journal_remove(world.journal, 1, person, 100, &removed, &left, &error);
        more = faulty.struck;
        struck += more;
        assert_true(done != more);
        assert_true(left == !done);
        take_fault(&world, &faulty, inner);
        world_erase(&world, 1, person);
        assert_int_equal(rows_of_person(&world), 0);
        assert_int_equal(world_traces(&world, true), 0);
        assert_true(world_reads_back(&world, 1, &(uint32_t){ 3 }, 1, 10, false));
        world_reopen(&world);
        for (uint64_t id = 1; id < 90; id++)
            assert_true(journal_has_message(world.journal, id));
        world_remove(&world);
    }
    assert_true(struck > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_whole_or_absent_whichever_call_fails),
        cmocka_unit_test(a_removal_is_repeated_whichever_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
