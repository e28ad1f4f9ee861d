/* The driver that fails on purpose: fails exactly the nth call, and what it wraps stays whole. And, by it, that a
 * migration is all or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/migrate.h"
#include "db_faulty.h"
#include "scratch.h"

#define ASSERT_OK(call)                                                                                                \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s", #call, error.text);                                                                     \
    } while (0)

struct bench {
    struct scratch scratch;
    struct db *db;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct error error = { 0 };

    scratch_make(&bench->scratch);
    *state = bench;
    ASSERT_OK(db_open_sqlite(scratch_path(&bench->scratch, "a.db"), DB_WRITER, &bench->db, &error));
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    db_close(bench->db);
    scratch_remove(&bench->scratch);
    free(bench);
    return 0;
}

static int64_t number(struct db *db, struct sql sql)
{
    struct error error = { 0 };
    bool found = false;
    int64_t value = -1;

    ASSERT_OK(db_integer(db, sql, NULL, &value, &found, &error));
    return value;
}

static void exactly_the_nth_call_fails(void **state)
{
    struct bench *bench = *state;

    for (int64_t nth = 1; nth <= 7; nth++) {
        struct faulty_db faulty;

        faulty_init(&faulty, bench->db, nth);
        faulty.fails_how = ERROR_FULL;
        for (int64_t call = 1; call <= 6; call++) {
            struct error error = { 0 };
            bool ok = db_run(&faulty.base, SQL("SELECT 1"), NULL, NULL, NULL, &error);

            assert_int_equal(ok, call != nth);
            assert_int_equal(error.code, call == nth ? ERROR_FULL : ERROR_NONE);
        }
        assert_int_equal(faulty.struck, nth <= 6);
        assert_int_equal(faulty.calls, 6);
        db_close(&faulty.base);
    }
}

/* Two rows inside a nested transaction inside another. */
static bool work(struct db *db, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (db_run(db, SQL("INSERT INTO item (id) VALUES (1)"), NULL, NULL, NULL, error) && db_begin(db, error)) {
        if (db_run(db, SQL("INSERT INTO item (id) VALUES (2)"), NULL, NULL, NULL, error) && db_commit(db, error)) {
            if (db_commit(db, error))
                return true;
        } else {
            db_rollback(db);
        }
    }
    db_rollback(db);
    return false;
}

static void work_is_all_or_nothing_wherever_it_fails(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };
    int64_t nth;

    ASSERT_OK(db_run(bench->db, SQL("CREATE TABLE item (id INTEGER PRIMARY KEY)"), NULL, NULL, NULL, &error));
    for (nth = 1;; nth++) {
        struct faulty_db faulty;

        faulty_init(&faulty, bench->db, nth);
        bool done = work(&faulty.base, &error);
        assert_int_equal(faulty.base.depth, 0);
        assert_int_equal(done, !faulty.struck);
        assert_int_equal(number(bench->db, SQL("SELECT count(*) FROM item")), done ? 2 : 0);
        assert_int_equal(faulty.base.broken, nth == 6); /* the outermost commit */
        if (!faulty.struck)
            break;
    }
    assert_int_equal(nth, 7);
}

static const char first[] = "CREATE TABLE person (id INTEGER PRIMARY KEY);\n"
                            "CREATE TABLE thing (id INTEGER PRIMARY KEY); -- the last of the first\n";
static const char second[] = "ALTER TABLE person ADD COLUMN age INTEGER; INSERT INTO person VALUES (1, 2);";
static const char wrong[] = "CREATE TABLE more (id INTEGER PRIMARY KEY); CREATE TABLE person (id INTEGER);";

static const char *const scripts_none[] = { NULL };
static const char *const scripts_one[] = { first, NULL };
static const char *const scripts_two[] = { first, second, NULL };
static const char *const scripts_wrong[] = { first, second, wrong, NULL };

static void a_schema_goes_forward_only(void **state)
{
    struct bench *bench = *state;
    const struct schema none = { "test", scripts_none }, one = { "test", scripts_one }, two = { "test", scripts_two };
    struct error error = { 0 };

    ASSERT_OK(db_migrate(bench->db, &none, &error));
    ASSERT_OK(db_migrate(bench->db, &one, &error));
    assert_int_equal(number(bench->db, SQL("PRAGMA user_version")), 1);
    ASSERT_OK(db_migrate(bench->db, &two, &error));
    ASSERT_OK(db_migrate(bench->db, &two, &error)); /* nothing to do: nothing is done twice */
    assert_int_equal(number(bench->db, SQL("PRAGMA user_version")), 2);
    assert_int_equal(number(bench->db, SQL("SELECT age FROM person")), 2);

    assert_false(db_migrate(bench->db, &one, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_non_null(strstr(error.text, "newer program"));
    assert_int_equal(number(bench->db, SQL("PRAGMA user_version")), 2);
}

static void a_script_that_fails_leaves_the_schema_before_it(void **state)
{
    struct bench *bench = *state;
    const struct schema schema = { "test", scripts_wrong };
    struct error error = { 0 };

    assert_false(db_migrate(bench->db, &schema, &error));
    assert_non_null(strstr(error.text, "schema test 3"));
    assert_int_equal(number(bench->db, SQL("PRAGMA user_version")), 2);
    assert_int_equal(number(bench->db, SQL("SELECT count(*) FROM sqlite_schema WHERE name = 'more'")), 0);
    assert_int_equal(bench->db->depth, 0);
    assert_false(bench->db->broken);
}

static void a_migration_goes_on_where_it_was_interrupted(void **state)
{
    struct bench *bench = *state;
    const struct schema schema = { "test", scripts_two };

    for (int64_t nth = 1;; nth++) {
        struct faulty_db faulty;
        struct error error = { 0 };
        struct db *db = NULL;
        char name[32];

        snprintf(name, sizeof(name), "%d.db", (int)nth);
        ASSERT_OK(db_open_sqlite(scratch_path(&bench->scratch, name), DB_WRITER, &db, &error));
        faulty_init(&faulty, db, nth);
        bool done = db_migrate(&faulty.base, &schema, &error);
        assert_int_equal(done, !faulty.struck);
        int64_t reached = number(db, SQL("PRAGMA user_version"));
        int64_t tables = number(db, SQL("SELECT count(*) FROM sqlite_schema WHERE type = 'table'"));
        assert_int_equal(tables, reached == 0 ? 0 : 2);
        ASSERT_OK(db_migrate(db, &schema, &error));
        assert_int_equal(number(db, SQL("SELECT count(*) FROM person WHERE age = 2")), 1);
        db_close(db);
        if (!faulty.struck) {
            assert_int_equal(nth, 10); /* the version, then four calls a script */
            break;
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exactly_the_nth_call_fails),
        CASE(work_is_all_or_nothing_wherever_it_fails),
        CASE(a_schema_goes_forward_only),
        CASE(a_script_that_fails_leaves_the_schema_before_it),
        CASE(a_migration_goes_on_where_it_was_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
