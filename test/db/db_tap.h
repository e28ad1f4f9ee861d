/* As db_faulty.h, for a handle that belongs to the program and is opened anew by it: the handle itself is told to count and
 * to fail, where it stands. One tap at a time; to be set and taken off on the thread that uses the handles. */
#ifndef HABEAS_TEST_DB_TAP_H
#define HABEAS_TEST_DB_TAP_H

#include <stdatomic.h>

#include "db/db.h"

struct db_tap {
    atomic_llong calls,
        fails_at; /* calls so far, of all tapped handles together; the one that fails, from 1; 0: none */
    atomic_bool struck;
};

/* Counted is what db_faulty.h counts, but for settling a part of a log: that is house-keeping, when the log is long. */
void db_tap_begin(struct db_tap *tap, struct db *const *handles, size_t count);
/* Of a handle that is tapped still: one that was opened since is not. */
void db_tap_end(struct db *handle);

#endif
