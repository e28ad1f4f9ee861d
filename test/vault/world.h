/* A vault in a directory of its own, with rows whose bodies can be told apart in any file. */
#ifndef HABEAS_TEST_VAULT_WORLD_H
#define HABEAS_TEST_VAULT_WORLD_H

#include "../db/scratch.h"
#include "vault/journal.h"

#define WORLD_ROWS_MAX 60000
#define WORLD_MARK_LEN 32

struct world_row {
    uint32_t account, subject;
    uint64_t seq;
    bool removed;
};
struct world {
    struct scratch scratch;
    struct profiles *profiles;
    struct journal *journal;
    struct journal_reader *reader;
    struct when_clock clock;
    struct journal_limits limits;
    int64_t received_from_ms; /* of the first row; each is received a millisecond behind the one before */
    struct ledger_id ledger;
    struct anchor anchor;
    struct world_row *rows; /* by number; a row's number stands in its column `message` */
    size_t count, committed;
};

void world_make(struct world *world);
void world_remove(struct world *world);
bool world_open(struct world *world, struct error *error);
void world_close(struct world *world);
void world_reopen(struct world *world);

/* Appends, without commit. */
void world_add(struct world *world, uint32_t account, uint32_t subject);
void world_commit(struct world *world);
void world_rollback(struct world *world);
/* Appends `count` rows of subjects 1..subjects in groups, with turns and settling between them. */
void world_fill(struct world *world, size_t count, uint32_t subjects);
/* Leaves the open pair, has it built and swapped. */
void world_rotate(struct world *world);
void world_close_pair(struct world *world);
/* Removes all of one subject, and scrubs the logs. */
void world_erase(struct world *world, uint32_t account, uint32_t subject);

void world_mark(uint64_t number, unsigned char out[WORLD_MARK_LEN]);
/* How many marks of removed (or of standing) rows are found in the files below events/. */
size_t world_traces(struct world *world, bool of_removed);
/* True when pages of `max` rows in either order give exactly the rows that are there, with their bodies. */
bool world_reads_back(struct world *world, uint32_t account, const uint32_t *subjects, size_t subject_count, size_t max,
                      bool oldest_first);

#endif
