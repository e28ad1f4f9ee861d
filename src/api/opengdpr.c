/* WebEngage's dialect of data-subject requests: flat objects, its own words, no logic of its own. */
#include "api/desk_call.h"

#include "ledger/right.h"

/* 400 and 404 about a request are flat; everything else uses the general envelope. */
static void refuse(const struct desk_call *state, struct http_reply *reply, struct str id, const struct error *error)
{
    struct json_out out;

    if (error->code != ERROR_INVALID && error->code != ERROR_NOT_FOUND && error->code != ERROR_CONFLICT) {
        reply_error(state->call, reply, error);
        return;
    }
    buf_reset(&reply->body);
    out = json_out(&reply->body);
    json_open_object(&out);
    json_name(&out, STR("subject_request_id"));
    if (id.len > 0)
        json_string(&out, id);
    else
        json_null(&out);
    json_put_string(&out, STR("message"), str_of(error->text));
    json_close_object(&out);
    reply->status = error->code == ERROR_NOT_FOUND ? 404 : 400;
}

static void open_flat(struct json_out *out, struct str id, enum request_type type)
{
    json_open_object(out);
    json_put_string(out, STR("subject_request_id"), id);
    json_put_string(out, STR("subject_request_type"), str_of(request_type_name(type)));
}

/* ---- create ---- */

static enum http_next begin_create(struct call *call, struct http_reply *reply)
{
    struct desk_call *state = desk_call_new(call);
    struct error error = { 0 };

    if (!state)
        return desk_call_no_memory(call, reply);
    if (desk_call_read(state, &error))
        return desk_call_submit(state, reply);
    refuse(state, reply, state->ask.id, &error);
    return HTTP_DONE;
}

static bool write_created(struct desk_call *state, struct http_reply *reply, struct error *error)
{
    struct json_out out = json_out(&reply->body);
    struct str type = str_of(request_type_name(state->ask.type));

    open_flat(&out, state->ask.id, state->ask.type);
    json_name(&out, STR("message"));
    buf_addf(&reply->body, "\"%.*s request registered\"", STR_ARG(type));
    out.needs_comma = true;
    if (state->ask.type == REQUEST_PORTABILITY && !desk_call_portable(state, &out, error))
        return false;
    json_close_object(&out);
    reply->status = 201;
    return !reply->body.overflowed || error_set(error, ERROR_TOO_LARGE, "the answer is too large");
}

static void finish_create(struct call *call, struct http_reply *reply)
{
    struct desk_call *state = call->state;
    struct error error = state->ask.command.error;

    if (error.code == ERROR_NONE && write_created(state, reply, &error))
        desk_call_follow(state);
    else
        refuse(state, reply, state->ask.id, &error);
}

/* ---- status ---- */

static enum http_next begin_status(struct call *call, struct http_reply *reply)
{
    struct desk_call state = { .call = call };
    struct json_out out = json_out(&reply->body);
    struct error error = { 0 };
    struct request request;

    if (!desk_call_find(call, &request, &error)) {
        refuse(&state, reply, call->params[0], &error);
        return HTTP_DONE;
    }
    open_flat(&out, call->params[0], request.type);
    json_put_string(&out, STR("status"), str_of(request_state_name(request.state)));
    json_close_object(&out);
    reply->status = 200;
    return HTTP_DONE;
}

/* ---- cancel ---- */

static enum http_next begin_cancel(struct call *call, struct http_reply *reply)
{
    struct desk_call *state = desk_call_new(call);

    return state ? desk_call_cancel(state, call->params[0], reply) : desk_call_no_memory(call, reply);
}

static void finish_cancel(struct call *call, struct http_reply *reply)
{
    struct desk_call *state = call->state;
    struct json_out out = json_out(&reply->body);

    if (state->cancel.command.error.code != ERROR_NONE) {
        refuse(state, reply, call->params[0], &state->cancel.command.error);
        return;
    }
    open_flat(&out, call->params[0], state->cancel.type);
    json_put_string(&out, STR("message"), STR("request cancelled"));
    json_close_object(&out);
    reply->status = 200;
}

#define GDPR(verb, where, what, on_begin, on_finish)                                                                   \
    {                                                                                                                  \
        .method = verb, .path = "/v1/accounts/{license}/opengdpr_requests" where, .scope = SCOPE_RIGHTS,               \
        .purpose = PURPOSE_ANSWER, .envelope = ENVELOPE_WEBENGAGE, .summary = what, .is_limited = true,                \
        .begin = on_begin, .finish = on_finish                                                                         \
    }

const struct route opengdpr_routes[] = {
    GDPR(HTTP_POST, "", "Ask for erasure, restriction, re-enable or portability", begin_create, finish_create),
    GDPR(HTTP_GET, "/{requestId}", "The state of a request", begin_status, NULL),
    GDPR(HTTP_DELETE, "/{requestId}", "Cancel an erasure inside its window", begin_cancel, finish_cancel),
    { .path = NULL },
};
