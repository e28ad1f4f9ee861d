/* Subjects and their identities, as the writer changes them. Lookups by other threads: account_find. */
#ifndef HABEAS_LEDGER_SUBJECT_H
#define HABEAS_LEDGER_SUBJECT_H

#include "ledger/gate.h"
#include "ledger/ledger.h"

/* The writer's view: also subjects of its open transaction. Whom the id means now; 0 when there is nobody. */
bool subject_find(struct ledger *ledger, struct account *account, enum identity_kind kind,
                  const struct fingerprint *print, uint32_t *ordinal, struct error *error);
/* Makes a subject with its key and first identity; opt-outs kept from before an erasure come into force. */
bool subject_create(struct ledger *ledger, struct seat *seat, struct account *account, enum identity_kind kind,
                    const struct fingerprint *print, uint32_t source, uint32_t *ordinal, struct error *error);
/* Whether it is there, erasures of the open transaction included. */
bool subject_is_live(struct ledger *ledger, const struct account *account, uint32_t ordinal, bool *out,
                     struct error *error);
/* An anonymous id may mean several subjects in turn. From now on it means nobody (another is about to be made), or again
 * this one, which it meant before. */
bool subject_leave_anonymous(struct ledger *ledger, struct account *account, const struct fingerprint *print,
                             struct error *error);
bool subject_retake_anonymous(struct ledger *ledger, struct account *account, const struct fingerprint *print,
                              uint32_t ordinal, struct error *error);
/* Sets the one way of this kind to find the subject (e-mail, phone); NULL removes it. */
/* When the newest of this kind was entered; WHEN_NONE: there is none. */
bool subject_identity_since(struct ledger *ledger, const struct account *account, uint32_t ordinal,
                            enum identity_kind kind, int64_t *out, struct error *error);
bool subject_replace_identity(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                              enum identity_kind kind, const struct fingerprint *print, uint32_t source,
                              struct error *error);

/* Adds one more way of this kind; the newest `max` stay. */
bool subject_add_identity(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                          enum identity_kind kind, const struct fingerprint *print, uint32_t max, uint32_t source,
                          struct error *error);

/* What a reader needs of a subject's row; `db` is any handle. */
struct subject_facts {
    bool known;
    enum subject_state state;
    int64_t created_ms;
};
bool subject_facts(struct db *db, uint32_t account, uint32_t ordinal, struct subject_facts *out, bool *found,
                   struct error *error);

/* Step 1 of an erasure: a person's subjects are nobody's from this commit on. Identities become late marks (and
 * suppression, where asked), opt-outs in force become kept ones, rights, preferences and links go, every purpose is denied,
 * and the keys' slots are overwritten behind the commit. */
struct subject_erasure {
    uint64_t request; /* by which rows are removed later; 0: none */
    bool suppress;
    int64_t suppress_until_ms; /* WHEN_NONE: for ever */
    bool has_suppressed_id;    /* the identity by which it was asked */
    enum identity_kind kind;
    struct fingerprint print;
    bool keep_opt_outs;
};
bool subject_erase(struct ledger *ledger, struct account *account, const uint32_t *ordinals, size_t count,
                   const struct subject_erasure *how, struct error *error);
/* Nothing of this id is taken until then (WHEN_NONE: ever). */
bool subject_suppress(struct ledger *ledger, struct account *account, enum identity_kind kind,
                      const struct fingerprint *print, int64_t until_ms, struct error *error);
/* Step 4: nothing of it is left anywhere. */
bool subject_erased(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error);
/* Drops late marks and suppressions whose time is over. */
bool marks_expire(struct ledger *ledger, struct account *account, int64_t now_ms, struct error *error);

#endif
