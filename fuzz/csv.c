/* Fuzzes the reader of CSV, cut into lines as `import` cuts them, and the items made of its records: what a record becomes
 * is a JSON document. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "tool/import_parts.h"

enum { RECORD_MAX_BYTES = 4096 };

static void use_record(struct import_columns *columns, bool *has_columns, const struct csv_reader *reader)
{
    static struct json_parser *parser;
    struct error error = { 0 };
    struct arena arena;
    struct buf item;

    if (!*has_columns) {
        *has_columns = import_columns_open(columns, reader, "", &error);
        if (!*has_columns)
            import_columns_close(columns);
        return;
    }
    if (!parser)
        parser = json_parser_new();
    assert(parser);
    arena_init(&arena, 1 << 20);
    buf_init(&item, 1 << 20);
    if (import_item_of_record(columns, reader, &item, &error)) {
        size_t len = item.len;
        assert(buf_room(&item, JSON_PADDING));
        memset(item.at + len, 0, JSON_PADDING);
        assert(json_read(parser, &arena, (struct str){ item.at, len }, &error));
    }
    buf_clear(&item);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct csv_reader *reader = csv_reader_new(RECORD_MAX_BYTES);
    struct str rest = { (const char *)input, len };
    struct import_columns columns = { 0 };
    struct error error = { 0 };
    bool whole = false, has_columns = false, ok = true;

    assert(reader);
    while (ok && rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        struct str line = { rest.at, end ? (size_t)(end - rest.at) + 1 : rest.len };
        ok = csv_reader_take(reader, line, &whole, &error);
        if (ok && whole)
            use_record(&columns, &has_columns, reader);
        rest.at += line.len;
        rest.len -= line.len;
    }
    if (ok && csv_reader_end(reader, &whole, &error) && whole)
        use_record(&columns, &has_columns, reader);
    import_columns_close(&columns);
    csv_reader_free(reader);
    return 0;
}
