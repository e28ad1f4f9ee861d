/* See door.h. */
#include "tool/door.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "tool/control.h"
#include "tool/opening.h"

enum { ANSWER_MAX_BYTES = 64 * 1024 * 1024 };
/* Of a document that is made without a server, in memory. */
#define DOCUMENT_MAX_BYTES ((size_t)1 << 30)

struct door {
    struct app *app; /* NULL: by the socket */
    struct control_path path;
};

/* ---- opening ---- */

static bool open_either(const struct tool_options *options, bool create, struct door *door, struct error *error)
{
    struct engine_options engine = opening_engine(options, create);

    switch (opening_app(&engine, &door->app, error)) {
    case OPENING_DONE:
        return true;
    case OPENING_SERVED:
        return control_path_open(options->data, &door->path, error);
    case OPENING_FAILED:
        break;
    }
    return false;
}

bool door_open(const struct tool_options *options, bool create, struct door **out, struct error *error)
{
    struct door *door = calloc(1, sizeof *door);

    if (!door || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(door);
        return error_set(error, ERROR_INTERNAL, "cannot begin: is there memory left?");
    }
    door->path.directory = -1;
    if (!open_either(options, create, door, error)) {
        door_close(door);
        return false;
    }
    *out = door;
    return true;
}

void door_close(struct door *door)
{
    if (!door)
        return;
    app_close(door->app);
    control_path_close(&door->path);
    free(door);
    curl_global_cleanup();
}

bool door_is_own(const struct door *door)
{
    return door->app != NULL;
}

/* ---- calls ---- */

bool door_call(struct door *door, enum http_method method, struct str target, struct str body, int *status,
               struct buf *out, struct error *error)
{
    if (door->app)
        return app_call(door->app, method, target, body, status, out, error);
    return control_call(&door->path, method, target, body, status, out, NULL, error);
}

/* Errors stand in one of three envelopes: {"error":{"message"}}, {"response":{"message"}} and {"message"}. */
static struct str message_of(const struct json *answer, struct arena *arena)
{
    const struct json *inside = json_member(answer, STR("error"));
    const struct json *message;

    if (!inside)
        inside = json_member(answer, STR("response"));
    if (!inside || inside->kind != JSON_OBJECT)
        inside = answer;
    message = json_member(inside, STR("message"));
    return message && message->kind == JSON_STRING ? json_text(message, arena) : (struct str){ NULL, 0 };
}

static bool is_good(int status)
{
    return status >= 200 && status <= 299;
}

bool door_not_understood(struct error *error)
{
    return error_set(error, ERROR_INTERNAL, "the answer was not understood: is the server of another version?");
}

/* NULL: it is no document, or there is no room. */
static const struct json *document_of(const struct buf *body, struct arena *arena)
{
    struct str text = body->len > 0 ? buf_str(body) : STR("null"); /* 204 has no body */
    struct json_parser *parser = json_parser_new();
    char *copy = arena_bytes(arena, text.len + JSON_PADDING);
    const struct json *document = NULL;
    struct error unread = { 0 };

    if (parser && copy) {
        memcpy(copy, text.at, text.len);
        memset(copy + text.len, 0, JSON_PADDING);
        document = json_read(parser, arena, (struct str){ copy, text.len }, &unread);
    }
    json_parser_free(parser);
    return document;
}

struct str door_message(const struct json *document, struct arena *arena)
{
    struct str message = message_of(document, arena), error_word = STR("Error: ");

    return str_starts(message, error_word) ? (struct str){ message.at + error_word.len, message.len - error_word.len }
                                           : message;
}

/* Turns an answer into its document; a refusal into the error. */
static bool read_answer(int status, const struct buf *body, struct arena *arena, const struct json **out,
                        struct error *error)
{
    struct str message = { NULL, 0 };

    *out = document_of(body, arena);
    if (is_good(status) && *out)
        return true;
    if (*out)
        message = message_of(*out, arena);
    if (message.len == 0)
        return error_set(error, ERROR_INTERNAL, "the answer was not understood (status %d): look at the log", status);
    return error_set(error, ERROR_INVALID, "%.*s", STR_ARG(message));
}

bool door_answer(struct door *door, enum http_method method, struct str target, struct str body, struct arena *arena,
                 int *status, const struct json **out, struct error *error)
{
    struct buf answer;

    buf_init(&answer, ANSWER_MAX_BYTES);
    bool ok = door_call(door, method, target, body, status, &answer, error);
    if (ok)
        *out = document_of(&answer, arena);
    buf_clear(&answer);
    return ok && (*out || door_not_understood(error));
}

bool door_ask(struct door *door, enum http_method method, struct str target, struct str body, struct arena *arena,
              const struct json **out, struct error *error)
{
    struct buf answer;
    int status = 0;

    buf_init(&answer, ANSWER_MAX_BYTES);
    bool ok = door_call(door, method, target, body, &status, &answer, error) &&
              read_answer(status, &answer, arena, out, error);
    buf_clear(&answer);
    return ok;
}

bool door_ask_once(struct tool_run *run, enum http_method method, struct str target, struct str body,
                   const struct json **out, struct error *error)
{
    struct door *door;

    if (!door_open(&run->options, false, &door, error))
        return false;
    bool ok = door_ask(door, method, target, body, &run->arena, out, error);
    door_close(door);
    return ok;
}

static bool refusal(int status, const struct buf *answer, struct error *error)
{
    const struct json *document;
    struct arena arena;

    arena_init(&arena, ANSWER_MAX_BYTES);
    (void)read_answer(status, answer, &arena, &document, error);
    arena_clear(&arena);
    return false;
}

bool door_stream(struct door *door, struct str target, FILE *stream, struct error *error)
{
    struct buf answer;
    int status = 0;
    bool ok;

    buf_init(&answer, door->app ? DOCUMENT_MAX_BYTES : ANSWER_MAX_BYTES);
    ok = door->app ? app_call(door->app, HTTP_GET, target, STR(""), &status, &answer, error)
                   : control_call(&door->path, HTTP_GET, target, STR(""), &status, &answer, stream, error);
    if (ok && !is_good(status))
        ok = refusal(status, &answer, error);
    else if (ok && answer.len > 0 && fwrite(answer.at, 1, answer.len, stream) != answer.len)
        ok = error_set(error, ERROR_FULL, "the output could not be written: look at where it goes");
    buf_clear(&answer);
    return ok;
}
