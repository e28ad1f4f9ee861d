/* Fuzzes json_read: whatever parses is walked whole, and every string is unescaped, counted and cut. What must hold of
 * the tree is asserted on the way. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json_read.h"

static void use_string(const struct json *string, struct arena *arena)
{
    struct str text = json_text(string, arena), cut = json_cut(string, 3, arena);

    assert(text.at);
    assert(cut.at);
    assert(str_is_utf8(text));
    assert(str_code_points(text) == json_code_points(string));
    assert(cut.len >= 2);
    assert(cut.at[0] == '"');
    assert(cut.at[cut.len - 1] == '"');
}

/* Returns the nodes seen below and including `node`. */
static size_t walk(const struct json *node, struct arena *arena)
{
    size_t seen = 1, count = 0;
    int64_t whole;

    if (node->kind == JSON_STRING)
        use_string(node, arena);
    if (node->kind == JSON_NUMBER)
        (void)json_to_i64(node, &whole);
    for (const struct json *child = json_first(node); child; child = json_next(node, child)) {
        assert(child->raw.at > node->raw.at);
        assert(child->raw.at + child->raw.len < node->raw.at + node->raw.len);
        if (node->kind == JSON_OBJECT)
            assert(json_member(node, child->name) == child);
        seen += walk(child, arena);
        count++;
    }
    assert(count == node->count);
    assert(seen == node->span);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    static struct json_parser *parser; /* kept from input to input, as a server thread keeps its own */
    struct arena arena;
    struct error error = { 0 };
    char *text = calloc(1, len + JSON_PADDING);

    if (!parser)
        parser = json_parser_new();
    assert(parser);
    assert(text);
    if (len > 0)
        memcpy(text, input, len);
    arena_init(&arena, 64 << 20);
    const struct json *root = json_read(parser, &arena, (struct str){ text, len }, &error);
    assert(root ? error.code == ERROR_NONE : error.code == ERROR_INVALID);
    if (root)
        (void)walk(root, &arena);
    arena_clear(&arena);
    free(text);
    return 0;
}
