/* `serve`: opens the data directory, listens, and waits for a signal. */
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/listen.h"
#include "http/server.h"
#include "tool/commands.h"
#include "tool/control.h"
#include "tool/opening.h"

enum { QUIESCE_MS = 10000, HEAD_MAX_BYTES = 16 * 1024, CONNECTIONS_MAX = 10000, SILENCE_MS = 60000 };
enum { BODIES_MAX_BYTES = 256 * 1024 * 1024, LARGE_BLOCK_BYTES = 1024 * 1024 };

static const struct {
    const char *name;
    enum log_level level;
} log_levels[] = { { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warning", LOG_WARNING }, { "error", LOG_ERROR } };

static bool level_of(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < COUNT_OF(log_levels); i++) {
        if (strcmp(log_levels[i].name, name) != 0)
            continue;
        *out = log_levels[i].level;
        return true;
    }
    return false;
}

bool serve_check(struct tool_run *run, struct error *error)
{
    enum log_level level;

    if (!level_of(run->options.log_level, &level))
        return error_set(error, ERROR_INVALID, "--log-level must be debug, info, warning or error");
    return listen_check(run->options.listen, error);
}

/* ---- signals ---- */

/* SIGTERM and, unless whoever started this has it ignored (a shell does so for what it runs in the background), SIGINT
 * wait for the main thread. Called before any thread starts, as threads inherit what is blocked. */
static void block_signals(sigset_t *awaited)
{
    struct sigaction interrupt;

    (void)sigemptyset(awaited);
    (void)sigaddset(awaited, SIGTERM);
    if (sigaction(SIGINT, NULL, &interrupt) == 0 && interrupt.sa_handler != SIG_IGN)
        (void)sigaddset(awaited, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, awaited, NULL);
    (void)signal(SIGHUP, SIG_IGN); /* logs go to stderr: whoever holds it rotates them */
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Returns at the first signal; from then on the next one ends the process at once. */
static void await_signal(const sigset_t *awaited)
{
    int number = 0;

    while (sigwait(awaited, &number) != 0)
        ;
    log_line(LOG_INFO, "stopping", "signal=%d", number);
    (void)pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
}

/* ---- the server ---- */

static struct http_limits limits_of(const struct tool_options *options)
{
    return (struct http_limits){
        .body_max_bytes = options->body_max_bytes,
        .bodies_max_bytes = BODIES_MAX_BYTES,
        .head_max_bytes = HEAD_MAX_BYTES,
        .idle_timeout_ms = SILENCE_MS,
        .request_timeout_ms = SILENCE_MS,
        .connections_max = CONNECTIONS_MAX,
        .threads = (int)options->threads,
    };
}

static bool is_loopback(const char *address)
{
    return str_starts(str_of(address), STR("127.")) || str_starts(str_of(address), STR("[::1]"));
}

static void say_ready(struct tool_run *run, const char *address)
{
    if (!is_loopback(address))
        log_line(LOG_WARNING, "listening_beyond_loopback",
                 "address=%s advice=\"whoever is on the way can read along: put a TLS proxy in front "
                 "(doc/operating.md)\"",
                 address);
    (void)fprintf(run->streams->out, "habeas: listening on http://%s\n", address);
    (void)fflush(run->streams->out); /* nobody may read it; serving goes on all the same */
}

/* Listens from here on; the clock and the handler's app outlive the server. */
static bool serve_app(struct tool_run *run, struct app *app, const struct control_path *control,
                      const sigset_t *awaited, struct error *error)
{
    struct http_limits limits = limits_of(&run->options);
    struct http_handler handler = app_handler(app);
    struct http_server *server;

    if (!http_server_open(run->options.listen, control->text, &limits, &handler, engine_clock(app_engine(app)), &server,
                          error))
        return false;
    app_set_server(app, server);
    say_ready(run, http_server_address(server));
    await_signal(awaited);
    http_server_quiesce(server, QUIESCE_MS);
    app_set_server(app, NULL);
    http_server_close(server);
    (void)unlink(control->text); /* a stale one harms nobody: the next start replaces it */
    return true;
}

static bool serve_directory(struct tool_run *run, struct app *app, const sigset_t *awaited, struct error *error)
{
    struct control_path control;

    if (!control_path_open(run->options.data, &control, error))
        return false;
    bool ok = serve_app(run, app, &control, awaited, error);
    control_path_close(&control);
    return ok;
}

static bool open_app(const struct tool_options *options, struct app **out, struct error *error)
{
    struct engine_options engine = opening_engine(options, true);

    switch (opening_app(&engine, out, error)) {
    case OPENING_DONE:
        return true;
    case OPENING_SERVED:
        return error_set(error, ERROR_CONFLICT, "%s is served by another habeas: stop that one first", options->data);
    case OPENING_FAILED:
        break;
    }
    return false;
}

/* The memory of a large request is given back when it ends: the library would otherwise come to keep ever larger blocks. */
static void keep_memory_flat(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
}

bool serve_run(struct tool_run *run, struct error *error)
{
    enum log_level level = LOG_INFO;
    sigset_t awaited;
    struct app *app;

    (void)level_of(run->options.log_level, &level); /* serve_check saw it succeed */
    log_set_level(level);
    block_signals(&awaited);
    keep_memory_flat();
    if (!open_app(&run->options, &app, error))
        return false;
    bool ok = serve_directory(run, app, &awaited, error);
    app_close(app);
    return ok;
}
