/* See twins.h. */
#include "intake/twins.h"

#include <stdlib.h>

static bool stands_in(const struct json_twin *twin, struct str raw)
{
    return twin->at >= raw.at && twin->at < raw.at + raw.len;
}

bool twins_refuse(const struct json_twin *twin, struct error *error)
{
    if (twin->name.len > 100)
        return error_set(error, ERROR_INVALID, "a name stands twice in one object");
    return error_set(error, ERROR_INVALID, "%.*s: stands twice in one object", STR_ARG(twin->name));
}

static int by_place(const void *key, const void *element)
{
    const struct json_twin *twin = key;
    const struct item *item = element;

    return stands_in(twin, item->raw) ? 0 : twin->at < item->raw.at ? -1 : 1;
}

/* Found by halving, for a hostile body may hold very many of both. */
void twins_refuse_in(const struct json_twin *twin, struct item *items, uint32_t count)
{
    for (; twin; twin = twin->next) {
        struct item *item = bsearch(twin, items, count, sizeof *items, by_place);
        if (item && item->refused.code == ERROR_NONE)
            (void)twins_refuse(twin, &item->refused);
    }
}

bool twins_check_outside(const struct json_twin *twin, const struct json *list, struct error *error)
{
    for (; twin; twin = twin->next)
        if (!stands_in(twin, list->raw))
            return twins_refuse(twin, error);
    return true;
}
