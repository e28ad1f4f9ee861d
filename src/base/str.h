/* Views of bytes that someone else owns. Text from outside is a `struct str` everywhere;
 * it becomes a C string only at a library's door. */
#ifndef HABEAS_BASE_STR_H
#define HABEAS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Passed by value; not NUL-terminated; `at` may be NULL where `len` is 0. */
struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For printf's "%.*s". */
#define STR_ARG(text) (int)(text).len, (text).at
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline struct str str_of(const char *text)
{
    return (struct str){ text, text ? strlen(text) : 0 };
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool str_starts(struct str text, struct str head)
{
    return text.len >= head.len && (head.len == 0 || memcmp(text.at, head.at, head.len) == 0);
}

/* Returns what stands before the first `mark` and leaves what follows it in `rest`. */
static inline struct str str_cut(struct str *rest, char mark)
{
    const char *found = rest->len > 0 ? memchr(rest->at, mark, rest->len) : NULL;
    size_t len = found ? (size_t)(found - rest->at) : rest->len;
    struct str head = { rest->at, len };

    if (rest->at)
        rest->at += len + (found != NULL);
    rest->len -= len + (found != NULL);
    return head;
}

/* Compares ASCII letters without case, as HTTP field names and schemes are compared. */
bool str_equal_nocase(struct str a, struct str b);
/* Without the ASCII spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str text);
/* An unsigned decimal of 1-20 digits and nothing else; false on anything else or past UINT64_MAX. */
bool str_to_u64(struct str text, uint64_t *out);
/* Hex (either case) to exactly `len` bytes; false unless text is 2*len hex digits. */
bool str_from_hex(struct str text, unsigned char *out, size_t len);
/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, nothing past U+10FFFF). */
bool str_is_utf8(struct str text);
/* Length of the longest head that is well-formed UTF-8: where the first wrong byte stands. */
size_t str_utf8_prefix(struct str text);
/* Code points of well-formed UTF-8. */
size_t str_code_points(struct str text);

#endif
