/* JSON out, straight into a buf. The writer places commas; the caller opens and closes in order.
 * Text is escaped minimally (quote, backslash, controls); all else goes out as UTF-8. */
#ifndef HABEAS_BASE_JSON_WRITE_H
#define HABEAS_BASE_JSON_WRITE_H

#include "base/buf.h"

struct json_out {
    struct buf *buf; /* keeps */
    bool needs_comma;
};

static inline struct json_out json_out(struct buf *buf)
{
    return (struct json_out){ buf, false };
}
void json_open_object(struct json_out *out);
void json_close_object(struct json_out *out);
void json_open_array(struct json_out *out);
void json_close_array(struct json_out *out);
void json_name(struct json_out *out, struct str name);
void json_string(struct json_out *out, struct str text);
void json_raw(struct json_out *out, struct str json); /* already JSON: as it is */
void json_i64(struct json_out *out, int64_t value);
void json_u64(struct json_out *out, uint64_t value);
void json_bool(struct json_out *out, bool value);
void json_null(struct json_out *out);
/* RFC 3339 UTC with milliseconds, in quotes; null for INT64_MIN. */
void json_time(struct json_out *out, int64_t unix_ms);

/* Name and value in one call. */
void json_put_string(struct json_out *out, struct str name, struct str text);
void json_put_i64(struct json_out *out, struct str name, int64_t value);
void json_put_bool(struct json_out *out, struct str name, bool value);
void json_put_time(struct json_out *out, struct str name, int64_t unix_ms);
void json_put_raw(struct json_out *out, struct str name, struct str json);

#endif
