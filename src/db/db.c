/* What is the same on every database: one door for statements, nested transactions, and the rule that a handle
 * whose commit or sync failed is only good for closing. Engines stand in files of their own. */
#include "db/db.h"

#include <assert.h>

bool row_is_null(const struct row *row, int column)
{
    return row->ops->is_null(row, column);
}

int64_t row_integer(const struct row *row, int column)
{
    return row->ops->integer(row, column);
}

struct str row_bytes(const struct row *row, int column)
{
    return row->ops->bytes(row, column);
}

bool row_blob(const struct row *row, int column, void *out, size_t len, struct error *error)
{
    struct str bytes = row_bytes(row, column);

    if (bytes.len != len)
        return error_set(error, ERROR_CORRUPT, "column %d holds %zu bytes, not %zu", column, bytes.len, len);
    if (len > 0)
        memcpy(out, bytes.at, len);
    return true;
}

static bool db_usable(const struct db *db, struct error *error)
{
    return !db->broken || error_set(error, ERROR_DATABASE, "the database must be reopened after an earlier failure");
}

bool db_run(struct db *db, struct sql sql, const struct value *params, db_row *row, void *arg, struct error *error)
{
    return db_usable(db, error) && db->ops->run(db, sql, params, row, arg, NULL, error);
}

bool db_change(struct db *db, struct sql sql, const struct value *params, int64_t *changed, struct error *error)
{
    return db_usable(db, error) && db->ops->run(db, sql, params, NULL, NULL, changed, error);
}

struct one_integer {
    int64_t value;
    bool found;
};

static bool take_integer(void *arg, const struct row *row, struct error *error)
{
    struct one_integer *one = arg;

    (void)error;
    one->value = row_integer(row, 0);
    one->found = true;
    return DB_STOP;
}

bool db_integer(struct db *db, struct sql sql, const struct value *params, int64_t *out, bool *found,
                struct error *error)
{
    struct one_integer one = { 0 };

    if (!db_run(db, sql, params, take_integer, &one, error))
        return false;
    if (found)
        *found = one.found;
    if (one.found)
        *out = one.value;
    return true;
}

bool db_settle(struct db *db, enum db_settle how, int64_t *pages_left, struct error *error)
{
    int64_t left = 0;

    assert(db->depth == 0);
    if (!db_usable(db, error))
        return false;
    if (!db->ops->settle(db, how, &left, error)) {
        if (error->code != ERROR_BUSY)
            db->broken = true;
        return false;
    }
    if (pages_left)
        *pages_left = left;
    return true;
}

int64_t db_log_pages(const struct db *db)
{
    return db->ops->log_pages(db);
}

/* A statement of the transaction itself: also on a broken handle, where it is the way out. */
static bool db_steer(struct db *db, struct sql sql, struct error *error)
{
    return db->ops->run(db, sql, NULL, NULL, NULL, NULL, error);
}

bool db_begin(struct db *db, struct error *error)
{
    if (!db_usable(db, error))
        return false;
    /* One name serves every depth: the newest savepoint of that name is meant. */
    if (!db_steer(db, db->depth == 0 ? db->begin : SQL("SAVEPOINT nested"), error))
        return error_within(error, "begin");
    db->depth++;
    return true;
}

bool db_commit(struct db *db, struct error *error)
{
    assert(db->depth > 0);
    if (!db_usable(db, error))
        return false;
    if (!db_steer(db, db->depth == 1 ? SQL("COMMIT") : SQL("RELEASE SAVEPOINT nested"), error)) {
        if (db->depth == 1)
            db->broken = true;
        return error_within(error, "commit");
    }
    db->depth--;
    return true;
}

void db_rollback(struct db *db)
{
    struct error error = { 0 };
    bool done;

    assert(db->depth > 0);
    if (db->depth == 1)
        done = db_steer(db, SQL("ROLLBACK"), &error);
    else
        done = db_steer(db, SQL("ROLLBACK TO SAVEPOINT nested"), &error) &&
               db_steer(db, SQL("RELEASE SAVEPOINT nested"), &error);
    db->depth--;
    if (!done || db->unjournaled)
        db->broken = true;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    while (db->depth > 0)
        db_rollback(db);
    db->ops->close(db);
}
