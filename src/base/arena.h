/* Memory with one lifetime: a request, a job or the process. Freed only as a whole.
 * Grows by blocks up to its limit; nothing in it moves. One thread at a time. */
#ifndef HABEAS_BASE_ARENA_H
#define HABEAS_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_block;
struct arena {
    char *at, *end;             /* free room of the newest block */
    struct arena_block *newest; /* chain back to the first */
    size_t used, limit;         /* bytes of all blocks; never above limit */
};

/* Takes no memory yet. `limit` bounds the sum of all blocks. */
void arena_init(struct arena *arena, size_t limit);
/* Forgets everything, wiped with zeros, and keeps the first block for the next use. */
void arena_reset(struct arena *arena);
/* Gives all memory back, wiped. Safe on a zeroed arena. */
void arena_clear(struct arena *arena);

/* Zeroed and aligned for any type; NULL at the limit or when memory is out. size > 0. */
void *arena_alloc(struct arena *arena, size_t size, size_t count);
#define ARENA_NEW(arena, type, count) ((type *)arena_alloc(arena, sizeof(type), count))
/* Not zeroed, not aligned: for bytes. */
char *arena_bytes(struct arena *arena, size_t len);
/* Takes back the end of an allocation, from `from` to `end`, where nothing was written yet; does nothing
 * when something was allocated behind it. */
void arena_give_back(struct arena *arena, char *from, char *end);
/* A copy that lives as long as the arena; { NULL, 0 } when there is no room (and text.len > 0). */
struct str arena_copy(struct arena *arena, struct str text);
/* A NUL-terminated copy for a library's door; NULL when there is no room. */
char *arena_cstring(struct arena *arena, struct str text);

#endif
