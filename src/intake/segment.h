/* Segment's HTTP Tracking API, as Segment's and RudderStack's clients speak it: single messages and batches. Names and limits
 * as documented there, the rest as decided in this program's API guide. Pure translation: no state, no clock. */
#ifndef HABEAS_INTAKE_SEGMENT_H
#define HABEAS_INTAKE_SEGMENT_H

#include "intake/item.h"

#define SEGMENT_BATCH_MAX 2500
#define SEGMENT_BATCH_MAX_BYTES ((size_t)512 * 1024) /* documented are 500 KB; clients do not count alike */
#define SEGMENT_MESSAGE_MAX_BYTES ((size_t)32 * 1024)

/* What the path says of the message. */
enum segment_type {
    SEGMENT_BATCH, /* many; each names its own */
    SEGMENT_TRACK,
    SEGMENT_PAGE,
    SEGMENT_SCREEN,
    SEGMENT_IDENTIFY,
    SEGMENT_GROUP,
    SEGMENT_ALIAS,
    SEGMENT_TYPES,
};
struct segment_call {
    enum segment_type type;
    struct json_twin *twins; /* of json_read_twins: they refuse the message they stand in, or the whole call */
};

/* Translates a parsed body. False when it is refused as a whole (no object, no list, too long; single: the message's own
 * refusal). In a batch a message that is refused carries its error in `refused`. */
bool segment_items(const struct segment_call *call, const struct json *body, int64_t received_ms, struct arena *arena,
                   struct item **items, uint32_t *count, struct error *error);
/* An item that was parked, from behind its dialect's letter 's'. */
bool segment_parked(struct json_parser *parser, struct str text, int64_t received_ms, struct arena *arena,
                    struct item **items, uint32_t *count, struct error *error);

#endif
