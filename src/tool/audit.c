/* `audit verify`. */
#include "http/http.h"
#include "tool/commands.h"
#include "tool/door.h"
#include "tool/print.h"

bool audit_run(struct tool_run *run, struct error *error)
{
    const struct json *answer, *entries;

    if (!door_ask_once(run, HTTP_GET, STR("/api/audit/verify"), STR(""), &answer, error))
        return false;
    if (run->options.json) {
        print_json(run, answer);
        return true;
    }
    entries = json_member(answer, STR("entries"));
    if (!entries)
        return door_not_understood(error);
    (void)fprintf(run->streams->out, "%.*s entries, the chain is whole\n", STR_ARG(entries->raw));
    return true;
}
