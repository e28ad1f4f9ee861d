/* Gzip bodies (RFC 1952): the only module that includes zlib.h. Told by their first bytes, since clients label them in
 * every way and in none; JSON cannot begin like that. */
#ifndef HABEAS_BASE_GUNZIP_H
#define HABEAS_BASE_GUNZIP_H

#include "base/arena.h"
#include "base/error.h"

bool gunzip_is(struct str bytes);
/* One member and nothing behind it, inflated into the arena with `padding` zero bytes behind it, which are not counted.
 * ERROR_TOO_LARGE when it holds more than `max` bytes, found with no more memory than that; ERROR_INVALID when it is no
 * gzip, or not whole. */
bool gunzip(struct str bytes, size_t max, size_t padding, struct arena *arena, struct str *out, struct error *error);

#endif
