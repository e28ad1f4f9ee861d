/* The names of one account in memory: by number and by text. */
#include "ledger/name.h"

#include <sodium.h>
#include <stdlib.h>

static const char *const type_names[NAME_TYPES] = {
    [TYPE_NONE] = "none", [TYPE_STRING] = "string", [TYPE_NUMBER] = "number", [TYPE_BOOLEAN] = "boolean",
    [TYPE_DATE] = "date", [TYPE_ARRAY] = "array",   [TYPE_OBJECT] = "object",
};

const char *name_type_name(enum name_type type)
{
    return type_names[type];
}

bool name_type_of(struct str text, enum name_type *out)
{
    for (enum name_type type = TYPE_STRING; type < NAME_TYPES; type++) {
        if (str_equal(text, str_of(type_names[type]))) {
            *out = type;
            return true;
        }
    }
    return false;
}

static struct map_key key_of(const struct names *names, struct str text)
{
    struct map_key key;

    crypto_shorthash_siphashx24(key.bytes, (const unsigned char *)text.at, text.len, names->hash_key);
    return key;
}

const struct name *names_find(const struct names *names, struct str text)
{
    const uint64_t *number = names->count ? map_find(&names->by_text, key_of(names, text)) : NULL;

    return number ? names_at(names, (uint32_t)*number) : NULL;
}

const struct name *names_at(const struct names *names, uint32_t number)
{
    return number >= 1 && number <= names->count ? names->rows[number - 1] : NULL;
}

static bool grow(struct names *names)
{
    uint32_t cap = names->cap ? names->cap * 2 : 16;
    struct name **rows = realloc(names->rows, cap * sizeof(struct name *));

    if (!rows)
        return false;
    names->rows = rows;
    names->cap = cap;
    return true;
}

bool names_add(struct names *names, uint32_t number, struct str text, enum name_type type)
{
    struct name *fresh;

    if (names->count == 0)
        randombytes_buf(names->hash_key, sizeof names->hash_key);
    if (number != names->count + 1 || text.len >= sizeof fresh->text)
        return false;
    if (names->count == names->cap && !grow(names))
        return false;
    fresh = calloc(1, sizeof *fresh);
    if (!fresh || !map_put(&names->by_text, key_of(names, text), number)) {
        free(fresh);
        return false;
    }
    fresh->number = number;
    fresh->type = type;
    memcpy(fresh->text, text.at, text.len);
    names->rows[names->count++] = fresh;
    return true;
}

void names_clear(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->rows[i]);
    free(names->rows);
    map_clear(&names->by_text);
    *names = (struct names){ 0 };
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with the punctuation of numbers and telephone numbers, three digits or more, and nothing else. */
static bool is_number(struct str text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (is_digit(text.at[i]))
            digits++;
        else if (!memchr("+-.,()/ ", text.at[i], 8))
            return false;
    }
    return digits >= 3 || (digits > 0 && digits == text.len);
}

/* A run of 20 or more hex digits, dashes not counted: tokens, hashes, UUIDs. */
static bool holds_token(struct str text)
{
    size_t run = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (is_hex(text.at[i]))
            run++;
        else if (text.at[i] != '-')
            run = 0;
        if (run >= 20)
            return true;
    }
    return false;
}

/* something@something.something */
static bool is_address(struct str text)
{
    const char *at = text.len ? memchr(text.at, '@', text.len) : NULL;

    if (!at || at == text.at)
        return false;
    size_t behind = text.len - (size_t)(at - text.at) - 1;
    const char *dot = behind ? memchr(at + 1, '.', behind) : NULL;
    return dot && dot > at + 1 && dot < text.at + text.len - 1;
}

static bool holds_address(struct str text)
{
    while (text.len > 0)
        if (is_address(str_cut(&text, ' ')))
            return true;
    return false;
}

bool name_looks_personal(struct str text)
{
    text = str_trim(text);
    return holds_address(text) || is_number(text) || holds_token(text);
}
