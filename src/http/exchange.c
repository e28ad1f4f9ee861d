/* See exchange.h. */
#include "http/exchange.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/json_read.h"
#include "base/log.h"

enum {
    ARENA_MAX = 64 * 1024 * 1024,
    REPLY_BODY_MAX = 64 * 1024 * 1024,
    PIECE_MAX = 256 * 1024,
    KEPT_MAX = 256,          /* exchanges that wait for their next use */
    KEPT_BYTES = 128 * 1024, /* and what each buffer of theirs may go on holding */
};

void exchange_pool_init(struct exchange_pool *pool, size_t body_max)
{
    *pool = (struct exchange_pool){ .body_max = body_max };
    pthread_mutex_init(&pool->mutex, NULL);
}

static void free_exchange(struct http_exchange *exchange)
{
    arena_clear(&exchange->arena);
    buf_clear(&exchange->body);
    buf_clear(&exchange->piece);
    buf_clear(&exchange->reply.body);
    free(exchange);
}

void exchange_pool_clear(struct exchange_pool *pool)
{
    while (pool->free) {
        struct http_exchange *exchange = pool->free;

        pool->free = exchange->next;
        free_exchange(exchange);
    }
    pthread_mutex_destroy(&pool->mutex);
}

static struct http_exchange *new_exchange(const struct exchange_pool *pool)
{
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange)
        return NULL;
    arena_init(&exchange->arena, ARENA_MAX);
    buf_init(&exchange->body, pool->body_max + JSON_PADDING);
    buf_init(&exchange->piece, PIECE_MAX);
    http_reply_init(&exchange->reply, REPLY_BODY_MAX);
    return exchange;
}

struct http_exchange *exchange_take(struct exchange_pool *pool)
{
    struct http_exchange *exchange;

    pthread_mutex_lock(&pool->mutex);
    exchange = pool->free;
    if (exchange) {
        pool->free = exchange->next;
        pool->free_count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return exchange ? exchange : new_exchange(pool);
}

static void wipe_buf(struct buf *buf)
{
    if (buf->cap > KEPT_BYTES) {
        buf_clear(buf);
        return;
    }
    if (buf->at)
        sodium_memzero(buf->at, buf->len);
    buf_reset(buf);
}

/* As new_exchange made it, with the memory it has. */
static void wipe_exchange(struct http_exchange *exchange)
{
    struct arena arena;
    struct buf body, piece, reply_body;

    wipe_buf(&exchange->body);
    buf_clear(&exchange->piece);
    wipe_buf(&exchange->reply.body);
    if (exchange->arena.used > KEPT_BYTES)
        arena_clear(&exchange->arena);
    else
        arena_reset(&exchange->arena);
    arena = exchange->arena;
    body = exchange->body;
    piece = exchange->piece;
    reply_body = exchange->reply.body;
    *exchange = (struct http_exchange){ .arena = arena, .body = body, .piece = piece };
    exchange->reply = (struct http_reply){ .status = 200, .body = reply_body };
}

void exchange_give_back(struct exchange_pool *pool, struct http_exchange *exchange)
{
    bool is_kept;

    if (exchange->reply.stream_end)
        exchange->reply.stream_end(exchange->reply.stream_arg);
    wipe_exchange(exchange);
    pthread_mutex_lock(&pool->mutex);
    is_kept = pool->free_count < KEPT_MAX;
    if (is_kept) {
        exchange->next = pool->free;
        pool->free = exchange;
        pool->free_count++;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!is_kept)
        free_exchange(exchange);
}

bool exchange_set_target(struct http_exchange *exchange, struct str target)
{
    struct str rest = arena_copy(&exchange->arena, target);

    if (target.len > 0 && !rest.at)
        return false;
    exchange->target = rest;
    exchange->request.path = str_cut(&rest, '?');
    exchange->request.query = rest;
    return true;
}

enum exchange_body exchange_add_body(struct http_exchange *exchange, struct str bytes, size_t body_max)
{
    struct buf *body = &exchange->body;

    if (bytes.len > body_max - body->len)
        return BODY_TOO_LARGE;
    char *room = buf_room(body, bytes.len + JSON_PADDING);
    if (!room)
        return BODY_NO_MEMORY;
    if (bytes.len > 0)
        memcpy(room, bytes.at, bytes.len);
    body->len += bytes.len;
    return BODY_OK;
}

bool exchange_end_body(struct http_exchange *exchange)
{
    char *padding = buf_room(&exchange->body, JSON_PADDING);

    if (!padding)
        return false;
    memset(padding, 0, JSON_PADDING);
    exchange->request.body = buf_str(&exchange->body);
    return true;
}

/* Asks the handler until there is a byte or an end. */
static bool next_piece(struct http_exchange *exchange)
{
    struct http_reply *reply = &exchange->reply;
    struct error error = { 0 };

    while (exchange->has_more && exchange->sent == exchange->piece.len) {
        buf_reset(&exchange->piece);
        exchange->sent = 0;
        exchange->has_more = false;
        if (!reply->stream(reply->stream_arg, &exchange->piece, &exchange->has_more, &error)) {
            log_line(LOG_ERROR, "reply_broken_off", "request=%llu reason=\"%s\"",
                     (unsigned long long)exchange->request.number, error.text);
            return false;
        }
        if (exchange->piece.overflowed)
            return false;
    }
    return true;
}

ssize_t exchange_read(struct http_exchange *exchange, char *out, size_t max)
{
    const struct buf *from = exchange->in_pieces ? &exchange->piece : &exchange->reply.body;

    if (!exchange->in_pieces && exchange->sent == from->len) {
        exchange->in_pieces = true;
        exchange->has_more = true;
        exchange->sent = 0;
        from = &exchange->piece;
    }
    if (exchange->in_pieces && !next_piece(exchange))
        return -1;
    size_t len = from->len - exchange->sent;
    if (len > max)
        len = max;
    if (len > 0)
        memcpy(out, from->at + exchange->sent, len);
    exchange->sent += len;
    return (ssize_t)len;
}
