/* Points in time: read from text, written as text, told by a clock that tests can move.
 * Inside, a time is int64_t milliseconds since 1970-01-01T00:00:00Z; WHEN_NONE says there is none. */
#ifndef HABEAS_BASE_WHEN_H
#define HABEAS_BASE_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define WHEN_NONE INT64_MIN
#define WHEN_SECOND INT64_C(1000)
#define WHEN_MINUTE (60 * WHEN_SECOND)
#define WHEN_HOUR (60 * WHEN_MINUTE)
#define WHEN_DAY (24 * WHEN_HOUR)
/* "2026-11-23T22:11:00.000Z" and its NUL. */
#define WHEN_TEXT_MAX 28

/* The wall clock plus a shift that tests set; the only place that asks for the time of day. */
struct when_clock {
    _Atomic int64_t shift_ms; /* tests move it while threads look */
};
int64_t when_now(const struct when_clock *clock);
/* Monotonic microseconds, for durations only. */
int64_t when_monotonic_us(void);

/* RFC 3339 and WebEngage's forms: yyyy-mm-ddThh:mm:ss[.fraction](Z|+hh:mm|+hhmm), 'T' or 't', years 1-9999,
 * real days only, leap second 60 taken as 59. Fractions below a millisecond are cut. */
bool when_read(struct str text, int64_t *out);
/* yyyy-mm-dd, a real day. */
bool when_is_day(struct str text);
/* RFC 3339 UTC with milliseconds; returns the length written (24). `out` has WHEN_TEXT_MAX bytes. */
size_t when_write(int64_t unix_ms, char *out);
/* "7d", "12h", "30m", "5s", "0": whole numbers with one unit, to milliseconds; at most 36,500 days. */
bool when_read_span(struct str text, int64_t *out_ms);
/* True for a zone of the IANA database that this machine has ("UTC" always). No path tricks. */
bool when_zone_exists(struct str name);

#endif
