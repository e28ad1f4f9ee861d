/* Output that may grow to a stated limit. A failed append sticks: write freely, check `overflowed` once. */
#ifndef HABEAS_BASE_BUF_H
#define HABEAS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct buf {
    char *at;
    size_t len, cap, limit;
    bool overflowed; /* over the limit or out of memory; what is in it is then not whole */
};

void buf_init(struct buf *buf, size_t limit);
void buf_clear(struct buf *buf); /* wipes and frees; safe on a zeroed buf */
void buf_reset(struct buf *buf); /* len 0, keeps the memory, unsticks */

void buf_add(struct buf *buf, struct str bytes);
void buf_add_byte(struct buf *buf, char byte);
void buf_add_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_add_i64(struct buf *buf, int64_t value);
void buf_add_hex(struct buf *buf, const unsigned char *bytes, size_t len);
void buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for `len` more bytes at `at + len`, uncounted until the caller raises `len`; NULL when overflowed. */
char *buf_room(struct buf *buf, size_t len);
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->at, buf->len };
}

#endif
