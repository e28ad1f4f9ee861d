/* Addresses of calls: path and query, percent-encoded, so that an id may hold any byte. */
#ifndef HABEAS_TOOL_TARGET_H
#define HABEAS_TOOL_TARGET_H

#include "tool/tool.h"

/* Everything but unreserved characters (RFC 3986) becomes %XX. */
void target_encode(struct str text, struct buf *out);
/* `head`, then `segment` where it is not empty, then the account's ?license=. In the run's arena. */
bool target_make(struct tool_run *run, const char *head, struct str segment, struct str *out, struct error *error);
/* The path of an address that a server gave (absolute or not), with the account's license in its query. */
bool target_of_url(struct tool_run *run, struct str url, struct str *out, struct error *error);

#endif
