/* The ledger's own struct: for the files of this folder only. */
#ifndef HABEAS_LEDGER_LEDGER_INSIDE_H
#define HABEAS_LEDGER_LEDGER_INSIDE_H

#include <pthread.h>

#include "ledger/audit.h"
#include "ledger/gate.h"
#include "ledger/ledger.h"

#define LEDGER_PATH_MAX 4096
#define SEATS_MAX 512

/* A change of memory that waits for the commit; its bytes lie in the stage arena. */
struct staged {
    struct staged *next;
    ledger_publish *publish;
    void *arg;
};

struct ledger {
    char directory[LEDGER_PATH_MAX - 32], database_path[LEDGER_PATH_MAX];
    const struct when_clock *clock;
    struct keyring *ring;
    struct db *db;
    struct keyfile *keys;
    struct audit *audit;
    struct ledger_id id;

    pthread_rwlock_t hold; /* memory below: shared to read, exclusive to publish */
    struct account **accounts;
    uint32_t account_count, account_cap;
    struct map credential_by_hash; /* first 16 bytes of the hash -> index */
    struct credential *credentials;
    uint32_t credential_count, credential_cap;
    struct source *sources;
    uint32_t source_count, source_cap;
    struct seat *seats[SEATS_MAX];
    uint32_t seat_count;

    /* committed */
    uint64_t position;
    int64_t position_at;
    /* the open group */
    bool is_open, is_changed, is_raised;
    bool marks_moved; /* the open group made marks, so the rows are asked, not memory */
    uint64_t next_position, next_slot;
    struct arena stage;
    struct staged *first_staged, **last_staged;
    uint64_t *doomed; /* slots to overwrite behind the commit */
    size_t doomed_count, doomed_cap;
    bool keys_are_dirty; /* new slots to sync before the commit */
    /* of the open part */
    struct staged **part_staged;
    size_t part_doomed, part_audit;
    bool keys_are_behind; /* zeroing failed after a commit: done again before anything else */
};

/* Loads everything that memory holds. */
bool ledger_load(struct ledger *ledger, struct error *error);
struct account *ledger_new_account(struct ledger *ledger, uint32_t number, struct error *error);
bool ledger_remember_credential(struct ledger *ledger, const struct credential *credential);
bool ledger_remember_source(struct ledger *ledger, const struct source *source);
/* Marks that ledger.db was changed in this group: every writing call of this folder does. */
bool ledger_change(struct ledger *ledger, struct sql sql, const struct value *params, struct error *error);
/* A fingerprint as the key of a map. */
static inline struct map_key ledger_key(const struct fingerprint *print)
{
    struct map_key key;

    memcpy(key.bytes, print->bytes, sizeof key.bytes);
    return key;
}
/* Shared pieces of publications. */
void ledger_forget_keys(struct ledger *ledger, uint32_t account, uint32_t ordinal);

#endif
