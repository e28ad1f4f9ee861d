/* Reads and writes the rows of table `volume`. */
#include "vault/catalogue.h"

#include <stdlib.h>

struct catalogue_load {
    struct catalogued *list;
    size_t count, cap;
};

static bool take_entry(void *arg, const struct row *row, struct error *error)
{
    struct catalogue_load *load = arg;

    if (load->count == load->cap) {
        size_t cap = load->cap ? 2 * load->cap : 16;
        struct catalogued *list = realloc(load->list, cap * sizeof(*list));

        if (!list)
            return error_set(error, ERROR_INTERNAL, "out of memory for the catalogue");
        load->list = list;
        load->cap = cap;
    }
    load->list[load->count++] = (struct catalogued){
        .volume = row_integer(row, 0),
        .state = row_integer(row, 1),
        .pair = row_integer(row, 2),
        .change = row_integer(row, 3),
        .rows = row_integer(row, 4),
        .first_seq = row_integer(row, 5),
        .last_seq = row_integer(row, 6),
        .made_at = row_integer(row, 7),
    };
    return true;
}

bool catalogue_load(struct db *db, struct catalogued **out, size_t *count, struct error *error)
{
    struct catalogue_load load = { 0 };

    if (!db_run(db,
                SQL("SELECT volume, state, pair, change, rows, first_seq, last_seq, made_at FROM volume "
                    "ORDER BY volume"),
                NULL, take_entry, &load, error)) {
        free(load.list);
        return error_within(error, "catalogue");
    }
    *out = load.list;
    *count = load.count;
    return true;
}

bool catalogue_put(struct db *db, const struct catalogued *entry, struct error *error)
{
    return db_run(db,
                  SQL("INSERT INTO volume (volume, state, pair, change, rows, first_seq, last_seq, made_at) "
                      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (volume) DO UPDATE SET "
                      "state = excluded.state, pair = excluded.pair, change = excluded.change, rows = excluded.rows, "
                      "first_seq = excluded.first_seq, last_seq = excluded.last_seq, made_at = excluded.made_at"),
                  DB_PARAMS(DB_INTEGER(entry->volume), DB_INTEGER(entry->state), DB_INTEGER(entry->pair),
                            DB_INTEGER(entry->change), DB_INTEGER(entry->rows), DB_INTEGER(entry->first_seq),
                            DB_INTEGER(entry->last_seq), DB_INTEGER(entry->made_at)),
                  NULL, NULL, error) ||
           error_within(error, "catalogue");
}

bool catalogue_drop(struct db *db, int64_t volume, struct error *error)
{
    return db_run(db, SQL("DELETE FROM volume WHERE volume = $1"), DB_PARAMS(DB_INTEGER(volume)), NULL, NULL, error) ||
           error_within(error, "catalogue");
}
