/* The document whole or in pieces. Each piece takes a reader of its own, so a slow client holds nothing. */
#include "rights/portability.h"

#include <stdlib.h>

#include "rights/history.h"
#include "rights/links.h"

#define SLICE_EVENTS 200
#define SLICE_EVENT_BYTES ((size_t)1024 * 1024)
#define SLICE_MAX_BYTES ((size_t)64 * 1024 * 1024) /* a slice of the largest items, sealed, open and written */

/* ---- whole, in the answer ---- */

/* Writes a member whose elements may be too many: then the member is absent, never a part of it. */
typedef bool list_writer(struct look *look, struct json_out *out, bool *fits, struct error *error);

static bool write_list(struct look *look, struct str name, list_writer *write, struct json_out *out, bool *complete,
                       struct error *error)
{
    size_t before = out->buf->len;
    bool fits = true;

    json_name(out, name);
    json_open_array(out);
    if (!write(look, out, &fits, error))
        return false;
    json_close_array(out);
    if (!fits || out->buf->len - before > PORTABLE_BYTES_MAX) {
        out->buf->len = before;
        *complete = false;
    }
    return true;
}

static bool write_parked(struct look *look, struct json_out *out, bool *fits, struct error *error)
{
    size_t before = out->buf->len;
    struct history_place place = { 0 };
    bool more = true;

    while (more && *fits) {
        if (!history_parked(look, &place, &more, out, error))
            return false;
        *fits = out->buf->len - before <= PORTABLE_BYTES_MAX;
    }
    return true;
}

static bool write_events(struct look *look, struct json_out *out, bool *fits, struct error *error)
{
    struct access_events events = { .oldest_first = true, .max = PORTABLE_EVENTS_MAX, .max_bytes = PORTABLE_BYTES_MAX };

    if (!access_events(look, &events, out, error))
        return false;
    *fits = !events.more;
    return true;
}

bool portability_document(struct look *look, struct buf *out, bool *complete, struct error *error)
{
    struct json_out json = json_out(out);

    *complete = true;
    json_open_object(&json);
    if (!access_person(look, &json, error) || !access_preferences(look, &json, error) ||
        !history_write(look, &json, error) || !links_write(look, &json, error) ||
        !write_list(look, STR("parked"), write_parked, &json, complete, error) ||
        !write_list(look, STR("events"), write_events, &json, complete, error))
        return false;
    json_close_object(&json);
    return !out->overflowed || error_set(error, ERROR_TOO_LARGE, "the answer is too large");
}

/* ---- streamed ---- */

enum stage { STAGE_PERSON, STAGE_PARKED, STAGE_EVENTS, STAGE_OVER };
struct portability_stream {
    struct engine *engine;
    uint32_t account, ordinal;
    struct arena arena;
    enum stage stage;
    struct history_place place;
    uint64_t bound;
    bool needs_comma;
    struct buf waiting; /* what did not fit into the last piece */
    size_t sent;
};

bool portability_stream_new(struct engine *engine, uint32_t account, uint32_t ordinal, struct portability_stream **out,
                            struct error *error)
{
    struct portability_stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    stream->engine = engine;
    stream->account = account;
    stream->ordinal = ordinal;
    arena_init(&stream->arena, SLICE_MAX_BYTES);
    buf_init(&stream->waiting, SLICE_MAX_BYTES);
    *out = stream;
    return true;
}

void portability_stream_end(void *arg)
{
    struct portability_stream *stream = arg;

    arena_clear(&stream->arena);
    buf_clear(&stream->waiting);
    free(stream);
}

static bool person_piece(struct portability_stream *stream, struct look *look, struct json_out *out,
                         struct error *error)
{
    json_open_object(out);
    if (!access_person(look, out, error) || !access_preferences(look, out, error) || !history_write(look, out, error) ||
        !links_write(look, out, error))
        return false;
    json_name(out, STR("parked"));
    json_open_array(out);
    stream->stage = STAGE_PARKED;
    return true;
}

static bool parked_piece(struct portability_stream *stream, struct look *look, struct json_out *out,
                         struct error *error)
{
    bool more = false;

    if (!history_parked(look, &stream->place, &more, out, error))
        return false;
    if (more)
        return true;
    json_close_array(out);
    json_name(out, STR("events"));
    json_open_array(out);
    stream->stage = STAGE_EVENTS;
    return true;
}

static bool events_piece(struct portability_stream *stream, struct look *look, struct json_out *out,
                         struct error *error)
{
    struct access_events events = {
        .oldest_first = true, .max = SLICE_EVENTS, .max_bytes = SLICE_EVENT_BYTES, .bound = stream->bound
    };

    if (!access_events(look, &events, out, error))
        return false;
    stream->bound = events.bound;
    if (events.more)
        return true;
    json_close_array(out);
    json_close_object(out);
    stream->stage = STAGE_OVER;
    return true;
}

static bool (*const pieces[])(struct portability_stream *, struct look *, struct json_out *, struct error *) = {
    [STAGE_PERSON] = person_piece,
    [STAGE_PARKED] = parked_piece,
    [STAGE_EVENTS] = events_piece,
};

static bool make_piece(struct portability_stream *stream, struct error *error)
{
    struct look look = { .engine = stream->engine,
                         .arena = &stream->arena,
                         .account = stream->account,
                         .ordinal = stream->ordinal,
                         .purpose = PURPOSE_ANSWER };
    struct json_out json = { &stream->waiting, stream->needs_comma };
    bool ok;

    look.reader = engine_take_reader(stream->engine, error);
    if (!look.reader)
        return false;
    arena_reset(&stream->arena);
    buf_reset(&stream->waiting);
    stream->sent = 0;
    ok = pieces[stream->stage](stream, &look, &json, error);
    stream->needs_comma = json.needs_comma;
    engine_give_reader(stream->engine, look.reader);
    return ok && (!stream->waiting.overflowed || error_set(error, ERROR_TOO_LARGE, "an event is too large"));
}

bool portability_stream_next(void *arg, struct buf *out, bool *more, struct error *error)
{
    struct portability_stream *stream = arg;
    size_t left, room;

    if (stream->sent == stream->waiting.len && stream->stage != STAGE_OVER && !make_piece(stream, error))
        return false;
    left = stream->waiting.len - stream->sent;
    room = left < out->limit - out->len ? left : out->limit - out->len;
    buf_add(out, (struct str){ stream->waiting.at + stream->sent, room });
    stream->sent += room;
    *more = stream->stage != STAGE_OVER || stream->sent < stream->waiting.len;
    return true;
}
