/* The index of an open pair. Rows are never unlinked from a chain, only cut off at its head, so a walk may give the lock
 * back between two steps and go on where it was: no reader holds up the writer's publication for long. */
#include "vault/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_START_BITS = 10, ROWS_START = 4096, WALK_STEP = 16384, FETCH_AHEAD = 8 };

static void lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    int failed = pthread_rwlockattr_init(&attributes);

    assert(failed == 0);
    /* Else a steady stream of readers would keep the writer out. */
    failed = pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    assert(failed == 0);
    failed = pthread_rwlock_init(lock, &attributes);
    assert(failed == 0);
    pthread_rwlockattr_destroy(&attributes);
}

bool index_init(struct index *index, uint64_t first_seq)
{
    *index = (struct index){ .first_seq = first_seq,
                             .entry_cap = (size_t)1 << ENTRIES_START_BITS,
                             .shift = 64 - ENTRIES_START_BITS };
    index->entries = calloc(index->entry_cap, sizeof(*index->entries));
    if (!index->entries)
        return false;
    lock_init(&index->lock);
    return true;
}

void index_clear(struct index *index)
{
    if (index->entries)
        pthread_rwlock_destroy(&index->lock);
    free(index->entries);
    free(index->previous);
    free(index->files);
    *index = (struct index){ 0 };
}

/* ---- the table ---- */

/* Ordinals are dense: multiplying by the golden ratio spreads them evenly. */
static size_t home_of(struct index_subject who, unsigned shift)
{
    uint64_t key = (uint64_t)who.account << 32 | who.subject;

    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> shift);
}

static bool is_same(struct index_subject a, struct index_subject b)
{
    return a.account == b.account && a.subject == b.subject;
}

/* The subject's place, or the empty one where it would be. */
static struct index_entry *entry_of(struct index_entry *entries, size_t cap, unsigned shift, struct index_subject who)
{
    size_t place = home_of(who, shift);

    while (entries[place].who.account != 0 && !is_same(entries[place].who, who))
        place = (place + 1) & (cap - 1);
    return &entries[place];
}

static struct index_entry *find(const struct index *index, struct index_subject who)
{
    struct index_entry *entry = entry_of(index->entries, index->entry_cap, index->shift, who);

    return entry->who.account != 0 ? entry : NULL;
}

/* The larger table is filled beside the one that is read, and exchanged in a moment. */
static bool grow_entries(struct index *index)
{
    size_t cap = 2 * index->entry_cap;
    unsigned shift = index->shift - 1;
    struct index_entry *fresh = calloc(cap, sizeof(*fresh)), *old = index->entries;

    if (!fresh)
        return false;
    for (size_t i = 0; i < index->entry_cap; i++)
        if (old[i].who.account != 0)
            *entry_of(fresh, cap, shift, old[i].who) = old[i];
    pthread_rwlock_wrlock(&index->lock);
    index->entries = fresh;
    index->entry_cap = cap;
    index->shift = shift;
    pthread_rwlock_unlock(&index->lock);
    free(old);
    return true;
}

/* Takes an entry out and moves those behind it up, so that no search ends too early. */
static void drop_entry(struct index *index, struct index_entry *entry)
{
    size_t mask = index->entry_cap - 1, hole = (size_t)(entry - index->entries);

    for (size_t next = (hole + 1) & mask; index->entries[next].who.account != 0; next = (next + 1) & mask) {
        size_t home = home_of(index->entries[next].who, index->shift);

        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        index->entries[hole] = index->entries[next];
        hole = next;
    }
    index->entries[hole] = (struct index_entry){ 0 };
    index->entry_count--;
}

/* ---- rows ---- */

static bool grow_rows(struct index *index, size_t wanted)
{
    size_t cap = index->row_cap ? index->row_cap : ROWS_START;

    while (cap < wanted)
        cap *= 2;
    uint32_t *previous = malloc(cap * sizeof(*previous));
    unsigned char *files = calloc(cap / 8, 1);
    if (!previous || !files) {
        free(previous);
        free(files);
        return false;
    }
    if (index->row_count > 0) {
        memcpy(previous, index->previous, index->row_count * sizeof(*previous));
        memcpy(files, index->files, (index->row_count + 7) / 8);
    }
    uint32_t *old_previous = index->previous;
    unsigned char *old_files = index->files;
    pthread_rwlock_wrlock(&index->lock);
    index->previous = previous;
    index->files = files;
    index->row_cap = cap;
    pthread_rwlock_unlock(&index->lock);
    free(old_previous);
    free(old_files);
    return true;
}

bool index_reserve(struct index *index, uint64_t last_seq, size_t subjects)
{
    assert(last_seq >= index->first_seq);
    uint64_t rows = last_seq - index->first_seq + 1;

    if (rows >= UINT32_MAX)
        return false;
    if (rows > index->row_cap && !grow_rows(index, (size_t)rows))
        return false;
    while (4 * (index->entry_count + subjects) > 3 * index->entry_cap)
        if (!grow_entries(index))
            return false;
    return true;
}

static void publish_row(struct index *index, size_t row, unsigned file, struct index_subject who)
{
    struct index_entry *entry = entry_of(index->entries, index->entry_cap, index->shift, who);

    if (entry->who.account == 0) {
        *entry = (struct index_entry){ .who = who };
        index->entry_count++;
    }
    index->previous[row] = entry->newest;
    entry->newest = (uint32_t)row + 1;
    if (file)
        index->files[row / 8] |= (unsigned char)(1u << row % 8);
}

void index_publish(struct index *index, uint64_t seq, unsigned file, const struct index_subject *rows, size_t count)
{
    size_t first = (size_t)(seq - index->first_seq);

    assert(first >= index->row_count);
    assert(first + count <= index->row_cap);
    pthread_rwlock_wrlock(&index->lock);
    for (size_t i = index->row_count; i < first; i++) /* seqs that were given and never came to be */
        index->previous[i] = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_AHEAD < count)
            __builtin_prefetch(&index->entries[home_of(rows[i + FETCH_AHEAD], index->shift)], 1);
        publish_row(index, first + i, file, rows[i]);
    }
    index->row_count = first + count;
    pthread_rwlock_unlock(&index->lock);
}

void index_cut(struct index *index, struct index_subject who, uint64_t seq)
{
    pthread_rwlock_wrlock(&index->lock);
    struct index_entry *entry = find(index, who);
    while (entry && entry->newest > 0 && index->first_seq + entry->newest - 1 >= seq)
        entry->newest = index->previous[entry->newest - 1];
    if (entry && entry->newest == 0)
        drop_entry(index, entry);
    pthread_rwlock_unlock(&index->lock);
}

/* ---- walks ---- */

/* A walk down one chain; `row` is number + 1 of the next row, 0 at the end. Holds the lock between begin and end. */
struct walk {
    struct index *index;
    uint32_t row;
    unsigned steps;
};

static struct walk walk_begin(struct index *index, struct index_subject who)
{
    pthread_rwlock_rdlock(&index->lock);
    const struct index_entry *entry = find(index, who);
    return (struct walk){ .index = index, .row = entry ? entry->newest : 0 };
}

static void walk_end(struct walk *walk)
{
    pthread_rwlock_unlock(&walk->index->lock);
}

static bool walk_next(struct walk *walk, struct index_place *out)
{
    const struct index *index = walk->index;

    if (walk->row == 0)
        return false;
    if (++walk->steps % WALK_STEP == 0) {
        pthread_rwlock_unlock(&walk->index->lock);
        pthread_rwlock_rdlock(&walk->index->lock);
    }
    uint32_t row = walk->row - 1;
    out->seq = index->first_seq + row;
    out->file = index->files[row / 8] >> row % 8 & 1u;
    walk->row = index->previous[row];
    return true;
}

size_t index_newest(struct index *index, struct index_subject who, uint64_t bound, struct index_place *out, size_t max)
{
    struct walk walk = walk_begin(index, who);
    struct index_place place;
    size_t count = 0;

    while (count < max && walk_next(&walk, &place))
        if (place.seq < bound)
            out[count++] = place;
    walk_end(&walk);
    return count;
}

size_t index_oldest(struct index *index, struct index_subject who, uint64_t bound, struct index_place *out, size_t max)
{
    struct walk walk = walk_begin(index, who);
    struct index_place place;
    size_t count = 0;

    /* Chains run from new to old: `out` is a ring in which the older overwrite the newer. */
    while (max > 0 && walk_next(&walk, &place) && place.seq > bound)
        out[count++ % max] = place;
    walk_end(&walk);
    return count < max ? count : max;
}

int64_t index_count(struct index *index, struct index_subject who)
{
    struct walk walk = walk_begin(index, who);
    struct index_place place;
    int64_t count = 0;

    while (walk_next(&walk, &place))
        count++;
    walk_end(&walk);
    return count;
}
