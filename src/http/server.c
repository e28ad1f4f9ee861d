/* The server on libmicrohttpd: one thread a core, each with its own epoll, and one more for the control socket.
 *
 * A connection reads a request as: request line (on_request_line), head checked (take_head), body collected
 * (take_body), handler (begin), and, when the handler took over, suspension until http_resume, then `finish`. What is
 * refused on the way is answered by watch.h and the connection closed. A chunked request is always the last one of
 * its connection: the library is lenient where chunks end, so nothing behind them is taken for a request. */
#include "http/server.h"

#include <assert.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "http/exchange.h"
#include "http/framing.h"
#include "http/listen.h"
#include "http/watch.h"

enum { HEAD_ROOM = 6 * 1024, STREAM_BLOCK = 16 * 1024 };
/* What anybody may send before it is asked who they are: it is read to its end, so that the connection can go on. */
enum { STRANGER_BODY_MAX = 16 * 1024 };

struct door {
    struct http_server *server;
    enum http_door kind;
    struct MHD_Daemon *daemon;
};

struct http_server {
    struct http_limits limits;
    struct http_handler handler;
    const struct when_clock *clock;
    struct door network, control;
    struct watch *watch;
    struct exchange_pool pool;
    char address[LISTEN_ADDRESS_MAX];
    atomic_bool stopping;
    _Atomic uint64_t in_flight;     /* exchanges between their request line and the end of their reply */
    _Atomic uint64_t waiting;       /* those that a handler took over */
    _Atomic uint64_t resuming;      /* threads inside http_resume */
    _Atomic int64_t body_bytes;     /* held by all exchanges */
    _Atomic int64_t stranger_bytes; /* those of callers who are not known for sure */
    _Atomic uint64_t numbered, requests, refused_framing;
};

/* ---- refusing ---- */

static int socket_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Answers in the library's place, which then closes the connection: that is what MHD_NO says. */
static enum MHD_Result refuse(struct http_exchange *exchange, enum refusal refusal, const char *why)
{
    struct http_server *server = exchange->server;
    const char *code = watch_refusal_code(refusal);
    char body[REFUSAL_BODY_MAX];

    exchange->stage = STAGE_REPLIED;
    if (server->handler.refuse)
        server->handler.refuse(exchange->request.path, code, why, body, sizeof(body));
    else
        watch_refusal_body(code, why, body, sizeof(body));
    if (!exchange->link || watch_claim(exchange->link))
        watch_refuse(server->watch, socket_of(exchange->connection), refusal, body);
    return MHD_NO;
}

static bool is_admitted(struct http_exchange *exchange)
{
    const struct http_handler *handler = &exchange->server->handler;

    if (exchange->admission == ADMIT_NO)
        exchange->admission = handler->admits ? handler->admits(handler->arg, &exchange->request) : ADMIT_YES;
    return exchange->admission != ADMIT_NO;
}

static enum MHD_Result refuse_stranger(struct http_exchange *exchange)
{
    return refuse(exchange, REFUSAL_CALLER, "the API key is missing or wrong");
}

static enum MHD_Result refuse_large(struct http_exchange *exchange)
{
    return is_admitted(exchange) ? refuse(exchange, REFUSAL_BODY, "the body is too large") : refuse_stranger(exchange);
}

/* ---- replying ---- */

static ssize_t read_stream(void *arg, uint64_t position, char *out, size_t max)
{
    ssize_t got = exchange_read(arg, out, max);

    (void)position; /* always the next byte */
    if (got > 0)
        return got;
    return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* A header that the library does not take (a control character in its value) is left out. */
static void add_header(struct http_exchange *exchange, struct MHD_Response *response, struct str name, struct str value)
{
    const char *name_text = arena_cstring(&exchange->arena, name);
    const char *value_text = arena_cstring(&exchange->arena, value);

    if (name_text && value_text)
        (void)MHD_add_response_header(response, name_text, value_text);
}

static void add_headers(struct http_exchange *exchange, struct MHD_Response *response)
{
    const struct http_reply *reply = &exchange->reply;

    if (reply->content_type.len > 0)
        add_header(exchange, response, STR("Content-Type"), reply->content_type);
    else if (reply->body.len > 0 || reply->stream)
        (void)MHD_add_response_header(response, "Content-Type", "application/json");
    for (size_t i = 0; i < reply->header_count; i++)
        add_header(exchange, response, reply->headers[i].name, reply->headers[i].value);
    if (exchange->closes || atomic_load_explicit(&exchange->server->stopping, memory_order_relaxed))
        (void)MHD_add_response_header(response, "Connection", "close");
}

static struct MHD_Response *make_response(struct http_exchange *exchange)
{
    struct http_reply *reply = &exchange->reply;

    if (reply->stream)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, exchange, NULL);
    /* Not copied: the body stays until the request is completed. */
    return MHD_create_response_from_buffer(reply->body.len, reply->body.at, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_reply(struct http_exchange *exchange)
{
    struct http_reply *reply = &exchange->reply;
    struct MHD_Response *response;
    enum MHD_Result queued;

    exchange->stage = STAGE_REPLIED;
    if (reply->body.overflowed) {
        buf_reset(&reply->body);
        buf_add(&reply->body, STR("{\"error\":{\"code\":\"internal\",\"message\":\"the reply is too large\"}}"));
        reply->status = 500;
        reply->content_type = (struct str){ NULL, 0 };
        reply->stream = NULL;
    }
    response = make_response(exchange);
    if (!response)
        return MHD_NO;
    /* The library would send the last chunk of no body, and the client take it for the next reply. */
    if (reply->stream && exchange->request.method == HTTP_HEAD)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    add_headers(exchange, response);
    queued = MHD_queue_response(exchange->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- the handler's turn ---- */

static void call_finish(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;

    exchange->stage = STAGE_REPLIED;
    server->handler.finish(server->handler.arg, exchange, &exchange->request, &exchange->reply);
    atomic_fetch_sub(&server->waiting, 1);
}

static enum MHD_Result finish(struct http_exchange *exchange)
{
    call_finish(exchange);
    return send_reply(exchange);
}

/* The handler took over. Most often the other thread is not done yet; where it is, nothing need be suspended. */
static enum MHD_Result wait_for_resume(struct http_exchange *exchange)
{
    int begun = WAIT_BEGUN;

    if (atomic_load(&exchange->wait) == WAIT_RESUMED)
        return finish(exchange);
    MHD_suspend_connection(exchange->connection);
    if (!atomic_compare_exchange_strong(&exchange->wait, &begun, WAIT_SUSPENDED))
        MHD_resume_connection(exchange->connection);
    return MHD_YES;
}

void http_resume(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    int was;

    if (exchange->resumed) {
        exchange->resumed(exchange);
        return;
    }
    atomic_fetch_add(&server->resuming, 1);
    was = atomic_exchange(&exchange->wait, WAIT_RESUMED);
    assert(was != WAIT_RESUMED);
    /* Until now it was suspended, so it is still there; in the other case it may be gone already. */
    if (was == WAIT_SUSPENDED)
        MHD_resume_connection(exchange->connection);
    atomic_fetch_sub(&server->resuming, 1);
}

void http_set_state(struct http_exchange *exchange, void *state)
{
    exchange->state = state;
}

void *http_state(const struct http_exchange *exchange)
{
    return exchange->state;
}

/* The request is whole. */
static enum MHD_Result begin(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;

    if (exchange->link && !watch_claim(exchange->link))
        return MHD_NO;
    if (!exchange_end_body(exchange))
        return refuse(exchange, REFUSAL_MEMORY, "out of memory: try again");
    atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
    /* Counted and marked before the call: another thread may resume while it still runs. */
    atomic_fetch_add(&server->waiting, 1);
    exchange->stage = STAGE_WAITING;
    atomic_store(&exchange->wait, WAIT_BEGUN);
    if (server->handler.begin(server->handler.arg, exchange, &exchange->request, &exchange->reply) == HTTP_WAIT)
        return wait_for_resume(exchange);
    atomic_fetch_sub(&server->waiting, 1);
    return send_reply(exchange);
}

/* ---- the request's way in ---- */

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    { "GET", HTTP_GET },       { "POST", HTTP_POST }, { "PUT", HTTP_PUT },
    { "DELETE", HTTP_DELETE }, { "HEAD", HTTP_HEAD }, { "OPTIONS", HTTP_OPTIONS },
};

static bool read_method(const char *name, enum http_method *out)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (strcmp(name, methods[i].name) == 0) {
            *out = methods[i].method;
            return true;
        }
    return false;
}

static const struct {
    const char *name;
    size_t offset;
} kept_headers[] = {
    { "Authorization", offsetof(struct http_request, authorization) },
    { "Content-Type", offsetof(struct http_request, content_type) },
    { "Content-Encoding", offsetof(struct http_request, content_encoding) },
    { "X-Request-Id", offsetof(struct http_request, request_id) },
    { "Habeas-Reason", offsetof(struct http_request, habeas_reason) },
    { "Host", offsetof(struct http_request, host) },
    { "Origin", offsetof(struct http_request, origin) },
    { "Access-Control-Request-Headers", offsetof(struct http_request, wanted_headers) },
};

struct head_walk {
    struct framing framing;
    struct http_request *request;
};

/* The first of repeated headers counts. The values live in the connection's buffer as long as the exchange. */
static void keep_header(struct http_request *request, struct str name, struct str value)
{
    for (size_t i = 0; i < COUNT_OF(kept_headers); i++) {
        struct str *place = (struct str *)(void *)((char *)request + kept_headers[i].offset);

        if (!place->at && str_equal_nocase(name, str_of(kept_headers[i].name)))
            *place = str_trim(value);
    }
}

static enum MHD_Result walk_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len)
{
    struct head_walk *walk = arg;

    (void)kind;
    framing_header(&walk->framing, (struct str){ name, name_len }, (struct str){ value, value_len });
    keep_header(walk->request, (struct str){ name, name_len }, (struct str){ value, value_len });
    return walk->framing.wrong ? MHD_NO : MHD_YES;
}

/* The head is there, no byte of the body was read: whatever can be refused is refused here. */
static enum MHD_Result take_head(struct http_exchange *exchange, const char *method, const char *version)
{
    struct http_server *server = exchange->server;
    struct head_walk walk = { .request = &exchange->request };
    size_t head_len =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;

    if (head_len > (size_t)server->limits.head_max_bytes)
        return refuse(exchange, REFUSAL_HEAD, "request line and headers are too large");
    framing_begin(&walk.framing, method, exchange->target, version, head_len);
    (void)MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, walk_header, &walk);
    const char *wrong = framing_end(&walk.framing);
    if (!wrong && !str_starts(exchange->request.path, STR("/")) && !str_equal(exchange->request.path, STR("*")))
        wrong = "the target must be a path";
    if (wrong) {
        atomic_fetch_add_explicit(&server->refused_framing, 1, memory_order_relaxed);
        return refuse(exchange, REFUSAL_FRAMING, wrong);
    }
    if (!read_method(method, &exchange->request.method))
        return refuse(exchange, REFUSAL_METHOD, "this method is not served");
    if (walk.framing.content_length > (uint64_t)server->limits.body_max_bytes)
        return refuse_large(exchange);
    if (walk.framing.content_length > STRANGER_BODY_MAX && !is_admitted(exchange))
        return refuse_stranger(exchange);
    if (atomic_load(&server->stopping))
        return refuse(exchange, REFUSAL_STOPPING, "the server is stopping");
    exchange->closes = walk.framing.is_chunked;
    exchange->stage = STAGE_BODY;
    return MHD_YES;
}

/* Counts the bytes; false when all bodies together are too many, or those of people who may turn out to be nobody: these
 * have a quarter, so that they cannot keep out the others. */
static bool hold(struct http_exchange *exchange, int64_t bytes)
{
    struct http_server *server = exchange->server;
    int64_t all = atomic_fetch_add(&server->body_bytes, bytes) + bytes, strangers = 0;

    exchange->held += (size_t)bytes;
    if (exchange->admission != ADMIT_YES) {
        strangers = atomic_fetch_add(&server->stranger_bytes, bytes) + bytes;
        exchange->held_by_stranger += (size_t)bytes;
    }
    return all <= server->limits.bodies_max_bytes && strangers <= server->limits.bodies_max_bytes / 4;
}

static enum MHD_Result take_body(struct http_exchange *exchange, const char *bytes, size_t *len)
{
    struct http_server *server = exchange->server;
    size_t body_max = (size_t)server->limits.body_max_bytes, added = *len;

    *len = 0;
    if (exchange->body.len + added > STRANGER_BODY_MAX && !is_admitted(exchange))
        return refuse_stranger(exchange);
    if (!hold(exchange, (int64_t)added))
        return refuse(exchange, REFUSAL_MEMORY, "too much is being received just now: try again");
    switch (exchange_add_body(exchange, (struct str){ bytes, added }, body_max)) {
    case BODY_TOO_LARGE:
        return refuse_large(exchange);
    case BODY_NO_MEMORY:
        return refuse(exchange, REFUSAL_MEMORY, "out of memory: try again");
    case BODY_OK:
        break;
    }
    return MHD_YES;
}

/* ---- called by the library ---- */

/* libmicrohttpd 0.9.75 waits a second time when it got as many events as it had room for (128), and before it has looked at
 * any: a thread with exactly so many connections ready would sleep over them. It finds this function instead of the C
 * library's, and always has room for one more. */
__attribute__((visibility("default"))) int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout_ms)
{
    return epoll_pwait(epoll, events, room > 1 ? room - 1 : room, timeout_ms, NULL);
}

static struct watch_link *link_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    const struct door *door = arg;

    (void)address;
    (void)len;
    return atomic_load_explicit(&door->server->stopping, memory_order_relaxed) ? MHD_NO : MHD_YES;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = ((struct door *)arg)->server;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = watch_add(server->watch, socket_of(connection), server->limits.request_timeout_ms);
    } else {
        watch_remove(server->watch, *context);
        *context = NULL;
    }
}

/* The request line was read; `target` is still as it was sent. What is returned becomes the request's context. */
static void *on_request_line(void *arg, const char *target, struct MHD_Connection *connection)
{
    const struct door *door = arg;
    struct http_server *server = door->server;
    struct http_exchange *exchange = exchange_take(&server->pool);
    struct watch_link *link = link_of(connection);

    if (!exchange)
        return NULL;
    atomic_fetch_add(&server->in_flight, 1);
    exchange->server = server;
    exchange->connection = connection;
    exchange->link = link;
    if (link)
        watch_begin(link, server->limits.request_timeout_ms);
    exchange->request.arena = &exchange->arena;
    exchange->request.door = door->kind;
    exchange->request.body_max = (size_t)server->limits.body_max_bytes;
    exchange->request.received_ms = when_now(server->clock);
    exchange->request.number = atomic_fetch_add_explicit(&server->numbered, 1, memory_order_relaxed) + 1;
    /* Without memory for it the target stays empty, and the guard refuses. */
    (void)exchange_set_target(exchange, str_of(target));
    return exchange;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *len, void **context)
{
    struct http_exchange *exchange = *context;

    (void)arg;
    (void)connection;
    (void)url;
    if (!exchange)
        return MHD_NO;
    switch (exchange->stage) {
    case STAGE_HEAD:
        return take_head(exchange, method, version);
    case STAGE_BODY:
        return *len > 0 ? take_body(exchange, bytes, len) : begin(exchange);
    case STAGE_WAITING:
        return finish(exchange);
    case STAGE_REPLIED:
        break;
    }
    return MHD_NO;
}

/* The reply is sent, or the connection is lost at whatever point. */
static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct http_server *server = ((struct door *)arg)->server;
    struct http_exchange *exchange = *context;

    (void)connection;
    *context = NULL;
    if (!exchange)
        return;
    /* The library itself found the head malformed and said so. */
    if (exchange->stage == STAGE_HEAD && how == MHD_REQUEST_TERMINATED_WITH_ERROR)
        atomic_fetch_add_explicit(&server->refused_framing, 1, memory_order_relaxed);
    if (exchange->stage == STAGE_WAITING)
        call_finish(exchange);
    if (exchange->link)
        watch_rest(exchange->link, server->limits.idle_timeout_ms + server->limits.request_timeout_ms);
    atomic_fetch_sub(&server->body_bytes, (int64_t)exchange->held);
    atomic_fetch_sub(&server->stranger_bytes, (int64_t)exchange->held_by_stranger);
    exchange_give_back(&server->pool, exchange);
    atomic_fetch_sub(&server->in_flight, 1);
}

/* The library's own decoding is not used: paths stay as they were sent. */
static size_t leave_encoded(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* ---- life ---- */

static int thread_count(const struct http_limits *limits)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (limits->threads > 0)
        return limits->threads;
    return cores > 0 ? (int)cores : 1;
}

/* The daemon owns the socket once it was started. */
static bool start_daemon(struct door *door, int fd, bool is_ipv6, int threads, struct error *error)
{
    const struct http_limits *limits = &door->server->limits;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (is_ipv6 ? MHD_USE_IPv6 : 0);
    const struct MHD_OptionItem pool[] = {
        { threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    };

    door->daemon =
        MHD_start_daemon(flags, 0, on_accept, door, on_request, door, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, door, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                         door, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, door, MHD_OPTION_UNESCAPE_CALLBACK,
                         leave_encoded, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)limits->connections_max,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)limits->head_max_bytes + HEAD_ROOM,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((limits->idle_timeout_ms + 999) / 1000),
                         MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    if (door->daemon)
        return true;
    /* Not closed here: the library does so in most of its failures, and the number may be another's by then. */
    return error_set(error, ERROR_INTERNAL, "the HTTP server does not start: too few files or threads are allowed");
}

static bool open_network(struct http_server *server, const char *listen, struct error *error)
{
    bool is_ipv6;
    int fd;

    return listen_tcp(listen, &fd, &is_ipv6, server->address, error) &&
           start_daemon(&server->network, fd, is_ipv6, thread_count(&server->limits), error);
}

static bool open_control(struct http_server *server, const char *path, struct error *error)
{
    int fd;

    if (!path)
        return true;
    return listen_unix(path, &fd, error) && start_daemon(&server->control, fd, false, 1, error);
}

/* Often enough that a limit is kept within an eighth of itself, at most once in 50 ms. */
static int64_t sweep_interval_ms(const struct http_limits *limits)
{
    int64_t interval = limits->request_timeout_ms / 8;

    if (interval < 50)
        return 50;
    return interval > 1000 ? 1000 : interval;
}

bool http_server_open(const char *listen, const char *control_path, const struct http_limits *limits,
                      const struct http_handler *handler, const struct when_clock *clock, struct http_server **out,
                      struct error *error)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (!server)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    server->limits = *limits;
    server->handler = *handler;
    server->clock = clock;
    server->network = (struct door){ .server = server, .kind = DOOR_NETWORK };
    server->control = (struct door){ .server = server, .kind = DOOR_CONTROL };
    exchange_pool_init(&server->pool, (size_t)limits->body_max_bytes);
    (void)signal(SIGPIPE, SIG_IGN);
    listen_raise_file_limit();
    if (watch_open(sweep_interval_ms(limits), clock, &server->watch, error) && open_network(server, listen, error) &&
        open_control(server, control_path, error)) {
        *out = server;
        return true;
    }
    http_server_close(server);
    return false;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&span, NULL);
}

/* Not MHD_quiesce_daemon: in 0.9.75 it races with busy threads for the listening socket's place in their epoll, and
 * ends the process when it loses. Connections that still come are closed at once by on_accept. */
void http_server_quiesce(struct http_server *server, int64_t wait_ms)
{
    int64_t until_us = when_monotonic_us() + wait_ms * 1000;

    atomic_store(&server->stopping, true);
    while (atomic_load(&server->in_flight) > 0 && when_monotonic_us() < until_us)
        sleep_ms(1);
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    /* The library does not end with suspended connections, nor may it end under a thread that resumes one. */
    while (atomic_load(&server->waiting) > 0 || atomic_load(&server->resuming) > 0)
        sleep_ms(1);
    if (server->network.daemon)
        MHD_stop_daemon(server->network.daemon);
    if (server->control.daemon)
        MHD_stop_daemon(server->control.daemon);
    watch_close(server->watch);
    exchange_pool_clear(&server->pool);
    free(server);
}

void http_server_counts(const struct http_server *server, struct http_counts *out)
{
    *out = (struct http_counts){
        .connections_open = watch_connections(server->watch),
        .requests = atomic_load_explicit(&server->requests, memory_order_relaxed),
        .refused_framing = atomic_load_explicit(&server->refused_framing, memory_order_relaxed),
        .timed_out = watch_timed_out(server->watch),
    };
}
