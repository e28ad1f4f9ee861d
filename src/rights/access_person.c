/* The person's document, from the ledger's rows and the sealed profiles of all whom links join. */
#include "ledger/preference.h"
#include "ledger/right.h"
#include "ledger/subject.h"
#include "rights/access.h"
#include "rights/merged.h"

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

/* What one of them was last told to have consented to, where it is not the latest of all. */
static bool is_other_consent(const struct merged *merged, const struct merged_part *part)
{
    const struct profile_value *consent = &part->profile.consent;

    return consent->raw.len > 0 && !str_equal(consent->raw, merged->profile.consent.raw);
}

/* Where linked identities disagree: what is held and does not stand above. */
static void write_others(struct look *look, const struct merged *merged, const struct merged_part *parts,
                         struct json_out *out)
{
    const struct profile *others = &merged->others;
    uint32_t consents = 0;

    for (uint32_t i = 0; i < look->person.count; i++)
        consents += is_other_consent(merged, &parts[i]);
    if (others->system_count + others->attribute_count + consents == 0)
        return;
    json_name(out, STR("otherValues"));
    json_open_array(out);
    for (uint32_t i = 0; i < look->person.count; i++)
        if (is_other_consent(merged, &parts[i]))
            write_others_of(look, STR("field"), &parts[i].profile.consent, 1, out);
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

/* Those of other ways to find the person: only where there are some. */
static void write_finders(const struct profile *profile, struct json_out *out)
{
    static const struct {
        enum identity_kind kind;
        const char *name;
    } lists[] = {
        { IDENTITY_DEVICE, "deviceIds" },
        { IDENTITY_ADVERTISING, "advertisingIds" },
        { IDENTITY_PUSH_TOKEN, "pushTokens" },
    };

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        bool has_one = false;
        for (uint32_t j = 0; j < profile->identity_count; j++)
            has_one |= profile->identities[j].kind == lists[i].kind;
        if (!has_one)
            continue;
        json_name(out, str_of(lists[i].name));
        write_identities(profile, lists[i].kind, out);
    }
}

/* What the sender's consent manager said; it decides nothing here. */
static void write_consent(struct look *look, const struct profile *profile, struct json_out *out)
{
    const struct profile_value *consent = &profile->consent;

    if (consent->raw.len == 0)
        return;
    json_name(out, STR("consent"));
    json_open_object(out);
    json_put_raw(out, STR("categoryPreferences"), consent->raw);
    json_put_time(out, STR("at"), consent->at_ms);
    access_source(look, out, consent->source);
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
    write_finders(&merged.profile, out);
    write_values(&merged.profile, out);
    write_consent(look, &merged.profile, out);
    write_others(look, &merged, parts, out);
    if (!write_preferences(look, out, error) || !write_rights(look, out, error))
        return false;
    write_sources(look, &merged.profile, out);
    return true;
}
