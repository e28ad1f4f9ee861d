/* The janitor's part: one new file from the two of a closing pair, with the index that open ones lack. It is written
 * beside the others as NNNNNN.db.new; only the swap makes it count, and what a crash leaves of it the next start removes. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "db/migrate.h"
#include "vault/journal_inside.h"
#include "vault/merge.h"
#include "vault/span.h"

struct work {
    struct journal *journal;
    const struct pair *pair;
    struct db *files[2]; /* read */
    struct db *db;       /* written */
    struct salts salts;  /* of the new file: numbered anew */
    struct spans spans;
    struct volume_header header;
    int64_t rows;
    char fresh[VOLUME_PATH_MAX], path[VOLUME_PATH_MAX];
};

static bool copy_row(struct work *work, const struct event_row *row, struct error *error)
{
    int64_t salt = 0;

    if (!salts_number(&work->salts, work->db, row->nonce.salt, &salt, error) ||
        !event_insert(work->db, row, salt, error))
        return false;
    if (!spans_add(&work->spans, row->account, row->name, row->occurred_ms))
        return error_set(error, ERROR_INTERNAL, "out of memory for spans");
    work->rows++;
    return true;
}

static bool copy_rows(struct work *work, struct error *error)
{
    const struct event_row *row = NULL;
    unsigned side = 0;
    struct merge merge;
    bool ok;

    if (!merge_init(&merge, work->files[0], work->files[1], &work->journal->shape, error))
        return false;
    while ((ok = merge_next(&merge, &row, &side, error)) && row)
        if (!(ok = copy_row(work, row, error)))
            break;
    merge_clear(&merge);
    return ok;
}

static bool copy_answer(void *arg, const struct row *row, struct error *error)
{
    struct work *work = arg;
    unsigned char mark[16];

    return row_blob(row, 1, mark, sizeof(mark), error) &&
           answer_insert(work->db, (uint32_t)row_integer(row, 0), mark, row_integer(row, 2), row_bytes(row, 3), error);
}

static bool copy_answers(struct work *work, struct error *error)
{
    int64_t since_ms = when_now(work->journal->clock) - ANSWER_KEPT_MS;

    for (size_t i = 0; i < COUNT_OF(work->files); i++) {
        hold_share(&work->journal->shape);
        bool ok = db_run(work->files[i], SQL("SELECT account, mark, at, sealed FROM answer WHERE at > $1"),
                         DB_PARAMS(DB_INTEGER(since_ms)), copy_answer, work, error);
        hold_unshare(&work->journal->shape);
        if (!ok)
            return false;
    }
    return true;
}

/* The higher of both for each fact. */
static bool join_headers(struct work *work, struct error *error)
{
    work->header = (struct volume_header){ .ledger = work->journal->ledger, .state = VOLUME_CLOSED };
    for (size_t i = 0; i < COUNT_OF(work->files); i++) {
        struct volume_header one;

        if (!volume_header_read(work->files[i], &one, error))
            return false;
        if (one.anchor.position > work->header.anchor.position)
            work->header.anchor = one.anchor;
        if (one.highest_seq > work->header.highest_seq)
            work->header.highest_seq = one.highest_seq;
        if (one.highest_ordinal > work->header.highest_ordinal)
            work->header.highest_ordinal = one.highest_ordinal;
    }
    return true;
}

static bool write_file(struct work *work, struct error *error)
{
    if (!db_begin(work->db, error))
        return false;
    if (join_headers(work, error) && volume_header_write(work->db, &work->header, NULL, error) &&
        copy_rows(work, error) && copy_answers(work, error) && spans_write(&work->spans, work->db, error) &&
        db_run(work->db, SQL("CREATE INDEX event_of_subject ON event (account, subject, name, occurred)"), NULL, NULL,
               NULL, error) &&
        db_commit(work->db, error))
        return db_settle(work->db, DB_SETTLE_EMPTY, NULL, error);
    db_rollback(work->db);
    return false;
}

static bool open_files(struct work *work, struct error *error)
{
    for (int i = 0; i < 2; i++)
        if (!db_open_sqlite(work->pair->volumes[i].path, DB_READER, &work->files[i], error))
            return false;
    /* Left by a build that failed. */
    if (unlink(work->fresh) != 0 && errno != ENOENT)
        return error_errno(error, "remove an unfinished volume");
    return db_open_sqlite(work->fresh, DB_BUILD, &work->db, error) && db_migrate(work->db, &schema_volume, error);
}

static void work_clear(struct work *work)
{
    for (int i = 0; i < 2; i++)
        db_close(work->files[i]);
    db_close(work->db);
    salts_clear(&work->salts);
    spans_clear(&work->spans);
}

static bool build_file(struct work *work, struct error *error)
{
    bool ok = open_files(work, error) && write_file(work, error), renamed;

    work_clear(work);
    /* A volume that is there is never replaced, whatever went wrong. */
    if (ok && access(work->path, F_OK) == 0)
        ok = error_set(error, ERROR_CORRUPT, "a volume of this number is there already");
    if (ok && rename(work->fresh, work->path) != 0)
        ok = error_errno(error, "rename a built volume");
    renamed = ok;
    ok = ok && directory_sync(work->journal->directory, error);
    if (!ok) {
        (void)unlink(work->fresh); /* else the next build or start does */
        if (renamed)
            (void)unlink(work->path);
    }
    return ok;
}

/* From here on removals from the pair are remembered for the swap. */
static bool take_work(struct journal *journal, struct work *work)
{
    pthread_mutex_lock(&journal->mutex);
    bool taken = journal->closing && journal->build.state == BUILD_NONE;
    if (taken) {
        work->journal = journal;
        work->pair = journal->closing;
        journal->build.state = BUILD_RUNS;
        assert(journal->build.number > 0);
        volume_path(journal->directory, journal->build.number, ".new", work->fresh);
        volume_path(journal->directory, journal->build.number, "", work->path);
    }
    pthread_mutex_unlock(&journal->mutex);
    return taken;
}

bool journal_build(struct journal *journal, bool *built, struct error *error)
{
    struct work work = { 0 };

    *built = false;
    if (!pair_dispose(journal, error))
        return error_within(error, "build");
    if (!take_work(journal, &work))
        return true;
    bool ok = build_file(&work, error);
    pthread_mutex_lock(&journal->mutex);
    journal->build.state = ok ? BUILD_READY : BUILD_NONE;
    journal->build.rows = work.rows;
    journal->build.last_seq = work.header.highest_seq;
    pthread_mutex_unlock(&journal->mutex);
    *built = ok;
    return ok || error_within(error, "build");
}
