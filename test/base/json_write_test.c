/* JSON out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_write.h"
#include "base/when.h"

static void commas_and_names_fall_into_place(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    struct json_out out = json_out(&buf);
    json_open_object(&out);
    json_put_string(&out, STR("a"), STR("x"));
    json_name(&out, STR("b"));
    json_open_array(&out);
    json_open_object(&out);
    json_close_object(&out);
    json_open_array(&out);
    json_close_array(&out);
    json_null(&out);
    json_u64(&out, UINT64_MAX);
    json_i64(&out, INT64_MIN);
    json_close_array(&out);
    json_put_bool(&out, STR("c"), true);
    json_put_bool(&out, STR("d"), false);
    json_put_i64(&out, STR("e"), -1);
    json_put_raw(&out, STR("f"), STR("39.80"));
    json_put_time(&out, STR("g"), 0);
    json_put_time(&out, STR("h"), WHEN_NONE);
    json_close_object(&out);
    assert_true(str_equal(buf_str(&buf),
                          STR("{\"a\":\"x\",\"b\":[{},[],null,18446744073709551615,-9223372036854775808],\"c\":true,"
                              "\"d\":false,\"e\":-1,\"f\":39.80,\"g\":\"1970-01-01T00:00:00.000Z\",\"h\":null}")));
    buf_clear(&buf);
}

static void only_what_must_be_escaped_is(void **state)
{
    const struct {
        struct str text, json;
    } cases[] = {
        { STR(""), STR("\"\"") },
        { { NULL, 0 }, STR("\"\"") },
        { STR("a/b"), STR("\"a/b\"") },
        { STR("\"\\"), STR("\"\\\"\\\\\"") },
        { STR("\b\f\n\r\t"), STR("\"\\b\\f\\n\\r\\t\"") },
        { STR("\0\x1F\x7F"), STR("\"\\u0000\\u001f\x7F\"") },
        { STR("\xC3\xA9\xF0\x9F\x98\x80"), STR("\"\xC3\xA9\xF0\x9F\x98\x80\"") },
        { STR("ab\ncd"), STR("\"ab\\ncd\"") },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf;
        buf_init(&buf, 100);
        struct json_out out = json_out(&buf);
        json_string(&out, cases[i].text);
        if (!str_equal(buf_str(&buf), cases[i].json))
            fail_msg("case %zu: %.*s", i, STR_ARG(buf_str(&buf)));
        buf_clear(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_and_names_fall_into_place),
        cmocka_unit_test(only_what_must_be_escaped_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
