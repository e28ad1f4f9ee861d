/* Beginning an erasure, and what the writer does about it between groups. */
#include "rights/erasure.h"

#include <stdlib.h>

#include "base/log.h"
#include "ledger/audit.h"
#include "ledger/subject.h"
#include "rights/erasure_scope.h"

#define REQUESTS_AT_ONCE 64
#define PROFILES_A_STEP 64
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

/* An anonymous id that means somebody else by now is not theirs to have suppressed. */
static bool find_first(struct turn *turn, uint32_t account, uint32_t ordinal, struct first_identity *first,
                       struct error *error)
{
    return db_run(ledger_db(turn->ledger),
                  SQL("SELECT kind, fingerprint FROM identity WHERE account = $1 AND ordinal = $2 AND kind <= 2"
                      " AND left_at IS NULL ORDER BY kind, since LIMIT 1"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_identity, first, error);
}

/* Another erasure that was pending for the same person: its wish counts, and it goes on as this one does. The one that was
 * due first stands for all, because requests are carried out in that order. */
static bool begin_another(struct turn *turn, struct account *account, uint64_t number, struct request *leader,
                          struct error *error)
{
    struct first_identity first = { .found = false };
    struct request request;
    bool found = false;

    if (!request_by_number(ledger_db(turn->ledger), account->number, number, NULL, &request, &found, error) ||
        !find_first(turn, account->number, request.ordinal, &first, error))
        return false;
    if (request.suppress && first.found &&
        !subject_suppress(turn->ledger, account, first.kind, &first.print, request.suppress_until_ms, error))
        return false;
    if (request.due_ms < leader->due_ms || (request.due_ms == leader->due_ms && request.number < leader->number))
        *leader = request;
    return request_move(turn->ledger, account, number, REQUEST_PROCESSING, error);
}

static bool begin_all(struct turn *turn, struct account *account, const struct request *request,
                      struct subject_erasure *how, const struct erasure_scope *scope, struct error *error)
{
    struct request leader = *request;

    for (size_t i = 1; i < scope->request_count; i++)
        if (!begin_another(turn, account, scope->requests[i], &leader, error))
            return false;
    how->request = leader.number;
    return subject_erase(turn->ledger, account, scope->ordinals, scope->count, how, error);
}

bool erasure_begin(struct turn *turn, struct account *account, const struct request *request, enum identity_kind kind,
                   const struct fingerprint *print, struct error *error)
{
    struct first_identity first = { kind, { { 0 } }, print != NULL };
    struct erasure_scope scope = { 0 };

    if (print)
        first.print = *print;
    else if (!find_first(turn, account->number, request->ordinal, &first, error))
        return false;
    struct subject_erasure how = {
        .suppress = request->suppress,
        .suppress_until_ms = request->suppress_until_ms,
        .has_suppressed_id = first.found,
        .kind = first.kind,
        .print = first.print,
        .keep_opt_outs = request->keep_opt_outs,
    };
    bool ok = erasure_scope_find(turn, account, request, &scope, error) &&
              begin_all(turn, account, request, &how, &scope, error);
    erasure_scope_clear(&scope);
    return ok;
}

/* ---- steps 3 to 5 ---- */

/* One of those who go by a request. */
struct leaving {
    uint32_t account, ordinal;
    size_t request; /* its place in the round */
    bool failed;    /* rows of theirs are left */
};

/* What is being removed now: all of one round is scrubbed and reported together. */
struct round {
    struct request_open requests[REQUESTS_AT_ONCE];
    size_t count;
    struct leaving *people;
    size_t people_count, people_cap;
    size_t next_profile, next;
    bool scrubbed, has_failed;
};

static bool remove_profiles(struct turn *turn, struct round *round, struct error *error)
{
    size_t end = round->next_profile + PROFILES_A_STEP;
    bool ok = profiles_begin(turn->profiles, error);

    end = end < round->people_count ? end : round->people_count;
    for (size_t i = round->next_profile; ok && i < end; i++)
        ok = profiles_remove(turn->profiles, round->people[i].account, round->people[i].ordinal, error);
    ok = ok &&
         profiles_commit(turn->profiles,
                         (struct anchor){ ledger_position(turn->ledger), ledger_position_time(turn->ledger) }, error);
    if (ok)
        round->next_profile = end;
    else
        profiles_rollback(turn->profiles);
    return ok;
}

static bool remove_rows(struct turn *turn, struct round *round, struct error *error)
{
    struct leaving *person = &round->people[round->next];
    int64_t removed = 0;
    bool left = false;

    if (!journal_remove(turn->journal, person->account, person->ordinal, ROWS_A_STEP, &removed, &left, error)) {
        if (error->code == ERROR_BUSY)
            return false;
        /* One whose rows cannot be read or removed must not hold up the others: it is tried again in the next round. */
        person->failed = round->has_failed = true;
        round->next++;
        return false;
    }
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

static bool finish(struct turn *turn, const struct request_open *request, struct error *error)
{
    struct account *account = ledger_account(turn->ledger, request->account);
    const struct audit_entry entry = {
        .at_ms = turn->now_ms, .act = "erased", .account = request->account, .request = request->number
    };

    return request_move(turn->ledger, account, request->number, REQUEST_DONE, error) &&
           audit_add(ledger_audit(turn->ledger), &entry, error);
}

/* A request without people of its own goes by another's: with one that failed, perhaps. */
static bool is_gone(const struct round *round, size_t request)
{
    bool has_people = false, failed = false;

    for (size_t i = 0; i < round->people_count; i++) {
        has_people |= round->people[i].request == request;
        failed |= round->people[i].request == request && round->people[i].failed;
    }
    return !round->has_failed || (has_people && !failed);
}

static bool finish_all(struct turn *turn, const struct round *round, struct error *error)
{
    for (size_t i = 0; i < round->people_count; i++)
        if (is_gone(round, round->people[i].request) &&
            !subject_erased(turn->ledger, ledger_account(turn->ledger, round->people[i].account),
                            round->people[i].ordinal, error))
            return false;
    for (size_t i = 0; i < round->count; i++)
        if (is_gone(round, i) && !finish(turn, &round->requests[i], error))
            return false;
    return true;
}

static bool report_done(struct turn *turn, const struct round *round, struct error *error)
{
    bool ok = ledger_begin(turn->ledger, error) && finish_all(turn, round, error) && ledger_commit(turn->ledger, error);

    if (!ok)
        ledger_rollback(turn->ledger);
    return ok;
}

struct taking {
    struct round *round;
    uint32_t account;
    size_t request;
};

static bool take_leaving(void *arg, const struct row *row, struct error *error)
{
    const struct taking *taking = arg;
    struct round *round = taking->round;

    if (round->people_count == round->people_cap) {
        size_t cap = round->people_cap ? 2 * round->people_cap : REQUESTS_AT_ONCE;
        struct leaving *people = realloc(round->people, cap * sizeof *people);
        if (!people)
            return error_set(error, ERROR_INTERNAL, "out of memory for erasures");
        round->people = people;
        round->people_cap = cap;
    }
    round->people[round->people_count++] = (struct leaving){ .account = taking->account,
                                                             .ordinal = (uint32_t)row_integer(row, 0),
                                                             .request = taking->request };
    return true;
}

/* All who went by one of its requests: whoever began first among those of one person is in the same round or was in an
 * earlier one. */
static bool next_round(struct turn *turn, struct round *round, struct error *error)
{
    size_t count = 0;

    *round = (struct round){ .people = round->people, .people_cap = round->people_cap };
    if (!requests_open(ledger_db(turn->ledger), REQUEST_PROCESSING, INT64_MAX, REQUESTS_AT_ONCE, round->requests,
                       &count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct taking taking = { round, round->requests[i].account, i };
        if (!db_run(ledger_db(turn->ledger), SQL("SELECT ordinal FROM subject WHERE account = $1 AND erased_by = $2"),
                    DB_PARAMS(DB_INTEGER(taking.account), DB_INTEGER(round->requests[i].number)), take_leaving, &taking,
                    error))
            return false;
    }
    round->count = count;
    return true;
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
    if (round->next_profile < round->people_count)
        return remove_profiles(turn, round, error);
    if (round->next < round->people_count)
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
    struct round *round = background->arg;

    if (round)
        free(round->people);
    free(background->arg);
}
