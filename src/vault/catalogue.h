/* The catalogue of event volumes, a table of profiles.db: which files below events/ count. What is not listed is
 * rubbish that a crash left. Changes run inside the caller's transaction. */
#ifndef HABEAS_VAULT_CATALOGUE_H
#define HABEAS_VAULT_CATALOGUE_H

#include "db/db.h"

/* Stored: never renumber. */
enum volume_state {
    VOLUME_OPEN = 1,    /* one of the pair that is written */
    VOLUME_CLOSING = 2, /* one of the pair that the janitor makes into one closed volume */
    VOLUME_CLOSED = 3,
};

struct catalogued {
    int64_t volume, state, pair; /* pair: the number of its first volume; a closed one's: its own */
    int64_t change, rows;        /* rows: of a closed one */
    int64_t first_seq, last_seq; /* open: what rows may begin with, 0 */
    int64_t made_at;
};

/* All rows by number, on the heap. */
bool catalogue_load(struct db *db, struct catalogued **out, size_t *count, struct error *error);
/* Adds or replaces the row. */
bool catalogue_put(struct db *db, const struct catalogued *entry, struct error *error);
bool catalogue_drop(struct db *db, int64_t volume, struct error *error);

#endif
