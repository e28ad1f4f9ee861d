/* Keys out of heads, paths and bodies. A key that is given must be good wherever it stands, and two must be the same one;
 * nothing of a body is acted on before its caller is known. */
#include "http/caller.h"

#include <sodium.h>

#include "base/gunzip.h"

enum { KEY_TEXT_MAX = 512 }; /* longer than any key: what is longer is none of ours */

bool caller_refuse(const struct call *call, struct http_reply *reply, int status, const char *code, const char *message)
{
    reply_error_in(call->route->envelope, reply, status, code, str_of(message));
    if (status == 401)
        http_reply_header(reply, STR("WWW-Authenticate"), STR("Bearer"));
    return false;
}

static bool refuse_key(const struct call *call, struct http_reply *reply)
{
    return caller_refuse(call, reply, 401, "unauthorized", "the API key is missing or wrong");
}

/* ---- keys in heads ---- */

/* What follows the scheme; at == NULL when it is another one. */
static struct str credentials(struct str authorization, struct str wanted)
{
    struct str rest = authorization;
    struct str scheme = str_cut(&rest, ' ');

    return str_equal_nocase(scheme, wanted) ? str_trim(rest) : (struct str){ NULL, 0 };
}

/* The user name of "KEY:"; some clients forget the colon. A password is nobody's key. */
static struct str basic_key(struct str encoded, struct arena *arena)
{
    char *made = arena_bytes(arena, KEY_TEXT_MAX);
    struct str rest = { made, 0 };

    if (!made || sodium_base642bin((unsigned char *)made, KEY_TEXT_MAX, encoded.at, encoded.len, "=", &rest.len, NULL,
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
        return (struct str){ NULL, 0 };
    struct str key = str_cut(&rest, ':');
    return rest.len == 0 ? key : (struct str){ NULL, 0 };
}

static struct str header_key(const struct call *call)
{
    struct str authorization = call->request->authorization;
    struct str encoded = { NULL, 0 };

    if (call->route->key == KEY_SEGMENT)
        encoded = credentials(authorization, STR("Basic"));
    return encoded.len > 0 ? basic_key(encoded, call->arena) : credentials(authorization, STR("Bearer"));
}

/* ---- keys to credentials ---- */

/* The credential's facts are copied inside the hold: it may be revoked the moment after. */
static bool know_key(struct call *call, struct str key)
{
    struct ledger *ledger = engine_ledger(call->engine);
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

enum http_admission caller_may_be_known(struct call *call)
{
    bool is_known;

    if (call->route->key == KEY_SEGMENT && call->request->authorization.len == 0)
        return ADMIT_PERHAPS;
    is_known = know_key(call, call->route->key == KEY_IN_PATH ? call->params[0] : header_key(call));
    return is_known ? ADMIT_YES : ADMIT_NO;
}

/* ---- keys in bodies ---- */

static bool inflate(struct call *call, struct error *error)
{
    struct http_request *request = call->request;

    return !gunzip_is(request->body) ||
           gunzip(request->body, request->body_max, JSON_PADDING, call->arena, &request->body, error);
}

bool caller_inflate(struct call *call, struct http_reply *reply)
{
    struct error error = { 0 };

    if (inflate(call, &error))
        return true;
    reply_error(call, reply, &error);
    return false;
}

static bool read_body(struct call *call, struct error *error)
{
    struct reader *reader;

    if (!inflate(call, error))
        return false;
    reader = engine_take_reader(call->engine, error);
    if (!reader)
        return false;
    call->body = json_read_twins(reader->parser, call->arena, call->request->body, &call->twins, error);
    engine_give_reader(call->engine, reader);
    if (call->body && call->body->kind != JSON_OBJECT)
        (void)error_set(error, ERROR_INVALID, "the body must be a JSON object");
    return error->code == ERROR_NONE;
}

/* Absent, or null: NULL. */
static const struct json *body_key(const struct call *call)
{
    const struct json *key = json_member(call->body, STR("writeKey"));

    return key && key->kind != JSON_NULL ? key : NULL;
}

static bool know_body_key(struct call *call, const struct json *key)
{
    uint32_t account = call->account, credential = call->credential;
    bool is_only = account == 0;

    return key->kind == JSON_STRING && know_key(call, json_text(key, call->arena)) &&
           (is_only || (call->account == account && call->credential == credential));
}

static bool check_segment(struct call *call, struct http_reply *reply)
{
    bool has_header = call->request->authorization.len > 0;
    struct error error = { 0 };
    const struct json *key;

    if (has_header && !know_key(call, header_key(call)))
        return refuse_key(call, reply);
    if (!read_body(call, &error)) {
        /* Whoever is not known yet is told only that, unless the trouble is ours or the size. */
        if (!has_header && error.code == ERROR_INVALID)
            return refuse_key(call, reply);
        reply_error(call, reply, &error);
        return false;
    }
    key = body_key(call);
    return (key ? know_body_key(call, key) : has_header) || refuse_key(call, reply);
}

/* ---- the check ---- */

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

static bool check_operator(struct call *call, struct str license, struct http_reply *reply)
{
    struct error error = { 0 };

    call->scopes = SCOPE_ALL | SCOPE_OPERATOR;
    if (license.len == 0)
        (void)http_query(call->request, STR("license"), &license);
    if (license.len > 0)
        call->account = account_of_license(engine_ledger(call->engine), license);
    if (call->route->scope && call->route->scope != SCOPE_OPERATOR && call->account == 0)
        return caller_refuse(call, reply, 404, "not_found", "there is no account with this license");
    if (call->route->key != KEY_SEGMENT || read_body(call, &error))
        return true;
    reply_error(call, reply, &error);
    return false;
}

static bool check_key(struct call *call, struct http_reply *reply)
{
    switch (call->route->key) {
    case KEY_SEGMENT:
        return check_segment(call, reply);
    case KEY_IN_PATH:
        return know_key(call, call->params[0]) || refuse_key(call, reply);
    default:
        return know_key(call, header_key(call)) || refuse_key(call, reply);
    }
}

bool caller_check(struct call *call, struct str license, struct http_reply *reply)
{
    if (call->route->scope == 0)
        return true;
    if (call->request->door == DOOR_CONTROL)
        return check_operator(call, license, reply);
    if (!check_key(call, reply))
        return false;
    if (license.len > 0 && account_of_license(engine_ledger(call->engine), license) != call->account)
        return caller_refuse(call, reply, 404, "not_found", "there is no such account for this key");
    if ((call->scopes & call->route->scope) != call->route->scope)
        return caller_refuse(call, reply, 401, "unauthorized", "this key lacks the scope for that");
    return true;
}
