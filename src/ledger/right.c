/* Rows of rights, and the mask that follows from them. */
#include "ledger/right.h"

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

bool rights_end(struct ledger *ledger, struct account *account, uint32_t ordinal, enum right_kind kind, uint32_t denies,
                const struct right_end *how, int64_t *ended, struct error *error)
{
    ledger->is_changed = true;
    return db_change(ledger->db,
                     SQL("UPDATE rights SET ended_at = $5, ended_by = $6, notice_at = $7, notice_road = $8"
                         " WHERE account = $1 AND ordinal = $2 AND kind = $3 AND ($4 = 0 OR denies = $4)"
                         " AND ended_at IS NULL"),
                     DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind), DB_INTEGER(denies),
                               DB_INTEGER(when_now(ledger->clock)), how->request ? DB_INTEGER(how->request) : DB_NULL,
                               time_or_null(how->notice_ms),
                               how->notice_ms == WHEN_NONE ? DB_NULL : DB_TEXT(how->notice_road)),
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
    const struct right_past past = { row_time(row, 8), row_time(row, 9), row_bytes(row, 10) };

    return each->call(each->arg, &right, &past, error);
}

bool rights_of_subject(struct db *db, uint32_t account, uint32_t ordinal, right_each_past *each, void *arg,
                       struct error *error)
{
    struct each_past taken = { each, arg };

    return db_run(db,
                  SQL("SELECT number, kind, denies, since, until, request, road, source, ended_at, notice_at,"
                      " notice_road FROM rights WHERE account = $1 AND ordinal = $2 ORDER BY number"),
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
