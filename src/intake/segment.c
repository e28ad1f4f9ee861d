/* Messages and batches: members by a table, types by a table. Values never enter an error's text. */
#include "intake/segment.h"

#include <stddef.h>

#include "base/json_write.h"
#include "intake/attributes.h"
#include "intake/segment_parts.h"
#include "intake/twins.h"

enum { MESSAGE_ID_MAX = 100, EVENT_NAME_POINTS_MAX = 50 };

bool segment_refuse(struct message *message, struct str field, const char *what)
{
    return error_set(&message->item->refused, ERROR_INVALID, "%.*s: %s", STR_ARG(field), what);
}

static bool set_full(struct error *error)
{
    return error_set(error, ERROR_TOO_LARGE, "the body needs more memory than a request may take");
}

bool segment_full(struct message *message)
{
    return set_full(&message->item->refused);
}

/* ---- Ids ---- */

bool segment_take_id(struct message *message, struct str field, const struct json *value, size_t points_max,
                     struct str *out)
{
    if (value->kind != JSON_STRING && value->kind != JSON_NUMBER)
        return segment_refuse(message, field, "must be a string");
    *out = value->kind == JSON_STRING ? json_text(value, message->around->arena) : value->raw;
    if (!out->at)
        return segment_full(message);
    if (out->len == 0)
        return segment_refuse(message, field, "must not be empty");
    if (out->len > points_max && str_code_points(*out) > points_max)
        return error_set(&message->item->refused, ERROR_INVALID, "%.*s: must not be longer than %zu characters",
                         STR_ARG(field), points_max);
    return true;
}

/* An empty string names nobody. */
static const struct json *named(const struct json *id)
{
    return id && id->kind == JSON_STRING && id->raw.len == 2 ? NULL : id;
}

/* The User ID counts; the anonymous id beside it is only looked at. */
static bool take_ids(struct message *message)
{
    const struct json *user = named(message->user_id), *anonymous = named(message->anonymous_id);
    struct item *item = message->item;

    if (!user && !anonymous)
        return error_set(&item->refused, ERROR_INVALID, "userId and anonymousId are missing");
    item->id_kind = user ? IDENTITY_CUID : IDENTITY_ANONYMOUS;
    if (user && !segment_take_id(message, STR("userId"), user, IDENTITY_MAX_POINTS, &item->id))
        return false;
    return !anonymous || segment_take_id(message, STR("anonymousId"), anonymous, IDENTITY_MAX_POINTS,
                                         user ? &item->beside : &item->id);
}

/* Too long a one would never be recognised again. */
static bool take_message_id(struct message *message)
{
    struct str *id = &message->item->message_id;

    if (!named(message->message_id))
        return true;
    if (!segment_take_id(message, STR("messageId"), message->message_id, MESSAGE_ID_MAX, id))
        return false;
    return id->len <= MESSAGE_ID_MAX || segment_refuse(message, STR("messageId"), "must not be longer than 100 bytes");
}

/* ---- Times ---- */

static bool read_time(const struct message *message, const struct json *value, int64_t *out)
{
    struct str text = { NULL, 0 };

    if (value && value->kind == JSON_STRING)
        text = json_text(value, message->around->arena);
    return text.at && when_read(text, out);
}

/* Ours, beside `batch`: timestamps count as they stand. */
#define EXACT_TIMES STR("exactTimes")

/* The sender's clock may be wrong, but what it says of two of its own moments is right: how long before the sending it was.
 * Without both there is no telling, and the receipt counts. An archive's times are not corrected again. */
static void take_time(struct message *message)
{
    const struct surroundings *around = message->around;
    int64_t at = 0, sent = 0, latest = around->received_ms + WHEN_DAY;

    if (!read_time(message, message->timestamp, &at) && !read_time(message, message->original_timestamp, &at))
        return;
    if (around->exact_times) {
        message->item->occurred_ms = at > latest ? latest : at;
        return;
    }
    if (!read_time(message, message->sent_at, &sent) && !read_time(message, around->sent_at, &sent))
        return;
    at = around->received_ms - (sent - at);
    message->item->occurred_ms = at > latest ? latest : at;
}

/* ---- Events ---- */

static bool take_event_name(struct message *message)
{
    struct str *name = &message->item->event_name, field = STR("event");

    if (!message->event || message->event->kind != JSON_STRING)
        return segment_refuse(message, field, message->event ? "must be a string" : "is missing");
    if (!segment_take_id(message, field, message->event, EVENT_NAME_POINTS_MAX, name))
        return false;
    if (memchr(name->at, '\0', name->len))
        return segment_refuse(message, field, "must not contain NUL");
    return !str_starts(*name, STR("we_")) || segment_refuse(message, field, "must not start with we_");
}

/* Of the members, those that the properties do not say themselves. */
static void add_missing(const struct json *properties, const struct json *value, struct json_out *out)
{
    if (value && !(properties && json_member(properties, value->name)))
        json_put_raw(out, value->name, value->raw);
}

/* A page's name and category belong to its properties, whose own bytes stay. False when the arena is full. */
static bool add_page_members(struct message *message)
{
    const struct json *properties = message->properties, *members[] = { message->name, message->category };
    struct str data = properties ? properties->raw : STR("{}"), inside = { data.at + 1, data.len - 1 };
    size_t len_max = data.len + 32;
    struct buf buf;
    struct json_out out;

    for (size_t i = 0; i < COUNT_OF(members); i++)
        len_max += members[i] ? members[i]->raw.len : 0;
    buf = (struct buf){ .at = arena_bytes(message->around->arena, len_max), .cap = len_max, .limit = len_max };
    if (!buf.at)
        return false;
    out = json_out(&buf);
    json_open_object(&out);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        add_missing(properties, members[i], &out);
    if (out.needs_comma && properties && properties->count > 0)
        buf_add_byte(&buf, ',');
    buf_add(&buf, inside);
    arena_give_back(message->around->arena, buf.at + buf.len, buf.at + len_max);
    message->item->event_data = buf_str(&buf);
    return !buf.overflowed;
}

/* The context of the batch lies under that of the message: what both say, the message says. */
static bool take_event_context(struct message *message)
{
    const struct json *own = message->context, *common = message->around->context;
    struct str *context = &message->item->event_context;
    size_t len_max = own && common ? own->raw.len + common->raw.len : 0;
    struct buf buf;
    struct json_out out;

    if (!own || !common) {
        *context = own ? own->raw : common ? common->raw : STR("");
        return true;
    }
    buf = (struct buf){ .at = arena_bytes(message->around->arena, len_max), .cap = len_max, .limit = len_max };
    if (!buf.at)
        return false;
    out = json_out(&buf);
    json_open_object(&out);
    for (const struct json *member = json_first(own); member; member = json_next(own, member))
        json_put_raw(&out, member->name, member->raw);
    for (const struct json *member = json_first(common); member; member = json_next(common, member))
        add_missing(own, member, &out);
    json_close_object(&out);
    arena_give_back(message->around->arena, buf.at + buf.len, buf.at + len_max);
    *context = buf_str(&buf);
    return !buf.overflowed;
}

/* Data is kept as it came; what breaks a rule for attributes is only not learned as one. */
static bool take_event(struct message *message)
{
    struct item *item = message->item;

    item->kind = ITEM_EVENT;
    item->is_verbatim = true;
    if (message->properties && message->properties->kind != JSON_OBJECT)
        return segment_refuse(message, STR("properties"), "must be an object");
    if (!take_event_context(message))
        return segment_full(message);
    if (!message->properties)
        return true;
    item->event_data = message->properties->raw;
    return attributes_take(item, message->properties, message->around->arena, &message->unseen) ||
           segment_full(message);
}

static bool take_track(struct message *message)
{
    return take_event_name(message) && take_event(message);
}

static bool take_view(struct message *message, struct str name)
{
    message->item->event_name = name;
    if (!take_event(message))
        return false;
    return (!message->name && !message->category) || add_page_members(message) || segment_full(message);
}

static bool take_page(struct message *message)
{
    return take_view(message, STR("Page Viewed"));
}

static bool take_screen(struct message *message)
{
    return take_view(message, STR("Screen Viewed"));
}

/* ---- Messages ---- */

static const struct type_row {
    struct str name;
    char letter; /* where it is parked */
    bool (*take)(struct message *message);
} types[SEGMENT_TYPES] = {
    [SEGMENT_BATCH] = { { "", 0 }, '-', NULL },
    [SEGMENT_TRACK] = { { "track", 5 }, 't', take_track },
    [SEGMENT_PAGE] = { { "page", 4 }, 'p', take_page },
    [SEGMENT_SCREEN] = { { "screen", 6 }, 's', take_screen },
    [SEGMENT_IDENTIFY] = { { "identify", 8 }, 'i', segment_take_identify },
    [SEGMENT_GROUP] = { { "group", 5 }, 'g', segment_take_group },
    [SEGMENT_ALIAS] = { { "alias", 5 }, 'a', segment_take_alias },
};

#define MEMBER(literal, where)                                                                                         \
    {                                                                                                                  \
        { literal, sizeof(literal) - 1 }, offsetof(struct message, where)                                              \
    }
static const struct {
    struct str name;
    size_t offset;
} members[] = {
    MEMBER("type", type),
    MEMBER("event", event),
    MEMBER("userId", user_id),
    MEMBER("anonymousId", anonymous_id),
    MEMBER("messageId", message_id),
    MEMBER("properties", properties),
    MEMBER("traits", traits),
    MEMBER("context", context),
    MEMBER("timestamp", timestamp),
    MEMBER("originalTimestamp", original_timestamp),
    MEMBER("sentAt", sent_at),
    MEMBER("name", name),
    MEMBER("category", category),
    MEMBER("groupId", group_id),
    MEMBER("previousId", previous_id),
};

/* Members without a row (integrations, version, channel, _metadata, ...) are the sender's own business. */
static void find_members(struct message *message, const struct json *object)
{
    for (const struct json *value = json_first(object); value; value = json_next(object, value))
        for (size_t i = 0; i < COUNT_OF(members) && value->kind != JSON_NULL; i++)
            if (str_equal(value->name, members[i].name))
                *(const struct json **)(void *)((char *)message + members[i].offset) = value;
}

static const struct type_row *type_of(struct message *message, enum segment_type type)
{
    struct str name = { NULL, 0 };

    if (type != SEGMENT_BATCH)
        return &types[type];
    if (message->type && message->type->kind == JSON_STRING)
        name = json_text(message->type, message->around->arena);
    for (size_t i = SEGMENT_TRACK; i < SEGMENT_TYPES; i++)
        if (str_equal(name, types[i].name))
            return &types[i];
    return NULL;
}

static bool take_message(struct message *message, const struct json *object, enum segment_type type)
{
    const struct type_row *row;

    if (object->kind != JSON_OBJECT)
        return error_set(&message->item->refused, ERROR_INVALID, "must be an object");
    if (object->raw.len > SEGMENT_MESSAGE_MAX_BYTES)
        return error_set(&message->item->refused, ERROR_INVALID, "a message must not be larger than 32 KB");
    find_members(message, object);
    row = type_of(message, type);
    if (!row)
        return segment_refuse(message, STR("type"), "is missing or unknown");
    if (message->context && message->context->kind != JSON_OBJECT)
        return segment_refuse(message, STR("context"), "must be an object");
    take_time(message);
    return take_ids(message) && take_message_id(message) && segment_take_context(message) && row->take(message);
}

/* False only when the arena is full. */
static bool translate(const struct surroundings *around, const struct json *object, enum segment_type type,
                      struct item *item)
{
    struct message message = { .around = around, .item = item };

    item->raw = object->raw;
    item->park_head = around->park_head;
    item->park_tail = around->park_tail;
    item->occurred_ms = WHEN_NONE;
    item->consent.when_ms = WHEN_NONE;
    return take_message(&message, object, type) || item->refused.code != ERROR_TOO_LARGE;
}

/* ---- Bodies ---- */

/* A message of a batch is parked as a batch of one. */
static bool make_park_head(struct surroundings *around)
{
    const struct str names[] = { STR("sentAt"), STR("context"), EXACT_TIMES };
    const struct json *values[] = { around->sent_at, around->context, around->exact_times };
    size_t len_max = 64;
    struct buf buf;
    struct json_out out;

    for (size_t i = 0; i < COUNT_OF(values); i++)
        len_max += values[i] ? values[i]->raw.len : 0;
    buf = (struct buf){ .at = arena_bytes(around->arena, len_max), .cap = len_max, .limit = len_max };
    if (!buf.at)
        return false;
    buf_add(&buf, STR("s-"));
    out = json_out(&buf);
    json_open_object(&out);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        if (values[i])
            json_put_raw(&out, names[i], values[i]->raw);
    json_name(&out, STR("batch"));
    buf_add_byte(&buf, '[');
    around->park_head = buf_str(&buf);
    around->park_tail = STR("]}");
    return !buf.overflowed;
}

static const struct json *list_of(const struct json *body, struct surroundings *around, struct error *error)
{
    const struct json *list = json_member(body, STR("batch"));
    const struct json *context = json_member(body, STR("context"));

    if (!list || list->kind != JSON_ARRAY)
        (void)error_set(error, ERROR_INVALID, "batch: %s", list ? "must be an array" : "is missing");
    else if (list->count > SEGMENT_BATCH_MAX)
        (void)error_set(error, ERROR_INVALID, "batch: must not hold more than 2,500");
    else if (body->raw.len > SEGMENT_BATCH_MAX_BYTES)
        (void)error_set(error, ERROR_INVALID, "batch: must not be larger than 500 KB");
    else if (context && context->kind == JSON_OBJECT && context->raw.len > SEGMENT_MESSAGE_MAX_BYTES)
        (void)error_set(error, ERROR_INVALID, "context: must not be larger than 32 KB");
    if (error->code != ERROR_NONE)
        return NULL;
    const struct json *exact = json_member(body, EXACT_TIMES);
    around->exact_times = exact && exact->kind == JSON_TRUE ? exact : NULL;
    around->sent_at = json_member(body, STR("sentAt"));
    around->context = context && context->kind == JSON_OBJECT ? context : NULL;
    return list;
}

static bool take_batch(const struct segment_call *call, const struct json *body, struct surroundings *around,
                       struct item **items, uint32_t *count, struct error *error)
{
    const struct json *list = list_of(body, around, error);
    uint32_t index = 0;

    if (!list || !twins_check_outside(call->twins, list, error))
        return false;
    struct item *made = ARENA_NEW(around->arena, struct item, list->count ? list->count : 1);
    if (!made || !make_park_head(around))
        return set_full(error);
    for (const struct json *node = json_first(list); node; node = json_next(list, node), index++) {
        made[index].index = index;
        made[index].kind = ITEM_EVENT; /* unless it turns out to be another */
        made[index].raw = node->raw;
    }
    twins_refuse_in(call->twins, made, index);
    index = 0;
    for (const struct json *node = json_first(list); node; node = json_next(list, node), index++)
        if (made[index].refused.code == ERROR_NONE && !translate(around, node, SEGMENT_BATCH, &made[index]))
            return set_full(error);
    *items = made;
    *count = list->count;
    return true;
}

static bool take_single(const struct segment_call *call, const struct json *body, struct surroundings *around,
                        struct item **items, uint32_t *count, struct error *error)
{
    struct item *item = ARENA_NEW(around->arena, struct item, 1);
    char *head = arena_bytes(around->arena, 2);

    if (!item || !head)
        return set_full(error);
    if (call->twins)
        return twins_refuse(call->twins, error);
    head[0] = 's';
    head[1] = types[call->type].letter;
    around->park_head = (struct str){ head, 2 };
    around->park_tail = STR("");
    (void)translate(around, body, call->type, item);
    if (item->refused.code != ERROR_NONE) {
        *error = item->refused;
        return false;
    }
    *items = item;
    *count = 1;
    return true;
}

bool segment_items(const struct segment_call *call, const struct json *body, int64_t received_ms, struct arena *arena,
                   struct item **items, uint32_t *count, struct error *error)
{
    struct surroundings *around = ARENA_NEW(arena, struct surroundings, 1);

    if (!around)
        return set_full(error);
    if (body->kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "the body must be a JSON object");
    around->received_ms = received_ms;
    around->arena = arena;
    return (call->type == SEGMENT_BATCH ? take_batch : take_single)(call, body, around, items, count, error);
}

bool segment_parked(struct json_parser *parser, struct str text, int64_t received_ms, struct arena *arena,
                    struct item **items, uint32_t *count, struct error *error)
{
    struct segment_call call = { .type = SEGMENT_BATCH };
    const struct json *body;

    while (call.type < SEGMENT_TYPES && text.len > 0 && text.at[0] != types[call.type].letter)
        call.type++;
    if (text.len == 0 || call.type == SEGMENT_TYPES)
        return error_set(error, ERROR_CORRUPT, "a parked item is of no known type");
    body = json_read(parser, arena, (struct str){ text.at + 1, text.len - 1 }, error);
    return body && segment_items(&call, body, received_ms, arena, items, count, error);
}
