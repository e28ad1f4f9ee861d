/* See db_tap.h. A driver knows its own handles by their table of functions, so that stands in its place while it works; what
 * it calls back counts again. */
#include "db/db_tap.h"

#include <assert.h>

static const struct db_ops tap_ops;
static const struct db_ops *real;
static struct db_tap *current;

static bool strikes(struct error *error)
{
    if (atomic_fetch_add(&current->calls, 1) + 1 != atomic_load(&current->fails_at))
        return false;
    atomic_store(&current->struck, true);
    return !error_set(error, ERROR_DATABASE, "injected fault");
}

struct tapped_row {
    struct db *db;
    db_row *row;
    void *arg;
};

static bool call_back(void *arg, const struct row *row, struct error *error)
{
    const struct tapped_row *tapped = arg;

    tapped->db->ops = &tap_ops;
    bool more = tapped->row(tapped->arg, row, error);
    tapped->db->ops = real;
    return more;
}

static bool tap_run(struct db *db, struct sql sql, const struct value *params, db_row *row, void *arg, int64_t *changed,
                    struct error *error)
{
    struct tapped_row tapped = { db, row, arg };

    if (!str_starts(str_of(sql.text), STR("ROLLBACK")) && strikes(error))
        return false;
    db->ops = real;
    bool ok = real->run(db, sql, params, row ? call_back : NULL, &tapped, changed, error);
    db->ops = &tap_ops;
    return ok;
}

static bool tap_script(struct db *db, const char *sql, struct error *error)
{
    if (strikes(error))
        return false;
    db->ops = real;
    bool ok = real->script(db, sql, error);
    db->ops = &tap_ops;
    return ok;
}

static bool tap_settle(struct db *db, enum db_settle how, int64_t *pages_left, struct error *error)
{
    if (how == DB_SETTLE_EMPTY && strikes(error))
        return false;
    db->ops = real;
    bool ok = real->settle(db, how, pages_left, error);
    db->ops = &tap_ops;
    return ok;
}

static int64_t tap_log_pages(const struct db *db)
{
    struct db *handle = (struct db *)(uintptr_t)db;

    handle->ops = real;
    int64_t pages = real->log_pages(handle);
    handle->ops = &tap_ops;
    return pages;
}

static bool tap_schema_version(struct db *db, int64_t *out, struct error *error)
{
    if (strikes(error))
        return false;
    db->ops = real;
    bool ok = real->schema_version(db, out, error);
    db->ops = &tap_ops;
    return ok;
}

static bool tap_set_schema_version(struct db *db, int64_t version, struct error *error)
{
    if (strikes(error))
        return false;
    db->ops = real;
    bool ok = real->set_schema_version(db, version, error);
    db->ops = &tap_ops;
    return ok;
}

static void tap_close(struct db *db)
{
    db->ops = real;
    real->close(db);
}

static const struct db_ops tap_ops = {
    .name = "tapped",
    .run = tap_run,
    .script = tap_script,
    .settle = tap_settle,
    .log_pages = tap_log_pages,
    .schema_version = tap_schema_version,
    .set_schema_version = tap_set_schema_version,
    .close = tap_close,
};

void db_tap_begin(struct db_tap *tap, struct db *const *handles, size_t count)
{
    current = tap;
    for (size_t i = 0; i < count; i++) {
        assert(handles[i]->ops != &tap_ops && (!real || handles[i]->ops == real));
        real = handles[i]->ops;
        handles[i]->ops = &tap_ops;
    }
}

void db_tap_end(struct db *handle)
{
    if (handle->ops == &tap_ops)
        handle->ops = real;
}
