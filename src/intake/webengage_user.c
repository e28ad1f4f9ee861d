/* The members of a user: the field table for system fields, the channel table for opt-ins, and the consent that belongs
 * to them. */
#include <stddef.h>

#include "intake/attributes.h"
#include "intake/webengage_parts.h"

/* ---- System fields ---- */

static bool check_day(struct translation *translation, const struct json *value, const struct profile_field *field)
{
    struct str text = STR("");
    int64_t ms;

    if (!webengage_is_longer(value, field->points_max))
        text = json_text(value, translation->arena);
    if (!text.at)
        return webengage_full(translation);
    return when_is_day(text) || when_read(text, &ms) ||
           webengage_refuse(translation, value->name, "cannot be read as a date");
}

/* Dates and hashes are of no use when cut, so they are refused where text is cut. */
static bool take_system_text(struct translation *translation, const struct json *value,
                             const struct profile_field *field, struct str *raw)
{
    bool cut = false;

    if (field->form == FIELD_DAY && !check_day(translation, value, field))
        return false;
    if (field->form == FIELD_HASH && webengage_is_longer(value, field->points_max))
        return webengage_refuse_longer(translation, value->name, field->points_max);
    if (field->form == FIELD_TEXT)
        *raw = attributes_cut(value, field->points_max, translation->arena, &cut);
    if (!raw->at)
        return webengage_full(translation);
    return !cut || webengage_ignore(translation, value->name, ATTRIBUTES_CUT_MESSAGE);
}

static bool take_system(struct translation *translation, const struct json *value, const struct profile_field *field)
{
    struct str raw = value->raw;

    if (value->kind != JSON_STRING && value->kind != JSON_NULL)
        return webengage_refuse(translation, value->name, "must be a string or null");
    if (value->kind == JSON_STRING && !take_system_text(translation, value, field, &raw))
        return false;
    struct system_change *change = item_system(translation->item, field, translation->arena);
    if (!change)
        return webengage_full(translation);
    change->raw = raw;
    return true;
}

/* ---- Preferences ---- */

/* CHANNELS: the name is no opt-in field. */
static enum channel channel_of(struct str name)
{
    enum channel channel = 0;

    while (channel < CHANNELS && !str_equal(name, str_of(channel_table[channel].rest_field)))
        channel++;
    return channel;
}

/* A null never touches a preference. */
static bool take_opt_in(struct translation *translation, const struct json *value, enum channel channel)
{
    struct item *item = translation->item;

    if (value->kind == JSON_NULL)
        return true;
    if (value->kind != JSON_TRUE && value->kind != JSON_FALSE)
        return webengage_refuse(translation, value->name, "must be true or false");
    item->opt_ins[item->opt_in_count++] = (struct opt_in){ channel, value->kind == JSON_TRUE };
    return true;
}

/* One row a text of the consent. */
static const struct consent_text {
    struct str name, field;
    size_t offset;
} consent_texts[] = {
    { { "wording", 7 }, { "consent.wording", 15 }, offsetof(struct consent, wording) },
    { { "version", 7 }, { "consent.version", 15 }, offsetof(struct consent, version) },
    { { "road", 4 }, { "consent.road", 12 }, offsetof(struct consent, road) },
};

static bool take_consent_text(struct translation *translation, const struct json *value, const struct consent_text *row)
{
    struct str *out = (struct str *)((char *)&translation->item->consent + row->offset);
    struct json kept = *value;
    bool cut = false;

    if (value->kind == JSON_NULL)
        return true;
    if (value->kind != JSON_STRING)
        return webengage_refuse(translation, row->field, "must be a string");
    kept.raw = attributes_cut(value, ATTRIBUTE_POINTS_MAX, translation->arena, &cut);
    if (!kept.raw.at)
        return webengage_full(translation);
    *out = json_text(&kept, translation->arena);
    if (!out->at)
        return webengage_full(translation);
    return !cut || webengage_ignore(translation, row->field, ATTRIBUTES_CUT_MESSAGE);
}

static bool take_consent_member(struct translation *translation, const struct json *value)
{
    for (size_t i = 0; i < COUNT_OF(consent_texts); i++)
        if (str_equal(value->name, consent_texts[i].name))
            return take_consent_text(translation, value, &consent_texts[i]);
    if (!str_equal(value->name, STR("when")))
        return webengage_ignore(translation, STR("consent"), "it has an unknown member");
    return value->kind == JSON_NULL ||
           webengage_take_time(translation, STR("consent.when"), value, &translation->item->consent.when_ms);
}

static bool take_consent(struct translation *translation, const struct json *value)
{
    if (value->kind == JSON_NULL)
        return true;
    if (value->kind != JSON_OBJECT)
        return webengage_refuse(translation, value->name, "must be an object");
    translation->item->consent.given = true;
    for (const struct json *member = json_first(value); member; member = json_next(value, member))
        if (!take_consent_member(translation, member))
            return false;
    return true;
}

/* ---- The user ---- */

static const struct member user_members[] = {
    MEMBER("userId", webengage_take_user_id),
    MEMBER("attributes", webengage_take_object),
    MEMBER("anonymousId", webengage_take_anonymous_id),
    MEMBER("consent", take_consent),
};

/* Members that have tables of their own. */
static bool take_user_field(struct translation *translation, const struct json *value)
{
    const struct profile_field *field = profile_field_of(value->name);
    enum channel channel = field ? CHANNELS : channel_of(value->name);

    if (field)
        return take_system(translation, value, field);
    if (channel < CHANNELS)
        return take_opt_in(translation, value, channel);
    return webengage_ignore(translation, value->name, "unknown field");
}

bool webengage_take_user_member(struct translation *translation, const struct json *value)
{
    for (size_t i = 0; i < COUNT_OF(user_members); i++)
        if (str_equal(value->name, user_members[i].name))
            return user_members[i].take(translation, value);
    return take_user_field(translation, value);
}

bool webengage_settle_user(struct translation *translation)
{
    struct item *item = translation->item;

    if (!webengage_settle_id(translation))
        return false;
    if (!item->consent.given || item->opt_in_count > 0)
        return true;
    item->consent = (struct consent){ .when_ms = WHEN_NONE };
    return webengage_ignore(translation, STR("consent"), "no opt-in field stands beside it");
}
