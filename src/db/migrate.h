/* Brings a database to this program's schema: numbered SQL scripts, applied forward only, each in a transaction.
 * The number reached stands in the database (SQLite: user_version). A higher one than known is refused. */
#ifndef HABEAS_DB_MIGRATE_H
#define HABEAS_DB_MIGRATE_H

#include "db/db.h"

/* A schema is its scripts in order, embedded from src/db/schema/NAME-NNNN-what.sql by tools/embed. */
struct schema {
    const char *name;           /* "ledger", "profiles", "volume" */
    const char *const *scripts; /* NULL-terminated */
};
extern const struct schema schema_ledger, schema_profiles, schema_volume;

bool db_migrate(struct db *db, const struct schema *schema, struct error *error);

#endif
