/* Removal of one subject's rows: from the pair that is written, from the pair that is being closed, and from closed
 * volumes. Each step is safe to repeat, and what stands in its way is reported as left, not waited for. */
#include <assert.h>
#include <stdlib.h>

#include "vault/journal_inside.h"
#include "vault/span.h"

struct removal {
    struct journal *journal;
    struct index_subject who;
    int64_t budget; /* rows that may still be removed in this call */
    int64_t removed;
    bool left;
};

/* The ids of messages that have still to be remembered, of rows that are about to go. */
struct young {
    const struct journal *journal;
    int64_t now_ms;
    struct kept_id *list;
    size_t count;
};

static void note_young(struct young *young, int64_t message, int64_t received_ms)
{
    if (message_is_young(young->journal, (uint64_t)message, received_ms, young->now_ms))
        young->list[young->count++] = (struct kept_id){ (uint64_t)message, received_ms };
}

/* ---- pairs ---- */

/* Keeps the checkpointer away from both files; false when it is at one of them. */
static bool take_pair(struct journal *journal, struct pair *pair)
{
    pthread_mutex_lock(&journal->mutex);
    bool free_of_it = pair->volumes[0].rest != VOLUME_SETTLING && pair->volumes[1].rest != VOLUME_SETTLING;
    for (int i = 0; free_of_it && i < 2; i++)
        if (pair->volumes[i].rest != VOLUME_WRITTEN)
            pair->volumes[i].rest = VOLUME_HELD;
    pthread_mutex_unlock(&journal->mutex);
    return free_of_it;
}

static void give_pair(struct journal *journal, struct pair *pair)
{
    pthread_mutex_lock(&journal->mutex);
    for (int i = 0; i < 2; i++)
        if (pair->volumes[i].rest == VOLUME_HELD)
            pair->volumes[i].rest = pair->volumes[i].log_pages > 0 ? VOLUME_RESTS : VOLUME_AT_REST;
    pthread_mutex_unlock(&journal->mutex);
}

static bool delete_places(struct volume *volume, unsigned file, const struct index_place *places, size_t count,
                          struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].file == file && !db_run(volume->db, SQL("DELETE FROM event WHERE seq = $1"),
                                              DB_PARAMS(DB_INTEGER(places[i].seq)), NULL, NULL, error))
            return false;
    return true;
}

static bool has_file(const struct index_place *places, size_t count, unsigned file)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].file == file)
            return true;
    return false;
}

static bool take_young(void *arg, const struct row *row, struct error *error)
{
    (void)error;
    note_young(arg, row_integer(row, 0), row_integer(row, 1));
    return true;
}

static bool find_young(struct journal *journal, struct pair *pair, const struct index_place *places, size_t count,
                       struct young *young, struct error *error)
{
    for (unsigned file = 0; file < 2; file++) {
        struct volume *volume = &pair->volumes[file];

        if (!has_file(places, count, file))
            continue;
        if (!journal_recover(journal, volume, error))
            return false;
        for (size_t i = 0; i < count; i++)
            if (places[i].file == file && !db_run(volume->db, SQL("SELECT message, received FROM event WHERE seq = $1"),
                                                  DB_PARAMS(DB_INTEGER(places[i].seq)), take_young, young, error))
                return false;
    }
    return true;
}

/* Before the rows go, so that no crash comes in between. */
static bool keep_young(struct journal *journal, struct pair *pair, const struct index_place *places, size_t count,
                       struct error *error)
{
    struct young young = { .journal = journal, .now_ms = when_now(journal->clock) };

    young.list = calloc(count, sizeof(*young.list));
    if (!young.list)
        return error_set(error, ERROR_INTERNAL, "out of memory to remove events");
    bool ok = find_young(journal, pair, places, count, &young, error) &&
              messages_keep(journal, young.list, young.count, error);
    free(young.list);
    return ok;
}

/* One file's part, in one transaction of its own. */
static bool remove_from_file(struct journal *journal, struct volume *volume, unsigned file,
                             const struct index_place *places, size_t count, struct error *error)
{
    if (!has_file(places, count, file))
        return true;
    if (!journal_recover(journal, volume, error) || !db_begin(volume->db, error))
        return false;
    /* Before the first write: what is removed here stands in the log until that is emptied. */
    volume_taint(journal, volume);
    if (delete_places(volume, file, places, count, error) && db_commit(volume->db, error)) {
        volume->log_pages = db_log_pages(volume->db);
        return true;
    }
    db_rollback(volume->db);
    return false;
}

static bool remove_places(struct removal *removal, struct pair *pair, const struct index_place *places, size_t count,
                          struct error *error)
{
    struct journal *journal = removal->journal;

    if (!take_pair(journal, pair)) {
        removal->left = true;
        return true;
    }
    bool ok = keep_young(journal, pair, places, count, error) &&
              remove_from_file(journal, &pair->volumes[0], 0, places, count, error) &&
              remove_from_file(journal, &pair->volumes[1], 1, places, count, error);
    give_pair(journal, pair);
    if (!ok)
        return false;
    index_cut(&pair->index, removal->who, places[count - 1].seq);
    pair->rows -= (int64_t)count;
    removal->budget -= (int64_t)count;
    removal->removed += (int64_t)count;
    return true;
}

static bool remove_from_pair(struct removal *removal, struct pair *pair, struct error *error)
{
    size_t max = (size_t)removal->budget;
    struct index_place first;

    if (index_newest(&pair->index, removal->who, UINT64_MAX, &first, 1) == 0)
        return true;
    if (max == 0) {
        removal->left = true;
        return true;
    }
    struct index_place *places = calloc(max, sizeof(*places));
    if (!places)
        return error_set(error, ERROR_INTERNAL, "out of memory to remove events");
    size_t count = index_newest(&pair->index, removal->who, UINT64_MAX, places, max);
    bool ok = remove_places(removal, pair, places, count, error);
    free(places);
    if (ok && count == max)
        removal->left = removal->left || index_newest(&pair->index, removal->who, UINT64_MAX, &first, 1) > 0;
    return ok;
}

/* ---- the pair that is being closed ---- */

static bool is_remembered(const struct build *build, struct index_subject who)
{
    for (size_t i = 0; i < build->removed_count; i++)
        if (build->removed[i].account == who.account && build->removed[i].subject == who.subject)
            return true;
    return false;
}

/* Inside the mutex. */
static bool remember(struct build *build, struct index_subject who, struct error *error)
{
    if (is_remembered(build, who))
        return true;
    if (build->removed_count == build->removed_cap) {
        size_t cap = build->removed_cap ? 2 * build->removed_cap : 64;
        struct index_subject *removed = realloc(build->removed, cap * sizeof(*removed));

        if (!removed)
            return error_set(error, ERROR_INTERNAL, "out of memory to remember a removal");
        build->removed = removed;
        build->removed_cap = cap;
    }
    build->removed[build->removed_count++] = who;
    return true;
}

/* The janitor may copy rows at this moment, or begin to. So the subject is remembered before its rows go: whatever copy
 * was made, the swap removes it from the new file. If no build is there afterwards, there is no copy either: one that
 * begins later finds the rows gone. */
static bool remove_from_closing(struct removal *removal, struct error *error)
{
    struct journal *journal = removal->journal;
    struct build *build = &journal->build;
    struct index_place first;
    bool ok = true;

    if (index_newest(&journal->closing->index, removal->who, UINT64_MAX, &first, 1) > 0) {
        pthread_mutex_lock(&journal->mutex);
        ok = remember(build, removal->who, error);
        pthread_mutex_unlock(&journal->mutex);
        ok = ok && remove_from_pair(removal, journal->closing, error);
    }
    pthread_mutex_lock(&journal->mutex);
    if (build->state == BUILD_NONE)
        build->removed_count = 0;
    removal->left = removal->left || is_remembered(build, removal->who);
    pthread_mutex_unlock(&journal->mutex);
    return ok;
}

/* ---- closed volumes ---- */

struct found {
    uint64_t seq;
    uint32_t name;
};
struct finding {
    struct found *list;
    size_t count;
    struct young young; /* without a journal: those are kept already */
};

static bool take_found(void *arg, const struct row *row, struct error *error)
{
    struct finding *finding = arg;

    (void)error;
    finding->list[finding->count++] = (struct found){ (uint64_t)row_integer(row, 0), (uint32_t)row_integer(row, 1) };
    if (finding->young.journal)
        note_young(&finding->young, row_integer(row, 2), row_integer(row, 3));
    return true;
}

static bool delete_found(struct db *db, struct index_subject who, const struct finding *finding, struct error *error)
{
    for (size_t i = 0; i < finding->count; i++)
        if (!db_run(db, SQL("DELETE FROM event WHERE seq = $1"), DB_PARAMS(DB_INTEGER(finding->list[i].seq)), NULL,
                    NULL, error) ||
            !span_remove_row(db, who.account, finding->list[i].name, error))
            return false;
    return true;
}

static bool remove_in(struct journal *keeper, struct db *db, struct index_subject who, int64_t max,
                      struct finding *finding, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (db_run(db, SQL("SELECT seq, name, message, received FROM event WHERE account = $1 AND subject = $2 LIMIT $3"),
               DB_PARAMS(DB_INTEGER(who.account), DB_INTEGER(who.subject), DB_INTEGER(max)), take_found, finding,
               error) &&
        (!keeper || messages_keep(keeper, finding->young.list, finding->young.count, error)) &&
        delete_found(db, who, finding, error) && db_commit(db, error))
        return true;
    db_rollback(db);
    return false;
}

static bool finding_init(struct finding *finding, struct journal *keeper, int64_t max, struct error *error)
{
    *finding = (struct finding){ .list = calloc((size_t)max, sizeof(*finding->list)) };
    if (keeper) {
        finding->young = (struct young){ .journal = keeper, .now_ms = when_now(keeper->clock) };
        finding->young.list = calloc((size_t)max, sizeof(*finding->young.list));
    }
    return (finding->list && (!keeper || finding->young.list)) ||
           error_set(error, ERROR_INTERNAL, "out of memory to remove events");
}

bool closed_remove(struct journal *keeper, const char *path, struct index_subject who, int64_t max, int64_t *removed,
                   struct error *error)
{
    struct finding finding;
    struct db *db = NULL;

    bool ok = finding_init(&finding, keeper, max, error) && db_open_sqlite(path, DB_REST, &db, error) &&
              remove_in(keeper, db, who, max, &finding, error);
    db_close(db);
    free(finding.list);
    free(finding.young.list);
    *removed = ok ? (int64_t)finding.count : 0;
    return ok;
}

static bool closed_has(struct removal *removal, struct closed_volume *closed, bool *has, struct error *error)
{
    struct journal_reader *own = removal->journal->own;
    int64_t one = 0;

    *has = closed->unsound;
    if (closed->unsound)
        return true;
    struct handle *handle = reader_handle(own, closed->number, closed->path, DB_IMMUTABLE, closed->change, error);
    return handle &&
           db_integer(handle->db, SQL("SELECT 1 FROM event WHERE account = $1 AND subject = $2 LIMIT 1"),
                      DB_PARAMS(DB_INTEGER(removal->who.account), DB_INTEGER(removal->who.subject)), &one, has, error);
}

static bool list_change(struct journal *journal, void *arg, struct error *error)
{
    const struct closed_volume *closed = arg;
    const struct catalogued entry = { .volume = closed->number,
                                      .state = VOLUME_CLOSED,
                                      .pair = closed->number,
                                      .change = closed->change,
                                      .rows = closed->rows,
                                      .first_seq = (int64_t)closed->first_seq,
                                      .last_seq = (int64_t)closed->last_seq,
                                      .made_at = closed->made_ms };

    return catalogue_put(profiles_db(journal->profiles), &entry, error);
}

bool closed_catalogue(struct journal *journal, struct closed_volume *closed, struct error *error)
{
    return journal_catalogue(journal, list_change, closed, error);
}

/* A transaction that broke off is rolled back by opening the file anew: readers, who look past the journal, must not see it
 * half done. */
bool closed_change(struct closed_volume *closed, bool done)
{
    struct volume_header header;
    struct error ignored = { 0 };

    closed->change++;
    closed->unsound = !done && !closed_settle(closed->path, &header, &ignored);
    return done;
}

static bool remove_from_closed(struct removal *removal, struct closed_volume *closed, struct error *error)
{
    bool has = false;
    int64_t removed = 0;

    if (!closed_has(removal, closed, &has, error))
        return false;
    if (!has)
        return true;
    if (removal->budget == 0 || !hold_alone(&closed->rest, WAIT_SLICE_MS)) {
        removal->left = true;
        return true;
    }
    bool ok = closed_change(
        closed, closed_remove(removal->journal, closed->path, removal->who, removal->budget, &removed, error));
    closed->rows -= removed;
    hold_release(&closed->rest);
    if (!ok)
        return false;
    removal->left = removal->left || removed == removal->budget;
    removal->budget -= removed;
    removal->removed += removed;
    return closed_catalogue(removal->journal, closed, error);
}

/* ---- all of it ---- */

static bool remove_all(struct removal *removal, struct error *error)
{
    struct journal *journal = removal->journal;

    if (!journal_recover(journal, &journal->open->volumes[journal->open->written], error) ||
        !remove_from_pair(removal, journal->open, error) || (journal->closing && !remove_from_closing(removal, error)))
        return false;
    for (size_t i = 0; i < journal->closed_count; i++)
        if (!remove_from_closed(removal, journal->closed[i], error))
            return false;
    return true;
}

bool journal_remove(struct journal *journal, uint32_t account, uint32_t subject, int64_t max_rows, int64_t *removed,
                    bool *left, struct error *error)
{
    struct removal removal = { .journal = journal, .who = { account, subject }, .budget = max_rows };

    assert(!journal->staging.open);
    assert(max_rows > 0);
    bool ok = remove_all(&removal, error);
    *removed = removal.removed;
    *left = removal.left || !ok;
    return ok || error_within(error, "remove");
}
