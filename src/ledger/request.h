/* Data-subject requests: one row each, whatever road it came by. States move by one table only. */
#ifndef HABEAS_LEDGER_REQUEST_H
#define HABEAS_LEDGER_REQUEST_H

#include "ledger/gate.h"

/* Stored: numbers are settled. */
enum request_type {
    REQUEST_ERASURE = 1,
    REQUEST_RESTRICTION = 2,
    REQUEST_RE_ENABLE = 3,
    REQUEST_PORTABILITY = 4,
    REQUEST_TYPES,
};
const char *request_type_name(enum request_type type); /* "re-enable" */
bool request_type_of(struct str text, enum request_type *out);

enum request_state {
    REQUEST_PENDING = 1,    /* an erasure inside its cancel window */
    REQUEST_PROCESSING = 2, /* key destroyed, rows going */
    REQUEST_DONE = 3,
    REQUEST_CANCELLED = 4,
    REQUEST_STATES,
};
const char *request_state_name(enum request_state state); /* "PENDING" */

#define REQUEST_ID_MAX 255
#define REQUEST_HASH_LEN 16

struct request {
    uint64_t number; /* in its account */
    unsigned char id_hash[REQUEST_HASH_LEN], call_hash[REQUEST_HASH_LEN];
    enum request_type type;
    enum request_state state;
    uint32_t ordinal;
    int64_t received_ms, due_ms, done_ms; /* WHEN_NONE: not set */
    bool suppress;
    int64_t suppress_until_ms; /* WHEN_NONE: for ever */
    bool keep_opt_outs;
    struct str road;
    uint32_t source;
    struct record_nonce id_nonce;
    struct str id_sealed; /* read only; in the arena */
};

/* Keyed hashes: of the id alone, and of the whole call; `options` is its other members in one form. */
void request_hash_id(const struct account *account, struct str id, unsigned char out[REQUEST_HASH_LEN]);
void request_hash_call(const struct account *account, struct str id, enum request_type type, enum identity_kind kind,
                       struct str identity, struct str options, unsigned char out[REQUEST_HASH_LEN]);

/* Adds the row; its number is given; `id` is kept sealed by the grant. */
bool request_add(struct ledger *ledger, struct account *account, struct request *request, const struct grant *grant,
                 struct str id, struct error *error);
/* From any handle. `arena` NULL: without the sealed id and road. */
bool request_by_id(struct db *db, uint32_t account, const unsigned char id_hash[REQUEST_HASH_LEN], struct arena *arena,
                   struct request *out, bool *found, struct error *error);
bool request_by_number(struct db *db, uint32_t account, uint64_t number, struct arena *arena, struct request *out,
                       bool *found, struct error *error);
/* Whether a request of this type about the same subject came after number `after`. */
bool request_followed(struct db *db, uint32_t account, uint32_t ordinal, enum request_type type, uint64_t after,
                      bool *out, struct error *error);
bool request_id_unseal(const struct request *request, const struct grant *grant, struct arena *arena, struct str *id,
                       struct error *error);
/* The only place that changes a state; an impossible move is ERROR_CONFLICT. */
bool request_move(struct ledger *ledger, struct account *account, uint64_t number, enum request_state next,
                  struct error *error);
/* Erasures that are due at `now` (PENDING) or under way (PROCESSING), at most `max`. */
struct request_open {
    uint32_t account, ordinal;
    uint64_t number;
    int64_t due_ms;
};
bool requests_open(struct db *db, enum request_state state, int64_t due_before_ms, size_t max, struct request_open *out,
                   size_t *count, struct error *error);
/* Earliest end of a window; WHEN_NONE when none is open. */
bool requests_next_due(struct db *db, int64_t *out, struct error *error);
/* Newest first, below `before` (0: all). */
typedef bool request_each(void *arg, const struct request *request, struct error *error);
bool requests_list(struct db *db, uint32_t account, uint64_t before, size_t max, struct arena *arena,
                   request_each *each, void *arg, struct error *error);
/* All of one subject, oldest first. */
bool requests_of_subject(struct db *db, uint32_t account, uint32_t ordinal, struct arena *arena, request_each *each,
                         void *arg, struct error *error);
/* Requests by state, for /metrics. */
bool requests_count(struct db *db, int64_t counts[REQUEST_STATES], struct error *error);

#endif
