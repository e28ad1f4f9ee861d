/* The embedded engine: SQLite behind db.h. Runs statements, brings the log into the file, and turns SQLite's codes into
 * ours. No value ever reaches an error text: only SQLite's fixed words and schema names.
 * How a file is opened stands in db_sqlite_open.c, the prepared statements in db_sqlite_statement.c. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/db_sqlite.h"

struct sqlite_row {
    struct row base;
    sqlite3_stmt *handle;
};

static struct sqlite_db *sqlite_of(struct db *db)
{
    assert(db->ops == &sqlite_ops);
    return (struct sqlite_db *)(void *)db;
}

/* ---- errors ---- */

static enum error_code sqlite_code(sqlite3 *handle, int code)
{
    int number = handle ? sqlite3_system_errno(handle) : 0;

    switch (code & 0xff) {
    case SQLITE_FULL:
        return ERROR_FULL;
    case SQLITE_IOERR:
        return number == ENOSPC || number == EDQUOT ? ERROR_FULL : ERROR_DATABASE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERROR_CORRUPT;
    case SQLITE_TOOBIG:
        return ERROR_TOO_LARGE;
    default:
        return ERROR_DATABASE;
    }
}

bool sqlite_failed(struct sqlite_db *self, int code, struct error *error)
{
    return error_set(error, sqlite_code(self->handle, code), "sqlite: %s (%d)", sqlite3_errstr(code), code);
}

bool sqlite_failed_text(struct sqlite_db *self, int code, struct error *error)
{
    return error_set(error, sqlite_code(self->handle, code), "sqlite: %s (%d)", sqlite3_errmsg(self->handle), code);
}

/* ---- rows ---- */

static sqlite3_stmt *row_handle(const struct row *row)
{
    return ((const struct sqlite_row *)(const void *)row)->handle;
}

static bool sqlite_row_is_null(const struct row *row, int column)
{
    return sqlite3_column_type(row_handle(row), column) == SQLITE_NULL;
}

static int64_t sqlite_row_integer(const struct row *row, int column)
{
    return sqlite3_column_int64(row_handle(row), column);
}

static struct str sqlite_row_bytes(const struct row *row, int column)
{
    const char *at = sqlite3_column_blob(row_handle(row), column);

    return (struct str){ at, (size_t)sqlite3_column_bytes(row_handle(row), column) };
}

static const struct row_ops sqlite_row_ops = {
    .is_null = sqlite_row_is_null,
    .integer = sqlite_row_integer,
    .bytes = sqlite_row_bytes,
};

/* Steps to the end, or until the row function stops. */
static bool step_all(struct sqlite_db *self, sqlite3_stmt *handle, db_row *take, void *arg, struct error *error)
{
    struct sqlite_row row = { { &sqlite_row_ops }, handle };
    int code;

    while ((code = sqlite3_step(handle)) == SQLITE_ROW) {
        if (!take)
            continue;
        struct error said;
        said.code = ERROR_NONE;
        said.text[0] = '\0';
        if (take(arg, &row.base, &said))
            continue;
        if (said.code == ERROR_NONE)
            return true;
        *error = said;
        return false;
    }
    return code == SQLITE_DONE || sqlite_failed(self, code, error);
}

/* Some failures (a full disk, an I/O error) make SQLite end the whole transaction by itself. What came next would
 * commit alone, so the handle is given up. */
static void give_up_if_lost(struct sqlite_db *self, bool was_open)
{
    if (was_open && sqlite3_get_autocommit(self->handle))
        self->base.broken = true;
}

static bool sqlite_run(struct db *db, struct sql sql, const struct value *params, db_row *take, void *arg,
                       int64_t *changed, struct error *error)
{
    struct sqlite_db *self = sqlite_of(db);
    struct statement *statement = statement_of(self, sql, error);
    bool was_open = !sqlite3_get_autocommit(self->handle);
    sqlite3_int64 before = changed ? sqlite3_total_changes64(self->handle) : 0;

    if (!statement)
        return false;
    assert(!sqlite3_stmt_busy(statement->handle)); /* its own row function called it */
    int code = statement_bind(statement, params);
    bool ok =
        code == SQLITE_OK ? step_all(self, statement->handle, take, arg, error) : sqlite_failed(self, code, error);
    code = sqlite3_reset(statement->handle);
    if (ok && code != SQLITE_OK) /* a statement that commits by itself and was stopped early commits here */
        ok = sqlite_failed(self, code, error);
    if (!ok)
        give_up_if_lost(self, was_open);
    if (ok && changed)
        *changed = sqlite3_total_changes64(self->handle) - before;
    return ok;
}

static bool sqlite_script(struct db *db, const char *sql, struct error *error)
{
    struct sqlite_db *self = sqlite_of(db);
    bool was_open = !sqlite3_get_autocommit(self->handle);
    int code = sqlite3_exec(self->handle, sql, NULL, NULL, NULL);

    if (code == SQLITE_OK)
        return true;
    give_up_if_lost(self, was_open);
    return sqlite_failed_text(self, code, error);
}

static bool sqlite_schema_version(struct db *db, int64_t *out, struct error *error)
{
    bool found = false;

    return db_integer(db, SQL("PRAGMA user_version"), NULL, out, &found, error);
}

static bool sqlite_set_schema_version(struct db *db, int64_t version, struct error *error)
{
    char text[64]; /* a pragma takes no parameters */

    snprintf(text, sizeof(text), "PRAGMA user_version = %lld", (long long)version);
    return sqlite_script(db, text, error);
}

/* ---- the log and the disk ---- */

/* After each commit: a commit only ever adds frames, so a count that did not rise belongs to a log begun anew.
 * (One commit larger than the whole log before it is not told apart and counts short; the next settle puts it right.) */
int sqlite_log_grew(void *arg, sqlite3 *handle, const char *schema, int frames)
{
    struct sqlite_db *self = arg;

    (void)handle;
    (void)schema;
    if (frames <= self->log_frames)
        self->settled_frames = 0;
    self->log_frames = frames;
    return SQLITE_OK;
}

static int64_t sqlite_log_pages(const struct db *db)
{
    const struct sqlite_db *self = (const struct sqlite_db *)(const void *)db;

    assert(db->ops == &sqlite_ops);
    return self->log_frames - self->settled_frames;
}

/* SQLite truncates the log without a sync: after a power cut its old bytes would be back. */
static int sync_log(struct sqlite_db *self)
{
    sqlite3_file *log = NULL;
    int code = sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);

    if (code != SQLITE_OK || !log || !log->pMethods)
        return code;
    return log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
}

static bool settle_log(struct sqlite_db *self, enum db_settle how, int64_t *pages_left, struct error *error)
{
    bool emptying = how == DB_SETTLE_EMPTY;
    int frames = 0, settled = 0;
    int code = sqlite3_wal_checkpoint_v2(
        self->handle, "main", emptying ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &frames, &settled);

    if (frames >= 0 && settled >= 0) {
        self->log_frames = frames;
        self->settled_frames = settled;
    }
    *pages_left = sqlite_log_pages(&self->base);
    if (code == SQLITE_OK && emptying)
        code = sync_log(self);
    /* PASSIVE is busy only while another checkpoint runs: it then did nothing, which is what "some" allows. */
    if (code == SQLITE_OK || (!emptying && (code & 0xff) == SQLITE_BUSY))
        return true;
    return sqlite_failed(self, code, error);
}

static bool sync_directory(const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok;

    if (file < 0)
        return error_errno(error, "open the directory of a database");
    ok = fsync(file) == 0 || error_errno(error, "sync the directory of a database");
    close(file);
    return ok;
}

/* By SQLite's own descriptor: closing a second one on the same file would drop SQLite's locks. */
static bool settle_built(struct sqlite_db *self, struct error *error)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (code == SQLITE_OK && file && file->pMethods)
        code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (code != SQLITE_OK)
        return sqlite_failed(self, code, error);
    return sync_directory(self->directory, error);
}

static bool sqlite_settle(struct db *db, enum db_settle how, int64_t *pages_left, struct error *error)
{
    struct sqlite_db *self = sqlite_of(db);

    *pages_left = 0;
    if (self->mode == DB_WRITER)
        return settle_log(self, how, pages_left, error);
    if (self->mode == DB_BUILD && how == DB_SETTLE_EMPTY)
        return settle_built(self, error);
    return true; /* the others are in their file after each commit, or never write */
}

/* ---- closing ---- */

static void sqlite_close(struct db *db)
{
    struct sqlite_db *self = sqlite_of(db);

    statements_clear(self);
    if (self->handle && self->base.broken) /* what could not be synced once is not carried into the file by closing */
        (void)sqlite3_db_config(self->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int code = sqlite3_close(self->handle);
    assert(code == SQLITE_OK); /* else a statement was left open */
    free(self->directory);
    free(self);
}

const struct db_ops sqlite_ops = {
    .name = "sqlite",
    .run = sqlite_run,
    .script = sqlite_script,
    .settle = sqlite_settle,
    .log_pages = sqlite_log_pages,
    .schema_version = sqlite_schema_version,
    .set_schema_version = sqlite_set_schema_version,
    .close = sqlite_close,
};
