/* A database for tests: passes every call on to the one it wraps, but for the nth, which fails. Run a piece of work with
 * nth = 1, 2, 3 … until `struck` stays false, and every error path has been taken once. */
#ifndef HABEAS_TEST_DB_FAULTY_H
#define HABEAS_TEST_DB_FAULTY_H

#include "db/db.h"

struct faulty_db {
    struct db base;
    struct db *inner;          /* stays the caller's; not closed by closing this one */
    int64_t calls, fails_at;   /* calls so far; the call that fails, counted from 1; 0: none */
    enum error_code fails_how; /* ERROR_DATABASE unless changed */
    bool struck;
};

/* Counted are statements, begin, commit, scripts, settling and schema versions. A rollback is passed on uncounted: a
 * database whose rollback fails is closed, and closing rolls back. */
void faulty_init(struct faulty_db *faulty, struct db *inner, int64_t nth);

#endif
