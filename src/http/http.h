/* Requests and replies as handlers see them: nothing here knows which HTTP library carries them, and the
 * command line makes the same objects without any network. */
#ifndef HABEAS_HTTP_HTTP_H
#define HABEAS_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_HEAD, HTTP_OPTIONS, HTTP_METHODS };

/* Where a request came in. */
enum http_door {
    DOOR_NETWORK, /* the listening socket: every route asks for a credential, except open ones */
    DOOR_CONTROL, /* DIR/control or the program's own command line: the operator of this machine */
};

struct http_request {
    enum http_method method;
    enum http_door door;
    struct str path;  /* as sent, still percent-encoded, without the query */
    struct str query; /* behind '?', still encoded */
    struct str authorization, content_type, content_encoding, request_id, habeas_reason; /* header values, or empty */
    struct str host, origin, wanted_headers; /* the last: Access-Control-Request-Headers */
    struct str body;                         /* whole; JSON_PADDING readable bytes lie behind it */
    size_t body_max;                         /* what it may be, also once it was inflated */
    int64_t received_ms;                     /* when the request line arrived */
    uint64_t number;                         /* of this request in this process, for logs */
    struct arena *arena;                     /* lives until the reply is sent */
};

/* Makes the next piece of a streamed body: adds to `out` (given empty, with a limit of 256 KiB) and sets *more.
 * False breaks the connection off, so that the client sees a short body. Called on a server thread. */
typedef bool http_stream(void *arg, struct buf *out, bool *more, struct error *error);

struct http_reply {
    int status;
    struct str content_type; /* literal or in the request's arena; empty: application/json */
    struct buf body;         /* made by http_reply_init with its limit; as the server makes it: 64 MiB */
    struct {
        struct str name, value; /* literals or in the request's arena */
    } headers[8];
    size_t header_count;
    http_stream *stream;           /* when set, sent behind `body` in chunks */
    void (*stream_end)(void *arg); /* always called once, however the stream ends */
    void *stream_arg;
};

/* Status 200, no headers, an empty body. The server does this for its handlers; the command line for itself. */
void http_reply_init(struct http_reply *reply, size_t body_max);
/* Adds a header; more than fit are a programming error (assert). */
void http_reply_header(struct http_reply *reply, struct str name, struct str value);

/* A value from the query string, percent- and plus-decoded into the arena; false when absent; at == NULL when the
 * arena is full or an escape is malformed. The first of repeated names counts. */
bool http_query(const struct http_request *request, struct str name, struct str *out);
/* Percent-decodes one path segment ("a%2Fb" is "a/b"; '+' stays); false on a malformed escape or a full arena. */
bool http_segment(struct str segment, struct arena *arena, struct str *out);

/* What the server does with requests. `begin` runs on a server thread once the whole body is there. It either fills
 * in the reply (HTTP_DONE), or has started something and takes over (HTTP_WAIT): then somebody calls http_resume
 * exactly once, from any thread, and `finish` makes the reply, on a server thread. `finish` is always called, exactly
 * once, even when the client is gone and nobody will see the reply. */
enum http_next { HTTP_DONE, HTTP_WAIT };
struct http_exchange; /* one request on its way */
enum http_admission { ADMIT_NO, ADMIT_PERHAPS /* the body tells */, ADMIT_YES };
struct http_handler {
    void *arg;
    enum http_next (*begin)(void *arg, struct http_exchange *exchange, struct http_request *request,
                            struct http_reply *reply);
    void (*finish)(void *arg, struct http_exchange *exchange, struct http_request *request, struct http_reply *reply);
    /* The JSON body of a refusal that the server makes itself (framing, 413, ...), in the words of the path's dialect.
     * `why` needs no escaping. NULL: {"error":{"code","message"}}. */
    void (*refuse)(struct str path, const char *code, const char *why, char *out, size_t max);
    /* Whether the head names a caller that is known: who is not is told that first, whatever is wrong with the body.
     * Asked before a body is read that is more than a few KiB or refused for its size. NULL: everybody is known. */
    enum http_admission (*admits)(void *arg, struct http_request *request);
};
void http_resume(struct http_exchange *exchange);
/* One pointer for the handler's own use between begin and finish. */
void http_set_state(struct http_exchange *exchange, void *state);
void *http_state(const struct http_exchange *exchange);

#endif
