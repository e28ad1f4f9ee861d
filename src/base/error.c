/* Errors: one table of codes, and texts that are made once and get their place put in front on the way up. */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
} codes[ERROR_CODES] = {
    [ERROR_NONE] = { "none", 200 },
    [ERROR_INVALID] = { "invalid", 400 },
    [ERROR_UNAUTHORIZED] = { "unauthorized", 401 },
    [ERROR_FORBIDDEN] = { "forbidden", 403 },
    [ERROR_NOT_FOUND] = { "not_found", 404 },
    [ERROR_CONFLICT] = { "conflict", 409 },
    [ERROR_TOO_LARGE] = { "too_large", 413 },
    [ERROR_LIMITED] = { "limited", 429 },
    [ERROR_BUSY] = { "busy", 503 },
    [ERROR_FULL] = { "full", 503 },
    [ERROR_DATABASE] = { "database", 503 },
    [ERROR_CORRUPT] = { "corrupt", 500 },
    [ERROR_INTERNAL] = { "internal", 500 },
};

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list arguments;

    error->code = code;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

/* Puts ": " and `tail` behind what stands in the text; what does not fit is cut. */
static void append_tail(struct error *error, const char *tail)
{
    size_t len = strlen(error->text);

    (void)snprintf(error->text + len, sizeof(error->text) - len, "%s%s", len > 0 ? ": " : "", tail);
}

bool error_within(struct error *error, const char *format, ...)
{
    struct error inner = *error;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    append_tail(error, inner.text);
    return false;
}

bool error_errno(struct error *error, const char *format, ...)
{
    int number = errno;
    char reason[120] = "";
    va_list arguments;

    error->code = number == ENOSPC || number == EDQUOT ? ERROR_FULL : ERROR_DATABASE;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    append_tail(error, strerror_r(number, reason, sizeof(reason)));
    return false;
}

const char *error_name(enum error_code code)
{
    assert((unsigned)code < ERROR_CODES);
    return codes[code].name;
}

int error_status(enum error_code code)
{
    assert((unsigned)code < ERROR_CODES);
    return codes[code].status;
}
