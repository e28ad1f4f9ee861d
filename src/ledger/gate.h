/* The gate: every use of personal data names its purpose here, and only the gate holds subjects' keys.
 * gate_open makes the grant, and a grant is the only thing that seals or opens a record; its struct is private to gate.c,
 * so forgetting the gate does not compile. */
#ifndef HABEAS_LEDGER_GATE_H
#define HABEAS_LEDGER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "ledger/account.h"
#include "ledger/ledger.h"

/* Why a restricted person may be looked at (Art. 18(2)): the values of Habeas-Reason. */
enum look_reason {
    REASON_NONE,
    REASON_PERSON_CONSENT,
    REASON_LEGAL_CLAIM,
    REASON_RIGHTS_OF_OTHERS,
    REASON_PUBLIC_INTEREST,
    LOOK_REASONS,
};
const char *look_reason_name(enum look_reason reason);
bool look_reason_of(struct str text, enum look_reason *out);

/* What a record is sealed with beside the key. */
#define GRANT_SALT_LEN 16
#define GRANT_TAG_LEN 16
struct record_nonce {
    unsigned char salt[GRANT_SALT_LEN];
    uint64_t counter;
};

/* One thread's place at the gate: a bounded cache of keys in locked memory, and the salt with which it seals.
 * One grant at a time: opening the next ends the one before. Use it inside ledger_enter (or on the writer thread). */
struct seat;
struct grant;
bool seat_new(struct ledger *ledger, struct seat **out, struct error *error);
void seat_free(struct seat *seat);
/* Draws a new salt: once at the start of each thread's work; a salt is never continued by another process. */
const unsigned char *seat_salt(const struct seat *seat);

/* Asks for one use of one subject's data. NULL with ERROR_FORBIDDEN when a right denies the purpose (a reason lifts a
 * restriction for PURPOSE_VIEW only), ERROR_NOT_FOUND when the subject is not there or its key is gone. */
const struct grant *gate_open(struct seat *seat, struct account *account, uint32_t ordinal, enum purpose purpose,
                              enum look_reason reason, struct error *error);
/* The same check without the key: for deciding before work is done. */
bool gate_allows(const struct account *account, uint32_t ordinal, enum purpose purpose, enum look_reason reason,
                 struct error *error);
void gate_close(struct seat *seat);

uint32_t grant_account(const struct grant *grant);
uint32_t grant_ordinal(const struct grant *grant);
uint32_t grant_generation(const struct grant *grant);

/* Seals under the grant's key with the seat's next nonce. `out` takes plain.len + GRANT_TAG_LEN bytes. */
void grant_seal(const struct grant *grant, struct str plain, struct str bound, struct record_nonce *nonce,
                unsigned char *out);
/* Opens; false (ERROR_CORRUPT) when the record or what it is bound to was altered. */
bool grant_unseal(const struct grant *grant, struct str sealed, struct str bound, const struct record_nonce *nonce,
                  unsigned char *out, struct error *error);
/* HMAC(subject key, "audit"): how the audit chain refers to the subject while the key lives. */
void grant_audit_mark(const struct grant *grant, unsigned char out[16]);

/* A new subject's random key, put into `slot` (synced by the ledger's commit). */
bool gate_make_key(struct seat *seat, struct account *account, uint32_t ordinal, uint64_t slot, struct error *error);
/* The writer's seat also opens subjects that its open transaction has made. */
void seat_is_writers(struct seat *seat);
/* account_fingerprint, remembered for a while in this seat. */
struct fingerprint seat_fingerprint(struct seat *seat, const struct account *account, enum identity_kind kind,
                                    struct str normal);
/* Forgets the subject's key, and all fingerprints, in this seat. Under the ledger's exclusive hold. */
void seat_forget(struct seat *seat, uint32_t account, uint32_t ordinal);

/* What belongs to an account alone (kept answers): sealed under the account's own key. */
void account_seal(const struct account *account, struct str plain, struct str bound, unsigned char *out);
bool account_unseal(const struct account *account, struct str sealed, struct str bound, unsigned char *out);
#define ACCOUNT_SEAL_EXTRA (24 + GRANT_TAG_LEN)

#endif
