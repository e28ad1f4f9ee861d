/* What is SQLite's alone: ways to open a file, readers beside the writer, the log, and bytes that must be gone. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
#include "scratch.h"

#define SECRET "wanda.secret.value.4711"

#define ASSERT_OK(call)                                                                                                \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s", #call, error.text);                                                                     \
    } while (0)

static int set_up(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));

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

static struct db *open_db(struct scratch *scratch, const char *name, enum db_mode mode)
{
    struct error error = { 0 };
    struct db *db = NULL;

    ASSERT_OK(db_open_sqlite(scratch_path(scratch, name), mode, &db, &error));
    return db;
}

static void make_table(struct db *db)
{
    struct error error = { 0 };

    ASSERT_OK(db_run(db, SQL("CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT)"), NULL, NULL, NULL, &error));
}

static void add(struct db *db, int64_t id, struct str body)
{
    struct error error = { 0 };

    ASSERT_OK(db_run(db, SQL("INSERT INTO item (id, body) VALUES ($1, $2)"), DB_PARAMS(DB_INTEGER(id), DB_TEXT(body)),
                     NULL, NULL, &error));
}

static void add_many(struct db *db, int64_t from, int64_t count)
{
    struct error error = { 0 };

    ASSERT_OK(db_begin(db, &error));
    for (int64_t id = from; id < from + count; id++)
        add(db, id, STR("some text that fills the pages of the file a little"));
    ASSERT_OK(db_commit(db, &error));
}

static int64_t number(struct db *db, struct sql sql)
{
    struct error error = { 0 };
    bool found = false;
    int64_t value = -1;

    ASSERT_OK(db_integer(db, sql, NULL, &value, &found, &error));
    assert_true(found);
    return value;
}

static int64_t count(struct db *db)
{
    return number(db, SQL("SELECT count(*) FROM item"));
}

static void new_files_are_private_whatever_the_umask(void **state)
{
    static const mode_t umasks[] = { 0, 022, 077, 0777 };
    struct scratch *scratch = *state;
    mode_t before = umask(0);

    for (size_t i = 0; i < COUNT_OF(umasks); i++) {
        umask(umasks[i]);
        struct db *db = open_db(scratch, "a.db", DB_WRITER), *built = open_db(scratch, "b.db", DB_BUILD);
        make_table(db);
        assert_int_equal(scratch_mode(scratch, "a.db"), 0600);
        assert_int_equal(scratch_mode(scratch, "a.db-wal"), 0600);
        assert_int_equal(scratch_mode(scratch, "a.db-shm"), 0600);
        assert_int_equal(scratch_mode(scratch, "b.db"), 0600);
        db_close(db);
        db_close(built);
        unlink(scratch_path(scratch, "a.db"));
        unlink(scratch_path(scratch, "b.db"));
    }
    umask(before);
}

static void a_handle_is_set_up_as_its_mode_says(void **state)
{
    const struct {
        const char *name;
        enum db_mode mode;
        int64_t synchronous, query_only;
    } cases[] = {
        { "writer", DB_WRITER, 2, 0 }, { "reader", DB_READER, 2, 1 },       { "build", DB_BUILD, 0, 0 },
        { "rest", DB_REST, 2, 0 },     { "immutable", DB_IMMUTABLE, 2, 1 },
    };
    struct scratch *scratch = *state;
    struct db *first = open_db(scratch, "a.db", DB_WRITER);

    make_table(first);
    db_close(first);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct db *db = open_db(scratch, cases[i].mode == DB_BUILD ? "new.db" : "a.db", cases[i].mode);
        bool writes = !cases[i].query_only;

        if (number(db, SQL("PRAGMA synchronous")) != cases[i].synchronous ||
            (writes && cases[i].mode != DB_BUILD && number(db, SQL("PRAGMA secure_delete")) != 1) ||
            number(db, SQL("PRAGMA query_only")) != cases[i].query_only ||
            number(db, SQL("PRAGMA foreign_keys")) != 0 || number(db, SQL("PRAGMA temp_store")) != 2 ||
            number(db, SQL("PRAGMA page_size")) != 4096 || number(db, SQL("PRAGMA auto_vacuum")) != 0)
            fail_msg("case '%s'", cases[i].name);
        if (cases[i].mode == DB_WRITER)
            assert_int_equal(number(db, SQL("PRAGMA wal_autocheckpoint")), 0);
        db_close(db);
    }
}

static void readers_cannot_write(void **state)
{
    static const enum db_mode modes[] = { DB_READER, DB_IMMUTABLE };
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_WRITER);

    make_table(db);
    db_close(db);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct error error = { 0 };
        struct db *reader = open_db(scratch, "a.db", modes[i]);

        assert_false(db_run(reader, SQL("INSERT INTO item (id) VALUES (1)"), NULL, NULL, NULL, &error));
        assert_int_equal(error.code, ERROR_DATABASE);
        assert_int_equal(count(reader), 0);
        db_close(reader);
    }
}

static void only_a_mode_that_makes_files_makes_one(void **state)
{
    static const enum db_mode modes[] = { DB_READER, DB_REST, DB_IMMUTABLE };
    struct scratch *scratch = *state;

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct error error = { 0 };
        struct db *db = NULL;

        assert_false(db_open_sqlite(scratch_path(scratch, "missing.db"), modes[i], &db, &error));
        assert_null(db);
        assert_int_equal(scratch_size(scratch, "missing.db"), -1);
    }
}

static void a_file_that_is_no_database_is_told_at_once(void **state)
{
    static const enum db_mode modes[] = { DB_WRITER, DB_READER, DB_REST, DB_IMMUTABLE };
    struct scratch *scratch = *state;
    FILE *file = fopen(scratch_path(scratch, "a.db"), "wb");

    for (int i = 0; i < 2000; i++)
        fputs("not a database ", file);
    fclose(file);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct error error = { 0 };
        struct db *db = NULL;

        assert_false(db_open_sqlite(scratch_path(scratch, "a.db"), modes[i], &db, &error));
        assert_int_equal(error.code, ERROR_CORRUPT);
    }
}

static void a_reader_sees_only_what_is_committed(void **state)
{
    struct scratch *scratch = *state;
    struct db *writer = open_db(scratch, "a.db", DB_WRITER);
    struct error error = { 0 };

    make_table(writer);
    struct db *reader = open_db(scratch, "a.db", DB_READER);
    ASSERT_OK(db_begin(writer, &error));
    add(writer, 1, STR("a"));
    assert_int_equal(count(reader), 0);
    ASSERT_OK(db_commit(writer, &error));
    assert_int_equal(count(reader), 1);

    ASSERT_OK(db_begin(reader, &error)); /* a snapshot stays as it was */
    assert_int_equal(count(reader), 1);
    add(writer, 2, STR("b"));
    assert_int_equal(count(reader), 1);
    ASSERT_OK(db_commit(reader, &error));
    assert_int_equal(count(reader), 2);
    db_close(reader);
    db_close(writer);
}

static void a_second_writer_is_told_that_it_is_busy(void **state)
{
    struct scratch *scratch = *state;
    struct db *one = open_db(scratch, "a.db", DB_WRITER), *two = open_db(scratch, "a.db", DB_WRITER);
    struct error error = { 0 };

    ASSERT_OK(db_begin(one, &error));
    assert_false(db_begin(two, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    assert_int_equal(two->depth, 0);
    assert_false(two->broken);
    db_rollback(one);
    db_close(one);
    db_close(two);
}

static void settling_moves_the_log_into_the_file(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_WRITER);
    struct error error = { 0 };
    int64_t left = -1;

    make_table(db);
    add_many(db, 0, 2000);
    int64_t pages = db_log_pages(db);
    assert_true(pages > 20);
    ASSERT_OK(db_settle(db, DB_SETTLE_SOME, &left, &error));
    assert_int_equal(left, 0);
    assert_int_equal(db_log_pages(db), 0);
    assert_true(scratch_size(scratch, "a.db-wal") > 0);
    add(db, 5000, STR("begins the log anew"));
    assert_in_range(db_log_pages(db), 1, 4);
    ASSERT_OK(db_settle(db, DB_SETTLE_EMPTY, NULL, &error));
    assert_int_equal(scratch_size(scratch, "a.db-wal"), 0);
    assert_int_equal(db_log_pages(db), 0);
    assert_int_equal(count(db), 2001);
    db_close(db);
}

static void a_pinned_log_is_not_emptied_until_the_reader_lets_go(void **state)
{
    struct scratch *scratch = *state;
    struct db *writer = open_db(scratch, "a.db", DB_WRITER);
    struct error error = { 0 };
    int64_t left = -1;

    make_table(writer);
    add_many(writer, 0, 200);
    struct db *reader = open_db(scratch, "a.db", DB_READER);
    ASSERT_OK(db_begin(reader, &error));
    assert_int_equal(count(reader), 200);
    add_many(writer, 1000, 200);

    ASSERT_OK(db_settle(writer, DB_SETTLE_SOME, &left, &error));
    assert_true(left > 0);
    assert_int_equal(db_log_pages(writer), left);
    assert_false(db_settle(writer, DB_SETTLE_EMPTY, &left, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    assert_false(writer->broken);
    assert_true(scratch_size(scratch, "a.db-wal") > 0);
    assert_int_equal(count(reader), 200);

    ASSERT_OK(db_commit(reader, &error));
    ASSERT_OK(db_settle(writer, DB_SETTLE_EMPTY, &left, &error));
    assert_int_equal(left, 0);
    assert_int_equal(scratch_size(scratch, "a.db-wal"), 0);
    assert_int_equal(count(reader), 400);
    db_close(reader);
    db_close(writer);
}

/* Also where the deleted rows shared their pages with others, and where whole pages became free. */
static void nothing_deleted_is_left_once_the_log_is_empty(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_WRITER);
    struct error error = { 0 };

    make_table(db);
    for (int64_t id = 0; id < 500; id++)
        add(db, id, id % 3 == 0 ? STR("kept") : STR(SECRET));
    ASSERT_OK(db_settle(db, DB_SETTLE_SOME, NULL, &error));
    assert_true(scratch_count(scratch, "a.db", SECRET) > 300); /* the search finds what is there */
    assert_true(scratch_count(scratch, "a.db-wal", SECRET) > 300);

    ASSERT_OK(db_run(db, SQL("DELETE FROM item WHERE body <> 'kept'"), NULL, NULL, NULL, &error));
    ASSERT_OK(db_settle(db, DB_SETTLE_EMPTY, NULL, &error));
    assert_int_equal(scratch_count(scratch, "a.db", SECRET), 0);
    assert_int_equal(scratch_count(scratch, "a.db-wal", SECRET), 0);
    assert_int_equal(count(db), 167);
    db_close(db);
}

static void nothing_deleted_is_left_in_a_file_at_rest(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_BUILD);
    struct error error = { 0 };
    int64_t left = -1;

    make_table(db);
    ASSERT_OK(db_begin(db, &error));
    for (int64_t id = 0; id < 100; id++)
        add(db, id, STR(SECRET));
    ASSERT_OK(db_commit(db, &error));
    ASSERT_OK(db_settle(db, DB_SETTLE_EMPTY, &left, &error));
    assert_int_equal(left, 0);
    db_close(db);
    assert_int_equal(scratch_count(scratch, "a.db", SECRET), 100);

    db = open_db(scratch, "a.db", DB_REST);
    ASSERT_OK(db_run(db, SQL("DELETE FROM item WHERE id > 0"), NULL, NULL, NULL, &error));
    assert_int_equal(scratch_count(scratch, "a.db", SECRET), 1);
    assert_true(scratch_size(scratch, "a.db-journal") <= 0);
    db_close(db);
}

static void a_building_file_cannot_take_back(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_BUILD);
    struct error error = { 0 };

    make_table(db);
    ASSERT_OK(db_begin(db, &error));
    add(db, 1, STR("a"));
    db_rollback(db);
    assert_true(db->broken);
    assert_false(db_run(db, SQL("INSERT INTO item (id) VALUES (2)"), NULL, NULL, NULL, &error));
    assert_false(db_settle(db, DB_SETTLE_EMPTY, NULL, &error));
    db_close(db);
}

static void an_immutable_file_is_found_under_any_name(void **state)
{
    static const char *const names[] = { "a.db",   "a b.db",      "100%25.db",   "what?immutable=0.db",
                                         "a#b.db", "\xc3\xa4.db", "a&b=c;d+e.db" };
    struct scratch *scratch = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct db *db = open_db(scratch, names[i], DB_BUILD);

        make_table(db);
        add(db, (int64_t)i, STR("a"));
        db_close(db);
        db = open_db(scratch, names[i], DB_IMMUTABLE);
        assert_int_equal(number(db, SQL("SELECT id FROM item")), i);
        db_close(db);
    }
}

static void an_immutable_file_is_found_by_a_doubled_slash_and_a_relative_path(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_BUILD);
    char doubled[SCRATCH_PATH_MAX + 1];
    char *before = getcwd(NULL, 0);
    const char *paths[] = { doubled, "a.db", "./a.db" };

    make_table(db);
    db_close(db);
    snprintf(doubled, sizeof(doubled), "/%s", scratch_path(scratch, "a.db"));
    assert_int_equal(chdir(scratch->directory), 0);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct error error = { 0 };

        ASSERT_OK(db_open_sqlite(paths[i], DB_IMMUTABLE, &db, &error));
        assert_int_equal(count(db), 0);
        db_close(db);
    }
    assert_int_equal(chdir(before), 0);
    free(before);
}

/* Takes over a file that the writer left, as the janitor does with a closed volume. */
static void a_file_from_the_writer_comes_to_rest(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_WRITER);

    make_table(db);
    add(db, 1, STR("a"));
    db_close(db);
    assert_int_equal(scratch_size(scratch, "a.db-wal"), -1);
    db = open_db(scratch, "a.db", DB_REST);
    add(db, 2, STR("b"));
    assert_int_equal(scratch_size(scratch, "a.db-wal"), -1);
    assert_int_equal(count(db), 2);
    db_close(db);
}

/* What was not opened whole, or is broken, leaves its log to the next start. */
static void a_broken_handle_does_not_settle_by_closing(void **state)
{
    struct scratch *scratch = *state;
    struct db *db = open_db(scratch, "a.db", DB_WRITER);

    make_table(db);
    add(db, 1, STR("a"));
    db->broken = true;
    db_close(db);
    assert_true(scratch_size(scratch, "a.db-wal") > 0);
    db = open_db(scratch, "a.db", DB_WRITER);
    assert_int_equal(count(db), 1);
    db_close(db);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(new_files_are_private_whatever_the_umask),
        CASE(a_handle_is_set_up_as_its_mode_says),
        CASE(readers_cannot_write),
        CASE(only_a_mode_that_makes_files_makes_one),
        CASE(a_file_that_is_no_database_is_told_at_once),
        CASE(a_reader_sees_only_what_is_committed),
        CASE(a_second_writer_is_told_that_it_is_busy),
        CASE(settling_moves_the_log_into_the_file),
        CASE(a_pinned_log_is_not_emptied_until_the_reader_lets_go),
        CASE(nothing_deleted_is_left_once_the_log_is_empty),
        CASE(nothing_deleted_is_left_in_a_file_at_rest),
        CASE(a_building_file_cannot_take_back),
        CASE(an_immutable_file_is_found_under_any_name),
        CASE(an_immutable_file_is_found_by_a_doubled_slash_and_a_relative_path),
        CASE(a_file_from_the_writer_comes_to_rest),
        CASE(a_broken_handle_does_not_settle_by_closing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
