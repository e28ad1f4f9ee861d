/* The door to simdjson's first stage, in C: where the structure of a JSON text stands. */
#ifndef HABEAS_BASE_JSON_SHIM_H
#define HABEAS_BASE_JSON_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum json_shim_result {
    JSON_SHIM_OK,
    JSON_SHIM_EMPTY,     /* nothing but white space */
    JSON_SHIM_MALFORMED, /* bad UTF-8, a control character in a string, or a string that does not end */
    JSON_SHIM_TOO_LARGE,
    JSON_SHIM_NO_MEMORY,
};

/* The offsets of every bracket, brace, colon and comma outside strings, of every opening quote, and of the first byte
 * of whatever else stands between them. Behind the last one stands the length of the text. */
struct json_index {
    const uint32_t *at;
    size_t count;
};

struct json_shim;
struct json_shim *json_shim_new(void);
void json_shim_free(struct json_shim *shim);
/* `index` is good until the next scan. Nothing behind `len` bytes matters, but 64 more must be readable. */
enum json_shim_result json_shim_scan(struct json_shim *shim, const char *text, size_t len, struct json_index *index);

#ifdef __cplusplus
}
#endif

#endif
