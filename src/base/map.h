/* A hash map from 16 uniformly random bytes (a fingerprint, a keyed hash) to a 64-bit value.
 * Open addressing; grows by itself. Not for keys that an outsider can choose. Readers and writers
 * are kept apart by whoever owns the map. */
#ifndef HABEAS_BASE_MAP_H
#define HABEAS_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_key {
    unsigned char bytes[16];
};
struct map_slot {
    struct map_key key;
    uint64_t value;
    bool taken;
};
struct map {
    struct map_slot *slots;
    size_t cap, count; /* cap is 0 or a power of two */
};

void map_clear(struct map *map); /* wipes and frees; safe on a zeroed map */
/* The value's place, or NULL. Valid until the next put or remove. */
uint64_t *map_find(const struct map *map, struct map_key key);
/* Adds or replaces; false when memory is out (the map is then unchanged). */
bool map_put(struct map *map, struct map_key key, uint64_t value);
bool map_remove(struct map *map, struct map_key key); /* false when it was not there; leaves no trace of the key */
/* Walks all entries: start with *place = 0; false at the end. */
bool map_each(const struct map *map, size_t *place, struct map_key *key, uint64_t *value);

#endif
