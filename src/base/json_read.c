/* The grammar of JSON over simdjson's index, without recursion: every step looks at the next mark and at the innermost
 * open container. Strings are not walked byte by byte: the index tells where one begins and what comes next, and a
 * cursor to the next backslash in the whole text tells which of them hold escapes. */
#include "base/json_read.h"

#include <assert.h>
#include <endian.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/json_escape.h"
#include "base/json_shim.h"

/* Up to so many members, names are compared with each other as they come; larger objects are sorted once. */
enum { NAMES_COMPARED = 16 };

struct json_parser {
    struct json_shim *shim;
};

/* A container that is still open. `tags` are digests of its first names: different tags, different names. */
struct level {
    struct json *node;
    uint64_t tags[NAMES_COMPARED];
};

struct reading {
    const char *text, *end;
    const uint32_t *index; /* [count] is the length of the text */
    size_t next, count;
    const char *backslash; /* the next one, or `end` */
    struct json *nodes;
    size_t node_count, node_max;
    char *nodes_end; /* of their memory */
    struct level *levels;
    size_t depth;
    struct arena *arena;
    struct error *error;
    struct json_twin **twins; /* NULL: refused */
};

struct json_parser *json_parser_new(void)
{
    struct json_parser *parser = calloc(1, sizeof(*parser));

    if (!parser)
        return NULL;
    parser->shim = json_shim_new();
    if (!parser->shim) {
        free(parser);
        return NULL;
    }
    return parser;
}

void json_parser_free(struct json_parser *parser)
{
    if (!parser)
        return;
    json_shim_free(parser->shim);
    free(parser);
}

static bool fail(const struct reading *reading, const char *at, const char *what)
{
    return error_set(reading->error, ERROR_INVALID, "JSON: %s at byte %zu", what, (size_t)(at - reading->text));
}

static bool fail_next(const struct reading *reading, const char *what)
{
    return fail(reading, reading->text + reading->index[reading->next], what);
}

static bool fail_full(const struct reading *reading)
{
    return error_set(reading->error, ERROR_TOO_LARGE, "JSON: the text needs more memory than a request may take");
}

/* The next mark, or NUL at the end: no grammar allows a NUL, so a real one fails as well. */
static char next_mark(const struct reading *reading)
{
    return reading->next < reading->count ? reading->text[reading->index[reading->next]] : '\0';
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* ---- Strings and names ---- */

/* Checks every escape of a string that has some, and leaves the cursor behind the string. */
static bool check_escapes(struct reading *reading, const char *close, bool is_name)
{
    const char *at = reading->backslash;

    while (at) {
        uint32_t code_point = 0;
        size_t len = json_escape_check(at, close, &code_point);

        if (len == 0)
            return fail(reading, at, "an escape is malformed or half a surrogate pair");
        if (is_name && code_point == 0)
            return fail(reading, at, "a name holds NUL");
        at = memchr(at + len, '\\', (size_t)(close - at) - len);
    }
    at = memchr(close, '\\', (size_t)(reading->end - close));
    reading->backslash = at ? at : reading->end;
    return true;
}

/* Takes the string that stands next, with its quotes. Between its end and the next mark there is only white space. */
static inline bool take_string(struct reading *reading, struct str *raw, bool is_name, bool *escaped)
{
    const char *start = reading->text + reading->index[reading->next];
    const char *end = reading->text + reading->index[++reading->next];

    while (end > start && is_space(end[-1]))
        end--;
    if (end - start < 2 || end[-1] != '"')
        return fail(reading, start, "a string does not end");
    *raw = (struct str){ start, (size_t)(end - start) };
    *escaped = reading->backslash < end;
    return !*escaped || check_escapes(reading, end - 1, is_name);
}

static struct str unescaped_name(struct reading *reading, struct str inside)
{
    /* Eight bytes more: name_tag reads whole words. */
    char *made = arena_bytes(reading->arena, inside.len + 8);

    if (!made)
        return (struct str){ NULL, 0 };
    size_t len = json_unescape(inside, made);
    memset(made + len, 0, inside.len + 8 - len);
    return (struct str){ made, len };
}

static uint64_t load_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

/* A digest of head, tail and length. At least eight bytes behind the name's first are readable. */
static uint64_t name_tag(struct str name)
{
    uint64_t head = load_word(name.at);

    if (name.len < 8)
        return (head & ((UINT64_C(1) << (8 * name.len)) - 1)) + ((uint64_t)name.len << 56);
    uint64_t tail = load_word(name.at + name.len - 8);
    return head + (tail << 9 | tail >> 55) + ((uint64_t)name.len << 56);
}

/* Whether a member before `place` whose tag is the same has the same name indeed. */
static bool name_stands_at(const struct json *object, size_t place, struct str name)
{
    const struct json *member = object + 1;

    while (place-- > 0)
        member += member->span;
    return str_equal(member->name, name);
}

/* Refused, or listed where the caller wants to know. */
static bool take_twin(struct reading *reading, const char *at, struct str name)
{
    struct json_twin *twin;

    if (!reading->twins)
        return fail(reading, at, "duplicate name");
    twin = ARENA_NEW(reading->arena, struct json_twin, 1);
    if (!twin)
        return fail_full(reading);
    *twin = (struct json_twin){ *reading->twins, at, name };
    *reading->twins = twin;
    return true;
}

static bool is_new_name(struct level *level, struct str name)
{
    size_t count = level->node->count;

    if (count >= NAMES_COMPARED)
        return true;
    uint64_t tag = name_tag(name);
    level->tags[count] = tag;
    for (size_t i = 0; i < count; i++)
        if (level->tags[i] == tag && name_stands_at(level->node, i, name))
            return false;
    return true;
}

static bool take_name(struct reading *reading, struct level *level, struct str *name)
{
    const char *start = reading->text + reading->index[reading->next];
    struct str raw = { NULL, 0 };
    bool escaped = false;

    if (next_mark(reading) != '"')
        return fail_next(reading, level->node->count > 0 ? "a name is missing" : "a name or '}' is missing");
    if (!take_string(reading, &raw, true, &escaped))
        return false;
    *name = (struct str){ raw.at + 1, raw.len - 2 };
    if (escaped)
        *name = unescaped_name(reading, *name);
    if (!name->at)
        return fail_full(reading);
    if (!is_new_name(level, *name) && !take_twin(reading, start, *name))
        return false;
    if (next_mark(reading) != ':')
        return fail_next(reading, "':' is missing");
    reading->next++;
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct json *a = *(const struct json *const *)left, *b = *(const struct json *const *)right;
    int order = a->name.len == b->name.len ? memcmp(a->name.at, b->name.at, a->name.len) : 0;

    if (a->name.len != b->name.len)
        return a->name.len < b->name.len ? -1 : 1;
    /* Of two equal names the later comes second. */
    return order != 0 ? order : a < b ? -1 : 1;
}

/* Where the name of a member stands in the text: two marks before its value. */
static const char *name_position(const struct reading *reading, const struct json *member)
{
    uint32_t value = (uint32_t)(member->raw.at - reading->text);
    size_t low = 0, high = reading->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (reading->index[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    return reading->text + reading->index[low - 2];
}

/* Names are anybody's choice, so a large object costs n log n whatever they are. */
static bool check_many_names(struct reading *reading, const struct json *object)
{
    const struct json **members = ARENA_NEW(reading->arena, const struct json *, object->count);
    const struct json *member = object + 1;

    if (!members)
        return fail_full(reading);
    for (size_t i = 0; i < object->count; i++, member += member->span)
        members[i] = member;
    qsort(members, object->count, sizeof(*members), compare_names);
    for (size_t i = 1; i < object->count; i++)
        if (str_equal(members[i - 1]->name, members[i]->name) &&
            !take_twin(reading, name_position(reading, members[i]), members[i]->name))
            return false;
    return true;
}

/* ---- Values ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* The end of the number that begins at `at`, or NULL (RFC 8259 section 6). */
static const char *number_end(const char *at, const char *end)
{
    const char *digits;

    at += *at == '-';
    digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at > digits + 1))
        return NULL;
    if (at < end && *at == '.') {
        digits = ++at;
        at = skip_digits(at, end);
        if (at == digits)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        digits = at;
        at = skip_digits(at, end);
        if (at == digits)
            return NULL;
    }
    return at;
}

static const char *word_end(const char *at, const char *end, struct str word)
{
    return str_starts((struct str){ at, (size_t)(end - at) }, word) ? at + word.len : NULL;
}

/* A number, true, false or null. Whatever clings to it (1x, true"a") has no mark of its own: it is seen here. */
static bool take_scalar(struct reading *reading, struct json *node)
{
    const char *start = node->raw.at, *end = reading->text + reading->index[++reading->next], *stop = NULL;

    switch (*start) {
    case 't':
        node->kind = JSON_TRUE;
        stop = word_end(start, end, STR("true"));
        break;
    case 'f':
        node->kind = JSON_FALSE;
        stop = word_end(start, end, STR("false"));
        break;
    case 'n':
        node->kind = JSON_NULL;
        stop = word_end(start, end, STR("null"));
        break;
    default:
        node->kind = JSON_NUMBER;
        if (is_digit(*start) || *start == '-')
            stop = number_end(start, end);
    }
    if (!stop || (stop < end && !is_space(*stop)))
        return fail(reading, start, "a value is missing or malformed");
    node->raw.len = (size_t)(stop - start);
    return true;
}

static bool open_container(struct reading *reading, struct json *node, enum json_kind kind)
{
    if (reading->depth == JSON_DEPTH_MAX)
        return fail(reading, node->raw.at, "too many levels");
    node->kind = kind;
    reading->levels[reading->depth++].node = node;
    reading->next++;
    return true;
}

static bool close_container(struct reading *reading, struct json *node)
{
    const char *close = reading->text + reading->index[reading->next++];

    node->raw.len = (size_t)(close + 1 - node->raw.at);
    node->span = (uint32_t)(reading->nodes + reading->node_count - node);
    reading->depth--;
    return node->kind != JSON_OBJECT || node->count <= NAMES_COMPARED || check_many_names(reading, node);
}

static inline bool take_value(struct reading *reading, struct str name)
{
    struct json *node = &reading->nodes[reading->node_count];
    bool escaped = false;

    if (reading->next == reading->count)
        return fail_next(reading, "a value is missing");
    assert(reading->node_count < reading->node_max);
    reading->node_count++;
    *node = (struct json){ .span = 1, .name = name, .raw = { reading->text + reading->index[reading->next], 0 } };
    switch (*node->raw.at) {
    case '"':
        node->kind = JSON_STRING;
        return take_string(reading, &node->raw, false, &escaped);
    case '{':
        return open_container(reading, node, JSON_OBJECT);
    case '[':
        return open_container(reading, node, JSON_ARRAY);
    default:
        return take_scalar(reading, node);
    }
}

/* The next member or element of the innermost container, or its end. */
static inline bool take_step(struct reading *reading, struct level *level)
{
    struct json *node = level->node;
    bool is_object = node->kind == JSON_OBJECT;
    char mark = next_mark(reading);
    struct str name = { NULL, 0 };

    if (mark == (is_object ? '}' : ']'))
        return close_container(reading, node);
    if (node->count > 0) {
        if (mark != ',')
            return fail_next(reading, is_object ? "',' or '}' is missing" : "',' or ']' is missing");
        reading->next++;
    }
    if (is_object && !take_name(reading, level, &name))
        return false;
    node->count++;
    return take_value(reading, name);
}

static bool take_document(struct reading *reading)
{
    bool ok = take_value(reading, (struct str){ NULL, 0 });

    while (ok && reading->depth > 0)
        ok = take_step(reading, &reading->levels[reading->depth - 1]);
    if (ok && reading->next < reading->count)
        return fail_next(reading, "something follows the document");
    return ok;
}

/* ---- The whole text ---- */

/* Says where and why simdjson refused the text. Rare, so it is found by looking again. */
static bool explain_malformed(const struct reading *reading)
{
    struct str text = { reading->text, (size_t)(reading->end - reading->text) };
    const char *bad = text.at + str_utf8_prefix(text), *quote = NULL;

    for (const char *at = text.at; at < bad; at++) {
        if (*at == '"')
            quote = quote ? NULL : at;
        else if (quote && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        else if (quote && (unsigned char)*at < 0x20)
            return fail(reading, at, "a control character in a string");
    }
    if (bad < reading->end)
        return fail(reading, bad, "a byte is not UTF-8");
    return fail(reading, quote ? quote : reading->text, quote ? "a string does not end" : "not JSON");
}

static bool scan(struct json_parser *parser, struct reading *reading)
{
    struct json_index index = { 0 };

    switch (json_shim_scan(parser->shim, reading->text, (size_t)(reading->end - reading->text), &index)) {
    case JSON_SHIM_OK:
        reading->index = index.at;
        reading->count = index.count;
        return true;
    case JSON_SHIM_EMPTY:
        return error_set(reading->error, ERROR_INVALID, "JSON: the text is empty");
    case JSON_SHIM_MALFORMED:
        return explain_malformed(reading);
    case JSON_SHIM_TOO_LARGE:
    case JSON_SHIM_NO_MEMORY:
        break;
    }
    return fail_full(reading);
}

/* In a whole document every value but the first has a comma, a colon or, as first in an array, the array's two brackets
 * to itself, so half the marks are enough nodes; a text that breaks off lacks at most the ends of all open levels.
 * The nodes are not zeroed, as each is written whole when it is taken. */
static bool make_nodes(struct reading *reading)
{
    size_t max = (reading->count + JSON_DEPTH_MAX) / 2 + 1, len = max * sizeof(struct json) + alignof(struct json);
    char *bytes = arena_bytes(reading->arena, len);

    if (!bytes)
        return fail_full(reading);
    reading->nodes = (struct json *)(void *)(bytes + (-(uintptr_t)bytes & (alignof(struct json) - 1)));
    reading->nodes_end = bytes + len;
    reading->node_max = max;
    return true;
}

static bool read_whole(struct json_parser *parser, struct reading *reading)
{
    if (!scan(parser, reading) || !make_nodes(reading))
        return false;
    const char *backslash = memchr(reading->text, '\\', (size_t)(reading->end - reading->text));
    reading->backslash = backslash ? backslash : reading->end;
    if (!take_document(reading))
        return false;
    arena_give_back(reading->arena, (char *)(reading->nodes + reading->node_count), reading->nodes_end);
    return true;
}

const struct json *json_read_twins(struct json_parser *parser, struct arena *arena, struct str text,
                                   struct json_twin **twins, struct error *error)
{
    struct level levels[JSON_DEPTH_MAX];
    struct reading reading = {
        .text = text.at, .end = text.at + text.len, .levels = levels, .arena = arena, .error = error, .twins = twins
    };

    return read_whole(parser, &reading) ? reading.nodes : NULL;
}

const struct json *json_read(struct json_parser *parser, struct arena *arena, struct str text, struct error *error)
{
    return json_read_twins(parser, arena, text, NULL, error);
}
