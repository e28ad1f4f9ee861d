/* What segment.c and segment_user.c need from each other; nobody else includes this. */
#ifndef HABEAS_INTAKE_SEGMENT_PARTS_H
#define HABEAS_INTAKE_SEGMENT_PARTS_H

#include "intake/item.h"

/* What stands around the messages of a batch. */
struct surroundings {
    const struct json *sent_at, *context; /* NULL: none */
    const struct json *exact_times;       /* true, where times count as they stand; else NULL */
    struct str park_head, park_tail;
    int64_t received_ms;
    struct arena *arena;
};

/* One message on its way. Members that are absent or null are NULL. */
struct message {
    const struct surroundings *around;
    struct item *item;
    struct ignored_list unseen; /* no client of this dialect is told what was not taken */
    const struct json *type, *message_id, *user_id, *anonymous_id, *previous_id, *group_id;
    const struct json *timestamp, *original_timestamp, *sent_at;
    const struct json *context, *event, *name, *category, *properties, *traits;
};

/* These refuse the message and return false; `field` is a name of the dialect, never one that was sent. */
bool segment_refuse(struct message *message, struct str field, const char *what);
bool segment_full(struct message *message);
/* An id as text, numbers by their digits: 1 to `points_max` code points. */
bool segment_take_id(struct message *message, struct str field, const struct json *value, size_t points_max,
                     struct str *out);

bool segment_take_identify(struct message *message);
bool segment_take_group(struct message *message);
bool segment_take_alias(struct message *message);
/* Devices, and what the sender's consent manager said. */
bool segment_take_context(struct message *message);

#endif
