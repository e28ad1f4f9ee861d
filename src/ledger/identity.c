/* Identity kinds and normal forms. */
#include "ledger/identity.h"

static const char *const names[IDENTITY_KINDS] = {
    [IDENTITY_CUID] = "cuid",
    [IDENTITY_ANONYMOUS] = "anonymous",
    [IDENTITY_EMAIL] = "email",
    [IDENTITY_PHONE] = "phone",
    [IDENTITY_DEVICE] = "device",
    [IDENTITY_ADVERTISING] = "advertising",
    [IDENTITY_PUSH_TOKEN] = "push_token",
};

const char *identity_kind_name(enum identity_kind kind)
{
    return names[kind];
}

bool identity_kind_of(struct str name, enum identity_kind *out)
{
    for (enum identity_kind kind = IDENTITY_CUID; kind < IDENTITY_KINDS; kind++) {
        if (str_equal(name, str_of(names[kind]))) {
            *out = kind;
            return true;
        }
    }
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_phone_digit(char c)
{
    return (c >= '0' && c <= '9') || c == '+';
}

struct str identity_normal(enum identity_kind kind, struct str value, struct arena *arena)
{
    if (kind != IDENTITY_EMAIL && kind != IDENTITY_PHONE)
        return value;
    struct str trimmed = str_trim(value);
    char *out = arena_bytes(arena, trimmed.len + 1);
    size_t len = 0;

    if (!out)
        return (struct str){ NULL, 0 };
    for (size_t i = 0; i < trimmed.len; i++) {
        if (kind == IDENTITY_EMAIL)
            out[len++] = lower(trimmed.at[i]);
        else if (is_phone_digit(trimmed.at[i]))
            out[len++] = trimmed.at[i];
    }
    return (struct str){ out, len };
}
