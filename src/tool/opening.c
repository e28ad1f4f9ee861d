/* See opening.h. */
#include "tool/opening.h"

#include <time.h>

#include "tool/control.h"

enum { WAIT_MS = 20000 };

struct engine_options opening_engine(const struct tool_options *options, bool create)
{
    struct engine_options engine = { 0 };

    engine_defaults(&engine);
    engine.directory = options->data;
    engine.master_key_path = options->master_key[0] != '\0' ? options->master_key : NULL;
    engine.create = create;
    if (options->cancel_window >= 0)
        engine.cancel_window_ms = options->cancel_window;
    return engine;
}

bool opening_is_served(const char *data)
{
    struct control_path path;
    struct error unused = { 0 };

    if (!control_path_open(data, &path, &unused))
        return false; /* there is no such directory yet */
    bool answers = control_answers(&path);
    control_path_close(&path);
    return answers;
}

void opening_pause(void)
{
    const struct timespec pause = { 0, OPENING_PAUSE_MS * 1000000L };

    (void)nanosleep(&pause, NULL);
}

enum opening opening_app(const struct engine_options *engine, struct app **out, struct error *error)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += OPENING_PAUSE_MS) {
        if (opening_is_served(engine->directory))
            return OPENING_SERVED;
        if (app_open(engine, out, error))
            return OPENING_DONE;
        if (error->code != ERROR_BUSY) /* busy: another command, or a server that is starting, holds the lock */
            return OPENING_FAILED;
        opening_pause();
    }
    return OPENING_FAILED;
}
