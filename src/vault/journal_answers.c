/* Answers kept beside their effect, for callers that repeat an x-request-id: read at start, and forgotten in closed volumes
 * when their time is over. (In a pair they go with its closing.) */
#include <assert.h>

#include "vault/journal_inside.h"

/* ---- reading ---- */

struct answers {
    journal_answer *each;
    void *arg;
};

static bool take_answer(void *arg, const struct row *row, struct error *error)
{
    const struct answers *answers = arg;
    unsigned char mark[16];

    return row_blob(row, 1, mark, sizeof(mark), error) &&
           answers->each(answers->arg, (uint32_t)row_integer(row, 0), mark, row_integer(row, 2), row_bytes(row, 3),
                         error);
}

static bool answers_of(struct db *db, int64_t since_ms, struct answers *answers, struct error *error)
{
    return db_run(db, SQL("SELECT account, mark, at, sealed FROM answer WHERE at > $1 ORDER BY at"),
                  DB_PARAMS(DB_INTEGER(since_ms)), take_answer, answers, error);
}

static bool answers_of_closed(struct journal *journal, int64_t since_ms, struct answers *answers, struct error *error)
{
    for (size_t i = 0; i < journal->closed_count; i++) {
        const struct closed_volume *closed = journal->closed[i];
        struct handle *handle =
            reader_handle(journal->own, closed->number, closed->path, DB_IMMUTABLE, closed->change, error);

        if (!handle || !answers_of(handle->db, since_ms, answers, error))
            return false;
    }
    return true;
}

bool journal_answers(struct journal *journal, int64_t since_ms, journal_answer *each, void *arg, struct error *error)
{
    struct pair *const pairs[] = { journal->closing, journal->open };
    struct answers answers = { each, arg };

    if (!answers_of_closed(journal, since_ms, &answers, error))
        return false;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        for (size_t file = 0; pairs[i] && file < 2; file++)
            if (!answers_of(pairs[i]->volumes[file].db, since_ms, &answers, error))
                return false;
    return true;
}

/* ---- forgetting ---- */

enum { FORGET_AT_ONCE = 1000 };

/* When the last of them may go; INT64_MAX: there is none. */
static bool last_expiry(struct journal *journal, const struct closed_volume *closed, int64_t *out, struct error *error)
{
    struct handle *handle =
        reader_handle(journal->own, closed->number, closed->path, DB_IMMUTABLE, closed->change, error);
    int64_t at_ms = 0;
    bool found = false;

    if (!handle ||
        !db_integer(handle->db, SQL("SELECT at FROM answer ORDER BY at DESC LIMIT 1"), NULL, &at_ms, &found, error))
        return false;
    *out = found ? at_ms + ANSWER_KEPT_MS : INT64_MAX;
    return true;
}

static bool forget_some(const char *path, struct error *error)
{
    struct db *db = NULL;
    bool ok = db_open_sqlite(path, DB_REST, &db, error) &&
              db_run(db, SQL("DELETE FROM answer WHERE mark IN (SELECT mark FROM answer LIMIT $1)"),
                     DB_PARAMS(DB_INTEGER(FORGET_AT_ONCE)), NULL, NULL, error);

    db_close(db);
    return ok;
}

/* The next look finds whether there are more. */
static bool forget(struct journal *journal, struct closed_volume *closed, struct error *error)
{
    if (closed->unsound || !hold_alone(&closed->rest, WAIT_SLICE_MS))
        return true; /* later */
    bool ok = closed_change(closed, forget_some(closed->path, error));
    hold_release(&closed->rest);
    return ok && closed_catalogue(journal, closed, error);
}

bool journal_forget_answers(struct journal *journal, int64_t now_ms, struct error *error)
{
    assert(!journal->staging.open);
    for (size_t i = 0; i < journal->closed_count; i++) {
        struct closed_volume *closed = journal->closed[i];

        if (closed->answers_until_ms > now_ms)
            continue;
        if (last_expiry(journal, closed, &closed->answers_until_ms, error) &&
            (closed->answers_until_ms > now_ms || forget(journal, closed, error)))
            continue;
        closed->answers_until_ms = now_ms + WHEN_MINUTE; /* not again at once */
        return error_within(error, "kept answers");
    }
    return true;
}
