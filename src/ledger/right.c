/* Rows of rights, and the mask that follows from them. */
#include "ledger/right.h"

#include <endian.h>

#include "ledger/ledger_inside.h"
#include "ledger/person.h"

static const char *const kind_names[RIGHT_KINDS] = {
    [RIGHT_RESTRICTION] = "restriction",
    [RIGHT_PENDING_ERASURE] = "pending_erasure",
    [RIGHT_OBJECTION] = "objection",
};

const char *right_kind_name(enum right_kind kind)
{
    return kind_names[kind];
}

static struct value time_or_null(int64_t time_ms)
{
    return time_ms == WHEN_NONE ? DB_NULL : DB_INTEGER(time_ms);
}

static int64_t row_time(const struct row *row, int column)
{
    return row_is_null(row, column) ? WHEN_NONE : row_integer(row, column);
}

bool right_add(struct ledger *ledger, struct account *account, uint32_t ordinal, const struct right *right,
               struct error *error)
{
    int64_t number = 0;

    return db_integer(ledger->db,
                      SQL("SELECT COALESCE(MAX(number), 0) + 1 FROM rights WHERE account = $1 AND ordinal = $2"),
                      DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal)), &number, NULL, error) &&
           ledger_change(ledger,
                         SQL("INSERT INTO rights (account, ordinal, number, kind, denies, since, until, request, road,"
                             " source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(number),
                                   DB_INTEGER(right->kind), DB_INTEGER(right->denies), DB_INTEGER(right->since_ms),
                                   time_or_null(right->until_ms), right->request ? DB_INTEGER(right->request) : DB_NULL,
                                   DB_TEXT(right->road), DB_INTEGER(right->source)),
                         error) &&
           rights_restage(ledger, account, ordinal, error);
}

/* ---- the record that the person was told ---- */

/* Settled: format u8 = 5, account u32, ordinal u32, request u64, at i64. */
enum { NOTICE_FORMAT = 5, NOTICE_BOUND_LEN = 1 + 2 * 4 + 2 * 8 };
static struct str notice_bound(unsigned char bound[NOTICE_BOUND_LEN], const struct grant *grant, uint64_t request,
                               int64_t at_ms)
{
    const uint32_t whose[] = { htole32(grant_account(grant)), htole32(grant_ordinal(grant)) };
    const uint64_t which[] = { htole64(request), htole64((uint64_t)at_ms) };

    bound[0] = NOTICE_FORMAT;
    memcpy(bound + 1, whose, sizeof whose);
    memcpy(bound + 1 + sizeof whose, which, sizeof which);
    return (struct str){ (const char *)bound, NOTICE_BOUND_LEN };
}

struct notice {
    struct record_nonce nonce;
    unsigned char sealed[NOTICE_ROAD_MAX_BYTES + GRANT_TAG_LEN];
    size_t len; /* 0: no road */
};

static bool seal_notice(struct account *account, uint32_t ordinal, const struct right_end *how, struct notice *out,
                        struct error *error)
{
    unsigned char bound[NOTICE_BOUND_LEN];
    const struct grant *grant;

    out->len = 0;
    if (how->notice_ms == WHEN_NONE || how->notice_road.len == 0)
        return true;
    if (how->notice_road.len > NOTICE_ROAD_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "notice.road: must not be longer than %d bytes", NOTICE_ROAD_MAX_BYTES);
    grant = gate_open(how->seat, account, ordinal, PURPOSE_ANSWER, REASON_NONE, error);
    if (!grant)
        return false;
    grant_seal(grant, how->notice_road, notice_bound(bound, grant, how->request, how->notice_ms), &out->nonce,
               out->sealed);
    out->len = how->notice_road.len + GRANT_TAG_LEN;
    return true;
}

bool right_notice_unseal(const struct right_past *past, const struct grant *grant, struct arena *arena,
                         struct str *road, struct error *error)
{
    unsigned char bound[NOTICE_BOUND_LEN];
    char *plain;

    *road = STR("");
    if (past->notice_sealed.len < GRANT_TAG_LEN)
        return true;
    plain = arena_bytes(arena, past->notice_sealed.len);
    if (!plain)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    *road = (struct str){ plain, past->notice_sealed.len - GRANT_TAG_LEN };
    return grant_unseal(grant, past->notice_sealed, notice_bound(bound, grant, past->ended_by, past->notice_ms),
                        &past->notice_nonce, (unsigned char *)plain, error);
}

/* ---- ending ---- */

bool rights_end(struct ledger *ledger, struct account *account, uint32_t ordinal, enum right_kind kind, uint32_t denies,
                const struct right_end *how, int64_t *ended, struct error *error)
{
    struct notice notice;

    ledger->is_changed = true;
    if (!seal_notice(account, ordinal, how, &notice, error))
        return false;
    bool has = notice.len > 0;
    return db_change(ledger->db,
                     SQL("UPDATE rights SET ended_at = $5, ended_by = $6, notice_at = $7, notice_salt = $8,"
                         " notice_counter = $9, notice_sealed = $10"
                         " WHERE account = $1 AND ordinal = $2 AND kind = $3 AND ($4 = 0 OR denies = $4)"
                         " AND ended_at IS NULL"),
                     DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind), DB_INTEGER(denies),
                               DB_INTEGER(when_now(ledger->clock)), how->request ? DB_INTEGER(how->request) : DB_NULL,
                               time_or_null(how->notice_ms),
                               has ? DB_BLOB(notice.nonce.salt, sizeof notice.nonce.salt) : DB_NULL,
                               has ? DB_INTEGER(notice.nonce.counter) : DB_NULL,
                               has ? DB_BLOB(notice.sealed, notice.len) : DB_NULL),
                     ended, error) &&
           rights_restage(ledger, account, ordinal, error);
}

struct ending {
    struct ledger *ledger;
    struct account *account;
    uint64_t request;
    enum right_kind kind;
    const struct right_end *how;
};

static bool end_of_request(void *arg, const struct row *row, struct error *error)
{
    const struct ending *ending = arg;
    uint32_t ordinal = (uint32_t)row_integer(row, 0);

    return ledger_change(ending->ledger,
                         SQL("UPDATE rights SET ended_at = $5, ended_by = $6 WHERE account = $1 AND ordinal = $2"
                             " AND kind = $3 AND request = $4 AND ended_at IS NULL"),
                         DB_PARAMS(DB_INTEGER(ending->account->number), DB_INTEGER(ordinal), DB_INTEGER(ending->kind),
                                   DB_INTEGER(ending->request), DB_INTEGER(when_now(ending->ledger->clock)),
                                   DB_INTEGER(ending->how->request)),
                         error) &&
           rights_restage(ending->ledger, ending->account, ordinal, error);
}

bool rights_end_of_request(struct ledger *ledger, struct account *account, uint64_t request, enum right_kind kind,
                           const struct right_end *how, struct error *error)
{
    struct ending ending = { ledger, account, request, kind, how };

    return db_run(ledger->db,
                  SQL("SELECT ordinal FROM rights WHERE account = $1 AND request = $2 AND kind = $3"
                      " AND ended_at IS NULL ORDER BY ordinal"),
                  DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(request), DB_INTEGER(kind)), end_of_request,
                  &ending, error);
}

struct each {
    right_each *call;
    void *arg;
};

static struct right right_of(const struct row *row)
{
    return (struct right){
        .number = (uint64_t)row_integer(row, 0),
        .kind = (enum right_kind)row_integer(row, 1),
        .denies = (uint32_t)row_integer(row, 2),
        .since_ms = row_integer(row, 3),
        .until_ms = row_time(row, 4),
        .request = (uint64_t)row_integer(row, 5),
        .road = row_bytes(row, 6),
        .source = (uint32_t)row_integer(row, 7),
    };
}

static bool take_right(void *arg, const struct row *row, struct error *error)
{
    const struct each *each = arg;
    const struct right right = right_of(row);

    return each->call(each->arg, &right, error);
}

struct each_past {
    right_each_past *call;
    void *arg;
};

static bool take_past(void *arg, const struct row *row, struct error *error)
{
    const struct each_past *each = arg;
    const struct right right = right_of(row);
    struct right_past past = { .ended_ms = row_time(row, 8),
                               .notice_ms = row_time(row, 9),
                               .ended_by = (uint64_t)row_integer(row, 10) };

    if (!row_is_null(row, 13)) {
        if (!row_blob(row, 11, past.notice_nonce.salt, sizeof past.notice_nonce.salt, error))
            return false;
        past.notice_nonce.counter = (uint64_t)row_integer(row, 12);
        past.notice_sealed = row_bytes(row, 13);
    }
    return each->call(each->arg, &right, &past, error);
}

bool rights_of_subject(struct db *db, uint32_t account, uint32_t ordinal, right_each_past *each, void *arg,
                       struct error *error)
{
    struct each_past taken = { each, arg };

    return db_run(db,
                  SQL("SELECT number, kind, denies, since, until, request, road, source, ended_at, notice_at,"
                      " ended_by, notice_salt, notice_counter, notice_sealed FROM rights WHERE account = $1 AND "
                      "ordinal = $2 ORDER BY number"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_past, &taken, error);
}

bool rights_in_force(struct db *db, uint32_t account, uint32_t ordinal, int64_t now_ms, right_each *each, void *arg,
                     struct error *error)
{
    struct each taken = { each, arg };

    return db_run(db,
                  SQL("SELECT number, kind, denies, since, until, request, road, source FROM rights"
                      " WHERE account = $1 AND ordinal = $2 AND ended_at IS NULL AND (until IS NULL OR until > $3)"
                      " ORDER BY number"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(now_ms)), take_right, &taken, error);
}

bool right_stands(struct db *db, uint32_t account, uint32_t ordinal, enum right_kind kind, int64_t now_ms, bool *out,
                  struct error *error)
{
    int64_t one = 0;

    *out = false;
    return db_integer(db,
                      SQL("SELECT 1 FROM rights WHERE account = $1 AND ordinal = $2 AND kind = $3 AND ended_at IS NULL"
                          " AND (until IS NULL OR until > $4) LIMIT 1"),
                      DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(kind), DB_INTEGER(now_ms)), &one,
                      out, error);
}

bool rights_denied(struct ledger *ledger, const struct account *account, uint32_t ordinal, uint32_t *denied,
                   struct error *error)
{
    const struct subject *subject = account_subject(account, ordinal);
    struct person person;

    *denied = subject->denied;
    return !subject->moved || (person_now(ledger, account, ordinal, &person, error) &&
                               person_denied(ledger, account, &person, denied, error));
}

bool rights_restage(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error)
{
    struct person person;

    return person_now(ledger, account, ordinal, &person, error) && person_restage(ledger, account, &person, error);
}
