/* Looking at a person: finding, opening what is sealed, what was said about channels, and events. */
#include "rights/access.h"

#include "ledger/audit.h"
#include "ledger/preference.h"

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

bool access_allows(struct look *look, struct error *error)
{
    const struct grant *grant = access_open(look, look->ordinal, error);

    if (grant)
        access_close(look);
    return grant != NULL;
}

struct open_event {
    struct str name, data, context;
};

static bool open_events(struct look *look, const struct event_row *rows, size_t count, struct open_event *opened,
                        struct error *error)
{
    const struct grant *grant = NULL;
    bool ok = true;

    ledger_enter(engine_ledger(look->engine));
    for (size_t i = 0; ok && i < count; i++) {
        struct str plain = STR("");
        if (i == 0 || rows[i].subject != rows[i - 1].subject)
            grant = grant_of(look, rows[i].subject, error);
        opened[i].name = event_name(look, rows[i].name);
        ok = grant && event_unseal(&rows[i], grant, look->arena, &plain, error);
        event_parts(plain, &opened[i].data, &opened[i].context);
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
    json_put_raw(out, STR("eventData"), opened->data.len ? opened->data : STR("{}"));
    if (opened->context.len > 0)
        json_put_raw(out, STR("context"), opened->context);
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
                                 .max = events->max,
                                 .max_bytes = events->max_bytes };
    struct event_row *rows = NULL;
    struct open_event *opened;

    access_gather(look);
    query.subject_count = look->person.count;
    if (!access_allows(look, error) ||
        !journal_read(look->reader->journal, &query, look->arena, &rows, &events->written, &events->more, error))
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
