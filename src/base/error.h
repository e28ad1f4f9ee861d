/* What went wrong: a code for programs and a text for people.
 * A function that can fail returns bool and takes `struct error *` last; false means it did nothing.
 * Never put a value that came from a person into a text: texts end up in logs. */
#ifndef HABEAS_BASE_ERROR_H
#define HABEAS_BASE_ERROR_H

#include <stdbool.h>

#define PRINTF_LIKE(place, first) __attribute__((format(printf, place, first)))

enum error_code {
    ERROR_NONE,
    ERROR_INVALID,      /* 400: the caller's input */
    ERROR_UNAUTHORIZED, /* 401 */
    ERROR_FORBIDDEN,    /* 403: a right denies it */
    ERROR_NOT_FOUND,    /* 404 */
    ERROR_CONFLICT,     /* 409 */
    ERROR_TOO_LARGE,    /* 413 */
    ERROR_LIMITED,      /* 429: over a rate limit */
    ERROR_BUSY,         /* 503: a queue is full; try again */
    ERROR_FULL,         /* 503: the disk is full */
    ERROR_DATABASE,     /* 503: a file or database call failed */
    ERROR_CORRUPT,      /* 500: what is stored is not what was stored */
    ERROR_INTERNAL,     /* 500: our own limit or mistake */
    ERROR_CODES,
};

struct error {
    enum error_code code;
    char text[240];
};

/* Both return false, so a function that fails can end in `return error_set(...)`. */
bool error_set(struct error *error, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts the place in front: "row 7: purpose is unknown". */
bool error_within(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);
/* ERROR_DATABASE (ERROR_FULL on ENOSPC/EDQUOT) with strerror(errno) behind the text. */
bool error_errno(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Snake-case name for JSON and logs ("not_found") and HTTP status of a code: one table. */
const char *error_name(enum error_code code);
int error_status(enum error_code code);

#endif
