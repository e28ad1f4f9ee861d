/* Watches connections beside the HTTP library: ends those whose request does not arrive in time (each byte of a
 * trickle would keep the library's own idle timer quiet for ever), and answers requests that are refused before they
 * were read: the reply goes straight to the socket, the library then closes its end, and what the client still sends
 * is read and dropped for a while, so that the reply is not lost to a reset. One thread of its own. */
#ifndef HABEAS_HTTP_WATCH_H
#define HABEAS_HTTP_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/when.h"

enum refusal {
    REFUSAL_FRAMING,  /* 400 */
    REFUSAL_CALLER,   /* 401 */
    REFUSAL_METHOD,   /* 405 */
    REFUSAL_LATE,     /* 408 */
    REFUSAL_BODY,     /* 413 */
    REFUSAL_HEAD,     /* 431 */
    REFUSAL_MEMORY,   /* 503 */
    REFUSAL_STOPPING, /* 503 */
};

/* One open connection. */
struct watch_link {
    struct watch_link *before, *after;
    int fd;
    _Atomic int64_t deadline_us; /* monotonic; WATCH_NEVER while nothing is expected, WATCH_ENDED once it was ended */
    atomic_bool has_begun;       /* a request line arrived */
};

struct watch;
/* Looks at the deadlines every `every_ms`; `clock` dates the replies. */
bool watch_open(int64_t every_ms, const struct when_clock *clock, struct watch **out, struct error *error);
/* The body of a refusal, when the caller does not make it. */
void watch_refusal_body(const char *code, const char *why, char *out, size_t max);
#define REFUSAL_BODY_MAX 320
/* Stops the thread. All links must have been removed; NULL is fine. */
void watch_close(struct watch *watch);

/* A new connection, whose first request must be there within `limit_ms`. NULL when memory is out. */
struct watch_link *watch_add(struct watch *watch, int fd, int64_t limit_ms);
/* Before the socket is closed, as its number then belongs to another. Takes NULL. */
void watch_remove(struct watch *watch, struct watch_link *link);

/* The request line is there: the rest must be within `limit_ms`, or by the deadline before if that is sooner. */
void watch_begin(struct watch_link *link, int64_t limit_ms);
/* The request is whole, or is going to be refused: nobody else may end or answer it. False when that was done. */
bool watch_claim(struct watch_link *link);
/* The reply is gone: the next request must be whole within `limit_ms`. */
void watch_rest(struct watch_link *link, int64_t limit_ms);

/* Sends the refusal with its reason and "Connection: close", and lingers. The caller then lets the library close. */
void watch_refuse(struct watch *watch, int fd, enum refusal refusal, const char *body);
const char *watch_refusal_code(enum refusal refusal);

uint64_t watch_connections(const struct watch *watch);
uint64_t watch_timed_out(const struct watch *watch);

#endif
