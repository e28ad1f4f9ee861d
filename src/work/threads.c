/* The helpers beside the writer: the checkpointer and the janitor own files that rest, the worker owns time. */
#include "base/log.h"
#include "work/engine_inside.h"

#define SETTLE_RETRY_US INT64_C(5000)
#define LOOK_US INT64_C(1000000)

/* True when woken or its time has come, false when it is time to end. */
static bool await(struct engine *engine, struct helper *helper, int64_t until_us)
{
    bool goes_on;

    (void)pthread_mutex_lock(&engine->mutex);
    while (!helper->has_work && !engine->helpers_stop && when_monotonic_us() < until_us)
        engine_wait(engine, &engine->changed, until_us);
    helper->has_work = false;
    goes_on = !engine->helpers_stop;
    (void)pthread_mutex_unlock(&engine->mutex);
    return goes_on;
}

void *checkpointer_run(void *arg)
{
    struct engine *engine = arg;
    int64_t until = INT64_MAX;

    while (await(engine, &engine->checkpointer, until)) {
        struct error error = { 0 };
        until = INT64_MAX;
        if (journal_settle(engine->journal, &error))
            continue;
        until = when_monotonic_us() + SETTLE_RETRY_US;
        if (error.code != ERROR_BUSY)
            log_line(LOG_ERROR, "checkpoint", "error=\"%s\"", error.text);
    }
    return NULL;
}

void *janitor_run(void *arg)
{
    struct engine *engine = arg;
    int64_t until = 0; /* a pair may have been left by the process before */

    while (await(engine, &engine->janitor, until)) {
        struct error error = { 0 };
        bool built = false;
        until = INT64_MAX;
        if (!journal_build(engine->journal, &built, &error)) {
            log_line(LOG_ERROR, "closing_volumes", "error=\"%s\"", error.text);
            until = when_monotonic_us() + 10 * LOOK_US;
        }
        if (!built)
            continue;
        (void)pthread_mutex_lock(&engine->mutex);
        (void)pthread_cond_signal(&engine->writer_wanted); /* to swap it in */
        (void)pthread_mutex_unlock(&engine->mutex);
    }
    return NULL;
}

/* Calls each job whose time has come; when the next one is due, in wall-clock time. */
static int64_t run_jobs(struct engine *engine)
{
    int64_t now = when_now(engine->options.clock), next = INT64_MAX;

    for (const struct job *job = engine->options.jobs; job->name; job++) {
        int64_t due = job->run(engine, job->arg, now);
        next = due < next ? due : next;
    }
    return next;
}

static void is_ready(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->counts.is_ready = true;
    (void)pthread_cond_broadcast(&engine->changed);
    (void)pthread_mutex_unlock(&engine->mutex);
}

void *worker_run(void *arg)
{
    struct engine *engine = arg;
    int64_t until = 0;

    while (await(engine, &engine->worker, until)) {
        int64_t next = run_jobs(engine);
        int64_t wait_ms = next == INT64_MAX ? WHEN_MINUTE : next - when_now(engine->options.clock);
        int64_t wait_us = wait_ms < 1 ? 1000 : wait_ms * 1000;
        until = when_monotonic_us() + (wait_us < LOOK_US ? wait_us : LOOK_US);
        datadir_watch_space(engine);
        is_ready(engine);
    }
    is_ready(engine);
    return NULL;
}
