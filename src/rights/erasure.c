/* Beginning an erasure, and what the writer does about it between groups. */
#include "rights/erasure.h"

#include <stdlib.h>

#include "base/log.h"
#include "ledger/audit.h"
#include "ledger/subject.h"

#define PEOPLE_AT_ONCE 64
#define ROWS_A_STEP 1000

void rights_complain(const char *what, const struct error *error)
{
    log_line(LOG_ERROR, "rights", "step=\"%s\" error=\"%s\"", what, error->text);
}

/* ---- steps 1 and 2 ---- */

struct first_identity {
    enum identity_kind kind;
    struct fingerprint print;
    bool found;
};

static bool take_identity(void *arg, const struct row *row, struct error *error)
{
    struct first_identity *first = arg;

    first->found = true;
    first->kind = (enum identity_kind)row_integer(row, 0);
    return row_blob(row, 1, first->print.bytes, sizeof first->print.bytes, error);
}

static bool find_first(struct turn *turn, uint32_t account, uint32_t ordinal, struct first_identity *first,
                       struct error *error)
{
    return db_run(ledger_db(turn->ledger),
                  SQL("SELECT kind, fingerprint FROM identity WHERE account = $1 AND ordinal = $2 AND kind <= 2"
                      " ORDER BY kind, since LIMIT 1"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_identity, first, error);
}

bool erasure_begin(struct turn *turn, struct account *account, const struct request *request, enum identity_kind kind,
                   const struct fingerprint *print, struct error *error)
{
    struct first_identity first = { kind, { { 0 } }, print != NULL };

    if (print)
        first.print = *print;
    else if (!find_first(turn, account->number, request->ordinal, &first, error))
        return false;
    const struct subject_erasure how = {
        .suppress = request->suppress,
        .suppress_until_ms = request->suppress_until_ms,
        .has_suppressed_id = first.found,
        .kind = first.kind,
        .print = first.print,
        .keep_opt_outs = request->keep_opt_outs,
    };
    return subject_erase(turn->ledger, account, request->ordinal, &how, error);
}

/* ---- steps 3 to 5 ---- */

/* What is being removed now: all of one round is scrubbed and reported together. */
struct round {
    struct request_open people[PEOPLE_AT_ONCE];
    size_t count, next;
    bool profiles_gone, scrubbed;
};

static bool remove_profiles(struct turn *turn, const struct round *round, struct error *error)
{
    bool ok = profiles_begin(turn->profiles, error);

    for (size_t i = 0; ok && i < round->count; i++)
        ok = profiles_remove(turn->profiles, round->people[i].account, round->people[i].ordinal, error);
    ok = ok &&
         profiles_commit(turn->profiles,
                         (struct anchor){ ledger_position(turn->ledger), ledger_position_time(turn->ledger) }, error);
    if (!ok)
        profiles_rollback(turn->profiles);
    return ok;
}

static bool remove_rows(struct turn *turn, struct round *round, struct error *error)
{
    const struct request_open *person = &round->people[round->next];
    int64_t removed = 0;
    bool left = false;

    if (!journal_remove(turn->journal, person->account, person->ordinal, ROWS_A_STEP, &removed, &left, error))
        return false;
    if (!left)
        round->next++;
    return left && removed == 0 ? error_set(error, ERROR_BUSY, "a volume is in use") : true;
}

static bool empty_log(struct db *db, struct error *error)
{
    int64_t left = 0;

    return db_settle(db, DB_SETTLE_EMPTY, &left, error);
}

/* What failed is made up for by the next transaction, which may be long in coming: so by an empty one. */
static bool mend_handles(struct turn *turn, struct error *error)
{
    if (profiles_db(turn->profiles)->broken) {
        if (!profiles_begin(turn->profiles, error))
            return false;
        profiles_rollback(turn->profiles);
    }
    if (ledger_is_behind(turn->ledger)) {
        if (!ledger_begin(turn->ledger, error))
            return false;
        ledger_rollback(turn->ledger);
    }
    return true;
}

/* The ledger's log holds the fingerprints that were dropped in step 1, so it is emptied before anybody reads DONE. */
static bool scrub(struct turn *turn, struct round *round, struct error *error)
{
    bool done = false;

    if (!journal_scrub_logs(turn->journal, &done, error))
        return false;
    if (!done)
        return error_set(error, ERROR_BUSY, "a log is in use");
    round->scrubbed = empty_log(profiles_db(turn->profiles), error) && empty_log(ledger_db(turn->ledger), error);
    return round->scrubbed;
}

static bool finish(struct turn *turn, const struct request_open *person, struct error *error)
{
    struct account *account = ledger_account(turn->ledger, person->account);
    const struct audit_entry entry = {
        .at_ms = turn->now_ms, .act = "erased", .account = person->account, .request = person->number
    };

    return subject_erased(turn->ledger, account, person->ordinal, error) &&
           request_move(turn->ledger, account, person->number, REQUEST_DONE, error) &&
           audit_add(ledger_audit(turn->ledger), &entry, error);
}

static bool report_done(struct turn *turn, const struct round *round, struct error *error)
{
    bool ok = ledger_begin(turn->ledger, error);

    for (size_t i = 0; ok && i < round->count; i++)
        ok = finish(turn, &round->people[i], error);
    ok = ok && ledger_commit(turn->ledger, error);
    if (!ok)
        ledger_rollback(turn->ledger);
    return ok;
}

static bool next_round(struct turn *turn, struct round *round, struct error *error)
{
    *round = (struct round){ 0 };
    return requests_open(ledger_db(turn->ledger), REQUEST_PROCESSING, INT64_MAX, PEOPLE_AT_ONCE, round->people,
                         &round->count, error);
}

static bool step(struct turn *turn, void *arg, bool *more, struct error *error)
{
    struct round *round = arg;

    *more = true;
    if (!mend_handles(turn, error))
        return false;
    if (round->count == 0) {
        if (!next_round(turn, round, error))
            return false;
        *more = round->count > 0;
        return true;
    }
    if (!round->profiles_gone)
        return round->profiles_gone = remove_profiles(turn, round, error);
    if (round->next < round->count)
        return remove_rows(turn, round, error);
    if (!round->scrubbed)
        return scrub(turn, round, error);
    if (!report_done(turn, round, error))
        return false;
    round->count = 0;
    return true;
}

bool erasure_background_new(struct background *out, struct error *error)
{
    struct round *round = calloc(1, sizeof *round);

    *out = (struct background){ "erasure", PURPOSE_ANSWER, round, step };
    return round || error_set(error, ERROR_INTERNAL, "out of memory for erasures");
}

void erasure_background_free(struct background *background)
{
    free(background->arg);
}
