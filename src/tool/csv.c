/* Over libcsv, which finds the fields; only here. */
#include "tool/csv.h"

#include <assert.h>
#include <csv.h>
#include <stdlib.h>

struct csv_reader {
    struct csv_parser parser;
    struct buf bytes;            /* of all fields, one behind the other */
    size_t ends[CSV_FIELDS_MAX]; /* of each field in `bytes` */
    size_t count, taken, bytes_max;
    bool is_whole, is_inside, has_too_many;
};

/* A CR is no part of the line's end for the library: it is a space before the LF, which it leaves out. */
static int is_space(unsigned char byte)
{
    return byte == '\r';
}

static int is_end(unsigned char byte)
{
    return byte == '\n';
}

struct csv_reader *csv_reader_new(size_t bytes_max)
{
    struct csv_reader *reader = calloc(1, sizeof *reader);

    if (!reader || csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        free(reader);
        return NULL;
    }
    csv_set_space_func(&reader->parser, is_space);
    csv_set_term_func(&reader->parser, is_end);
    buf_init(&reader->bytes, bytes_max);
    reader->bytes_max = bytes_max;
    return reader;
}

void csv_reader_free(struct csv_reader *reader)
{
    if (!reader)
        return;
    csv_free(&reader->parser);
    buf_clear(&reader->bytes);
    free(reader);
}

/* ---- called by the library ---- */

static void take_field(void *bytes, size_t len, void *arg)
{
    struct csv_reader *reader = arg;

    buf_add(&reader->bytes, (struct str){ bytes, len });
    if (reader->count == CSV_FIELDS_MAX)
        reader->has_too_many = true;
    else
        reader->ends[reader->count++] = reader->bytes.len;
}

static void take_end(int end, void *arg)
{
    struct csv_reader *reader = arg;

    (void)end;
    reader->is_whole = true;
}

/* ---- lines ---- */

static void begin_record(struct csv_reader *reader)
{
    buf_reset(&reader->bytes);
    reader->count = 0;
    reader->taken = 0;
    reader->is_whole = reader->has_too_many = false;
}

static bool settle(struct csv_reader *reader, bool *whole, struct error *error)
{
    if (csv_error(&reader->parser) == CSV_EPARSE)
        return error_set(error, ERROR_INVALID, "a quote stands where none may: quote the field and double the quote");
    if (csv_error(&reader->parser) != CSV_SUCCESS)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (reader->bytes.overflowed || reader->has_too_many)
        return error_set(error, ERROR_TOO_LARGE, "the record has too many fields or bytes");
    *whole = reader->is_whole;
    return true;
}

bool csv_reader_take(struct csv_reader *reader, struct str line, bool *whole, struct error *error)
{
    *whole = false;
    if (!reader->is_inside) {
        begin_record(reader);
        if (str_equal(line, STR("\n")) || str_equal(line, STR("\r\n")))
            return true;
    }
    if (line.len > reader->bytes_max - reader->taken)
        return error_set(error, ERROR_TOO_LARGE, "the record is too large: is a quote never closed?");
    reader->taken += line.len;
    (void)csv_parse(&reader->parser, line.at, line.len, take_field, take_end, reader); /* settle asks for its error */
    if (!settle(reader, whole, error))
        return false;
    reader->is_inside = !reader->is_whole;
    return true;
}

bool csv_reader_end(struct csv_reader *reader, bool *whole, struct error *error)
{
    bool was_inside = reader->is_inside;

    *whole = false;
    if (!was_inside)
        return true;
    if (csv_fini(&reader->parser, take_field, take_end, reader) != 0)
        return error_set(error, ERROR_INVALID, "the file ends inside a quoted field");
    reader->is_inside = false;
    return settle(reader, whole, error);
}

bool csv_reader_is_inside(const struct csv_reader *reader)
{
    return reader->is_inside;
}

/* ---- fields ---- */

size_t csv_reader_count(const struct csv_reader *reader)
{
    return reader->count;
}

struct str csv_reader_field(const struct csv_reader *reader, size_t index)
{
    assert(index < reader->count);
    size_t from = index > 0 ? reader->ends[index - 1] : 0;

    return (struct str){ reader->bytes.at ? reader->bytes.at + from : "", reader->ends[index] - from };
}
