/* What an item says about whose another id is: carried out as links. Real clients say it in every session, so a server thread
 * sees from memory that a link stands; the writer is asked only for what changes. */
#include "intake/ingest_inside.h"
#include "ledger/link.h"
#include "ledger/mark.h"
#include "ledger/right.h"
#include "ledger/subject.h"

static struct fingerprint print_of(struct seat *seat, const struct account *account, const struct item *item,
                                   enum identity_kind kind)
{
    return seat_fingerprint(seat, account, kind, item->joins);
}

/* Without a time only suppression counts. What an alias names may be either. */
bool ingest_joins_suppressed(const struct ingest *ingest, const struct account *account, struct seat *seat,
                             const struct item *item)
{
    enum identity_kind first = item->joins_by == JOINS_ALIAS ? IDENTITY_CUID : IDENTITY_ANONYMOUS;

    if (item->joins_by == JOINS_NONE)
        return false;
    for (enum identity_kind kind = first; kind <= IDENTITY_ANONYMOUS; kind++) {
        const struct fingerprint print = print_of(seat, account, item, kind);
        if (marks_judge(account, &print, WHEN_NONE, ingest->origin.received_ms) == MARK_DROP)
            return true;
    }
    return false;
}

/* ---- on the server thread ---- */

static uint32_t find_joined(const struct account *account, struct seat *seat, const struct item *item)
{
    struct fingerprint print = print_of(seat, account, item, IDENTITY_CUID);
    uint32_t joined = item->joins_by == JOINS_ALIAS ? account_find(account, &print) : 0;

    if (joined)
        return joined;
    print = print_of(seat, account, item, IDENTITY_ANONYMOUS);
    return account_find(account, &print);
}

void ingest_join_prepare(struct ingest *ingest, const struct account *account, struct seat *seat,
                         const struct item *item, struct proposal *proposal)
{
    uint32_t joined;

    if (item->joins_by == JOINS_NONE)
        return;
    joined = find_joined(account, seat, item);
    if (!joined || !proposal->ordinal ||
        account_person(account, joined) != account_person(account, proposal->ordinal)) {
        ingest->is_joining = true;
        ingest->teller = NULL; /* what was told before was told of whom the id meant before */
        ingest->command.phases |= PHASE_LEDGER;
    } else if (account_subject(account, joined)->bare) {
        proposal->joined = joined;
        await_profiles(ingest);
    }
}

/* ---- in the ledger ---- */

static bool note_refusal(struct ingest *ingest, const struct item *item, struct error *error)
{
    struct str field = item->joins_by == JOINS_ALIAS ? STR("previousId") : STR("anonymousId");

    if (error->code != ERROR_LIMITED)
        return false;
    *error = (struct error){ 0 };
    return ignored_add(&ingest->ignored, ingest->arena, item->index, true, field,
                       "not linked: this person has 1,000 identities already") ||
           error_set(error, ERROR_TOO_LARGE, "the request is too large");
}

/* Two known users, because a client names both. */
static bool join_users(struct turn *turn, struct ingest *ingest, struct account *account, uint32_t other, uint32_t user,
                       struct error *error)
{
    struct person person;
    uint32_t denied = 0;

    if (!rights_denied(turn->ledger, account, other, &denied, error) ||
        !person_now(turn->ledger, account, user, &person, error))
        return false;
    return (denied & PURPOSE_BIT(PURPOSE_COLLECT)) || person_has(&person, other) ||
           link_add(turn->ledger, account, other, user, ingest->source, error);
}

static bool join_anonymous(struct turn *turn, struct ingest *ingest, struct account *account,
                           const struct fingerprint *print, struct proposal *proposal, struct error *error)
{
    struct link_joining joining = { .user = proposal->ordinal,
                                    .print = *print,
                                    .source = ingest->source,
                                    .said_ms = ingest->parked_for ? ingest->origin.received_ms : 0 };

    if (!link_join(turn->ledger, turn->seat, account, &joining, error))
        return false;
    proposal->joined = joining.joined;
    if (joining.joined)
        await_profiles(ingest);
    return true;
}

/* A late mark stands against what is dated before; the rest of the item is another's. */
static bool may_join(struct turn *turn, const struct ingest *ingest, const struct account *account,
                     const struct item *item, enum identity_kind kind, const struct fingerprint *print, bool *out,
                     struct error *error)
{
    enum mark_verdict verdict = MARK_CLEAR;

    if (!marks_judge_now(turn->ledger, account, kind, print, item->occurred_ms, ingest->origin.received_ms, &verdict,
                         error))
        return false;
    *out = verdict == MARK_CLEAR;
    return true;
}

static bool join(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                 struct proposal *proposal, struct error *error)
{
    struct fingerprint print = print_of(turn->seat, account, item, IDENTITY_CUID);
    uint32_t other = 0;
    bool allowed = true;

    if (item->joins_by == JOINS_ALIAS) {
        if (!may_join(turn, ingest, account, item, IDENTITY_CUID, &print, &allowed, error) ||
            !subject_find(turn->ledger, account, IDENTITY_CUID, &print, &other, error))
            return false;
        if (!allowed || other)
            return !allowed || join_users(turn, ingest, account, other, proposal->ordinal, error);
    }
    print = print_of(turn->seat, account, item, IDENTITY_ANONYMOUS);
    if (!may_join(turn, ingest, account, item, IDENTITY_ANONYMOUS, &print, &allowed, error))
        return false;
    return !allowed || join_anonymous(turn, ingest, account, &print, proposal, error);
}

bool ingest_join_in_ledger(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                           struct proposal *proposal, struct error *error)
{
    return item->joins_by == JOINS_NONE || join(turn, ingest, account, item, proposal, error) ||
           note_refusal(ingest, item, error);
}
