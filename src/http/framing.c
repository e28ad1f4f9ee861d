/* See framing.h. Every byte is looked at only after it was found to lie inside the head. */
#include "http/framing.h"

static void refuse(struct framing *framing, const char *why)
{
    if (!framing->wrong)
        framing->wrong = why;
    framing->at = NULL;
}

/* RFC 9110, 5.6.2: what a method or a field name is made of. */
static bool is_token(struct str text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.len; i++) {
        char byte = text.at[i];
        bool is_alphanumeric =
            (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        if (!is_alphanumeric && !memchr(others, byte, sizeof(others) - 1))
            return false;
    }
    return text.len > 0;
}

/* RFC 9110, 5.5: no control character but the tab. */
static bool is_field_value(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return false;
    return true;
}

/* Room of at least `len` bytes between `from` and the end of the head. */
static bool is_inside(const struct framing *framing, const char *from, size_t len)
{
    uintptr_t at = (uintptr_t)from, end = (uintptr_t)framing->end;

    return at <= end && end - at >= len;
}

/* A line's text ends at `at`: CR LF, written over with two NULs, must follow. */
static void end_line(struct framing *framing, const char *at)
{
    if (is_inside(framing, at, 2) && at[0] == '\0' && at[1] == '\0')
        framing->at = at + 2;
    else
        refuse(framing, "a line of the head does not end with CR LF, is folded or holds a NUL");
}

void framing_begin(struct framing *framing, const char *method, struct str target, const char *version, size_t head_len)
{
    struct str word = str_of(method), protocol = str_of(version);

    *framing = (struct framing){ .end = method + head_len, .is_http_1_0 = str_equal(protocol, STR("HTTP/1.0")) };
    if ((uintptr_t)framing->end < (uintptr_t)method || !is_inside(framing, method, word.len + target.len + 2) ||
        version != method + word.len + target.len + 2) {
        refuse(framing, "the request line is not METHOD SP TARGET SP VERSION");
        return;
    }
    if (!is_token(word))
        refuse(framing, "the method is not a token");
    else if (target.len == 0 || !is_visible(target))
        refuse(framing, "the target holds a space, a control character or a byte that is not ASCII");
    else
        end_line(framing, version + protocol.len);
}

/* Digits only, and no more than a length can be: neither "+7" nor "7, 7" nor "". */
static void read_length(struct framing *framing, struct str value)
{
    framing->lengths++;
    if (!str_to_u64(value, &framing->content_length) || framing->content_length > INT64_MAX)
        refuse(framing, "Content-Length is not a number");
}

static void read_coding(struct framing *framing, struct str value)
{
    framing->codings++;
    framing->is_chunked = true;
    if (!str_equal_nocase(value, STR("chunked")))
        refuse(framing, "Transfer-Encoding must be chunked and nothing else");
}

/* RFC 9110, 7.2: a name and perhaps a port; user info, paths and lists are somebody's trick. */
static void read_host(struct framing *framing, struct str value)
{
    framing->hosts++;
    for (size_t i = 0; i < value.len; i++)
        if (memchr(" \t,/\\@?#", value.at[i], 8)) {
            refuse(framing, "Host is not a host name");
            return;
        }
}

static const struct {
    const char *name;
    void (*read)(struct framing *framing, struct str value);
} watched[] = {
    { "Content-Length", read_length },
    { "Transfer-Encoding", read_coding },
    { "Host", read_host },
};

/* True when `value` follows `name` in this line: a NUL where the colon was, then white space only. */
static bool value_follows(const struct framing *framing, struct str name, struct str value)
{
    const char *colon = name.at + name.len;

    if (!is_inside(framing, colon, 1) || (uintptr_t)value.at <= (uintptr_t)colon ||
        !is_inside(framing, value.at, value.len) || *colon != '\0')
        return false;
    for (const char *at = colon + 1; at < value.at; at++)
        if (*at != ' ' && *at != '\t')
            return false;
    return true;
}

void framing_header(struct framing *framing, struct str name, struct str value)
{
    if (framing->wrong)
        return;
    if (name.at != framing->at || !is_inside(framing, name.at, name.len) || !value_follows(framing, name, value)) {
        refuse(framing, "a line of the head does not end with CR LF, is folded or holds a NUL");
        return;
    }
    end_line(framing, value.at + value.len);
    if (!is_token(name))
        refuse(framing, "a header name is not a token, or white space stands before its colon");
    else if (!is_field_value(value))
        refuse(framing, "a header value holds a control character");
    for (size_t i = 0; i < COUNT_OF(watched) && !framing->wrong; i++)
        if (str_equal_nocase(name, str_of(watched[i].name)))
            watched[i].read(framing, str_trim(value));
}

const char *framing_end(struct framing *framing)
{
    if (framing->wrong)
        return framing->wrong;
    end_line(framing, framing->at);
    if (framing->at && framing->at != framing->end)
        refuse(framing, "the head does not end with an empty line");
    else if (framing->lengths > 1)
        refuse(framing, "there are two Content-Length headers");
    else if (framing->codings > 1)
        refuse(framing, "there are two Transfer-Encoding headers");
    else if (framing->lengths > 0 && framing->codings > 0)
        refuse(framing, "there are both Content-Length and Transfer-Encoding");
    else if (framing->codings > 0 && framing->is_http_1_0)
        refuse(framing, "HTTP/1.0 has no Transfer-Encoding");
    else if (framing->hosts > 1 || (framing->hosts == 0 && !framing->is_http_1_0))
        refuse(framing, "there must be one Host header");
    return framing->wrong;
}
