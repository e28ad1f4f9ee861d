/* See watch.h. Links stand in one list under one lock; a socket's number is used by this thread under that lock only,
 * and a link leaves the list under it before its socket is closed. */
#include "http/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WATCH_NEVER INT64_MAX
#define WATCH_ENDED INT64_MIN

enum { LINGER_MAX = 64, LINGER_MS = 5000, REPLY_MAX = 768 };

/* A socket that is read on after its reply. */
struct lingering {
    int fd;
    int64_t until_us;
};

struct watch {
    pthread_mutex_t mutex;
    struct watch_link *first;
    struct lingering lingering[LINGER_MAX];
    size_t linger_count;
    const struct when_clock *clock;
    int64_t every_ms;
    int wake; /* eventfd: a new lingering socket, or the end */
    atomic_bool stopping;
    _Atomic uint64_t connections, timed_out;
    pthread_t thread;
};

static const struct {
    const char *status, *code, *header;
} refusals[] = {
    [REFUSAL_FRAMING] = { "400 Bad Request", "invalid", "" },
    [REFUSAL_CALLER] = { "401 Unauthorized", "unauthorized", "WWW-Authenticate: Bearer\r\n" },
    [REFUSAL_METHOD] = { "405 Method Not Allowed", "method_not_allowed",
                         "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n" },
    [REFUSAL_LATE] = { "408 Request Timeout", "timeout", "" },
    [REFUSAL_BODY] = { "413 Content Too Large", "too_large", "" },
    [REFUSAL_HEAD] = { "431 Request Header Fields Too Large", "too_large", "" },
    [REFUSAL_MEMORY] = { "503 Service Unavailable", "busy", "Retry-After: 1\r\n" },
    [REFUSAL_STOPPING] = { "503 Service Unavailable", "busy", "Retry-After: 5\r\n" },
};

/* ---- deadlines ---- */

struct watch_link *watch_add(struct watch *watch, int fd, int64_t limit_ms)
{
    struct watch_link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->fd = fd;
    atomic_init(&link->deadline_us, when_monotonic_us() + limit_ms * 1000);
    pthread_mutex_lock(&watch->mutex);
    link->after = watch->first;
    if (watch->first)
        watch->first->before = link;
    watch->first = link;
    pthread_mutex_unlock(&watch->mutex);
    atomic_fetch_add_explicit(&watch->connections, 1, memory_order_relaxed);
    return link;
}

void watch_remove(struct watch *watch, struct watch_link *link)
{
    if (!link)
        return;
    pthread_mutex_lock(&watch->mutex);
    if (link->before)
        link->before->after = link->after;
    else
        watch->first = link->after;
    if (link->after)
        link->after->before = link->before;
    pthread_mutex_unlock(&watch->mutex);
    atomic_fetch_sub_explicit(&watch->connections, 1, memory_order_relaxed);
    free(link);
}

/* Moves the deadline unless the connection was ended meanwhile. */
static bool move_deadline(struct watch_link *link, int64_t to)
{
    int64_t was = atomic_load(&link->deadline_us);

    while (was != WATCH_ENDED)
        if (atomic_compare_exchange_weak(&link->deadline_us, &was, to))
            return true;
    return false;
}

void watch_begin(struct watch_link *link, int64_t limit_ms)
{
    int64_t deadline = when_monotonic_us() + limit_ms * 1000;

    atomic_store(&link->has_begun, true);
    if (deadline < atomic_load(&link->deadline_us))
        (void)move_deadline(link, deadline);
}

bool watch_claim(struct watch_link *link)
{
    return move_deadline(link, WATCH_NEVER);
}

void watch_rest(struct watch_link *link, int64_t limit_ms)
{
    atomic_store(&link->has_begun, false);
    (void)move_deadline(link, when_monotonic_us() + limit_ms * 1000);
}

void watch_refusal_body(const char *code, const char *why, char *out, size_t max)
{
    (void)snprintf(out, max, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, why);
}

const char *watch_refusal_code(enum refusal refusal)
{
    return refusals[refusal].code;
}

static void send_refusal(const struct watch *watch, int fd, enum refusal refusal, const char *body)
{
    time_t now = (time_t)(when_now(watch->clock) / 1000);
    char date[40] = "", reply[REPLY_MAX];
    struct tm parts;

    if (gmtime_r(&now, &parts))
        (void)strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    int len = snprintf(reply, sizeof(reply),
                       "HTTP/1.1 %s\r\n%s%sContent-Type: application/json\r\nContent-Length: %d\r\n"
                       "Connection: close\r\n\r\n%s",
                       refusals[refusal].status, date, refusals[refusal].header, (int)strlen(body), body);
    /* A client that does not take these few bytes at once does without. */
    (void)send(fd, reply, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Ends the connections that are past their deadline. */
static void sweep(struct watch *watch)
{
    int64_t now = when_monotonic_us();
    char late[REFUSAL_BODY_MAX];

    watch_refusal_body(refusals[REFUSAL_LATE].code, "the request did not arrive in time", late, sizeof(late));
    pthread_mutex_lock(&watch->mutex);
    for (struct watch_link *link = watch->first; link; link = link->after) {
        int64_t deadline = atomic_load(&link->deadline_us);

        if (deadline == WATCH_ENDED || deadline > now ||
            !atomic_compare_exchange_strong(&link->deadline_us, &deadline, WATCH_ENDED))
            continue;
        if (atomic_load(&link->has_begun))
            send_refusal(watch, link->fd, REFUSAL_LATE, late);
        (void)shutdown(link->fd, SHUT_RDWR);
        atomic_fetch_add_explicit(&watch->timed_out, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&watch->mutex);
}

/* ---- lingering ---- */

/* A second handle on the socket, which outlives the library's; past the limit there is none. */
static void linger(struct watch *watch, int fd)
{
    bool is_kept = false;
    int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (second < 0)
        return;
    pthread_mutex_lock(&watch->mutex);
    if (watch->linger_count < LINGER_MAX) {
        watch->lingering[watch->linger_count++] =
            (struct lingering){ second, when_monotonic_us() + (int64_t)LINGER_MS * 1000 };
        is_kept = true;
    }
    pthread_mutex_unlock(&watch->mutex);
    if (is_kept)
        (void)eventfd_write(watch->wake, 1);
    else
        (void)close(second);
}

void watch_refuse(struct watch *watch, int fd, enum refusal refusal, const char *body)
{
    send_refusal(watch, fd, refusal, body);
    linger(watch, fd);
}

/* Reads what is there; false once the client is done. */
static bool drop_input(int fd)
{
    char dropped[16 * 1024];
    ssize_t got;

    /* Some rounds only, so that one fast sender does not hold up the deadlines. */
    for (int round = 0; round < 64; round++) {
        got = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    return true;
}

static void read_on(struct watch *watch)
{
    int64_t now = when_monotonic_us();

    pthread_mutex_lock(&watch->mutex);
    for (size_t i = 0; i < watch->linger_count;) {
        if (now < watch->lingering[i].until_us && drop_input(watch->lingering[i].fd)) {
            i++;
            continue;
        }
        (void)close(watch->lingering[i].fd);
        watch->lingering[i] = watch->lingering[--watch->linger_count];
    }
    pthread_mutex_unlock(&watch->mutex);
}

/* ---- the thread ---- */

/* Sleeps until the next sweep, or until a lingering socket has something. */
static void sleep_a_while(struct watch *watch, int64_t until_us)
{
    struct pollfd sockets[LINGER_MAX + 1] = { { .fd = watch->wake, .events = POLLIN } };
    int64_t left_ms = (until_us - when_monotonic_us()) / 1000 + 1;
    nfds_t count = 1;
    eventfd_t woken;

    pthread_mutex_lock(&watch->mutex);
    for (size_t i = 0; i < watch->linger_count; i++)
        sockets[count++] = (struct pollfd){ .fd = watch->lingering[i].fd, .events = POLLIN };
    pthread_mutex_unlock(&watch->mutex);
    (void)poll(sockets, count, left_ms > 0 ? (int)left_ms : 0);
    if (sockets[0].revents != 0)
        (void)eventfd_read(watch->wake, &woken);
}

static void *run(void *arg)
{
    struct watch *watch = arg;
    int64_t next_us = 0;

    while (!atomic_load(&watch->stopping)) {
        if (when_monotonic_us() >= next_us) {
            sweep(watch);
            next_us = when_monotonic_us() + watch->every_ms * 1000;
        }
        sleep_a_while(watch, next_us);
        read_on(watch);
    }
    return NULL;
}

bool watch_open(int64_t every_ms, const struct when_clock *clock, struct watch **out, struct error *error)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    watch->every_ms = every_ms;
    watch->clock = clock;
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&watch->mutex, NULL);
    if (watch->wake >= 0 && pthread_create(&watch->thread, NULL, run, watch) == 0) {
        *out = watch;
        return true;
    }
    if (watch->wake >= 0)
        (void)close(watch->wake);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
    return error_set(error, ERROR_INTERNAL, "cannot start the thread that watches connections");
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    atomic_store(&watch->stopping, true);
    (void)eventfd_write(watch->wake, 1);
    pthread_join(watch->thread, NULL);
    for (size_t i = 0; i < watch->linger_count; i++)
        (void)close(watch->lingering[i].fd);
    (void)close(watch->wake);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

uint64_t watch_connections(const struct watch *watch)
{
    return atomic_load_explicit(&watch->connections, memory_order_relaxed);
}

uint64_t watch_timed_out(const struct watch *watch)
{
    return atomic_load_explicit(&watch->timed_out, memory_order_relaxed);
}
