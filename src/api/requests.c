/* The native desk: the same requests, with our own number and times, and archives. */
#include "api/desk_call.h"

#include "rights/portability.h"

static void write_request(struct json_out *out, const struct request *request)
{
    json_put_i64(out, STR("request"), (int64_t)request->number);
    json_put_string(out, STR("type"), str_of(request_type_name(request->type)));
    json_put_string(out, STR("status"), str_of(request_state_name(request->state)));
    json_put_time(out, STR("receivedAt"), request->received_ms);
    json_put_time(out, STR("dueAt"), request->due_ms);
    json_put_time(out, STR("doneAt"), request->done_ms);
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
    reply_error(call, reply, &error);
    return HTTP_DONE;
}

static void finish_create(struct call *call, struct http_reply *reply)
{
    struct desk_call *state = call->state;
    struct error error = state->ask.command.error;
    struct json_out out = json_out(&reply->body);
    bool ok = error.code == ERROR_NONE;

    json_open_object(&out);
    json_put_string(&out, STR("subject_request_id"), state->ask.id);
    json_put_i64(&out, STR("request"), (int64_t)state->ask.number);
    json_put_string(&out, STR("type"), str_of(request_type_name(state->ask.type)));
    json_put_string(&out, STR("status"), str_of(request_state_name(state->ask.state)));
    ok = ok && (state->ask.type != REQUEST_PORTABILITY || desk_call_portable(state, &out, &error));
    json_close_object(&out);
    reply->status = 201;
    if (ok)
        desk_call_follow(state);
    else
        reply_error(call, reply, &error);
}

/* ---- one and many ---- */

static enum http_next begin_show(struct call *call, struct http_reply *reply)
{
    struct json_out out = json_out(&reply->body);
    struct error error = { 0 };
    struct request request;

    if (!desk_call_find(call, &request, &error)) {
        reply_error(call, reply, &error);
        return HTTP_DONE;
    }
    json_open_object(&out);
    json_put_string(&out, STR("subject_request_id"), call->params[0]);
    write_request(&out, &request);
    json_close_object(&out);
    return HTTP_DONE;
}

static bool write_listed(void *arg, const struct request *request, struct error *error)
{
    struct json_out *out = arg;

    (void)error;
    json_open_object(out);
    write_request(out, request);
    json_close_object(out);
    return true;
}

static bool read_page(struct call *call, uint64_t *limit, uint64_t *before, struct error *error)
{
    struct str text;

    *limit = 100;
    *before = 0;
    if (http_query(call->request, STR("limit"), &text) && (!str_to_u64(text, limit) || *limit < 1 || *limit > 1000))
        return error_set(error, ERROR_INVALID, "limit: a number from 1 to 1000");
    if (http_query(call->request, STR("before"), &text) && (!str_to_u64(text, before) || *before > INT64_MAX))
        return error_set(error, ERROR_INVALID, "before: the number of a request");
    return true;
}

static enum http_next begin_list(struct call *call, struct http_reply *reply)
{
    struct json_out out = json_out(&reply->body);
    struct error error = { 0 };
    uint64_t limit, before;
    struct reader *reader = NULL;
    bool ok = read_page(call, &limit, &before, &error);

    if (ok)
        reader = engine_take_reader(call->engine, &error);
    json_open_object(&out);
    json_name(&out, STR("requests"));
    json_open_array(&out);
    ok = ok && reader &&
         requests_list(reader->ledger, call->account, before, limit, call->arena, write_listed, &out, &error);
    json_close_array(&out);
    json_close_object(&out);
    if (reader)
        engine_give_reader(call->engine, reader);
    if (!ok)
        reply_error(call, reply, &error);
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
        reply_error(call, reply, &state->cancel.command.error);
        return;
    }
    json_open_object(&out);
    json_put_string(&out, STR("subject_request_id"), call->params[0]);
    json_put_string(&out, STR("status"), STR("CANCELLED"));
    json_close_object(&out);
}

/* ---- archives ---- */

static bool find_archive(struct call *call, uint32_t *ordinal, struct error *error)
{
    struct ledger *ledger = engine_ledger(call->engine);
    struct reader *reader;
    struct request request;
    uint64_t number;
    bool found = false, ok;

    if (!str_to_u64(call->params[0], &number) || number > INT64_MAX)
        return error_set(error, ERROR_NOT_FOUND, "there is no such archive");
    reader = engine_take_reader(call->engine, error);
    if (!reader)
        return false;
    ok = request_by_number(reader->ledger, call->account, number, NULL, &request, &found, error);
    engine_give_reader(call->engine, reader);
    if (!ok)
        return false;
    if (!found || request.type != REQUEST_PORTABILITY)
        return error_set(error, ERROR_NOT_FOUND, "there is no such archive");
    *ordinal = request.ordinal;
    ledger_enter(ledger);
    ok = gate_allows(ledger_account(ledger, call->account), *ordinal, PURPOSE_ANSWER, REASON_NONE, error);
    ledger_leave(ledger);
    return ok;
}

static enum http_next begin_archive(struct call *call, struct http_reply *reply)
{
    struct access_entry *entry = ARENA_NEW(call->arena, struct access_entry, 1);
    struct error error = { 0 };
    uint32_t ordinal = 0;

    if (!entry)
        return desk_call_no_memory(call, reply);
    if (!find_archive(call, &ordinal, &error)) {
        reply_error(call, reply, &error);
        return HTTP_DONE;
    }
    *entry = (struct access_entry){
        .command = { .kind = &access_entry_kind, .phases = PHASE_LEDGER, .bytes = 256 },
        .account = call->account,
        .credential = call->credential,
        .ordinal = ordinal,
        .act = "archive",
        .route = call->route->path,
        .purpose = PURPOSE_ANSWER,
    };
    call->state = entry;
    return call_submit(call, reply, &entry->command);
}

static void finish_archive(struct call *call, struct http_reply *reply)
{
    struct access_entry *entry = call->state;
    struct portability_stream *stream = NULL;
    struct error error = entry->command.error;

    if (error.code != ERROR_NONE ||
        !portability_stream_new(call->engine, call->account, entry->ordinal, &stream, &error)) {
        reply_error(call, reply, &error);
        return;
    }
    reply->stream = portability_stream_next;
    reply->stream_end = portability_stream_end;
    reply->stream_arg = stream;
}

#define DESK(verb, where, what, on_begin, on_finish)                                                                   \
    {                                                                                                                  \
        .method = verb, .path = where, .scope = SCOPE_RIGHTS, .purpose = PURPOSE_ANSWER, .envelope = ENVELOPE_NATIVE,  \
        .summary = what, .begin = on_begin, .finish = on_finish                                                        \
    }

const struct route request_routes[] = {
    DESK(HTTP_POST, "/api/requests", "Ask for erasure, restriction, re-enable or portability", begin_create,
         finish_create),
    DESK(HTTP_GET, "/api/requests", "The desk, newest first", begin_list, NULL),
    DESK(HTTP_GET, "/api/requests/{requestId}", "One request", begin_show, NULL),
    DESK(HTTP_DELETE, "/api/requests/{requestId}", "Cancel an erasure inside its window", begin_cancel, finish_cancel),
    DESK(HTTP_GET, "/api/archives/{number}", "Everything held about the person of a portability request, streamed",
         begin_archive, finish_archive),
    { .path = NULL },
};
