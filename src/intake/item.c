/* What all dialects share about items: the list of what was not taken, and an event's data as it will be stored. */
#include "intake/item.h"

#include <assert.h>

#include "base/json_write.h"

bool ignored_add(struct ignored_list *list, struct arena *arena, uint32_t index, bool depends_on_held, struct str field,
                 const char *message)
{
    struct ignored *fresh;

    if (list->counts[depends_on_held] == IGNORED_MAX)
        return true;
    fresh = ARENA_NEW(arena, struct ignored, 1);
    if (!fresh)
        return false;
    list->counts[depends_on_held]++;
    *fresh = (struct ignored){
        .index = index, .depends_on_held = depends_on_held, .field = field, .message = str_of(message)
    };
    if (!list->end)
        list->end = &list->first;
    *list->end = fresh;
    list->end = &fresh->next;
    return true;
}

struct system_change *item_system(struct item *item, const struct profile_field *field, struct arena *arena)
{
    uint32_t at;

    if (!item->system)
        item->system = ARENA_NEW(arena, struct system_change, profile_field_count);
    if (!item->system)
        return NULL;
    for (at = 0; at < item->system_count; at++)
        if (item->system[at].field == field)
            return &item->system[at];
    for (at = item->system_count++; at > 0 && item->system[at - 1].field > field; at--)
        item->system[at] = item->system[at - 1];
    item->system[at] = (struct system_change){ .field = field };
    return &item->system[at];
}

static bool is_whole(const struct item *item)
{
    if (item->is_verbatim)
        return true;
    for (uint32_t i = 0; i < item->attribute_count; i++)
        if (item->attributes[i].dropped || item->attributes[i].cut)
            return false;
    return true;
}

static void write_attributes(const struct item *item, struct buf *buf)
{
    struct json_out out = json_out(buf);

    json_open_object(&out);
    for (uint32_t i = 0; i < item->attribute_count; i++)
        if (!item->attributes[i].dropped)
            json_put_raw(&out, item->attributes[i].name, item->attributes[i].raw);
    json_close_object(&out);
}

bool item_event_body(const struct item *item, struct arena *arena, struct str *out, struct error *error)
{
    /* Names are escaped minimally and values only get shorter, so what is made never outgrows what was sent. */
    size_t len_max = item->event_data.len;

    *out = item->event_data;
    if (is_whole(item))
        return true;
    char *made = arena_bytes(arena, len_max);
    *out = (struct str){ NULL, 0 };
    if (!made)
        return error_set(error, ERROR_TOO_LARGE, "the event needs more memory than a request may take");
    struct buf buf = { .at = made, .cap = len_max, .limit = len_max };
    write_attributes(item, &buf);
    assert(!buf.overflowed);
    arena_give_back(arena, made + buf.len, made + len_max);
    *out = buf_str(&buf);
    return true;
}
