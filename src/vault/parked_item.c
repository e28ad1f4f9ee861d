/* See parked_item.h. */
#include "vault/parked_item.h"

#include "vault/bytes.h"

#define JOINS_HEAD 5 /* letter and length */

struct str parked_item_write(const struct parked_item *item, struct arena *arena)
{
    size_t head = item->joins_by ? JOINS_HEAD + item->joins.len : 0;
    struct str plain = { arena_bytes(arena, head + 1 + item->raw.len), head + 1 + item->raw.len };
    unsigned char *at = (unsigned char *)plain.at;

    if (!at)
        return (struct str){ NULL, 0 };
    if (item->joins_by) {
        *at++ = (unsigned char)item->joins_by;
        at = put_u32(at, (uint32_t)item->joins.len);
        memcpy(at, item->joins.at, item->joins.len);
        at += item->joins.len;
    }
    *at++ = (unsigned char)item->kind;
    memcpy(at, item->raw.at, item->raw.len);
    return plain;
}

bool parked_item_read(struct str plain, struct parked_item *out)
{
    struct str rest = plain;

    *out = (struct parked_item){ 0 };
    if (rest.len > JOINS_HEAD && (rest.at[0] == 'a' || rest.at[0] == 'l')) {
        uint32_t len = get_u32((const unsigned char *)rest.at + 1);
        if (len > rest.len - JOINS_HEAD)
            return false;
        out->joins_by = rest.at[0];
        out->joins = (struct str){ rest.at + JOINS_HEAD, len };
        rest = (struct str){ rest.at + JOINS_HEAD + len, rest.len - JOINS_HEAD - len };
    }
    if (rest.len < 2 || (rest.at[0] != PARKED_EVENT && rest.at[0] != PARKED_USER && rest.at[0] != PARKED_SEGMENT))
        return false;
    out->kind = rest.at[0];
    out->raw = (struct str){ rest.at + 1, rest.len - 1 };
    return true;
}
