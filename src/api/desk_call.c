/* See desk_call.h. */
#include "api/desk_call.h"

#include <stdio.h>

#include "rights/portability.h"

struct desk_call *desk_call_new(struct call *call)
{
    struct desk_call *state = ARENA_NEW(call->arena, struct desk_call, 1);

    if (!state)
        return NULL;
    desk_ask_init(&state->ask);
    state->call = call;
    state->ask.account = call->account;
    state->ask.credential = call->credential;
    state->ask.route = str_of(call->route->path);
    state->ask.received_ms = call->request->received_ms;
    state->ask.cancel_window_ms = engine_cancel_window(call->engine);
    call->state = state;
    return state;
}

/* ---- reading ---- */

static bool read_text(struct desk_call *state, const struct json *body, struct str name, struct str *out,
                      struct error *error)
{
    const struct json *value = json_member(body, name);

    if (!value || value->kind != JSON_STRING)
        return error_set(error, ERROR_INVALID, "%.*s: must be a string", STR_ARG(name));
    *out = json_text(value, state->call->arena);
    return out->at || out->len == 0 || error_set(error, ERROR_TOO_LARGE, "the request is too large");
}

static bool read_id(struct desk_call *state, const struct json *body, struct error *error)
{
    if (!read_text(state, body, STR("subject_request_id"), &state->ask.id, error))
        return false;
    return (state->ask.id.len >= 1 && state->ask.id.len <= REQUEST_ID_MAX) ||
           error_set(error, ERROR_INVALID, "subject_request_id: 1 to 255 bytes");
}

static bool read_type(struct desk_call *state, const struct json *body, struct error *error)
{
    struct str type;

    return read_text(state, body, STR("subject_request_type"), &type, error) &&
           (request_type_of(type, &state->ask.type) ||
            error_set(error, ERROR_INVALID,
                      "subject_request_type: one of erasure, restriction, re-enable, portability"));
}

static bool read_identity(struct desk_call *state, const struct json *body, struct error *error)
{
    const struct json *list = json_member(body, STR("subject_identities"));
    const struct json *identity = list && list->kind == JSON_ARRAY ? json_first(list) : NULL;
    struct str kind = STR("cuid");

    if (!identity || list->count != 1 || identity->kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "subject_identities: exactly one identity");
    if (json_member(identity, STR("identity_type")) && !read_text(state, identity, STR("identity_type"), &kind, error))
        return false;
    if (!identity_kind_of(kind, &state->ask.kind) || state->ask.kind > IDENTITY_ANONYMOUS)
        return error_set(error, ERROR_INVALID, "identity_type: cuid or anonymous");
    if (!read_text(state, identity, STR("identity_value"), &state->ask.identity, error))
        return false;
    return state->ask.identity.len > 0 || error_set(error, ERROR_INVALID, "identity_value: must not be empty");
}

static bool read_time(struct desk_call *state, const struct json *value, const char *name, int64_t *out,
                      struct error *error)
{
    struct str text = value->kind == JSON_STRING ? json_text(value, state->call->arena) : (struct str){ NULL, 0 };

    return (text.at && when_read(text, out)) ||
           error_set(error, ERROR_INVALID, "%s: cannot be read as a time, as 2027-01-31T00:00:00Z", name);
}

static bool read_suppress(struct desk_call *state, const struct json *body, struct error *error)
{
    const struct json *suppress = json_member(body, STR("suppress"));
    const struct json *until;

    if (state->ask.type != REQUEST_ERASURE || !suppress || suppress->kind == JSON_NULL)
        return true;
    if (suppress->kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "suppress: must be an object with until");
    state->ask.suppress = true;
    until = json_member(suppress, STR("until"));
    if (!until)
        return error_set(error, ERROR_INVALID, "suppress: must have until, a time or null");
    if (until->kind == JSON_NULL)
        return true;
    if (!read_time(state, until, "suppress.until", &state->ask.suppress_until_ms, error))
        return false;
    return state->ask.suppress_until_ms > state->ask.received_ms ||
           error_set(error, ERROR_INVALID, "suppress.until: is over already");
}

static bool read_keep_opt_outs(struct desk_call *state, const struct json *body, struct error *error)
{
    const struct json *keep = json_member(body, STR("keep_opt_outs"));

    if (state->ask.type != REQUEST_ERASURE)
        return true;
    if (keep && keep->kind != JSON_TRUE && keep->kind != JSON_FALSE)
        return error_set(error, ERROR_INVALID, "keep_opt_outs: must be true or false");
    state->ask.drop_opt_outs = keep && keep->kind == JSON_FALSE;
    return true;
}

static bool read_notice(struct desk_call *state, const struct json *body, struct error *error)
{
    const struct json *notice = json_member(body, STR("notice"));
    const struct json *told_at, *road;

    if (state->ask.type != REQUEST_RE_ENABLE || !notice || notice->kind == JSON_NULL)
        return true;
    told_at = notice->kind == JSON_OBJECT ? json_member(notice, STR("told_at")) : NULL;
    if (!told_at)
        return error_set(error, ERROR_INVALID, "notice: must be an object with told_at");
    road = json_member(notice, STR("road"));
    if (road && !read_text(state, notice, STR("road"), &state->ask.notice_road, error))
        return error_within(error, "notice");
    if (state->ask.notice_road.len > NOTICE_ROAD_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "notice.road: must not be longer than %d bytes", NOTICE_ROAD_MAX_BYTES);
    if (!read_time(state, told_at, "notice.told_at", &state->ask.notice_ms, error))
        return false;
    return state->ask.notice_ms <= state->ask.received_ms ||
           error_set(error, ERROR_INVALID, "notice.told_at: is still to come");
}

bool desk_call_read(struct desk_call *state, struct error *error)
{
    struct reader *reader = engine_take_reader(state->call->engine, error);
    const struct json *body = reader ? call_object(state->call, reader->parser, error) : NULL;

    if (reader)
        engine_give_reader(state->call->engine, reader);
    return body && read_id(state, body, error) && read_type(state, body, error) && read_identity(state, body, error) &&
           read_suppress(state, body, error) && read_keep_opt_outs(state, body, error) &&
           read_notice(state, body, error);
}

bool desk_call_find(struct call *call, struct request *request, struct error *error)
{
    struct ledger *ledger = engine_ledger(call->engine);
    struct reader *reader = engine_take_reader(call->engine, error);
    unsigned char id_hash[REQUEST_HASH_LEN];
    bool found = false, ok;

    if (!reader)
        return false;
    ledger_enter(ledger);
    request_hash_id(ledger_account(ledger, call->account), call->params[0], id_hash);
    ledger_leave(ledger);
    ok = request_by_id(reader->ledger, call->account, id_hash, call->arena, request, &found, error);
    engine_give_reader(call->engine, reader);
    return ok && (found || error_set(error, ERROR_NOT_FOUND, "there is no such request"));
}

enum http_next desk_call_no_memory(const struct call *call, struct http_reply *reply)
{
    reply_error_in(call->route->envelope, reply, 503, "busy", STR("out of memory"));
    return HTTP_DONE;
}

/* ---- carrying out ---- */

enum http_next desk_call_submit(struct desk_call *state, struct http_reply *reply)
{
    state->ask.command.bytes = sizeof *state + state->call->request->body.len;
    return call_submit(state->call, reply, &state->ask.command);
}

static void resume(void *exchange)
{
    http_resume(exchange);
}

/* What was parked is taken in before the caller hears that the erasure is off. */
static void cancelled(struct command *command)
{
    struct desk_call *state = command->waiter;
    struct app *app = state->call->app;

    /* After a failed file the erasure may be off all the same. */
    if (command->error.code == ERROR_NONE || error_status(command->error.code) >= 500)
        replayer_await(app->replayer, app->engine, resume, state->call->exchange);
    else
        http_resume(state->call->exchange);
}

enum http_next desk_call_cancel(struct desk_call *state, struct str id, struct http_reply *reply)
{
    struct error error = { 0 };

    state->cancel = (struct desk_cancel){
        .command = { .kind = &desk_cancel_kind,
                     .phases = PHASE_LEDGER,
                     .bytes = 512,
                     .done = cancelled,
                     .waiter = state },
        .account = state->call->account,
        .credential = state->call->credential,
        .route = str_of(state->call->route->path),
        .id = id,
    };
    if (engine_submit(state->call->engine, &state->cancel.command, &error))
        return HTTP_WAIT;
    reply_error(state->call, reply, &error);
    return HTTP_DONE;
}

void desk_call_follow(struct desk_call *state)
{
    if (state->ask.ran)
        engine_wake_background(state->call->engine);
    else if (state->ask.state == REQUEST_PENDING)
        engine_wake_worker(state->call->engine);
}

/* ---- portability ---- */

bool desk_call_portable(struct desk_call *state, struct json_out *out, struct error *error)
{
    struct call *call = state->call;
    struct look look = { .engine = call->engine,
                         .arena = call->arena,
                         .account = call->account,
                         .ordinal = state->ask.ordinal,
                         .purpose = PURPOSE_ANSWER };
    char url[64];
    bool complete = false, ok;

    look.reader = engine_take_reader(call->engine, error);
    if (!look.reader)
        return false;
    json_name(out, STR("user"));
    ok = portability_document(&look, out->buf, &complete, error);
    engine_give_reader(call->engine, look.reader);
    out->needs_comma = true;
    (void)snprintf(url, sizeof url, "/api/archives/%llu", (unsigned long long)state->ask.number);
    json_put_bool(out, STR("complete"), complete);
    json_put_string(out, STR("archive_url"), str_of(url));
    return ok;
}
