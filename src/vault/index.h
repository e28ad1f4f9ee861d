/* Which rows of an open pair belong to whom, in memory: rows are numbered from the pair's first seq, each names the
 * previous one of its subject, and a table names each subject's newest. 4.1 bytes a row, about 20 a subject.
 * The writer adds behind each commit; others read at any time, each call for a bounded moment. */
#ifndef HABEAS_VAULT_INDEX_H
#define HABEAS_VAULT_INDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_subject {
    uint32_t account, subject;
};
struct index_entry {
    struct index_subject who; /* account 0: empty */
    uint32_t newest;          /* row number + 1 */
};
struct index {
    pthread_rwlock_t lock;
    uint64_t first_seq;
    uint32_t *previous;   /* of each row: the number + 1 of its subject's row before it; 0: none */
    unsigned char *files; /* of each row one bit: in which of the pair's two files it lies */
    size_t row_count, row_cap;
    struct index_entry *entries; /* open addressing; at most three quarters full */
    size_t entry_cap, entry_count;
    unsigned shift;
};
/* Where a row is. */
struct index_place {
    uint64_t seq;
    unsigned file;
};

/* False when memory is out. */
bool index_init(struct index *index, uint64_t first_seq);
void index_clear(struct index *index);

/* ---- the writer ---- */
/* Makes room for rows up to `last_seq` and that many subjects more, so that publishing cannot fail. */
bool index_reserve(struct index *index, uint64_t last_seq, size_t subjects);
/* Rows of one file with the seqs from `seq` on, above all that are there. */
void index_publish(struct index *index, uint64_t seq, unsigned file, const struct index_subject *rows, size_t count);
/* Forgets the subject's rows from its newest down to the one of `seq`. */
void index_cut(struct index *index, struct index_subject who, uint64_t seq);

/* ---- anybody ---- */
/* The subject's newest rows below `bound`, newest first; at most `max`. */
size_t index_newest(struct index *index, struct index_subject who, uint64_t bound, struct index_place *out, size_t max);
/* The subject's oldest rows above `bound`, in any order; at most `max`. */
size_t index_oldest(struct index *index, struct index_subject who, uint64_t bound, struct index_place *out, size_t max);
int64_t index_count(struct index *index, struct index_subject who);

#endif
