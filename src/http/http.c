/* Helpers for handlers: reply headers, and decoding of what stands in a URL. */
#include "http/http.h"

#include <assert.h>

void http_reply_init(struct http_reply *reply, size_t body_max)
{
    *reply = (struct http_reply){ .status = 200 };
    buf_init(&reply->body, body_max);
}

void http_reply_header(struct http_reply *reply, struct str name, struct str value)
{
    assert(reply->header_count < COUNT_OF(reply->headers));
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count].value = value;
    reply->header_count++;
}

/* Decodes to memory of the arena; `plus` is what a '+' stands for. False on a malformed escape or a full arena. */
static bool decode(struct str text, char plus, struct arena *arena, struct str *out)
{
    char *fresh = text.len > 0 ? arena_bytes(arena, text.len) : NULL;
    size_t len = 0;

    *out = (struct str){ text.len > 0 ? NULL : "", 0 };
    if (text.len > 0 && !fresh)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];

        if (byte == '%') {
            if (text.len - i < 3 || !str_from_hex((struct str){ text.at + i + 1, 2 }, &byte, 1))
                return false;
            i += 2;
        } else if (byte == '+') {
            byte = (unsigned char)plus;
        }
        fresh[len++] = (char)byte;
    }
    if (text.len > 0)
        *out = (struct str){ fresh, len };
    return true;
}

bool http_query(const struct http_request *request, struct str name, struct str *out)
{
    struct str rest = request->query;

    *out = (struct str){ NULL, 0 };
    while (rest.len > 0) {
        struct str value = str_cut(&rest, '&');
        struct str encoded = str_cut(&value, '=');
        struct str decoded;

        if (!decode(encoded, ' ', request->arena, &decoded) || !str_equal(decoded, name))
            continue;
        (void)decode(value, ' ', request->arena, out); /* on failure `out` says so by its NULL */
        return true;
    }
    return false;
}

bool http_segment(struct str segment, struct arena *arena, struct str *out)
{
    return decode(segment, '+', arena, out);
}
