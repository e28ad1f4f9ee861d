/* Statements, values and transactions: what every database must do, shown on SQLite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
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
    ASSERT_OK(db_run(bench->db, SQL("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, body BLOB)"), NULL, NULL,
                     NULL, &error));
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

static void add(struct db *db, int64_t id)
{
    struct error error = { 0 };

    ASSERT_OK(db_run(db, SQL("INSERT INTO item (id, name) VALUES ($1, $2)"),
                     DB_PARAMS(DB_INTEGER(id), DB_TEXT(STR("one"))), NULL, NULL, &error));
}

static int64_t count(struct db *db)
{
    struct error error = { 0 };
    bool found = false;
    int64_t number = -1;

    ASSERT_OK(db_integer(db, SQL("SELECT count(*) FROM item"), NULL, &number, &found, &error));
    assert_true(found);
    return number;
}

/* ---- values ---- */

struct seen {
    bool name_null, body_null;
    char name[64], body[64];
    size_t name_len, body_len;
    int64_t id, name_number;
    int rows;
};

static bool see(void *arg, const struct row *row, struct error *error)
{
    struct seen *seen = arg;
    struct str name = row_bytes(row, 1), body = row_bytes(row, 2);

    (void)error;
    seen->id = row_integer(row, 0);
    seen->name_null = row_is_null(row, 1);
    seen->body_null = row_is_null(row, 2);
    seen->name_len = name.len;
    seen->body_len = body.len;
    if (name.len > 0)
        memcpy(seen->name, name.at, name.len);
    if (body.len > 0)
        memcpy(seen->body, body.at, body.len);
    seen->rows++;
    return true;
}

static void values_come_back_as_they_went_in(void **state)
{
    struct bench *bench = *state;
    const struct {
        const char *what;
        int64_t id;
        struct value name, body;
        bool name_null, body_null;
    } cases[] = {
        { "text and blob", 1, DB_TEXT(STR("name")), DB_BLOB("\0\1\2\xff", 4), false, false },
        { "lowest integer", INT64_MIN, DB_TEXT(STR("a")), DB_BLOB("b", 1), false, false },
        { "highest integer", INT64_MAX, DB_TEXT(STR("a")), DB_BLOB("b", 1), false, false },
        { "nulls", 2, DB_NULL, DB_NULL, true, true },
        { "empty is not null", 3, DB_TEXT(STR("")), DB_BLOB("", 0), false, false },
        { "empty without an address", 4, DB_TEXT(((struct str){ NULL, 0 })), DB_BLOB(NULL, 0), false, false },
        { "text with a NUL inside", 5, DB_TEXT(STR("a\0b")), DB_NULL, false, true },
        { "four-byte characters", 6, DB_TEXT(STR("\xf0\x9f\x98\x80")), DB_NULL, false, true },
        { "quotes", 7, DB_TEXT(STR("'); DROP TABLE item; --")), DB_NULL, false, true },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = { 0 };
        struct seen seen = { 0 };
        const struct value *name = &cases[i].name, *body = &cases[i].body;

        ASSERT_OK(db_run(bench->db, SQL("INSERT INTO item (id, name, body) VALUES ($1, $2, $3)"),
                         DB_PARAMS(DB_INTEGER(cases[i].id), *name, *body), NULL, NULL, &error));
        ASSERT_OK(db_run(bench->db, SQL("SELECT id, name, body FROM item WHERE id = $1"),
                         DB_PARAMS(DB_INTEGER(cases[i].id)), see, &seen, &error));
        if (seen.rows != 1 || seen.id != cases[i].id || seen.name_null != cases[i].name_null ||
            seen.body_null != cases[i].body_null || seen.name_len != name->bytes.len ||
            seen.body_len != body->bytes.len ||
            memcmp(seen.name, name->bytes.len ? name->bytes.at : "", seen.name_len) ||
            memcmp(seen.body, body->bytes.len ? body->bytes.at : "", seen.body_len))
            fail_msg("case '%s'", cases[i].what);
    }
}

/* SQLite alone would number the parameters by where they first stand. */
static void a_parameter_is_found_by_its_number(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };
    struct seen seen = { 0 };

    ASSERT_OK(db_run(bench->db, SQL("INSERT INTO item (name, body, id) VALUES ($3, $2, $1)"),
                     DB_PARAMS(DB_INTEGER(8), DB_BLOB("bb", 2), DB_TEXT(STR("ccc"))), NULL, NULL, &error));
    ASSERT_OK(db_run(bench->db, SQL("SELECT id, name, body FROM item WHERE name = $2 AND id = $1 AND $2 = name"),
                     DB_PARAMS(DB_INTEGER(8), DB_TEXT(STR("ccc"))), see, &seen, &error));
    assert_int_equal(seen.rows, 1);
    assert_int_equal(seen.body_len, 2);
}

static bool take_key(void *arg, const struct row *row, struct error *error)
{
    return row_blob(row, 0, arg, 4, error);
}

static void a_blob_of_another_length_is_corrupt(void **state)
{
    struct bench *bench = *state;
    const struct {
        struct value body;
        bool fits;
    } cases[] = {
        { DB_BLOB("1234", 4), true }, { DB_BLOB("123", 3), false }, { DB_BLOB("12345", 5), false }, { DB_NULL, false }
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = { 0 };
        char key[4] = { 0 };

        ASSERT_OK(db_run(bench->db,
                         SQL("INSERT INTO item (id, body) VALUES (1, $1) "
                             "ON CONFLICT (id) DO UPDATE SET body = excluded.body"),
                         DB_PARAMS(cases[i].body), NULL, NULL, &error));
        assert_int_equal(db_run(bench->db, SQL("SELECT body FROM item"), NULL, take_key, key, &error), cases[i].fits);
        assert_int_equal(error.code, cases[i].fits ? ERROR_NONE : ERROR_CORRUPT);
    }
}

/* ---- rows ---- */

struct stopping {
    int rows, stop_at;
    bool with_error;
};

static bool stop_at_row(void *arg, const struct row *row, struct error *error)
{
    struct stopping *stopping = arg;

    (void)row;
    if (++stopping->rows < stopping->stop_at)
        return true;
    return stopping->with_error ? error_set(error, ERROR_INVALID, "enough") : DB_STOP;
}

static void a_row_function_stops_quietly_or_with_an_error(void **state)
{
    struct bench *bench = *state;

    for (int64_t id = 0; id < 5; id++)
        add(bench->db, id);
    for (int with_error = 0; with_error < 2; with_error++) {
        struct stopping stopping = { .stop_at = 3, .with_error = with_error };
        /* What an earlier call left in the error does not make a quiet stop a failure. */
        struct error error = { .code = ERROR_BUSY, .text = "earlier" };

        assert_int_equal(db_run(bench->db, SQL("SELECT id FROM item"), NULL, stop_at_row, &stopping, &error),
                         !with_error);
        assert_int_equal(stopping.rows, 3);
        if (with_error)
            assert_int_equal(error.code, ERROR_INVALID);
        assert_int_equal(count(bench->db), 5);
    }
}

static void changes_are_counted_and_a_missing_row_is_told(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };
    int64_t changed = -1, number = 77;
    bool found = true;

    for (int64_t id = 0; id < 5; id++)
        add(bench->db, id);
    ASSERT_OK(db_change(bench->db, SQL("DELETE FROM item WHERE id >= $1"), DB_PARAMS(DB_INTEGER(2)), &changed, &error));
    assert_int_equal(changed, 3);
    ASSERT_OK(db_change(bench->db, SQL("SELECT id FROM item"), NULL, &changed, &error));
    assert_int_equal(changed, 0);
    ASSERT_OK(db_integer(bench->db, SQL("SELECT id FROM item WHERE id = 99"), NULL, &number, &found, &error));
    assert_false(found);
    assert_int_equal(number, 77);
    ASSERT_OK(
        db_integer(bench->db, SQL("INSERT INTO item (id) VALUES (9) RETURNING id"), NULL, &number, &found, &error));
    assert_int_equal(number, 9);
    assert_int_equal(count(bench->db), 3);
}

static void a_failed_statement_names_no_value_and_leaves_the_handle_usable(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };

    add(bench->db, 1);
    assert_false(db_run(bench->db, SQL("INSERT INTO item (id, name) VALUES ($1, $2)"),
                        DB_PARAMS(DB_INTEGER(1), DB_TEXT(STR("someone@example.org"))), NULL, NULL, &error));
    assert_int_equal(error.code, ERROR_DATABASE);
    assert_null(strstr(error.text, "example"));
    assert_false(db_run(bench->db, SQL("SELECT id FROM nowhere"), NULL, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "nowhere"));
    add(bench->db, 2);
    assert_int_equal(count(bench->db), 2);
}

/* A text in double quotes would otherwise silently mean itself. */
static void a_misspelt_column_is_an_error(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };

    assert_false(db_run(bench->db, SQL("SELECT \"nmae\" FROM item"), NULL, NULL, NULL, &error));
}

static void many_statements_stay_prepared(void **state)
{
    struct bench *bench = *state;
    static char texts[400][48]; /* static as literals are: found again by address */

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 400; i++) {
            struct error error = { 0 };
            int64_t number = -1;
            bool found;

            if (round == 0)
                snprintf(texts[i], sizeof(texts[i]), "SELECT $1 * 1000 + %d", i);
            struct sql sql = { texts[i] };
            ASSERT_OK(db_integer(bench->db, sql, DB_PARAMS(DB_INTEGER(round)), &number, &found, &error));
            assert_int_equal(number, round * 1000 + i);
        }
}

/* ---- transactions ---- */

static void transactions_nest(void **state)
{
    const struct {
        const char *name;
        bool keep[3]; /* outermost first */
        int64_t left;
    } cases[] = {
        { "all kept", { true, true, true }, 3 },
        { "innermost undone", { true, true, false }, 2 },
        { "middle undone with the innermost", { true, false, true }, 1 },
        { "all undone", { false, true, true }, 0 },
        { "each undone", { false, false, false }, 0 },
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = { 0 };

        for (int depth = 0; depth < 3; depth++) {
            ASSERT_OK(db_begin(bench->db, &error));
            add(bench->db, depth);
        }
        for (int depth = 2; depth >= 0; depth--)
            if (cases[i].keep[depth])
                ASSERT_OK(db_commit(bench->db, &error));
            else
                db_rollback(bench->db);
        assert_int_equal(bench->db->depth, 0);
        assert_false(bench->db->broken);
        if (count(bench->db) != cases[i].left)
            fail_msg("case '%s'", cases[i].name);
        ASSERT_OK(db_run(bench->db, SQL("DELETE FROM item"), NULL, NULL, NULL, &error));
    }
}

static void a_savepoint_undone_leaves_what_came_before_and_lets_more_come(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };

    ASSERT_OK(db_begin(bench->db, &error));
    add(bench->db, 1);
    ASSERT_OK(db_begin(bench->db, &error));
    add(bench->db, 2);
    assert_false(db_run(bench->db, SQL("INSERT INTO item (id) VALUES (1)"), NULL, NULL, NULL, &error));
    db_rollback(bench->db);
    ASSERT_OK(db_begin(bench->db, &error));
    add(bench->db, 3);
    ASSERT_OK(db_commit(bench->db, &error));
    ASSERT_OK(db_commit(bench->db, &error));
    assert_int_equal(count(bench->db), 2);
}

static void closing_undoes_what_is_open(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };

    ASSERT_OK(db_begin(bench->db, &error));
    ASSERT_OK(db_begin(bench->db, &error));
    add(bench->db, 1);
    db_close(bench->db);
    ASSERT_OK(db_open_sqlite(scratch_path(&bench->scratch, "a.db"), DB_WRITER, &bench->db, &error));
    assert_int_equal(count(bench->db), 0);
}

/* A full disk makes SQLite drop the transaction by itself; nothing after it may be committed alone. */
static void a_transaction_lost_to_a_full_disk_breaks_the_handle(void **state)
{
    struct bench *bench = *state;
    struct error error = { 0 };
    static char big[1 << 20];

    ASSERT_OK(db_run(bench->db, SQL("PRAGMA max_page_count = 40"), NULL, NULL, NULL, &error));
    ASSERT_OK(db_begin(bench->db, &error));
    add(bench->db, 1);
    ASSERT_OK(db_begin(bench->db, &error));
    bool ok = db_run(bench->db, SQL("INSERT INTO item (body) VALUES ($1)"), DB_PARAMS(DB_BLOB(big, sizeof(big))), NULL,
                     NULL, &error);
    assert_false(ok);
    assert_int_equal(error.code, ERROR_FULL);
    db_rollback(bench->db);
    assert_true(bench->db->broken);
    assert_false(db_run(bench->db, SQL("INSERT INTO item (id) VALUES (3)"), NULL, NULL, NULL, &error));
    assert_false(db_commit(bench->db, &error));
    db_rollback(bench->db);
    db_close(bench->db);
    ASSERT_OK(db_open_sqlite(scratch_path(&bench->scratch, "a.db"), DB_WRITER, &bench->db, &error));
    assert_int_equal(count(bench->db), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(values_come_back_as_they_went_in),
        CASE(a_parameter_is_found_by_its_number),
        CASE(a_blob_of_another_length_is_corrupt),
        CASE(a_row_function_stops_quietly_or_with_an_error),
        CASE(changes_are_counted_and_a_missing_row_is_told),
        CASE(a_failed_statement_names_no_value_and_leaves_the_handle_usable),
        CASE(a_misspelt_column_is_an_error),
        CASE(many_statements_stay_prepared),
        CASE(transactions_nest),
        CASE(a_savepoint_undone_leaves_what_came_before_and_lets_more_come),
        CASE(closing_undoes_what_is_open),
        CASE(a_transaction_lost_to_a_full_disk_breaks_the_handle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
