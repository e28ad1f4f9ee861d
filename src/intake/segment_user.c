/* What messages tell about people: traits, groups, aliases, devices and consent. What has a system attribute goes there,
 * what is an opt-in is a preference, the rest are custom attributes. */
#include "intake/attributes.h"
#include "intake/segment_parts.h"

enum { FINDER_POINTS_MAX = 1000 };

/* ---- Traits ---- */

/* Segment's reserved traits, and WebEngage's names for its system attributes in that dialect. */
static const struct {
    const char *trait, *field;
} system_traits[] = {
    { "email", "email" },
    { "phone", "phone" },
    { "firstName", "firstName" },
    { "lastName", "lastName" },
    { "birthday", "birthDate" },
    { "gender", "gender" },
    { "company", "company" },
    { "we_email", "email" },
    { "we_phone", "phone" },
    { "we_first_name", "firstName" },
    { "we_last_name", "lastName" },
    { "we_birth_date", "birthDate" },
    { "we_gender", "gender" },
    { "we_company", "company" },
    { "we_hashed_email", "hashedEmail" },
    { "we_hashed_phone", "hashedPhone" },
};
static const struct {
    const char *trait;
    enum channel channel;
} opt_in_traits[] = {
    { "we_email_opt_in", CHANNEL_EMAIL },       { "we_sms_opt_in", CHANNEL_SMS },
    { "we_push_opt_in", CHANNEL_PUSH },         { "we_inapp_opt_in", CHANNEL_IN_APP },
    { "we_whatsapp_opt_in", CHANNEL_WHATSAPP },
};

static bool take_opt_in(struct message *message, const struct json *value)
{
    struct item *item = message->item;

    for (size_t i = 0; i < COUNT_OF(opt_in_traits); i++) {
        if (!str_equal(value->name, str_of(opt_in_traits[i].trait)))
            continue;
        if (value->kind == JSON_TRUE || value->kind == JSON_FALSE)
            item->opt_ins[item->opt_in_count++] = (struct opt_in){ opt_in_traits[i].channel, value->kind == JSON_TRUE };
        return true;
    }
    return false;
}

static const struct profile_field *field_of(struct str trait)
{
    for (size_t i = 0; i < COUNT_OF(system_traits); i++)
        if (str_equal(trait, str_of(system_traits[i].trait)))
            return profile_field_of(str_of(system_traits[i].field));
    return NULL;
}

static struct str quoted(struct str digits, struct arena *arena)
{
    size_t len = digits.len + 2;
    char *made = arena_bytes(arena, len);

    if (!made)
        return (struct str){ NULL, 0 };
    made[0] = made[len - 1] = '"';
    memcpy(made + 1, digits.at, digits.len);
    return (struct str){ made, len };
}

/* Dates and hashes are of no use when cut, nor is a date that cannot be read. */
static bool fits(const struct json *value, const struct profile_field *field, struct arena *arena)
{
    struct str text = STR("");
    int64_t ms;

    if (field->form == FIELD_TEXT || value->kind == JSON_NULL)
        return true;
    if (value->kind != JSON_STRING || json_code_points(value) > field->points_max)
        return false;
    if (field->form == FIELD_DAY)
        text = json_text(value, arena);
    return field->form == FIELD_HASH || (text.at && (when_is_day(text) || when_read(text, &ms)));
}

/* As a JSON string or null; at == NULL with *full when the arena is, without it where the field does not take the value. */
static struct str system_raw(const struct json *value, const struct profile_field *field, struct arena *arena,
                             bool *full)
{
    struct str raw = { NULL, 0 };
    bool cut;

    if (!fits(value, field, arena))
        return raw;
    if (value->kind == JSON_STRING)
        raw = attributes_cut(value, field->points_max, arena, &cut);
    else if (value->kind == JSON_NUMBER)
        raw = quoted(value->raw, arena);
    else if (value->kind == JSON_NULL)
        return value->raw;
    else
        return raw;
    *full = raw.at == NULL;
    return raw;
}

/* A company that is more than its name gives that, and stays a custom attribute. */
static const struct json *company_name(const struct json *value, const struct profile_field *field)
{
    const struct json *name = value->kind == JSON_OBJECT && str_equal(str_of(field->name), STR("company"))
                                  ? json_member(value, STR("name"))
                                  : NULL;

    return name && name->kind == JSON_STRING ? name : value;
}

/* *taken: it is no custom attribute any more. False when the arena is full. */
static bool take_system(struct message *message, const struct json *value, bool *taken)
{
    const struct profile_field *field = field_of(value->name);
    struct arena *arena = message->around->arena;
    const struct json *text = field ? company_name(value, field) : value;
    struct system_change *change;
    bool full = false;
    struct str raw;

    if (!field)
        return true;
    raw = system_raw(text, field, arena, &full);
    if (!raw.at)
        return !full;
    *taken = text == value;
    change = item_system(message->item, field, arena);
    if (change)
        change->raw = raw;
    return change != NULL;
}

static bool take_traits(struct message *message, const struct json *traits)
{
    struct item *item = message->item;
    uint32_t i = 0;

    if (!attributes_take(item, traits, message->around->arena, &message->unseen))
        return segment_full(message);
    for (const struct json *value = json_first(traits); value; value = json_next(traits, value), i++) {
        bool taken = take_opt_in(message, value);
        if (!taken && !take_system(message, value, &taken))
            return segment_full(message);
        item->attributes[i].dropped |= taken;
    }
    return true;
}

/* Some clients put the traits into the context only. */
bool segment_take_identify(struct message *message)
{
    struct item *item = message->item;
    const struct json *traits = message->traits;

    item->kind = ITEM_USER;
    if (item->beside.len > 0) {
        item->joins = item->beside;
        item->joins_by = JOINS_ANONYMOUS;
    }
    if (!traits && message->context)
        traits = json_member(message->context, STR("traits"));
    if (!traits || traits->kind == JSON_NULL)
        return true;
    if (traits->kind != JSON_OBJECT)
        return segment_refuse(message, STR("traits"), "must be an object");
    return take_traits(message, traits);
}

/* ---- Groups ---- */

/* The person's latest group: its id and its traits, two attributes of the person. */
bool segment_take_group(struct message *message)
{
    struct item *item = message->item;
    struct arena *arena = message->around->arena;
    struct attribute *made = ARENA_NEW(arena, struct attribute, 2);
    struct str id;

    item->kind = ITEM_USER;
    if (!message->group_id)
        return segment_refuse(message, STR("groupId"), "is missing");
    if (message->traits && message->traits->kind != JSON_OBJECT)
        return segment_refuse(message, STR("traits"), "must be an object");
    if (!segment_take_id(message, STR("groupId"), message->group_id, ATTRIBUTE_POINTS_MAX, &id))
        return false;
    if (!made || !attributes_take_one(item, message->group_id, arena, &message->unseen, &made[0]))
        return segment_full(message);
    if (message->group_id->kind == JSON_NUMBER) {
        made[0].raw = quoted(message->group_id->raw, arena);
        made[0].type = TYPE_STRING;
    }
    if (!made[0].raw.at)
        return segment_full(message);
    item->attributes = made;
    item->attribute_count = 1;
    if (!message->traits)
        return true;
    if (!attributes_take_one(item, message->traits, arena, &message->unseen, &made[1]))
        return segment_full(message);
    made[1].name = STR("groupTraits");
    item->attribute_count = 2;
    return true;
}

/* ---- Aliases ---- */

bool segment_take_alias(struct message *message)
{
    struct item *item = message->item;
    struct str previous;

    item->kind = ITEM_USER;
    if (item->id_kind != IDENTITY_CUID)
        return segment_refuse(message, STR("userId"), "is missing");
    if (!message->previous_id)
        return segment_refuse(message, STR("previousId"), "is missing");
    if (!segment_take_id(message, STR("previousId"), message->previous_id, IDENTITY_MAX_POINTS, &previous))
        return false;
    if (str_equal(previous, item->id))
        return true; /* nobody is joined to themselves */
    item->joins = previous;
    item->joins_by = JOINS_ALIAS;
    return true;
}

/* ---- The context ---- */

static const struct json *object_in(const struct json *object, struct str name)
{
    const struct json *member = object ? json_member(object, name) : NULL;

    return member && member->kind == JSON_OBJECT ? member : NULL;
}

/* Where tracking is limited, advertising ids are all zeros: everybody's. */
static bool is_nobodys(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] != '0' && value.at[i] != '-')
            return false;
    return true;
}

static bool take_finder(struct message *message, const struct json *value, enum identity_kind kind)
{
    struct item *item = message->item;
    struct str text = { NULL, 0 };

    if (!value || (value->kind != JSON_STRING && value->kind != JSON_NUMBER))
        return true;
    text = value->kind == JSON_STRING ? json_text(value, message->around->arena) : value->raw;
    if (!text.at)
        return segment_full(message);
    if (str_code_points(text) > FINDER_POINTS_MAX)
        return true;
    if (!is_nobodys(text))
        item->finders[item->finder_count++] = (struct finder){ kind, text };
    return true;
}

bool segment_take_context(struct message *message)
{
    static const struct {
        struct str name;
        enum identity_kind kind;
    } finders[FINDERS_MAX] = {
        { { "id", 2 }, IDENTITY_DEVICE },
        { { "advertisingId", 13 }, IDENTITY_ADVERTISING },
        { { "token", 5 }, IDENTITY_PUSH_TOKEN },
    };
    const struct json *contexts[] = { message->context, message->around->context };
    const struct json *device = NULL, *consent = NULL;

    for (size_t i = 0; i < COUNT_OF(contexts); i++) {
        device = device ? device : object_in(contexts[i], STR("device"));
        consent = consent ? consent : object_in(contexts[i], STR("consent"));
    }
    for (size_t i = 0; device && i < COUNT_OF(finders); i++)
        if (!take_finder(message, json_member(device, finders[i].name), finders[i].kind))
            return false;
    consent = object_in(consent, STR("categoryPreferences"));
    if (consent)
        message->item->said_consent = consent->raw;
    return true;
}
