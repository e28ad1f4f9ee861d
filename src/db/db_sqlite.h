/* What the files of the SQLite driver share; nobody else includes it. */
#ifndef HABEAS_DB_DB_SQLITE_H
#define HABEAS_DB_DB_SQLITE_H

#include <sqlite3.h>

#include "db/db.h"

/* One prepared statement. SQLite numbers "$2" by where it first stands, so `takes` says whose value goes where. */
struct statement {
    const char *text;
    sqlite3_stmt *handle;
    int highest; /* of the $n in it: so many values must come */
    int places;  /* of SQLite's parameters */
    int takes[]; /* for each place the index of its value */
};

#define SQLITE_PAGE_BYTES 4096

/* The main file's methods, with one of our own for writing (db_sqlite_gap.c). */
struct cleaning {
    sqlite3_io_methods methods; /* first: found again by the file's pointer to it */
    const sqlite3_io_methods *inner;
};

struct sqlite_db {
    struct db base;
    sqlite3 *handle;
    enum db_mode mode;
    char *directory;               /* to be synced with a file that was built */
    struct statement **statements; /* open addressing by address of the text; at most half full */
    size_t statement_cap, statement_count;
    int64_t log_frames;     /* frames in the write-ahead log */
    int64_t settled_frames; /* of them, those that are in the file */
    struct cleaning cleaning;
};

/* db_sqlite.c */
extern const struct db_ops sqlite_ops;
bool sqlite_failed(struct sqlite_db *self, int code, struct error *error);
/* For text that is ours alone (preparing, schema scripts): SQLite's message then names tables and columns at most. */
bool sqlite_failed_text(struct sqlite_db *self, int code, struct error *error);
/* The hook of a writer: counts the frames of the log after each commit. */
int sqlite_log_grew(void *arg, sqlite3 *handle, const char *schema, int frames);

/* db_sqlite_gap.c */
/* From here on what this handle writes into its main file is free of leftovers. */
bool sqlite_clean_writes(struct sqlite_db *self, struct error *error);

/* db_sqlite_statement.c */
/* The statement of this text, prepared on first use and kept; NULL with an error. */
struct statement *statement_of(struct sqlite_db *self, struct sql sql, struct error *error);
/* Binds every place; values are referenced, not copied. SQLITE_OK or SQLite's code. */
int statement_bind(const struct statement *statement, const struct value *params);
void statements_clear(struct sqlite_db *self);

#endif
