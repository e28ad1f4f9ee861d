/* `routes`: the table of routes as the program has it, for documents and for tests that walk it. */
#include "api/app.h"
#include "base/json_write.h"
#include "tool/commands.h"
#include "tool/control.h"

enum { LINE_MAX_BYTES = 4096 };

/* "open" asks for nothing, "operator" is whoever may use the control socket. */
static void put_scope(struct json_out *out, unsigned scope)
{
    struct buf text;

    buf_init(&text, LINE_MAX_BYTES);
    if (scope == 0)
        buf_add(&text, STR("open"));
    else if (scope & SCOPE_OPERATOR)
        buf_add(&text, STR("operator"));
    else
        scopes_write(scope, &text);
    json_put_string(out, STR("scope"), buf_str(&text));
    buf_clear(&text);
}

static void print_route(const struct route *route, FILE *stream)
{
    struct buf line;
    struct json_out out;

    buf_init(&line, LINE_MAX_BYTES);
    out = json_out(&line);
    json_open_object(&out);
    json_put_string(&out, STR("method"), str_of(control_method(route->method)));
    json_put_string(&out, STR("path"), str_of(route->path));
    put_scope(&out, route->scope);
    json_put_string(&out, STR("purpose"), str_of(purpose_name(route->purpose)));
    json_put_string(&out, STR("summary"), str_of(route->summary));
    json_close_object(&out);
    (void)fprintf(stream, "%.*s\n", STR_ARG(buf_str(&line)));
    buf_clear(&line);
}

bool routes_run(struct tool_run *run, struct error *error)
{
    (void)error;
    for (const struct route *const *table = app_routes; *table; table++)
        for (const struct route *route = *table; route->path; route++)
            print_route(route, run->streams->out);
    return true;
}
