/* The shared hold of hold.h, from a mutex and a condition. */
#include "vault/hold.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void hold_init(struct hold *hold)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);

    assert(failed == 0);
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    assert(failed == 0);
    *hold = (struct hold){ 0 };
    failed = pthread_mutex_init(&hold->mutex, NULL);
    assert(failed == 0);
    failed = pthread_cond_init(&hold->changed, &attributes);
    assert(failed == 0);
    pthread_condattr_destroy(&attributes);
}

void hold_clear(struct hold *hold)
{
    assert(hold->sharing == 0);
    assert(!hold->alone);
    pthread_cond_destroy(&hold->changed);
    pthread_mutex_destroy(&hold->mutex);
}

void hold_share(struct hold *hold)
{
    pthread_mutex_lock(&hold->mutex);
    while (hold->alone || hold->waiting > 0)
        pthread_cond_wait(&hold->changed, &hold->mutex);
    hold->sharing++;
    pthread_mutex_unlock(&hold->mutex);
}

void hold_unshare(struct hold *hold)
{
    pthread_mutex_lock(&hold->mutex);
    assert(hold->sharing > 0);
    if (--hold->sharing == 0)
        pthread_cond_broadcast(&hold->changed);
    pthread_mutex_unlock(&hold->mutex);
}

static struct timespec deadline_in(int wait_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

bool hold_alone(struct hold *hold, int wait_ms)
{
    struct timespec deadline = deadline_in(wait_ms);
    int code = 0;

    pthread_mutex_lock(&hold->mutex);
    hold->waiting++;
    while ((hold->alone || hold->sharing > 0) && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&hold->changed, &hold->mutex, &deadline);
    hold->waiting--;
    bool taken = !hold->alone && hold->sharing == 0;
    if (taken)
        hold->alone = true;
    else /* those who waited behind us may come in */
        pthread_cond_broadcast(&hold->changed);
    pthread_mutex_unlock(&hold->mutex);
    return taken;
}

void hold_release(struct hold *hold)
{
    pthread_mutex_lock(&hold->mutex);
    assert(hold->alone);
    hold->alone = false;
    pthread_cond_broadcast(&hold->changed);
    pthread_mutex_unlock(&hold->mutex);
}
