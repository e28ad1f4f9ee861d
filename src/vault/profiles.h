/* profiles.db: one sealed record a subject, data that is parked, and the catalogue of volumes. The writer changes it;
 * readers load sealed rows by a handle of their own and unseal them with a grant. */
#ifndef HABEAS_VAULT_PROFILES_H
#define HABEAS_VAULT_PROFILES_H

#include "base/arena.h"
#include "db/db.h"
#include "ledger/gate.h"

struct profiles;
/* The anchor (position of the ledger) that stands in vault files. */
bool profiles_open(const char *vault_directory, struct ledger_id ledger, bool create, struct profiles **out,
                   struct error *error);
void profiles_close(struct profiles *profiles);
const char *profiles_path(const struct profiles *profiles);
struct db *profiles_db(struct profiles *profiles); /* the writer's handle */
struct anchor profiles_anchor(const struct profiles *profiles);

/* One transaction a group; begin is done by the first change. Commit writes the anchor when it has risen. */
bool profiles_begin(struct profiles *profiles, struct error *error);
/* Makes sure that there is something to commit: who recorded nothing waits as long as who did. */
bool profiles_touch(struct profiles *profiles, struct error *error);
bool profiles_commit(struct profiles *profiles, struct anchor anchor, struct error *error);
void profiles_rollback(struct profiles *profiles);
bool profiles_has_work(const struct profiles *profiles);
/* One command's part of the group: undone alone when it fails, with the salts it brought in. */
bool profiles_part_begin(struct profiles *profiles, struct error *error);
bool profiles_part_end(struct profiles *profiles, bool keep, struct error *error);

/* Sealed bytes as they lie in a table, with all that unsealing needs. */
struct sealed_record {
    uint32_t account, ordinal;
    uint64_t number;     /* of a parked item; 0: the profile itself */
    int64_t received_ms; /* of a parked item */
    uint32_t source;     /* of a parked item */
    struct record_nonce nonce;
    struct str sealed;
};

/* Writes the subject's profile anew (begins if need be). */
bool profile_store(struct profiles *profiles, const struct grant *grant, struct str plain, struct error *error);
/* From any handle, in one short read; sealed bytes in the arena. */
bool profile_load(struct db *db, uint32_t account, uint32_t ordinal, struct arena *arena, struct sealed_record *out,
                  bool *found, struct error *error);
bool record_unseal(const struct sealed_record *record, const struct grant *grant, struct arena *arena,
                   struct str *plain, struct error *error);

bool parked_store(struct profiles *profiles, const struct grant *grant, int64_t received_ms, uint32_t source,
                  struct str plain, struct error *error);
/* In order of number, those above `after`: at most `max`, and no more behind the first that fill PARKED_SLICE_BYTES.
 * None: there are no others. */
#define PARKED_SLICE_BYTES ((size_t)2 * 1024 * 1024)
bool parked_load(struct db *db, uint32_t account, uint32_t ordinal, uint64_t after, size_t max, struct arena *arena,
                 struct sealed_record *out, size_t *count, struct error *error);
/* Everything of one subject in this file: profile and parked. Safe to repeat. */
bool profiles_remove(struct profiles *profiles, uint32_t account, uint32_t ordinal, struct error *error);
bool parked_remove(struct profiles *profiles, uint32_t account, uint32_t ordinal, struct error *error);

#endif
