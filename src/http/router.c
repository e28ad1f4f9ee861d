/* Finding the route and checking what its row asks for. */
#include "http/router.h"

#include <assert.h>
#include <stdio.h>

#include "base/json_write.h"

#define REPLY_RATE_OFF INT64_C(2147483647)

/* ---- errors ---- */

void reply_error_in(enum envelope envelope, struct http_reply *reply, int status, const char *code, struct str message)
{
    struct json_out out;

    reply->status = status;
    buf_reset(&reply->body);
    out = json_out(&reply->body);
    json_open_object(&out);
    json_name(&out, envelope == ENVELOPE_NATIVE ? STR("error") : STR("response"));
    json_open_object(&out);
    if (envelope == ENVELOPE_NATIVE)
        json_put_string(&out, STR("code"), str_of(code));
    json_put_string(&out, STR("message"), message);
    if (envelope == ENVELOPE_WEBENGAGE)
        json_put_string(&out, STR("status"), STR("error"));
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
    bool is_dialect = str_starts(path, STR("/v1/")) || str_starts(path, STR("/v2/"));

    return is_dialect ? ENVELOPE_WEBENGAGE : ENVELOPE_NATIVE;
}

void router_refuse(struct str path, const char *code, const char *why, char *out, size_t max)
{
    if (envelope_of(path) == ENVELOPE_NATIVE)
        (void)snprintf(out, max, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, why);
    else
        (void)snprintf(out, max, "{\"response\":{\"message\":\"Error: %s\",\"status\":\"error\"}}", why);
}

/* ---- matching ---- */

struct match {
    const struct route *route;
    bool path_known; /* by another method */
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
            if (route->method == method) {
                match.route = route;
                return match;
            }
        }
    }
    return match;
}

/* ---- who calls ---- */

static struct str bearer(struct str authorization)
{
    struct str rest = authorization;
    struct str scheme = str_cut(&rest, ' ');

    return str_equal_nocase(scheme, STR("Bearer")) ? str_trim(rest) : (struct str){ NULL, 0 };
}

static bool refuse(const struct call *call, struct http_reply *reply, int status, const char *code, const char *message)
{
    reply_error_in(call->route->envelope, reply, status, code, str_of(message));
    if (status == 401)
        http_reply_header(reply, STR("WWW-Authenticate"), STR("Bearer"));
    return false;
}

/* The credential's facts are copied inside the hold: it may be revoked the moment after. */
static bool know_caller(struct call *call, struct ledger *ledger)
{
    struct str key = bearer(call->request->authorization);
    const struct credential *credential;

    if (key.len == 0)
        return false;
    ledger_enter(ledger);
    credential = ledger_credential(ledger, key);
    if (credential) {
        call->account = credential->account;
        call->credential = credential->number;
        call->scopes = credential->scopes;
    }
    ledger_leave(ledger);
    return credential != NULL;
}

bool router_admits(void *arg, struct http_request *request)
{
    const struct router *router = arg;
    struct call call = { .request = request };

    return request->door == DOOR_CONTROL || know_caller(&call, engine_ledger(router->engine));
}

static uint32_t account_of_license(struct ledger *ledger, struct str license)
{
    const struct account *account;
    uint32_t number;

    ledger_enter(ledger);
    account = ledger_account_of_license(ledger, license);
    number = account ? account->number : 0;
    ledger_leave(ledger);
    return number;
}

static bool check_operator(struct call *call, struct ledger *ledger, struct match *match, struct http_reply *reply)
{
    struct str license = match->license;

    call->scopes = SCOPE_ALL | SCOPE_OPERATOR;
    if (license.len == 0)
        (void)http_query(call->request, STR("license"), &license);
    if (license.len > 0)
        call->account = account_of_license(ledger, license);
    if (call->route->scope && call->route->scope != SCOPE_OPERATOR && call->account == 0)
        return refuse(call, reply, 404, "not_found", "there is no account with this license");
    return true;
}

static bool check_caller(struct call *call, struct ledger *ledger, struct match *match, struct http_reply *reply)
{
    if (call->route->scope == 0)
        return true;
    if (call->request->door == DOOR_CONTROL)
        return check_operator(call, ledger, match, reply);
    if (!know_caller(call, ledger))
        return refuse(call, reply, 401, "unauthorized", "the API key is missing or wrong");
    if (match->license.len > 0 && account_of_license(ledger, match->license) != call->account)
        return refuse(call, reply, 404, "not_found", "there is no such account for this key");
    if ((call->scopes & call->route->scope) != call->route->scope)
        return refuse(call, reply, 401, "unauthorized", "this key lacks the scope for that");
    return true;
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
        (void)refuse(call, reply, 429, "limited", "more calls than this account's limit a minute");
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
    return refuse(call, reply, 400, "invalid", "format: only json is served");
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
    if (!match.route)
        return not_found(call, &match, reply);
    call->route = match.route;
    if (!check_caller(call, engine_ledger(router->engine), &match, reply) || !check_format(call, reply) ||
        !check_limit(router, call, reply))
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
