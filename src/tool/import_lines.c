/* Lines of any length up to a limit, in bounded memory. */
#include <sodium.h>
#include <string.h>

#include "tool/import_parts.h"

void import_lines_open(struct import_lines *lines, FILE *stream)
{
    *lines = (struct import_lines){ .stream = stream };
    buf_init(&lines->line, IMPORT_LINE_MAX_BYTES + JSON_PADDING);
}

void import_lines_close(struct import_lines *lines)
{
    buf_clear(&lines->line);
    sodium_memzero(lines->block, sizeof lines->block);
}

static bool fill(struct import_lines *lines)
{
    lines->at = 0;
    lines->len = fread(lines->block, 1, sizeof lines->block, lines->stream);
    return lines->len > 0;
}

static void leave_out_mark(struct import_lines *lines)
{
    struct str start = { lines->block, lines->len };

    if (lines->bytes == 0 && str_starts(start, STR("\xEF\xBB\xBF")))
        lines->at = 3;
}

/* Every line is bound to all before it, so that the same line further down, or in another file, is another one. */
static void bind(struct import_lines *lines, crypto_generichash_state *state)
{
    (void)crypto_generichash_final(state, lines->chain, sizeof lines->chain);
    lines->number++;
}

static void begin_bind(const struct import_lines *lines, crypto_generichash_state *state)
{
    (void)crypto_generichash_init(state, NULL, 0, IMPORT_CHAIN_LEN);
    (void)crypto_generichash_update(state, lines->chain, sizeof lines->chain);
}

/* True at the end of the line. */
static bool take_block(struct import_lines *lines, crypto_generichash_state *state, bool *too_long)
{
    struct str rest = { lines->block + lines->at, lines->len - lines->at };
    const char *end = memchr(rest.at, '\n', rest.len);
    struct str part = { rest.at, end ? (size_t)(end - rest.at) + 1 : rest.len };

    (void)crypto_generichash_update(state, (const unsigned char *)part.at, part.len);
    lines->at += part.len;
    lines->bytes += part.len;
    if (part.len > IMPORT_LINE_MAX_BYTES - lines->line.len)
        *too_long = true;
    if (!*too_long)
        buf_add(&lines->line, part);
    return end != NULL;
}

enum import_line import_lines_next(struct import_lines *lines)
{
    crypto_generichash_state state;
    bool too_long = false, ended = false, has_any = false;

    buf_reset(&lines->line);
    begin_bind(lines, &state);
    while (!ended) {
        if (lines->at == lines->len) {
            if (!fill(lines))
                break;
            leave_out_mark(lines);
        }
        has_any |= lines->at < lines->len;
        ended = take_block(lines, &state, &too_long);
    }
    if (ferror(lines->stream))
        return LINE_FAILED;
    if (!has_any)
        return LINE_END;
    bind(lines, &state);
    char *padding = buf_room(&lines->line, JSON_PADDING);
    if (!padding)
        return LINE_TOO_LONG; /* there is no memory for it */
    memset(padding, 0, JSON_PADDING);
    return too_long ? LINE_TOO_LONG : LINE_READ;
}

void import_lines_id(const struct import_lines *lines, char out[IMPORT_ID_MAX])
{
    static const char head[] = "import-";

    memcpy(out, head, sizeof head);
    (void)sodium_bin2hex(out + sizeof head - 1, IMPORT_ID_MAX - sizeof head, lines->chain, 16);
}
