/* A request without a network: the same handler, called by the command line as the operator of this machine. */
#ifndef HABEAS_HTTP_LOCAL_H
#define HABEAS_HTTP_LOCAL_H

#include "base/when.h"
#include "http/http.h"

/* `target` is path and query. Waits for the answer; its body, streams included, is added to `out`. */
bool http_local_call(const struct http_handler *handler, const struct when_clock *clock, enum http_method method,
                     struct str target, struct str body, int *status, struct buf *out, struct error *error);

#endif
