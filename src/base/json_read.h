/* JSON in (RFC 8259), strict and byte-faithful: simdjson finds the structure and checks UTF-8, this module checks
 * the grammar and hands out a flat tree whose values are slices of the input, so numbers keep their digits
 * and strings their escapes. Refused: duplicate names in one object, lone surrogates, NUL as \u0000 in a name,
 * more than JSON_DEPTH_MAX levels, anything behind the document, a byte-order mark. */
#ifndef HABEAS_BASE_JSON_READ_H
#define HABEAS_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 64
/* Bytes that must be readable (any content) behind the text given to json_read. */
#define JSON_PADDING 64

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value. Its children follow it directly; `span` nodes, itself included, belong to it,
 * so the next sibling is `node + node->span`. */
struct json {
    enum json_kind kind;
    uint32_t span;
    uint32_t count;  /* members or elements */
    struct str name; /* as a member: its name, unescaped; else empty */
    struct str raw;  /* the value as it stands in the input; strings with their quotes */
};

/* One parser holds simdjson's own buffers and is reused; one thread at a time. NULL when memory is out. */
struct json_parser;
struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *parser);

/* Parses `text` (which stays referenced) into nodes in `arena`. NULL with ERROR_INVALID that says what and where
 * (byte offset; never a name or value, as these may be personal), or ERROR_TOO_LARGE when the arena is full. */
const struct json *json_read(struct json_parser *parser, struct arena *arena, struct str text, struct error *error);

/* A name that stands twice in one object: where the second stands in the text, in no order. */
struct json_twin {
    struct json_twin *next;
    const char *at;
    struct str name; /* unescaped */
};
/* The same, but names that stand twice are listed in *twins instead of refused: for callers that refuse a part only. */
const struct json *json_read_twins(struct json_parser *parser, struct arena *arena, struct str text,
                                   struct json_twin **twins, struct error *error);

/* First child, and the one behind `child` inside `parent`; NULL at the end. */
const struct json *json_first(const struct json *parent);
const struct json *json_next(const struct json *parent, const struct json *child);
/* The member of an object with this name, or NULL. */
const struct json *json_member(const struct json *object, struct str name);
/* Text of a string, unescaped: a slice of the input where it has no escapes, else made in `arena`;
 * at == NULL only when the arena is full. The node must be JSON_STRING. */
struct str json_text(const struct json *string, struct arena *arena);
/* Code points of a string value, without unescaping it. */
size_t json_code_points(const struct json *string);
/* The raw string (with quotes) cut behind `max` code points, made in `arena` where it had to be cut. */
struct str json_cut(const struct json *string, size_t max, struct arena *arena);
/* A number that is a whole int64; false for fractions, exponents that leave a fraction, or out of range. */
bool json_to_i64(const struct json *number, int64_t *out);

#endif
