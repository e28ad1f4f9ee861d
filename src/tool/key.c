/* `key add`, `key revoke` and `key list`. */
#include "base/json_write.h"
#include "http/http.h"
#include "ledger/credential.h"
#include "tool/commands.h"
#include "tool/door.h"
#include "tool/print.h"
#include "tool/target.h"

enum { BODY_MAX_BYTES = 4096 };

/* Scripts read this line; the text of the key is nowhere else, and never again. */
static bool print_key(struct tool_run *run, const struct json *answer, struct error *error)
{
    static const char *const members[] = { "number", "scopes" };
    const struct json *key = json_member(answer, STR("key"));
    const struct json *text = json_member(answer, STR("text"));
    struct buf line;
    struct json_out out;

    if (!key || !text)
        return door_not_understood(error);
    buf_init(&line, BODY_MAX_BYTES);
    out = json_out(&line);
    json_open_object(&out);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct json *value = json_member(key, str_of(members[i]));
        if (value)
            json_put_raw(&out, str_of(members[i]), value->raw);
    }
    json_put_raw(&out, STR("key"), text->raw);
    json_close_object(&out);
    (void)fprintf(run->streams->out, "%.*s\n", STR_ARG(buf_str(&line)));
    buf_clear(&line);
    return true;
}

bool key_add_check(struct tool_run *run, struct error *error)
{
    unsigned scopes;

    return scopes_of(str_of(run->options.scopes), &scopes) ||
           error_set(error, ERROR_INVALID, "--scopes must list words of ingest, read, report, rights, admin");
}

bool key_add(struct tool_run *run, struct error *error)
{
    const struct json *answer;
    struct str target;
    struct buf body;
    struct json_out out;

    if (!target_make(run, "/api/keys", STR(""), &target, error))
        return false;
    buf_init(&body, BODY_MAX_BYTES);
    out = json_out(&body);
    json_open_object(&out);
    json_put_string(&out, STR("scopes"), str_of(run->options.scopes));
    json_close_object(&out);
    bool ok = door_ask_once(run, HTTP_POST, target, buf_str(&body), &answer, error) && print_key(run, answer, error);
    buf_clear(&body);
    return ok;
}

bool key_revoke_check(struct tool_run *run, struct error *error)
{
    uint64_t number;

    if (str_to_u64(str_of(run->words[0]), &number) && number > 0 && number <= UINT32_MAX)
        return true;
    return error_set(error, ERROR_INVALID, "a key is named by its number: habeas key list shows them");
}

bool key_revoke(struct tool_run *run, struct error *error)
{
    const struct json *answer;
    struct str target;

    if (!target_make(run, "/api/keys/", str_of(run->words[0]), &target, error) ||
        !door_ask_once(run, HTTP_DELETE, target, STR(""), &answer, error))
        return false;
    (void)fprintf(run->streams->out, "key %s is revoked\n", run->words[0]);
    return true;
}

bool key_list(struct tool_run *run, struct error *error)
{
    static const struct print_column columns[] = {
        { "NUMBER", "number" }, { "SCOPES", "scopes" }, { "CREATED", "createdAt" }, { "REVOKED", "revokedAt" }
    };
    const struct json *answer;
    struct str target;

    if (!target_make(run, "/api/keys", STR(""), &target, error) ||
        !door_ask_once(run, HTTP_GET, target, STR(""), &answer, error))
        return false;
    if (!run->options.json)
        return print_table(run, json_member(answer, STR("keys")), columns, COUNT_OF(columns), error);
    print_json(run, answer);
    return true;
}
