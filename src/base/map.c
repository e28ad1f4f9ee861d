/* Open addressing with linear probing. The keys are uniformly random, so their first bytes are the hash; removal shifts
 * the followers back instead of leaving a mark, so no key outlives its entry. */
#include "base/map.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 16 };

void map_clear(struct map *map)
{
    if (map->slots)
        sodium_memzero(map->slots, map->cap * sizeof(*map->slots));
    free(map->slots);
    *map = (struct map){ 0 };
}

static size_t home_of(const struct map *map, const struct map_key *key)
{
    uint64_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return (size_t)hash & (map->cap - 1);
}

/* The slot that holds the key, or the free one where it belongs. The map has a free slot. */
static struct map_slot *slot_for(const struct map *map, const struct map_key *key)
{
    size_t at = home_of(map, key);

    while (map->slots[at].taken && memcmp(&map->slots[at].key, key, sizeof(*key)) != 0)
        at = (at + 1) & (map->cap - 1);
    return &map->slots[at];
}

uint64_t *map_find(const struct map *map, struct map_key key)
{
    if (map->cap == 0)
        return NULL;
    struct map_slot *slot = slot_for(map, &key);
    return slot->taken ? &slot->value : NULL;
}

static bool grow(struct map *map)
{
    struct map larger = { .cap = map->cap > 0 ? map->cap * 2 : CAP_MIN, .count = map->count };

    assert(larger.cap > map->cap);
    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].taken)
            *slot_for(&larger, &map->slots[i].key) = map->slots[i];
    map_clear(map);
    *map = larger;
    return true;
}

bool map_put(struct map *map, struct map_key key, uint64_t value)
{
    uint64_t *present = map_find(map, key);

    if (present) {
        *present = value;
        return true;
    }
    /* At most three quarters full: probes stay short and always end. */
    if (map->count >= map->cap / 4 * 3 && !grow(map))
        return false;
    *slot_for(map, &key) = (struct map_slot){ .key = key, .value = value, .taken = true };
    map->count++;
    return true;
}

/* Fills the hole from behind with whatever may stand there, until the hole is at the end of a run; wipes it there. */
static void close_hole(struct map *map, size_t hole)
{
    size_t mask = map->cap - 1;

    for (size_t at = (hole + 1) & mask; map->slots[at].taken; at = (at + 1) & mask) {
        size_t home = home_of(map, &map->slots[at].key);

        /* An entry may move back as far as its home. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    sodium_memzero(&map->slots[hole], sizeof(map->slots[hole]));
}

bool map_remove(struct map *map, struct map_key key)
{
    if (map->cap == 0)
        return false;
    struct map_slot *slot = slot_for(map, &key);
    if (!slot->taken)
        return false;
    close_hole(map, (size_t)(slot - map->slots));
    map->count--;
    return true;
}

bool map_each(const struct map *map, size_t *place, struct map_key *key, uint64_t *value)
{
    while (*place < map->cap && !map->slots[*place].taken)
        (*place)++;
    if (*place >= map->cap)
        return false;
    *key = map->slots[*place].key;
    *value = map->slots[*place].value;
    (*place)++;
    return true;
}
