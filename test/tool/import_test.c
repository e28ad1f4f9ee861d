/* What lines of a file become: fields of CSV, and items of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tool/import_parts.h"

enum { RECORD_MAX_BYTES = 64 };

/* All records of a text as "[a|b][c]"; what is wrong with it as "!". */
static void read_text(struct str text, struct buf *out)
{
    struct csv_reader *reader = csv_reader_new(RECORD_MAX_BYTES);
    struct error error = { 0 };
    bool ok = true, whole = false, ended = false;

    assert_non_null(reader);
    while (ok && !ended) {
        const char *end = text.len > 0 ? memchr(text.at, '\n', text.len) : NULL;
        struct str line = { text.at, end ? (size_t)(end - text.at) + 1 : text.len };
        ended = line.len == 0;
        ok = ended ? csv_reader_end(reader, &whole, &error) : csv_reader_take(reader, line, &whole, &error);
        for (size_t i = 0; ok && whole && i < csv_reader_count(reader); i++) {
            buf_add(out, i == 0 ? STR("[") : STR("|"));
            buf_add(out, csv_reader_field(reader, i));
        }
        if (ok && whole)
            buf_add(out, STR("]"));
        text.at += line.len;
        text.len -= line.len;
    }
    if (!ok)
        buf_add(out, STR("!"));
    csv_reader_free(reader);
}

static void records_follow_rfc_4180(void **state)
{
    const struct {
        struct str text, records;
    } cases[] = {
        { STR(""), STR("") },
        { STR("a,b\nc,d\n"), STR("[a|b][c|d]") },
        { STR("a,b\r\nc,d\r\n"), STR("[a|b][c|d]") },
        { STR("a,b\nc,d"), STR("[a|b][c|d]") },
        { STR("a,b\r\nc,\"d\""), STR("[a|b][c|d]") },
        { STR("a,,\n"), STR("[a||]") },
        { STR(",\n"), STR("[|]") },
        { STR("\"\"\n"), STR("[]") },
        { STR("\"a,b\",c\n"), STR("[a,b|c]") },
        { STR("\"a\"\"b\",c\n"), STR("[a\"b|c]") },
        { STR("\"a\nb\",c\n"), STR("[a\nb|c]") },
        { STR("\"a\r\n\r\nb\",c\r\n"), STR("[a\r\n\r\nb|c]") },
        { STR(" a , b \n"), STR("[ a | b ]") },
        { STR("\" a \"\n"), STR("[ a ]") },
        { STR("n\xC3\xA9,\xF0\x9F\x98\x80\n"), STR("[n\xC3\xA9|\xF0\x9F\x98\x80]") },
        { STR("a\n\n\r\nb\n"), STR("[a][b]") },
        { STR("a\0b\n"), STR("[a\0b]") },
        { STR("a\"b\n"), STR("!") },
        { STR("\"a\"b\n"), STR("!") },
        { STR("a\n\"b"), STR("[a]!") },
        { STR("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"\n"), STR("!") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf found;
        buf_init(&found, 1024);
        read_text(cases[i].text, &found);
        if (!str_equal(buf_str(&found), cases[i].records))
            fail_msg("case %zu became '%.*s'", i, STR_ARG(buf_str(&found)));
        buf_clear(&found);
    }
}

static bool take_line(struct csv_reader *reader, struct str line)
{
    struct error error = { 0 };
    bool whole = false;

    return csv_reader_take(reader, line, &whole, &error) && whole;
}

static void a_record_becomes_a_user(void **state)
{
    const struct {
        struct str header, record;
        const char *types;
        struct str item; /* what is wrong, where it does not begin with a brace */
    } cases[] = {
        { STR("user_id,first_name\n"), STR("ann,Ann\n"), "",
          STR("{\"userId\":\"ann\",\"firstName\":\"Ann\",\"attributes\":{}}") },
        { STR("City,user_id\n"), STR("Bonn,ann\n"), "",
          STR("{\"userId\":\"ann\",\"attributes\":{\"City\":\"Bonn\"}}") },
        { STR("user_id,email\n"), STR("ann,\n"), "", STR("{\"userId\":\"ann\",\"attributes\":{}}") },
        { STR("user_id,email_opt_in,sms_opt_in\n"), STR("ann,TRUE,0\n"), "",
          STR("{\"userId\":\"ann\",\"emailOptIn\":true,\"smsOptIn\":false,\"attributes\":{}}") },
        { STR("user_id,n,b\n"), STR("007,-1.50e+3,yes\n"), "n=number,b=boolean",
          STR("{\"userId\":\"007\",\"attributes\":{\"n\":-1.50e+3,\"b\":true}}") },
        { STR("user_id,n\n"), STR("ann,007\n"), "", STR("{\"userId\":\"ann\",\"attributes\":{\"n\":\"007\"}}") },
        { STR("user_id,a\"\n"), STR("ann,1\n"), "", STR("no header") },
        { STR("user_id,n\n"), STR("ann,007\n"), "n=number", STR("column 2 must be a number") },
        { STR("user_id,n\n"), STR("ann,1e\n"), "n=number", STR("column 2 must be a number") },
        { STR("user_id,n\n"), STR("ann,.5\n"), "n=number", STR("column 2 must be a number") },
        { STR("user_id,n\n"), STR("ann,5.\n"), "n=number", STR("column 2 must be a number") },
        { STR("user_id,email_opt_in\n"), STR("ann,maybe\n"), "", STR("column 2 must be true or false") },
        { STR("user_id,x\n"), STR("ann,\xFF\n"), "", STR("column 2 is not UTF-8") },
        { STR("user_id,x\n"), STR("ann\n"), "", STR("has 1 fields, the line of names has 2") },
        { STR("email\n"), STR("a@example.org\n"), "",
          STR("there is no column user_id: is the first line that of the names?") },
        { STR("user_id,a,a\n"), STR("ann,1,2\n"), "", STR("columns 2 and 3 have one name") },
        { STR("user_id,,a\n"), STR("ann,1,2\n"), "", STR("column 2 has no name, or one that is no text") },
        { STR("user_id\n"), STR("ann\n"), "n=number",
          STR("--types names a column that is not there, or has its own type") },
        { STR("user_id\n"), STR("ann\n"), "n=date", STR("--types must be a list of COLUMN=string, number or boolean") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct csv_reader *reader = csv_reader_new(1024);
        struct import_columns columns = { 0 };
        struct error error = { 0 };
        struct buf item;

        buf_init(&item, 1024);
        bool ok = take_line(reader, cases[i].header);
        if (!ok)
            (void)error_set(&error, ERROR_INVALID, "no header");
        ok = ok && import_columns_open(&columns, reader, cases[i].types, &error) &&
             take_line(reader, cases[i].record) && import_item_of_record(&columns, reader, &item, &error);
        struct str found = ok ? buf_str(&item) : str_of(error.text);
        if (!str_equal(found, cases[i].item))
            fail_msg("case %zu: '%.*s'", i, STR_ARG(found));
        import_columns_close(&columns);
        buf_clear(&item);
        csv_reader_free(reader);
    }
}

static void a_line_tells_its_dialect(void **state)
{
    const struct {
        const char *text;
        enum import_format format;
        enum import_kind kind;
        const char *item; /* NULL: as it was */
    } cases[] = {
        { "{\"userId\":\"a\"}", FORMAT_AUTO, IMPORT_USER, NULL },
        { "{\"userId\":\"a\",\"attributes\":{\"type\":\"x\"}}", FORMAT_AUTO, IMPORT_USER, NULL },
        { "{\"eventName\":\"e\"}", FORMAT_AUTO, IMPORT_EVENT, "{\"messageId\":\"I\",\"eventName\":\"e\"}" },
        { "{\"eventName\":\"e\",\"messageId\":\"m\"}", FORMAT_AUTO, IMPORT_EVENT, NULL },
        { "{\"type\":\"track\"}", FORMAT_AUTO, IMPORT_MESSAGE, "{\"messageId\":\"I\",\"type\":\"track\"}" },
        { "{\"traits\":{}}", FORMAT_AUTO, IMPORT_MESSAGE, "{\"messageId\":\"I\",\"traits\":{}}" },
        { "{\"type\":\"track\"}", FORMAT_WEBENGAGE, IMPORT_USER, NULL },
        { "{\"userId\":\"a\"}", FORMAT_SEGMENT, IMPORT_MESSAGE, "{\"messageId\":\"I\",\"userId\":\"a\"}" },
        { "{}", FORMAT_SEGMENT, IMPORT_MESSAGE, "{\"messageId\":\"I\"}" },
    };
    struct json_parser *parser = json_parser_new();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256] = "";
        enum import_kind kind = IMPORT_KINDS;
        struct error error = { 0 };
        struct arena arena;
        struct buf item;

        (void)snprintf(text, sizeof text, "%s", cases[i].text);
        arena_init(&arena, 64 * 1024);
        buf_init(&item, 1024);
        const struct json *object = json_read(parser, &arena, str_of(text), &error);
        assert_non_null(object);
        assert_true(import_item_of_json(object, cases[i].format, "I", &kind, &item, &error));
        if (kind != cases[i].kind || !str_equal(buf_str(&item), str_of(cases[i].item ? cases[i].item : cases[i].text)))
            fail_msg("case %zu: %d '%.*s'", i, (int)kind, STR_ARG(buf_str(&item)));
        buf_clear(&item);
        arena_clear(&arena);
    }
    json_parser_free(parser);
}

/* The ids of all lines of a text, without what is the same in all of them. */
static void ids_of(const char *text, char ids[][IMPORT_ID_MAX], size_t count)
{
    static struct import_lines lines;
    FILE *stream = fmemopen((char *)text, strlen(text), "r");

    assert_non_null(stream);
    import_lines_open(&lines, stream);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(import_lines_next(&lines), LINE_READ);
        assert_int_equal(lines.number, i + 1);
        import_lines_id(&lines, ids[i]);
    }
    assert_int_equal(import_lines_next(&lines), LINE_END);
    import_lines_close(&lines);
    (void)fclose(stream);
}

static void an_id_is_that_of_a_line_and_all_before_it(void **state)
{
    char once[3][IMPORT_ID_MAX], again[3][IMPORT_ID_MAX], longer[4][IMPORT_ID_MAX], other[3][IMPORT_ID_MAX];

    (void)state;
    ids_of("a\na\na\n", once, 3);
    ids_of("\xEF\xBB\xBF"
           "a\na\na\n",
           again, 3);
    ids_of("a\na\na\nb", longer, 4);
    ids_of("b\na\na\n", other, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(once[i], again[i]);
        assert_string_equal(once[i], longer[i]);
        assert_string_not_equal(once[i], other[i]);
        assert_string_not_equal(once[i], once[(i + 1) % 3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_follow_rfc_4180),
        cmocka_unit_test(a_record_becomes_a_user),
        cmocka_unit_test(a_line_tells_its_dialect),
        cmocka_unit_test(an_id_is_that_of_a_line_and_all_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
