/* Rows of the desk. */
#include "ledger/request.h"

#include <sodium.h>

#include "ledger/ledger_inside.h"

static const char *const type_names[REQUEST_TYPES] = {
    [REQUEST_ERASURE] = "erasure",
    [REQUEST_RESTRICTION] = "restriction",
    [REQUEST_RE_ENABLE] = "re-enable",
    [REQUEST_PORTABILITY] = "portability",
};
static const char *const state_names[REQUEST_STATES] = {
    [0] = "NONE",
    [REQUEST_PENDING] = "PENDING",
    [REQUEST_PROCESSING] = "PROCESSING",
    [REQUEST_DONE] = "DONE",
    [REQUEST_CANCELLED] = "CANCELLED",
};
#define TO(state) (1u << (state))
static const unsigned may_become[REQUEST_STATES] = {
    [REQUEST_PENDING] = TO(REQUEST_PROCESSING) | TO(REQUEST_CANCELLED),
    [REQUEST_PROCESSING] = TO(REQUEST_DONE),
};

const char *request_type_name(enum request_type type)
{
    return type_names[type];
}

bool request_type_of(struct str text, enum request_type *out)
{
    for (enum request_type type = REQUEST_ERASURE; type < REQUEST_TYPES; type++) {
        if (str_equal(text, str_of(type_names[type]))) {
            *out = type;
            return true;
        }
    }
    return false;
}

const char *request_state_name(enum request_state state)
{
    return state_names[state];
}

/* ---- hashes ---- */

static void hash_part(crypto_auth_hmacsha256_state *state, struct str part)
{
    uint64_t len = part.len;

    crypto_auth_hmacsha256_update(state, (const unsigned char *)&len, sizeof len);
    crypto_auth_hmacsha256_update(state, (const unsigned char *)part.at, part.len);
}

static void hash_parts(const struct account *account, const struct str *parts, size_t count,
                       unsigned char out[REQUEST_HASH_LEN])
{
    crypto_auth_hmacsha256_state state;
    unsigned char full[crypto_auth_hmacsha256_BYTES];

    crypto_auth_hmacsha256_init(&state, account->keys->pepper.bytes, PEPPER_LEN);
    for (size_t i = 0; i < count; i++)
        hash_part(&state, parts[i]);
    crypto_auth_hmacsha256_final(&state, full);
    memcpy(out, full, REQUEST_HASH_LEN);
    sodium_memzero(full, sizeof full);
}

void request_hash_id(const struct account *account, struct str id, unsigned char out[REQUEST_HASH_LEN])
{
    const struct str parts[] = { STR("request id"), id };

    hash_parts(account, parts, COUNT_OF(parts), out);
}

void request_hash_call(const struct account *account, struct str id, enum request_type type, enum identity_kind kind,
                       struct str identity, struct str options, unsigned char out[REQUEST_HASH_LEN])
{
    const struct str parts[] = {
        STR("request call"), id, str_of(request_type_name(type)), str_of(identity_kind_name(kind)), identity, options
    };

    hash_parts(account, parts, COUNT_OF(parts), out);
}

/* ---- adding ---- */

/* The id's seal is bound to the request's number. */
#define BOUND_LEN 24
static struct str bound_of(unsigned char bound[BOUND_LEN], const struct grant *grant, uint64_t number)
{
    uint32_t account = grant_account(grant), ordinal = grant_ordinal(grant);

    memset(bound, 0, BOUND_LEN);
    bound[0] = 5; /* format: request id */
    memcpy(bound + 4, &account, sizeof account);
    memcpy(bound + 8, &ordinal, sizeof ordinal);
    memcpy(bound + 16, &number, sizeof number);
    return (struct str){ (const char *)bound, BOUND_LEN };
}

static struct value time_or_null(int64_t time_ms)
{
    return time_ms == WHEN_NONE ? DB_NULL : DB_INTEGER(time_ms);
}

static bool store(struct ledger *ledger, uint32_t account, const struct request *request, const unsigned char *sealed,
                  size_t sealed_len, struct error *error)
{
    return ledger_change(
        ledger,
        SQL("INSERT INTO request (account, request, id_hash, call_hash, id_salt, id_counter, id_sealed, type, state,"
            " ordinal, received_at, due_at, done_at, suppress, suppress_until, keep_opt_outs, road, source)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"),
        DB_PARAMS(DB_INTEGER(account), DB_INTEGER(request->number), DB_BLOB(request->id_hash, REQUEST_HASH_LEN),
                  DB_BLOB(request->call_hash, REQUEST_HASH_LEN),
                  DB_BLOB(request->id_nonce.salt, sizeof request->id_nonce.salt), DB_INTEGER(request->id_nonce.counter),
                  DB_BLOB(sealed, sealed_len), DB_INTEGER(request->type), DB_INTEGER(request->state),
                  DB_INTEGER(request->ordinal), DB_INTEGER(request->received_ms), time_or_null(request->due_ms),
                  time_or_null(request->done_ms), DB_INTEGER(request->suppress),
                  time_or_null(request->suppress_until_ms), DB_INTEGER(request->keep_opt_outs), DB_TEXT(request->road),
                  DB_INTEGER(request->source)),
        error);
}

bool request_add(struct ledger *ledger, struct account *account, struct request *request, const struct grant *grant,
                 struct str id, struct error *error)
{
    unsigned char sealed[REQUEST_ID_MAX + GRANT_TAG_LEN], bound[BOUND_LEN];
    int64_t number = 0;

    if (id.len > REQUEST_ID_MAX)
        return error_set(error, ERROR_INVALID, "subject_request_id: at most 255 bytes");
    if (!db_integer(ledger->db, SQL("SELECT COALESCE(MAX(request), 0) + 1 FROM request WHERE account = $1"),
                    DB_PARAMS(DB_INTEGER(account->number)), &number, NULL, error))
        return false;
    request->number = (uint64_t)number;
    request->ordinal = grant_ordinal(grant);
    grant_seal(grant, id, bound_of(bound, grant, request->number), &request->id_nonce, sealed);
    return store(ledger, account->number, request, sealed, id.len + GRANT_TAG_LEN, error);
}

/* ---- reading ---- */

struct request_row {
    struct request *out;
    struct arena *arena;
    bool found;
};
#define COLUMNS                                                                                                        \
    "request, id_hash, call_hash, id_salt, id_counter, id_sealed, type, state, ordinal, received_at, due_at, done_at," \
    " suppress, suppress_until, keep_opt_outs, road, source"

static int64_t row_time(const struct row *row, int column)
{
    return row_is_null(row, column) ? WHEN_NONE : row_integer(row, column);
}

static bool take_texts(struct request *out, const struct row *row, struct arena *arena, struct error *error)
{
    out->road = arena_copy(arena, row_bytes(row, 15));
    if (!row_is_null(row, 5)) {
        if (!row_blob(row, 3, out->id_nonce.salt, sizeof out->id_nonce.salt, error))
            return false;
        out->id_nonce.counter = (uint64_t)row_integer(row, 4);
        out->id_sealed = arena_copy(arena, row_bytes(row, 5));
    }
    return true;
}

static bool take_request(void *arg, const struct row *row, struct error *error)
{
    struct request_row *taken = arg;
    struct request *out = taken->out;

    taken->found = true;
    *out = (struct request){
        .number = (uint64_t)row_integer(row, 0),
        .type = (enum request_type)row_integer(row, 6),
        .state = (enum request_state)row_integer(row, 7),
        .ordinal = (uint32_t)row_integer(row, 8),
        .received_ms = row_integer(row, 9),
        .due_ms = row_time(row, 10),
        .done_ms = row_time(row, 11),
        .suppress = row_integer(row, 12) != 0,
        .suppress_until_ms = row_time(row, 13),
        .keep_opt_outs = row_integer(row, 14) != 0,
        .source = (uint32_t)row_integer(row, 16),
    };
    return row_blob(row, 1, out->id_hash, sizeof out->id_hash, error) &&
           row_blob(row, 2, out->call_hash, sizeof out->call_hash, error) &&
           (!taken->arena || take_texts(out, row, taken->arena, error));
}

bool request_by_id(struct db *db, uint32_t account, const unsigned char id_hash[REQUEST_HASH_LEN], struct arena *arena,
                   struct request *out, bool *found, struct error *error)
{
    struct request_row taken = { out, arena, false };

    if (!db_run(db, SQL("SELECT " COLUMNS " FROM request WHERE account = $1 AND id_hash = $2"),
                DB_PARAMS(DB_INTEGER(account), DB_BLOB(id_hash, REQUEST_HASH_LEN)), take_request, &taken, error))
        return false;
    *found = taken.found;
    return true;
}

bool request_by_number(struct db *db, uint32_t account, uint64_t number, struct arena *arena, struct request *out,
                       bool *found, struct error *error)
{
    struct request_row taken = { out, arena, false };

    if (!db_run(db, SQL("SELECT " COLUMNS " FROM request WHERE account = $1 AND request = $2"),
                DB_PARAMS(DB_INTEGER(account), DB_INTEGER(number)), take_request, &taken, error))
        return false;
    *found = taken.found;
    return true;
}

bool request_followed(struct db *db, uint32_t account, uint32_t ordinal, enum request_type type, uint64_t after,
                      bool *out, struct error *error)
{
    int64_t count = 0;

    if (!db_integer(db,
                    SQL("SELECT COUNT(*) FROM request WHERE account = $1 AND ordinal = $2 AND type = $3"
                        " AND request > $4"),
                    DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(type), DB_INTEGER(after)), &count,
                    NULL, error))
        return false;
    *out = count > 0;
    return true;
}

bool request_id_unseal(const struct request *request, const struct grant *grant, struct arena *arena, struct str *id,
                       struct error *error)
{
    unsigned char bound[BOUND_LEN];
    char *plain;

    *id = (struct str){ NULL, 0 };
    if (request->id_sealed.len < GRANT_TAG_LEN)
        return true;
    plain = arena_bytes(arena, request->id_sealed.len - GRANT_TAG_LEN + 1);
    if (!plain)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    *id = (struct str){ plain, request->id_sealed.len - GRANT_TAG_LEN };
    return grant_unseal(grant, request->id_sealed, bound_of(bound, grant, request->number), &request->id_nonce,
                        (unsigned char *)plain, error);
}

/* ---- moving ---- */

bool request_move(struct ledger *ledger, struct account *account, uint64_t number, enum request_state next,
                  struct error *error)
{
    struct request request;
    bool found = false;

    if (!request_by_number(ledger->db, account->number, number, NULL, &request, &found, error))
        return false;
    if (!found)
        return error_set(error, ERROR_NOT_FOUND, "there is no such request");
    if (!(may_become[request.state] & TO(next)))
        return error_set(error, ERROR_CONFLICT, "a %s request cannot become %s", request_state_name(request.state),
                         request_state_name(next));
    bool ends = next == REQUEST_DONE || next == REQUEST_CANCELLED;
    return ledger_change(ledger, SQL("UPDATE request SET state = $3, done_at = $4 WHERE account = $1 AND request = $2"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(number), DB_INTEGER(next),
                                   ends ? DB_INTEGER(when_now(ledger->clock)) : DB_NULL),
                         error);
}

/* ---- lists ---- */

struct open_rows {
    struct request_open *out;
    size_t count;
};

static bool take_open(void *arg, const struct row *row, struct error *error)
{
    struct open_rows *rows = arg;

    (void)error;
    rows->out[rows->count++] = (struct request_open){ (uint32_t)row_integer(row, 0), (uint32_t)row_integer(row, 1),
                                                      (uint64_t)row_integer(row, 2), row_time(row, 3) };
    return true;
}

bool requests_open(struct db *db, enum request_state state, int64_t due_before_ms, size_t max, struct request_open *out,
                   size_t *count, struct error *error)
{
    struct open_rows rows = { out, 0 };

    if (!db_run(db,
                SQL("SELECT account, ordinal, request, due_at FROM request WHERE type = 1 AND state = $1"
                    " AND (due_at IS NULL OR due_at <= $2) ORDER BY due_at, account, request LIMIT $3"),
                DB_PARAMS(DB_INTEGER(state), DB_INTEGER(due_before_ms), DB_INTEGER(max)), take_open, &rows, error))
        return false;
    *count = rows.count;
    return true;
}

bool requests_next_due(struct db *db, int64_t *out, struct error *error)
{
    bool found = false;

    *out = WHEN_NONE;
    return db_integer(db,
                      SQL("SELECT due_at FROM request WHERE state = 1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1"),
                      DB_PARAMS(DB_END), out, &found, error);
}

struct listing {
    struct arena *arena;
    request_each *each;
    void *arg;
};

static bool take_listed(void *arg, const struct row *row, struct error *error)
{
    const struct listing *listing = arg;
    struct request request;
    struct request_row taken = { &request, listing->arena, false };

    return take_request(&taken, row, error) && listing->each(listing->arg, &request, error);
}

bool requests_list(struct db *db, uint32_t account, uint64_t before, size_t max, struct arena *arena,
                   request_each *each, void *arg, struct error *error)
{
    struct listing listing = { arena, each, arg };

    return db_run(db,
                  SQL("SELECT " COLUMNS " FROM request WHERE account = $1 AND ($2 = 0 OR request < $2)"
                      " ORDER BY request DESC LIMIT $3"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(before), DB_INTEGER(max)), take_listed, &listing, error);
}

bool requests_of_subject(struct db *db, uint32_t account, uint32_t ordinal, struct arena *arena, request_each *each,
                         void *arg, struct error *error)
{
    struct listing listing = { arena, each, arg };

    return db_run(db, SQL("SELECT " COLUMNS " FROM request WHERE account = $1 AND ordinal = $2 ORDER BY request"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_listed, &listing, error);
}

static bool take_count(void *arg, const struct row *row, struct error *error)
{
    int64_t *counts = arg;
    int64_t state = row_integer(row, 0);

    (void)error;
    if (state > 0 && state < REQUEST_STATES)
        counts[state] = row_integer(row, 1);
    return true;
}

bool requests_count(struct db *db, int64_t counts[REQUEST_STATES], struct error *error)
{
    memset(counts, 0, REQUEST_STATES * sizeof *counts);
    return db_run(db, SQL("SELECT state, COUNT(*) FROM request GROUP BY state"), DB_PARAMS(DB_END), take_count, counts,
                  error);
}
