/* Custom attributes of users and events: the rules about names, lengths and numbers that are the same in every dialect
 * and need no knowledge of what is held. */
#ifndef HABEAS_INTAKE_ATTRIBUTES_H
#define HABEAS_INTAKE_ATTRIBUTES_H

#include "intake/item.h"

#define ATTRIBUTE_POINTS_MAX 1000 /* of a string value; the rest is cut */
#define ATTRIBUTE_DIGITS_MAX 1000 /* characters of a number, which is never cut */
#define ATTRIBUTE_DEPTH_MAX 60    /* levels of a user's map or array */

/* Fills the item's attributes from the members of `object`, each with its type. What is not taken is marked as dropped
 * and named in `ignored`; text that is too long is cut and named. The numbers of attributes are limited here for events
 * only: for users they depend on what is held. False only when the arena is full. */
bool attributes_take(struct item *item, const struct json *object, struct arena *arena, struct ignored_list *ignored);

/* The same for one value by itself; it bears the name that `value` has. */
bool attributes_take_one(struct item *item, const struct json *value, struct arena *arena, struct ignored_list *ignored,
                         struct attribute *out);

/* The raw string, cut behind `points_max` code points; *cut tells whether it was. at == NULL when the arena is full. */
struct str attributes_cut(const struct json *string, size_t points_max, struct arena *arena, bool *cut);
/* What `ignored` says about it. */
#define ATTRIBUTES_CUT_MESSAGE "cut to 1,000 characters"

#endif
