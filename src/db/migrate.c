/* Applies the scripts of a schema that a database has not seen yet. */
#include "db/migrate.h"

static int64_t schema_known(const struct schema *schema)
{
    int64_t count = 0;

    while (schema->scripts[count])
        count++;
    return count;
}

/* One script and the number it reaches: both or neither. */
static bool migrate_one(struct db *db, const char *script, int64_t reaches, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (db->ops->script(db, script, error) && db->ops->set_schema_version(db, reaches, error) && db_commit(db, error))
        return true;
    db_rollback(db);
    return false;
}

bool db_migrate(struct db *db, const struct schema *schema, struct error *error)
{
    int64_t known = schema_known(schema);
    int64_t reached = 0;

    if (!db->ops->schema_version(db, &reached, error))
        return error_within(error, "schema of %s", schema->name);
    if (reached > known)
        return error_set(error, ERROR_INVALID,
                         "%s has schema %lld and this program knows %lld: made by a newer program", schema->name,
                         (long long)reached, (long long)known);
    for (int64_t next = reached; next < known; next++)
        if (!migrate_one(db, schema->scripts[next], next + 1, error))
            return error_within(error, "schema %s %lld", schema->name, (long long)next + 1);
    return true;
}
