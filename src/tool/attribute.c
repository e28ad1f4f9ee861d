/* `attribute set-type`. */
#include <string.h>

#include "base/json_write.h"
#include "http/http.h"
#include "ledger/name.h"
#include "tool/commands.h"
#include "tool/door.h"
#include "tool/target.h"

enum { BODY_MAX_BYTES = 4096 };

bool attribute_check(struct tool_run *run, struct error *error)
{
    enum name_type type;

    const char *of = run->options.of;

    if (strcmp(of, "user") != 0 && strcmp(of, "event") != 0 && strcmp(of, "both") != 0)
        return error_set(error, ERROR_INVALID, "--of must be user, event or both");
    if (!name_type_of(str_of(run->words[1]), &type) || type == TYPE_NONE)
        return error_set(error, ERROR_INVALID, "there is no such type: --help lists them");
    return true;
}

/* What became of the values that people have; events stay as they were sent. */
static bool print_counts(struct tool_run *run, const struct json *answer, struct error *error)
{
    const struct json *converted = json_member(answer, STR("converted"));
    const struct json *kept = json_member(answer, STR("kept"));
    int64_t counts[2];

    if (!converted || !kept || !json_to_i64(converted, &counts[0]) || !json_to_i64(kept, &counts[1]))
        return door_not_understood(error);
    (void)fprintf(run->streams->out, "its type is %s now: %lld values converted, %lld kept as sent\n", run->words[1],
                  (long long)counts[0], (long long)counts[1]);
    return true;
}

bool attribute_set_type(struct tool_run *run, struct error *error)
{
    const struct json *answer;
    struct str target;
    struct buf body;
    struct json_out out;

    if (!target_make(run, "/api/attributes/", str_of(run->words[0]), &target, error))
        return false;
    buf_init(&body, BODY_MAX_BYTES);
    out = json_out(&body);
    json_open_object(&out);
    json_put_string(&out, STR("type"), str_of(run->words[1]));
    json_put_string(&out, STR("of"), str_of(run->options.of));
    json_close_object(&out);
    bool ok = door_ask_once(run, HTTP_PUT, target, buf_str(&body), &answer, error);
    buf_clear(&body);
    return ok && print_counts(run, answer, error);
}
