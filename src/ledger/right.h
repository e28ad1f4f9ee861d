/* Rights are rows: kind, what they deny, since, until, and the request or road they came by. What a subject is denied is
 * the OR of the rows in force of its person; nobody writes that mask itself, and ending one right ends its row only. */
#ifndef HABEAS_LEDGER_RIGHT_H
#define HABEAS_LEDGER_RIGHT_H

#include "ledger/gate.h"

/* Stored: numbers are settled. */
enum right_kind {
    RIGHT_RESTRICTION = 1,     /* Art. 18 */
    RIGHT_PENDING_ERASURE = 2, /* Art. 17, while the cancel window is open */
    RIGHT_OBJECTION = 3,       /* Art. 21(2), 7(3): per channel */
    RIGHT_KINDS,
};
const char *right_kind_name(enum right_kind kind);

struct right {
    uint64_t number;
    enum right_kind kind;
    uint32_t denies;
    int64_t since_ms, until_ms; /* WHEN_NONE: open */
    uint64_t request;           /* 0: none */
    struct str road;
    uint32_t source;
};

/* Adds the row (its number is given) and stages the new mask. */
bool right_add(struct ledger *ledger, struct account *account, uint32_t ordinal, const struct right *right,
               struct error *error);
/* How a right ends: the request that ended it, and the notice the person got before, if one is recorded. */
struct right_end {
    uint64_t request;
    int64_t notice_ms; /* WHEN_NONE: not recorded */
    struct str notice_road;
    struct seat *seat; /* seals the road with the subject's key; may be NULL where there is none */
};
#define NOTICE_ROAD_MAX_BYTES 1000
/* Ends all rows in force of this kind that deny exactly `denies` (0: any). *ended counts them. */
bool rights_end(struct ledger *ledger, struct account *account, uint32_t ordinal, enum right_kind kind, uint32_t denies,
                const struct right_end *how, int64_t *ended, struct error *error);
/* Ends what is in force of this kind by one request, wherever it stands. */
bool rights_end_of_request(struct ledger *ledger, struct account *account, uint64_t request, enum right_kind kind,
                           const struct right_end *how, struct error *error);
/* In force now, by any handle, in order of number. */
typedef bool right_each(void *arg, const struct right *right, struct error *error);
bool rights_in_force(struct db *db, uint32_t account, uint32_t ordinal, int64_t now_ms, right_each *each, void *arg,
                     struct error *error);
/* All of a subject's, also those that have ended, in order of number. */
struct right_past {
    int64_t ended_ms, notice_ms; /* WHEN_NONE: in force; no notice recorded */
    uint64_t ended_by;           /* the request; 0: none */
    struct record_nonce notice_nonce;
    struct str notice_sealed; /* empty: no road */
};
/* By which road the person was told; empty when it was not said. The grant is the subject's. */
bool right_notice_unseal(const struct right_past *past, const struct grant *grant, struct arena *arena,
                         struct str *road, struct error *error);
typedef bool right_each_past(void *arg, const struct right *right, const struct right_past *past, struct error *error);
bool rights_of_subject(struct db *db, uint32_t account, uint32_t ordinal, right_each_past *each, void *arg,
                       struct error *error);
/* Whether one of this kind is in force. */
bool right_stands(struct db *db, uint32_t account, uint32_t ordinal, enum right_kind kind, int64_t now_ms, bool *out,
                  struct error *error);
/* What is denied to its person now, changes of the open group included; for the writer. */
bool rights_denied(struct ledger *ledger, const struct account *account, uint32_t ordinal, uint32_t *denied,
                   struct error *error);
/* Computes the mask of its person from the rows and stages its publication. */
bool rights_restage(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error);

#endif
