/* The rows of a pair's two files in order of seq, read in slices that hold nothing between them. */
#ifndef HABEAS_VAULT_MERGE_H
#define HABEAS_VAULT_MERGE_H

#include "vault/hold.h"
#include "vault/volume.h"

struct merge_side {
    struct db *db; /* the caller's */
    struct salts salts;
    struct arena arena;
    struct event_row *rows; /* of the slice */
    size_t count, at;
    uint64_t after;
    bool finished;
};
struct merge {
    struct merge_side sides[2];
    struct hold *shape; /* shared during each slice */
};

bool merge_init(struct merge *merge, struct db *first, struct db *second, struct hold *shape, struct error *error);
void merge_clear(struct merge *merge);
/* The next row and its side; *row NULL at the end. Valid until the next call. */
bool merge_next(struct merge *merge, const struct event_row **row, unsigned *side, struct error *error);

#endif
