/* The journal as a whole: what is opened, refused, rolled back and removed at start; its end and its counts. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/anchored.h"
#include "vault/journal_inside.h"

/* Room for the longest name below events/. */
#define NAME_ROOM 64

/* ---- closed volumes ---- */

struct closed_volume *closed_new(struct journal *journal, const struct catalogued *entry, struct error *error)
{
    struct closed_volume *closed = calloc(1, sizeof(*closed));

    if (!closed) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory for a volume");
        return NULL;
    }
    closed->number = entry->volume;
    closed->first_seq = (uint64_t)entry->first_seq;
    closed->last_seq = (uint64_t)entry->last_seq;
    closed->made_ms = entry->made_at;
    closed->rows = entry->rows;
    closed->change = entry->change;
    volume_path(journal->directory, closed->number, "", closed->path);
    hold_init(&closed->rest);
    return closed;
}

void closed_free(struct closed_volume *closed)
{
    if (!closed)
        return;
    hold_clear(&closed->rest);
    free(closed);
}

bool closed_reserve(struct journal *journal, struct error *error)
{
    if (journal->closed_count < journal->closed_cap)
        return true;
    size_t cap = journal->closed_cap ? 2 * journal->closed_cap : 16;
    struct closed_volume **closed = realloc(journal->closed, cap * sizeof(struct closed_volume *));
    if (!closed)
        return error_set(error, ERROR_INTERNAL, "out of memory for the list of volumes");
    journal->closed = closed;
    journal->closed_cap = cap;
    return true;
}

void closed_add(struct journal *journal, struct closed_volume *closed)
{
    size_t at = journal->closed_count++;

    for (; at > 0 && journal->closed[at - 1]->first_seq > closed->first_seq; at--)
        journal->closed[at] = journal->closed[at - 1];
    journal->closed[at] = closed;
}

bool closed_settle(const char *path, struct volume_header *header, struct error *error)
{
    struct db *db = NULL;

    /* Opening reads the file, and reading rolls back what a hot journal holds. */
    if (!db_open_sqlite(path, DB_REST, &db, error))
        return false;
    bool ok = volume_header_read(db, header, error);
    db_close(db);
    return ok;
}

/* ---- start ---- */

struct opening {
    struct journal *journal;
    struct anchor anchor;
    struct catalogued *entries;
    size_t count;
    bool swept;
};

/* What may stand beside a listed file: a log of an open one, a journal of a closed one. */
static bool is_listed(const struct opening *opening, int64_t number, const char *tail)
{
    for (size_t i = 0; i < opening->count; i++) {
        if (opening->entries[i].volume != number)
            continue;
        if (opening->entries[i].state == VOLUME_CLOSED)
            return strcmp(tail, "") == 0 || strcmp(tail, "-journal") == 0;
        return strcmp(tail, "") == 0 || strcmp(tail, "-wal") == 0 || strcmp(tail, "-shm") == 0;
    }
    return false;
}

/* Removes what a crash left: files of our own naming that the catalogue does not list. */
static bool sweep(struct opening *opening, struct error *error)
{
    DIR *directory = opendir(opening->journal->directory);
    const struct dirent *entry;
    const char *tail;
    int64_t number;
    bool ok = true;

    if (!directory)
        return error_errno(error, "read the directory of events");
    while (ok && (entry = readdir(directory)))
        if (volume_of_name(entry->d_name, &number, &tail) && !is_listed(opening, number, tail)) {
            ok = unlinkat(dirfd(directory), entry->d_name, 0) == 0 || error_errno(error, "remove an unlisted volume");
            opening->swept = true;
        }
    closedir(directory);
    return ok && (!opening->swept || directory_sync(opening->journal->directory, error));
}

static void raise_next(struct journal *journal, uint64_t seq, int64_t volume)
{
    if (seq >= journal->next_seq)
        journal->next_seq = seq + 1;
    if (volume >= journal->next_volume)
        journal->next_volume = volume + 1;
}

static bool open_closed(struct opening *opening, const struct catalogued *entry, struct error *error)
{
    struct journal *journal = opening->journal;
    struct volume_header header;
    char name[VOLUME_NAME_MAX];

    if (!closed_reserve(journal, error))
        return false;
    struct closed_volume *closed = closed_new(journal, entry, error);
    if (!closed)
        return false;
    closed_add(journal, closed);
    volume_name(entry->volume, name);
    if (!closed_settle(closed->path, &header, error))
        return error_within(error, "%s", name);
    raise_next(journal, header.highest_seq, entry->volume);
    raise_next(journal, closed->last_seq, entry->volume);
    return volume_header_check(entry->volume, &header, &journal->ledger, opening->anchor, error);
}

/* The pair that `entries[first]` begins: its other half has the same pair number. */
static bool open_pair(struct opening *opening, size_t first, struct error *error)
{
    struct journal *journal = opening->journal;
    const struct catalogued *entry = &opening->entries[first];
    struct pair **place = entry->state == VOLUME_OPEN ? &journal->open : &journal->closing;
    struct catalogued both[2] = { *entry };
    size_t found = 1;

    for (size_t i = first + 1; i < opening->count; i++)
        if (opening->entries[i].pair == entry->pair && found++ == 1)
            both[1] = opening->entries[i];
    if (found != 2 || both[1].state != entry->state || *place)
        return error_set(error, ERROR_CORRUPT, "the catalogue of volumes does not hold whole pairs");
    if (!pair_open(journal, both, opening->anchor, place, error))
        return false;
    for (int i = 0; i < 2; i++)
        raise_next(journal, (*place)->volumes[i].header.highest_seq, both[i].volume);
    return true;
}

/* Closed volumes whose ids may still matter: the last is received before the volume behind it was made, and of more rows
 * than are remembered the older ones do not count. A clock may have been set back a little. */
static size_t first_recent(const struct journal *journal, int64_t now_ms)
{
    const struct pair *next = journal->closing ? journal->closing : journal->open;
    int64_t made_ms = next ? next->made_ms : now_ms, rows = 0;
    size_t first = journal->closed_count;

    for (; first > 0 && rows < journal->limits.message_ids; first--) {
        if (made_ms + journal->limits.message_ms + WHEN_HOUR <= now_ms)
            break;
        rows += journal->closed[first - 1]->rows;
        made_ms = journal->closed[first - 1]->made_ms;
    }
    return first;
}

/* What memory keeps of the rows, oldest first. */
static bool read_rows(struct journal *journal, struct error *error)
{
    struct pair *const pairs[] = { journal->closing, journal->open };
    struct messages_load load;
    bool ok = messages_load_begin(&load, journal, error);

    for (size_t i = first_recent(journal, load.now_ms); ok && i < journal->closed_count; i++)
        ok = messages_load_volume(&load, journal->closed[i]->path, error);
    for (size_t i = 0; ok && i < COUNT_OF(pairs); i++)
        ok = !pairs[i] || pair_fill(journal, pairs[i], &load, error);
    ok = ok && messages_load_end(&load, error);
    messages_load_clear(&load);
    return ok;
}

static bool open_listed(struct opening *opening, struct error *error)
{
    for (size_t i = 0; i < opening->count; i++) {
        const struct catalogued *entry = &opening->entries[i];

        raise_next(opening->journal, (uint64_t)entry->first_seq - 1, entry->volume);
        if (entry->state == VOLUME_CLOSED ? !open_closed(opening, entry, error)
                                          : entry->pair == entry->volume && !open_pair(opening, i, error))
            return false;
    }
    return true;
}

static bool list_open_pair(struct journal *journal, void *arg, struct error *error)
{
    return pair_catalogue(journal, arg, VOLUME_OPEN, error);
}

static bool first_pair(struct journal *journal, struct error *error)
{
    return journal->open || (pair_make(journal, &journal->open, error) &&
                             journal_catalogue(journal, list_open_pair, journal->open, error));
}

static bool open_all(struct journal *journal, struct anchor anchor, struct error *error)
{
    struct opening opening = { .journal = journal, .anchor = anchor };

    bool ok = directory_make(journal->directory, error) &&
              anchored_before("profiles.db", profiles_anchor(journal->profiles), anchor, error) &&
              catalogue_load(profiles_db(journal->profiles), &opening.entries, &opening.count, error) &&
              sweep(&opening, error) && open_listed(&opening, error) && read_rows(journal, error) &&
              first_pair(journal, error);
    if (ok && journal->closing) /* it goes on being closed, into a file of its own number */
        journal->build.number = journal->next_volume++;
    free(opening.entries);
    return ok;
}

static struct journal *journal_new(const struct journal_limits *limits)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    if (journal)
        journal->recent = recent_new(limits->message_ids, limits->message_ms);
    if (!journal || !journal->recent) {
        free(journal);
        return NULL;
    }
    journal->limits = *limits;
    int failed = pthread_mutex_init(&journal->mutex, NULL);
    assert(failed == 0);
    hold_init(&journal->shape);
    journal->next_seq = 1;
    journal->next_volume = 1;
    return journal;
}

bool journal_open(const char *vault_directory, struct profiles *profiles, struct ledger_id ledger, struct anchor anchor,
                  const struct journal_limits *limits, const struct when_clock *clock, struct journal **out,
                  struct error *error)
{
    struct journal *journal = journal_new(limits);

    if (!journal)
        return error_set(error, ERROR_INTERNAL, "out of memory for the journal");
    journal->profiles = profiles;
    journal->ledger = ledger;
    journal->clock = clock;
    int len = snprintf(journal->directory, sizeof(journal->directory), "%s/events", vault_directory);
    bool ok = len > 0 && (size_t)len + NAME_ROOM < sizeof(journal->directory);
    if (!ok)
        (void)error_set(error, ERROR_INVALID, "the path of the vault is too long");
    if (!ok || !open_all(journal, anchor, error) || !journal_reader_new(journal, &journal->own, error)) {
        journal_close(journal);
        return false;
    }
    *out = journal;
    return true;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    journal_reader_free(journal->own);
    assert(!journal->readers);
    pair_free(journal->open, false);
    pair_free(journal->closing, false);
    /* Neither is listed: the next start removes their files. */
    pair_free(journal->gone, true);
    pair_free(journal->fresh, true);
    for (size_t i = 0; i < journal->closed_count; i++)
        closed_free(journal->closed[i]);
    free(journal->closed);
    free(journal->staging.rows);
    free(journal->staging.answers);
    free(journal->build.removed);
    recent_free(journal->recent);
    hold_clear(&journal->shape);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

/* ---- counts ---- */

static void count_pair(const struct pair *pair, struct journal_counts *out)
{
    if (!pair)
        return;
    out->open_rows += pair->rows;
    out->volumes += 2;
    for (int i = 0; i < 2; i++)
        out->log_bytes += pair->volumes[i].log_pages * VOLUME_PAGE_BYTES;
}

void journal_counts(struct journal *journal, struct journal_counts *out)
{
    *out = (struct journal_counts){ 0 };
    hold_share(&journal->shape);
    count_pair(journal->open, out);
    count_pair(journal->closing, out);
    for (size_t i = 0; i < journal->closed_count; i++)
        out->closed_rows += journal->closed[i]->rows;
    out->volumes += (int64_t)journal->closed_count;
    hold_unshare(&journal->shape);
    int64_t oldest_ms = journal->oldest_message_ms;
    out->message_ids = journal->message_count;
    out->message_reach_ms = oldest_ms == WHEN_NONE ? 0 : when_now(journal->clock) - oldest_ms;
}
