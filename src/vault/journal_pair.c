/* The life of a pair: made, opened at start, replaced by the next one, and at last by the one volume that the janitor
 * made of it. */
#include <assert.h>
#include <stdlib.h>

#include "vault/journal_inside.h"
#include "vault/merge.h"

/* ---- the catalogue ---- */

bool journal_catalogue(struct journal *journal, catalogue_change *change, void *arg, struct error *error)
{
    struct profiles *profiles = journal->profiles;

    assert(!profiles_has_work(profiles));
    if (profiles_begin(profiles, error) && change(journal, arg, error) &&
        profiles_commit(profiles, profiles_anchor(profiles), error))
        return true;
    profiles_rollback(profiles);
    return false;
}

bool pair_catalogue(struct journal *journal, const struct pair *pair, enum volume_state state, struct error *error)
{
    for (int i = 0; i < 2; i++) {
        const struct catalogued entry = { .volume = pair->volumes[i].number,
                                          .state = state,
                                          .pair = pair->number,
                                          .first_seq = (int64_t)pair->first_seq,
                                          .made_at = pair->made_ms };

        if (!catalogue_put(profiles_db(journal->profiles), &entry, error))
            return false;
    }
    return true;
}

/* ---- pairs ---- */

void pair_free(struct pair *pair, bool abandon)
{
    if (!pair)
        return;
    for (int i = 0; i < 2; i++)
        volume_close(&pair->volumes[i], abandon);
    index_clear(&pair->index);
    free(pair);
}

static struct pair *pair_new(uint64_t first_seq, int64_t made_ms, struct error *error)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    if (pair && index_init(&pair->index, first_seq)) {
        pair->first_seq = first_seq;
        pair->made_ms = made_ms;
        pair->volumes[0].rest = VOLUME_WRITTEN;
        return pair;
    }
    free(pair);
    (void)error_set(error, ERROR_INTERNAL, "out of memory for a pair of volumes");
    return NULL;
}

static bool make_files(struct journal *journal, struct pair *pair, struct error *error)
{
    const struct volume_header header = { .ledger = journal->ledger, .state = VOLUME_OPEN };

    for (int i = 0; i < 2; i++)
        if (!volume_open(&pair->volumes[i], journal->directory, journal->next_volume++, &header, error))
            return false;
    pair->number = pair->volumes[0].number;
    return directory_sync(journal->directory, error);
}

bool pair_make(struct journal *journal, struct pair **out, struct error *error)
{
    struct error ignored = { 0 };
    struct pair *pair = pair_new(journal->next_seq, when_now(journal->clock), error);

    if (!pair)
        return false;
    if (make_files(journal, pair, error)) {
        *out = pair;
        return true;
    }
    for (int i = 0; i < 2; i++)
        if (pair->volumes[i].number > 0)
            (void)volume_unlink(journal->directory, pair->volumes[i].number, &ignored); /* else the next start does */
    pair_free(pair, true);
    return false;
}

/* Rows that follow each other in one file: put into memory together, so that what they touch is fetched ahead. */
enum { FILL_ROWS = 256 };
struct fill {
    struct pair *pair;
    uint64_t first_seq, next_seq; /* below it all numbers are taken */
    unsigned side;
    size_t count;
    struct index_subject who[FILL_ROWS];
};

static bool flush(struct fill *fill, struct error *error)
{
    struct index *index = &fill->pair->index;

    if (fill->count > 0 && !index_reserve(index, fill->first_seq + fill->count - 1, fill->count))
        return error_set(error, ERROR_INTERNAL, "out of memory for the index of events");
    if (fill->count > 0)
        index_publish(index, fill->first_seq, fill->side, fill->who, fill->count);
    fill->pair->rows += (int64_t)fill->count;
    fill->count = 0;
    return true;
}

static bool fill_row(struct fill *fill, const struct event_row *row, unsigned side, struct error *error)
{
    bool follows = row->seq == fill->first_seq + fill->count && side == fill->side;

    if (row->seq < fill->next_seq || row->account == 0)
        return error_set(error, ERROR_CORRUPT, "a volume holds a row that cannot be its, or one number twice");
    fill->next_seq = row->seq + 1;
    if ((!follows || fill->count == FILL_ROWS) && !flush(fill, error))
        return false;
    if (fill->count == 0) {
        fill->first_seq = row->seq;
        fill->side = side;
    }
    fill->who[fill->count] = (struct index_subject){ row->account, row->subject };
    fill->count++;
    return true;
}

/* The index is not stored: it is made anew from the rows. */
bool pair_fill(struct journal *journal, struct pair *pair, struct messages_load *load, struct error *error)
{
    struct fill fill = { .pair = pair, .next_seq = pair->first_seq };
    const struct event_row *row = NULL;
    unsigned side = 0;
    struct merge merge;
    bool ok;

    if (!merge_init(&merge, pair->volumes[0].db, pair->volumes[1].db, &journal->shape, error))
        return false;
    while ((ok = merge_next(&merge, &row, &side, error)) && row)
        if (!(ok = fill_row(&fill, row, side, error) && messages_load_row(load, row->message, row->received_ms, error)))
            break;
    merge_clear(&merge);
    return ok && flush(&fill, error);
}

bool pair_open(struct journal *journal, const struct catalogued entries[2], struct anchor anchor, struct pair **out,
               struct error *error)
{
    struct pair *pair = pair_new((uint64_t)entries[0].first_seq, entries[0].made_at, error);
    bool ok = pair != NULL;

    if (ok)
        pair->number = entries[0].pair;
    for (int i = 0; ok && i < 2; i++) {
        struct volume *volume = &pair->volumes[i];

        /* Nobody reads yet: logs that a crash left are brought in and emptied, so either may be written first. */
        ok = volume_open(volume, journal->directory, entries[i].volume, NULL, error) &&
             volume_header_check(volume->number, &volume->header, &journal->ledger, anchor, error) &&
             db_settle(volume->db, DB_SETTLE_EMPTY, NULL, error);
    }
    if (ok) {
        *out = pair;
        return true;
    }
    pair_free(pair, true);
    return false;
}

/* ---- rotation ---- */

static bool is_due(struct journal *journal, int64_t now_ms)
{
    struct pair *pair = journal->open;

    if (pair->rows == 0) /* its day begins with its first row */
        pair->made_ms = now_ms;
    return pair->rows > 0 && (pair->rows >= journal->limits.pair_rows || now_ms / WHEN_DAY > pair->made_ms / WHEN_DAY);
}

static bool list_rotation(struct journal *journal, void *arg, struct error *error)
{
    (void)arg;
    return pair_catalogue(journal, journal->open, VOLUME_CLOSING, error) &&
           pair_catalogue(journal, journal->fresh, VOLUME_OPEN, error);
}

static void leave_pair(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    struct volume *written = &journal->open->volumes[journal->open->written];
    written->rest = VOLUME_RESTS;
    journal->closing = journal->open;
    journal->open = journal->fresh;
    journal->fresh = NULL;
    journal->build.number = journal->next_volume++;
    pthread_mutex_unlock(&journal->mutex);
}

static bool next_pair(struct journal *journal, int64_t now_ms, struct error *error)
{
    if (!journal_recover(journal, &journal->open->volumes[journal->open->written], error))
        return false;
    if (!journal->fresh && !pair_make(journal, &journal->fresh, error))
        return false;
    journal->fresh->first_seq = journal->fresh->index.first_seq = journal->next_seq;
    journal->fresh->made_ms = now_ms;
    if (!hold_alone(&journal->shape, WAIT_SLICE_MS))
        return true; /* nothing is lost by rotating a little later */
    bool ok = journal_catalogue(journal, list_rotation, NULL, error);
    if (ok)
        leave_pair(journal);
    hold_release(&journal->shape);
    return ok;
}

bool journal_rotate(struct journal *journal, int64_t now_ms, struct error *error)
{
    assert(!journal->staging.open);
    recent_tend(journal->recent, now_ms);
    messages_publish(journal);
    if (!journal->closing && is_due(journal, now_ms) && !next_pair(journal, now_ms, error))
        return error_within(error, "rotate");
    pthread_mutex_lock(&journal->mutex);
    bool work = journal->gone || (journal->closing && journal->build.state == BUILD_NONE);
    pthread_mutex_unlock(&journal->mutex);
    return work;
}

/* ---- the swap ---- */

enum { REMOVE_STEP = 1000, REMOVE_US = 5000 };

/* What was erased while the new file was built goes from it before anybody sees it: some at a time (ERROR_BUSY: there are
 * more), each forgotten when it is done. */
static bool remove_from_built(struct journal *journal, const char *path, struct error *error)
{
    struct build *build = &journal->build;
    int64_t until_us = when_monotonic_us() + REMOVE_US;

    while (build->removed_count > 0) {
        int64_t removed = 0;

        if (when_monotonic_us() > until_us)
            return error_set(error, ERROR_BUSY, "more was erased than goes from a closed volume at once");
        if (!closed_remove(NULL, path, build->removed[build->removed_count - 1], REMOVE_STEP, &removed, error))
            return false;
        build->rows -= removed;
        if (removed == REMOVE_STEP)
            continue;
        pthread_mutex_lock(&journal->mutex);
        build->removed_count--;
        pthread_mutex_unlock(&journal->mutex);
    }
    return true;
}

static bool list_swap(struct journal *journal, void *arg, struct error *error)
{
    struct db *db = profiles_db(journal->profiles);

    for (int i = 0; i < 2; i++)
        if (!catalogue_drop(db, journal->closing->volumes[i].number, error))
            return false;
    return catalogue_put(db, arg, error);
}

/* With `shape` alone: nobody reads, so the readers' handles on what goes can be closed from here. */
static void replace_pair(struct journal *journal, struct closed_volume *closed)
{
    for (int i = 0; i < 2; i++)
        readers_forget(journal, journal->closing->volumes[i].number);
    closed_add(journal, closed);
    pthread_mutex_lock(&journal->mutex);
    journal->gone = journal->closing;
    journal->closing = NULL;
    journal->build.state = BUILD_NONE;
    journal->build.removed_count = 0;
    pthread_mutex_unlock(&journal->mutex);
}

static bool swap_files(struct journal *journal, struct catalogued *entry, struct closed_volume *closed,
                       struct error *error)
{
    if (!hold_alone(&journal->shape, WAIT_SLICE_MS))
        return error_set(error, ERROR_BUSY, "readers are in the way of a closed volume");
    bool ok = journal_catalogue(journal, list_swap, entry, error);
    if (ok)
        replace_pair(journal, closed);
    hold_release(&journal->shape);
    return ok;
}

static bool swap_is_ready(struct journal *journal, bool *in_the_way)
{
    const struct pair *closing = journal->closing;

    pthread_mutex_lock(&journal->mutex);
    bool ready = closing && journal->build.state == BUILD_READY;
    *in_the_way = ready && (journal->gone || closing->volumes[0].rest == VOLUME_SETTLING ||
                            closing->volumes[1].rest == VOLUME_SETTLING);
    pthread_mutex_unlock(&journal->mutex);
    return ready;
}

bool journal_swap(struct journal *journal, struct error *error)
{
    const struct pair *pair = journal->closing;
    struct catalogued entry = { .volume = journal->build.number, .state = VOLUME_CLOSED, .change = 1 };
    bool in_the_way = false;

    assert(!journal->staging.open);
    if (!swap_is_ready(journal, &in_the_way))
        return true;
    if (in_the_way)
        return error_set(error, ERROR_BUSY, "the checkpointer or the janitor is at a volume that goes");
    entry.pair = entry.volume;
    entry.first_seq = (int64_t)pair->first_seq;
    /* Of rows that are there: where the next pair begins may be told too low by a catalogue that was in doubt. */
    entry.last_seq = (int64_t)journal->open->first_seq - 1;
    if ((int64_t)journal->build.last_seq > entry.last_seq)
        entry.last_seq = (int64_t)journal->build.last_seq;
    entry.made_at = pair->made_ms;
    struct closed_volume *closed = closed_reserve(journal, error) ? closed_new(journal, &entry, error) : NULL;
    if (!closed)
        return false;
    bool ok = remove_from_built(journal, closed->path, error);
    closed->rows = entry.rows = journal->build.rows;
    if (ok && swap_files(journal, &entry, closed, error))
        return true;
    closed_free(closed);
    return error_within(error, "swap");
}

/* Unlinking gigabytes takes a while, so the writer leaves it to the janitor. Until it is done, logs count as not scrubbed:
 * rows that were removed from this pair may still stand in its logs. */
bool pair_dispose(struct journal *journal, struct error *error)
{
    pthread_mutex_lock(&journal->mutex);
    struct pair *pair = journal->gone;
    pthread_mutex_unlock(&journal->mutex);
    if (!pair)
        return true;
    for (int i = 0; i < 2; i++)
        if (!volume_unlink(journal->directory, pair->volumes[i].number, error))
            return false;
    if (!directory_sync(journal->directory, error))
        return false;
    pthread_mutex_lock(&journal->mutex);
    journal->gone = NULL;
    pthread_mutex_unlock(&journal->mutex);
    pair_free(pair, true); /* the logs are not brought in: the handles are given up */
    return true;
}
