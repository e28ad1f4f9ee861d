/* What the handlers share: for the files of this folder only. */
#ifndef HABEAS_API_APP_INSIDE_H
#define HABEAS_API_APP_INSIDE_H

#include "api/app.h"
#include "http/server.h"
#include "intake/answer.h"
#include "intake/ingest.h"
#include "intake/parked.h"

struct app {
    struct engine *engine;
    struct answers *answers;
    struct replayer *replayer;
    struct seen *seen;
    struct background background;
    struct job jobs[4];
    struct router router;
    struct http_server *_Atomic server; /* NULL: commands without a server */
};

/* The call's body as a JSON object in its arena; otherwise answers with the error. */
const struct json *call_object(struct call *call, struct json_parser *parser, struct error *error);

/* Members of an answer: `rejected` and `ignored`, as far as the caller's scopes let them be told, and to the operator of
 * this machine, who imports, what became of the rest; each absent when there is nothing to tell. */
struct json_out;
void ingest_write_details(const struct ingest *ingest, unsigned scopes, struct json_out *out);
/* Counts what was taken and what was refused. */
void ingest_tally(const struct ingest *ingest, struct engine *engine);

extern const struct route ingest_routes[], segment_routes[], opengdpr_routes[], user_routes[], link_routes[],
    request_routes[], admin_routes[], operation_routes[];

#endif
