/* One pass over the members of an object. Events come here most often, so nothing is copied and each member costs one
 * look at its name and one at its value. */
#include "intake/attributes.h"

/* Shorter or longer text is no full date and time, so most strings are not looked at twice. */
enum { DATE_MIN = 20, DATE_MAX = 100 };

struct taking {
    struct item *item;
    struct arena *arena;
    struct ignored_list *ignored;
    uint32_t per_type[NAME_TYPES];
    size_t trees_len; /* arrays and objects together */
};

static const char *name_fault(struct str name)
{
    if (name.len == 0)
        return "a name must not be empty";
    if (str_starts(name, STR("we_")))
        return "names that start with we_ are reserved";
    if (name.len > NAME_MAX_POINTS && str_code_points(name) > NAME_MAX_POINTS)
        return "a name must not be longer than 50 characters";
    return NULL;
}

/* at NULL in *text when the arena is full. */
static bool is_date(const struct json *string, struct arena *arena, struct str *text)
{
    char first = string->raw.at[1];
    int64_t ms;

    *text = STR("");
    if (string->raw.len < DATE_MIN + 2 || string->raw.len > DATE_MAX ||
        !((first >= '0' && first <= '9') || first == '\\'))
        return false;
    *text = json_text(string, arena);
    return text->at && when_read(*text, &ms);
}

static bool type_of(const struct json *value, struct arena *arena, enum name_type *out)
{
    static const enum name_type types[] = {
        [JSON_NULL] = TYPE_NONE,     [JSON_FALSE] = TYPE_BOOLEAN, [JSON_TRUE] = TYPE_BOOLEAN,
        [JSON_NUMBER] = TYPE_NUMBER, [JSON_STRING] = TYPE_STRING, [JSON_ARRAY] = TYPE_ARRAY,
        [JSON_OBJECT] = TYPE_OBJECT,
    };
    struct str text = STR("");

    *out = types[value->kind];
    if (value->kind == JSON_STRING && is_date(value, arena, &text))
        *out = TYPE_DATE;
    return text.at != NULL;
}

/* Levels of arrays and objects in the value, itself included. */
static size_t depth_of(const struct json *tree)
{
    const struct json *ends[JSON_DEPTH_MAX];
    size_t depth = 0, deepest = 0;

    for (const struct json *node = tree; node < tree + tree->span; node++) {
        while (depth > 0 && node >= ends[depth - 1])
            depth--;
        if (node->kind == JSON_ARRAY || node->kind == JSON_OBJECT)
            ends[depth++] = node + node->span;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* In a profile a value stands deeper than it was sent, and must still be read. */
static const char *depth_fault(const struct json *value)
{
    bool is_deep = value->span > ATTRIBUTE_DEPTH_MAX && depth_of(value) > ATTRIBUTE_DEPTH_MAX;

    return is_deep ? "maps and arrays must not have more than 60 levels" : NULL;
}

/* Counts the value; says why when there are too many of its type in this event, or they are too large. */
static const char *count_fault(struct taking *taking, enum name_type type, size_t len)
{
    if (type == TYPE_NONE)
        return NULL;
    if (type == TYPE_ARRAY || type == TYPE_OBJECT) {
        if (len > PROFILE_TREES_MAX - taking->trees_len)
            return "maps and arrays together must not be over 16 KB";
        taking->trees_len += len;
        return NULL;
    }
    if (taking->per_type[type] == PROFILE_PER_TYPE_MAX)
        return "an event holds at most 25 attributes of a type";
    taking->per_type[type]++;
    return NULL;
}

struct str attributes_cut(const struct json *string, size_t points_max, struct arena *arena, bool *cut)
{
    struct str raw = json_cut(string, points_max, arena);

    *cut = raw.at != string->raw.at;
    return raw;
}

static const char *digits_fault(const struct json *value)
{
    bool is_long = value->kind == JSON_NUMBER && value->raw.len > ATTRIBUTE_DIGITS_MAX;

    return is_long ? "a number must not be longer than 1,000 characters" : NULL;
}

static bool note(struct taking *taking, struct str name, const char *message)
{
    return ignored_add(taking->ignored, taking->arena, taking->item->index, false, name, message);
}

static bool take_one(struct taking *taking, const struct json *value, struct attribute *out)
{
    const char *fault = name_fault(value->name);

    out->name = value->name;
    out->raw = value->raw;
    if (!type_of(value, taking->arena, &out->type))
        return false;
    if (!fault)
        fault = digits_fault(value);
    if (!fault)
        fault = taking->item->kind == ITEM_EVENT ? count_fault(taking, out->type, value->raw.len) : depth_fault(value);
    out->dropped = fault != NULL;
    if (fault)
        return note(taking, value->name, fault);
    if (value->kind != JSON_STRING)
        return true;
    out->raw = attributes_cut(value, ATTRIBUTE_POINTS_MAX, taking->arena, &out->cut);
    return out->raw.at && (!out->cut || note(taking, value->name, ATTRIBUTES_CUT_MESSAGE));
}

bool attributes_take_one(struct item *item, const struct json *value, struct arena *arena, struct ignored_list *ignored,
                         struct attribute *out)
{
    struct taking taking = { .item = item, .arena = arena, .ignored = ignored };

    return take_one(&taking, value, out);
}

bool attributes_take(struct item *item, const struct json *object, struct arena *arena, struct ignored_list *ignored)
{
    struct taking taking = { .item = item, .arena = arena, .ignored = ignored };
    uint32_t count = 0;

    if (object->count == 0)
        return true;
    item->attributes = ARENA_NEW(arena, struct attribute, object->count);
    if (!item->attributes)
        return false;
    for (const struct json *value = json_first(object); value; value = json_next(object, value))
        if (!take_one(&taking, value, &item->attributes[count++]))
            return false;
    item->attribute_count = count;
    return true;
}
