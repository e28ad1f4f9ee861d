/* `request …`: the four requests of a data subject, and the desk they lie on. */
#include <string.h>

#include "base/json_write.h"
#include "base/random.h"
#include "http/http.h"
#include "tool/commands.h"
#include "tool/door.h"
#include "tool/opening.h"
#include "tool/print.h"
#include "tool/target.h"

enum { BODY_MAX_BYTES = 64 * 1024, ID_MAX_BYTES = 1024, RANDOM_ID_BYTES = 16, REMOVAL_WAIT_MS = 600000 };

/* ---- who and which ---- */

static bool read_line(struct tool_run *run, const char **out, struct error *error)
{
    char line[ID_MAX_BYTES + 1];
    size_t len = 0;
    int c;

    while ((c = getc(run->streams->in)) != EOF && c != '\n') {
        if (c == '\0' || len == ID_MAX_BYTES)
            return error_set(error, ERROR_INVALID, "the id on standard input is too long or no text");
        line[len++] = (char)c;
    }
    if (len == 0)
        return error_set(error, ERROR_INVALID, "there is no id on standard input: give one line for each -");
    *out = arena_cstring(&run->arena, (struct str){ line, len });
    return *out || error_set(error, ERROR_INTERNAL, "out of memory");
}

/* "-" becomes the next line of standard input. Lengths and meaning are the server's to judge. */
static bool settle_id(struct tool_run *run, const char **id, struct error *error)
{
    if (strcmp(*id, "-") == 0 && !read_line(run, id, error))
        return false;
    if (strlen(*id) <= ID_MAX_BYTES && str_is_utf8(str_of(*id)))
        return true;
    return error_set(error, ERROR_INVALID, "an id is too long or not UTF-8");
}

static bool settle_new_id(struct tool_run *run, struct error *error)
{
    unsigned char random[RANDOM_ID_BYTES];
    struct buf text;

    if (run->options.request_id[0] != '\0')
        return settle_id(run, &run->options.request_id, error);
    random_bytes(random, sizeof random);
    buf_init(&text, 2 * sizeof random);
    buf_add_hex(&text, random, sizeof random);
    run->options.request_id = text.overflowed ? NULL : arena_cstring(&run->arena, buf_str(&text));
    buf_clear(&text);
    return run->options.request_id || error_set(error, ERROR_INTERNAL, "out of memory");
}

bool request_check(struct tool_run *run, struct error *error)
{
    struct tool_options *options = &run->options;
    bool by_user = options->user_id[0] != '\0', by_anonymous = options->anonymous_id[0] != '\0';

    if (by_user == by_anonymous)
        return error_set(error, ERROR_INVALID, "say who it is: give either --user-id or --anonymous-id");
    return settle_id(run, by_user ? &options->user_id : &options->anonymous_id, error);
}

bool re_enable_check(struct tool_run *run, struct error *error)
{
    if (run->options.road[0] != '\0' && run->options.told_at[0] == '\0')
        return error_set(error, ERROR_INVALID, "--road says how the person was told: give --told-at as well");
    return request_check(run, error);
}

/* ---- making one ---- */

static void put_identity(struct json_out *out, const struct tool_options *options)
{
    bool by_user = options->user_id[0] != '\0';

    json_name(out, STR("subject_identities"));
    json_open_array(out);
    json_open_object(out);
    json_put_string(out, STR("identity_type"), by_user ? STR("cuid") : STR("anonymous"));
    json_put_string(out, STR("identity_value"), str_of(by_user ? options->user_id : options->anonymous_id));
    json_close_object(out);
    json_close_array(out);
}

static void put_suppression(struct json_out *out, const struct tool_options *options)
{
    json_name(out, STR("suppress"));
    json_open_object(out);
    json_name(out, STR("until"));
    if (strcmp(options->suppress, "forever") == 0)
        json_null(out);
    else
        json_string(out, str_of(options->suppress));
    json_close_object(out);
}

static void put_notice(struct json_out *out, const struct tool_options *options)
{
    json_name(out, STR("notice"));
    json_open_object(out);
    json_put_string(out, STR("told_at"), str_of(options->told_at));
    if (options->road[0] != '\0')
        json_put_string(out, STR("road"), str_of(options->road));
    json_close_object(out);
}

static void write_request(const struct tool_options *options, const char *type, struct buf *body)
{
    struct json_out out = json_out(body);

    json_open_object(&out);
    json_put_string(&out, STR("subject_request_id"), str_of(options->request_id));
    json_put_string(&out, STR("subject_request_type"), str_of(type));
    put_identity(&out, options);
    if (options->suppress && options->suppress[0] != '\0')
        put_suppression(&out, options);
    if (options->told_at && options->told_at[0] != '\0')
        put_notice(&out, options);
    if (options->drop_opt_outs)
        json_put_bool(&out, STR("keep_opt_outs"), false);
    json_close_object(&out);
}

static bool ask(struct tool_run *run, struct door *door, const char *type, const struct json **answer,
                struct error *error)
{
    struct str target;
    struct buf body;
    bool ok;

    if (!settle_new_id(run, error) || !target_make(run, "/api/requests", STR(""), &target, error))
        return false;
    buf_init(&body, BODY_MAX_BYTES);
    write_request(&run->options, type, &body);
    ok = body.overflowed ? error_set(error, ERROR_TOO_LARGE, "what was given is too long for a request")
                         : door_ask(door, HTTP_POST, target, buf_str(&body), &run->arena, answer, error);
    buf_clear(&body);
    return ok;
}

static bool print_answer(struct tool_run *run, const struct json *answer, struct error *error)
{
    if (!run->options.json)
        return print_members(run, answer, error);
    print_json(run, answer);
    return true;
}

/* Without a server nobody else removes the rows of a person whose key is destroyed, so the command stays for it. Whatever
 * is left at the end is removed by the next one that opens the directory. */
static bool await_removal(struct tool_run *run, struct door *door, const struct json **answer, struct error *error)
{
    struct str target;

    if (!target_make(run, "/api/requests/", str_of(run->options.request_id), &target, error))
        return false;
    for (int waited_ms = 0; waited_ms < REMOVAL_WAIT_MS; waited_ms += OPENING_PAUSE_MS) {
        const struct json *status = json_member(*answer, STR("status"));

        if (!status || !str_equal(status->raw, STR("\"PROCESSING\"")))
            break;
        opening_pause();
        if (!door_ask(door, HTTP_GET, target, STR(""), &run->arena, answer, error))
            return false;
    }
    return true;
}

static bool make(struct tool_run *run, const char *type, struct error *error)
{
    const struct json *answer;
    struct door *door;

    if (!door_open(&run->options, false, &door, error))
        return false;
    bool ok = ask(run, door, type, &answer, error) &&
              (!door_is_own(door) || await_removal(run, door, &answer, error)) && print_answer(run, answer, error);
    door_close(door);
    return ok;
}

bool request_erase(struct tool_run *run, struct error *error)
{
    return make(run, "erasure", error);
}

bool request_restrict(struct tool_run *run, struct error *error)
{
    return make(run, "restriction", error);
}

bool request_re_enable(struct tool_run *run, struct error *error)
{
    return make(run, "re-enable", error);
}

/* ---- portability ---- */

/* A person of many events does not stand in the answer: the document is then fetched from where the answer says. */
static bool fetch_document(struct tool_run *run, struct door *door, const struct json *answer, struct error *error)
{
    const struct json *url = json_member(answer, STR("archive_url"));
    struct str target;

    if (!url || url->kind != JSON_STRING)
        return door_not_understood(error);
    if (!target_of_url(run, json_text(url, &run->arena), &target, error) ||
        !door_stream(door, target, run->streams->out, error))
        return false;
    (void)fputc('\n', run->streams->out);
    return true;
}

static bool print_document(struct tool_run *run, struct door *door, const struct json *answer, struct error *error)
{
    const struct json *user = json_member(answer, STR("user"));
    const struct json *complete = json_member(answer, STR("complete"));

    if (run->options.json || !user || (complete && complete->kind == JSON_TRUE)) {
        print_json(run, run->options.json || !user ? answer : user);
        return true;
    }
    return fetch_document(run, door, answer, error);
}

bool request_portability(struct tool_run *run, struct error *error)
{
    bool is_named = run->options.request_id[0] != '\0';
    const struct json *answer;
    struct door *door;

    if (!door_open(&run->options, false, &door, error))
        return false;
    bool ok = ask(run, door, "portability", &answer, error) && print_document(run, door, answer, error);
    door_close(door);
    /* Standard output belongs to the document alone. */
    if (ok && !is_named)
        (void)fprintf(run->streams->err, "habeas: the request's id is %s\n", run->options.request_id);
    return ok;
}

/* ---- the desk ---- */

bool request_list(struct tool_run *run, struct error *error)
{
    static const struct print_column columns[] = {
        { "NUMBER", "request" },      { "TYPE", "type" }, { "STATUS", "status" },
        { "RECEIVED", "receivedAt" }, { "DUE", "dueAt" }, { "DONE", "doneAt" },
    };
    char path[96];
    const struct json *answer;
    struct str target;

    (void)snprintf(path, sizeof path, "/api/requests?limit=%lld", (long long)run->options.limit);
    if (run->options.before > 0)
        (void)snprintf(path, sizeof path, "/api/requests?limit=%lld&before=%lld", (long long)run->options.limit,
                       (long long)run->options.before);
    if (!target_make(run, path, STR(""), &target, error) ||
        !door_ask_once(run, HTTP_GET, target, STR(""), &answer, error))
        return false;
    if (!run->options.json)
        return print_table(run, json_member(answer, STR("requests")), columns, COUNT_OF(columns), error);
    print_json(run, answer);
    return true;
}

static bool about_one(struct tool_run *run, enum http_method method, struct error *error)
{
    const struct json *answer;
    struct str target;

    return target_make(run, "/api/requests/", str_of(run->options.request_id), &target, error) &&
           door_ask_once(run, method, target, STR(""), &answer, error) && print_answer(run, answer, error);
}

bool request_known_check(struct tool_run *run, struct error *error)
{
    if (run->options.request_id[0] == '\0')
        return error_set(error, ERROR_INVALID, "--request-id is empty: name the request");
    return settle_id(run, &run->options.request_id, error);
}

bool request_show(struct tool_run *run, struct error *error)
{
    return about_one(run, HTTP_GET, error);
}

bool request_cancel(struct tool_run *run, struct error *error)
{
    return about_one(run, HTTP_DELETE, error);
}
