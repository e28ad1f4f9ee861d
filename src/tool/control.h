/* The control socket, DIR/control: where it lies, and calls over it to the process that serves DIR. */
#ifndef HABEAS_TOOL_CONTROL_H
#define HABEAS_TOOL_CONTROL_H

#include <stdio.h>

#include "http/http.h"

/* A Unix socket's address holds 107 bytes: where DIR is longer, it is named by way of an open directory. */
struct control_path {
    char text[108];
    int directory; /* -1: not needed */
};
bool control_path_open(const char *data, struct control_path *out, struct error *error);
void control_path_close(struct control_path *path);

/* "GET" */
const char *control_method(enum http_method method);

/* True when somebody takes connections there; else errno says why not. */
bool control_answers(const struct control_path *path);

/* One call. An answer of 200 to 299 is written to `stream` as it comes where that is not NULL, every other one is added
 * to `out`. `target` is path and query. Fails only when there is no whole answer. */
bool control_call(const struct control_path *path, enum http_method method, struct str target, struct str body,
                  int *status, struct buf *out, FILE *stream, struct error *error);

#endif
