/* See erasure_scope.h. */
#include "rights/erasure_scope.h"

#include <stdlib.h>

#include "ledger/person.h"
#include "ledger/right.h"
#include "ledger/subject.h"

void erasure_scope_clear(struct erasure_scope *scope)
{
    free(scope->ordinals);
    free(scope->requests);
    *scope = (struct erasure_scope){ 0 };
}

static bool no_memory(struct error *error)
{
    return error_set(error, ERROR_INTERNAL, "out of memory for an erasure");
}

static bool add_ordinal(struct erasure_scope *scope, uint32_t ordinal, struct error *error)
{
    for (size_t i = 0; i < scope->count; i++)
        if (scope->ordinals[i] == ordinal)
            return true;
    if (scope->count == scope->cap) {
        size_t cap = scope->cap ? 2 * scope->cap : 16;
        uint32_t *ordinals = realloc(scope->ordinals, cap * sizeof *ordinals);
        if (!ordinals)
            return no_memory(error);
        scope->ordinals = ordinals;
        scope->cap = cap;
    }
    scope->ordinals[scope->count++] = ordinal;
    return true;
}

static bool add_request(struct erasure_scope *scope, uint64_t number, struct error *error)
{
    for (size_t i = 0; i < scope->request_count; i++)
        if (scope->requests[i] == number)
            return true;
    if (scope->request_count == scope->request_cap) {
        size_t cap = scope->request_cap ? 2 * scope->request_cap : 4;
        uint64_t *requests = realloc(scope->requests, cap * sizeof *requests);
        if (!requests)
            return no_memory(error);
        scope->requests = requests;
        scope->request_cap = cap;
    }
    scope->requests[scope->request_count++] = number;
    return true;
}

struct finding {
    struct turn *turn;
    struct account *account;
    struct erasure_scope *scope;
};

/* Who is erased already has no links any more. */
static bool add_person(struct finding *finding, uint32_t ordinal, struct error *error)
{
    struct ledger *ledger = finding->turn->ledger;
    struct person person;
    bool live = false;

    if (!subject_is_live(ledger, finding->account, ordinal, &live, error))
        return false;
    if (!live)
        return true;
    if (!person_now(ledger, finding->account, ordinal, &person, error))
        return false;
    for (uint32_t i = 0; i < person.count; i++)
        if (!add_ordinal(finding->scope, person.ordinals[i], error))
            return false;
    return true;
}

static bool take_holder(void *arg, const struct row *row, struct error *error)
{
    return add_person(arg, (uint32_t)row_integer(row, 0), error);
}

static bool take_pending(void *arg, const struct row *row, struct error *error)
{
    const struct finding *finding = arg;

    return add_request(finding->scope, (uint64_t)row_integer(row, 0), error);
}

static bool follow_request(struct finding *finding, uint64_t number, struct error *error)
{
    return db_run(
        ledger_db(finding->turn->ledger),
        SQL("SELECT ordinal FROM rights WHERE account = $1 AND request = $2 AND kind = $3"
            " AND ended_at IS NULL"),
        DB_PARAMS(DB_INTEGER(finding->account->number), DB_INTEGER(number), DB_INTEGER(RIGHT_PENDING_ERASURE)),
        take_holder, finding, error);
}

static bool follow_subject(struct finding *finding, uint32_t ordinal, struct error *error)
{
    return db_run(ledger_db(finding->turn->ledger),
                  SQL("SELECT request FROM request WHERE account = $1 AND ordinal = $2 AND type = $3 AND state = $4"),
                  DB_PARAMS(DB_INTEGER(finding->account->number), DB_INTEGER(ordinal), DB_INTEGER(REQUEST_ERASURE),
                            DB_INTEGER(REQUEST_PENDING)),
                  take_pending, finding, error);
}

bool erasure_scope_find(struct turn *turn, struct account *account, const struct request *request,
                        struct erasure_scope *out, struct error *error)
{
    struct finding finding = { turn, account, out };
    size_t subject = 0, asked = 0;

    *out = (struct erasure_scope){ 0 };
    if (!add_request(out, request->number, error) || !add_person(&finding, request->ordinal, error))
        return false;
    while (subject < out->count || asked < out->request_count) {
        bool ok = asked < out->request_count ? follow_request(&finding, out->requests[asked++], error)
                                             : follow_subject(&finding, out->ordinals[subject++], error);
        if (!ok)
            return false;
    }
    return true;
}
