/* The HTTP server: the only module that includes microhttpd.h. Listens on TCP and, when given, on a Unix socket
 * (DIR/control, 0600), reads requests whole under stated limits, guards the framing (framing.h) and calls the handler. */
#ifndef HABEAS_HTTP_SERVER_H
#define HABEAS_HTTP_SERVER_H

#include "base/when.h"
#include "http/http.h"

struct http_limits {
    int64_t body_max_bytes;     /* 8 MiB; past it 413 */
    int64_t bodies_max_bytes;   /* of all requests that are being read or answered together: 256 MiB; past it 503 */
    int64_t head_max_bytes;     /* of request line and headers together: 16 KiB */
    int64_t idle_timeout_ms;    /* of a connection that sends nothing: 60 s */
    int64_t request_timeout_ms; /* from the first byte of a request to its last: 60 s; past it 408 or just closed */
    int64_t connections_max;    /* 10,000 */
    int threads;                /* 0: one a core */
};

struct http_server;
/* `listen` is HOST:PORT ("[::1]:8080", "localhost:0"); `control_path` may be NULL. Error texts say what to do
 * (port taken, no permission). Limits and handler are copied; what the handler points to and the clock (it tells
 * received_ms) must outlive the server. Raises the limit of open files and lets SIGPIPE be ignored. */
bool http_server_open(const char *listen, const char *control_path, const struct http_limits *limits,
                      const struct http_handler *handler, const struct when_clock *clock, struct http_server **out,
                      struct error *error);
/* "HOST:PORT" as really bound (port 0 becomes the real one). */
const char *http_server_address(const struct http_server *server);
/* Takes no new connections and requests (new ones are closed or answered 503); what was begun is finished and answered
 * (at most `wait_ms`). */
void http_server_quiesce(struct http_server *server, int64_t wait_ms);
/* Waits for every exchange that a handler took over: each must be resumed, sooner or later. Takes NULL. */
void http_server_close(struct http_server *server);

/* Counts for /metrics. */
struct http_counts {
    uint64_t connections_open, requests, refused_framing, timed_out;
};
void http_server_counts(const struct http_server *server, struct http_counts *out);

#endif
