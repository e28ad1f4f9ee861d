/* Ingestion's part in profiles.db: new people's records, changed values, and data that is parked. */
#include "intake/ingest_inside.h"
#include "vault/kept.h"
#include "vault/parked_item.h"

#define PROFILE_MAX_BYTES ((size_t)1024 * 1024)

/* What one profile is changed with; its memory ends with the change. */
struct change {
    struct turn *turn;
    struct ingest *ingest;
    struct account *account;
    struct arena arena;
    struct profile profile;
    bool exists;
};

static const struct grant *store_grant(struct change *change, uint32_t ordinal, struct error *error)
{
    return gate_open(change->turn->seat, change->account, ordinal, PURPOSE_STORE, REASON_NONE, error);
}

static bool load(struct change *change, uint32_t ordinal, struct error *error)
{
    struct sealed_record record;
    struct str plain;

    if (!profile_load(profiles_db(change->turn->profiles), change->account->number, ordinal, &change->arena, &record,
                      &change->exists, error))
        return false;
    if (!change->exists)
        return true;
    const struct grant *grant = store_grant(change, ordinal, error);
    return grant && record_unseal(&record, grant, &change->arena, &plain, error) &&
           profile_read(change->turn->parser, &change->arena, plain, &change->profile, error);
}

static bool save(struct change *change, uint32_t ordinal, struct error *error)
{
    struct buf plain;
    const struct grant *grant = store_grant(change, ordinal, error);
    bool ok = grant != NULL;

    buf_init(&plain, PROFILE_MAX_BYTES);
    if (ok && !profile_write(&change->profile, &plain))
        ok = error_set(error, ERROR_TOO_LARGE, "the profile would be too large");
    ok = ok && profile_store(change->turn->profiles, grant, buf_str(&plain), error);
    buf_clear(&plain);
    return ok;
}

static bool add_identity(struct change *change, enum identity_kind kind, struct str value)
{
    const struct profile_identity identity = {
        .kind = kind, .value = value, .at_ms = change->ingest->origin.received_ms, .source = change->ingest->source
    };

    return profile_add_identity(&change->profile, &change->arena, &identity);
}

/* What was said after an item had been parked is newer than the item, though the item is taken in later. */
static bool is_overtaken(const struct change *change, const struct profile_value *held, uint32_t count, struct str name)
{
    for (uint32_t i = 0; change->ingest->parked_mark && i < count; i++)
        if (str_equal(held[i].name, name))
            return held[i].at_ms > change->ingest->origin.received_ms;
    return false;
}

static bool set_system(struct change *change, const struct item *item)
{
    for (uint32_t i = 0; i < item->system_count; i++) {
        const struct profile_value value = { .name = str_of(item->system[i].field->name),
                                             .raw = item->system[i].raw,
                                             .type = TYPE_STRING,
                                             .at_ms = change->ingest->origin.received_ms,
                                             .source = change->ingest->source };
        if (!is_overtaken(change, change->profile.system, change->profile.system_count, value.name) &&
            !profile_set_system(&change->profile, &change->arena, &value))
            return false;
    }
    return true;
}

static const struct {
    enum profile_outcome outcome;
    const char *message;
} outcome_messages[] = {
    { PROFILE_TOO_MANY, "this person has 25 attributes of this type already" },
    { PROFILE_TOO_LARGE, "this person's maps and arrays together are over 16 KB" },
};

static bool set_attributes(struct change *change, const struct item *item)
{
    struct ingest *ingest = change->ingest;

    for (uint32_t i = 0; i < item->attribute_count; i++) {
        const struct attribute *attribute = &item->attributes[i];
        const struct profile_value value = { .name = attribute->name,
                                             .raw = attribute->raw,
                                             .type = attribute->type,
                                             .at_ms = ingest->origin.received_ms,
                                             .source = ingest->source };
        enum profile_outcome outcome;

        if (attribute->dropped ||
            is_overtaken(change, change->profile.attributes, change->profile.attribute_count, value.name))
            continue;
        outcome = profile_set_attribute(&change->profile, &change->arena, &value);
        if (outcome == PROFILE_NO_MEMORY)
            return false;
        for (size_t j = 0; j < COUNT_OF(outcome_messages); j++)
            if (outcome == outcome_messages[j].outcome &&
                !ignored_add(&ingest->ignored, ingest->arena, item->index, true, attribute->name,
                             outcome_messages[j].message))
                return false;
    }
    return true;
}

/* The record was there before this command, so nothing that can still be undone made it. */
static void found(struct change *change, uint32_t ordinal)
{
    if (account_subject(change->account, ordinal)->bare && !change->ingest->made_record)
        ledger_mend(change->turn->ledger, change->account, ordinal);
}

static bool load_or_make(struct change *change, uint32_t ordinal, struct error *error)
{
    if (!load(change, ordinal, error))
        return false;
    if (change->exists)
        found(change, ordinal);
    else
        change->ingest->made_record = true;
    return true;
}

static bool apply(struct change *change, const struct item *item, struct proposal *proposal, struct error *error)
{
    if (!load_or_make(change, proposal->ordinal, error))
        return false;
    proposal->tells = item->finder_count > 0 || item->said_consent.len > 0;
    if (item->kind == ITEM_EVENT && change->exists && !proposal->tells)
        return true;                        /* it only makes the record of somebody new */
    bool is_user = item->kind == ITEM_USER; /* an event's attributes are the event's own */
    if (!add_identity(change, item->id_kind, item->id) ||
        (is_user && (!set_system(change, item) || !set_attributes(change, item))) ||
        !ingest_tell_profile(change->ingest, item, &change->profile, &change->arena))
        return error_set(error, ERROR_TOO_LARGE, "the profile would be too large");
    return save(change, proposal->ordinal, error);
}

/* The record of the anonymous id that was joined: how it is called. */
static bool name_joined(struct change *change, const struct item *item, uint32_t joined, struct error *error)
{
    const struct subject *subject = account_subject(change->account, joined);

    if (!subject || subject->state != SUBJECT_LIVE)
        return true; /* erased in the same group */
    change->profile = (struct profile){ 0 };
    if (!load_or_make(change, joined, error))
        return false;
    if (change->exists)
        return true;
    return add_identity(change, IDENTITY_ANONYMOUS, item->joins)
               ? save(change, joined, error)
               : error_set(error, ERROR_TOO_LARGE, "the profile would be too large");
}

/* What is parked is the item as it came, so that it can be judged anew. Segment's messages hold what they join themselves. */
static struct str parked_text(const struct item *item, struct arena *arena)
{
    size_t head = item->park_head.len - 1, len = head + item->raw.len + item->park_tail.len;
    struct buf text = { .at = arena_bytes(arena, len), .cap = len, .limit = len };
    struct parked_item parked = { .kind = item->park_head.at[0] };

    if (!text.at)
        return (struct str){ NULL, 0 };
    buf_add(&text, (struct str){ item->park_head.at + 1, head });
    buf_add(&text, item->raw);
    buf_add(&text, item->park_tail);
    parked.raw = buf_str(&text);
    if (parked.kind != PARKED_SEGMENT && item->joins_by != JOINS_NONE) {
        parked.joins_by = item->joins_by == JOINS_ALIAS ? 'l' : 'a';
        parked.joins = item->joins;
    }
    return parked_item_write(&parked, arena);
}

/* That the message was here, where no row will tell it. */
static bool note_message(struct change *change, const struct proposal *proposal, struct error *error)
{
    return !proposal->message ||
           journal_note_message(change->turn->journal, proposal->message, change->ingest->origin.received_ms, error);
}

static bool park(struct change *change, const struct item *item, struct proposal *proposal, struct error *error)
{
    if (ingest_is_repeat(change->turn, change->ingest, proposal)) {
        proposal->state = PROPOSAL_REPEATED;
        return true;
    }
    const struct grant *grant = store_grant(change, proposal->ordinal, error);
    struct str plain = parked_text(item, &change->arena);

    if (!grant)
        return false;
    if (!plain.at)
        return error_set(error, ERROR_TOO_LARGE, "the request is too large");
    return parked_store(change->turn->profiles, grant, change->ingest->origin.received_ms, change->ingest->source,
                        plain, error) &&
           note_message(change, proposal, error);
}

/* A user's values count once, too: sent again they would overwrite what came since, and take back an id that has gone on
 * to somebody else. No row tells that they were here. */
static bool apply_once(struct change *change, const struct item *item, struct proposal *proposal, struct error *error)
{
    if (item->kind == ITEM_EVENT || change->ingest->parked_mark)
        return apply(change, item, proposal, error);
    if (ingest_is_repeat(change->turn, change->ingest, proposal)) {
        proposal->state = PROPOSAL_REPEATED;
        return true;
    }
    return apply(change, item, proposal, error) && note_message(change, proposal, error);
}

/* Does writing this item change the file? */
static bool is_written(const struct proposal *proposal)
{
    return proposal->state == PROPOSAL_PARKED || proposal->state == PROPOSAL_OPEN;
}

static bool write_item(struct turn *turn, struct ingest *ingest, struct account *account, uint32_t i,
                       struct error *error)
{
    struct change change = { .turn = turn, .ingest = ingest, .account = account };
    struct proposal *proposal = &ingest->proposals[i];
    const struct item *item = &ingest->items[i];
    bool ok = true;

    arena_init(&change.arena, 4 * (PROFILE_MAX_BYTES + item->raw.len +
                                   item->park_tail.len)); /* a profile, or the item open and sealed */
    if (proposal->state == PROPOSAL_PARKED)
        ok = park(&change, item, proposal, error);
    else if (proposal->state == PROPOSAL_OPEN)
        ok = apply_once(&change, item, proposal, error);
    else if (proposal->is_erased)
        ok = note_message(&change, proposal, error);
    if (ok && proposal->joined)
        ok = name_joined(&change, item, proposal->joined, error);
    arena_clear(&change.arena);
    return ok;
}

bool ingest_in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    struct ingest *ingest = ingest_of(command);
    struct account *account = ledger_account(turn->ledger, ingest->origin.account);
    bool is_home = !(command->phases & PHASE_VOLUME), any = false;

    for (uint32_t i = 0; i < ingest->count; i++) {
        if (!write_item(turn, ingest, account, i, error))
            return false;
        any |= is_written(&ingest->proposals[i]);
    }
    if (!is_home)
        return true;
    if (!ingest->keeps_answer)
        return any || profiles_touch(turn->profiles, error);
    return ingest->make_answer(ingest, account, error) &&
           profiles_keep_answer(turn->profiles, account->number, ingest->answer_mark, ingest->origin.received_ms,
                                ingest->answer, error);
}
