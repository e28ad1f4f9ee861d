/* Ingestion's part in the ledger: sources, names, new people, preferences, and the identities that find people. */
#include "base/json_write.h"
#include "intake/ingest_inside.h"
#include "ledger/mark.h"
#include "ledger/preference.h"
#include "ledger/right.h"
#include "ledger/subject.h"

/* A refusal of the item (its fault) as against a failure of the call. */
static bool is_refusal(const struct error *error)
{
    return error->code == ERROR_INVALID || error->code == ERROR_LIMITED;
}

static bool register_attributes(struct turn *turn, struct ingest *ingest, struct account *account, struct item *item,
                                struct error *error)
{
    for (uint32_t i = 0; i < item->attribute_count; i++) {
        struct attribute *attribute = &item->attributes[i];
        struct error why = { 0 };
        struct name name;

        if (attribute->dropped || attribute->type == TYPE_NONE)
            continue;
        if (!ledger_add_name(turn->ledger, account, ingest_attribute_kind(item), attribute->name, attribute->type,
                             &name, &why)) {
            if (!is_refusal(&why)) {
                *error = why;
                return false;
            }
            struct str text = arena_copy(ingest->arena, str_of(why.text));
            ingest_drop_attribute(ingest, item, attribute, text.at ? arena_cstring(ingest->arena, text) : "refused");
        } else if (!ingest_type_fits(name.type, attribute->type)) {
            ingest_drop_attribute(ingest, item, attribute, INGEST_OTHER_TYPE);
        }
    }
    return true;
}

static bool register_event(struct turn *turn, struct account *account, const struct item *item, struct error *error)
{
    struct name name;

    return item->kind != ITEM_EVENT ||
           ledger_add_name(turn->ledger, account, NAME_EVENT, item->event_name, TYPE_NONE, &name, error) ||
           error_within(error, "eventName");
}

/* ---- preferences ---- */

/* Three texts of 1,000 code points, each at most 6 bytes when it is escaped, and their names. */
#define CONSENT_MAX_BYTES (3 * 1000 * 6 + 100)

static struct str consent_detail(const struct consent *consent, struct arena *arena)
{
    struct buf buf;
    struct json_out out;
    struct str text = { NULL, 0 };

    if (!consent->given)
        return text;
    buf_init(&buf, CONSENT_MAX_BYTES);
    out = json_out(&buf);
    json_open_object(&out);
    if (consent->wording.len)
        json_put_string(&out, STR("wording"), consent->wording);
    if (consent->version.len)
        json_put_string(&out, STR("version"), consent->version);
    if (consent->road.len)
        json_put_string(&out, STR("road"), consent->road);
    json_close_object(&out);
    if (!buf.overflowed)
        text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

/* Only a consent that can be shown (Art. 7(1)) is the person's own word: what, in which version, when and how. */
static bool is_whole(const struct consent *consent)
{
    return consent->given && consent->wording.len > 0 && consent->version.len > 0 && consent->road.len > 0 &&
           consent->when_ms != WHEN_NONE;
}

static enum voice voice_of(const struct ingest *ingest, const struct item *item)
{
    if (!(ingest->origin.scopes & ~(unsigned)SCOPE_INGEST))
        return VOICE_CLIENT;
    return is_whole(&item->consent) ? VOICE_PERSON : VOICE_CONTROLLER;
}

static bool say(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                uint32_t ordinal, const struct opt_in *opt_in, struct error *error)
{
    struct preference preference = {
        .channel = opt_in->channel,
        .opted_in = opt_in->opted_in,
        .voice = voice_of(ingest, item),
        .at_ms = item->consent.given && item->consent.when_ms != WHEN_NONE ? item->consent.when_ms
                                                                           : ingest->origin.received_ms,
        .received_ms = ingest->origin.received_ms,
        .source = ingest->source,
        .detail = consent_detail(&item->consent, ingest->arena),
    };

    if (!preference_say(turn->ledger, turn->seat, account, ordinal, &preference, error))
        return false;
    ingest->unapplied[opt_in->opted_in] += !preference.applied;
    return preference.applied ||
           ignored_add(&ingest->ignored, ingest->arena, item->index, true,
                       str_of(channel_table[opt_in->channel].rest_field), "not applied: the person has opted out") ||
           error_set(error, ERROR_TOO_LARGE, "the request is too large");
}

/* While collecting is denied an opt-out still takes effect (it is an objection, not data), an opt-in does not. */
static bool say_all(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                    uint32_t ordinal, bool is_denied, struct error *error)
{
    for (uint32_t i = 0; i < item->opt_in_count; i++) {
        if (is_denied && item->opt_ins[i].opted_in) {
            ingest->unapplied[true]++;
            continue;
        }
        if (!say(turn, ingest, account, item, ordinal, &item->opt_ins[i], error))
            return false;
    }
    return true;
}

/* ---- identities that find people ---- */

static bool set_identity(struct turn *turn, struct ingest *ingest, struct account *account, uint32_t ordinal,
                         const struct system_change *change, struct error *error)
{
    const struct json value = { .kind = JSON_STRING, .span = 1, .raw = change->raw };
    struct fingerprint print = { { 0 } };
    bool removes = change->raw.len == 0 || change->raw.at[0] != '"';
    int64_t since = WHEN_NONE;

    if (!removes) {
        struct str text = json_text(&value, ingest->arena);
        struct str normal = identity_normal(change->field->identity, text, ingest->arena);
        if (!normal.at)
            return error_set(error, ERROR_TOO_LARGE, "the request is too large");
        print = account_fingerprint(account, change->field->identity, normal);
        removes = normal.len == 0; /* an empty value finds nobody */
    }
    if (ingest->parked_mark &&
        !subject_identity_since(turn->ledger, account, ordinal, change->field->identity, &since, error))
        return false;
    if (since > ingest->origin.received_ms)
        return true; /* what was said after the item had been parked is newer */
    return subject_replace_identity(turn->ledger, turn->seat, account, ordinal, change->field->identity,
                                    removes ? NULL : &print, ingest->source, error);
}

static bool set_identities(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                           uint32_t ordinal, struct error *error)
{
    for (uint32_t i = 0; i < item->system_count; i++)
        if (item->system[i].field->identity && !set_identity(turn, ingest, account, ordinal, &item->system[i], error))
            return false;
    return true;
}

/* ---- one item ---- */

static bool enter_person(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                         struct proposal *proposal, struct error *error)
{
    if (proposal->ordinal)
        return true;
    await_profiles(ingest);
    return subject_create(turn->ledger, turn->seat, account, item->id_kind, &proposal->print, ingest->source,
                          &proposal->ordinal, error);
}

/* Whom it meant when it arrived, or whom it means now that all before it is done. */
static bool find_person(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                        struct proposal *proposal, enum mark_verdict *verdict, struct error *error)
{
    bool live = true;

    if (proposal->ordinal) {
        if (!subject_is_live(turn->ledger, account, proposal->ordinal, &live, error))
            return false;
        if (!live)
            ingest_drop_erased(ingest, proposal);
        return true;
    }
    return subject_find(turn->ledger, account, item->id_kind, &proposal->print, &proposal->ordinal, error) &&
           (proposal->ordinal || marks_judge_now(turn->ledger, account, item->id_kind, &proposal->print,
                                                 item->occurred_ms, ingest->origin.received_ms, verdict, error));
}

/* Marked since it arrived: by a suppression, which is told from a late mark by not asking for the time. */
static bool drop_marked(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                        struct proposal *proposal, struct error *error)
{
    enum mark_verdict verdict;

    proposal->state = PROPOSAL_DROPPED;
    if (!marks_judge_now(turn->ledger, account, item->id_kind, &proposal->print, WHEN_NONE, ingest->origin.received_ms,
                         &verdict, error))
        return false;
    proposal->is_suppressed = verdict == MARK_DROP;
    return true;
}

static bool enter_item(struct turn *turn, struct ingest *ingest, struct account *account, uint32_t i,
                       struct error *error)
{
    struct item *item = &ingest->items[i];
    struct proposal *proposal = &ingest->proposals[i];
    uint32_t denied = 0;
    enum mark_verdict verdict = MARK_CLEAR;

    /* Before anybody is made of it: a repeat brings no erased person back. */
    if (ingest_is_repeat(turn, ingest, proposal)) {
        proposal->state = PROPOSAL_REPEATED;
        return true;
    }
    if (!find_person(turn, ingest, account, item, proposal, &verdict, error))
        return false;
    if (verdict == MARK_DROP)
        return drop_marked(turn, ingest, account, item, proposal, error);
    if (proposal->state == PROPOSAL_DROPPED)
        return true;
    if (proposal->ordinal && !rights_denied(turn->ledger, account, proposal->ordinal, &denied, error))
        return false;
    enum proposal_state judged = ingest_judge(ingest, denied);
    if (judged == PROPOSAL_WAITS)
        return true;
    if (judged == PROPOSAL_DROPPED)
        return say_all(turn, ingest, account, item, proposal->ordinal, true, error);
    /* Also for what is parked: when it comes back its names must not be refused for want of room. */
    if (!register_event(turn, account, item, error) || !register_attributes(turn, ingest, account, item, error))
        return false;
    if (judged == PROPOSAL_PARKED)
        return say_all(turn, ingest, account, item, proposal->ordinal, true, error);
    return enter_person(turn, ingest, account, item, proposal, error) &&
           ingest_join_in_ledger(turn, ingest, account, item, proposal, error) &&
           say_all(turn, ingest, account, item, proposal->ordinal, false, error) &&
           set_identities(turn, ingest, account, item, proposal->ordinal, error) &&
           ingest_set_finders(turn, ingest, account, item, proposal->ordinal, error);
}

bool ingest_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    struct ingest *ingest = ingest_of(command);
    struct account *account = ledger_account(turn->ledger, ingest->origin.account);

    if (!ingest->source && !ledger_source(turn->ledger, account->number, ingest->origin.credential,
                                          ingest->origin.route, &ingest->source, error))
        return false;
    memset(ingest->unapplied, 0, sizeof ingest->unapplied); /* of a group that was undone */
    for (uint32_t i = 0; i < ingest->count; i++) {
        struct error why = { 0 };
        if (ingest->proposals[i].state != PROPOSAL_OPEN || enter_item(turn, ingest, account, i, &why))
            continue;
        if (!ingest->is_bulk || !is_refusal(&why)) {
            *error = why;
            return false;
        }
        ingest->items[i].refused = why;
        ingest->proposals[i].state = PROPOSAL_REFUSED;
    }
    return true;
}
