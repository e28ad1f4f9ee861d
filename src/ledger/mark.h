/* What outlives an erasure, as fingerprints only (table `mark`). */
#ifndef HABEAS_LEDGER_MARK_H
#define HABEAS_LEDGER_MARK_H

#include "ledger/ledger.h"

/* Stored: numbers are settled. */
enum mark_what {
    MARK_LATE = 1,         /* what is dated before the erasure is dropped for a while */
    MARK_SUPPRESSED = 2,   /* asked for: nothing is recorded until a date, or ever */
    MARK_KEPT_OPT_OUT = 3, /* an opt-out that holds on for marketing */
};

/* What stands against an identity whose data arrives, from memory; inside ledger_enter. */
enum mark_verdict { MARK_CLEAR, MARK_DROP };
/* `occurred_ms` WHEN_NONE: without a time, so new. */
enum mark_verdict marks_judge(const struct account *account, const struct fingerprint *print, int64_t occurred_ms,
                              int64_t now_ms);
/* When somebody of this identity was last erased, as long as a late mark tells; else WHEN_NONE. */
int64_t marks_erased_at(const struct account *account, const struct fingerprint *print);
/* The same for the writer: marks of its open transaction count too. */
bool marks_judge_now(struct ledger *ledger, const struct account *account, enum identity_kind kind,
                     const struct fingerprint *print, int64_t occurred_ms, int64_t now_ms, enum mark_verdict *out,
                     struct error *error);

#endif
