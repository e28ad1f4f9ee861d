/* Opening a data directory in this process, or finding out that another process serves it. */
#ifndef HABEAS_TOOL_OPENING_H
#define HABEAS_TOOL_OPENING_H

#include "api/app.h"
#include "tool/tool.h"

/* What the options of a command say about the engine; all else is as by default. */
struct engine_options opening_engine(const struct tool_options *options, bool create);

/* A moment to wait before trying again. */
enum { OPENING_PAUSE_MS = 50 };
void opening_pause(void);

/* True when a server answers at DIR's control socket. */
bool opening_is_served(const char *data);
/* Opens DIR. Whoever holds it may be another command, which ends soon, or a server that is starting: this waits, for some
 * seconds at most, until it is free or served. */
enum opening { OPENING_DONE, OPENING_SERVED, OPENING_FAILED };
enum opening opening_app(const struct engine_options *engine, struct app **out, struct error *error);

#endif
