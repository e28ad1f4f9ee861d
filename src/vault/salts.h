/* The salts that stand in one file: written once each under a number, with the first record that uses it. */
#ifndef HABEAS_VAULT_SALTS_H
#define HABEAS_VAULT_SALTS_H

#include "db/db.h"
#include "ledger/gate.h"

struct salt {
    int64_t number;
    unsigned char bytes[GRANT_SALT_LEN];
};
struct salts {
    struct salt *list; /* by number, rising */
    size_t count, cap;
    size_t committed; /* those beyond belong to the open transaction */
};

void salts_clear(struct salts *salts);
/* Reads them anew from the file's table `salt`. */
bool salts_load(struct salts *salts, struct db *db, struct error *error);
/* The number of this salt in this file; a new one is inserted (inside the caller's transaction). */
bool salts_number(struct salts *salts, struct db *db, const unsigned char bytes[GRANT_SALT_LEN], int64_t *out,
                  struct error *error);
void salts_commit(struct salts *salts);
void salts_rollback(struct salts *salts);
/* The salt of this number; read anew from the file once when it is not known yet. */
bool salts_bytes(struct salts *salts, struct db *db, int64_t number, unsigned char out[GRANT_SALT_LEN],
                 struct error *error);

#endif
