/* See twins.h. */
#include "intake/twins.h"

static bool stands_in(const struct json_twin *twin, const struct json *node)
{
    return twin->at >= node->raw.at && twin->at < node->raw.at + node->raw.len;
}

bool twins_refuse(const struct json_twin *twin, struct error *error)
{
    if (twin->name.len > 100)
        return error_set(error, ERROR_INVALID, "a name stands twice in one object");
    return error_set(error, ERROR_INVALID, "%.*s: stands twice in one object", STR_ARG(twin->name));
}

bool twins_refuse_in(const struct json_twin *twin, const struct json *node, struct error *error)
{
    for (; twin; twin = twin->next) {
        if (stands_in(twin, node)) {
            (void)twins_refuse(twin, error);
            return true;
        }
    }
    return false;
}

bool twins_check_outside(const struct json_twin *twin, const struct json *list, struct error *error)
{
    for (; twin; twin = twin->next)
        if (!stands_in(twin, list))
            return twins_refuse(twin, error);
    return true;
}
