/* What webengage.c and webengage_user.c need from each other; nobody else includes this. */
#ifndef HABEAS_INTAKE_WEBENGAGE_PARTS_H
#define HABEAS_INTAKE_WEBENGAGE_PARTS_H

#include "intake/item.h"

/* One item on its way. */
struct translation {
    int64_t received_ms;
    struct arena *arena;
    struct ignored_list *ignored;
    struct item *item;
    const struct json *user_id, *anonymous_id; /* as met; settled at the end */
};

/* How a member of an item is taken. False when the item is refused. */
struct member {
    struct str name;
    bool (*take)(struct translation *translation, const struct json *value);
};
#define MEMBER(literal, function)                                                                                      \
    {                                                                                                                  \
        .name = { literal, sizeof(literal) - 1 }, .take = function                                                     \
    }

/* These three refuse the item and return false; `field` is a name of the dialect, never one that was sent. */
bool webengage_refuse(struct translation *translation, struct str field, const char *what);
bool webengage_refuse_longer(struct translation *translation, struct str field, size_t points_max);
bool webengage_full(struct translation *translation); /* the arena is: refuses the whole call */
/* Names what is not taken while the item is. */
bool webengage_ignore(struct translation *translation, struct str field, const char *message);

bool webengage_is_longer(const struct json *string, size_t points_max);
/* A point in time that is not more than a day ahead of the receipt. */
bool webengage_take_time(struct translation *translation, struct str field, const struct json *value, int64_t *out);
/* Custom attributes; null counts as absent. */
bool webengage_take_object(struct translation *translation, const struct json *value);
bool webengage_take_user_id(struct translation *translation, const struct json *value);
bool webengage_take_anonymous_id(struct translation *translation, const struct json *value);
/* Whose data it is, after the pass. */
bool webengage_settle_id(struct translation *translation);

bool webengage_take_user_member(struct translation *translation, const struct json *value);
bool webengage_settle_user(struct translation *translation);

#endif
