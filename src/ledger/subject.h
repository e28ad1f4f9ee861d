/* Subjects and their identities, as the writer changes them. Lookups by other threads: account_find. */
#ifndef HABEAS_LEDGER_SUBJECT_H
#define HABEAS_LEDGER_SUBJECT_H

#include "ledger/gate.h"
#include "ledger/ledger.h"

/* The writer's view: also subjects of its open transaction. 0 when there is none. */
bool subject_find(struct ledger *ledger, struct account *account, enum identity_kind kind,
                  const struct fingerprint *print, uint32_t *ordinal, struct error *error);
/* Makes a subject with its key and first identity; opt-outs kept from before an erasure come into force. */
bool subject_create(struct ledger *ledger, struct seat *seat, struct account *account, enum identity_kind kind,
                    const struct fingerprint *print, uint32_t source, uint32_t *ordinal, struct error *error);
/* Sets the one way of this kind to find the subject (e-mail, phone); NULL removes it. */
bool subject_replace_identity(struct ledger *ledger, struct account *account, uint32_t ordinal, enum identity_kind kind,
                              const struct fingerprint *print, uint32_t source, struct error *error);

/* Adds one more way of this kind; the newest `max` stay. */
bool subject_add_identity(struct ledger *ledger, struct account *account, uint32_t ordinal, enum identity_kind kind,
                          const struct fingerprint *print, uint32_t max, uint32_t source, struct error *error);

/* What a reader needs of a subject's row; `db` is any handle. */
struct subject_facts {
    bool known;
    enum subject_state state;
    int64_t created_ms;
};
bool subject_facts(struct db *db, uint32_t account, uint32_t ordinal, struct subject_facts *out, bool *found,
                   struct error *error);

/* Step 1 of an erasure: the subject is nobody's from this commit on. Identities become late marks (and suppression,
 * where asked), opt-outs in force become kept ones, rights and preferences go, every purpose is denied, and the key's slot
 * is overwritten behind the commit. */
struct subject_erasure {
    bool suppress;
    int64_t suppress_until_ms; /* WHEN_NONE: for ever */
    bool has_suppressed_id;    /* the identity by which it was asked */
    enum identity_kind kind;
    struct fingerprint print;
    bool keep_opt_outs;
};
bool subject_erase(struct ledger *ledger, struct account *account, uint32_t ordinal, const struct subject_erasure *how,
                   struct error *error);
/* Step 4: nothing of it is left anywhere. */
bool subject_erased(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error);
/* Drops late marks and suppressions whose time is over. */
bool marks_expire(struct ledger *ledger, struct account *account, int64_t now_ms, struct error *error);

#endif
