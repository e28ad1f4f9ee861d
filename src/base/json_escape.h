/* Escapes inside JSON strings (RFC 8259 section 7): checked once while reading, then trusted. */
#ifndef HABEAS_BASE_JSON_ESCAPE_H
#define HABEAS_BASE_JSON_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The escape that begins at `at` (a backslash) and must end by `end`; a surrogate pair is one escape.
 * Returns its length, or 0 when it is malformed or half a pair. */
size_t json_escape_check(const char *at, const char *end, uint32_t *code_point);
/* Length of a checked escape. */
size_t json_escape_length(const char *at);
/* Writes what stands between the quotes, with checked escapes resolved, to `out`, which has room for as many bytes.
 * Returns the length. */
size_t json_unescape(struct str inside, char *out);

#endif
