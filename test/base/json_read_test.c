/* JSON in: what is accepted, what is refused and where, and the tree that comes out. Jansson is the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json_read.h"
#include "base/random.h"

#include "json_oracle.h"

struct fixture {
    struct json_parser *parser;
    struct arena arena;
    struct error error;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->parser = json_parser_new();
    arena_init(&fixture->arena, 64 << 20);
    *state = fixture;
    return fixture->parser ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    json_parser_free(fixture->parser);
    arena_clear(&fixture->arena);
    free(fixture);
    return 0;
}

/* Reads a copy that ends where memory ends, with a padding that would go on with whatever the text left open.
 * The tree refers to the copy: the caller frees it. */
static const struct json *read_copy(struct fixture *fixture, struct str text, char **copy)
{
    static const char padding[] = "0123456789]}\",:1e9\"]}truefalse\\\\\"\"\"]]]}}}111111111111111111111111";

    _Static_assert(sizeof(padding) >= JSON_PADDING, "all of the padding is hostile");
    arena_reset(&fixture->arena);
    fixture->error = (struct error){ 0 };
    *copy = malloc(text.len + JSON_PADDING);
    assert_non_null(*copy);
    if (text.len > 0)
        memcpy(*copy, text.at, text.len);
    memcpy(*copy + text.len, padding, JSON_PADDING);
    return json_read(fixture->parser, &fixture->arena, (struct str){ *copy, text.len }, &fixture->error);
}

static bool accepts(struct fixture *fixture, struct str text)
{
    char *copy;
    bool accepted = read_copy(fixture, text, &copy) != NULL;

    free(copy);
    assert_int_equal(fixture->error.code, accepted ? ERROR_NONE : ERROR_INVALID);
    return accepted;
}

static void judge(struct fixture *fixture, struct str text, bool wanted)
{
    bool ours = accepts(fixture, text);
    enum opinion theirs = json_oracle(text);

    if (ours != wanted || theirs != (wanted ? ORACLE_ACCEPTS : ORACLE_REFUSES))
        fail_msg("'%.*s': ours %d, Jansson's %d, wanted %d", STR_ARG(text), ours, theirs, wanted);
}

static void nasty_texts_are_refused_by_us_and_by_jansson(void **state)
{
    const struct str texts[] = {
        /* documents */
        STR(""), STR(" "), STR("\n\t\r "), STR("[] []"), STR("1 2"), STR("[]]"), STR("{}}"), STR("{},"),
        STR("\xEF\xBB\xBF{}"), STR("{}\0"), STR("\0{}"), STR("[]\f"), STR("\f[]"), STR("[\x1A]"), STR("[]\x1A"),
        STR("[1\v]"), STR("\xC2\xA0[]"), STR("/**/[]"), STR("[]//"), STR("#"),
        /* arrays */
        STR("["), STR("]"), STR("[1"), STR("[1,"), STR("[1,]"), STR("[,1]"), STR("[,]"), STR("[1,,2]"), STR("[1 2]"),
        STR("[1:2]"), STR("[1}"), STR("[[]"), STR("[\"a\"\"b\"]"), STR("[\"a\"b]"), STR("[1\"a\"]"), STR("[1\"a,b\"]"),
        STR("[true\"]\"]"), STR("[\"a\" \"b\"]"), STR("[]1"), STR("[1][2]"), STR("[1[2]]"), STR("[\"a\":1]"),
        STR("[[a"), STR("[[[[[1"),
        /* objects */
        STR("{"), STR("}"), STR("{\"a\"}"), STR("{\"a\":}"), STR("{\"a\":1"), STR("{\"a\":1,}"), STR("{,}"),
        STR("{\"a\" 1}"), STR("{\"a\",1}"), STR("{a:1}"), STR("{1:1}"), STR("{'a':1}"), STR("{\"a\"::1}"), STR("{:1}"),
        STR("{\"a\":1 \"b\":2}"), STR("{\"a\":1]"), STR("{\"\":1,\"\":2}"), STR("{\"a\":1,\"a\":2}"),
        STR("{\"a\":1,\"\\u0061\":2}"), STR("{\"a\\u0000b\":1}"), STR("{\"\\u0000\":1}"), STR("{null:1}"),
        STR("{\"a\":1,\"b\":{\"c\":1,\"c\":1}}"), STR("{{}:1}"), STR("{[]:1}"),
        /* strings */
        STR("\""), STR("\"a"), STR("\"a\\\""), STR("a\""), STR("\"\\a\""), STR("\"\\x41\""), STR("\"\\U0041\""),
        STR("\"\\'\""), STR("\"\\\0\""), STR("\"\\u004\""), STR("\"\\u004g\""), STR("\"\\u\""), STR("\"\\u d83d\""),
        STR("\"\\ud83d\""), STR("\"\\ude00\""), STR("\"\\ud83d\\ud83d\""), STR("\"\\ud83dx\""), STR("\"\\ud83d\\n\""),
        STR("\"\\ude00\\ud83d\""), STR("\"\\ud83d\\u0041\""), STR("\"\\ud83d\\ude0\""), STR("\"a\nb\""),
        STR("\"a\0b\""), STR("\"\x1F\""), STR("\"\t\""), STR("\"\xC3\""), STR("\"\xED\xA0\x80\""), STR("\"\xC0\x80\""),
        STR("\"\xF4\x90\x80\x80\""), STR("\"\xFF\""), STR("\"\x80\""), STR("\"\xE2\x82"), STR("'a'"), STR("\\\"a\""),
        STR("[\\\"a\"]"), STR("\"\" \""), STR("\"\\\\\\\\\"\""),
        /* numbers */
        STR("-"), STR("+1"), STR("01"), STR("-01"), STR("00"), STR("1."), STR(".1"), STR("-.1"), STR("1e"), STR("1e+"),
        STR("1.e1"), STR("1e1.5"), STR("1.2.3"), STR("--1"), STR("1-"), STR("1a"), STR("0x10"), STR("1_000"),
        STR("Infinity"), STR("-Infinity"), STR("NaN"), STR("-NaN"), STR("- 1"), STR("1 .5"), STR("1\xC3\xA9"),
        STR("\xEF\xBC\x91"),
        /* words */
        STR("nul"), STR("nulll"), STR("Null"), STR("tru"), STR("TRUE"), STR("truefalse"), STR("fals"), STR("[nul]"),
        STR("null/"), STR("n"), STR("t"), STR("undefined"), STR("[tru,e]")
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        judge(*state, texts[i], false);
}

static void odd_but_valid_texts_are_accepted_by_us_and_by_jansson(void **state)
{
    const struct str texts[] = {
        /* documents */
        STR("null"), STR(" true "), STR("false\n"), STR("\"\""), STR("0"), STR("[]"), STR("{}"),
        /* arrays */
        STR("[ 1 , 2 ]"), STR("[[],[[]],{}]"), STR("[null,true,false]"), STR("[[[[[[[[[[]]]]]]]]]]"),
        /* objects */
        STR("{\"a\":1,\"b\":2}"), STR("{ \"a\" : 1 , \"b\" : [ ] }"), STR("{\"\":1}"), STR("{\"a\":{\"a\":1}}"),
        STR("[{\"a\":1},{\"a\":2}]"), STR("{\"a\":1,\"A\":2}"), STR("{\"abcdefgh\":1,\"abcdefgi\":2}"),
        STR("{\"abcdefgh1xyzabcd\":1,\"abcdefgh2xyzabcd\":2}"),
        /* strings */
        STR("\"\\\\\""), STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\u0000\""), STR("\"\\uFFFF\""),
        STR("\"\\ud83d\\ude00\""), STR("\"\\uD83D\\uDE00\""), STR("\"\\ud7ff\\ue000\""), STR("\"\x7F\""),
        STR("\"\xC3\xA9\""), STR("\"\xF0\x9F\x98\x80\""), STR("\"\xF4\x8F\xBF\xBF\""), STR("\"\\\\\\\"\""),
        STR("\"[1,2\""), STR("\"}:,{\""),
        /* numbers */
        STR("-0"), STR("1.0"), STR("1e1"), STR("1E+1"), STR("1e-1"), STR("0e0"), STR("0.0e-0"),
        STR("9223372036854775807"), STR("-9223372036854775808"), STR("39.80"), STR("1e308")
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        judge(*state, texts[i], true);
}

/* Where we mean to differ from Jansson: we keep digits as they were sent, however many. */
static void numbers_of_any_size_are_kept(void **state)
{
    const struct str cases[] = {
        STR("18446744073709551615"),
        STR("-9223372036854775809"),
        STR("1e999"),
        STR("1e-999999999999999999999"),
        STR("123456789012345678901234567890123456789012345678901234567890.5"),
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *copy;
        const struct json *number = read_copy(fixture, cases[i], &copy);
        assert_non_null(number);
        assert_true(str_equal(number->raw, cases[i]));
        free(copy);
    }
}

/* And where Jansson is wrong: behind a number or a word it skips a NUL byte. */
static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char document[] = "{\"a\":[1,-2.5e3,\"x\",true , null]}";
    struct fixture *fixture = *state;

    for (size_t at = 0; at <= sizeof(document) - 1; at++) {
        char text[sizeof(document)];
        memcpy(text, document, at);
        text[at] = '\0';
        memcpy(text + at + 1, document + at, sizeof(document) - 1 - at);
        assert_false(accepts(fixture, (struct str){ text, sizeof(document) }));
        if (at < sizeof(document) - 1) {
            memcpy(text, document, sizeof(document));
            text[at] = '\0';
            assert_false(accepts(fixture, (struct str){ text, sizeof(document) - 1 }));
        }
    }
}

/* ---- Mutations ---- */

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static const char *const documents[] = {
    "{\"userId\":\"johndoe\",\"eventName\":\"Added to Cart\",\"eventTime\":\"2018-09-15T18:29:00-0800\",\"eventData\":"
    "{\"Product ID\":1337,\"Price\":39.80,\"Quantity\":1,\"Category\":[\"Apparel\",\"Shoes\"],\"Ok\":true}}",
    "[1,-0.5e+10,\"\\ud83d\\ude00\\n\\u00e9\",{\"a\":{\"b\":[[],{}]},\"\\u0061b\":null},true , false ]",
    " { \"a\" : \"\xC3\xA9\xF0\x9F\x98\x80\" , \"b\" : [ 1 , 2 , 3 ] , \"c\\\\\" : \"\\\"\" } ",
    "{\"aaaaaaaa1\":1,\"aaaaaaaa2\":2,\"aaaaaaaa3\":3,\"aaaaaaaa4\":4,\"aaaaaaaa5\":5,\"aaaaaaaa6\":6,\"aaaaaaaa7\":7,"
    "\"aaaaaaaa8\":8,\"aaaaaaaa9\":9,\"baaaaaaa1\":1,\"baaaaaaa2\":2,\"baaaaaaa3\":3,\"baaaaaaa4\":4,\"baaaaaaa5\":5,"
    "\"baaaaaaa6\":6,\"baaaaaaa7\":7,\"baaaaaaa8\":8,\"baaaaaaa9\":9}",
};

/* Changes one place: another byte, a byte more, some bytes less, a piece of the text copied elsewhere. */
static size_t mutate(char *text, size_t len, size_t room, uint64_t *seed)
{
    static const char bytes[] = "{}[]:,\"\\/ \n\t\f\x1Au0123456789.eE+-tfna\x01\x7F\x80\xC3\xA9\xED\xF0\xFF";
    size_t at = len > 0 ? draw(seed) % len : 0, count = 1 + draw(seed) % 12, from = len > 0 ? draw(seed) % len : 0;

    switch (draw(seed) % 4) {
    case 0:
        if (len > 0)
            text[at] = bytes[draw(seed) % (sizeof(bytes) - 1)];
        return len;
    case 1:
        if (len + 1 > room)
            return len;
        memmove(text + at + 1, text + at, len - at);
        text[at] = bytes[draw(seed) % (sizeof(bytes) - 1)];
        return len + 1;
    case 2:
        count = count < len - at ? count : len - at;
        memmove(text + at, text + at + count, len - at - count);
        return len - count;
    default:
        count = count < len - at ? count : len - at;
        count = count < len - from ? count : len - from;
        memmove(text + at, text + from, count);
        return len;
    }
}

static void mutations_are_judged_as_jansson_judges_them(void **state)
{
    struct fixture *fixture = *state;
    size_t accepted = 0, refused = 0;
    uint64_t seed;

    random_bytes(&seed, sizeof(seed));
    seed |= 1;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 20000; round++) {
        struct str document = str_of(documents[draw(&seed) % COUNT_OF(documents)]);
        char text[512];
        size_t len = document.len;

        memcpy(text, document.at, len);
        for (uint64_t times = draw(&seed) % 4; times > 0; times--)
            len = mutate(text, len, sizeof(text), &seed);
        enum opinion theirs = json_oracle((struct str){ text, len });
        bool ours = accepts(fixture, (struct str){ text, len });
        if (theirs != ORACLE_OVERFLOWS && theirs != (ours ? ORACLE_ACCEPTS : ORACLE_REFUSES))
            fail_msg("round %d: ours %d (%s), Jansson's %d: %.*s", round, ours, fixture->error.text, theirs, (int)len,
                     text);
        accepted += ours;
        refused += !ours;
    }
    assert_true(accepted > 2000);
    assert_true(refused > 2000);
}

/* ---- What is said about it ---- */

static void errors_say_what_and_where(void **state)
{
    const struct {
        struct str text;
        const char *error;
    } cases[] = {
        { STR(""), "JSON: the text is empty" },
        { STR("  "), "JSON: the text is empty" },
        { STR("[1,]"), "JSON: a value is missing or malformed at byte 3" },
        { STR("[1,"), "JSON: a value is missing at byte 3" },
        { STR("[1 2]"), "JSON: ',' or ']' is missing at byte 3" },
        { STR("{\"a\":1"), "JSON: ',' or '}' is missing at byte 6" },
        { STR("{\"a\":1,}"), "JSON: a name is missing at byte 7" },
        { STR("{1:1}"), "JSON: a name or '}' is missing at byte 1" },
        { STR("{\"a\"}"), "JSON: ':' is missing at byte 4" },
        { STR("[] x"), "JSON: something follows the document at byte 3" },
        { STR("[01]"), "JSON: a value is missing or malformed at byte 1" },
        { STR("[\"a\\q\"]"), "JSON: an escape is malformed or half a surrogate pair at byte 3" },
        { STR("[\"a\\n\\ud800\"]"), "JSON: an escape is malformed or half a surrogate pair at byte 5" },
        { STR("{\"a\\u0000\":1}"), "JSON: a name holds NUL at byte 3" },
        { STR("[\"ab\xFF\"]"), "JSON: a byte is not UTF-8 at byte 4" },
        { STR("[\"\\\"\n\"]"), "JSON: a control character in a string at byte 4" },
        { STR("[\"a\",\"b"), "JSON: a string does not end at byte 5" },
        { STR("{\"ab\":1,\"c\":2,\"ab\":3}"), "JSON: duplicate name at byte 14" },
        { STR("[{\"ab\":[{\"x\":1}],\"a\\u0062\":3}]"), "JSON: duplicate name at byte 17" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(accepts(fixture, cases[i].text));
        assert_string_equal(fixture->error.text, cases[i].error);
    }
}

/* An object of `count` members whose names share a long head; member `twin` has the name of member `of`. */
static struct buf large_object(size_t count, size_t twin, size_t of, size_t *twin_at)
{
    struct buf buf;

    buf_init(&buf, 64 << 20);
    buf_add_byte(&buf, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_byte(&buf, ',');
        if (i == twin)
            *twin_at = buf.len;
        buf_addf(&buf, "\"a long common head %06zu\" : {\"x\":[%zu]}", i == twin ? of : i, i);
    }
    buf_add_byte(&buf, '}');
    assert_false(buf.overflowed);
    return buf;
}

static void twins_are_found_in_objects_of_any_size(void **state)
{
    static const struct {
        size_t count, twin, of;
    } cases[] = {
        { 2, 1, 0 },    { 15, 14, 0 }, { 16, 15, 14 },       { 16, 15, 0 },        { 17, 16, 0 },
        { 17, 16, 15 }, { 17, 3, 1 },  { 40, 39, 20 },       { 100000, 99999, 0 }, { 100000, 50000, 49999 },
        { 17, 17, 0 },  { 16, 16, 0 }, { 100000, 100000, 0 } /* no twin */
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t twin_at = 0;
        struct buf text = large_object(cases[i].count, cases[i].twin, cases[i].of, &twin_at);
        bool has_twin = cases[i].twin < cases[i].count;
        char wanted[100];

        assert_int_equal(accepts(fixture, buf_str(&text)), !has_twin);
        snprintf(wanted, sizeof(wanted), "JSON: duplicate name at byte %zu", twin_at);
        assert_string_equal(fixture->error.text, has_twin ? wanted : "");
        buf_clear(&text);
    }
}

static void twins_can_be_listed_instead_of_refused(void **state)
{
    struct fixture *fixture = *state;
    struct buf text;
    struct json_twin *twins = NULL;
    const char body[] = "{\"a\":1,\"b\":{\"c\":1,\"c\":2,\"c\":3},\"\\u0061\":4}";
    size_t count = 0;

    buf_init(&text, sizeof(body) + JSON_PADDING);
    buf_add(&text, str_of(body));
    memset(buf_room(&text, JSON_PADDING), 'x', JSON_PADDING);
    const struct json *root =
        json_read_twins(fixture->parser, &fixture->arena, buf_str(&text), &twins, &fixture->error);
    assert_non_null(root);
    assert_int_equal(root->count, 3);
    for (const struct json_twin *twin = twins; twin; twin = twin->next, count++)
        assert_true(str_equal(twin->name, STR("a")) || str_equal(twin->name, STR("c")));
    assert_int_equal(count, 3);
    assert_int_equal(twins->at - text.at, (ptrdiff_t)(strstr(body, "\"\\u0061") - body));
    buf_clear(&text);
}

static void depth_has_a_limit_for_arrays_and_objects(void **state)
{
    struct fixture *fixture = *state;

    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= 1000; depth += depth > JSON_DEPTH_MAX ? 187 : 1) {
        struct buf arrays, objects;
        buf_init(&arrays, 100000);
        buf_init(&objects, 100000);
        for (size_t i = 0; i < depth; i++) {
            buf_add(&arrays, STR("["));
            buf_add(&objects, i + 1 < depth ? STR("{\"a\":") : STR("{"));
        }
        for (size_t i = 0; i < depth; i++) {
            buf_add(&arrays, STR("]"));
            buf_add(&objects, STR("}"));
        }
        assert_int_equal(accepts(fixture, buf_str(&arrays)), depth <= JSON_DEPTH_MAX);
        assert_int_equal(accepts(fixture, buf_str(&objects)), depth <= JSON_DEPTH_MAX);
        if (depth > JSON_DEPTH_MAX)
            assert_string_equal(fixture->error.text, "JSON: too many levels at byte 320");
        buf_clear(&arrays);
        buf_clear(&objects);
    }
}

/* ---- The tree ---- */

static void the_tree_holds_every_value_as_it_was_sent(void **state)
{
    const struct str text =
        STR(" {\"a\" : [1, \"x\\n\" , {} ,[ ] ],\"\\u0062\\n\":39.80 , \"c\":{\"d\":null,\"e\":true}} ");
    struct fixture *fixture = *state;
    char *copy;
    const struct json *root = read_copy(fixture, text, &copy);

    assert_non_null(root);
    assert_int_equal(root->kind, JSON_OBJECT);
    assert_int_equal(root->span, 10);
    assert_int_equal(root->count, 3);
    assert_true(str_equal(root->raw, (struct str){ text.at + 1, text.len - 2 }));
    const struct json *a = json_first(root), *b = json_next(root, a), *c = json_next(root, b);
    assert_null(json_next(root, c));
    assert_true(str_equal(a->name, STR("a")));
    assert_true(str_equal(b->name, STR("b\n")));
    assert_true(str_equal(a->raw, STR("[1, \"x\\n\" , {} ,[ ] ]")));
    assert_true(str_equal(b->raw, STR("39.80")));
    assert_int_equal(a->count, 4);
    const struct json *number = json_first(a), *string = json_next(a, number), *object = json_next(a, string);
    assert_int_equal(number->kind, JSON_NUMBER);
    assert_true(str_equal(number->raw, STR("1")));
    assert_true(str_equal(number->name, STR("")));
    assert_true(str_equal(string->raw, STR("\"x\\n\"")));
    assert_null(json_first(object));
    assert_int_equal(json_next(a, object)->kind, JSON_ARRAY);
    assert_true(str_equal(json_next(a, object)->raw, STR("[ ]")));
    assert_int_equal(json_member(c, STR("d"))->kind, JSON_NULL);
    assert_int_equal(json_member(c, STR("e"))->kind, JSON_TRUE);
    assert_null(json_member(c, STR("a")));
    assert_null(json_member(root, STR("d")));
    assert_null(json_member(a, STR("d")));
    free(copy);
}

static void a_full_arena_is_too_large_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    size_t twin_at = 0;
    struct buf text = large_object(1000, 1000, 0, &twin_at);
    bool read_once = false;

    for (int i = 0; i < JSON_PADDING; i++)
        buf_add_byte(&text, ' ');
    for (size_t limit = 0; limit < 400000; limit += 9973) {
        struct arena arena;
        struct error error = { 0 };
        arena_init(&arena, limit);
        read_once = json_read(fixture->parser, &arena, buf_str(&text), &error) != NULL;
        assert_int_equal(error.code, read_once ? ERROR_NONE : ERROR_TOO_LARGE);
        arena_clear(&arena);
    }
    assert_true(read_once);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nasty_texts_are_refused_by_us_and_by_jansson, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_but_valid_texts_are_accepted_by_us_and_by_jansson, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_of_any_size_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_nul_byte_is_refused_wherever_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mutations_are_judged_as_jansson_judges_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_say_what_and_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twins_are_found_in_objects_of_any_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twins_can_be_listed_instead_of_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_has_a_limit_for_arrays_and_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_tree_holds_every_value_as_it_was_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_is_too_large_and_no_more, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
