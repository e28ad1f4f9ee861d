/* Answers laid out for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tool/print.h"

enum { TEXT_MAX = 4096 };

struct page {
    struct tool_streams streams;
    struct tool_run run;
    struct json_parser *parser;
    char json[TEXT_MAX], text[TEXT_MAX];
};

static const struct json *page_open(struct page *page, const char *json)
{
    struct error error = { 0 };

    *page = (struct page){ .streams.out = tmpfile(), .parser = json_parser_new() };
    page->run.streams = &page->streams;
    arena_init(&page->run.arena, 1 << 20);
    assert_true(strlen(json) + JSON_PADDING < sizeof page->json);
    strcpy(page->json, json);
    const struct json *document = json_read(page->parser, &page->run.arena, str_of(page->json), &error);
    assert_non_null(document);
    return document;
}

static const char *page_close(struct page *page)
{
    rewind(page->streams.out);
    page->text[fread(page->text, 1, TEXT_MAX - 1, page->streams.out)] = '\0';
    fclose(page->streams.out);
    json_parser_free(page->parser);
    arena_clear(&page->run.arena);
    return page->text;
}

static const struct print_column columns[] = { { "ID", "id" }, { "NAME", "name" } };

static void a_table_is_aligned_by_what_people_see(void **state)
{
    struct page page;
    struct error error = { 0 };
    const struct json *rows =
        page_open(&page, "[{\"id\":1,\"name\":\"a\"},{\"name\":\"b\",\"id\":\"n\xC3\xA9\xC3\xA9\"},"
                         "{\"id\":null},{\"id\":true,\"name\":\"\"}]");

    (void)state;
    assert_true(print_table(&page.run, rows, columns, COUNT_OF(columns), &error));
    assert_string_equal(page_close(&page), "ID    NAME\n"
                                           "1     a\n"
                                           "n\xC3\xA9\xC3\xA9   b\n"
                                           "-     -\n"
                                           "true  \"\"\n");
}

static void an_empty_table_has_its_headings(void **state)
{
    struct page page;
    struct error error = { 0 };
    const struct json *rows = page_open(&page, "[]");

    (void)state;
    assert_true(print_table(&page.run, rows, columns, COUNT_OF(columns), &error));
    assert_string_equal(page_close(&page), "ID  NAME\n");
}

static void what_is_no_list_is_refused(void **state)
{
    struct page page;
    struct error error = { 0 };
    const struct json *document = page_open(&page, "{}");

    (void)state;
    assert_false(print_table(&page.run, document, columns, COUNT_OF(columns), &error));
    assert_false(print_table(&page.run, NULL, columns, COUNT_OF(columns), &error));
    assert_string_equal(page_close(&page), "");
}

static void members_stand_one_a_line_without_what_is_nested(void **state)
{
    struct page page;
    struct error error = { 0 };
    const struct json *object = page_open(
        &page, "{\"request\":18446744073709551615,\"user\":{\"x\":1},\"list\":[1,[2]],\"s\":\"t\",\"n\":null}");

    (void)state;
    assert_true(print_members(&page.run, object, &error));
    assert_string_equal(page_close(&page), "request  18446744073709551615\ns        t\nn        -\n");
}

static void nothing_from_outside_moves_the_cursor(void **state)
{
    struct page page;
    struct error error = { 0 };
    const struct json *object = page_open(&page, "{\"a\":\"x\\u001b[2J\\r\\n\\u007f\\u009b1m\\u00e9\"}");

    (void)state;
    assert_true(print_members(&page.run, object, &error));
    assert_string_equal(page_close(&page), "a  x?[2J?????1m\xC3\xA9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_aligned_by_what_people_see),
        cmocka_unit_test(an_empty_table_has_its_headings),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(members_stand_one_a_line_without_what_is_nested),
        cmocka_unit_test(nothing_from_outside_moves_the_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
