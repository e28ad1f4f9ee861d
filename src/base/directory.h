/* Directories whose names last: made and synced, so that a power cut takes neither them nor what was put into them. */
#ifndef HABEAS_BASE_DIRECTORY_H
#define HABEAS_BASE_DIRECTORY_H

#include <stdbool.h>

#include "base/error.h"

/* Makes it (0700) with its name durable; one that is there already is left as it is. */
bool directory_make(const char *path, struct error *error);
/* Makes the names in it durable. */
bool directory_sync(const char *path, struct error *error);
/* The same for the directory that `path` lies in. */
bool directory_sync_above(const char *path, struct error *error);

#endif
