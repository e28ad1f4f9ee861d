/* Finding the route and checking what its row asks for; who calls is found by caller.h. */
#include "http/router.h"

#include <assert.h>
#include <stdio.h>

#include "base/json_write.h"
#include "http/caller.h"

#define REPLY_RATE_OFF INT64_C(2147483647)

/* ---- errors ---- */

void reply_error_in(enum envelope envelope, struct http_reply *reply, int status, const char *code, struct str message)
{
    static const char *const members[] = { [ENVELOPE_NATIVE] = "error", [ENVELOPE_WEBENGAGE] = "response" };
    bool is_nested = envelope != ENVELOPE_SEGMENT;
    struct json_out out;

    reply->status = status;
    buf_reset(&reply->body);
    out = json_out(&reply->body);
    json_open_object(&out);
    if (is_nested) {
        json_name(&out, str_of(members[envelope]));
        json_open_object(&out);
    } else {
        json_put_bool(&out, STR("success"), false);
    }
    if (envelope == ENVELOPE_NATIVE)
        json_put_string(&out, STR("code"), str_of(code));
    json_put_string(&out, STR("message"), message);
    if (envelope == ENVELOPE_WEBENGAGE)
        json_put_string(&out, STR("status"), STR("error"));
    if (is_nested)
        json_close_object(&out);
    json_close_object(&out);
    if (status == 503)
        http_reply_header(reply, STR("Retry-After"), STR("1"));
}

void reply_error(const struct call *call, struct http_reply *reply, const struct error *error)
{
    reply_error_in(call->route->envelope, reply, error_status(error->code), error_name(error->code),
                   str_of(error->text));
}

static enum envelope envelope_of(struct str path)
{
    if (str_starts(path, STR("/v1/")))
        return str_starts(path, STR("/v1/accounts")) ? ENVELOPE_WEBENGAGE : ENVELOPE_SEGMENT;
    return str_starts(path, STR("/v2/")) ? ENVELOPE_WEBENGAGE : ENVELOPE_NATIVE;
}

void router_refuse(struct str path, const char *code, const char *why, char *out, size_t max)
{
    switch (envelope_of(path)) {
    case ENVELOPE_WEBENGAGE:
        (void)snprintf(out, max, "{\"response\":{\"message\":\"Error: %s\",\"status\":\"error\"}}", why);
        break;
    case ENVELOPE_SEGMENT:
        (void)snprintf(out, max, "{\"success\":false,\"message\":\"%s\"}", why);
        break;
    default:
        (void)snprintf(out, max, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, why);
    }
}

/* ---- matching ---- */

struct match {
    const struct route *route;
    bool path_known; /* by another method */
    bool is_for_browsers;
    struct str license;
};

static bool take_param(struct call *call, struct str name, struct str value, size_t *count, struct match *match)
{
    struct str decoded;

    if (!http_segment(value, call->arena, &decoded))
        return false;
    if (str_equal(name, STR("{license}"))) {
        match->license = decoded;
        return true;
    }
    assert(*count < ROUTE_PARAMS_MAX);
    call->params[(*count)++] = decoded;
    return true;
}

/* Segment by segment; an encoded slash stays inside its segment. An id that is empty matches nothing. */
static bool matches(struct call *call, const struct route *route, struct str path, struct match *match)
{
    struct str pattern = str_of(route->path);
    size_t params = 0;

    while (pattern.len > 0 && path.len > 0) {
        struct str want = str_cut(&pattern, '/'), have = str_cut(&path, '/');
        if (str_starts(want, STR("{"))) {
            if (have.len == 0 || !take_param(call, want, have, &params, match))
                return false;
        } else if (!str_equal(want, have)) {
            return false;
        }
        if ((pattern.len == 0) != (path.len == 0))
            return false;
    }
    return pattern.len == 0 && path.len == 0;
}

/* What only the operator may do is not there on the network, whatever the method. */
static bool is_hidden(const struct call *call, const struct route *route)
{
    return route->scope == SCOPE_OPERATOR && call->request->door != DOOR_CONTROL;
}

static struct match find(const struct router *router, struct call *call)
{
    enum http_method method = call->request->method == HTTP_HEAD ? HTTP_GET : call->request->method;
    struct match match = { 0 };

    for (const struct route *const *table = router->tables; *table; table++) {
        for (const struct route *route = *table; route->path; route++) {
            if (is_hidden(call, route) || !matches(call, route, call->request->path, &match))
                continue;
            match.path_known = true;
            match.is_for_browsers |= route->is_for_browsers;
            if (route->method == method) {
                match.route = route;
                return match;
            }
        }
    }
    return match;
}

static const struct route nowhere = { .path = "", .key = KEY_BEARER };

enum http_admission router_admits(void *arg, struct http_request *request)
{
    const struct router *router = arg;
    struct call call = { .engine = router->engine, .request = request, .arena = request->arena };
    struct match match = find(router, &call);

    if (!match.route)
        match.route = &nowhere;
    call.route = match.route;
    return request->door == DOOR_CONTROL ? ADMIT_YES : caller_may_be_known(&call);
}

/* ---- browsers (https://fetch.spec.whatwg.org/#http-cors-protocol) ---- */

#define PREFLIGHT_KEPT_S "7200" /* what Chromium takes at most */

/* Keys are not cookies: a page that knows one may use it, from wherever it comes. */
static void admit_origin(const struct http_request *request, struct http_reply *reply)
{
    if (request->origin.len == 0)
        return;
    http_reply_header(reply, STR("Access-Control-Allow-Origin"), request->origin);
    http_reply_header(reply, STR("Access-Control-Expose-Headers"), STR("Retry-After"));
    http_reply_header(reply, STR("Vary"), STR("Origin"));
}

static enum http_next answer_preflight(const struct http_request *request, struct http_reply *reply)
{
    reply->status = 204;
    admit_origin(request, reply);
    http_reply_header(reply, STR("Access-Control-Allow-Methods"), STR("GET, POST, OPTIONS"));
    if (request->wanted_headers.len > 0)
        http_reply_header(reply, STR("Access-Control-Allow-Headers"), request->wanted_headers);
    http_reply_header(reply, STR("Access-Control-Max-Age"), STR(PREFLIGHT_KEPT_S));
    return HTTP_DONE;
}

/* ---- limits a minute ---- */

static struct str number_text(struct arena *arena, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)number);

    return arena_copy(arena, (struct str){ text, (size_t)len });
}

static int64_t limit_of(struct ledger *ledger, uint32_t account)
{
    int64_t limit;

    ledger_enter(ledger);
    limit = ledger_account(ledger, account)->options.rate_limit;
    ledger_leave(ledger);
    return limit;
}

static bool check_limit(const struct router *router, struct call *call, struct http_reply *reply)
{
    int64_t limit, left = REPLY_RATE_OFF, wait_s = 0;
    bool ok = true;

    if (!call->route->is_limited || call->request->door == DOOR_CONTROL)
        return true;
    limit = limit_of(engine_ledger(router->engine), call->account);
    if (limit > 0)
        ok = rate_limits_take(router->limits, call->account, call->route, limit, call->request->received_ms, &left,
                              &wait_s);
    else
        limit = REPLY_RATE_OFF;
    if (!ok)
        (void)caller_refuse(call, reply, 429, "limited", "more calls than this account's limit a minute");
    http_reply_header(reply, STR("X-RateLimit-Limit"), number_text(call->arena, limit));
    http_reply_header(reply, STR("X-RateLimit-Remaining"), number_text(call->arena, left));
    if (!ok)
        http_reply_header(reply, STR("Retry-After"), number_text(call->arena, wait_s));
    return ok;
}

/* ---- one request ---- */

static bool check_format(struct call *call, struct http_reply *reply)
{
    struct str format;

    if (call->route->envelope != ENVELOPE_WEBENGAGE || !http_query(call->request, STR("format"), &format) ||
        str_equal(format, STR("json")))
        return true;
    return caller_refuse(call, reply, 400, "invalid", "format: only json is served");
}

static enum http_next not_found(const struct call *call, const struct match *match, struct http_reply *reply)
{
    enum envelope envelope = envelope_of(call->request->path);

    if (match->path_known)
        reply_error_in(envelope, reply, 405, "method_not_allowed", STR("this address does not take that method"));
    else
        reply_error_in(envelope, reply, 404, "not_found", STR("there is nothing at this address"));
    return HTTP_DONE;
}

enum http_next router_begin(void *arg, struct http_exchange *exchange, struct http_request *request,
                            struct http_reply *reply)
{
    const struct router *router = arg;
    struct call *call = ARENA_NEW(request->arena, struct call, 1);
    struct match match;

    if (!call) {
        reply_error_in(ENVELOPE_NATIVE, reply, 503, "busy", STR("out of memory"));
        return HTTP_DONE;
    }
    *call = (struct call){
        .app = router->app, .engine = router->engine, .request = request, .exchange = exchange, .arena = request->arena
    };
    http_set_state(exchange, call);
    match = find(router, call);
    if (request->method == HTTP_OPTIONS && match.is_for_browsers)
        return answer_preflight(request, reply);
    if (!match.route)
        return not_found(call, &match, reply);
    call->route = match.route;
    if (match.route->is_for_browsers)
        admit_origin(request, reply);
    if (!caller_check(call, match.license, reply) || !check_format(call, reply) || !check_limit(router, call, reply) ||
        !caller_inflate(call, reply))
        return HTTP_DONE;
    return call->route->begin(call, reply);
}

void router_finish(void *arg, struct http_exchange *exchange, struct http_request *request, struct http_reply *reply)
{
    struct call *call = http_state(exchange);

    (void)arg;
    (void)request;
    call->route->finish(call, reply);
}

static void resume(struct command *command)
{
    http_resume(command->waiter);
}

enum http_next call_submit(struct call *call, struct http_reply *reply, struct command *command)
{
    struct error error = { 0 };

    command->done = resume;
    command->waiter = call->exchange;
    if (engine_submit(call->engine, command, &error))
        return HTTP_WAIT;
    reply_error(call, reply, &error);
    return HTTP_DONE;
}
