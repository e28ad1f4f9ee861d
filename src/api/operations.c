/* For operators: is it alive, is it ready, what does it count; and the audit chain checked. */
#include "api/app_inside.h"
#include "base/json_write.h"
#include "ledger/audit.h"
#include "ledger/request.h"

static enum http_next begin_health(struct call *call, struct http_reply *reply)
{
    (void)call;
    buf_add(&reply->body, STR("{\"status\":\"alive\"}"));
    return HTTP_DONE;
}

static enum http_next begin_ready(struct call *call, struct http_reply *reply)
{
    struct engine_counts counts;

    engine_counts(call->engine, &counts);
    if (counts.is_ready && !counts.is_full)
        buf_add(&reply->body, STR("{\"status\":\"ready\"}"));
    else
        reply_error_in(ENVELOPE_NATIVE, reply, 503, "not_ready",
                       counts.is_full ? STR("the disk is full: nothing new is taken") : STR("starting"));
    return HTTP_DONE;
}

/* ---- metrics ---- */

static void metric(struct buf *out, const char *name, const char *kind, const char *help, int64_t value)
{
    buf_addf(out, "# HELP habeas_%s %s\n# TYPE habeas_%s %s\nhabeas_%s %lld\n", name, help, name, kind, name,
             (long long)value);
}

static void engine_metrics(struct call *call, struct buf *out)
{
    struct ledger *ledger = engine_ledger(call->engine);
    struct engine_counts counts;
    struct journal_counts journal;
    int64_t position;

    engine_counts(call->engine, &counts);
    journal_counts(engine_journal(call->engine), &journal);
    ledger_enter(ledger);
    position = (int64_t)ledger_position(ledger);
    ledger_leave(ledger);
    const struct {
        const char *name, *kind, *help;
        int64_t value;
    } rows[] = {
        { "events_accepted_total", "counter", "Events answered as accepted since the start.",
          (int64_t)counts.events_accepted },
        { "events_repeated_total", "counter", "Accepted events that were here already by their messageId.",
          (int64_t)counts.events_repeated },
        { "events_refused_total", "counter", "Events refused since the start.", (int64_t)counts.events_refused },
        { "users_accepted_total", "counter", "User updates accepted since the start.", (int64_t)counts.users_accepted },
        { "users_refused_total", "counter", "User updates refused since the start.", (int64_t)counts.users_refused },
        { "commit_groups_total", "counter", "Groups the writer committed.", (int64_t)counts.groups },
        { "commit_groups_failed_total", "counter", "Groups with a file that could not be committed.",
          (int64_t)counts.failed_groups },
        { "commit_commands_total", "counter", "Commands in those groups; divided by groups: the size of a commit.",
          (int64_t)counts.commands },
        { "commit_microseconds_total", "counter", "Time spent on groups.", counts.commit_us_total },
        { "commit_microseconds_last", "gauge", "Time of the last group.", counts.commit_us_last },
        { "commit_microseconds_max", "gauge", "Time of the slowest group since the start.", counts.commit_us_max },
        { "queue_bytes", "gauge", "Bytes waiting for the writer.", counts.queue_bytes },
        { "disk_full", "gauge", "1 while ingestion is stopped for want of disk space.", counts.is_full },
        { "ledger_position", "gauge", "Rises with every rights command.", position },
        { "events_open", "gauge", "Rows in open volumes.", journal.open_rows },
        { "events_closed", "gauge", "Rows in closed volumes.", journal.closed_rows },
        { "volumes", "gauge", "Event volumes.", journal.volumes },
        { "volume_log_bytes", "gauge", "Bytes of the open volumes' logs.", journal.log_bytes },
        { "message_ids", "gauge", "Ids of messages that are remembered, of all accounts.", journal.message_ids },
        { "message_ids_reach_seconds", "gauge", "How long ago the oldest of them was received.",
          journal.message_reach_ms / WHEN_SECOND },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        metric(out, rows[i].name, rows[i].kind, rows[i].help, rows[i].value);
}

static void server_metrics(const struct app *app, struct buf *out)
{
    struct http_counts counts;

    if (!app->server)
        return;
    http_server_counts(app->server, &counts);
    metric(out, "http_connections", "gauge", "Open connections.", (int64_t)counts.connections_open);
    metric(out, "http_requests_total", "counter", "Requests since the start.", (int64_t)counts.requests);
    metric(out, "http_refused_framing_total", "counter", "Requests refused for ambiguous framing.",
           (int64_t)counts.refused_framing);
    metric(out, "http_timed_out_total", "counter", "Connections ended for being slow.", (int64_t)counts.timed_out);
}

static bool request_metrics(struct call *call, struct buf *out, struct error *error)
{
    int64_t counts[REQUEST_STATES];
    struct reader *reader = engine_take_reader(call->engine, error);
    bool ok = reader && requests_count(reader->ledger, counts, error);

    if (reader)
        engine_give_reader(call->engine, reader);
    buf_addf(out, "# HELP habeas_requests Data-subject requests by state.\n# TYPE habeas_requests gauge\n");
    for (enum request_state state = REQUEST_PENDING; ok && state < REQUEST_STATES; state++)
        buf_addf(out, "habeas_requests{state=\"%s\"} %lld\n", request_state_name(state), (long long)counts[state]);
    return ok;
}

/* No account is named here, so that anybody who may scrape may read it. */
static enum http_next begin_metrics(struct call *call, struct http_reply *reply)
{
    struct error error = { 0 };

    reply->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    engine_metrics(call, &reply->body);
    server_metrics(call->app, &reply->body);
    if (!request_metrics(call, &reply->body, &error)) {
        reply->content_type = STR("application/json");
        reply_error(call, reply, &error);
    }
    return HTTP_DONE;
}

/* ---- the audit chain ---- */

struct verify_call {
    struct command command; /* first: the writer hands it back */
    uint64_t entries, bad;
};

/* On the writer's thread, so that nothing is added meanwhile. */
static bool verify(struct turn *turn, struct command *command, struct error *error)
{
    struct verify_call *state = (struct verify_call *)command;

    return ledger_verify_audit(turn->ledger, &state->entries, &state->bad, error);
}

static const struct command_kind verify_kind = {
    .name = "audit verification",
    .lane = LANE_SINGLE,
    .purpose = PURPOSE_NONE,
    .in_ledger = verify,
};

static enum http_next begin_verify(struct call *call, struct http_reply *reply)
{
    struct verify_call *state = ARENA_NEW(call->arena, struct verify_call, 1);

    if (!state) {
        reply_error_in(ENVELOPE_NATIVE, reply, 503, "busy", STR("out of memory"));
        return HTTP_DONE;
    }
    state->command = (struct command){ .kind = &verify_kind, .phases = PHASE_LEDGER, .bytes = 64 };
    call->state = state;
    return call_submit(call, reply, &state->command);
}

static void finish_verify(struct call *call, struct http_reply *reply)
{
    const struct verify_call *state = call->state;
    struct error error = state->command.error;
    struct json_out out = json_out(&reply->body);

    if (error.code == ERROR_NONE && state->bad > 0)
        (void)error_set(&error, ERROR_CORRUPT, "audit entry %llu does not follow from the one before",
                        (unsigned long long)state->bad);
    if (error.code != ERROR_NONE) {
        reply_error(call, reply, &error);
        return;
    }
    json_open_object(&out);
    json_put_i64(&out, STR("entries"), (int64_t)state->entries);
    json_close_object(&out);
}

#define OPERATION(where, who, what, on_begin, on_finish)                                                               \
    {                                                                                                                  \
        .method = HTTP_GET, .path = where, .scope = who, .purpose = PURPOSE_NONE, .envelope = ENVELOPE_NATIVE,         \
        .summary = what, .begin = on_begin, .finish = on_finish                                                        \
    }

const struct route operation_routes[] = {
    OPERATION("/healthz", 0, "Whether the process is alive", begin_health, NULL),
    OPERATION("/readyz", 0, "Whether it takes requests", begin_ready, NULL),
    OPERATION("/metrics", 0, "Figures for Prometheus", begin_metrics, NULL),
    OPERATION("/api/audit/verify", SCOPE_OPERATOR, "Recompute the audit chain", begin_verify, finish_verify),
    { .path = NULL },
};
