/* The person's document, from the ledger's rows and the sealed profile. */
#include "rights/access.h"

#include "ledger/audit.h"
#include "ledger/preference.h"
#include "ledger/right.h"
#include "ledger/subject.h"
#include "rights/merged.h"

bool access_find(struct engine *engine, uint32_t account_number, enum identity_kind kind, struct str id,
                 enum purpose purpose, enum look_reason reason, uint32_t *ordinal, struct error *error)
{
    struct ledger *ledger = engine_ledger(engine);
    struct fingerprint print;
    struct account *account;
    bool ok;

    ledger_enter(ledger);
    account = ledger_account(ledger, account_number);
    print = account_fingerprint(account, kind, id);
    *ordinal = account_find(account, &print);
    ok = gate_allows(account, *ordinal, purpose, reason, error);
    ledger_leave(ledger);
    return ok;
}

/* ---- the audit entry ---- */

static bool entry_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    const struct access_entry *look = (const struct access_entry *)command;
    struct account *account = ledger_account(turn->ledger, look->account);
    const struct grant *grant = gate_open(turn->seat, account, look->ordinal, look->purpose, look->reason, error);
    struct audit_entry entry = { .at_ms = turn->now_ms,
                                 .act = look->act,
                                 .account = look->account,
                                 .credential = look->credential,
                                 .route = look->route,
                                 .has_subject = true,
                                 .reason = look_reason_name(look->reason) };

    if (!grant)
        return false;
    grant_audit_mark(grant, entry.subject);
    return audit_add(ledger_audit(turn->ledger), &entry, error);
}

const struct command_kind access_entry_kind = {
    .name = "look at a person",
    .lane = LANE_SINGLE,
    .purpose = PURPOSE_VIEW,
    .in_ledger = entry_in_ledger,
};

/* ---- opening what is sealed ---- */

void access_gather(struct look *look)
{
    struct ledger *ledger = engine_ledger(look->engine);

    ledger_enter(ledger);
    person_known(ledger_account(ledger, look->account), look->ordinal, &look->person);
    ledger_leave(ledger);
}

/* Inside ledger_enter. */
static const struct grant *grant_of(struct look *look, uint32_t ordinal, struct error *error)
{
    struct account *account = ledger_account(engine_ledger(look->engine), look->account);

    if (account_person(account, ordinal) != account_person(account, look->ordinal)) {
        (void)error_set(error, ERROR_BUSY, "the person's links have just changed: try again");
        return NULL;
    }
    return gate_open(look->reader->seat, account, ordinal, look->purpose, look->reason, error);
}

const struct grant *access_open(struct look *look, uint32_t ordinal, struct error *error)
{
    struct ledger *ledger = engine_ledger(look->engine);
    const struct grant *grant;

    ledger_enter(ledger);
    grant = grant_of(look, ordinal, error);
    if (!grant)
        ledger_leave(ledger);
    return grant;
}

void access_close(struct look *look)
{
    gate_close(look->reader->seat);
    ledger_leave(engine_ledger(look->engine));
}

bool access_profile(struct look *look, uint32_t ordinal, struct profile *profile, struct error *error)
{
    struct sealed_record record;
    const struct grant *grant;
    struct str plain;
    bool found = false, ok;

    *profile = (struct profile){ 0 };
    if (!profile_load(look->reader->profiles, look->account, ordinal, look->arena, &record, &found, error))
        return false;
    grant = access_open(look, ordinal, error);
    if (!grant)
        return false;
    ok = !found || record_unseal(&record, grant, look->arena, &plain, error);
    access_close(look);
    return ok && (!found || profile_read(look->reader->parser, look->arena, plain, profile, error));
}

static bool load_part(struct look *look, uint32_t ordinal, struct merged_part *part, struct error *error)
{
    struct subject_facts facts;
    bool found = false;

    if (!access_profile(look, ordinal, &part->profile, error) ||
        !subject_facts(look->reader->ledger, look->account, ordinal, &facts, &found, error))
        return false;
    if (!found || facts.state != SUBJECT_LIVE)
        return error_set(error, ERROR_NOT_FOUND, "there is no such person");
    part->ordinal = ordinal;
    part->known = facts.known;
    part->created_ms = facts.created_ms;
    return true;
}

/* ---- sources ---- */

void access_source(struct look *look, struct json_out *out, uint32_t number)
{
    struct ledger *ledger = engine_ledger(look->engine);
    struct source copy = { 0 };
    const struct source *source;

    ledger_enter(ledger);
    source = ledger_source_at(ledger, look->account, number);
    if (source)
        copy = *source;
    ledger_leave(ledger);
    json_put_i64(out, STR("credential"), copy.credential);
    json_put_string(out, STR("route"), str_of(copy.route));
}

static void write_origin(struct look *look, struct json_out *out, struct str what, struct str name, int64_t at_ms,
                         uint32_t source)
{
    json_open_object(out);
    json_put_string(out, what, name);
    json_put_time(out, STR("at"), at_ms);
    access_source(look, out, source);
    json_close_object(out);
}

static void write_sources(struct look *look, const struct profile *profile, struct json_out *out)
{
    json_name(out, STR("sources"));
    json_open_array(out);
    for (uint32_t i = 0; i < profile->identity_count; i++)
        write_origin(look, out, STR("identity"), str_of(identity_kind_name(profile->identities[i].kind)),
                     profile->identities[i].at_ms, profile->identities[i].source);
    for (uint32_t i = 0; i < profile->system_count; i++)
        write_origin(look, out, STR("field"), profile->system[i].name, profile->system[i].at_ms,
                     profile->system[i].source);
    for (uint32_t i = 0; i < profile->attribute_count; i++)
        write_origin(look, out, STR("attribute"), profile->attributes[i].name, profile->attributes[i].at_ms,
                     profile->attributes[i].source);
    json_close_array(out);
}

static void write_others_of(struct look *look, struct str what, const struct profile_value *values, uint32_t count,
                            struct json_out *out)
{
    for (uint32_t i = 0; i < count; i++) {
        json_open_object(out);
        json_put_string(out, what, values[i].name);
        json_put_raw(out, STR("value"), values[i].raw);
        json_put_time(out, STR("at"), values[i].at_ms);
        access_source(look, out, values[i].source);
        json_close_object(out);
    }
}

/* Where linked identities disagree: what is held and does not stand above. */
static void write_others(struct look *look, const struct profile *others, struct json_out *out)
{
    if (others->system_count + others->attribute_count == 0)
        return;
    json_name(out, STR("otherValues"));
    json_open_array(out);
    write_others_of(look, STR("field"), others->system, others->system_count, out);
    write_others_of(look, STR("attribute"), others->attributes, others->attribute_count, out);
    json_close_array(out);
}

/* ---- values ---- */

static void write_identities(const struct profile *profile, enum identity_kind kind, struct json_out *out)
{
    json_open_array(out);
    for (uint32_t i = 0; i < profile->identity_count; i++)
        if (profile->identities[i].kind == kind)
            json_string(out, profile->identities[i].value);
    json_close_array(out);
}

static struct str user_id_in(const struct profile *profile)
{
    for (uint32_t i = 0; i < profile->identity_count; i++)
        if (profile->identities[i].kind == IDENTITY_CUID)
            return profile->identities[i].value;
    return (struct str){ NULL, 0 };
}

/* The one that was asked for, else the first that the person had. */
static struct str user_id(const struct look *look, const struct merged_part *parts)
{
    for (uint32_t i = 0; i < look->person.count; i++)
        if (parts[i].ordinal == look->ordinal && parts[i].known)
            return user_id_in(&parts[i].profile);
    return user_id_in(&parts[0].profile);
}

static void write_user_ids(const struct profile *profile, struct str first, struct json_out *out)
{
    json_name(out, STR("userId"));
    if (first.at)
        json_string(out, first);
    else
        json_null(out);
    json_name(out, STR("anonymousIds"));
    write_identities(profile, IDENTITY_ANONYMOUS, out);
    json_name(out, STR("aliases"));
    json_open_array(out);
    for (uint32_t i = 0; i < profile->identity_count; i++)
        if (profile->identities[i].kind == IDENTITY_CUID && !str_equal(profile->identities[i].value, first))
            json_string(out, profile->identities[i].value);
    json_close_array(out);
}

static int64_t newest(const struct profile *profile, int64_t last_event_ms)
{
    int64_t last = last_event_ms;

    for (uint32_t i = 0; i < profile->identity_count; i++)
        last = profile->identities[i].at_ms > last ? profile->identities[i].at_ms : last;
    for (uint32_t i = 0; i < profile->system_count; i++)
        last = profile->system[i].at_ms > last ? profile->system[i].at_ms : last;
    for (uint32_t i = 0; i < profile->attribute_count; i++)
        last = profile->attributes[i].at_ms > last ? profile->attributes[i].at_ms : last;
    return last;
}

static void write_values(const struct profile *profile, struct json_out *out)
{
    for (uint32_t i = 0; i < profile->system_count; i++)
        json_put_raw(out, profile->system[i].name, profile->system[i].raw);
    json_name(out, STR("attributes"));
    json_open_object(out);
    for (uint32_t i = 0; i < profile->attribute_count; i++)
        json_put_raw(out, profile->attributes[i].name, profile->attributes[i].raw);
    json_close_object(out);
}

static bool write_preferences(struct look *look, struct json_out *out, struct error *error)
{
    struct preference_state states[CHANNELS];

    if (!preference_states(look->reader->ledger, look->account, look->person.ordinals, look->person.count, states,
                           error))
        return false;
    json_name(out, STR("preferences"));
    json_open_object(out);
    for (int channel = 0; channel < CHANNELS; channel++) {
        json_name(out, str_of(channel_table[channel].name));
        json_open_object(out);
        json_put_bool(out, STR("optedIn"), states[channel].opted_in);
        json_put_bool(out, STR("set"), states[channel].set);
        json_put_time(out, STR("since"), states[channel].since_ms);
        json_close_object(out);
    }
    json_close_object(out);
    return true;
}

/* What an objection's bits stand for; a right over the whole profile has no scope. */
void access_scope(const struct right *right, struct json_out *out)
{
    json_name(out, STR("scope"));
    for (int channel = 0; channel < CHANNELS && right->kind == RIGHT_OBJECTION; channel++) {
        bool service = right->denies == SERVICE_BIT(channel);
        if (!service && right->denies != MARKET_BIT(channel))
            continue;
        json_open_object(out);
        json_put_string(out, STR("channel"), str_of(channel_table[channel].name));
        json_put_string(out, STR("messages"), service ? STR("service") : STR("promotional"));
        json_close_object(out);
        return;
    }
    json_null(out);
}

static bool write_right(void *arg, const struct right *right, struct error *error)
{
    struct json_out *out = arg;

    (void)error;
    json_open_object(out);
    json_put_string(out, STR("kind"), str_of(right_kind_name(right->kind)));
    access_scope(right, out);
    json_put_time(out, STR("since"), right->since_ms);
    json_put_time(out, STR("until"), right->until_ms);
    json_close_object(out);
    return true;
}

static bool write_rights(struct look *look, struct json_out *out, struct error *error)
{
    int64_t now = when_now(engine_clock(look->engine));
    bool ok = true;

    json_name(out, STR("rights"));
    json_open_array(out);
    for (uint32_t i = 0; ok && i < look->person.count; i++)
        ok = rights_in_force(look->reader->ledger, look->account, look->person.ordinals[i], now, write_right, out,
                             error);
    json_close_array(out);
    return ok;
}

static void write_life(const struct look *look, const struct merged_part *parts, const struct profile *profile,
                       int64_t last_event_ms, struct json_out *out)
{
    int64_t created_ms = parts[0].created_ms;

    for (uint32_t i = 1; i < look->person.count; i++)
        created_ms = parts[i].created_ms < created_ms ? parts[i].created_ms : created_ms;
    json_put_bool(out, STR("known"), parts[0].known);
    json_put_time(out, STR("createdAt"), created_ms);
    json_put_time(out, STR("lastSeenAt"), newest(profile, last_event_ms));
}

bool access_person(struct look *look, struct json_out *out, struct error *error)
{
    struct merged_part *parts;
    struct merged merged;
    int64_t count = 0, last_event = WHEN_NONE;

    access_gather(look);
    parts = ARENA_NEW(look->arena, struct merged_part, look->person.count);
    if (!parts)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    for (uint32_t i = 0; i < look->person.count; i++)
        if (!load_part(look, look->person.ordinals[i], &parts[i], error))
            return false;
    if (!journal_count(look->reader->journal, look->account, look->person.ordinals, look->person.count, &count,
                       &last_event, error))
        return false;
    if (!merged_make(parts, look->person.count, look->arena, &merged))
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    write_user_ids(&merged.profile, user_id(look, parts), out);
    write_life(look, parts, &merged.profile, last_event, out);
    write_values(&merged.profile, out);
    write_others(look, &merged.others, out);
    if (!write_preferences(look, out, error) || !write_rights(look, out, error))
        return false;
    write_sources(look, &merged.profile, out);
    return true;
}

/* ---- what was said about channels ---- */

struct series {
    struct look *look;
    struct json_out *out;
    uint32_t ordinal;
};

static bool unseal_detail(const struct series *series, const struct preference_row *row, struct str *detail,
                          struct error *error)
{
    const struct grant *grant;
    bool ok;

    *detail = (struct str){ NULL, 0 };
    if (row->sealed.len == 0)
        return true;
    grant = access_open(series->look, series->ordinal, error);
    if (!grant)
        return false;
    ok = preference_unseal(row, grant, series->look->arena, detail, error);
    access_close(series->look);
    return ok;
}

static bool write_preference(void *arg, const struct preference_row *row, struct error *error)
{
    const struct series *series = arg;
    const struct preference *said = &row->preference;
    struct json_out *out = series->out;
    struct str detail;

    if (!unseal_detail(series, row, &detail, error))
        return false;
    json_open_object(out);
    json_put_string(out, STR("channel"), str_of(channel_table[said->channel].name));
    json_put_string(out, STR("messages"), said->service ? STR("service") : STR("promotional"));
    json_put_bool(out, STR("optedIn"), said->opted_in);
    json_put_bool(out, STR("applied"), said->applied);
    json_put_string(out, STR("by"), str_of(voice_name(said->voice)));
    json_put_time(out, STR("when"), said->at_ms);
    json_put_time(out, STR("receivedAt"), said->received_ms);
    access_source(series->look, out, said->source);
    if (detail.len > 0)
        json_put_raw(out, STR("consent"), detail);
    json_close_object(out);
    return true;
}

bool access_preferences(struct look *look, struct json_out *out, struct error *error)
{
    struct series series = { look, out, 0 };
    bool ok = true;

    access_gather(look);
    json_name(out, STR("preferenceHistory"));
    json_open_array(out);
    for (uint32_t i = 0; ok && i < look->person.count; i++) {
        series.ordinal = look->person.ordinals[i];
        ok = preference_series(look->reader->ledger, look->account, series.ordinal, write_preference, &series, error);
    }
    json_close_array(out);
    return ok;
}

/* ---- events ---- */

/* Names stand in memory that grows, so they are copied under the hold. */
static struct str event_name(struct look *look, uint32_t number)
{
    const struct account *account = ledger_account(engine_ledger(look->engine), look->account);
    const struct name *name = names_at(&account->names[NAME_EVENT], number);

    return name ? arena_copy(look->arena, str_of(name->text)) : STR("");
}

/* Also where there is no event to open. */
static bool is_allowed(struct look *look, struct error *error)
{
    const struct grant *grant = access_open(look, look->ordinal, error);

    if (grant)
        access_close(look);
    return grant != NULL;
}

struct open_event {
    struct str name, body;
};

static bool open_events(struct look *look, const struct event_row *rows, size_t count, struct open_event *opened,
                        struct error *error)
{
    const struct grant *grant = NULL;
    bool ok = true;

    ledger_enter(engine_ledger(look->engine));
    for (size_t i = 0; ok && i < count; i++) {
        if (i == 0 || rows[i].subject != rows[i - 1].subject)
            grant = grant_of(look, rows[i].subject, error);
        opened[i].name = event_name(look, rows[i].name);
        ok = grant && event_unseal(&rows[i], grant, look->arena, &opened[i].body, error);
    }
    access_close(look);
    return ok;
}

static void write_event(struct look *look, const struct event_row *row, const struct open_event *opened,
                        struct json_out *out)
{
    json_open_object(out);
    json_put_string(out, STR("eventName"), opened->name);
    json_put_time(out, STR("eventTime"), row->occurred_ms);
    json_put_raw(out, STR("eventData"), opened->body.len ? opened->body : STR("{}"));
    json_put_time(out, STR("receivedAt"), row->received_ms);
    json_name(out, STR("source"));
    json_open_object(out);
    access_source(look, out, row->source);
    json_close_object(out);
    json_close_object(out);
}

bool access_events(struct look *look, struct access_events *events, struct json_out *out, struct error *error)
{
    struct event_query query = { .account = look->account,
                                 .subjects = look->person.ordinals,
                                 .bound = events->bound,
                                 .oldest_first = events->oldest_first,
                                 .max = events->max };
    struct event_row *rows = NULL;
    struct open_event *opened;

    access_gather(look);
    query.subject_count = look->person.count;
    if (!is_allowed(look, error) ||
        !journal_read(look->reader->journal, &query, look->arena, &rows, &events->written, error))
        return false;
    opened = ARENA_NEW(look->arena, struct open_event, events->written + 1);
    if (!opened)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    if (!open_events(look, rows, events->written, opened, error))
        return false;
    for (size_t i = 0; i < events->written; i++)
        write_event(look, &rows[i], &opened[i], out);
    if (events->written > 0)
        events->bound = rows[events->written - 1].seq;
    return true;
}
