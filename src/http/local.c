/* See local.h. */
#include "http/local.h"

#include "http/exchange.h"

#define BODY_MAX ((size_t)64 * 1024 * 1024)

/* Where the calling thread waits for http_resume. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void resumed(struct http_exchange *exchange)
{
    struct wait *wait = exchange->local_wait;

    (void)pthread_mutex_lock(&wait->mutex);
    wait->is_done = true;
    (void)pthread_cond_signal(&wait->done);
    (void)pthread_mutex_unlock(&wait->mutex);
}

static void await(struct wait *wait)
{
    (void)pthread_mutex_lock(&wait->mutex);
    while (!wait->is_done)
        (void)pthread_cond_wait(&wait->done, &wait->mutex);
    (void)pthread_mutex_unlock(&wait->mutex);
}

static bool read_stream(struct http_reply *reply, struct buf *out, struct error *error)
{
    struct buf piece;
    bool more = reply->stream != NULL, ok = true;

    buf_init(&piece, (size_t)256 * 1024);
    while (more && ok) {
        buf_reset(&piece);
        ok = reply->stream(reply->stream_arg, &piece, &more, error);
        buf_add(out, buf_str(&piece));
    }
    buf_clear(&piece);
    return ok;
}

static bool run(struct http_exchange *exchange, const struct http_handler *handler, struct buf *out,
                struct error *error)
{
    struct wait wait = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

    exchange->resumed = resumed;
    exchange->local_wait = &wait;
    if (handler->begin(handler->arg, exchange, &exchange->request, &exchange->reply) == HTTP_WAIT) {
        await(&wait);
        handler->finish(handler->arg, exchange, &exchange->request, &exchange->reply);
    }
    buf_add(out, buf_str(&exchange->reply.body));
    return read_stream(&exchange->reply, out, error) &&
           (!out->overflowed || error_set(error, ERROR_TOO_LARGE, "the answer is too large"));
}

bool http_local_call(const struct http_handler *handler, const struct when_clock *clock, enum http_method method,
                     struct str target, struct str body, int *status, struct buf *out, struct error *error)
{
    struct exchange_pool pool;
    struct http_exchange *exchange;
    bool ok;

    exchange_pool_init(&pool, BODY_MAX);
    exchange = exchange_take(&pool);
    ok = exchange && exchange_set_target(exchange, target) && exchange_add_body(exchange, body, BODY_MAX) == BODY_OK &&
         exchange_end_body(exchange);
    if (!ok)
        (void)error_set(error, ERROR_TOO_LARGE, "the request is too large");
    if (ok) {
        exchange->request.method = method;
        exchange->request.door = DOOR_CONTROL;
        exchange->request.body_max = BODY_MAX;
        exchange->request.received_ms = when_now(clock);
        exchange->request.arena = &exchange->arena;
        ok = run(exchange, handler, out, error);
        *status = exchange->reply.status;
    }
    if (exchange)
        exchange_give_back(&pool, exchange);
    exchange_pool_clear(&pool);
    return ok;
}
