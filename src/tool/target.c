/* See target.h. */
#include "tool/target.h"

#include <string.h>

enum { TARGET_MAX_BYTES = 8 * 1024 };

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

void target_encode(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.at[i]))
            buf_add_byte(out, text.at[i]);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)text.at[i]);
    }
}

static bool end(struct tool_run *run, struct buf *target, struct str *out, struct error *error)
{
    *out = target->overflowed ? (struct str){ NULL, 0 } : arena_copy(&run->arena, buf_str(target));
    buf_clear(target);
    return out->at || error_set(error, ERROR_TOO_LARGE, "what was given is too long for a call");
}

static void add_license(const struct tool_run *run, struct buf *target)
{
    bool has_query = target->len > 0 && memchr(target->at, '?', target->len) != NULL;

    buf_add(target, has_query ? STR("&license=") : STR("?license="));
    target_encode(str_of(run->options.license), target);
}

bool target_make(struct tool_run *run, const char *head, struct str segment, struct str *out, struct error *error)
{
    struct buf target;

    buf_init(&target, TARGET_MAX_BYTES);
    buf_add(&target, str_of(head));
    target_encode(segment, &target);
    add_license(run, &target);
    return end(run, &target, out, error);
}

bool target_of_url(struct tool_run *run, struct str url, struct str *out, struct error *error)
{
    static const char *const schemes[] = { "http://", "https://" };
    struct buf target;
    struct str path = url;

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (!str_starts(url, str_of(schemes[i])))
            continue;
        path.at += strlen(schemes[i]);
        path.len -= strlen(schemes[i]);
        while (path.len > 0 && path.at[0] != '/') {
            path.at++;
            path.len--;
        }
    }
    if (!str_starts(path, STR("/")))
        return error_set(error, ERROR_INTERNAL, "the server named no place to fetch the document from");
    buf_init(&target, TARGET_MAX_BYTES);
    buf_add(&target, path);
    add_license(run, &target);
    return end(run, &target, out, error);
}
