/* Who calls: finds the key where the route's row says it stands, and what it may do. */
#ifndef HABEAS_HTTP_CALLER_H
#define HABEAS_HTTP_CALLER_H

#include "http/router.h"

/* Fills in call->account, credential and scopes, and for KEY_SEGMENT call->body. `license` is the path's, or empty. False:
 * the reply says why. */
bool caller_check(struct call *call, struct str license, struct http_reply *reply);
/* Whether the head alone names somebody who is known, or may leave that to the body. */
enum http_admission caller_may_be_known(struct call *call);
/* A gzip body is replaced by what it holds, whatever its label. False: the reply says why. */
bool caller_inflate(struct call *call, struct http_reply *reply);
/* An error in the envelope of the call's route; false. */
bool caller_refuse(const struct call *call, struct http_reply *reply, int status, const char *code,
                   const char *message);

#endif
