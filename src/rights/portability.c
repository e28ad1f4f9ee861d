/* The document whole or in pieces. Each piece takes a reader of its own, so a slow client holds nothing. */
#include "rights/portability.h"

#include <stdlib.h>

#include "rights/history.h"
#include "rights/links.h"

#define SLICE_EVENTS 200 /* pieces stay below the stream's 256 KiB unless single events are large */
#define SLICE_MAX_BYTES ((size_t)64 * 1024 * 1024)

static bool write_events(struct look *look, struct json_out *out, struct error *error)
{
    struct access_events events = { .oldest_first = true, .max = PORTABLE_EVENTS_MAX };

    json_name(out, STR("events"));
    json_open_array(out);
    if (!access_events(look, &events, out, error))
        return false;
    json_close_array(out);
    return true;
}

bool portability_document(struct look *look, struct buf *out, bool *complete, struct error *error)
{
    struct json_out json = json_out(out);
    int64_t count = 0, last = WHEN_NONE;
    size_t before;

    json_open_object(&json);
    if (!access_person(look, &json, error) || !access_preferences(look, &json, error) ||
        !history_write(look, &json, error) || !links_write(look, &json, error) ||
        !journal_count(look->reader->journal, look->account, look->person.ordinals, look->person.count, &count, &last,
                       error))
        return false;
    *complete = count <= PORTABLE_EVENTS_MAX;
    before = out->len;
    if (*complete && !write_events(look, &json, error))
        return false;
    if (*complete && out->len > PORTABLE_BYTES_MAX) {
        *complete = false; /* all of them or none */
        out->len = before;
    }
    json_close_object(&json);
    return !out->overflowed || error_set(error, ERROR_TOO_LARGE, "the answer is too large");
}

/* ---- streamed ---- */

enum stage { STAGE_PERSON, STAGE_EVENTS, STAGE_OVER };
struct portability_stream {
    struct engine *engine;
    uint32_t account, ordinal;
    struct arena arena;
    enum stage stage;
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

static bool person_piece(struct portability_stream *stream, struct look *look, struct error *error)
{
    struct json_out json = json_out(&stream->waiting);

    json_open_object(&json);
    if (!access_person(look, &json, error) || !access_preferences(look, &json, error) ||
        !history_write(look, &json, error) || !links_write(look, &json, error))
        return false;
    json_name(&json, STR("events"));
    buf_add_byte(&stream->waiting, '[');
    stream->stage = STAGE_EVENTS;
    return true;
}

static bool events_piece(struct portability_stream *stream, struct look *look, struct error *error)
{
    struct access_events events = { .oldest_first = true, .max = SLICE_EVENTS, .bound = stream->bound };
    struct json_out json = { &stream->waiting, stream->needs_comma };

    if (!access_events(look, &events, &json, error))
        return false;
    stream->bound = events.bound;
    stream->needs_comma = json.needs_comma;
    if (events.written < events.max) {
        buf_add(&stream->waiting, STR("]}"));
        stream->stage = STAGE_OVER;
    }
    return true;
}

static bool make_piece(struct portability_stream *stream, struct error *error)
{
    struct look look = { .engine = stream->engine,
                         .arena = &stream->arena,
                         .account = stream->account,
                         .ordinal = stream->ordinal,
                         .purpose = PURPOSE_ANSWER };
    bool ok;

    look.reader = engine_take_reader(stream->engine, error);
    if (!look.reader)
        return false;
    arena_reset(&stream->arena);
    buf_reset(&stream->waiting);
    stream->sent = 0;
    ok = stream->stage == STAGE_PERSON ? person_piece(stream, &look, error) : events_piece(stream, &look, error);
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
