/* The ledger: who may be processed, and how. A directory with `ledger.db`, `keys` and `audit/`.
 *
 * One thread, the writer, changes it: begin, changes, commit. Changes of memory are staged and published in one step
 * behind the commit, never before. Other threads read memory between ledger_enter and ledger_leave (keep it under a
 * few milliseconds: the writer's publication waits for it), and rows by a read-only handle of their own.
 *
 * Commit order (design 5): new slots, audit, ledger.db, zeroed slots and anchor; then memory. */
#ifndef HABEAS_LEDGER_LEDGER_H
#define HABEAS_LEDGER_LEDGER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/when.h"
#include "db/db.h"
#include "ledger/account.h"
#include "ledger/credential.h"
#include "seal/keyfile.h"

struct ledger;
struct audit;

/* Opens or (with `create`) makes DIR/ledger; keeps `ring`. Loads memory; cuts audit entries past the head; zeroes again
 * the slots of all erased when `keys` is behind; refuses a `keys` that is ahead. */
bool ledger_open(const char *directory, struct keyring *ring, bool create, const struct when_clock *clock,
                 struct ledger **out, struct error *error);
void ledger_close(struct ledger *ledger);
const char *ledger_database_path(const struct ledger *ledger);

/* Shared hold on the memory. Not recursive. The writer thread needs none: it alone changes it. */
void ledger_enter(struct ledger *ledger);
void ledger_leave(struct ledger *ledger);

struct account *ledger_account(struct ledger *ledger, uint32_t number);
struct account *ledger_account_of_license(struct ledger *ledger, struct str license);
uint32_t ledger_account_count(const struct ledger *ledger); /* numbers are 1..count */
/* The standing credential of this key text, or NULL. */
const struct credential *ledger_credential(struct ledger *ledger, struct str key_text);

/* What a key of this account may do, standing or revoked; 0 for none. Inside ledger_enter. */
unsigned ledger_scopes(struct ledger *ledger, uint32_t account, uint32_t credential);

struct ledger_id ledger_identity(const struct ledger *ledger);
uint64_t ledger_position(const struct ledger *ledger); /* committed; inside ledger_enter, as the time */
int64_t ledger_position_time(const struct ledger *ledger);

/* ---- the writer's side ---- */
bool ledger_begin(struct ledger *ledger, struct error *error);
/* After a failure there is something to make up for (an open handle, a key to overwrite): the next begin does it. */
bool ledger_is_behind(const struct ledger *ledger);
/* One command's part: undone alone when it fails. */
bool ledger_part_begin(struct ledger *ledger, struct error *error);
bool ledger_part_end(struct ledger *ledger, bool keep, struct error *error);
bool ledger_commit(struct ledger *ledger, struct error *error);
void ledger_rollback(struct ledger *ledger);
/* True when there is something to commit. */
bool ledger_has_work(const struct ledger *ledger);

/* Recomputes the audit chain up to the committed head: its entries, and the first bad one (0: none). */
bool ledger_verify_audit(struct ledger *ledger, uint64_t *entries, uint64_t *bad, struct error *error);

struct db *ledger_db(struct ledger *ledger);
struct audit *ledger_audit(struct ledger *ledger);
struct keyfile *ledger_keyfile(struct ledger *ledger);
/* Raises the position in this transaction (once a rights command). Returns the new one. */
uint64_t ledger_raise_position(struct ledger *ledger);

/* Runs at publication, under the exclusive hold. `arg` points to a copy of the bytes given to ledger_stage. */
typedef void ledger_publish(struct ledger *ledger, void *arg);
bool ledger_stage(struct ledger *ledger, ledger_publish *publish, const void *arg, size_t len, struct error *error);
/* A slot number that was never used, for this transaction. */
uint64_t ledger_take_slot(struct ledger *ledger);
/* The slot is overwritten right behind the ledger's commit. */
bool ledger_destroy_slot(struct ledger *ledger, uint64_t slot, struct error *error);

/* ---- accounts, credentials, names (inside a part) ---- */
struct new_account {
    struct str license, time_zone;
};
bool ledger_add_account(struct ledger *ledger, const struct new_account *fresh, uint32_t *number, struct error *error);
bool ledger_add_credential(struct ledger *ledger, uint32_t account, unsigned scopes, char text[CREDENTIAL_TEXT_MAX],
                           uint32_t *number, struct error *error);
bool ledger_revoke_credential(struct ledger *ledger, uint32_t account, uint32_t number, struct error *error);
bool ledger_set_option(struct ledger *ledger, uint32_t account, struct str name, struct str value, struct error *error);
/* Registers a name seen for the first time. ERROR_LIMITED past the account's cap; found ones are returned as they are
 * (also those of this transaction). */
bool ledger_add_name(struct ledger *ledger, struct account *account, enum name_kind kind, struct str text,
                     enum name_type type, struct name *out, struct error *error);
/* The same refusals, told from memory: before it comes to the writer. */
bool ledger_may_add_name(const struct account *account, enum name_kind kind, struct str text, struct error *error);
bool ledger_set_name_type(struct ledger *ledger, struct account *account, enum name_kind kind, struct str text,
                          enum name_type type, struct error *error);
/* The number under which (credential, route) stands in every datum: where it came from. */
bool ledger_source(struct ledger *ledger, uint32_t account, uint32_t credential, struct str route, uint32_t *out,
                   struct error *error);
/* The same from memory, inside ledger_enter; 0 when it was never seen. */
uint32_t ledger_known_source(struct ledger *ledger, uint32_t account, uint32_t credential, struct str route);
struct source {
    uint32_t number, account, credential;
    char route[64];
};
const struct source *ledger_source_at(struct ledger *ledger, uint32_t account, uint32_t number);

/* A subject is found bare; it has its profile now. */
void ledger_miss(struct ledger *ledger, struct account *account, uint32_t ordinal);
void ledger_mend(struct ledger *ledger, struct account *account, uint32_t ordinal);

/* For modules of this folder. */
struct seat;
void ledger_add_seat(struct ledger *ledger, struct seat *seat);
void ledger_drop_seat(struct ledger *ledger, struct seat *seat);

#endif
