/* Keeps the salts of one file in memory, for writing (salt to number) and for reading (number to salt). There are few:
 * one for each sealing thread and start. */
#include "vault/salts.h"

#include <stdlib.h>

void salts_clear(struct salts *salts)
{
    free(salts->list);
    *salts = (struct salts){ 0 };
}

static struct salt *salts_add(struct salts *salts, int64_t number, struct error *error)
{
    if (salts->count == salts->cap) {
        size_t cap = salts->cap ? 2 * salts->cap : 16;
        struct salt *list = realloc(salts->list, cap * sizeof(*list));

        if (!list) {
            (void)error_set(error, ERROR_INTERNAL, "out of memory for salts");
            return NULL;
        }
        salts->list = list;
        salts->cap = cap;
    }
    struct salt *fresh = &salts->list[salts->count];
    fresh->number = number;
    return fresh;
}

static bool take_salt(void *arg, const struct row *row, struct error *error)
{
    struct salts *salts = arg;
    struct salt *fresh = salts_add(salts, row_integer(row, 0), error);

    if (!fresh || !row_blob(row, 1, fresh->bytes, sizeof(fresh->bytes), error))
        return false;
    salts->count++;
    return true;
}

bool salts_load(struct salts *salts, struct db *db, struct error *error)
{
    salts->count = 0;
    salts->committed = 0;
    if (!db_run(db, SQL("SELECT salt, bytes FROM salt ORDER BY salt"), NULL, take_salt, salts, error))
        return error_within(error, "salts");
    salts->committed = salts->count;
    return true;
}

bool salts_number(struct salts *salts, struct db *db, const unsigned char bytes[GRANT_SALT_LEN], int64_t *out,
                  struct error *error)
{
    /* From the newest: those of this start are in use. */
    for (size_t i = salts->count; i > 0; i--)
        if (memcmp(salts->list[i - 1].bytes, bytes, GRANT_SALT_LEN) == 0) {
            *out = salts->list[i - 1].number;
            return true;
        }
    int64_t number = salts->count > 0 ? salts->list[salts->count - 1].number + 1 : 1;
    struct salt *fresh = salts_add(salts, number, error);
    if (!fresh)
        return false;
    if (!db_run(db, SQL("INSERT INTO salt (salt, bytes) VALUES ($1, $2)"),
                DB_PARAMS(DB_INTEGER(number), DB_BLOB(bytes, GRANT_SALT_LEN)), NULL, NULL, error))
        return error_within(error, "salt");
    memcpy(fresh->bytes, bytes, GRANT_SALT_LEN);
    salts->count++;
    *out = number;
    return true;
}

void salts_commit(struct salts *salts)
{
    salts->committed = salts->count;
}

void salts_rollback(struct salts *salts)
{
    salts->count = salts->committed;
}

static const struct salt *salts_find(const struct salts *salts, int64_t number)
{
    size_t low = 0, high = salts->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (salts->list[middle].number == number)
            return &salts->list[middle];
        if (salts->list[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool salts_bytes(struct salts *salts, struct db *db, int64_t number, unsigned char out[GRANT_SALT_LEN],
                 struct error *error)
{
    const struct salt *found = salts_find(salts, number);

    if (!found) {
        if (!salts_load(salts, db, error))
            return false;
        found = salts_find(salts, number);
    }
    if (!found)
        return error_set(error, ERROR_CORRUPT, "the salt of a record is missing");
    memcpy(out, found->bytes, GRANT_SALT_LEN);
    return true;
}
