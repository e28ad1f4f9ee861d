/* Prepared statements of one SQLite handle: each text is prepared once and found again by its address. */
#include <assert.h>
#include <stdlib.h>

#include "db/db_sqlite.h"

#define STATEMENTS_START 64
#define PARAMETERS_MAX 999

static size_t statement_place(const struct sqlite_db *self, const char *text)
{
    uint64_t hash = (uint64_t)(uintptr_t)text * UINT64_C(0x9E3779B97F4A7C15);
    size_t place = (size_t)(hash >> 32) & (self->statement_cap - 1);

    while (self->statements[place] && self->statements[place]->text != text)
        place = (place + 1) & (self->statement_cap - 1);
    return place;
}

static bool statements_grow(struct sqlite_db *self)
{
    struct statement **old = self->statements;
    size_t old_cap = self->statement_cap;
    size_t cap = old_cap ? 2 * old_cap : STATEMENTS_START;
    struct statement **fresh = calloc(cap, sizeof(*fresh));

    if (!fresh)
        return false;
    self->statements = fresh;
    self->statement_cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i])
            fresh[statement_place(self, old[i]->text)] = old[i];
    free(old);
    return true;
}

/* Reads which value each of SQLite's parameters takes; false for one that is not written $1, $2, … */
static bool statement_map(struct statement *statement)
{
    for (int i = 0; i < statement->places; i++) {
        const char *name = sqlite3_bind_parameter_name(statement->handle, i + 1);
        uint64_t number;

        if (!name || name[0] != '$' || !str_to_u64(str_of(name + 1), &number) || number < 1 || number > PARAMETERS_MAX)
            return false;
        statement->takes[i] = (int)number - 1;
        if ((int)number > statement->highest)
            statement->highest = (int)number;
    }
    return true;
}

static struct statement *statement_new(struct sqlite_db *self, const char *text, struct error *error)
{
    sqlite3_stmt *handle = NULL;
    int code = sqlite3_prepare_v3(self->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);

    if (code != SQLITE_OK) {
        (void)sqlite_failed_text(self, code, error);
        return NULL;
    }
    assert(handle); /* a statement of nothing */
    int places = sqlite3_bind_parameter_count(handle);
    struct statement *fresh = calloc(1, sizeof(*fresh) + (size_t)places * sizeof(fresh->takes[0]));
    if (!fresh) {
        sqlite3_finalize(handle);
        (void)error_set(error, ERROR_DATABASE, "out of memory");
        return NULL;
    }
    fresh->text = text;
    fresh->handle = handle;
    fresh->places = places;
    bool mapped = statement_map(fresh);
    assert(mapped);
    return fresh;
}

struct statement *statement_of(struct sqlite_db *self, struct sql sql, struct error *error)
{
    /* Room for one more is made first, so that a place once found stays right. */
    if (2 * (self->statement_count + 1) > self->statement_cap && !statements_grow(self)) {
        (void)error_set(error, ERROR_DATABASE, "out of memory");
        return NULL;
    }
    size_t place = statement_place(self, sql.text);
    struct statement *found = self->statements[place];
    if (!found) {
        found = statement_new(self, sql.text, error);
        self->statements[place] = found;
        self->statement_count += found ? 1 : 0;
    }
    return found;
}

void statements_clear(struct sqlite_db *self)
{
    for (size_t i = 0; i < self->statement_cap; i++)
        if (self->statements[i]) {
            sqlite3_finalize(self->statements[i]->handle);
            free(self->statements[i]);
        }
    free(self->statements);
}

/* Bytes stay the caller's: they are read before run returns. An empty one is not NULL, which a null pointer would be. */
static int bind_one(sqlite3_stmt *handle, int place, const struct value *value)
{
    const char *at = value->bytes.len > 0 ? value->bytes.at : "";

    switch (value->kind) {
    case VALUE_INTEGER:
        return sqlite3_bind_int64(handle, place, value->integer);
    case VALUE_TEXT:
        return sqlite3_bind_text64(handle, place, at, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(handle, place, at, value->bytes.len, SQLITE_STATIC);
    case VALUE_NULL:
    case VALUE_END:
        break;
    }
    return sqlite3_bind_null(handle, place);
}

int statement_bind(const struct statement *statement, const struct value *params)
{
    int given = 0;

    while (params && params[given].kind != VALUE_END)
        given++;
    assert(given == statement->highest);
    for (int i = 0; i < statement->places; i++) {
        int code = bind_one(statement->handle, i + 1, &params[statement->takes[i]]);

        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}
