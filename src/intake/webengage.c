/* Bodies, items and events, each in one pass: a table row a member; what has no row is ignored by name. Whose data it is
 * and what must not be missing is settled at the end of the pass. Values never enter an error's text. */
#include "intake/webengage.h"

#include "intake/attributes.h"
#include "intake/twins.h"
#include "intake/webengage_parts.h"

enum { MESSAGE_ID_MAX = 100, EVENT_NAME_POINTS_MAX = 50 };

bool webengage_refuse(struct translation *translation, struct str field, const char *what)
{
    return error_set(&translation->item->refused, ERROR_INVALID, "%.*s: %s", STR_ARG(field), what);
}

bool webengage_refuse_longer(struct translation *translation, struct str field, size_t points_max)
{
    return error_set(&translation->item->refused, ERROR_INVALID, "%.*s: must not be longer than %zu characters",
                     STR_ARG(field), points_max);
}

static bool set_full(struct error *error)
{
    return error_set(error, ERROR_TOO_LARGE, "the body needs more memory than a request may take");
}

bool webengage_full(struct translation *translation)
{
    return set_full(&translation->item->refused);
}

bool webengage_ignore(struct translation *translation, struct str field, const char *message)
{
    return ignored_add(translation->ignored, translation->arena, translation->item->index, false, field, message) ||
           webengage_full(translation);
}

bool webengage_is_longer(const struct json *string, size_t points_max)
{
    return string->raw.len - 2 > points_max && json_code_points(string) > points_max;
}

/* ---- Text and dates ---- */

/* A string of 1 to `points_max` code points, unescaped. */
static bool take_name(struct translation *translation, const struct json *value, size_t points_max, struct str *out)
{
    if (value->kind != JSON_STRING)
        return webengage_refuse(translation, value->name, "must be a string");
    if (value->raw.len == 2)
        return webengage_refuse(translation, value->name, "must not be empty");
    if (webengage_is_longer(value, points_max))
        return webengage_refuse_longer(translation, value->name, points_max);
    *out = json_text(value, translation->arena);
    return out->at || webengage_full(translation);
}

/* A point in time that is not more than a day ahead of us. */
bool webengage_take_time(struct translation *translation, struct str field, const struct json *value, int64_t *out)
{
    struct str text = STR("");

    if (value->kind == JSON_STRING)
        text = json_text(value, translation->arena);
    if (!text.at)
        return webengage_full(translation);
    if (!when_read(text, out))
        return webengage_refuse(translation, field, "cannot be read as a date");
    if (*out - WHEN_DAY > translation->received_ms)
        return webengage_refuse(translation, field, "is more than 24 hours ahead");
    return true;
}

/* ---- Members of both kinds ---- */

bool webengage_take_user_id(struct translation *translation, const struct json *value)
{
    translation->user_id = value;
    return true;
}

bool webengage_take_anonymous_id(struct translation *translation, const struct json *value)
{
    translation->anonymous_id = value;
    return true;
}

/* The User ID counts; an anonymous id beside it is neither looked at nor linked. */
bool webengage_settle_id(struct translation *translation)
{
    const struct json *value = translation->user_id ? translation->user_id : translation->anonymous_id;

    if (!value)
        return error_set(&translation->item->refused, ERROR_INVALID, "userId and anonymousId cannot be empty.");
    translation->item->id_kind = translation->user_id ? IDENTITY_CUID : IDENTITY_ANONYMOUS;
    return take_name(translation, value, IDENTITY_MAX_POINTS, &translation->item->id);
}

/* An object; null counts as absent. */
bool webengage_take_object(struct translation *translation, const struct json *value)
{
    if (value->kind == JSON_NULL)
        return true;
    if (value->kind != JSON_OBJECT)
        return webengage_refuse(translation, value->name, "must be an object");
    return attributes_take(translation->item, value, translation->arena, translation->ignored) ||
           webengage_full(translation);
}

/* ---- Events ---- */

static bool take_event_name(struct translation *translation, const struct json *value)
{
    struct str *name = &translation->item->event_name;

    if (!take_name(translation, value, EVENT_NAME_POINTS_MAX, name))
        return false;
    if (memchr(name->at, '\0', name->len))
        return webengage_refuse(translation, value->name, "must not contain NUL");
    return !str_starts(*name, STR("we_")) || webengage_refuse(translation, value->name, "must not start with we_");
}

static bool take_event_time(struct translation *translation, const struct json *value)
{
    return value->kind == JSON_NULL ||
           webengage_take_time(translation, value->name, value, &translation->item->occurred_ms);
}

static bool take_event_data(struct translation *translation, const struct json *value)
{
    if (value->kind == JSON_OBJECT)
        translation->item->event_data = value->raw;
    return webengage_take_object(translation, value);
}

/* A null is refused as well: its sender would believe that repeats are recognised. */
static bool take_message_id(struct translation *translation, const struct json *value)
{
    struct str *id = &translation->item->message_id;

    if (value->kind == JSON_STRING) {
        *id = json_text(value, translation->arena);
        if (!id->at)
            return webengage_full(translation);
    }
    if (id->len == 0 || id->len > MESSAGE_ID_MAX)
        return webengage_refuse(translation, value->name, "must be a string of 1 to 100 bytes");
    return true;
}

static const struct member event_members[] = {
    MEMBER("userId", webengage_take_user_id),
    MEMBER("eventName", take_event_name),
    MEMBER("eventTime", take_event_time),
    MEMBER("eventData", take_event_data),
    MEMBER("anonymousId", webengage_take_anonymous_id),
    MEMBER("messageId", take_message_id),
};

/* ---- Items ---- */

static bool take_event_member(struct translation *translation, const struct json *value)
{
    for (size_t i = 0; i < COUNT_OF(event_members); i++)
        if (str_equal(value->name, event_members[i].name))
            return event_members[i].take(translation, value);
    return webengage_ignore(translation, value->name, "unknown field");
}

static bool settle_event(struct translation *translation)
{
    if (!webengage_settle_id(translation))
        return false;
    return translation->item->event_name.len > 0 || webengage_refuse(translation, STR("eventName"), "is missing");
}

static bool take_item(struct translation *translation, const struct json *object)
{
    bool is_event = translation->item->kind == ITEM_EVENT;

    if (object->kind != JSON_OBJECT)
        return error_set(&translation->item->refused, ERROR_INVALID, "must be an object");
    for (const struct json *value = json_first(object); value; value = json_next(object, value))
        if (!(is_event ? take_event_member(translation, value) : webengage_take_user_member(translation, value)))
            return false;
    return is_event ? settle_event(translation) : webengage_settle_user(translation);
}

/* What a refused item would have lost is of no interest: it lost everything. */
static void forget_ignored(struct ignored_list *list, const struct ignored_list *before)
{
    *list = *before;
    *(list->end ? list->end : &list->first) = NULL;
}

/* False only when the arena is full. */
static bool translate(const struct json *object, int64_t received_ms, struct arena *arena, struct item *item,
                      struct ignored_list *ignored)
{
    const struct ignored_list before = *ignored;
    struct translation translation = { .received_ms = received_ms, .arena = arena, .ignored = ignored, .item = item };

    item->raw = object->raw;
    item->park_head = item->kind == ITEM_EVENT ? STR("e") : STR("u");
    item->occurred_ms = WHEN_NONE;
    item->consent.when_ms = WHEN_NONE;
    if (take_item(&translation, object))
        return true;
    forget_ignored(ignored, &before);
    return item->refused.code != ERROR_TOO_LARGE;
}

/* ---- Bodies ---- */

/* Finds the list of a bulk body; its other members are ignored. */
static const struct json *list_of(const struct json *body, struct str name, struct arena *arena,
                                  struct ignored_list *ignored, struct error *error)
{
    const struct json *list = NULL;

    for (const struct json *value = json_first(body); value; value = json_next(body, value)) {
        if (str_equal(value->name, name))
            list = value;
        else if (!ignored_add(ignored, arena, IGNORED_NO_INDEX, false, value->name, "unknown field")) {
            set_full(error);
            return NULL;
        }
    }
    if (!list || list->kind != JSON_ARRAY)
        error_set(error, ERROR_INVALID, "%.*s: %s", STR_ARG(name), list ? "must be an array" : "is missing");
    else if (list->count == 0)
        error_set(error, ERROR_INVALID, "%.*s: must not be empty", STR_ARG(name));
    else if (list->count > WEBENGAGE_BULK_MAX)
        error_set(error, ERROR_INVALID, "%.*s: must not hold more than 1,000", STR_ARG(name));
    else
        return list;
    return NULL;
}

static bool take_list(const struct webengage_call *call, const struct json *list, int64_t received_ms,
                      struct arena *arena, struct item *items, struct ignored_list *ignored)
{
    uint32_t index = 0;

    for (const struct json *node = json_first(list); node; node = json_next(list, node), index++) {
        items[index].kind = call->kind;
        items[index].index = index;
        items[index].raw = node->raw;
    }
    twins_refuse_in(call->twins, items, index);
    index = 0;
    for (const struct json *node = json_first(list); node; node = json_next(list, node), index++)
        if (items[index].refused.code == ERROR_NONE && !translate(node, received_ms, arena, &items[index], ignored))
            return false;
    return true;
}

static bool take_bulk(const struct webengage_call *call, const struct json *body, int64_t received_ms,
                      struct arena *arena, struct item **items, uint32_t *count, struct ignored_list *ignored,
                      struct error *error)
{
    const struct json *list =
        list_of(body, call->kind == ITEM_EVENT ? STR("events") : STR("users"), arena, ignored, error);

    if (!list || !twins_check_outside(call->twins, list, error))
        return false;
    struct item *made = ARENA_NEW(arena, struct item, list->count);
    if (!made || !take_list(call, list, received_ms, arena, made, ignored))
        return set_full(error);
    *items = made;
    *count = list->count;
    return true;
}

static bool take_single(const struct webengage_call *call, const struct json *body, int64_t received_ms,
                        struct arena *arena, struct item **items, uint32_t *count, struct ignored_list *ignored,
                        struct error *error)
{
    struct item *item = ARENA_NEW(arena, struct item, 1);

    if (!item)
        return set_full(error);
    if (call->twins)
        return twins_refuse(call->twins, error);
    item->kind = call->kind;
    (void)translate(body, received_ms, arena, item, ignored);
    if (item->refused.code != ERROR_NONE) {
        *error = item->refused;
        return false;
    }
    *items = item;
    *count = 1;
    return true;
}

bool webengage_items(const struct webengage_call *call, const struct json *body, int64_t received_ms,
                     struct arena *arena, struct item **items, uint32_t *count, struct ignored_list *ignored,
                     struct error *error)
{
    const struct ignored_list before = *ignored;
    bool ok;

    if (body->kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "the body must be a JSON object");
    ok = (call->bulk ? take_bulk : take_single)(call, body, received_ms, arena, items, count, ignored, error);
    if (!ok)
        forget_ignored(ignored, &before);
    return ok;
}
