/* Reading one slice: which rows are wanted comes from the indexes, newest or oldest volumes first, and then the rows by
 * seq. Handles stay open between slices; snapshots do not. */
#include <assert.h>
#include <stdlib.h>

#include "vault/journal_inside.h"

/* ---- readers and their handles ---- */

bool journal_reader_new(struct journal *journal, struct journal_reader **out, struct error *error)
{
    struct journal_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return error_set(error, ERROR_INTERNAL, "out of memory for a reader");
    reader->journal = journal;
    pthread_mutex_lock(&journal->mutex);
    reader->next = journal->readers;
    journal->readers = reader;
    pthread_mutex_unlock(&journal->mutex);
    *out = reader;
    return true;
}

static void handle_clear(struct handle *handle)
{
    db_close(handle->db);
    salts_clear(&handle->salts);
}

void journal_reader_free(struct journal_reader *reader)
{
    if (!reader)
        return;
    struct journal *journal = reader->journal;
    pthread_mutex_lock(&journal->mutex);
    struct journal_reader **place = &journal->readers;
    while (*place != reader)
        place = &(*place)->next;
    *place = reader->next;
    pthread_mutex_unlock(&journal->mutex);
    for (size_t i = 0; i < reader->handle_count; i++)
        handle_clear(&reader->handles[i]);
    free(reader->handles);
    free(reader);
}

void reader_forget(struct journal_reader *reader, int64_t number)
{
    for (size_t i = 0; i < reader->handle_count; i++)
        if (reader->handles[i].number == number) {
            handle_clear(&reader->handles[i]);
            reader->handles[i--] = reader->handles[--reader->handle_count];
        }
}

void readers_forget(struct journal *journal, int64_t number)
{
    pthread_mutex_lock(&journal->mutex);
    for (struct journal_reader *reader = journal->readers; reader; reader = reader->next)
        reader_forget(reader, number);
    pthread_mutex_unlock(&journal->mutex);
}

static bool handles_reserve(struct journal_reader *reader, struct error *error)
{
    if (reader->handle_count < reader->handle_cap)
        return true;
    size_t cap = reader->handle_cap ? 2 * reader->handle_cap : 8;
    struct handle *handles = realloc(reader->handles, cap * sizeof(*handles));
    if (!handles)
        return error_set(error, ERROR_INTERNAL, "out of memory for a reader");
    reader->handles = handles;
    reader->handle_cap = cap;
    return true;
}

struct handle *reader_handle(struct journal_reader *reader, int64_t number, const char *path, enum db_mode mode,
                             int64_t change, struct error *error)
{
    for (size_t i = 0; i < reader->handle_count; i++)
        if (reader->handles[i].number == number && reader->handles[i].change == change &&
            !reader->handles[i].db->broken)
            return &reader->handles[i];
    /* One that is broken or knows an older state of the file must not serve any more. */
    reader_forget(reader, number);
    if (!handles_reserve(reader, error))
        return NULL;
    struct handle *handle = &reader->handles[reader->handle_count];
    *handle = (struct handle){ .number = number, .change = change };
    if (!db_open_sqlite(path, mode, &handle->db, error)) {
        char name[VOLUME_NAME_MAX];

        volume_name(number, name);
        (void)error_within(error, "%s", name);
        return NULL;
    }
    reader->handle_count++;
    return handle;
}

/* ---- one slice ---- */

struct slice {
    struct journal_reader *reader;
    const struct event_query *query;
    struct arena *arena;
    uint64_t bound;             /* moves on with what was taken */
    struct index_place *places; /* wanted next: room for twice what is asked for at once */
    struct event_row *rows;
    size_t count, bytes;
    bool more; /* one was found that did not fit */
};

static int by_rising_seq(const void *left, const void *right)
{
    const struct index_place *a = left, *b = right;

    return (a->seq > b->seq) - (a->seq < b->seq);
}

static int by_falling_seq(const void *left, const void *right)
{
    return by_rising_seq(right, left);
}

/* Puts the places into the order asked for and keeps those that are wanted first. */
static size_t keep_first(const struct slice *slice, size_t count, size_t max)
{
    qsort(slice->places, count, sizeof(*slice->places), slice->query->oldest_first ? by_rising_seq : by_falling_seq);
    return count < max ? count : max;
}

static struct index_subject subject_at(const struct slice *slice, size_t i)
{
    return (struct index_subject){ slice->query->account, slice->query->subjects[i] };
}

struct take_one {
    struct slice *slice;
    struct handle *handle;
};

static bool take_event(void *arg, const struct row *row, struct error *error)
{
    struct take_one *take = arg;
    struct slice *slice = take->slice;

    if (!event_take(row, &take->handle->salts, take->handle->db, slice->arena, &slice->rows[slice->count], error))
        return false;
    slice->bytes += slice->rows[slice->count].body.len;
    slice->count++;
    return true;
}

static bool is_full(const struct slice *slice)
{
    const struct event_query *query = slice->query;

    return slice->count == query->max || (slice->count > 0 && query->max_bytes > 0 && slice->bytes >= query->max_bytes);
}

/* One more than there is room for, to know whether there are more. */
static size_t places_wanted(const struct slice *slice)
{
    return slice->query->max - slice->count + 1;
}

static bool read_place(struct slice *slice, struct handle *handle, uint64_t seq, struct error *error)
{
    struct take_one take = { slice, handle };

    return db_run(handle->db, SQL("SELECT " EVENT_COLUMNS " FROM event WHERE seq = $1"), DB_PARAMS(DB_INTEGER(seq)),
                  take_event, &take, error);
}

/* ---- from a pair ---- */

static size_t places_of_pair(struct slice *slice, struct pair *pair, size_t wanted)
{
    size_t count = 0;

    for (size_t i = 0; i < slice->query->subject_count; i++) {
        struct index_place *more = &slice->places[count];
        struct index_subject who = subject_at(slice, i);

        count += slice->query->oldest_first ? index_oldest(&pair->index, who, slice->bound, more, wanted)
                                            : index_newest(&pair->index, who, slice->bound, more, wanted);
        count = keep_first(slice, count, wanted);
    }
    return count;
}

static bool read_places(struct slice *slice, struct handle *const handles[2], size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct index_place *place = &slice->places[i];

        slice->more = is_full(slice);
        if (slice->more)
            break;
        if (!read_place(slice, handles[place->file], place->seq, error))
            return false;
        slice->bound = place->seq;
    }
    return true;
}

/* One snapshot a file for the whole batch, ended before anything else is waited for. */
static bool read_batch(struct slice *slice, struct handle *const handles[2], size_t count, struct error *error)
{
    if (!db_begin(handles[0]->db, error))
        return false;
    bool ok = handles[1] == handles[0] || db_begin(handles[1]->db, error);
    if (ok) {
        ok = read_places(slice, handles, count, error);
        if (handles[1] != handles[0])
            db_rollback(handles[1]->db);
    }
    db_rollback(handles[0]->db);
    return ok;
}

static bool pair_handles(struct slice *slice, struct pair *pair, struct handle *handles[2], struct error *error)
{
    /* Twice, for making the second may move the first. */
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++) {
            const struct volume *volume = &pair->volumes[i];

            handles[i] = reader_handle(slice->reader, volume->number, volume->path, DB_READER, 0, error);
            if (!handles[i])
                return false;
        }
    return true;
}

static bool read_pair(struct slice *slice, struct pair *pair, struct error *error)
{
    struct handle *handles[2];
    size_t asked, count;

    if (!pair || slice->more)
        return true;
    /* Again while a batch was full and some of its rows had been removed meanwhile. */
    do {
        asked = places_wanted(slice);
        count = places_of_pair(slice, pair, asked);
        if (count > 0 && (!pair_handles(slice, pair, handles, error) || !read_batch(slice, handles, count, error)))
            return false;
    } while (count == asked && !slice->more);
    return true;
}

/* ---- from a closed volume ---- */

struct take_places {
    struct slice *slice;
    size_t count, wanted;
};

/* The covering index gives a subject's rows by name and time: of any number of them only those wanted first are kept. */
static bool take_place(void *arg, const struct row *row, struct error *error)
{
    struct take_places *take = arg;

    (void)error;
    if (take->count == 2 * take->wanted)
        take->count = keep_first(take->slice, take->count, take->wanted);
    take->slice->places[take->count++] = (struct index_place){ .seq = (uint64_t)row_integer(row, 0) };
    return true;
}

/* As the engine compares: its integers are signed. */
static int64_t signed_bound(uint64_t bound)
{
    return bound > INT64_MAX ? INT64_MAX : (int64_t)bound;
}

static bool places_of_closed(struct slice *slice, struct db *db, size_t wanted, size_t *count, struct error *error)
{
    struct take_places take = { .slice = slice, .wanted = wanted };
    const struct sql sql = slice->query->oldest_first
                               ? SQL("SELECT seq FROM event WHERE account = $1 AND subject = $2 AND seq > $3")
                               : SQL("SELECT seq FROM event WHERE account = $1 AND subject = $2 AND seq < $3");

    for (size_t i = 0; i < slice->query->subject_count; i++) {
        struct index_subject who = subject_at(slice, i);

        if (!db_run(db, sql,
                    DB_PARAMS(DB_INTEGER(who.account), DB_INTEGER(who.subject), DB_INTEGER(signed_bound(slice->bound))),
                    take_place, &take, error))
            return false;
    }
    *count = keep_first(slice, take.count, wanted);
    return true;
}

static bool can_matter(const struct slice *slice, const struct closed_volume *closed)
{
    if (slice->more)
        return false;
    return slice->query->oldest_first ? closed->last_seq > slice->bound : closed->first_seq < slice->bound;
}

static struct handle *closed_handle(struct journal_reader *reader, const struct closed_volume *closed,
                                    struct error *error)
{
    if (!closed->unsound)
        return reader_handle(reader, closed->number, closed->path, DB_IMMUTABLE, closed->change, error);
    (void)error_set(error, ERROR_DATABASE, "a volume waits for a removal to be repeated");
    return NULL;
}

static bool read_closed(struct slice *slice, struct closed_volume *closed, struct error *error)
{
    size_t count = 0;

    if (!can_matter(slice, closed))
        return true;
    hold_share(&closed->rest);
    struct handle *handle = closed_handle(slice->reader, closed, error);
    struct handle *const handles[2] = { handle, handle };
    bool ok = handle && places_of_closed(slice, handle->db, places_wanted(slice), &count, error) &&
              read_batch(slice, handles, count, error);
    hold_unshare(&closed->rest);
    return ok;
}

/* ---- all volumes ---- */

static bool read_newest(struct slice *slice, struct error *error)
{
    struct journal *journal = slice->reader->journal;

    if (!read_pair(slice, journal->open, error) || !read_pair(slice, journal->closing, error))
        return false;
    for (size_t i = journal->closed_count; i > 0; i--)
        if (!read_closed(slice, journal->closed[i - 1], error))
            return false;
    return true;
}

static bool read_oldest(struct slice *slice, struct error *error)
{
    struct journal *journal = slice->reader->journal;

    for (size_t i = 0; i < journal->closed_count; i++)
        if (!read_closed(slice, journal->closed[i], error))
            return false;
    return read_pair(slice, journal->closing, error) && read_pair(slice, journal->open, error);
}

bool journal_read(struct journal_reader *reader, const struct event_query *query, struct arena *arena,
                  struct event_row **rows, size_t *count, bool *more, struct error *error)
{
    struct slice slice = { .reader = reader, .query = query, .arena = arena, .bound = query->bound };

    assert(query->max > 0);
    assert(query->max <= 2000);
    slice.rows = ARENA_NEW(arena, struct event_row, query->max);
    slice.places = ARENA_NEW(arena, struct index_place, 2 * (query->max + 1));
    if (!slice.rows || !slice.places)
        return error_set(error, ERROR_TOO_LARGE, "no room for the rows of one slice");
    hold_share(&reader->journal->shape);
    bool ok = query->oldest_first ? read_oldest(&slice, error) : read_newest(&slice, error);
    hold_unshare(&reader->journal->shape);
    if (!ok)
        return error_within(error, "events");
    *rows = slice.rows;
    *count = slice.count;
    *more = slice.more;
    return true;
}

/* ---- counting ---- */

static bool count_closed(struct journal_reader *reader, struct closed_volume *closed, struct index_subject who,
                         int64_t *count, struct error *error)
{
    int64_t here = 0;
    bool found = false;

    hold_share(&closed->rest);
    struct handle *handle = closed_handle(reader, closed, error);
    bool ok = handle && db_integer(handle->db, SQL("SELECT COUNT(*) FROM event WHERE account = $1 AND subject = $2"),
                                   DB_PARAMS(DB_INTEGER(who.account), DB_INTEGER(who.subject)), &here, &found, error);
    hold_unshare(&closed->rest);
    *count += here;
    return ok;
}

static bool count_subject(struct journal_reader *reader, struct index_subject who, int64_t *count, struct error *error)
{
    struct journal *journal = reader->journal;

    *count += index_count(&journal->open->index, who);
    if (journal->closing)
        *count += index_count(&journal->closing->index, who);
    for (size_t i = 0; i < journal->closed_count; i++)
        if (!count_closed(reader, journal->closed[i], who, count, error))
            return false;
    return true;
}

static bool last_received(struct journal_reader *reader, const struct event_query *query, int64_t *out,
                          struct error *error)
{
    struct arena arena;
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more = false;

    arena_init(&arena, 64 * 1024 * 1024);
    bool ok = journal_read(reader, query, &arena, &rows, &count, &more, error);
    *out = ok && count > 0 ? rows[0].received_ms : WHEN_NONE;
    arena_clear(&arena);
    return ok;
}

bool journal_count(struct journal_reader *reader, uint32_t account, const uint32_t *subjects, size_t subject_count,
                   int64_t *count, int64_t *last_received_ms, struct error *error)
{
    const struct event_query newest = {
        .account = account, .subjects = subjects, .subject_count = subject_count, .bound = UINT64_MAX, .max = 1
    };
    bool ok = true;

    *count = 0;
    hold_share(&reader->journal->shape);
    for (size_t i = 0; ok && i < subject_count; i++)
        ok = count_subject(reader, (struct index_subject){ account, subjects[i] }, count, error);
    hold_unshare(&reader->journal->shape);
    return ok ? last_received(reader, &newest, last_received_ms, error) : error_within(error, "events");
}
