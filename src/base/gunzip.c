/* The last four bytes tell the length (modulo 2^32), and zlib checks them at the end: a stream that lies about it is not
 * whole. So the output is allocated once, and what does not fit is only counted. */
#include "base/gunzip.h"

#include <zlib.h>

/* The shortest there is: a head of 10 bytes, an empty block of 2, an end of 8. */
enum { GZIP_MIN = 20, GZIP_WINDOW = 15 + 16, PIECE = 16 * 1024 };

bool gunzip_is(struct str bytes)
{
    return str_starts(bytes, STR("\x1f\x8b\x08"));
}

static size_t told_length(struct str bytes)
{
    const unsigned char *end = (const unsigned char *)bytes.at + bytes.len - 4;

    return end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
}

static bool refuse(struct error *error)
{
    return error_set(error, ERROR_INVALID, "the body is not whole gzip");
}

/* Behind what was told: how does it end? Z_STREAM_END never, as the length would be wrong. */
static bool refuse_longer(z_stream *stream, size_t max, struct error *error)
{
    unsigned char piece[PIECE];
    int state;

    do {
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        state = inflate(stream, Z_NO_FLUSH);
        if (stream->total_out > max)
            return error_set(error, ERROR_TOO_LARGE, "the inflated body is too large");
    } while (state == Z_OK);
    return refuse(error);
}

static bool inflate_all(struct str bytes, size_t told, size_t max, char *made, struct error *error)
{
    z_stream stream = { .next_in = (unsigned char *)bytes.at, .avail_in = (unsigned)bytes.len };
    bool ok;
    int state;

    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return error_set(error, ERROR_BUSY, "out of memory: try again");
    stream.next_out = (unsigned char *)made;
    stream.avail_out = (unsigned)told;
    state = inflate(&stream, Z_FINISH);
    ok = state == Z_STREAM_END && stream.avail_in == 0;
    if (state == Z_MEM_ERROR)
        (void)error_set(error, ERROR_BUSY, "out of memory: try again");
    else if (!ok && state == Z_BUF_ERROR && stream.avail_out == 0)
        (void)refuse_longer(&stream, max, error);
    else if (!ok)
        (void)refuse(error);
    (void)inflateEnd(&stream);
    return ok;
}

bool gunzip(struct str bytes, size_t max, size_t padding, struct arena *arena, struct str *out, struct error *error)
{
    size_t told;
    char *made;

    if (bytes.len < GZIP_MIN || bytes.len > UINT32_MAX || max > UINT32_MAX)
        return refuse(error);
    told = told_length(bytes) < max ? told_length(bytes) : max;
    made = arena_bytes(arena, told + padding);
    if (!made)
        return error_set(error, ERROR_TOO_LARGE, "the body needs more memory than a request may take");
    if (!inflate_all(bytes, told, max, made, error))
        return false;
    memset(made + told, 0, padding);
    *out = (struct str){ made, told };
    return true;
}
