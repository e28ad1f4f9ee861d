/* The driver that fails on purpose. */
#include "db_faulty.h"

#include <assert.h>

static const struct db_ops faulty_ops;

static struct faulty_db *faulty_of(struct db *db)
{
    assert(db->ops == &faulty_ops);
    return (struct faulty_db *)(void *)db;
}

/* True when this is the call that fails; the error is then set. */
static bool strikes(struct faulty_db *self, struct error *error)
{
    if (++self->calls != self->fails_at)
        return false;
    self->struck = true;
    return !error_set(error, self->fails_how, "injected fault");
}

/* What broke below is broken here. */
static bool passed(struct faulty_db *self, bool ok)
{
    self->base.broken = self->base.broken || self->inner->broken;
    return ok;
}

static bool faulty_run(struct db *db, struct sql sql, const struct value *params, db_row *row, void *arg,
                       int64_t *changed, struct error *error)
{
    struct faulty_db *self = faulty_of(db);

    if (!str_starts(str_of(sql.text), STR("ROLLBACK")) && strikes(self, error))
        return false;
    return passed(self, self->inner->ops->run(self->inner, sql, params, row, arg, changed, error));
}

static bool faulty_script(struct db *db, const char *sql, struct error *error)
{
    struct faulty_db *self = faulty_of(db);

    return !strikes(self, error) && passed(self, self->inner->ops->script(self->inner, sql, error));
}

static bool faulty_settle(struct db *db, enum db_settle how, int64_t *pages_left, struct error *error)
{
    struct faulty_db *self = faulty_of(db);

    return !strikes(self, error) && passed(self, self->inner->ops->settle(self->inner, how, pages_left, error));
}

static int64_t faulty_log_pages(const struct db *db)
{
    return db_log_pages(((const struct faulty_db *)(const void *)db)->inner);
}

static bool faulty_schema_version(struct db *db, int64_t *out, struct error *error)
{
    struct faulty_db *self = faulty_of(db);

    return !strikes(self, error) && passed(self, self->inner->ops->schema_version(self->inner, out, error));
}

static bool faulty_set_schema_version(struct db *db, int64_t version, struct error *error)
{
    struct faulty_db *self = faulty_of(db);

    return !strikes(self, error) && passed(self, self->inner->ops->set_schema_version(self->inner, version, error));
}

static void faulty_close(struct db *db)
{
    (void)faulty_of(db); /* the caller closes what is wrapped */
}

static const struct db_ops faulty_ops = {
    .name = "faulty",
    .run = faulty_run,
    .script = faulty_script,
    .settle = faulty_settle,
    .log_pages = faulty_log_pages,
    .schema_version = faulty_schema_version,
    .set_schema_version = faulty_set_schema_version,
    .close = faulty_close,
};

void faulty_init(struct faulty_db *faulty, struct db *inner, int64_t nth)
{
    *faulty = (struct faulty_db){
        .base = { .ops = &faulty_ops, .begin = inner->begin, .unjournaled = inner->unjournaled },
        .inner = inner,
        .fails_at = nth,
        .fails_how = ERROR_DATABASE,
    };
}
