/* Blocks of memory chained from the newest to the first. What was used is wiped before it is forgotten: requests
 * hold personal data. */
#include "base/arena.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_MIN = 16 * 1024 };

struct arena_block {
    struct arena_block *older;
    size_t room;
    char *used_to; /* set when a newer block takes over; the newest block's is arena.at */
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){ .limit = limit };
}

static void wipe_block(struct arena_block *block)
{
    sodium_memzero(block->bytes, (size_t)(block->used_to - block->bytes));
}

/* Wipes and frees all blocks down to `keep`, which becomes the newest. */
static void drop_blocks(struct arena *arena, const struct arena_block *keep)
{
    while (arena->newest != keep) {
        struct arena_block *block = arena->newest;

        arena->newest = block->older;
        arena->used -= block->room;
        wipe_block(block);
        free(block);
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->newest;

    if (!first)
        return;
    first->used_to = arena->at;
    while (first->older)
        first = first->older;
    drop_blocks(arena, first);
    wipe_block(first);
    arena->at = first->bytes;
    arena->end = first->bytes + first->room;
}

void arena_clear(struct arena *arena)
{
    if (arena->newest)
        arena->newest->used_to = arena->at;
    drop_blocks(arena, NULL);
    arena->at = NULL;
    arena->end = NULL;
}

/* Makes a new block with at least `len` bytes, twice as large as the last one where the limit allows. */
static bool add_block(struct arena *arena, size_t len)
{
    size_t left = arena->limit - arena->used;
    size_t room = arena->newest ? arena->newest->room : BLOCK_MIN / 2;

    if (len > left || len > SIZE_MAX / 2 - sizeof(struct arena_block))
        return false;
    room = room < left / 2 ? room * 2 : left;
    if (room < len)
        room = len;
    struct arena_block *block = malloc(sizeof(*block) + room);
    if (!block)
        return false;
    if (arena->newest)
        arena->newest->used_to = arena->at;
    *block = (struct arena_block){ .older = arena->newest, .room = room };
    arena->newest = block;
    arena->at = block->bytes;
    arena->end = block->bytes + room;
    arena->used += room;
    return true;
}

static size_t room_left(const struct arena *arena)
{
    return arena->newest ? (size_t)(arena->end - arena->at) : 0;
}

void *arena_alloc(struct arena *arena, size_t size, size_t count)
{
    size_t pad = -(uintptr_t)arena->at & (alignof(max_align_t) - 1);
    size_t len;

    assert(size > 0);
    if (__builtin_mul_overflow(size, count, &len))
        return NULL;
    if (!arena->newest || room_left(arena) < pad || room_left(arena) - pad < len) {
        if (!add_block(arena, len))
            return NULL;
        pad = 0;
    }
    char *fresh = arena->at + pad;
    arena->at = fresh + len;
    return memset(fresh, 0, len);
}

char *arena_bytes(struct arena *arena, size_t len)
{
    if ((!arena->newest || room_left(arena) < len) && !add_block(arena, len))
        return NULL;
    char *fresh = arena->at;
    arena->at += len;
    return fresh;
}

void arena_give_back(struct arena *arena, char *from, char *end)
{
    assert(from <= end);
    if (arena->at == end)
        arena->at = from;
}

struct str arena_copy(struct arena *arena, struct str text)
{
    char *fresh = text.len > 0 ? arena_bytes(arena, text.len) : NULL;

    if (!fresh)
        return (struct str){ NULL, 0 };
    memcpy(fresh, text.at, text.len);
    return (struct str){ fresh, text.len };
}

char *arena_cstring(struct arena *arena, struct str text)
{
    char *fresh = text.len < SIZE_MAX ? arena_bytes(arena, text.len + 1) : NULL;

    if (!fresh)
        return NULL;
    if (text.len > 0)
        memcpy(fresh, text.at, text.len);
    fresh[text.len] = '\0';
    return fresh;
}
