/* Collects and writes the table `span` of a closed volume. */
#include "vault/span.h"

#include <stdlib.h>

enum { SPANS_START = 256 };

void spans_clear(struct spans *spans)
{
    free(spans->list);
    *spans = (struct spans){ 0 };
}

static struct span *place_of(const struct spans *spans, uint32_t account, uint32_t name)
{
    uint64_t key = (uint64_t)account << 32 | name;
    size_t place = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (spans->cap - 1);

    while (spans->list[place].account != 0 &&
           !(spans->list[place].account == account && spans->list[place].name == name))
        place = (place + 1) & (spans->cap - 1);
    return &spans->list[place];
}

static bool grow(struct spans *spans)
{
    struct spans fresh = { .cap = spans->cap ? 2 * spans->cap : SPANS_START, .count = spans->count };

    fresh.list = calloc(fresh.cap, sizeof(*fresh.list));
    if (!fresh.list)
        return false;
    for (size_t i = 0; i < spans->cap; i++)
        if (spans->list[i].account != 0)
            *place_of(&fresh, spans->list[i].account, spans->list[i].name) = spans->list[i];
    free(spans->list);
    *spans = fresh;
    return true;
}

bool spans_add(struct spans *spans, uint32_t account, uint32_t name, int64_t occurred_ms)
{
    if (2 * (spans->count + 1) > spans->cap && !grow(spans))
        return false;
    struct span *span = place_of(spans, account, name);
    if (span->account == 0) {
        *span = (struct span){ account, name, 0, occurred_ms, occurred_ms };
        spans->count++;
    }
    span->rows++;
    if (occurred_ms < span->min_occurred)
        span->min_occurred = occurred_ms;
    if (occurred_ms > span->max_occurred)
        span->max_occurred = occurred_ms;
    return true;
}

bool spans_write(const struct spans *spans, struct db *db, struct error *error)
{
    for (size_t i = 0; i < spans->cap; i++) {
        const struct span *span = &spans->list[i];

        if (span->account != 0 &&
            !db_run(db,
                    SQL("INSERT INTO span (account, name, rows, min_occurred, max_occurred) "
                        "VALUES ($1, $2, $3, $4, $5)"),
                    DB_PARAMS(DB_INTEGER(span->account), DB_INTEGER(span->name), DB_INTEGER(span->rows),
                              DB_INTEGER(span->min_occurred), DB_INTEGER(span->max_occurred)),
                    NULL, NULL, error))
            return error_within(error, "span");
    }
    return true;
}

bool span_remove_row(struct db *db, uint32_t account, uint32_t name, struct error *error)
{
    const struct value *params = DB_PARAMS(DB_INTEGER(account), DB_INTEGER(name));

    return (db_run(db, SQL("UPDATE span SET rows = rows - 1 WHERE account = $1 AND name = $2"), params, NULL, NULL,
                   error) &&
            db_run(db, SQL("DELETE FROM span WHERE account = $1 AND name = $2 AND rows <= 0"), params, NULL, NULL,
                   error)) ||
           error_within(error, "span");
}
