/* A ring of ids in order of receipt, and a table that finds their places in it.
 *
 * Ids have numbers that only rise; number n stands in the ring at n modulo 2^24. The table holds, in one 32-bit slot an id,
 * its place and 8 bits of its hash: a search looks into the ring only where those 8 bits agree. Slots lie in buckets of
 * one cache line: 15 slots and a count of the ids that found the bucket full and went on to the next one, so a search
 * knows where to end and removal leaves nothing behind. Times stand beside the ring, one for each stretch of it.
 *
 *   tail        kept_from                          head
 *    | due to go    | kept                           | next
 *
 * A table that is too small or too large is exchanged for another: new ids go into the new one, the others are moved in
 * order, a few with each id that comes. */
#include "vault/recent.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/when.h"

enum {
    PLACE_BITS = 24,
    BLOCK_BITS = 16,
    BLOCKS = 1 << (PLACE_BITS - BLOCK_BITS),
    SLOTS = 15,
    SLOTS_WANTED = 8, /* of a bucket, on average, before the table grows */
    SLOTS_MOST = 13,  /* when it cannot grow: beyond, ids are refused */
    BUCKETS_MIN = 64,
    STRETCHES = 1440, /* of `keep_ms` */
    STEPS_AN_ID = 4,  /* of what is due */
    STEPS_A_TEND = 4096,
    FETCH_AHEAD = 16,
};
#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)
#define BLOCK_IDS ((size_t)1 << BLOCK_BITS)
#define BLOCK_BYTES (BLOCK_IDS * sizeof(uint64_t))
#define HUGE_BYTES ((size_t)4 * 1024 * 1024)
#define SHED_BYTES ((size_t)1024 * 1024) /* given back at once */

struct bucket {
    uint32_t slots[SLOTS]; /* place << 8 | tag; 0: empty */
    uint32_t passed;       /* ids that found it full */
};
struct table {
    struct bucket *buckets;
    uint32_t count;
};
struct stretch {
    int64_t at_ms;
    uint64_t first; /* number of its first id */
};
/* A table that is given back piece by piece. */
struct shed {
    char *at;
    size_t len;
};

struct recent {
    uint64_t head, tail, kept_from;
    uint64_t max;
    int64_t keep_ms, grain_ms, now_ms;
    uint64_t *blocks[BLOCKS];
    size_t block_count;
    struct table table, old;  /* old: only while ids are moved */
    uint64_t moved, moved_to; /* ids from `moved` up to `moved_to` are in the old table */
    struct shed shed;
    struct stretch stretches[STRETCHES + 2]; /* a ring, too */
    uint64_t stretch_head, stretch_tail;
};

/* ---- memory ---- */

static void *map_bytes(size_t len)
{
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    if (len >= HUGE_BYTES)
        (void)madvise(at, len, MADV_HUGEPAGE); /* places are at random: a page each would cost as much again */
    return at;
}

static void unmap_bytes(void *at, size_t len)
{
    int failed = munmap(at, len);

    assert(failed == 0);
}

static size_t table_bytes(const struct table *table)
{
    return table->count * sizeof(struct bucket);
}

static void shed_piece(struct shed *shed)
{
    size_t len = shed->len < SHED_BYTES ? shed->len : SHED_BYTES;

    if (len == 0)
        return;
    unmap_bytes(shed->at, len);
    shed->at += len;
    shed->len -= len;
}

static uint64_t *id_at(const struct recent *recent, uint64_t number)
{
    size_t place = number & PLACE_MASK;

    return &recent->blocks[place >> BLOCK_BITS][place & (BLOCK_IDS - 1)];
}

/* ---- one table ---- */

/* Multiplying spreads ids that are not as even as hashes are. */
static uint64_t mix(uint64_t id)
{
    return id * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t home_of(const struct table *table, uint64_t mixed)
{
    return (uint32_t)((mixed >> 32) * table->count >> 32);
}

static uint32_t tag_of(uint64_t mixed)
{
    uint32_t tag = mixed >> 24 & 0xff;

    return tag ? tag : 1;
}

static uint32_t next_bucket(const struct table *table, uint32_t bucket)
{
    return bucket + 1 == table->count ? 0 : bucket + 1;
}

static uint32_t slot_of(uint64_t number, uint64_t mixed)
{
    return (uint32_t)(number & PLACE_MASK) << 8 | tag_of(mixed);
}

static void table_add(struct table *table, uint64_t id, uint64_t number)
{
    uint64_t mixed = mix(id);
    uint32_t slot = slot_of(number, mixed);

    for (uint32_t at = home_of(table, mixed);; at = next_bucket(table, at)) {
        struct bucket *bucket = &table->buckets[at];

        for (int i = 0; i < SLOTS; i++)
            if (bucket->slots[i] == 0) {
                bucket->slots[i] = slot;
                return;
            }
        bucket->passed++;
    }
}

static void table_remove(struct table *table, uint64_t id, uint64_t number)
{
    uint64_t mixed = mix(id);
    uint32_t slot = slot_of(number, mixed);

    for (uint32_t at = home_of(table, mixed);; at = next_bucket(table, at)) {
        struct bucket *bucket = &table->buckets[at];

        for (int i = 0; i < SLOTS; i++)
            if (bucket->slots[i] == slot) {
                bucket->slots[i] = 0;
                return;
            }
        assert(bucket->passed > 0);
        bucket->passed--;
    }
}

static bool is_kept(const struct recent *recent, uint32_t place, uint64_t id)
{
    uint64_t behind = (place - recent->kept_from) & PLACE_MASK;

    return behind < recent->head - recent->kept_from && *id_at(recent, place) == id;
}

static bool table_has(const struct recent *recent, const struct table *table, uint64_t id)
{
    uint64_t mixed = mix(id);
    uint32_t tag = tag_of(mixed);

    for (uint32_t at = home_of(table, mixed);; at = next_bucket(table, at)) {
        const struct bucket *bucket = &table->buckets[at];

        for (int i = 0; i < SLOTS; i++)
            if ((bucket->slots[i] & 0xff) == tag && is_kept(recent, bucket->slots[i] >> 8, id))
                return true;
        if (bucket->passed == 0)
            return false;
    }
}

static void table_fetch(const struct table *table, uint64_t id)
{
    if (table->buckets)
        __builtin_prefetch(&table->buckets[home_of(table, mix(id))], 1);
}

/* ---- from one table to the next ---- */

static uint32_t buckets_for(uint64_t ids)
{
    uint64_t count = ids / SLOTS_WANTED + 1;

    return count < BUCKETS_MIN ? BUCKETS_MIN : (uint32_t)count;
}

static bool exchange_table(struct recent *recent, uint32_t count)
{
    struct table fresh = { .count = count };

    fresh.buckets = map_bytes(table_bytes(&fresh));
    if (!fresh.buckets)
        return false;
    recent->old = recent->table;
    recent->table = fresh;
    recent->moved = recent->tail;
    recent->moved_to = recent->head;
    return true;
}

static void move_some(struct recent *recent, size_t steps)
{
    if (!recent->old.buckets)
        return;
    for (; steps > 0 && recent->moved < recent->moved_to; steps--, recent->moved++) {
        if (recent->moved + FETCH_AHEAD < recent->moved_to)
            table_fetch(&recent->table, *id_at(recent, recent->moved + FETCH_AHEAD));
        table_add(&recent->table, *id_at(recent, recent->moved), recent->moved);
    }
    if (recent->moved < recent->moved_to || recent->shed.len > 0)
        return;
    recent->shed = (struct shed){ (char *)recent->old.buckets, table_bytes(&recent->old) };
    recent->old = (struct table){ 0 };
}

/* Doubles when it is full, and shrinks when it is nearly empty; one exchange at a time. */
static bool fit_table(struct recent *recent, uint64_t ids)
{
    uint32_t count = recent->table.count, most = buckets_for(recent->max);

    if (recent->old.buckets)
        return true; /* done long before the new one is full */
    if (ids > (uint64_t)count * SLOTS_WANTED && count < most)
        return exchange_table(recent, 2 * count < most ? 2 * count : most) || ids <= (uint64_t)count * SLOTS_MOST;
    if (ids < count && count > BUCKETS_MIN)
        (void)exchange_table(recent, buckets_for(4 * ids));
    return true;
}

/* ---- what is due to go ---- */

/* An id that is still in the old table goes with that: whoever finds its slot there sees that it is not kept. */
static void drop_one(struct recent *recent, uint64_t number)
{
    if (!recent->old.buckets || number < recent->moved || number >= recent->moved_to)
        table_remove(&recent->table, *id_at(recent, number), number);
}

static void drop_block(struct recent *recent, uint64_t number)
{
    uint64_t **block = &recent->blocks[(number & PLACE_MASK) >> BLOCK_BITS];

    unmap_bytes(*block, BLOCK_BYTES);
    *block = NULL;
    recent->block_count--;
}

static void drop_some(struct recent *recent, size_t steps)
{
    for (; steps > 0 && recent->tail < recent->kept_from; steps--) {
        if (recent->tail + FETCH_AHEAD < recent->head)
            table_fetch(&recent->table, *id_at(recent, recent->tail + FETCH_AHEAD));
        drop_one(recent, recent->tail);
        recent->tail++;
        if (recent->moved < recent->tail)
            recent->moved = recent->tail;
        if ((recent->tail & (BLOCK_IDS - 1)) == 0)
            drop_block(recent, recent->tail - 1);
    }
    if (recent->moved_to < recent->moved)
        recent->moved_to = recent->moved;
}

static void work(struct recent *recent, size_t steps)
{
    drop_some(recent, steps);
    move_some(recent, steps);
    shed_piece(&recent->shed);
}

/* ---- time ---- */

static size_t stretch_place(uint64_t number)
{
    return number % (STRETCHES + 2);
}

/* Behind its last id. */
static uint64_t stretch_end(const struct recent *recent, uint64_t number)
{
    return number + 1 == recent->stretch_head ? recent->head : recent->stretches[stretch_place(number + 1)].first;
}

/* An id is kept for the whole of `keep_ms`, and up to one stretch longer. */
static bool is_over(const struct recent *recent, uint64_t stretch)
{
    int64_t at_ms = recent->stretches[stretch_place(stretch)].at_ms;

    return at_ms + recent->grain_ms + recent->keep_ms <= recent->now_ms;
}

static void pass_time(struct recent *recent, int64_t now_ms)
{
    if (now_ms > recent->now_ms)
        recent->now_ms = now_ms;
    for (; recent->stretch_tail < recent->stretch_head; recent->stretch_tail++) {
        uint64_t end = stretch_end(recent, recent->stretch_tail);

        if (!is_over(recent, recent->stretch_tail) && end > recent->kept_from)
            return;
        if (recent->kept_from < end)
            recent->kept_from = end;
    }
}

/* The stretch of the id that comes next. */
static void note_time(struct recent *recent, int64_t at_ms)
{
    if (at_ms < recent->now_ms)
        at_ms = recent->now_ms;
    int64_t from_ms = at_ms - at_ms % recent->grain_ms;
    bool has_any = recent->stretch_tail < recent->stretch_head;
    if (has_any && from_ms <= recent->stretches[stretch_place(recent->stretch_head - 1)].at_ms)
        return;
    pass_time(recent, at_ms);
    recent->stretches[stretch_place(recent->stretch_head++)] = (struct stretch){ from_ms, recent->head };
    assert(recent->stretch_head - recent->stretch_tail <= STRETCHES + 2);
}

/* ---- at the door ---- */

struct recent *recent_new(int64_t max, int64_t keep_ms)
{
    struct recent *recent = calloc(1, sizeof(*recent));

    assert(max > 0);
    assert(max <= RECENT_MAX);
    if (!recent)
        return NULL;
    recent->max = (uint64_t)max;
    recent->keep_ms = keep_ms;
    recent->grain_ms = keep_ms < STRETCHES ? 1 : (keep_ms + STRETCHES - 1) / STRETCHES;
    recent->table.count = BUCKETS_MIN;
    recent->table.buckets = map_bytes(table_bytes(&recent->table));
    if (recent->table.buckets)
        return recent;
    free(recent);
    return NULL;
}

static void table_free(const struct table *table)
{
    if (table->buckets)
        unmap_bytes(table->buckets, table_bytes(table));
}

void recent_free(struct recent *recent)
{
    if (!recent)
        return;
    for (size_t i = 0; i < BLOCKS; i++)
        if (recent->blocks[i])
            unmap_bytes(recent->blocks[i], BLOCK_BYTES);
    while (recent->shed.len > 0)
        shed_piece(&recent->shed);
    table_free(&recent->table);
    table_free(&recent->old);
    free(recent);
}

void recent_fetch(const struct recent *recent, uint64_t id)
{
    table_fetch(&recent->table, id);
    table_fetch(&recent->old, id);
}

bool recent_has(const struct recent *recent, uint64_t id)
{
    return table_has(recent, &recent->table, id) || (recent->old.buckets && table_has(recent, &recent->old, id));
}

bool recent_reserve(struct recent *recent)
{
    uint64_t **block = &recent->blocks[(recent->head & PLACE_MASK) >> BLOCK_BITS];

    if (!fit_table(recent, recent->head - recent->tail + 1))
        return false;
    if (*block)
        return true;
    *block = map_bytes(BLOCK_BYTES);
    recent->block_count += *block != NULL;
    return *block != NULL;
}

void recent_add(struct recent *recent, uint64_t id, int64_t at_ms)
{
    note_time(recent, at_ms);
    *id_at(recent, recent->head) = id;
    table_add(&recent->table, id, recent->head);
    recent->head++;
    if (recent->head - recent->kept_from > recent->max)
        recent->kept_from++;
    work(recent, STEPS_AN_ID);
}

uint64_t recent_mark(const struct recent *recent)
{
    return recent->head;
}

void recent_cut(struct recent *recent, uint64_t mark)
{
    if (mark < recent->kept_from)
        mark = recent->kept_from; /* those before it are due to go by themselves */
    while (recent->head > mark)
        drop_one(recent, --recent->head);
    if (recent->moved_to > recent->head)
        recent->moved_to = recent->head < recent->moved ? recent->moved : recent->head;
    for (uint64_t i = recent->stretch_head; i > recent->stretch_tail; i--) {
        struct stretch *stretch = &recent->stretches[stretch_place(i - 1)];

        if (stretch->first <= recent->head)
            break;
        stretch->first = recent->head;
    }
}

void recent_tend(struct recent *recent, int64_t now_ms)
{
    pass_time(recent, now_ms);
    (void)fit_table(recent, recent->head - recent->tail); /* without memory it stays as it is */
    work(recent, STEPS_A_TEND);
}

void recent_facts(const struct recent *recent, struct recent_facts *out)
{
    *out = (struct recent_facts){
        .count = (int64_t)(recent->head - recent->kept_from),
        .oldest_ms = WHEN_NONE,
        .bytes = (int64_t)(recent->block_count * BLOCK_BYTES + table_bytes(&recent->table) + table_bytes(&recent->old) +
                           recent->shed.len),
    };
    for (uint64_t i = recent->stretch_tail; out->count > 0 && i < recent->stretch_head; i++)
        if (stretch_end(recent, i) > recent->kept_from) {
            out->oldest_ms = recent->stretches[stretch_place(i)].at_ms;
            break;
        }
}
