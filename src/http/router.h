/* Routes as a table: one row says method, path, what a caller must hold, what the use is for, and which handlers run.
 * The router finds the row, checks the credential (401), the license (404), the scope (401) and the rate limit (429), in
 * that order, before a handler sees anything. */
#ifndef HABEAS_HTTP_ROUTER_H
#define HABEAS_HTTP_ROUTER_H

#include "http/http.h"
#include "ledger/credential.h"
#include "ledger/purpose.h"
#include "work/engine.h"

/* How errors look: each dialect keeps its own words. */
enum envelope {
    ENVELOPE_NATIVE,    /* {"error":{"code","message"}} */
    ENVELOPE_WEBENGAGE, /* {"response":{"message","status":"error"}} */
    ENVELOPE_SEGMENT,   /* {"success":false,"message"} */
};

/* Where a caller's key stands. */
enum key_place {
    KEY_BEARER, /* Authorization: Bearer KEY */
    KEY_SEGMENT, /* Authorization: Basic KEY: (or Bearer KEY), or "writeKey" in the body, which is read before; both: the same */
    KEY_IN_PATH, /* {key} */
};

#define ROUTE_PARAMS_MAX 3
struct app;

/* One request on its way through its route. */
struct call {
    struct app *app;
    struct engine *engine;
    const struct route *route;
    struct http_request *request;
    struct http_exchange *exchange;
    struct arena *arena; /* the request's */
    uint32_t account;    /* 0: the route has none */
    uint32_t credential; /* 0: the operator of this machine */
    unsigned scopes;
    struct str params[ROUTE_PARAMS_MAX]; /* decoded segments, in order of the {names} of the path, without {license} */
    const struct json *body;             /* of KEY_SEGMENT: read already; names that stand twice are in `twins` */
    struct json_twin *twins;
    void *state; /* the handler's own, between begin and finish */
};

struct route {
    enum http_method method;
    const char *path;     /* "/api/users/{userId}/events" */
    unsigned scope;       /* 0: open to anybody; SCOPE_OPERATOR: only through DOOR_CONTROL */
    enum purpose purpose; /* of the personal data it touches */
    enum envelope envelope;
    enum key_place key;
    bool is_for_browsers; /* of any origin: CORS headers on all its answers, and preflights are answered */
    const char *summary;
    bool is_limited; /* counts against the account's limit a minute, and carries X-RateLimit headers */
    enum http_next (*begin)(struct call *call, struct http_reply *reply);
    void (*finish)(struct call *call, struct http_reply *reply); /* NULL where begin always answers */
};

/* Fills in an error in the route's envelope; the status follows from the code. */
void reply_error(const struct call *call, struct http_reply *reply, const struct error *error);
void reply_error_in(enum envelope envelope, struct http_reply *reply, int status, const char *code, struct str message);
/* For commands: hands it to the writer; answers with the error when it is not taken. `done` resumes the exchange. */
enum http_next call_submit(struct call *call, struct http_reply *reply, struct command *command);

/* Counts calls a minute for limited routes; NULL where no limits are wanted. False: over the limit. */
struct rate_limits;

struct router {
    struct app *app;
    struct engine *engine;
    const struct route *const *tables; /* NULL-terminated; each table ends with a row whose path is NULL */
    struct rate_limits *limits;
};
/* The http_handler's functions; arg is a struct router. */
enum http_next router_begin(void *router, struct http_exchange *exchange, struct http_request *request,
                            struct http_reply *reply);
void router_finish(void *router, struct http_exchange *exchange, struct http_request *request,
                   struct http_reply *reply);

/* Also KEY_SEGMENT without a header: whose key may stand in the body. */
enum http_admission router_admits(void *router, struct http_request *request);

/* Refusals that the server makes itself, in the dialect of the path. */
void router_refuse(struct str path, const char *code, const char *why, char *out, size_t max);

struct rate_limits *rate_limits_new(void);
void rate_limits_free(struct rate_limits *limits);
/* Takes one call of an account on a route within the minute of `now_ms`; *left of `limit` remain. */
bool rate_limits_take(struct rate_limits *limits, uint32_t account, const struct route *route, int64_t limit,
                      int64_t now_ms, int64_t *left, int64_t *retry_after_s);

#endif
