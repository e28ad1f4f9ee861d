/* A known user's links: which identities are one person's, by decision of those who answer for the data. */
#include "rights/links.h"
#include "api/app_inside.h"
#include "base/json_write.h"

/* ---- the list ---- */

static bool find_user(struct call *call, uint32_t *ordinal, struct error *error)
{
    return access_find(call->engine, call->account, IDENTITY_CUID, call->params[0], PURPOSE_ANSWER, REASON_NONE,
                       ordinal, error);
}

static bool write_list(struct call *call, struct http_reply *reply, uint32_t ordinal, struct error *error)
{
    struct look *look = ARENA_NEW(call->arena, struct look, 1);
    struct json_out out = json_out(&reply->body);
    bool ok;

    if (!look)
        return error_set(error, ERROR_BUSY, "out of memory");
    look->engine = call->engine;
    look->arena = call->arena;
    look->account = call->account;
    look->ordinal = ordinal;
    look->purpose = PURPOSE_ANSWER;
    look->reader = engine_take_reader(call->engine, error);
    if (!look->reader)
        return false;
    json_open_object(&out);
    ok = links_write(look, &out, error);
    json_close_object(&out);
    engine_give_reader(call->engine, look->reader);
    return ok && (!reply->body.overflowed || error_set(error, ERROR_TOO_LARGE, "the answer is too large"));
}

static void answer(struct call *call, struct http_reply *reply, int status, struct error *error)
{
    uint32_t ordinal = 0;

    reply->status = status;
    if (error->code != ERROR_NONE || !find_user(call, &ordinal, error) || !write_list(call, reply, ordinal, error))
        reply_error(call, reply, error);
}

static enum http_next refuse(struct call *call, struct http_reply *reply, const struct error *error)
{
    reply_error(call, reply, error);
    return HTTP_DONE;
}

static enum http_next begin_list(struct call *call, struct http_reply *reply)
{
    struct access_entry *entry = ARENA_NEW(call->arena, struct access_entry, 1);
    struct error error = { 0 };

    if (!entry) {
        (void)error_set(&error, ERROR_BUSY, "out of memory");
        return refuse(call, reply, &error);
    }
    *entry = (struct access_entry){
        .command = { .kind = &access_entry_kind, .phases = PHASE_LEDGER, .bytes = 256 },
        .account = call->account,
        .credential = call->credential,
        .act = "links",
        .route = call->route->path,
        .purpose = PURPOSE_ANSWER,
    };
    if (!find_user(call, &entry->ordinal, &error))
        return refuse(call, reply, &error);
    call->state = entry;
    return call_submit(call, reply, &entry->command);
}

static void finish_list(struct call *call, struct http_reply *reply)
{
    struct access_entry *entry = call->state;

    answer(call, reply, 200, &entry->command.error);
}

/* ---- changes ---- */

static bool take_other(struct call *call, const struct json *value, const char *name, struct str *out,
                       struct error *error)
{
    if (value->kind != JSON_STRING)
        return error_set(error, ERROR_INVALID, "%s: must be a string", name);
    *out = json_text(value, call->arena);
    if (!out->at)
        return error_set(error, ERROR_TOO_LARGE, "the request is too large");
    return (out->len > 0 && str_code_points(*out) <= IDENTITY_MAX_POINTS) ||
           error_set(error, ERROR_INVALID, "%s: 1 to %d characters", name, IDENTITY_MAX_POINTS);
}

static bool read_other(struct call *call, struct links_change *change, struct error *error)
{
    struct reader *reader = engine_take_reader(call->engine, error);
    const struct json *body = reader ? call_object(call, reader->parser, error) : NULL;
    const struct json *user, *anonymous;

    if (reader)
        engine_give_reader(call->engine, reader);
    if (!body)
        return false;
    user = json_member(body, STR("userId"));
    anonymous = json_member(body, STR("anonymousId"));
    if (!user == !anonymous)
        return error_set(error, ERROR_INVALID, "the body must have either anonymousId or userId");
    change->kind = user ? IDENTITY_CUID : IDENTITY_ANONYMOUS;
    return take_other(call, user ? user : anonymous, user ? "userId" : "anonymousId", &change->other, error);
}

static enum http_next begin_change(struct call *call, struct http_reply *reply, bool removes)
{
    struct links_change *change = ARENA_NEW(call->arena, struct links_change, 1);
    struct error error = { 0 };

    if (!change) {
        (void)error_set(&error, ERROR_BUSY, "out of memory");
        return refuse(call, reply, &error);
    }
    links_change_init(change);
    change->account = call->account;
    change->credential = call->credential;
    change->route = str_of(call->route->path);
    change->user = call->params[0];
    change->removes = removes;
    change->received_ms = call->request->received_ms;
    if (!read_other(call, change, &error))
        return refuse(call, reply, &error);
    call->state = change;
    return call_submit(call, reply, &change->command);
}

static enum http_next begin_join(struct call *call, struct http_reply *reply)
{
    return begin_change(call, reply, false);
}

static enum http_next begin_part(struct call *call, struct http_reply *reply)
{
    return begin_change(call, reply, true);
}

static void finish_join(struct call *call, struct http_reply *reply)
{
    struct links_change *change = call->state;

    answer(call, reply, 201, &change->command.error);
}

static void finish_part(struct call *call, struct http_reply *reply)
{
    struct links_change *change = call->state;

    answer(call, reply, 200, &change->command.error);
}

#define LINKS(verb, what, on_begin, on_finish)                                                                         \
    {                                                                                                                  \
        .method = verb, .path = "/api/users/{userId}/links", .scope = SCOPE_RIGHTS, .purpose = PURPOSE_ANSWER,         \
        .envelope = ENVELOPE_NATIVE, .summary = what, .begin = on_begin, .finish = on_finish                           \
    }

const struct route link_routes[] = {
    LINKS(HTTP_GET, "The links between a person's identities", begin_list, finish_list),
    LINKS(HTTP_POST, "Join an anonymous id or another User ID to a user", begin_join, finish_join),
    LINKS(HTTP_DELETE, "Take a link back", begin_part, finish_part),
    { .path = NULL },
};
