/* The writer's transaction: rows are inserted and staged, and shown in the index behind the commit, never before. */
#include <assert.h>
#include <stdlib.h>

#include "vault/journal_inside.h"

static struct volume *written_volume(struct journal *journal)
{
    return &journal->open->volumes[journal->open->written];
}

/* Doubles a list when it is full; false when memory is out. */
static bool make_room(void **list, size_t count, size_t *cap, size_t size, struct error *error)
{
    if (count < *cap)
        return true;
    size_t fresh_cap = *cap ? 2 * *cap : 1024;
    void *fresh = realloc(*list, fresh_cap * size);
    if (!fresh)
        return error_set(error, ERROR_INTERNAL, "out of memory for staged rows");
    *list = fresh;
    *cap = fresh_cap;
    return true;
}

void volume_taint(struct journal *journal, struct volume *volume)
{
    pthread_mutex_lock(&journal->mutex);
    volume->tainted = true;
    pthread_mutex_unlock(&journal->mutex);
}

/* ---- after a failure ---- */

static bool drop_doubtful(struct journal *journal, struct volume *volume, struct error *error)
{
    const struct staging *staging = &journal->staging;
    /* A write of its own, always: what the failed commit left behind the end of the log would else be found whole by the
     * next start, though this handle sees nothing of it to delete. */
    bool ok =
        volume_touch(volume->db, error) && db_run(volume->db, SQL("DELETE FROM event WHERE seq >= $1"),
                                                  DB_PARAMS(DB_INTEGER(volume->doubtful_from)), NULL, NULL, error);

    for (size_t i = 0; ok && i < staging->answer_count; i++)
        ok = db_run(volume->db, SQL("DELETE FROM answer WHERE account = $1 AND mark = $2"),
                    DB_PARAMS(DB_INTEGER(staging->answers[i].account), DB_BLOB(staging->answers[i].mark, 16)), NULL,
                    NULL, error);
    return ok;
}

bool journal_recover(struct journal *journal, struct volume *volume, struct error *error)
{
    if (volume->db->broken && !volume_renew(volume, error))
        return false;
    if (!volume->doubtful_from)
        return true;
    /* A commit that failed may yet be found whole in the log by a new handle. Nobody was told of it, so it goes. */
    if (!db_begin(volume->db, error))
        return false;
    if (!drop_doubtful(journal, volume, error) || !db_commit(volume->db, error)) {
        db_rollback(volume->db);
        return error_within(error, "rows in doubt");
    }
    volume_taint(journal, volume);
    volume->doubtful_from = 0;
    journal->staging.answer_count = 0;
    return true;
}

/* ---- the transaction ---- */

static bool journal_begin(struct journal *journal, struct error *error)
{
    struct volume *volume = written_volume(journal);

    if (journal->staging.open)
        return true;
    if (!journal_recover(journal, volume, error) || !db_begin(volume->db, error))
        return error_within(error, "journal");
    journal->staging.open = true;
    journal->staging.message_mark = recent_mark(journal->recent);
    return true;
}

bool journal_append(struct journal *journal, struct event_row *row, struct error *error)
{
    struct staging *staging = &journal->staging;
    struct volume *volume = written_volume(journal);
    int64_t salt = 0;

    assert(row->account > 0);
    if (!journal_begin(journal, error) ||
        !make_room((void **)&staging->rows, staging->count, &staging->cap, sizeof(*staging->rows), error) ||
        !salts_number(&volume->salts, volume->db, row->nonce.salt, &salt, error))
        return false;
    row->seq = journal->next_seq + staging->count;
    if (row->message && !recent_reserve(journal->recent))
        return error_set(error, ERROR_INTERNAL, "out of memory for the ids of messages");
    if (!event_insert(volume->db, row, salt, error))
        return false;
    if (row->message && !recent_has(journal->recent, row->message))
        recent_add(journal->recent, row->message, row->received_ms);
    staging->rows[staging->count++] = (struct index_subject){ row->account, row->subject };
    if (row->subject > staging->highest_ordinal)
        staging->highest_ordinal = row->subject;
    return true;
}

bool journal_keep_answer(struct journal *journal, uint32_t account, const unsigned char mark[16], int64_t at_ms,
                         struct str sealed, struct error *error)
{
    struct staging *staging = &journal->staging;

    if (!journal_begin(journal, error) ||
        !make_room((void **)&staging->answers, staging->answer_count, &staging->answer_cap, sizeof(*staging->answers),
                   error) ||
        !answer_insert(written_volume(journal)->db, account, mark, at_ms, sealed, error))
        return false;
    struct staged_answer *answer = &staging->answers[staging->answer_count++];
    answer->account = account;
    memcpy(answer->mark, mark, sizeof(answer->mark));
    return true;
}

bool journal_touch(struct journal *journal, struct error *error)
{
    return journal_staged(journal) > 0 ||
           (journal_begin(journal, error) && volume_touch(written_volume(journal)->db, error));
}

bool journal_has_work(const struct journal *journal)
{
    return journal->staging.open;
}

size_t journal_staged(const struct journal *journal)
{
    return journal->staging.count + journal->staging.answer_count;
}

static struct volume_header next_header(const struct journal *journal, const struct volume *volume,
                                        struct anchor anchor)
{
    const struct staging *staging = &journal->staging;
    struct volume_header next = volume->header;

    if (anchor.position > next.anchor.position)
        next.anchor = anchor;
    if (staging->count > 0)
        next.highest_seq = journal->next_seq + staging->count - 1;
    if (staging->highest_ordinal > next.highest_ordinal)
        next.highest_ordinal = staging->highest_ordinal;
    return next;
}

static void publish(struct journal *journal)
{
    struct staging *staging = &journal->staging;
    struct pair *pair = journal->open;

    if (staging->count > 0)
        index_publish(&pair->index, journal->next_seq, pair->written, staging->rows, staging->count);
    pair->rows += (int64_t)staging->count;
    journal->next_seq += staging->count;
    staging->count = 0;
    staging->answer_count = 0;
    staging->highest_ordinal = 0;
    staging->open = false;
    messages_publish(journal);
}

bool journal_commit(struct journal *journal, struct anchor anchor, struct error *error)
{
    struct staging *staging = &journal->staging;
    struct volume *volume = written_volume(journal);

    if (!staging->open)
        return true;
    struct volume_header next = next_header(journal, volume, anchor);
    if (staging->count > 0 &&
        !index_reserve(&journal->open->index, journal->next_seq + staging->count - 1, staging->count))
        return error_set(error, ERROR_INTERNAL, "out of memory for the index of events");
    if (!volume_header_write(volume->db, &next, &volume->header, error))
        return error_within(error, "journal");
    if (!db_commit(volume->db, error)) {
        volume->doubtful_from = journal->next_seq;
        journal->next_seq += staging->count; /* their numbers are not given again, whatever becomes of them */
        return error_within(error, "journal");
    }
    volume->header = next;
    volume->log_pages = db_log_pages(volume->db);
    salts_commit(&volume->salts);
    publish(journal);
    return true;
}

void journal_rollback(struct journal *journal)
{
    struct staging *staging = &journal->staging;
    struct volume *volume = written_volume(journal);
    struct error error = { 0 };

    if (!staging->open)
        return;
    db_rollback(volume->db);
    salts_rollback(&volume->salts);
    recent_cut(journal->recent, staging->message_mark);
    staging->open = false;
    staging->count = 0;
    staging->highest_ordinal = 0;
    if (!volume->doubtful_from)
        staging->answer_count = 0;
    /* What was too large for the cache has reached the log already. */
    volume_taint(journal, volume);
    (void)journal_recover(journal, volume, &error); /* the next group tries again and says why */
}
