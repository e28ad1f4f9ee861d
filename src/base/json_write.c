/* JSON out: commas from one flag, text escaped in runs. */
#include "base/json_write.h"

#include "base/when.h"

static void begin_value(struct json_out *out)
{
    if (out->needs_comma)
        buf_add_byte(out->buf, ',');
    out->needs_comma = true;
}

static void open_with(struct json_out *out, char mark)
{
    begin_value(out);
    buf_add_byte(out->buf, mark);
    out->needs_comma = false;
}

static void close_with(struct json_out *out, char mark)
{
    buf_add_byte(out->buf, mark);
    out->needs_comma = true;
}

void json_open_object(struct json_out *out)
{
    open_with(out, '{');
}

void json_close_object(struct json_out *out)
{
    close_with(out, '}');
}

void json_open_array(struct json_out *out)
{
    open_with(out, '[');
}

void json_close_array(struct json_out *out)
{
    close_with(out, ']');
}

static bool needs_escape(char byte)
{
    return (unsigned char)byte < 0x20 || byte == '"' || byte == '\\';
}

static void add_escape(struct buf *buf, char byte)
{
    static const char letters[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    unsigned char control = (unsigned char)byte;

    if (control >= 0x20) {
        buf_add(buf, (struct str){ (char[]){ '\\', byte }, 2 });
    } else if (letters[control]) {
        buf_add(buf, (struct str){ (char[]){ '\\', letters[control] }, 2 });
    } else {
        buf_add(buf, STR("\\u00"));
        buf_add_hex(buf, &control, 1);
    }
}

static void add_quoted(struct buf *buf, struct str text)
{
    size_t run = 0;

    buf_add_byte(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (!needs_escape(text.at[i]))
            continue;
        buf_add(buf, (struct str){ text.at + run, i - run });
        add_escape(buf, text.at[i]);
        run = i + 1;
    }
    if (text.len > run)
        buf_add(buf, (struct str){ text.at + run, text.len - run });
    buf_add_byte(buf, '"');
}

void json_name(struct json_out *out, struct str name)
{
    begin_value(out);
    add_quoted(out->buf, name);
    buf_add_byte(out->buf, ':');
    out->needs_comma = false;
}

void json_string(struct json_out *out, struct str text)
{
    begin_value(out);
    add_quoted(out->buf, text);
}

void json_raw(struct json_out *out, struct str json)
{
    begin_value(out);
    buf_add(out->buf, json);
}

void json_i64(struct json_out *out, int64_t value)
{
    begin_value(out);
    buf_add_i64(out->buf, value);
}

void json_u64(struct json_out *out, uint64_t value)
{
    begin_value(out);
    buf_add_u64(out->buf, value);
}

void json_bool(struct json_out *out, bool value)
{
    json_raw(out, value ? STR("true") : STR("false"));
}

void json_null(struct json_out *out)
{
    json_raw(out, STR("null"));
}

void json_time(struct json_out *out, int64_t unix_ms)
{
    char text[WHEN_TEXT_MAX];

    if (unix_ms == WHEN_NONE)
        json_null(out);
    else
        json_string(out, (struct str){ text, when_write(unix_ms, text) });
}

void json_put_string(struct json_out *out, struct str name, struct str text)
{
    json_name(out, name);
    json_string(out, text);
}

void json_put_i64(struct json_out *out, struct str name, int64_t value)
{
    json_name(out, name);
    json_i64(out, value);
}

void json_put_bool(struct json_out *out, struct str name, bool value)
{
    json_name(out, name);
    json_bool(out, value);
}

void json_put_time(struct json_out *out, struct str name, int64_t unix_ms)
{
    json_name(out, name);
    json_time(out, unix_ms);
}

void json_put_raw(struct json_out *out, struct str name, struct str json)
{
    json_name(out, name);
    json_raw(out, json);
}
