/* Logs of open volumes: change-over, settling and scrubbing.
 *
 * A log that is brought into its file while rows are written to it never ends, so two files are written in turn: when
 * the written one's log is full and the other's is empty, they change over, and the checkpointer brings the full one in.
 * Is the other not ready yet, the writer goes on in the same file; four times the limit on, it brings in what it can by
 * itself, which keeps the log bounded and is slower. */
#include <assert.h>

#include "vault/journal_inside.h"

enum { LOG_BOUND = 4, SCRUB_PAGES_MAX = 256, WAIT_SETTLE_MS = 50 };

static int64_t log_bytes(const struct volume *volume)
{
    return volume->log_pages * VOLUME_PAGE_BYTES;
}

/* Inside the mutex. */
static void change_over(struct pair *pair)
{
    pair->volumes[pair->written].rest = VOLUME_RESTS;
    pair->written ^= 1u;
    pair->volumes[pair->written].rest = VOLUME_WRITTEN;
}

static bool settle_bound(struct volume *volume, struct error *error)
{
    int64_t left = 0;

    if (!db_settle(volume->db, DB_SETTLE_SOME, &left, error))
        return error_within(error, "journal");
    volume->log_pages = left;
    return true;
}

bool journal_turn(struct journal *journal, struct error *error)
{
    struct pair *pair = journal->open;
    struct volume *volume = &pair->volumes[pair->written];

    assert(!journal->staging.open);
    if (volume->doubtful_from || volume->db->broken)
        return false; /* the next group recovers it */
    pthread_mutex_lock(&journal->mutex);
    bool full = log_bytes(volume) >= journal->limits.log_bytes;
    if (full && pair->volumes[pair->written ^ 1u].rest == VOLUME_AT_REST) {
        change_over(pair);
        full = false;
    }
    bool work = pair->volumes[pair->written ^ 1u].rest == VOLUME_RESTS;
    pthread_mutex_unlock(&journal->mutex);
    if (full && log_bytes(volume) >= LOG_BOUND * journal->limits.log_bytes && !settle_bound(volume, error))
        return false;
    return work;
}

/* ---- the checkpointer ---- */

static struct volume *resting_of(struct pair *pair)
{
    for (int i = 0; pair && i < 2; i++)
        if (pair->volumes[i].rest == VOLUME_RESTS)
            return &pair->volumes[i];
    return NULL;
}

static struct volume *take_resting(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    struct volume *volume = resting_of(journal->open);
    if (!volume)
        volume = resting_of(journal->closing);
    if (volume)
        volume->rest = VOLUME_SETTLING; /* from here on nobody else writes to it, and a swap leaves it alone */
    pthread_mutex_unlock(&journal->mutex);
    return volume;
}

/* Most of the work goes on beside readers; only the truncation needs them gone for a moment. */
static bool settle_log(struct journal *journal, struct db *db, int wait_ms, struct error *error)
{
    if (!db_settle(db, DB_SETTLE_SOME, NULL, error))
        return false;
    if (!hold_alone(&journal->shape, wait_ms))
        return error_set(error, ERROR_BUSY, "readers are in the way of a log");
    bool ok = db_settle(db, DB_SETTLE_EMPTY, NULL, error);
    hold_release(&journal->shape);
    return ok;
}

static bool settle_volume(struct journal *journal, struct volume *volume, struct error *error)
{
    if (volume->settler && volume->settler->broken) {
        db_close(volume->settler);
        volume->settler = NULL;
    }
    return (volume->settler || db_open_sqlite(volume->path, DB_WRITER, &volume->settler, error)) &&
           settle_log(journal, volume->settler, WAIT_SETTLE_MS, error);
}

bool journal_settle(struct journal *journal, struct error *error)
{
    struct volume *volume = take_resting(journal);

    if (!volume)
        return true;
    bool ok = settle_volume(journal, volume, error);
    pthread_mutex_lock(&journal->mutex);
    volume->rest = ok ? VOLUME_AT_REST : VOLUME_RESTS;
    if (ok) {
        volume->log_pages = 0;
        volume->tainted = false;
    }
    pthread_mutex_unlock(&journal->mutex);
    return ok || error_within(error, "settle");
}

/* ---- scrubbing ---- */

enum scrub { SCRUB_CLEAN, SCRUB_WAITS, SCRUB_NOW };

/* What is to be done about one volume's log. A long one is left to the checkpointer: by a change-over, if need be. */
static enum scrub scrub_step(struct journal *journal, struct pair *pair, unsigned file)
{
    struct volume *volume = &pair->volumes[file];
    struct volume *other = &pair->volumes[file ^ 1u];
    enum scrub step = SCRUB_NOW;

    pthread_mutex_lock(&journal->mutex);
    if (!volume->tainted) {
        step = SCRUB_CLEAN;
    } else if (volume->rest == VOLUME_SETTLING) {
        step = SCRUB_WAITS;
    } else if (volume->log_pages > SCRUB_PAGES_MAX) {
        step = SCRUB_WAITS;
        if (volume->rest == VOLUME_WRITTEN && other->rest == VOLUME_AT_REST)
            change_over(pair);
    } else if (volume->rest != VOLUME_WRITTEN) {
        volume->rest = VOLUME_HELD;
    }
    pthread_mutex_unlock(&journal->mutex);
    return step;
}

static bool scrub_volume(struct journal *journal, struct volume *volume, bool *done, struct error *error)
{
    struct error said = { 0 };
    bool ok = journal_recover(journal, volume, error) && settle_log(journal, volume->db, WAIT_SLICE_MS, &said);

    pthread_mutex_lock(&journal->mutex);
    if (ok) {
        volume->tainted = false;
        volume->log_pages = 0;
    }
    if (volume->rest == VOLUME_HELD)
        volume->rest = ok ? VOLUME_AT_REST : VOLUME_RESTS;
    pthread_mutex_unlock(&journal->mutex);
    if (ok)
        return true;
    *done = false;
    if (said.code == ERROR_BUSY)
        return true;
    if (said.code != ERROR_NONE)
        *error = said;
    return error_within(error, "scrub");
}

static bool scrub_pair(struct journal *journal, struct pair *pair, bool *done, struct error *error)
{
    for (unsigned file = 0; pair && file < 2; file++) {
        enum scrub step = scrub_step(journal, pair, file);

        if (step == SCRUB_WAITS)
            *done = false;
        if (step == SCRUB_NOW && !scrub_volume(journal, &pair->volumes[file], done, error))
            return false;
    }
    return true;
}

bool journal_scrub_logs(struct journal *journal, bool *done, struct error *error)
{
    assert(!journal->staging.open);
    pthread_mutex_lock(&journal->mutex);
    *done = !journal->gone;
    pthread_mutex_unlock(&journal->mutex);
    /* First, so that no file is left to rest with rows in doubt. */
    if (!journal_recover(journal, &journal->open->volumes[journal->open->written], error))
        return error_within(error, "scrub");
    return scrub_pair(journal, journal->open, done, error) && scrub_pair(journal, journal->closing, done, error);
}
