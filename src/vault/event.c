/* Seals and opens the body of one event. Every clear column but seq is bound into the seal, so that a row can be moved
 * to another person, name, time or source only by somebody who holds the key. */
#include "vault/event.h"

#include "vault/bytes.h"

/* Settled: format u8 = 1, account u32, subject u32, name u32, occurred i64, received i64, source u32, message u64. */
enum { EVENT_FORMAT = 1, EVENT_BOUND_LEN = 1 + 4 + 4 + 4 + 8 + 8 + 4 + 8 };

static struct str event_bound(const struct event_row *row, unsigned char out[EVENT_BOUND_LEN])
{
    unsigned char *at = out;

    *at++ = EVENT_FORMAT;
    at = put_u32(at, row->account);
    at = put_u32(at, row->subject);
    at = put_u32(at, row->name);
    at = put_u64(at, (uint64_t)row->occurred_ms);
    at = put_u64(at, (uint64_t)row->received_ms);
    at = put_u32(at, row->source);
    at = put_u64(at, row->message);
    return (struct str){ (const char *)out, (size_t)(at - out) };
}

bool event_seal(struct event_row *row, const struct grant *grant, struct str plain, struct arena *arena)
{
    unsigned char bound[EVENT_BOUND_LEN];
    size_t len = plain.len + GRANT_TAG_LEN;
    char *sealed = arena_bytes(arena, len);

    if (!sealed)
        return false;
    row->account = grant_account(grant);
    row->subject = grant_ordinal(grant);
    grant_seal(grant, plain, event_bound(row, bound), &row->nonce, (unsigned char *)sealed);
    row->body = (struct str){ sealed, len };
    return true;
}

bool event_unseal(const struct event_row *row, const struct grant *grant, struct arena *arena, struct str *plain,
                  struct error *error)
{
    unsigned char bound[EVENT_BOUND_LEN];

    if (row->body.len < GRANT_TAG_LEN)
        return error_set(error, ERROR_CORRUPT, "the body of an event is too short for its seal");
    char *open = arena_bytes(arena, row->body.len);
    if (!open)
        return error_set(error, ERROR_TOO_LARGE, "no room to open an event");
    if (!grant_unseal(grant, row->body, event_bound(row, bound), &row->nonce, (unsigned char *)open, error))
        return error_within(error, "event");
    *plain = (struct str){ open, row->body.len - GRANT_TAG_LEN };
    return true;
}

/* Settled: data that is an object begins with '{', so what begins with this byte is a u32 length of data, data, context. */
enum { PLAIN_MARK = 1, PLAIN_HEAD_LEN = 5 };

struct str event_plain(struct str data, struct str context, struct arena *arena)
{
    size_t len = PLAIN_HEAD_LEN + data.len + context.len;
    unsigned char *made, *at;

    if (context.len == 0)
        return data;
    made = (unsigned char *)arena_bytes(arena, len);
    if (!made)
        return (struct str){ NULL, 0 };
    at = made;
    *at++ = PLAIN_MARK;
    at = put_u32(at, (uint32_t)data.len);
    if (data.len > 0)
        memcpy(at, data.at, data.len);
    memcpy(at + data.len, context.at, context.len);
    return (struct str){ (const char *)made, len };
}

void event_parts(struct str plain, struct str *data, struct str *context)
{
    const unsigned char *at = (const unsigned char *)plain.at;
    size_t len;

    *data = plain;
    *context = (struct str){ NULL, 0 };
    if (plain.len < PLAIN_HEAD_LEN || at[0] != PLAIN_MARK)
        return;
    len = get_u32(at + 1);
    if (len > plain.len - PLAIN_HEAD_LEN)
        return; /* no text of ours: the seal would have told */
    *data = (struct str){ plain.at + PLAIN_HEAD_LEN, len };
    *context = (struct str){ data->at + len, plain.len - PLAIN_HEAD_LEN - len };
}
