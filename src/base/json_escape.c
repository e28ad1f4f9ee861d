/* Escapes inside JSON strings. */
#include "base/json_escape.h"

enum { HIGH_FIRST = 0xD800, LOW_FIRST = 0xDC00, LOW_LAST = 0xDFFF };

/* What follows a backslash, and what it stands for. */
static bool simple_escape(char letter, uint32_t *code_point)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (letters[i] != letter)
            continue;
        *code_point = (unsigned char)meanings[i];
        return true;
    }
    return false;
}

/* \uXXXX at `at`. */
static bool hex_escape(const char *at, const char *end, uint32_t *unit)
{
    unsigned char bytes[2];

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !str_from_hex((struct str){ at + 2, 4 }, bytes, 2))
        return false;
    *unit = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

size_t json_escape_check(const char *at, const char *end, uint32_t *code_point)
{
    uint32_t high, low;

    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return simple_escape(at[1], code_point) ? 2 : 0;
    if (!hex_escape(at, end, &high))
        return 0;
    if (high < HIGH_FIRST || high > LOW_LAST) {
        *code_point = high;
        return 6;
    }
    if (high >= LOW_FIRST || !hex_escape(at + 6, end, &low) || low < LOW_FIRST || low > LOW_LAST)
        return 0;
    *code_point = 0x10000 + ((high - HIGH_FIRST) << 10) + (low - LOW_FIRST);
    return 12;
}

size_t json_escape_length(const char *at)
{
    if (at[1] != 'u')
        return 2;
    /* D8 to DB in front: the first half of a pair. */
    return (at[2] == 'd' || at[2] == 'D') && strchr("89abAB", at[3]) ? 12 : 6;
}

static size_t put_utf8(uint32_t code_point, char *out)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    out[0] = (char)((0xF00 >> len & 0xFF) | code_point);
    return len;
}

size_t json_unescape(struct str inside, char *out)
{
    const char *at = inside.at, *end = inside.at + inside.len;
    char *to = out;

    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((escape ? escape : end) - at);
        uint32_t code_point = 0;

        memcpy(to, at, run);
        to += run;
        if (!escape)
            break;
        at = escape + json_escape_check(escape, end, &code_point);
        to += put_utf8(code_point, to);
    }
    return (size_t)(to - out);
}
