/* Names that stand twice in one object, as json_read_twins lists them: they refuse the item they stand in, or the call. */
#ifndef HABEAS_INTAKE_TWINS_H
#define HABEAS_INTAKE_TWINS_H

#include "intake/item.h"

/* Names it; false. The text goes back to the caller alone, so it may hold a name that was sent. */
bool twins_refuse(const struct json_twin *twin, struct error *error);
/* Refuses each item in which one of them stands; items in order of the text, with their `raw`. */
void twins_refuse_in(const struct json_twin *twin, struct item *items, uint32_t count);
/* False when one stands outside `list`. */
bool twins_check_outside(const struct json_twin *twin, const struct json *list, struct error *error);

#endif
