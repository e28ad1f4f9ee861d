/* Accounts, keys, settings and attribute types: for admins of an account and the operator of this machine. Every change of
 * a credential is in the audit. */
#include "api/app_inside.h"
#include "base/json_write.h"
#include "intake/retype.h"
#include "ledger/audit.h"

/* One administrative change; which members count depends on the kind. */
struct admin_call {
    struct command command; /* first: the writer hands it back */
    struct call *call;
    struct str license, time_zone;
    unsigned scopes;
    uint32_t number;
    char text[CREDENTIAL_TEXT_MAX], write_text[CREDENTIAL_TEXT_MAX];
    const struct json *body; /* of settings */
    struct str name;
    enum name_type type;
    bool of_users, of_events;
    struct retype retype;
};

static bool note(struct turn *turn, const struct admin_call *state, const char *act, uint32_t account, uint32_t number,
                 struct error *error)
{
    const struct audit_entry entry = { .at_ms = turn->now_ms,
                                       .act = act,
                                       .account = account,
                                       .credential = state->call->credential,
                                       .route = state->call->route->path,
                                       .count = number };

    (void)ledger_raise_position(turn->ledger);
    return audit_add(ledger_audit(turn->ledger), &entry, error);
}

static struct admin_call *new_state(struct call *call, const struct command_kind *kind)
{
    struct admin_call *state = ARENA_NEW(call->arena, struct admin_call, 1);

    if (!state)
        return NULL;
    *state = (struct admin_call){ .command = { .kind = kind, .phases = PHASE_LEDGER, .bytes = 512 }, .call = call };
    call->state = state;
    return state;
}

static const struct json *read_body(struct call *call, struct error *error)
{
    struct reader *reader = engine_take_reader(call->engine, error);
    const struct json *body = reader ? call_object(call, reader->parser, error) : NULL;

    if (reader)
        engine_give_reader(call->engine, reader);
    return body;
}

/* Absent is fine where there is a fallback. */
static bool read_text(struct call *call, const struct json *body, struct str name, const char *fallback,
                      struct str *out, struct error *error)
{
    const struct json *value = json_member(body, name);

    if (!value && fallback) {
        *out = str_of(fallback);
        return true;
    }
    if (!value || value->kind != JSON_STRING)
        return error_set(error, ERROR_INVALID, "%.*s: must be a string", STR_ARG(name));
    *out = json_text(value, call->arena);
    return out->at || error_set(error, ERROR_TOO_LARGE, "the request is too large");
}

static enum http_next start(struct call *call, struct http_reply *reply, const struct error *error)
{
    struct admin_call *state = call->state;
    static const struct error no_memory = { ERROR_BUSY, "out of memory" };

    if (error->code == ERROR_NONE && state)
        return call_submit(call, reply, &state->command);
    reply_error(call, reply, error->code == ERROR_NONE ? &no_memory : error);
    return HTTP_DONE;
}

static bool failed(struct call *call, struct http_reply *reply)
{
    const struct admin_call *state = call->state;

    if (state->command.error.code == ERROR_NONE)
        return false;
    reply_error(call, reply, &state->command.error);
    return true;
}

/* ---- accounts ---- */

static bool add_account(struct turn *turn, struct command *command, struct error *error)
{
    struct admin_call *state = (struct admin_call *)command;
    const struct new_account fresh = { state->license, state->time_zone };
    uint32_t account = 0, key = 0;

    return ledger_add_account(turn->ledger, &fresh, &account, error) &&
           ledger_add_credential(turn->ledger, account, SCOPE_ALL, state->text, &key, error) &&
           note(turn, state, "key added", account, key, error) &&
           ledger_add_credential(turn->ledger, account, SCOPE_INGEST, state->write_text, &key, error) &&
           note(turn, state, "key added", account, key, error);
}

static const struct command_kind add_account_kind = {
    .name = "new account",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_NONE,
    .in_ledger = add_account,
};

static enum http_next begin_account(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = new_state(call, &add_account_kind);
    struct error error = { 0 };
    const struct json *body = state ? read_body(call, &error) : NULL;

    if (body && read_text(call, body, STR("license"), NULL, &state->license, &error))
        (void)read_text(call, body, STR("time_zone"), "UTC", &state->time_zone, &error);
    return start(call, reply, &error);
}

static void finish_account(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = call->state;
    struct json_out out = json_out(&reply->body);

    if (failed(call, reply))
        return;
    json_open_object(&out);
    json_put_string(&out, STR("license"), state->license);
    json_put_string(&out, STR("api_key"), str_of(state->text));
    json_put_string(&out, STR("write_key"), str_of(state->write_text));
    json_close_object(&out);
    reply->status = 201;
}

/* ---- keys ---- */

static bool add_key(struct turn *turn, struct command *command, struct error *error)
{
    struct admin_call *state = (struct admin_call *)command;

    return ledger_add_credential(turn->ledger, state->call->account, state->scopes, state->text, &state->number,
                                 error) &&
           note(turn, state, "key added", state->call->account, state->number, error);
}

static bool revoke_key(struct turn *turn, struct command *command, struct error *error)
{
    struct admin_call *state = (struct admin_call *)command;

    return ledger_revoke_credential(turn->ledger, state->call->account, state->number, error) &&
           note(turn, state, "key revoked", state->call->account, state->number, error);
}

static const struct command_kind add_key_kind = {
    .name = "new key",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_NONE,
    .in_ledger = add_key,
};
static const struct command_kind revoke_key_kind = {
    .name = "revoked key",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_NONE,
    .in_ledger = revoke_key,
};

static enum http_next begin_add_key(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = new_state(call, &add_key_kind);
    struct error error = { 0 };
    const struct json *body = state ? read_body(call, &error) : NULL;
    struct str scopes;

    if (body && read_text(call, body, STR("scopes"), "ingest,read,report,rights,admin", &scopes, &error) &&
        !scopes_of(scopes, &state->scopes))
        (void)error_set(&error, ERROR_INVALID, "scopes: some of ingest, read, report, rights, admin, with commas");
    return start(call, reply, &error);
}

static void write_key(struct json_out *out, const struct credential *key)
{
    char text[64];
    struct buf scopes;

    buf_init(&scopes, sizeof text);
    scopes_write(key->scopes, &scopes);
    json_open_object(out);
    json_put_i64(out, STR("number"), key->number);
    json_put_string(out, STR("scopes"), buf_str(&scopes));
    json_put_time(out, STR("createdAt"), key->created_ms);
    json_put_time(out, STR("revokedAt"), key->revoked_ms);
    json_close_object(out);
    buf_clear(&scopes);
}

static void finish_add_key(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = call->state;
    const struct credential key = { .number = state->number,
                                    .scopes = state->scopes,
                                    .created_ms = call->request->received_ms,
                                    .revoked_ms = WHEN_NONE };
    struct json_out out = json_out(&reply->body);

    if (failed(call, reply))
        return;
    json_open_object(&out);
    json_name(&out, STR("key"));
    write_key(&out, &key);
    json_put_string(&out, STR("text"), str_of(state->text));
    json_close_object(&out);
    reply->status = 201;
}

static bool take_key(void *arg, const struct row *row, struct error *error)
{
    const struct credential key = { .number = (uint32_t)row_integer(row, 0),
                                    .scopes = (unsigned)row_integer(row, 1),
                                    .created_ms = row_integer(row, 2),
                                    .revoked_ms = row_is_null(row, 3) ? WHEN_NONE : row_integer(row, 3) };

    (void)error;
    write_key(arg, &key);
    return true;
}

static enum http_next begin_list_keys(struct call *call, struct http_reply *reply)
{
    struct json_out out = json_out(&reply->body);
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(call->engine, &error);
    bool ok;

    json_open_object(&out);
    json_name(&out, STR("keys"));
    json_open_array(&out);
    ok = reader && db_run(reader->ledger,
                          SQL("SELECT credential, scopes, created_at, revoked_at FROM credential WHERE account = $1"
                              " ORDER BY credential"),
                          DB_PARAMS(DB_INTEGER(call->account)), take_key, &out, &error);
    json_close_array(&out);
    json_close_object(&out);
    if (reader)
        engine_give_reader(call->engine, reader);
    if (!ok)
        reply_error(call, reply, &error);
    return HTTP_DONE;
}

static enum http_next begin_revoke_key(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = new_state(call, &revoke_key_kind);
    struct error error = { 0 };
    uint64_t number = 0;

    if (!str_to_u64(call->params[0], &number) || number == 0 || number > UINT32_MAX)
        (void)error_set(&error, ERROR_NOT_FOUND, "there is no such key");
    else if (state)
        state->number = (uint32_t)number;
    return start(call, reply, &error);
}

static void finish_plain(struct call *call, struct http_reply *reply)
{
    if (!failed(call, reply))
        buf_add(&reply->body, STR("{\"status\":\"done\"}"));
}

/* ---- settings ---- */

static bool set_options(struct turn *turn, struct command *command, struct error *error)
{
    struct admin_call *state = (struct admin_call *)command;
    const struct json *body = state->body;

    for (const struct json *value = json_first(body); value; value = json_next(body, value)) {
        struct str text = value->kind == JSON_STRING ? json_text(value, state->call->arena) : value->raw;
        if (!ledger_set_option(turn->ledger, state->call->account, value->name, text, error))
            return false;
    }
    return note(turn, state, "settings changed", state->call->account, body->count, error);
}

static const struct command_kind set_options_kind = {
    .name = "changed settings",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_NONE,
    .in_ledger = set_options,
};

static enum http_next begin_set_options(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = new_state(call, &set_options_kind);
    struct error error = { 0 };

    if (state)
        state->body = read_body(call, &error);
    if (state && state->body && state->body->count == 0)
        (void)error_set(&error, ERROR_INVALID, "name at least one setting");
    return start(call, reply, &error);
}

static void write_options(struct call *call, struct http_reply *reply)
{
    struct ledger *ledger = engine_ledger(call->engine);
    struct json_out out = json_out(&reply->body);
    struct account_options options;

    ledger_enter(ledger);
    options = ledger_account(ledger, call->account)->options;
    ledger_leave(ledger);
    json_open_object(&out);
    for (const struct setting *row = account_settings; row->kind != SETTING_END; row++) {
        const void *place = (const char *)&options + row->offset;
        if (row->kind == SETTING_FLAG)
            json_put_bool(&out, str_of(row->name), *(const bool *)place);
        else
            json_put_i64(&out, str_of(row->name), *(const int64_t *)place);
    }
    json_close_object(&out);
}

static enum http_next begin_get_options(struct call *call, struct http_reply *reply)
{
    write_options(call, reply);
    return HTTP_DONE;
}

static void finish_set_options(struct call *call, struct http_reply *reply)
{
    if (!failed(call, reply))
        write_options(call, reply);
}

/* ---- attribute types ---- */

static bool set_type_of(struct turn *turn, const struct admin_call *state, enum name_kind kind, bool *any,
                        struct error *error)
{
    struct account *account = ledger_account(turn->ledger, state->call->account);

    if (!names_find(&account->names[kind], state->name))
        return true;
    *any = true;
    return ledger_set_name_type(turn->ledger, account, kind, state->name, state->type, error);
}

static bool set_type(struct turn *turn, struct command *command, struct error *error)
{
    struct admin_call *state = (struct admin_call *)command;
    bool any = false;

    if (state->of_users && !set_type_of(turn, state, NAME_USER_ATTRIBUTE, &any, error))
        return false;
    if (state->of_events && !set_type_of(turn, state, NAME_EVENT_ATTRIBUTE, &any, error))
        return false;
    if (!any)
        return error_set(error, ERROR_NOT_FOUND, "there is no attribute of this name");
    return note(turn, state, "attribute type changed", state->call->account, 0, error);
}

static const struct command_kind set_type_kind = {
    .name = "changed attribute type",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_NONE,
    .in_ledger = set_type,
};

static void retyped(struct retype *retype)
{
    http_resume(retype->waiter);
}

/* The type is set; now the values that people have follow. */
static void type_set(struct command *command)
{
    struct admin_call *state = (struct admin_call *)command;

    if (command->error.code != ERROR_NONE || !state->of_users) {
        http_resume(command->waiter);
        return;
    }
    state->retype = (struct retype){ .engine = state->call->engine,
                                     .account = state->call->account,
                                     .name = state->name,
                                     .type = state->type,
                                     .finished = retyped,
                                     .waiter = state->call->exchange };
    retype_start(&state->retype);
}

static void finish_set_type(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = call->state;
    struct json_out out = json_out(&reply->body);

    if (failed(call, reply))
        return;
    if (state->retype.error.code != ERROR_NONE) {
        reply_error(call, reply, &state->retype.error);
        return;
    }
    json_open_object(&out);
    json_put_string(&out, STR("status"), STR("done"));
    json_put_i64(&out, STR("converted"), (int64_t)state->retype.converted);
    json_put_i64(&out, STR("kept"), (int64_t)state->retype.kept);
    json_close_object(&out);
}

static enum http_next begin_set_type(struct call *call, struct http_reply *reply)
{
    struct admin_call *state = new_state(call, &set_type_kind);
    struct error error = { 0 };
    const struct json *body = state ? read_body(call, &error) : NULL;
    struct str type, of;

    if (body && read_text(call, body, STR("type"), NULL, &type, &error) &&
        read_text(call, body, STR("of"), "both", &of, &error)) {
        state->name = call->params[0];
        state->of_users = !str_equal(of, STR("event"));
        state->of_events = !str_equal(of, STR("user"));
        if (!name_type_of(type, &state->type))
            (void)error_set(&error, ERROR_INVALID, "type: one of string, number, boolean, date, array, object");
    }
    if (error.code != ERROR_NONE || !state)
        return start(call, reply, &error);
    state->command.done = type_set;
    state->command.waiter = call->exchange;
    if (engine_submit(call->engine, &state->command, &error))
        return HTTP_WAIT;
    reply_error(call, reply, &error);
    return HTTP_DONE;
}

#define ADMIN(verb, where, who, what, on_begin, on_finish)                                                             \
    {                                                                                                                  \
        .method = verb, .path = where, .scope = who, .purpose = PURPOSE_NONE, .envelope = ENVELOPE_NATIVE,             \
        .summary = what, .begin = on_begin, .finish = on_finish                                                        \
    }

const struct route admin_routes[] = {
    ADMIN(HTTP_POST, "/api/accounts", SCOPE_OPERATOR, "Make an account with its first keys", begin_account,
          finish_account),
    ADMIN(HTTP_POST, "/api/keys", SCOPE_ADMIN, "Make a key", begin_add_key, finish_add_key),
    ADMIN(HTTP_GET, "/api/keys", SCOPE_ADMIN, "All keys, without their texts", begin_list_keys, NULL),
    ADMIN(HTTP_DELETE, "/api/keys/{number}", SCOPE_ADMIN, "Revoke a key", begin_revoke_key, finish_plain),
    ADMIN(HTTP_GET, "/api/settings", SCOPE_ADMIN, "The account's settings", begin_get_options, NULL),
    ADMIN(HTTP_PUT, "/api/settings", SCOPE_ADMIN, "Change settings", begin_set_options, finish_set_options),
    ADMIN(HTTP_PUT, "/api/attributes/{name}", SCOPE_ADMIN, "Correct an attribute's type", begin_set_type,
          finish_set_type),
    { .path = NULL },
};
