/* A buffer that doubles up to its limit and wipes what it leaves behind. */
#include "base/buf.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAP_MIN = 256 };

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){ .limit = limit };
}

static void wipe_and_free(char *at, size_t cap)
{
    if (at)
        sodium_memzero(at, cap);
    free(at);
}

void buf_clear(struct buf *buf)
{
    wipe_and_free(buf->at, buf->cap);
    *buf = (struct buf){ .limit = buf->limit };
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->overflowed = false;
}

/* Not realloc: that would leave a copy of the old bytes in freed memory. */
static bool grow(struct buf *buf, size_t needed)
{
    size_t cap = buf->cap > CAP_MIN / 2 ? buf->cap : CAP_MIN / 2;

    cap = cap < buf->limit / 2 ? cap * 2 : buf->limit;
    if (cap < needed)
        cap = needed;
    char *fresh = malloc(cap);
    if (!fresh)
        return false;
    if (buf->len > 0)
        memcpy(fresh, buf->at, buf->len);
    wipe_and_free(buf->at, buf->cap);
    buf->at = fresh;
    buf->cap = cap;
    return true;
}

char *buf_room(struct buf *buf, size_t len)
{
    if (buf->overflowed)
        return NULL;
    if (len > buf->limit || buf->len > buf->limit - len) {
        buf->overflowed = true;
        return NULL;
    }
    if ((!buf->at || buf->cap - buf->len < len) && !grow(buf, buf->len + len)) {
        buf->overflowed = true;
        return NULL;
    }
    return buf->at + buf->len;
}

void buf_add(struct buf *buf, struct str bytes)
{
    char *room = bytes.len > 0 ? buf_room(buf, bytes.len) : NULL;

    if (!room)
        return;
    memcpy(room, bytes.at, bytes.len);
    buf->len += bytes.len;
}

void buf_add_byte(struct buf *buf, char byte)
{
    char *room = buf_room(buf, 1);

    if (!room)
        return;
    *room = byte;
    buf->len++;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(buf, (struct str){ digits + first, sizeof(digits) - first });
}

void buf_add_i64(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_add_byte(buf, '-');
    buf_add_u64(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void buf_add_hex(struct buf *buf, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *room = buf_room(buf, len > SIZE_MAX / 2 ? SIZE_MAX : 2 * len);

    if (!room)
        return;
    for (size_t i = 0; i < len; i++) {
        room[2 * i] = digits[bytes[i] >> 4];
        room[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf->len += 2 * len;
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list measured, written;

    va_start(measured, format);
    va_copy(written, measured);
    int len = vsnprintf(NULL, 0, format, measured);
    va_end(measured);
    /* vsnprintf wants one more for its NUL, which stays uncounted. */
    char *room = len < 0 ? NULL : malloc((size_t)len + 1);
    if (room) {
        (void)vsnprintf(room, (size_t)len + 1, format, written);
        buf_add(buf, (struct str){ room, (size_t)len });
        wipe_and_free(room, (size_t)len + 1);
    } else {
        buf->overflowed = true;
    }
    va_end(written);
}
