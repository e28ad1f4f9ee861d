/* `account add` and `account set`. */
#include <string.h>

#include "base/json_write.h"
#include "base/when.h"
#include "http/http.h"
#include "ledger/account.h"
#include "tool/commands.h"
#include "tool/door.h"
#include "tool/print.h"
#include "tool/target.h"

enum { BODY_MAX_BYTES = 64 * 1024 };

/* ---- add ---- */

/* Scripts read this line: these members, in this order. */
static bool print_account(struct tool_run *run, const struct json *account, struct error *error)
{
    static const char *const members[] = { "license", "api_key", "write_key" };
    struct buf line;
    struct json_out out;
    bool ok = true;

    buf_init(&line, BODY_MAX_BYTES);
    out = json_out(&line);
    json_open_object(&out);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct json *value = json_member(account, str_of(members[i]));
        ok = ok && value;
        if (value)
            json_put_raw(&out, str_of(members[i]), value->raw);
    }
    json_close_object(&out);
    ok = ok && !line.overflowed;
    if (ok)
        (void)fprintf(run->streams->out, "%.*s\n", STR_ARG(buf_str(&line)));
    buf_clear(&line);
    return ok || door_not_understood(error);
}

bool account_add_check(struct tool_run *run, struct error *error)
{
    if (!license_is_valid(str_of(run->options.license)))
        return error_set(error, ERROR_INVALID, "--license may hold 1 to %d letters, digits and ~ _ -", LICENSE_MAX);
    if (!when_zone_exists(str_of(run->options.time_zone)))
        return error_set(error, ERROR_INVALID, "--time-zone must be one that this machine knows, as Europe/Berlin");
    return true;
}

static bool add(struct tool_run *run, struct door *door, struct error *error)
{
    const struct json *account;
    struct buf body;
    struct json_out out;

    buf_init(&body, BODY_MAX_BYTES);
    out = json_out(&body);
    json_open_object(&out);
    json_put_string(&out, STR("license"), str_of(run->options.license));
    json_put_string(&out, STR("time_zone"), str_of(run->options.time_zone));
    json_close_object(&out);
    bool ok = door_ask(door, HTTP_POST, STR("/api/accounts"), buf_str(&body), &run->arena, &account, error) &&
              print_account(run, account, error);
    buf_clear(&body);
    return ok;
}

/* Beside `serve` the only command that makes a data directory and its master key. */
bool account_add(struct tool_run *run, struct error *error)
{
    struct door *door;

    if (!door_open(&run->options, true, &door, error))
        return false;
    bool ok = add(run, door, error);
    door_close(door);
    return ok;
}

/* ---- set ---- */

static const struct setting *setting_of(struct str name)
{
    for (const struct setting *row = account_settings; row->kind != SETTING_END; row++)
        if (str_equal(str_of(row->name), name))
            return row;
    return NULL;
}

/* Checked against the same rows as the server checks, so that nothing is set when one of several is wrong. */
bool account_set_check(struct tool_run *run, struct error *error)
{
    for (size_t i = 0; i < run->word_count; i++) {
        struct account_options scratch = { 0 };
        struct str value = str_of(run->words[i]);
        struct str name = str_cut(&value, '=');
        const struct setting *row = setting_of(name);

        if (!memchr(run->words[i], '=', strlen(run->words[i])))
            return error_set(error, ERROR_INVALID, "a setting is written NAME=VALUE: --help lists them");
        if (!row)
            return error_set(error, ERROR_INVALID, "there is no such setting of an account: --help lists them");
        if (!setting_set(row, &scratch, value.at, error))
            return false;
    }
    return true;
}

/* Numbers in digits, flags as true or false: as the checked text says. */
static void put_setting(struct json_out *out, const char *word)
{
    struct str value = str_of(word);
    struct str name = str_cut(&value, '=');
    const struct setting *row = setting_of(name);
    struct account_options scratch = { 0 };
    struct error unused = { 0 };
    const void *place = (const char *)&scratch + row->offset;

    (void)setting_set(row, &scratch, value.at, &unused); /* account_set_check saw it succeed */
    if (row->kind == SETTING_FLAG)
        json_put_bool(out, name, *(const bool *)place);
    else if (row->kind == SETTING_TEXT)
        json_put_string(out, name, value);
    else
        json_put_i64(out, name, *(const int64_t *)place);
}

bool account_set(struct tool_run *run, struct error *error)
{
    const struct json *answer;
    struct str target;
    struct buf body;
    struct json_out out;

    if (!target_make(run, "/api/settings", STR(""), &target, error))
        return false;
    buf_init(&body, BODY_MAX_BYTES);
    out = json_out(&body);
    json_open_object(&out);
    for (size_t i = 0; i < run->word_count; i++)
        put_setting(&out, run->words[i]);
    json_close_object(&out);
    bool ok = door_ask_once(run, HTTP_PUT, target, buf_str(&body), &answer, error);
    buf_clear(&body);
    return ok && print_members(run, answer, error);
}
