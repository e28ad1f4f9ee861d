/* WebEngage's ingestion routes: users and events, single and in bulk. */
#include <stdlib.h>

#include "api/app_inside.h"
#include "base/json_write.h"
#include "intake/ingest.h"
#include "intake/webengage.h"

/* Of what was ignored, in one answer: a hostile body must not make an answer many times its size. */
#define REMARKS_MAX_BYTES ((size_t)256 * 1024)
#define FIELD_SHOWN_BYTES 1024

struct ingest_call {
    struct ingest ingest; /* first: the writer hands its command back */
    struct call *call;
    enum item_kind kind;
    bool has_mark, waits;
    struct answer_mark mark;
    struct kept_answer kept;
};

/* ---- the answer ---- */

/* A name that was far too long is not sent back whole. */
static struct str shown(struct str field)
{
    size_t len = field.len < FIELD_SHOWN_BYTES ? field.len : FIELD_SHOWN_BYTES;

    while (len < field.len && len > 0 && ((unsigned char)field.at[len] & 0xc0) == 0x80)
        len--;
    return (struct str){ field.at, len };
}

static void write_remark(struct json_out *out, bool is_bulk, uint32_t index, struct str field, struct str message)
{
    json_open_object(out);
    if (is_bulk && index != IGNORED_NO_INDEX)
        json_put_i64(out, STR("index"), index);
    if (field.at)
        json_put_string(out, STR("field"), shown(field));
    json_put_string(out, STR("message"), message);
    json_close_object(out);
}

static bool is_shown(const struct ignored *ignored, unsigned scopes)
{
    return !ignored->depends_on_held || (scopes & SCOPE_READ);
}

static void write_ignored(const struct ingest *ingest, unsigned scopes, struct json_out *out)
{
    size_t count = 0, from = out->buf->len;

    for (const struct ignored *ignored = ingest->ignored.first;
         ignored && count < IGNORED_MAX && out->buf->len - from < REMARKS_MAX_BYTES; ignored = ignored->next) {
        if (!is_shown(ignored, scopes))
            continue;
        if (count++ == 0) {
            json_name(out, STR("ignored"));
            json_open_array(out);
        }
        write_remark(out, ingest->is_bulk, ignored->index, ignored->field, ignored->message);
    }
    if (count > 0)
        json_close_array(out);
}

static void write_rejected(const struct ingest *ingest, struct json_out *out)
{
    if (ingest_refused(ingest) == 0)
        return;
    json_name(out, STR("rejected"));
    json_open_array(out);
    for (uint32_t i = 0; i < ingest->count; i++)
        if (ingest->proposals[i].state == PROPOSAL_REFUSED)
            write_remark(out, true, ingest->items[i].index, (struct str){ NULL, 0 },
                         str_of(ingest->items[i].refused.text));
    json_close_array(out);
}

static void write_for_operator(const struct ingest *ingest, struct json_out *out)
{
    const struct {
        struct str name;
        uint32_t count;
    } rows[] = {
        { STR("repeated"), ingest_repeated(ingest) },           { STR("suppressed"), ingest_dropped(ingest, true) },
        { STR("dropped"), ingest_dropped(ingest, false) },      { STR("optInsNotApplied"), ingest->unapplied[true] },
        { STR("optOutsNotApplied"), ingest->unapplied[false] },
    };
    bool is_open = false;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].count == 0)
            continue;
        if (!is_open) {
            json_name(out, STR("operator"));
            json_open_object(out);
        }
        is_open = true;
        json_put_i64(out, rows[i].name, rows[i].count);
    }
    if (is_open)
        json_close_object(out);
}

void ingest_write_details(const struct ingest *ingest, unsigned scopes, struct json_out *out)
{
    write_rejected(ingest, out);
    write_ignored(ingest, scopes, out);
    if (scopes & SCOPE_OPERATOR)
        write_for_operator(ingest, out);
}

static int write_answer(const struct ingest *ingest, unsigned scopes, struct buf *body)
{
    bool all_refused = ingest->count > 0 && ingest_refused(ingest) == ingest->count;
    struct json_out out = json_out(body);

    json_open_object(&out);
    json_name(&out, STR("response"));
    json_open_object(&out);
    if (all_refused)
        json_put_string(&out, STR("message"), STR("Error: no item was accepted"));
    json_put_string(&out, STR("status"), all_refused ? STR("error") : STR("queued"));
    ingest_write_details(ingest, scopes, &out);
    json_close_object(&out);
    json_close_object(&out);
    return all_refused ? 400 : 201;
}

static bool tells_held(const struct ingest *ingest)
{
    for (const struct ignored *ignored = ingest->ignored.first; ignored; ignored = ignored->next)
        if (ignored->depends_on_held && is_shown(ignored, ingest->origin.scopes))
            return true;
    return false;
}

/* On the writer's thread, in the file of the effect: what a repeated call will be told, whoever repeats it: so nothing
 * that only the operator may know. */
static bool keep_answer(struct ingest *ingest, const struct account *account, struct error *error)
{
    struct ingest_call *state = (struct ingest_call *)ingest;
    unsigned scopes = ingest->origin.scopes & ~(unsigned)SCOPE_OPERATOR;
    struct buf body;

    buf_init(&body, ANSWER_BODY_MAX);
    state->kept.status = write_answer(ingest, scopes, &body);
    if (tells_held(ingest)) {
        size_t whole = body.len;
        (void)write_answer(ingest, scopes & ~(unsigned)SCOPE_READ, &body);
        state->kept.open_len = (uint32_t)(body.len - whole);
    }
    state->kept.body = arena_copy(ingest->arena, buf_str(&body));
    bool ok = !body.overflowed && state->kept.body.at;
    buf_clear(&body);
    if (ok)
        ingest->answer = answer_seal(account, &state->mark, &state->kept, ingest->arena);
    return (ok && ingest->answer.at) || error_set(error, ERROR_TOO_LARGE, "the answer is too large to be kept");
}

void ingest_tally(const struct ingest *ingest, struct engine *engine)
{
    engine_tally(engine, TALLY_EVENTS_ACCEPTED, ingest_count(ingest, ITEM_EVENT, false));
    engine_tally(engine, TALLY_EVENTS_REPEATED, ingest_repeated(ingest));
    engine_tally(engine, TALLY_EVENTS_REFUSED, ingest_count(ingest, ITEM_EVENT, true));
    engine_tally(engine, TALLY_USERS_ACCEPTED, ingest_count(ingest, ITEM_USER, false));
    engine_tally(engine, TALLY_USERS_REFUSED, ingest_count(ingest, ITEM_USER, true));
}

/* A refusal of the whole call. The documented texts begin with "Error: ". */
static void refuse(struct ingest_call *state, struct http_reply *reply, const struct error *error)
{
    char text[sizeof error->text + 8] = "Error: ";
    bool is_input = error->code == ERROR_INVALID || error->code == ERROR_LIMITED;

    if (!is_input) {
        reply_error(state->call, reply, error);
        return;
    }
    memcpy(text + 7, error->text, strlen(error->text) + 1);
    reply_error_in(ENVELOPE_WEBENGAGE, reply, 400, "invalid", str_of(text));
    engine_tally(state->call->engine, state->kind == ITEM_EVENT ? TALLY_EVENTS_REFUSED : TALLY_USERS_REFUSED,
                 state->ingest.count > 0 ? state->ingest.count : 1);
}

/* Nothing came of it. What was wrong with what was sent is wrong with its repeats, too. */
static void free_mark(struct ingest_call *state, const struct http_reply *reply)
{
    const struct kept_answer told = { .status = reply->status, .body = buf_str(&reply->body) };
    struct app *app = state->call->app;

    if (state->has_mark)
        answers_refuse(app->answers, &state->mark, reply->status == 400 ? &told : NULL);
}

static void answer(struct ingest_call *state, struct http_reply *reply)
{
    reply->status = write_answer(&state->ingest, state->ingest.origin.scopes, &reply->body);
    ingest_tally(&state->ingest, state->call->engine);
}

/* ---- repeated x-request-ids ---- */

static void resume(void *exchange)
{
    http_resume(exchange);
}

static void answer_kept(const struct ingest_call *state, struct http_reply *reply)
{
    reply->status = state->kept.status;
    buf_add(&reply->body, answer_body(&state->kept, state->call->scopes));
}

/* HTTP_WAIT and `done` false: this is the first; go on. */
static enum http_next check_repeat(struct ingest_call *state, struct http_reply *reply, bool *done)
{
    struct call *call = state->call;
    struct app *app = call->app;
    struct ledger *ledger = engine_ledger(call->engine);

    *done = true;
    if (call->request->request_id.len > ANSWER_ID_MAX) {
        reply_error_in(ENVELOPE_WEBENGAGE, reply, 400, "invalid", STR("Error: x-request-id: at most 255 bytes"));
        return HTTP_DONE;
    }
    ledger_enter(ledger);
    state->mark =
        answer_mark(ledger_account(ledger, call->account), str_of(call->route->path), call->request->request_id);
    ledger_leave(ledger);
    switch (answers_begin(app->answers, &state->mark, call->request->received_ms, resume, call->exchange, call->arena,
                          &state->kept)) {
    case ANSWER_KEPT:
        answer_kept(state, reply);
        return HTTP_DONE;
    case ANSWER_WAIT:
        state->waits = true;
        return HTTP_WAIT;
    default:
        break;
    }
    state->has_mark = true;
    state->ingest.keeps_answer = true;
    state->ingest.make_answer = keep_answer;
    memcpy(state->ingest.answer_mark, state->mark.bytes, sizeof state->ingest.answer_mark);
    *done = false;
    return HTTP_WAIT;
}

/* ---- one call ---- */

static bool prepare(struct ingest_call *state, const struct webengage_call *what, struct reader *reader,
                    struct error *error)
{
    struct ingest *ingest = &state->ingest;
    struct webengage_call call = *what;
    const struct json *body =
        json_read_twins(reader->parser, ingest->arena, state->call->request->body, &call.twins, error);

    return body &&
           webengage_items(&call, body, ingest->origin.received_ms, ingest->arena, &ingest->items, &ingest->count,
                           &ingest->ignored, error) &&
           ingest_prepare(ingest, engine_ledger(state->call->engine), reader->seat, error);
}

static struct ingest_call *new_state(struct call *call, const struct webengage_call *what)
{
    struct ingest_call *state = ARENA_NEW(call->arena, struct ingest_call, 1);

    if (!state)
        return NULL;
    state->call = call;
    state->kind = what->kind;
    state->ingest = (struct ingest){
        .command = { .kind = what->bulk ? &ingest_bulk : &ingest_single, .bytes = call->request->body.len + 256 },
        .origin = { .account = call->account,
                    .credential = call->credential,
                    .scopes = call->scopes,
                    .route = str_of(call->route->path),
                    .received_ms = call->request->received_ms },
        .arena = call->arena,
        .is_bulk = what->bulk,
    };
    state->ingest.ignored.end = &state->ingest.ignored.first;
    call->state = state;
    return state;
}

static enum http_next carry_out(struct ingest_call *state, const struct webengage_call *what, struct http_reply *reply)
{
    struct call *call = state->call;
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(call->engine, &error);
    bool ok = reader && prepare(state, what, reader, &error);
    enum http_next next = HTTP_DONE;

    if (reader)
        engine_give_reader(call->engine, reader);
    if (!ok)
        refuse(state, reply, &error);
    else if (state->ingest.command.phases == 0)
        answer(state, reply);
    else
        next = call_submit(call, reply, &state->ingest.command);
    if (next == HTTP_DONE)
        free_mark(state, reply);
    return next;
}

static enum http_next begin(struct call *call, struct http_reply *reply, const struct webengage_call *what)
{
    struct ingest_call *state = new_state(call, what);
    bool done = false;

    if (!state) {
        reply_error_in(ENVELOPE_WEBENGAGE, reply, 503, "busy", STR("out of memory"));
        return HTTP_DONE;
    }
    if (call->request->request_id.len > 0) {
        enum http_next next = check_repeat(state, reply, &done);
        if (done)
            return next;
    }
    return carry_out(state, what, reply);
}

static void finish(struct call *call, struct http_reply *reply)
{
    struct ingest_call *state = call->state;
    struct app *app = call->app;

    if (state->waits) {
        if (answers_find(app->answers, &state->mark, call->arena, &state->kept))
            answer_kept(state, reply);
        else
            reply_error_in(ENVELOPE_WEBENGAGE, reply, 503, "busy", STR("the first call of this id failed: try again"));
        return;
    }
    if (state->ingest.command.error.code != ERROR_NONE) {
        refuse(state, reply, &state->ingest.command.error);
        free_mark(state, reply);
        return;
    }
    answer(state, reply);
    if (state->has_mark)
        answers_end(app->answers, &state->mark, call->request->received_ms, &state->kept);
}

static enum http_next begin_user(struct call *call, struct http_reply *reply)
{
    return begin(call, reply, &(struct webengage_call){ .kind = ITEM_USER });
}

static enum http_next begin_event(struct call *call, struct http_reply *reply)
{
    return begin(call, reply, &(struct webengage_call){ .kind = ITEM_EVENT });
}

static enum http_next begin_bulk_users(struct call *call, struct http_reply *reply)
{
    return begin(call, reply, &(struct webengage_call){ .kind = ITEM_USER, .bulk = true });
}

static enum http_next begin_bulk_events(struct call *call, struct http_reply *reply)
{
    return begin(call, reply, &(struct webengage_call){ .kind = ITEM_EVENT, .bulk = true });
}

#define INGEST(verb, where, what, handler)                                                                             \
    {                                                                                                                  \
        .method = verb, .path = "/v1/accounts/{license}/" where, .scope = SCOPE_INGEST, .purpose = PURPOSE_COLLECT,    \
        .envelope = ENVELOPE_WEBENGAGE, .summary = what, .is_limited = true, .begin = handler, .finish = finish        \
    }

const struct route ingest_routes[] = {
    INGEST(HTTP_POST, "users", "Create or update one user", begin_user),
    INGEST(HTTP_PUT, "users", "Create or update one user", begin_user),
    INGEST(HTTP_POST, "events", "Record one event", begin_event),
    INGEST(HTTP_POST, "bulk-users", "Create or update up to 1,000 users", begin_bulk_users),
    INGEST(HTTP_POST, "bulk-events", "Record up to 1,000 events", begin_bulk_events),
    { .path = NULL },
};
