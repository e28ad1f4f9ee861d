/* Judging arriving data by the marks in memory. */
#include "ledger/mark.h"

#include "base/when.h"
#include "ledger/ledger_inside.h"

static const uint64_t *find(const struct map *map, const struct fingerprint *print)
{
    struct map_key key;

    if (map->count == 0)
        return NULL;
    memcpy(key.bytes, print->bytes, sizeof key.bytes);
    return map_find(map, key);
}

static bool is_suppressed(int64_t until_ms, int64_t now_ms)
{
    return now_ms < until_ms;
}

static bool is_late(const struct account *account, int64_t erased_ms, int64_t occurred_ms, int64_t now_ms)
{
    return occurred_ms != WHEN_NONE && occurred_ms < erased_ms &&
           now_ms < erased_ms + account->options.late_mark_days * WHEN_DAY;
}

enum mark_verdict marks_judge(const struct account *account, const struct fingerprint *print, int64_t occurred_ms,
                              int64_t now_ms)
{
    const uint64_t *until = find(&account->suppressed, print);
    const uint64_t *erased = find(&account->late, print);
    bool drops = (until && is_suppressed((int64_t)*until, now_ms)) ||
                 (erased && is_late(account, (int64_t)*erased, occurred_ms, now_ms));

    return drops ? MARK_DROP : MARK_CLEAR;
}

int64_t marks_erased_at(const struct account *account, const struct fingerprint *print)
{
    const uint64_t *erased = find(&account->late, print);

    return erased ? (int64_t)*erased : WHEN_NONE;
}

/* ---- with the open group ---- */

struct judging {
    const struct account *account;
    int64_t occurred_ms, now_ms;
    bool drops;
};

static bool take_mark(void *arg, const struct row *row, struct error *error)
{
    struct judging *judging = arg;
    int64_t until = row_is_null(row, 2) ? INT64_MAX : row_integer(row, 2);

    (void)error;
    if (row_integer(row, 0) == MARK_SUPPRESSED)
        judging->drops |= is_suppressed(until, judging->now_ms);
    else
        judging->drops |= is_late(judging->account, row_integer(row, 1), judging->occurred_ms, judging->now_ms);
    return true;
}

bool marks_judge_now(struct ledger *ledger, const struct account *account, enum identity_kind kind,
                     const struct fingerprint *print, int64_t occurred_ms, int64_t now_ms, enum mark_verdict *out,
                     struct error *error)
{
    struct judging judging = { account, occurred_ms, now_ms, false };

    *out = marks_judge(account, print, occurred_ms, now_ms);
    if (!ledger->marks_moved)
        return true;
    if (!db_run(ledger->db,
                SQL("SELECT what, at, until FROM mark WHERE account = $1 AND what <= 2 AND kind = $2"
                    " AND fingerprint = $3"),
                DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_BLOB(print->bytes, FINGERPRINT_LEN)),
                take_mark, &judging, error))
        return false;
    *out = judging.drops ? MARK_DROP : MARK_CLEAR;
    return true;
}
