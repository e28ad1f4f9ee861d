/* The program behind its doors: the engine, the routes, and what handlers share. Made by `serve`, and by commands that run
 * without a server. */
#ifndef HABEAS_API_APP_H
#define HABEAS_API_APP_H

#include "http/router.h"
#include "work/engine.h"

struct app;
/* Opens DIR with everything that runs in it. `options` as the caller set them; background and jobs are added here. */
bool app_open(const struct engine_options *options, struct app **out, struct error *error);
void app_close(struct app *app);
struct engine *app_engine(struct app *app);
/* For http_server_open. */
struct http_handler app_handler(struct app *app);
/* Tells /metrics where to ask for the server's own figures; NULL when there is no server. */
struct http_server;
void app_set_server(struct app *app, struct http_server *server);

/* One call through the same router and handlers, as the operator of this machine, without any network: `path` with
 * query, JSON body or empty. Waits for the answer; the body (streams included) is added to `out`. */
bool app_call(struct app *app, enum http_method method, struct str path, struct str body, int *status, struct buf *out,
              struct error *error);

/* All routes: NULL-terminated tables whose last row has path NULL. */
extern const struct route *const app_routes[];

#endif
