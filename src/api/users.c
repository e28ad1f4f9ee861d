/* Native reads of one person: each look is in the audit before its answer leaves. */
#include <inttypes.h>
#include <stdio.h>

#include "api/app_inside.h"
#include "rights/access.h"

#define EVENTS_DEFAULT 100
#define EVENTS_MAX 1000
#define PAGE_MAX_BYTES ((size_t)4 * 1024 * 1024) /* of events: a page of larger ones is shorter */

struct look_call {
    struct access_entry entry; /* first: the writer hands its command back */
    enum look_reason reason;
    uint32_t ordinal;
    struct access_events events;
};

/* A cursor tells nothing but the place: a sequence number, turned by a keyed number of the person. */
static uint64_t turn_of(struct call *call, uint32_t ordinal)
{
    struct ledger *ledger = engine_ledger(call->engine);
    uint64_t turn;

    ledger_enter(ledger);
    turn = fingerprint_short(&ledger_account(ledger, call->account)->keys->pepper,
                             (struct str){ (const char *)&ordinal, sizeof ordinal });
    ledger_leave(ledger);
    return turn;
}

static bool read_cursor(struct call *call, struct look_call *state, struct error *error)
{
    struct str text;
    uint64_t limit = EVENTS_DEFAULT;
    unsigned char bytes[8];

    state->events = (struct access_events){ .bound = UINT64_MAX };
    if (http_query(call->request, STR("limit"), &text) &&
        (!str_to_u64(text, &limit) || limit < 1 || limit > EVENTS_MAX))
        return error_set(error, ERROR_INVALID, "limit: a number from 1 to 1000");
    state->events.max = limit;
    state->events.max_bytes = PAGE_MAX_BYTES;
    if (!http_query(call->request, STR("cursor"), &text) || text.len == 0)
        return true;
    if (!str_from_hex(text, bytes, sizeof bytes))
        return error_set(error, ERROR_INVALID, "cursor: not one of ours");
    memcpy(&state->events.bound, bytes, sizeof bytes);
    state->events.bound ^= turn_of(call, state->ordinal);
    return true;
}

static enum http_next begin_look(struct call *call, struct http_reply *reply, enum identity_kind kind, bool events)
{
    struct look_call *state = ARENA_NEW(call->arena, struct look_call, 1);
    struct str reason = call->request->habeas_reason;
    struct error error = { 0 };

    if (!state)
        (void)error_set(&error, ERROR_BUSY, "out of memory");
    else if (reason.len > 0 && !look_reason_of(reason, &state->reason))
        (void)error_set(&error, ERROR_INVALID,
                        "Habeas-Reason: one of person_consent, legal_claim, rights_of_others, public_interest");
    else if (access_find(call->engine, call->account, kind, call->params[0], PURPOSE_VIEW, state->reason,
                         &state->ordinal, &error) &&
             events)
        (void)read_cursor(call, state, &error);
    if (error.code != ERROR_NONE) {
        reply_error(call, reply, &error);
        if (error.code == ERROR_FORBIDDEN)
            reply_error_in(ENVELOPE_NATIVE, reply, 403, "restricted", STR("this person's data is restricted"));
        return HTTP_DONE;
    }
    state->entry = (struct access_entry){
        .command = { .kind = &access_entry_kind, .phases = PHASE_LEDGER, .bytes = 256 },
        .account = call->account,
        .credential = call->credential,
        .ordinal = state->ordinal,
        .act = "look",
        .route = call->route->path,
        .reason = state->reason,
        .purpose = PURPOSE_VIEW,
    };
    call->state = state;
    return call_submit(call, reply, &state->entry.command);
}

static enum http_next begin_user(struct call *call, struct http_reply *reply)
{
    return begin_look(call, reply, IDENTITY_CUID, false);
}

static enum http_next begin_anonymous(struct call *call, struct http_reply *reply)
{
    return begin_look(call, reply, IDENTITY_ANONYMOUS, false);
}

static enum http_next begin_user_events(struct call *call, struct http_reply *reply)
{
    return begin_look(call, reply, IDENTITY_CUID, true);
}

static enum http_next begin_anonymous_events(struct call *call, struct http_reply *reply)
{
    return begin_look(call, reply, IDENTITY_ANONYMOUS, true);
}

static void write_cursor(struct call *call, const struct look_call *state, struct json_out *out)
{
    uint64_t place = state->events.bound ^ turn_of(call, state->ordinal);
    unsigned char bytes[8];
    char text[17];

    memcpy(bytes, &place, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    json_put_string(out, STR("cursor"), str_of(text));
}

static bool write_events(struct call *call, struct look *look, struct look_call *state, struct json_out *out,
                         struct error *error)
{
    json_name(out, STR("events"));
    json_open_array(out);
    if (!access_events(look, &state->events, out, error))
        return false;
    json_close_array(out);
    if (state->events.more) {
        write_cursor(call, state, out);
    } else {
        json_name(out, STR("cursor"));
        json_null(out);
    }
    return true;
}

static void finish_look(struct call *call, struct http_reply *reply, bool events)
{
    struct look_call *state = call->state;
    struct error error = state->entry.command.error;
    struct json_out out = json_out(&reply->body);
    struct look look = { .engine = call->engine,
                         .arena = call->arena,
                         .account = call->account,
                         .ordinal = state->ordinal,
                         .purpose = PURPOSE_VIEW,
                         .reason = state->reason };
    bool ok = error.code == ERROR_NONE;

    if (ok)
        look.reader = engine_take_reader(call->engine, &error);
    ok = ok && look.reader;
    json_open_object(&out);
    ok = ok && (events ? write_events(call, &look, state, &out, &error) : access_person(&look, &out, &error));
    json_close_object(&out);
    if (look.reader)
        engine_give_reader(call->engine, look.reader);
    if (ok && reply->body.overflowed)
        ok = error_set(&error, ERROR_TOO_LARGE, "the answer is too large: ask for fewer events at once");
    reply->status = 200;
    if (!ok)
        reply_error(call, reply, &error);
    if (!ok && error.code == ERROR_FORBIDDEN)
        reply_error_in(ENVELOPE_NATIVE, reply, 403, "restricted", STR("this person's data is restricted"));
}

static void finish_person(struct call *call, struct http_reply *reply)
{
    finish_look(call, reply, false);
}

static void finish_events(struct call *call, struct http_reply *reply)
{
    finish_look(call, reply, true);
}

#define LOOK(where, what, on_begin, on_finish)                                                                         \
    {                                                                                                                  \
        .method = HTTP_GET, .path = where, .scope = SCOPE_READ, .purpose = PURPOSE_VIEW, .envelope = ENVELOPE_NATIVE,  \
        .summary = what, .begin = on_begin, .finish = on_finish                                                        \
    }

const struct route user_routes[] = {
    LOOK("/api/users/{userId}", "One known user", begin_user, finish_person),
    LOOK("/api/users/{userId}/events", "A known user's events, newest received first", begin_user_events,
         finish_events),
    LOOK("/api/anonymous/{anonymousId}", "One anonymous user", begin_anonymous, finish_person),
    LOOK("/api/anonymous/{anonymousId}/events", "An anonymous user's events, newest received first",
         begin_anonymous_events, finish_events),
    { .path = NULL },
};
