/* One event as it lies in the journal: clear columns that say whose, what and when, and a sealed body. */
#ifndef HABEAS_VAULT_EVENT_H
#define HABEAS_VAULT_EVENT_H

#include "base/arena.h"
#include "ledger/gate.h"

struct event_row {
    uint64_t seq; /* given by the journal; the only clear column that is not bound into the seal */
    uint32_t account, subject, name, source;
    int64_t occurred_ms, received_ms;
    uint64_t message; /* keyed hash of the message id; 0: none */
    struct record_nonce nonce;
    struct str body; /* sealed eventData, as the caller's bytes; empty plain text when none was sent */
};

/* Seals `plain` into row->body (memory from the arena; false when it is full). Fills account, subject and nonce from
 * the grant; the other clear columns must be set before. */
bool event_seal(struct event_row *row, const struct grant *grant, struct str plain, struct arena *arena);
/* The plain body, in the arena. ERROR_CORRUPT when a clear column or the body was altered. */
bool event_unseal(const struct event_row *row, const struct grant *grant, struct arena *arena, struct str *plain,
                  struct error *error);

/* What is sealed: the event's data as it came, and, where its sender told the circumstances, those beside it. Without
 * them it is the data alone. at == NULL when the arena is full. */
struct str event_plain(struct str data, struct str context, struct arena *arena);
/* The parts again, as slices; `context` empty: none. */
void event_parts(struct str plain, struct str *data, struct str *context);

#endif
