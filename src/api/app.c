/* Putting the program together, and calling it without a network. */
#include <pthread.h>
#include <stdlib.h>

#include "api/app_inside.h"
#include "base/log.h"
#include "http/local.h"
#include "ledger/subject.h"
#include "rights/desk.h"
#include "rights/erasure.h"
#include "vault/kept.h"

/* ---- the hourly job: what is kept for a time only ---- */

struct expiry {
    struct command command; /* first: the writer hands it back */
    bool more;
};

static bool expire_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    (void)command;
    for (uint32_t number = 1; number <= ledger_account_count(turn->ledger); number++)
        if (!marks_expire(turn->ledger, ledger_account(turn->ledger, number), turn->now_ms, error))
            return false;
    return true;
}

static bool expire_in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    struct expiry *expiry = (struct expiry *)command;

    return profiles_expire_answers(turn->profiles, turn->now_ms - ANSWER_KEPT_MS, error) &&
           profiles_expire_messages(turn->profiles, turn->now_ms, &expiry->more, error);
}

static const struct command_kind expiry_kind = {
    .name = "what is kept for a time",
    .lane = LANE_SINGLE,
    .purpose = PURPOSE_NONE,
    .in_ledger = expire_in_ledger,
    .in_profiles = expire_in_profiles,
};

static int64_t run_expiry(struct engine *engine, void *arg, int64_t now_ms)
{
    static const struct command fresh = { .kind = &expiry_kind, .phases = PHASE_LEDGER | PHASE_PROFILES, .bytes = 1 };
    int64_t *next = arg;
    struct expiry expiry = { fresh, false };
    struct error error = { 0 };

    if (now_ms < *next)
        return *next;
    if (!engine_call(engine, &expiry.command, &error))
        log_line(LOG_ERROR, "expiry", "error=\"%s\"", error.text);
    *next = expiry.more && error.code == ERROR_NONE ? now_ms : now_ms + WHEN_HOUR;
    return *next;
}

/* ---- opening and closing ---- */

struct whole {
    struct app app;
    int64_t next_expiry;
};

static bool make_parts(struct whole *whole, struct error *error)
{
    struct app *app = &whole->app;

    app->answers = answers_new();
    app->replayer = replayer_new();
    app->seen = seen_new();
    app->router.limits = rate_limits_new();
    if (!app->answers || !app->replayer || !app->seen || !app->router.limits)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    app->jobs[0] = (struct job){ "erasures whose window is over", PURPOSE_ANSWER, NULL, desk_run_due };
    app->jobs[1] = (struct job){ "parked data", PURPOSE_STORE, app->replayer, replayer_run };
    app->jobs[2] = (struct job){ "what is kept for a time", PURPOSE_NONE, &whole->next_expiry, run_expiry };
    return erasure_background_new(&app->background, error);
}

/* By the writer's own handles, so before the writer runs. */
static bool load_answers(struct engine *engine, void *arg, struct error *error)
{
    const struct app *app = arg;

    return answers_load(app->answers, engine, error);
}

bool app_open(const struct engine_options *options, struct app **out, struct error *error)
{
    struct engine_options whole_options = *options;
    struct whole *whole = calloc(1, sizeof *whole);
    struct app *app;

    if (!whole)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    app = &whole->app;
    whole_options.background = &app->background;
    whole_options.jobs = app->jobs;
    whole_options.load = load_answers;
    whole_options.load_arg = app;
    if (!make_parts(whole, error) || !engine_open(&whole_options, &app->engine, error)) {
        app_close(app);
        return false;
    }
    app->router.app = app;
    app->router.engine = app->engine;
    app->router.tables = app_routes;
    *out = app;
    return true;
}

void app_close(struct app *app)
{
    if (!app)
        return;
    engine_close(app->engine);
    erasure_background_free(&app->background);
    answers_free(app->answers);
    replayer_free(app->replayer);
    seen_free(app->seen);
    rate_limits_free(app->router.limits);
    free(app); /* the first member of struct whole */
}

struct engine *app_engine(struct app *app)
{
    return app->engine;
}

struct http_handler app_handler(struct app *app)
{
    return (struct http_handler){ &app->router, router_begin, router_finish, router_refuse, router_admits };
}

void app_set_server(struct app *app, struct http_server *server)
{
    app->server = server;
}

/* ---- what handlers share ---- */

const struct json *call_object(struct call *call, struct json_parser *parser, struct error *error)
{
    const struct json *body = json_read(parser, call->arena, call->request->body, error);

    if (body && body->kind != JSON_OBJECT) {
        (void)error_set(error, ERROR_INVALID, "the body must be a JSON object");
        return NULL;
    }
    return body;
}

bool app_call(struct app *app, enum http_method method, struct str path, struct str body, int *status, struct buf *out,
              struct error *error)
{
    const struct http_handler handler = app_handler(app);

    return http_local_call(&handler, engine_clock(app->engine), method, path, body, status, out, error);
}
