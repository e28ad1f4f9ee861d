/* One request on its way, whichever library carries it; kept and used again, so that the hot path takes no memory. */
#ifndef HABEAS_HTTP_EXCHANGE_H
#define HABEAS_HTTP_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "http/http.h"

struct MHD_Connection;
struct http_server;
struct watch_link;

enum exchange_stage {
    STAGE_HEAD,    /* the request line is there */
    STAGE_BODY,    /* the head was found good */
    STAGE_WAITING, /* the handler took over: `finish` is still to be called */
    STAGE_REPLIED,
};

/* The handshake between the server thread that suspends a connection and the thread that resumes it, which may be
 * quicker. Whoever comes second makes the library resume. */
enum exchange_wait { WAIT_BEGUN, WAIT_SUSPENDED, WAIT_RESUMED };

struct http_exchange {
    struct http_exchange *next; /* in the list of free ones */
    struct http_server *server;
    struct MHD_Connection *connection;
    struct watch_link *link;                         /* NULL when there was no memory for it */
    void (*resumed)(struct http_exchange *exchange); /* of a call without a connection (local.h); else NULL */
    void *local_wait;
    enum exchange_stage stage;
    _Atomic int wait;
    bool closes;       /* the connection ends with this reply */
    struct str target; /* as it was sent */
    struct http_request request;
    struct http_reply reply;
    void *state;
    struct arena arena;
    struct buf body;               /* of the request, with its padding */
    struct buf piece;              /* of a streamed reply */
    size_t sent;                   /* of the reply's body, then of the piece */
    enum http_admission admission; /* ADMIT_NO also: not asked yet */
    size_t held;                   /* bytes of the body, counted against the server's limits of all bodies */
    size_t held_by_stranger;       /* those of them that came while the caller was not known for sure */
    bool in_pieces, has_more;
};

struct exchange_pool {
    pthread_mutex_t mutex;
    struct http_exchange *free;
    size_t free_count;
    size_t body_max;
};

void exchange_pool_init(struct exchange_pool *pool, size_t body_max);
void exchange_pool_clear(struct exchange_pool *pool);
/* A clean one, or NULL when memory is out. */
struct http_exchange *exchange_take(struct exchange_pool *pool);
/* Ends the stream of the reply, if any, wipes all, and keeps the object for another request. */
void exchange_give_back(struct exchange_pool *pool, struct http_exchange *exchange);

/* Splits the target into path and query, copied. */
bool exchange_set_target(struct http_exchange *exchange, struct str target);
enum exchange_body { BODY_OK, BODY_TOO_LARGE, BODY_NO_MEMORY };
enum exchange_body exchange_add_body(struct http_exchange *exchange, struct str bytes, size_t body_max);
/* Behind the last byte: makes request.body with its padding; false when memory is out. */
bool exchange_end_body(struct http_exchange *exchange);

/* The next bytes of a streamed reply: their number, 0 at the end, -1 to break off. */
ssize_t exchange_read(struct http_exchange *exchange, char *out, size_t max);

#endif
