/* What becomes of each item: on the server thread, in the ledger, when rights have settled, in profiles.db, in a volume. */
#include "intake/ingest.h"

#include "intake/ingest_inside.h"
#include "ledger/mark.h"
#include "ledger/subject.h"
#include "vault/journal.h"

/* ---- on the server thread ---- */

/* A value of another type than the first of its name is not recorded. A date may stand where a string did. */
bool ingest_type_fits(enum name_type has, enum name_type value)
{
    return has == value || value == TYPE_NONE || (has == TYPE_STRING && value == TYPE_DATE);
}

enum name_kind ingest_attribute_kind(const struct item *item)
{
    return item->kind == ITEM_EVENT ? NAME_EVENT_ATTRIBUTE : NAME_USER_ATTRIBUTE;
}

void ingest_drop_attribute(struct ingest *ingest, const struct item *item, struct attribute *attribute,
                           const char *message)
{
    attribute->dropped = true;
    (void)ignored_add(&ingest->ignored, ingest->arena, item->index, false, attribute->name,
                      message); /* without room for the remark the request is about to fail anyway */
}

/* True when every attribute name is known (others are for the writer to register). */
static bool know_attributes(struct ingest *ingest, const struct account *account, struct item *item)
{
    const struct names *names = &account->names[ingest_attribute_kind(item)];
    bool all_known = true;

    for (uint32_t i = 0; i < item->attribute_count; i++) {
        struct attribute *attribute = &item->attributes[i];
        if (attribute->dropped || attribute->type == TYPE_NONE)
            continue;
        const struct name *name = names_find(names, attribute->name);
        if (!name && name_looks_personal(attribute->name))
            ingest_drop_attribute(ingest, item, attribute, INGEST_PERSONAL_NAME);
        else if (!name && names->count >= account->options.attribute_names_max)
            ingest_drop_attribute(ingest, item, attribute, INGEST_NAMES_FULL);
        else if (!name)
            all_known = false;
        else if (!ingest_type_fits(name->type, attribute->type))
            ingest_drop_attribute(ingest, item, attribute, INGEST_OTHER_TYPE);
    }
    return all_known;
}

uint64_t ingest_message_hash(const struct account *account, struct str message_id)
{
    return message_id.len ? fingerprint_short(&account->keys->pepper, message_id) : 0;
}

bool ingest_seal_event(struct ingest *ingest, const struct item *item, struct proposal *proposal,
                       const struct grant *grant, uint32_t name, struct error *error)
{
    struct str body;

    if (!item_event_body(item, ingest->arena, &body, error))
        return false;
    body = event_plain(body, item->event_context, ingest->arena);
    if (!body.at && item->event_context.len > 0)
        return error_set(error, ERROR_TOO_LARGE, "the request is too large");
    proposal->row = (struct event_row){
        .name = name,
        .source = ingest->source,
        .occurred_ms = item->occurred_ms == WHEN_NONE ? ingest->origin.received_ms : item->occurred_ms,
        .received_ms = ingest->origin.received_ms,
        .message = proposal->message ? proposal->message : ingest->parked_mark,
    };
    if (!event_seal(&proposal->row, grant, body, ingest->arena))
        return error_set(error, ERROR_TOO_LARGE, "the request is too large");
    proposal->ordinal = grant_ordinal(grant);
    proposal->generation = grant_generation(grant);
    proposal->state = PROPOSAL_SEALED;
    return true;
}

static void await_writer(struct ingest *ingest, unsigned phases)
{
    ingest->command.phases |= phases;
}

/* Behind an item that joins, an id may mean another than memory says: then the writer finds it. What was parked is of whom
 * the id meant on arrival. */
static uint32_t find_now(const struct ingest *ingest, const struct account *account, const struct proposal *proposal)
{
    if (ingest->parked_for)
        return ingest->parked_for;
    return ingest->is_joining ? 0 : account_find(account, &proposal->print);
}

/* One item's fault: in bulk it is refused alone. */
static bool refuse(const struct ingest *ingest, struct item *item, struct proposal *proposal, const struct error *why,
                   struct error *error)
{
    item->refused = *why;
    proposal->state = PROPOSAL_REFUSED;
    if (ingest->is_bulk)
        return true;
    *error = *why;
    return false;
}

/* Of somebody suppressed, or too late: nothing is recorded, and nobody can tell. So the item is checked as any other, and
 * waits for a commit as any other. */
static bool drop(struct ingest *ingest, struct proposal *proposal, unsigned phase)
{
    proposal->state = PROPOSAL_DROPPED;
    await_writer(ingest, phase);
    return true;
}

static bool prepare_event(struct ingest *ingest, struct account *account, struct seat *seat, uint32_t i, bool drops,
                          struct error *error)
{
    struct item *item = &ingest->items[i];
    struct proposal *proposal = &ingest->proposals[i];
    const struct name *name = names_find(&account->names[NAME_EVENT], item->event_name);
    bool known = know_attributes(ingest, account, item);
    struct error denied = { 0 }, why = { 0 };

    if (!name && !ledger_may_add_name(account, NAME_EVENT, item->event_name, &why)) {
        (void)error_within(&why, "eventName");
        return refuse(ingest, item, proposal, &why, error);
    }
    if (drops)
        return drop(ingest, proposal, PHASE_VOLUME);
    proposal->ordinal = find_now(ingest, account, proposal);
    bool has_news = ingest_has_news(ingest, i, proposal->ordinal);
    if (has_news)
        await_writer(ingest, PHASE_PROFILES);
    if (has_news || !name || !known || !proposal->ordinal || !ingest->source) {
        await_writer(ingest, PHASE_LEDGER | PHASE_VOLUME);
        return true;
    }
    await_writer(ingest, PHASE_VOLUME);
    if (account_subject(account, proposal->ordinal)->bare) {
        await_writer(ingest, PHASE_PROFILES);
        return true;
    }
    const struct grant *grant =
        gate_open(seat, account, proposal->ordinal, ingest_purpose(ingest), REASON_NONE, &denied);
    return !grant || ingest_seal_event(ingest, item, proposal, grant, name->number, error);
}

static bool touches_identity(const struct item *item)
{
    for (uint32_t i = 0; i < item->system_count; i++)
        if (item->system[i].field->identity)
            return true;
    return false;
}

static bool prepare_user(struct ingest *ingest, struct account *account, struct seat *seat, uint32_t i, bool drops)
{
    struct item *item = &ingest->items[i];
    struct proposal *proposal = &ingest->proposals[i];
    bool known = know_attributes(ingest, account, item);

    if (drops)
        return drop(ingest, proposal, PHASE_PROFILES);
    proposal->ordinal = find_now(ingest, account, proposal);
    await_writer(ingest, PHASE_PROFILES);
    bool has_news = ingest_has_news(ingest, i, proposal->ordinal);
    if (has_news || !known || !proposal->ordinal || !ingest->source || item->opt_in_count > 0 || touches_identity(item))
        await_writer(ingest, PHASE_LEDGER);
    ingest_join_prepare(ingest, account, seat, item, proposal);
    return true;
}

/* A suppression drops whatever the time says; a late mark only what is dated before it. */
static bool is_dropped(const struct ingest *ingest, const struct account *account, const struct item *item,
                       struct proposal *proposal)
{
    int64_t now_ms = ingest->origin.received_ms;
    /* Late marks were asked when it arrived; what was parked has passed them, and one made since is another's. */
    int64_t occurred_ms = ingest->parked_for ? WHEN_NONE : item->occurred_ms;

    if (proposal->is_suppressed)
        return true;
    if (marks_judge(account, &proposal->print, occurred_ms, now_ms) != MARK_DROP)
        return false;
    proposal->is_suppressed = marks_judge(account, &proposal->print, WHEN_NONE, now_ms) == MARK_DROP;
    return true;
}

/* Whoever asked not to be recorded is not recorded under a second id either. */
static bool is_beside_suppressed(const struct ingest *ingest, const struct account *account, struct seat *seat,
                                 const struct item *item)
{
    struct fingerprint print;

    if (item->beside.len == 0 || account->suppressed.count == 0)
        return false;
    print = seat_fingerprint(seat, account, IDENTITY_ANONYMOUS, item->beside);
    return marks_judge(account, &print, WHEN_NONE, ingest->origin.received_ms) == MARK_DROP;
}

static bool prepare_item(struct ingest *ingest, struct account *account, struct seat *seat, uint32_t i,
                         struct error *error)
{
    struct item *item = &ingest->items[i];
    struct proposal *proposal = &ingest->proposals[i];

    if (item->refused.code != ERROR_NONE) {
        proposal->state = PROPOSAL_REFUSED;
        return true;
    }
    proposal->message = ingest_message_hash(account, item->message_id);
    proposal->print = seat_fingerprint(seat, account, item->id_kind, item->id);
    proposal->is_suppressed =
        is_beside_suppressed(ingest, account, seat, item) || ingest_joins_suppressed(ingest, account, seat, item);
    bool drops = is_dropped(ingest, account, item, proposal);
    return item->kind == ITEM_EVENT ? prepare_event(ingest, account, seat, i, drops, error)
                                    : prepare_user(ingest, account, seat, i, drops);
}

bool ingest_prepare(struct ingest *ingest, struct ledger *ledger, struct seat *seat, struct error *error)
{
    bool ok = true;

    ingest->proposals = ARENA_NEW(ingest->arena, struct proposal, ingest->count ? ingest->count : 1);
    if (!ingest->proposals)
        return error_set(error, ERROR_TOO_LARGE, "the request is too large");
    ledger_enter(ledger);
    struct account *account = ledger_account(ledger, ingest->origin.account);
    if (!ingest->source)
        ingest->source = ledger_known_source(ledger, account->number, ingest->origin.credential, ingest->origin.route);
    for (uint32_t i = 0; i < ingest->count && ok; i++)
        ok = prepare_item(ingest, account, seat, i, error);
    gate_close(seat);
    ledger_leave(ledger);
    if (ingest->keeps_answer && ingest->command.phases == 0)
        await_writer(ingest, PHASE_VOLUME); /* where answers lie in order of receipt, and go with their time */
    return ok;
}

uint32_t ingest_count(const struct ingest *ingest, enum item_kind kind, bool refused)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ingest->count; i++)
        count += ingest->items[i].kind == kind && (ingest->proposals[i].state == PROPOSAL_REFUSED) == refused;
    return count;
}

uint32_t ingest_refused(const struct ingest *ingest)
{
    return ingest_count(ingest, ITEM_USER, true) + ingest_count(ingest, ITEM_EVENT, true);
}

uint32_t ingest_dropped(const struct ingest *ingest, bool suppressed)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ingest->count; i++)
        count += ingest->proposals[i].state == PROPOSAL_DROPPED && ingest->proposals[i].is_suppressed == suppressed;
    return count;
}

uint32_t ingest_repeated(const struct ingest *ingest)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ingest->count; i++)
        count += ingest->items[i].kind == ITEM_EVENT && ingest->proposals[i].state == PROPOSAL_REPEATED;
    return count;
}

bool ingest_is_repeat(const struct turn *turn, const struct ingest *ingest, const struct proposal *proposal)
{
    return proposal->message && !ingest->parked_mark && journal_has_message(turn->journal, proposal->message);
}

/* ---- when rights have settled ---- */

static bool is_same(const struct account *account, const struct proposal *proposal)
{
    const struct subject *subject = account_subject(account, proposal->ordinal);

    return subject && subject->generation == proposal->generation && subject->state == SUBJECT_LIVE;
}

enum proposal_state ingest_judge(const struct ingest *ingest, uint32_t denied)
{
    if (denied & DENIED_PARKS)
        return ingest->parked_mark ? PROPOSAL_WAITS : PROPOSAL_PARKED;
    return denied & PURPOSE_BIT(ingest_purpose(ingest)) ? PROPOSAL_DROPPED : PROPOSAL_OPEN;
}

void ingest_drop_erased(struct ingest *ingest, struct proposal *proposal)
{
    proposal->state = PROPOSAL_DROPPED;
    proposal->is_erased = true;
    if (proposal->message)
        await_profiles(ingest);
}

static void settle_item(struct ingest *ingest, const struct account *account, struct proposal *proposal)
{
    const struct subject *subject;

    if (proposal->state == PROPOSAL_SEALED && is_same(account, proposal))
        return;
    if (proposal->state != PROPOSAL_SEALED && proposal->state != PROPOSAL_OPEN)
        return;
    subject = account_subject(account, proposal->ordinal);
    if (!subject || subject->state != SUBJECT_LIVE) {
        ingest_drop_erased(ingest, proposal);
    } else {
        proposal->state = ingest_judge(ingest, subject->denied);
        if (proposal->state == PROPOSAL_PARKED)
            await_writer(ingest, PHASE_PROFILES);
    }
}

bool ingest_settle(struct turn *turn, struct command *command, struct error *error)
{
    struct ingest *ingest = ingest_of(command);
    const struct account *account = ledger_account(turn->ledger, ingest->origin.account);

    (void)error;
    for (uint32_t i = 0; i < ingest->count; i++)
        settle_item(ingest, account, &ingest->proposals[i]);
    return true;
}

/* ---- in a volume ---- */

static bool seal_now(struct turn *turn, struct ingest *ingest, struct account *account, struct item *item,
                     struct proposal *proposal, struct error *error)
{
    const struct name *name = names_find(&account->names[NAME_EVENT], item->event_name);
    const struct grant *grant =
        gate_open(turn->seat, account, proposal->ordinal, ingest_purpose(ingest), REASON_NONE, error);

    if (!name)
        return error_set(error, ERROR_INTERNAL, "an event name was not registered");
    return grant && ingest_seal_event(ingest, item, proposal, grant, name->number, error);
}

/* All that can fail by this command's own fault, before its first row is in the volume. */
static bool make_rows(struct turn *turn, struct ingest *ingest, struct account *account, struct error *error)
{
    for (uint32_t i = 0; i < ingest->count; i++)
        if (ingest->proposals[i].message)
            journal_fetch_message(turn->journal, ingest->proposals[i].message);
    for (uint32_t i = 0; i < ingest->count; i++) {
        struct proposal *proposal = &ingest->proposals[i];
        struct item *item = &ingest->items[i]; /* a user has no row */
        if (item->kind == ITEM_EVENT && proposal->state == PROPOSAL_OPEN &&
            !seal_now(turn, ingest, account, item, proposal, error))
            return false;
    }
    return !ingest->keeps_answer || ingest->make_answer(ingest, account, error);
}

bool ingest_in_volume(struct turn *turn, struct command *command, struct error *error)
{
    struct ingest *ingest = ingest_of(command);
    struct account *account = ledger_account(turn->ledger, ingest->origin.account);

    if (!make_rows(turn, ingest, account, error))
        return false;
    for (uint32_t i = 0; i < ingest->count; i++) {
        struct proposal *proposal = &ingest->proposals[i];
        if (proposal->state == PROPOSAL_SEALED && ingest_is_repeat(turn, ingest, proposal))
            proposal->state = PROPOSAL_REPEATED; /* of an earlier one in this call, too */
        else if (proposal->state == PROPOSAL_SEALED && !journal_append(turn->journal, &proposal->row, error))
            return false;
    }
    if (ingest->keeps_answer)
        return journal_keep_answer(turn->journal, account->number, ingest->answer_mark, ingest->origin.received_ms,
                                   ingest->answer, error);
    return journal_touch(turn->journal, error);
}

const struct command_kind ingest_single = {
    .name = "ingest",
    .lane = LANE_SINGLE,
    .purpose = PURPOSE_COLLECT,
    .in_ledger = ingest_in_ledger,
    .settle = ingest_settle,
    .in_profiles = ingest_in_profiles,
    .in_volume = ingest_in_volume,
};
const struct command_kind ingest_bulk = {
    .name = "ingest in bulk",
    .lane = LANE_BULK,
    .purpose = PURPOSE_COLLECT,
    .in_ledger = ingest_in_ledger,
    .settle = ingest_settle,
    .in_profiles = ingest_in_profiles,
    .in_volume = ingest_in_volume,
};
