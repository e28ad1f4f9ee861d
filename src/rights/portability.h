/* Portability (GDPR Art. 20), and access in WebEngage's dialect: everything held about a person as one JSON document.
 * Small ones stand in the answer whole; any size is streamed, made while it is sent and never stored. */
#ifndef HABEAS_RIGHTS_PORTABILITY_H
#define HABEAS_RIGHTS_PORTABILITY_H

#include "rights/access.h"

#define PORTABLE_EVENTS_MAX 1000
#define PORTABLE_BYTES_MAX ((size_t)1024 * 1024)

/* Writes `{...}`: the native read, preferenceHistory, requests, rightsHistory, links and, each where it fits whole into
 * PORTABLE_BYTES_MAX, parked and events, oldest first. *complete: nothing was left out. */
bool portability_document(struct look *look, struct buf *out, bool *complete, struct error *error);

/* The same, whole, as a stream (an http_stream with its end). */
struct portability_stream;
bool portability_stream_new(struct engine *engine, uint32_t account, uint32_t ordinal, struct portability_stream **out,
                            struct error *error);
bool portability_stream_next(void *stream, struct buf *out, bool *more, struct error *error);
void portability_stream_end(void *stream);

#endif
