/* How an item lies in the sealed record of parked data: as it came, with what it joins where it joins somebody, so that it
 * can be judged anew. The letter of its kind and the JSON
 * (of a Segment message: how it came, and what stood around it); or, before that, 'a' (an anonymous id) or 'l' (what an alias names) and the
 * other id with its length. */
#ifndef HABEAS_VAULT_PARKED_ITEM_H
#define HABEAS_VAULT_PARKED_ITEM_H

#include "base/arena.h"
#include "base/str.h"

/* Stored: settled. */
enum { PARKED_EVENT = 'e', PARKED_USER = 'u', PARKED_SEGMENT = 's' };
struct parked_item {
    char kind;     /* PARKED_...: how `raw` is to be read */
    char joins_by; /* 'a', 'l' or 0: nobody */
    struct str joins, raw;
};

/* at == NULL when the arena is full. */
struct str parked_item_write(const struct parked_item *item, struct arena *arena);
/* Slices of `plain`. False when it is none. */
bool parked_item_read(struct str plain, struct parked_item *out);

#endif
