/* From JSON to the desk and back, for the dialects that speak of requests. */
#ifndef HABEAS_API_DESK_CALL_H
#define HABEAS_API_DESK_CALL_H

#include "api/app_inside.h"
#include "base/json_write.h"
#include "rights/desk.h"

/* One call's state between begin and finish. */
struct desk_call {
    struct desk_ask ask; /* first: the writer hands its command back */
    struct desk_cancel cancel;
    struct call *call;
};

/* Reads a body of the OpenGDPR family into state->ask. */
bool desk_call_read(struct desk_call *state, struct error *error);
struct desk_call *desk_call_new(struct call *call);
enum http_next desk_call_submit(struct desk_call *state, struct http_reply *reply);
enum http_next desk_call_cancel(struct desk_call *state, struct str id, struct http_reply *reply);
/* The request of the path's {requestId}, by a short read; ERROR_NOT_FOUND. */
bool desk_call_find(struct call *call, struct request *request, struct error *error);
enum http_next desk_call_no_memory(const struct call *call, struct http_reply *reply);
/* After an ask that succeeded: what must go on in the background. */
void desk_call_follow(struct desk_call *state);
/* Members "user", "complete", "archive_url" of a portability answer. */
bool desk_call_portable(struct desk_call *state, struct json_out *out, struct error *error);

#endif
