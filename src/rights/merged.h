/* The profiles of a person's subjects as one: the known user's value stays, anonymous ones fill gaps; between two known
 * users the later one stands. What is outranked is kept apart, for it is held all the same. */
#ifndef HABEAS_RIGHTS_MERGED_H
#define HABEAS_RIGHTS_MERGED_H

#include "vault/profile.h"

struct merged_part {
    uint32_t ordinal;
    bool known;
    int64_t created_ms;
    struct profile profile;
};
struct merged {
    struct profile profile; /* identities of all */
    struct profile others;  /* values that another one stands before; identities empty */
};

/* Orders the parts by rank. The slices stay where they are. False when the arena is full. */
bool merged_make(struct merged_part *parts, size_t count, struct arena *arena, struct merged *out);

#endif
