/* Calls a minute for each account and address: a small table of counters, one minute each. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/when.h"
#include "http/router.h"

#define COUNTERS 4096 /* pairs of account and address; past it the oldest minute makes room */

struct counter {
    uint32_t account;
    const char *path; /* the methods of an address share its limit */
    int64_t minute, taken;
};
struct rate_limits {
    pthread_mutex_t mutex;
    struct counter counters[COUNTERS];
};

struct rate_limits *rate_limits_new(void)
{
    struct rate_limits *limits = calloc(1, sizeof *limits);

    if (limits)
        (void)pthread_mutex_init(&limits->mutex, NULL);
    return limits;
}

void rate_limits_free(struct rate_limits *limits)
{
    if (!limits)
        return;
    (void)pthread_mutex_destroy(&limits->mutex);
    free(limits);
}

static size_t hash_of(uint32_t account, const char *path)
{
    size_t hash = account;

    while (*path)
        hash = hash * 31 + (unsigned char)*path++;
    return hash;
}

/* Linear probing over a few places; when all are taken by others, the stalest is reused. */
static struct counter *counter_of(struct rate_limits *limits, uint32_t account, const char *path)
{
    size_t start = hash_of(account, path) % COUNTERS;
    struct counter *stalest = &limits->counters[start];

    for (size_t i = 0; i < 16; i++) {
        struct counter *counter = &limits->counters[(start + i) % COUNTERS];
        if (counter->account == account && counter->path && strcmp(counter->path, path) == 0)
            return counter;
        if (counter->minute < stalest->minute)
            stalest = counter;
    }
    *stalest = (struct counter){ .account = account, .path = path };
    return stalest;
}

bool rate_limits_take(struct rate_limits *limits, uint32_t account, const struct route *route, int64_t limit,
                      int64_t now_ms, int64_t *left, int64_t *retry_after_s)
{
    int64_t minute = now_ms / WHEN_MINUTE;
    struct counter *counter;
    bool ok;

    (void)pthread_mutex_lock(&limits->mutex);
    counter = counter_of(limits, account, route->path);
    if (counter->minute != minute)
        *counter = (struct counter){ account, route->path, minute, 0 };
    ok = counter->taken < limit;
    counter->taken += ok;
    *left = limit - counter->taken;
    (void)pthread_mutex_unlock(&limits->mutex);
    *retry_after_s = ((minute + 1) * WHEN_MINUTE - now_ms + 999) / 1000;
    return ok;
}
