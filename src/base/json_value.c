/* Taking values out of a tree that json_read made. Everything here trusts the grammar that was checked there. */
#include "base/json_read.h"

#include <assert.h>

#include "base/json_escape.h"

const struct json *json_first(const struct json *parent)
{
    return parent->count > 0 ? parent + 1 : NULL;
}

const struct json *json_next(const struct json *parent, const struct json *child)
{
    const struct json *next = child + child->span;

    return next < parent + parent->span ? next : NULL;
}

const struct json *json_member(const struct json *object, struct str name)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *member = json_first(object); member; member = json_next(object, member))
        if (str_equal(member->name, name))
            return member;
    return NULL;
}

static struct str inside_of(const struct json *string)
{
    assert(string->kind == JSON_STRING);
    return (struct str){ string->raw.at + 1, string->raw.len - 2 };
}

struct str json_text(const struct json *string, struct arena *arena)
{
    struct str inside = inside_of(string);

    if (!memchr(inside.at, '\\', inside.len))
        return inside;
    char *made = arena_bytes(arena, inside.len);
    if (!made)
        return (struct str){ NULL, 0 };
    size_t len = json_unescape(inside, made);
    arena_give_back(arena, made + len, made + inside.len);
    return (struct str){ made, len };
}

/* Bytes of the code point, escaped or not, that begins at `at`. */
static size_t step(const char *at)
{
    unsigned char first = (unsigned char)*at;

    if (first == '\\')
        return json_escape_length(at);
    if (first < 0xC0)
        return 1;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Bytes of the first `max` code points of a string's inside; `counted` tells how many there were up to there. */
static size_t head_bytes(struct str inside, size_t max, size_t *counted)
{
    size_t bytes = 0, points = 0;

    while (bytes < inside.len && points < max) {
        bytes += step(inside.at + bytes);
        points++;
    }
    *counted = points;
    return bytes;
}

size_t json_code_points(const struct json *string)
{
    size_t counted;

    (void)head_bytes(inside_of(string), SIZE_MAX, &counted);
    return counted;
}

struct str json_cut(const struct json *string, size_t max, struct arena *arena)
{
    struct str inside = inside_of(string);
    size_t counted, bytes;

    /* As many bytes cannot be more code points. */
    if (inside.len <= max)
        return string->raw;
    bytes = head_bytes(inside, max, &counted);
    if (bytes == inside.len)
        return string->raw;
    char *made = arena_bytes(arena, bytes + 2);
    if (!made)
        return (struct str){ NULL, 0 };
    memcpy(made, string->raw.at, bytes + 1);
    made[bytes + 1] = '"';
    return (struct str){ made, bytes + 2 };
}

/* A number in parts: digits before and behind the point, and the exponent. */
struct decimal {
    bool negative;
    struct str whole, fraction;
    int64_t exponent;
};

static struct str take_digits(struct str *rest)
{
    struct str digits = { rest->at, 0 };

    while (digits.len < rest->len && digits.at[digits.len] >= '0' && digits.at[digits.len] <= '9')
        digits.len++;
    rest->at += digits.len;
    rest->len -= digits.len;
    return digits;
}

static bool take(struct str *rest, char low, char high)
{
    if (rest->len == 0 || (rest->at[0] != low && rest->at[0] != high))
        return false;
    rest->at++;
    rest->len--;
    return true;
}

static struct decimal split_number(struct str rest)
{
    struct decimal parts = { .negative = take(&rest, '-', '-'), .whole = take_digits(&rest) };
    bool down = false;

    if (take(&rest, '.', '.'))
        parts.fraction = take_digits(&rest);
    if (take(&rest, 'e', 'E')) {
        down = take(&rest, '-', '-');
        (void)take(&rest, '+', '+');
    }
    /* No number that fits a body has so many digits that an exponent past this could matter. */
    for (size_t i = 0; i < rest.len; i++)
        if (parts.exponent < INT64_C(1) << 50)
            parts.exponent = parts.exponent * 10 + (rest.at[i] - '0');
    parts.exponent = down ? -parts.exponent : parts.exponent;
    return parts;
}

static unsigned digit_at(const struct decimal *parts, size_t place)
{
    bool behind = place >= parts->whole.len;
    char digit = behind ? parts->fraction.at[place - parts->whole.len] : parts->whole.at[place];

    return (unsigned)(digit - '0');
}

/* value * 10 + digit; false past UINT64_MAX. */
static bool push_digit(uint64_t *value, unsigned digit)
{
    return !__builtin_mul_overflow(*value, 10, value) && !__builtin_add_overflow(*value, digit, value);
}

bool json_to_i64(const struct json *number, int64_t *out)
{
    assert(number->kind == JSON_NUMBER);
    struct decimal parts = split_number(number->raw);
    size_t digits = parts.whole.len + parts.fraction.len;
    /* How many digits stand before the point once the exponent has moved it. */
    int64_t before = (int64_t)parts.whole.len + parts.exponent;
    uint64_t value = 0;

    for (size_t i = 0; i < digits; i++) {
        bool is_whole = (int64_t)i < before;

        if (is_whole ? !push_digit(&value, digit_at(&parts, i)) : digit_at(&parts, i) != 0)
            return false;
    }
    for (int64_t i = (int64_t)digits; i < before && value != 0; i++)
        if (!push_digit(&value, 0))
            return false;
    if (value > (uint64_t)INT64_MAX + parts.negative)
        return false;
    *out = parts.negative ? (int64_t)(-value) : (int64_t)value;
    return true;
}
