/* Segment's routes, as its clients call them: /v1/batch and the like, one message each in words or by its first letter, and
 * what a browser asks for at its start. A message refused inside a batch is counted and not told, as by Segment itself; but
 * to the operator of this machine, who imports. */
#include "intake/segment.h"
#include "api/app_inside.h"
#include "base/json_write.h"

struct segment_state {
    struct ingest ingest; /* first: the writer hands its command back */
    struct call *call;
};

static void answer(const struct segment_state *state, struct http_reply *reply)
{
    struct json_out out = json_out(&reply->body);

    ingest_remember(&state->ingest);
    ingest_tally(&state->ingest, state->call->engine);
    json_open_object(&out);
    json_put_bool(&out, STR("success"), true);
    if (state->call->scopes & SCOPE_OPERATOR)
        ingest_write_details(&state->ingest, state->call->scopes, &out);
    json_close_object(&out);
}

/* What is too large is refused as what is wrong: clients take both for "do not send that again". */
static void refuse(const struct segment_state *state, struct http_reply *reply, const struct error *error)
{
    const struct ingest *ingest = &state->ingest;
    bool is_user = ingest->count > 0 && ingest->items[0].kind == ITEM_USER;

    if (error->code != ERROR_INVALID && error->code != ERROR_LIMITED) {
        reply_error(state->call, reply, error);
        return;
    }
    reply_error_in(ENVELOPE_SEGMENT, reply, 400, "invalid", str_of(error->text));
    engine_tally(state->call->engine, is_user ? TALLY_USERS_REFUSED : TALLY_EVENTS_REFUSED,
                 ingest->count > 0 ? ingest->count : 1);
}

static struct segment_state *new_state(struct call *call, enum segment_type type)
{
    struct segment_state *state = ARENA_NEW(call->arena, struct segment_state, 1);
    bool is_batch = type == SEGMENT_BATCH;

    if (!state)
        return NULL;
    state->call = call;
    state->ingest = (struct ingest){
        .command = { .kind = is_batch ? &ingest_bulk : &ingest_single, .bytes = call->request->body.len + 256 },
        .origin = { .account = call->account,
                    .credential = call->credential,
                    .scopes = call->scopes,
                    .route = str_of(call->route->path),
                    .received_ms = call->request->received_ms },
        .arena = call->arena,
        .is_bulk = is_batch,
        .seen = call->app->seen,
    };
    state->ingest.ignored.end = &state->ingest.ignored.first;
    call->state = state;
    return state;
}

/* A context that stands once around a batch is sealed with each of its events. */
static void weigh(struct ingest *ingest)
{
    for (uint32_t i = 0; i < ingest->count; i++)
        ingest->command.bytes += ingest->items[i].event_context.len;
}

static bool prepare(struct segment_state *state, enum segment_type type, struct error *error)
{
    struct call *call = state->call;
    struct ingest *ingest = &state->ingest;
    const struct segment_call what = { type, call->twins };
    struct reader *reader;
    bool ok;

    if (!segment_items(&what, call->body, ingest->origin.received_ms, ingest->arena, &ingest->items, &ingest->count,
                       error))
        return false;
    weigh(ingest);
    reader = engine_take_reader(call->engine, error);
    ok = reader && ingest_prepare(ingest, engine_ledger(call->engine), reader->seat, error);
    if (reader)
        engine_give_reader(call->engine, reader);
    return ok;
}

static enum http_next begin(struct call *call, struct http_reply *reply, enum segment_type type)
{
    struct segment_state *state = new_state(call, type);
    struct error error = { 0 };

    if (!state) {
        reply_error_in(ENVELOPE_SEGMENT, reply, 503, "busy", STR("out of memory"));
        return HTTP_DONE;
    }
    if (!prepare(state, type, &error))
        refuse(state, reply, &error);
    else if (state->ingest.command.phases == 0)
        answer(state, reply);
    else
        return call_submit(call, reply, &state->ingest.command);
    return HTTP_DONE;
}

static void finish(struct call *call, struct http_reply *reply)
{
    const struct segment_state *state = call->state;

    if (state->ingest.command.error.code == ERROR_NONE)
        answer(state, reply);
    else
        refuse(state, reply, &state->ingest.command.error);
}

#define BEGIN(name, type)                                                                                              \
    static enum http_next begin_##name(struct call *call, struct http_reply *reply)                                    \
    {                                                                                                                  \
        return begin(call, reply, type);                                                                               \
    }
BEGIN(batch, SEGMENT_BATCH)
BEGIN(track, SEGMENT_TRACK)
BEGIN(page, SEGMENT_PAGE)
BEGIN(screen, SEGMENT_SCREEN)
BEGIN(identify, SEGMENT_IDENTIFY)
BEGIN(group, SEGMENT_GROUP)
BEGIN(alias, SEGMENT_ALIAS)
#undef BEGIN

/* ---- beside messages ---- */

/* Figures that clients keep about themselves. */
static enum http_next begin_metrics(struct call *call, struct http_reply *reply)
{
    (void)call;
    buf_add(&reply->body, STR("{\"success\":true}"));
    return HTTP_DONE;
}

/* Clients add https themselves; a server on this machine is tried without TLS. */
static bool is_loopback(struct str host)
{
    return str_starts(host, STR("127.")) || str_starts(host, STR("[::1]")) || str_equal(host, STR("localhost")) ||
           str_starts(host, STR("localhost:"));
}

/* at == NULL: there is no host, and the client's own setting counts. */
static struct str with_version(struct str host, struct arena *arena)
{
    const struct str version = STR("/v1");
    char *made = host.len > 0 ? arena_bytes(arena, host.len + version.len) : NULL;

    if (!made)
        return (struct str){ NULL, 0 };
    memcpy(made, host.at, host.len);
    memcpy(made + host.len, version.at, version.len);
    return (struct str){ made, host.len + version.len };
}

/* One integration only: for any other, analytics.js would load code from elsewhere. */
static enum http_next begin_settings(struct call *call, struct http_reply *reply)
{
    struct str host = call->request->host, where = with_version(host, call->arena);
    struct json_out out = json_out(&reply->body);

    json_open_object(&out);
    json_name(&out, STR("integrations"));
    json_open_object(&out);
    json_name(&out, STR("Segment.io"));
    json_open_object(&out);
    json_put_string(&out, STR("apiKey"), call->params[0]);
    if (where.len > 0)
        json_put_string(&out, STR("apiHost"), where);
    if (is_loopback(host))
        json_put_string(&out, STR("protocol"), STR("http"));
    json_close_object(&out);
    json_close_object(&out);
    json_name(&out, STR("metrics")); /* so that it keeps none about itself */
    json_open_object(&out);
    json_put_i64(&out, STR("sampleRate"), 0);
    json_close_object(&out);
    json_close_object(&out);
    return HTTP_DONE;
}

#define MESSAGE(where, what, handler)                                                                                  \
    {                                                                                                                  \
        .method = HTTP_POST, .path = "/v1/" where, .scope = SCOPE_INGEST, .purpose = PURPOSE_COLLECT,                  \
        .envelope = ENVELOPE_SEGMENT, .key = KEY_SEGMENT, .is_for_browsers = true, .is_limited = true,                 \
        .summary = what, .begin = handler, .finish = finish                                                            \
    }

const struct route segment_routes[] = {
    MESSAGE("batch", "Take up to 2,500 messages of Segment's API", begin_batch),
    MESSAGE("b", "The same, as browsers call it", begin_batch),
    MESSAGE("track", "Record one event", begin_track),
    MESSAGE("t", "Record one event", begin_track),
    MESSAGE("page", "Record a page as an event", begin_page),
    MESSAGE("p", "Record a page as an event", begin_page),
    MESSAGE("screen", "Record a screen as an event", begin_screen),
    MESSAGE("s", "Record a screen as an event", begin_screen),
    MESSAGE("identify", "Create or update one user", begin_identify),
    MESSAGE("i", "Create or update one user", begin_identify),
    MESSAGE("group", "Set a user's group", begin_group),
    MESSAGE("g", "Set a user's group", begin_group),
    MESSAGE("alias", "Say that two ids are one person", begin_alias),
    MESSAGE("a", "Say that two ids are one person", begin_alias),
    { .method = HTTP_POST,
      .path = "/v1/m",
      .purpose = PURPOSE_NONE,
      .envelope = ENVELOPE_SEGMENT,
      .is_for_browsers = true,
      .summary = "Figures of clients about themselves: dropped",
      .begin = begin_metrics },
    { .method = HTTP_GET,
      .path = "/v1/projects/{key}/settings",
      .scope = SCOPE_INGEST,
      .purpose = PURPOSE_COLLECT,
      .envelope = ENVELOPE_SEGMENT,
      .key = KEY_IN_PATH,
      .is_for_browsers = true,
      .summary = "What a client asks for at its start",
      .begin = begin_settings },
    { .path = NULL },
};
