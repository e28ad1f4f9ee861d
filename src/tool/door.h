/* How a command reaches a data directory: through the process that serves it where one does, else by opening it itself.
 * Either way the same routes answer, as to the operator of this machine. */
#ifndef HABEAS_TOOL_DOOR_H
#define HABEAS_TOOL_DOOR_H

#include "base/json_read.h"
#include "http/http.h"
#include "tool/tool.h"

struct door;
/* `create`: makes DIR and the master key where they are not there yet. Waits a while for another command to end or a
 * server to be ready. */
bool door_open(const struct tool_options *options, bool create, struct door **out, struct error *error);
void door_close(struct door *door);
/* True when no server answers: what runs in the background ends with the door. */
bool door_is_own(const struct door *door);

/* One call; `target` is path and query. Any status is a success here. */
bool door_call(struct door *door, enum http_method method, struct str target, struct str body, int *status,
               struct buf *out, struct error *error);
/* One GET whose answer, when it is a good one, goes to `stream` as it comes; a refusal becomes the error. */
bool door_stream(struct door *door, struct str target, FILE *stream, struct error *error);

/* One call whose answer is a JSON document in `arena`, whatever its status says. */
bool door_answer(struct door *door, enum http_method method, struct str target, struct str body, struct arena *arena,
                 int *status, const struct json **out, struct error *error);
/* What a refusal says, without the word "Error" in front; empty when it says nothing. */
struct str door_message(const struct json *document, struct arena *arena);
/* One call whose answer is a JSON document in `arena`; a refusal becomes the error, in the server's words. */
bool door_ask(struct door *door, enum http_method method, struct str target, struct str body, struct arena *arena,
              const struct json **out, struct error *error);
/* The same for a command that makes one call only. */
bool door_ask_once(struct tool_run *run, enum http_method method, struct str target, struct str body,
                   const struct json **out, struct error *error);
/* The error for an answer that lacks what its route promises. */
bool door_not_understood(struct error *error);

#endif
