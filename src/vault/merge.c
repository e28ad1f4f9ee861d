/* Reads two files row by row, the lower seq first. */
#include "vault/merge.h"

#include <stdlib.h>

#include "base/when.h"

enum { SLICE_ROWS = 2000, SLICE_US = 20000, SLICE_BYTES = 4 * 1024 * 1024, ARENA_BYTES = 64 * 1024 * 1024 };

bool merge_init(struct merge *merge, struct db *first, struct db *second, struct hold *shape, struct error *error)
{
    *merge = (struct merge){ .sides = { { .db = first }, { .db = second } }, .shape = shape };
    for (size_t i = 0; i < COUNT_OF(merge->sides); i++) {
        arena_init(&merge->sides[i].arena, ARENA_BYTES);
        merge->sides[i].rows = calloc(SLICE_ROWS, sizeof(*merge->sides[i].rows));
    }
    if (merge->sides[0].rows && merge->sides[1].rows)
        return true;
    merge_clear(merge);
    return error_set(error, ERROR_INTERNAL, "out of memory to read volumes");
}

void merge_clear(struct merge *merge)
{
    for (size_t i = 0; i < COUNT_OF(merge->sides); i++) {
        salts_clear(&merge->sides[i].salts);
        arena_clear(&merge->sides[i].arena);
        free(merge->sides[i].rows);
    }
    *merge = (struct merge){ 0 };
}

struct merge_take {
    struct merge_side *side;
    int64_t until_us;
    size_t bytes;
    bool cut;
};

static bool take_row(void *arg, const struct row *row, struct error *error)
{
    struct merge_take *take = arg;
    struct merge_side *side = take->side;

    if (!event_take(row, &side->salts, side->db, &side->arena, &side->rows[side->count], error))
        return false;
    take->bytes += side->rows[side->count].body.len;
    side->count++;
    take->cut = take->bytes >= SLICE_BYTES || (side->count % 64 == 0 && when_monotonic_us() >= take->until_us);
    return !take->cut;
}

static bool fill(struct merge *merge, struct merge_side *side, struct error *error)
{
    struct merge_take take = { .side = side, .until_us = when_monotonic_us() + SLICE_US };

    arena_reset(&side->arena);
    side->count = 0;
    side->at = 0;
    hold_share(merge->shape);
    bool ok = db_run(side->db, SQL("SELECT " EVENT_COLUMNS " FROM event WHERE seq > $1 ORDER BY seq LIMIT $2"),
                     DB_PARAMS(DB_INTEGER(side->after), DB_INTEGER(SLICE_ROWS)), take_row, &take, error);
    hold_unshare(merge->shape);
    if (ok && side->count > 0)
        side->after = side->rows[side->count - 1].seq;
    if (ok)
        side->finished = !take.cut && side->count < SLICE_ROWS;
    return ok;
}

bool merge_next(struct merge *merge, const struct event_row **row, unsigned *side, struct error *error)
{
    struct merge_side *sides = merge->sides;

    for (size_t i = 0; i < COUNT_OF(merge->sides); i++)
        while (sides[i].at == sides[i].count && !sides[i].finished)
            if (!fill(merge, &sides[i], error))
                return false;
    bool has_first = sides[0].at < sides[0].count, has_second = sides[1].at < sides[1].count;
    *row = NULL;
    if (!has_first && !has_second)
        return true;
    *side = !has_first || (has_second && sides[1].rows[sides[1].at].seq < sides[0].rows[sides[0].at].seq);
    *row = &sides[*side].rows[sides[*side].at++];
    return true;
}
