/* What a database must do for us. One driver a file (db_sqlite.c; a test driver that fails on purpose wraps another).
 * Nothing outside db/ and the volume manager knows which engine runs. A handle belongs to one thread at a time. */
#ifndef HABEAS_DB_DB_H
#define HABEAS_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* SQL is a type of its own, made only from literals: text from outside can never become a statement.
 * Common subset of SQLite and PostgreSQL: $1, ON CONFLICT, RETURNING. Prepared once a handle, found by address. */
struct sql {
    const char *text;
};
#define SQL(literal) ((struct sql){ "" literal })

enum value_kind { VALUE_END, VALUE_NULL, VALUE_INTEGER, VALUE_TEXT, VALUE_BLOB };
struct value {
    enum value_kind kind;
    int64_t integer;
    struct str bytes; /* of text and blob: referenced during the call only */
};
#define DB_END ((struct value){ .kind = VALUE_END })
#define DB_NULL ((struct value){ .kind = VALUE_NULL })
#define DB_INTEGER(number) ((struct value){ .kind = VALUE_INTEGER, .integer = (int64_t)(number) })
#define DB_TEXT(text) ((struct value){ .kind = VALUE_TEXT, .bytes = (text) })
#define DB_BLOB(from, length) ((struct value){ .kind = VALUE_BLOB, .bytes = { (const char *)(from), (length) } })
/* Parameters of one call: DB_PARAMS(DB_INTEGER(1), DB_TEXT(name)). */
#define DB_PARAMS(...) ((const struct value[]){ __VA_ARGS__, DB_END })

struct db;
/* One row of an answer, valid inside the row function only. Columns count from 0. */
struct row {
    const struct row_ops *ops; /* first member of every driver's row */
};
struct row_ops {
    bool (*is_null)(const struct row *, int column);
    int64_t (*integer)(const struct row *, int column);
    struct str (*bytes)(const struct row *, int column);
};
bool row_is_null(const struct row *row, int column);
int64_t row_integer(const struct row *row, int column);  /* 0 for null */
struct str row_bytes(const struct row *row, int column); /* text or blob; empty for null */
/* Exactly `len` bytes into `out`; ERROR_CORRUPT otherwise. */
bool row_blob(const struct row *row, int column, void *out, size_t len, struct error *error);

/* Called for each row; false with an error ends the query and fails the call; DB_STOP ends it quietly.
 * It may run other statements on the handle, not the one that called it. */
typedef bool db_row(void *arg, const struct row *row, struct error *error);
#define DB_STOP false /* returned with no error set */

enum db_mode {
    DB_WRITER,    /* WAL, synchronous FULL, secure_delete, own checkpoints only; made when missing (0600) */
    DB_READER,    /* read-only beside the writer */
    DB_BUILD,     /* a new file that nobody else opens yet: no journal, no sync until db_settle */
    DB_REST,      /* a finished file that is changed rarely: rollback journal, synchronous FULL, secure_delete */
    DB_IMMUTABLE, /* read-only, no locks: the caller guarantees that nobody writes */
};

/* How far the write-ahead log is brought into the file. */
enum db_settle {
    DB_SETTLE_SOME,  /* what readers do not hold up; never waits */
    DB_SETTLE_EMPTY, /* all of it, and the log is truncated to zero bytes; false with ERROR_BUSY while a reader pins it;
                        DB_BUILD: everything is synced to disk */
};

struct db_ops {
    const char *name;
    bool (*run)(struct db *, struct sql, const struct value *params, db_row *, void *arg, int64_t *changed,
                struct error *);
    bool (*script)(struct db *, const char *sql, struct error *); /* several statements, schema only */
    bool (*settle)(struct db *, enum db_settle, int64_t *pages_left, struct error *);
    int64_t (*log_pages)(const struct db *);
    bool (*schema_version)(struct db *, int64_t *out, struct error *);
    bool (*set_schema_version)(struct db *, int64_t version, struct error *);
    void (*close)(struct db *);
};
/* First member of every driver's handle. */
struct db {
    const struct db_ops *ops;
    struct sql begin; /* how an outermost transaction starts */
    int depth;        /* of db_begin */
    bool unjournaled; /* nothing can be taken back: a rollback breaks the handle (DB_BUILD) */
    bool broken;      /* a commit or sync failed, or a transaction was lost: only closing is left
                         (a failed fsync is never retried on a handle) */
};

/* Opens a SQLite file. The path is referenced during the call only. */
bool db_open_sqlite(const char *path, enum db_mode mode, struct db **out, struct error *error);
void db_close(struct db *db); /* takes NULL; rolls back what is open */

/* Runs one statement. Parameters are written $1, $2, … and as many are given as the highest says. `row` may be NULL
 * (rows are then ignored); `changed`, when not NULL, gets the rows changed. */
bool db_run(struct db *db, struct sql sql, const struct value *params, db_row *row, void *arg, struct error *error);
bool db_change(struct db *db, struct sql sql, const struct value *params, int64_t *changed, struct error *error);
/* One integer of one row; `found` (may be NULL) false when there was no row (out is then untouched). */
bool db_integer(struct db *db, struct sql sql, const struct value *params, int64_t *out, bool *found,
                struct error *error);
bool db_settle(struct db *db, enum db_settle how, int64_t *pages_left, struct error *error);
/* Pages of the write-ahead log that are not in the file yet, as of this handle's last commit or settle: costs nothing.
 * 0 for an engine or mode without one. */
int64_t db_log_pages(const struct db *db);

/* A transaction, nested: a savepoint. After a failed commit of the outermost the handle is `broken`.
 * Every begin that succeeded is ended by one successful commit or one rollback: a failed commit is rolled back too. */
bool db_begin(struct db *db, struct error *error);
bool db_commit(struct db *db, struct error *error);
void db_rollback(struct db *db);

#endif
