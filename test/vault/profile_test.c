/* The profile record: what is set comes back byte for byte, within its limits, and broken records are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/profile.h"

enum { ARENA_LIMIT = 16 * 1024 * 1024, BUF_LIMIT = 4 * 1024 * 1024 };

struct fixture {
    struct json_parser *parser;
    struct arena arena;
    struct buf buf;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->parser = json_parser_new();
    arena_init(&fixture->arena, ARENA_LIMIT);
    buf_init(&fixture->buf, BUF_LIMIT);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    json_parser_free(fixture->parser);
    arena_clear(&fixture->arena);
    buf_clear(&fixture->buf);
    free(fixture);
    return 0;
}

static struct profile_value value_of(const char *name, const char *raw, enum name_type type)
{
    return (struct profile_value){ .name = str_of(name), .raw = str_of(raw), .type = type, .at_ms = 1, .source = 1 };
}

/* Written, the profile is exactly `wanted`. */
static void expect_written(struct fixture *fixture, const struct profile *profile, const char *wanted)
{
    buf_reset(&fixture->buf);
    assert_true(profile_write(profile, &fixture->buf));
    buf_add_byte(&fixture->buf, '\0');
    assert_string_equal(fixture->buf.at, wanted);
}

/* Written, read and written again it is the same. */
static void expect_round_trip(struct fixture *fixture, const struct profile *profile, struct profile *back)
{
    struct error error = { 0 };
    struct str first;

    buf_reset(&fixture->buf);
    assert_true(profile_write(profile, &fixture->buf));
    first = arena_copy(&fixture->arena, buf_str(&fixture->buf));
    if (!profile_read(fixture->parser, &fixture->arena, first, back, &error))
        fail_msg("%s: %.*s", error.text, STR_ARG(first));
    buf_reset(&fixture->buf);
    assert_true(profile_write(back, &fixture->buf));
    assert_true(str_equal(first, buf_str(&fixture->buf)));
}

static void the_document_has_a_settled_form(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;
    struct profile_identity ann = { IDENTITY_CUID, STR("ann \"1\""), 1700000000123, 7 };
    struct profile_value name = { STR("firstName"), STR("\"\\u0041nn\""), TYPE_STRING, 1700000000124, 8 };
    struct profile_value age = { STR("Age \"x\""), STR("39.80"), TYPE_NUMBER, -5, UINT32_MAX };

    expect_written(fixture, &profile, "{\"identities\":[],\"system\":{},\"attributes\":{}}");
    assert_true(profile_add_identity(&profile, &fixture->arena, &ann));
    assert_true(profile_set_system(&profile, &fixture->arena, &name));
    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &age), PROFILE_SET);
    expect_written(
        fixture, &profile,
        "{\"identities\":[{\"kind\":\"cuid\",\"value\":\"ann \\\"1\\\"\",\"at\":1700000000123,\"source\":7}],"
        "\"system\":{\"firstName\":{\"value\":\"\\u0041nn\",\"at\":1700000000124,\"source\":8}},"
        "\"attributes\":{\"Age \\\"x\\\"\":{\"value\":39.80,\"type\":\"number\",\"at\":-5,"
        "\"source\":4294967295}}}");
    expect_round_trip(fixture, &profile, &back);
    assert_int_equal(back.identities[0].kind, IDENTITY_CUID);
    assert_true(str_equal(back.identities[0].value, ann.value));
    assert_int_equal(back.identities[0].at_ms, ann.at_ms);
    assert_int_equal(back.attributes[0].source, UINT32_MAX);
    assert_int_equal(back.attributes[0].at_ms, -5);
}

static void values_come_back_byte_for_byte(void **state)
{
    static const struct {
        const char *raw;
        enum name_type type;
    } values[] = {
        { "18446744073709551615", TYPE_NUMBER },
        { "0.1", TYPE_NUMBER },
        { "1e308", TYPE_NUMBER },
        { "39.80", TYPE_NUMBER },
        { "-0", TYPE_NUMBER },
        { "1E+2", TYPE_NUMBER },
        { "\"\\ud83d\\ude00\"", TYPE_STRING },
        { "\"\xf0\x9f\x98\x80 e\xcc\x81 \\/ \\u0000\"", TYPE_STRING },
        { "\"\"", TYPE_STRING },
        { "true", TYPE_BOOLEAN },
        { "\"2026-01-02T03:04:05+0100\"", TYPE_DATE },
        { "[ 1 ,\t{ \"a\" : \"\\u0041\" } ]", TYPE_ARRAY },
        { "{ }", TYPE_OBJECT },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct profile profile = { 0 }, back;
        struct profile_value value = value_of("k", values[i].raw, values[i].type);

        assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_SET);
        assert_true(profile_set_system(&profile, &fixture->arena, &value));
        expect_round_trip(fixture, &profile, &back);
        assert_true(str_equal(back.attributes[0].raw, str_of(values[i].raw)));
        assert_int_equal(back.attributes[0].type, values[i].type);
        assert_true(str_equal(profile_system(&back, STR("k"))->raw, str_of(values[i].raw)));
    }
}

/* As deep as intake lets a user's value be. */
static void a_value_of_60_levels_is_read_back(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;
    struct profile_value value = value_of("k", "", TYPE_ARRAY);
    char raw[120];

    memset(raw, '[', 60);
    memset(raw + 60, ']', 60);
    value.raw = (struct str){ raw, sizeof(raw) };
    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_SET);
    expect_round_trip(fixture, &profile, &back);
    assert_true(str_equal(back.attributes[0].raw, value.raw));
}

static void an_identity_is_added_once(void **state)
{
    static const struct profile_identity identities[] = {
        { IDENTITY_CUID, { "ann", 3 }, 1, 1 },     { IDENTITY_ANONYMOUS, { "ann", 3 }, 2, 2 },
        { IDENTITY_CUID, { "Ann", 3 }, 3, 3 },     { IDENTITY_CUID, { "ann ", 4 }, 4, 4 },
        { IDENTITY_EMAIL, { "a@b.c", 5 }, 5, 5 },  { IDENTITY_PHONE, { "+1", 2 }, 6, 6 },
        { IDENTITY_DEVICE, { "d", 1 }, 7, 7 },     { IDENTITY_ADVERTISING, { "e", 1 }, 8, 8 },
        { IDENTITY_PUSH_TOKEN, { "t", 1 }, 9, 9 },
    };
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;
    struct profile_identity again = identities[0];

    for (size_t i = 0; i < COUNT_OF(identities); i++)
        assert_true(profile_add_identity(&profile, &fixture->arena, &identities[i]));
    again.at_ms = 99;
    assert_true(profile_add_identity(&profile, &fixture->arena, &again));
    assert_int_equal(profile.identity_count, COUNT_OF(identities));
    assert_int_equal(profile.identities[0].at_ms, 1);
    expect_round_trip(fixture, &profile, &back);
    assert_int_equal(back.identity_count, COUNT_OF(identities));
}

static void an_unchanged_value_keeps_its_time_and_source(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 };
    struct profile_value first = value_of("k", "1.0", TYPE_NUMBER), later = first;

    later.at_ms = 2;
    later.source = 2;
    for (int i = 0; i < 2; i++) {
        const struct profile_value *value = i ? &later : &first;

        assert_int_equal(profile_set_attribute(&profile, &fixture->arena, value), PROFILE_SET);
        assert_true(profile_set_system(&profile, &fixture->arena, value));
    }
    assert_int_equal(profile.attributes[0].at_ms, 1);
    assert_int_equal(profile.attributes[0].source, 1);
    assert_int_equal(profile.system[0].at_ms, 1);
    later.raw = STR("1.00"); /* other bytes, so another value */
    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &later), PROFILE_SET);
    assert_true(profile_set_system(&profile, &fixture->arena, &later));
    assert_int_equal(profile.attributes[0].at_ms, 2);
    assert_int_equal(profile.attributes[0].source, 2);
    assert_int_equal(profile.system[0].source, 2);
    assert_int_equal(profile.attribute_count, 1);
    assert_int_equal(profile.system_count, 1);
}

static void null_removes_and_the_others_keep_their_order(void **state)
{
    static const char *const names[] = { "a", "b", "c" };
    struct fixture *fixture = *state;

    for (size_t gone = 0; gone <= COUNT_OF(names); gone++) {
        struct profile profile = { 0 };
        struct profile_value removal = value_of(gone < COUNT_OF(names) ? names[gone] : "absent", "null", TYPE_NONE);
        char left[4] = "";

        for (size_t i = 0; i < COUNT_OF(names); i++) {
            struct profile_value value = value_of(names[i], "\"x\"", TYPE_STRING);

            assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_SET);
            assert_true(profile_set_system(&profile, &fixture->arena, &value));
        }
        assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &removal), PROFILE_SET);
        removal.raw = STR("");
        assert_true(profile_set_system(&profile, &fixture->arena, &removal));
        assert_int_equal(profile.attribute_count, gone < COUNT_OF(names) ? 2 : 3);
        assert_int_equal(profile.system_count, profile.attribute_count);
        assert_null(gone < COUNT_OF(names) ? profile_system(&profile, str_of(names[gone])) : NULL);
        for (size_t i = 0; i < profile.attribute_count; i++)
            left[i] = profile.attributes[i].name.at[0];
        assert_string_equal(left, gone == 0 ? "bc" : gone == 1 ? "ac" : gone == 2 ? "ab" : "abc");
    }
}

static enum profile_outcome set_numbered(struct fixture *fixture, struct profile *profile, int number,
                                         enum name_type type, const char *raw)
{
    char *name = arena_alloc(&fixture->arena, 16, 1);
    struct profile_value value = value_of(name, raw, type);

    assert_non_null(name);
    value.name.len = (size_t)snprintf(name, 16, "%d-%d", type, number);
    return profile_set_attribute(profile, &fixture->arena, &value);
}

static void of_each_simple_type_25_are_held(void **state)
{
    static const enum name_type types[] = { TYPE_STRING, TYPE_NUMBER, TYPE_BOOLEAN, TYPE_DATE };
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        for (int number = 0; number < 25; number++)
            assert_int_equal(set_numbered(fixture, &profile, number, types[i], "\"v\""), PROFILE_SET);
        assert_int_equal(set_numbered(fixture, &profile, 25, types[i], "\"v\""), PROFILE_TOO_MANY);
        /* What is held may change; what goes makes room. */
        assert_int_equal(set_numbered(fixture, &profile, 24, types[i], "\"w\""), PROFILE_SET);
        assert_int_equal(set_numbered(fixture, &profile, 3, types[i], "null"), PROFILE_SET);
        assert_int_equal(set_numbered(fixture, &profile, 25, types[i], "\"v\""), PROFILE_SET);
        assert_int_equal(set_numbered(fixture, &profile, 3, types[i], "\"v\""), PROFILE_TOO_MANY);
    }
    for (int number = 0; number < 40; number++)
        assert_int_equal(set_numbered(fixture, &profile, number, TYPE_ARRAY, "[]"), PROFILE_SET);
    assert_int_equal(profile.attribute_count, 140);
    expect_round_trip(fixture, &profile, &back);
}

static void a_value_that_changes_its_type_counts_as_the_new_one(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 };
    struct profile_value value = value_of("k", "1", TYPE_NUMBER);

    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_SET);
    for (int number = 0; number < 25; number++)
        assert_int_equal(set_numbered(fixture, &profile, number, TYPE_STRING, "\"v\""), PROFILE_SET);
    value = value_of("k", "\"1\"", TYPE_STRING);
    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_TOO_MANY);
    assert_true(str_equal(profile.attributes[0].raw, STR("1")));
    assert_int_equal(set_numbered(fixture, &profile, 0, TYPE_STRING, "null"), PROFILE_SET);
    assert_int_equal(profile_set_attribute(&profile, &fixture->arena, &value), PROFILE_SET);
    assert_int_equal(profile.attributes[0].type, TYPE_STRING);
}

/* An array of exactly `len` bytes. */
static struct str tree_of(struct fixture *fixture, size_t len)
{
    char *made = arena_bytes(&fixture->arena, len);

    assert_non_null(made);
    memset(made, ' ', len);
    made[0] = '[';
    made[len - 1] = ']';
    return (struct str){ made, len };
}

static void maps_and_arrays_are_held_up_to_16_kb_together(void **state)
{
    /* Each step sets one value; what is refused changes nothing. */
    static const struct {
        const char *name;
        size_t len;
        enum profile_outcome outcome;
    } steps[] = {
        { "a", 16385, PROFILE_TOO_LARGE }, { "a", 16384, PROFILE_SET }, { "b", 2, PROFILE_TOO_LARGE },
        { "a", 16382, PROFILE_SET },       { "b", 2, PROFILE_SET },     { "b", 3, PROFILE_TOO_LARGE },
        { "a", 8000, PROFILE_SET },        { "b", 8384, PROFILE_SET },  { "c", 2, PROFILE_TOO_LARGE },
        { "a", 8001, PROFILE_TOO_LARGE },  { "a", 8000, PROFILE_SET },
    };
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct profile_value value = value_of(steps[i].name, "", i % 2 ? TYPE_ARRAY : TYPE_OBJECT);

        value.raw = tree_of(fixture, steps[i].len);
        if (profile_set_attribute(&profile, &fixture->arena, &value) != steps[i].outcome)
            fail_msg("step %zu", i);
    }
    assert_int_equal(profile.attribute_count, 2);
    assert_int_equal(profile.attributes[0].raw.len, 8000);
    assert_int_equal(profile.attributes[1].raw.len, 8384);
    expect_round_trip(fixture, &profile, &back);
}

static void members_of_a_later_version_are_passed_over(void **state)
{
    static const char text[] =
        "{\"new\":[1],\"identities\":[{\"new\":{},\"kind\":\"cuid\",\"value\":\"a\",\"at\":1,\"source\":2}],"
        "\"system\":{\"country\":{\"value\":\"DE\",\"at\":1,\"source\":2,\"new\":0}},"
        "\"attributes\":{\"k\":{\"type\":\"number\",\"value\":1,\"at\":1,\"source\":2,\"new\":null}}}";
    struct fixture *fixture = *state;
    struct profile profile;
    struct error error = { 0 };

    assert_true(profile_read(fixture->parser, &fixture->arena, str_of(text), &profile, &error));
    expect_written(fixture, &profile,
                   "{\"identities\":[{\"kind\":\"cuid\",\"value\":\"a\",\"at\":1,\"source\":2}],"
                   "\"system\":{\"country\":{\"value\":\"DE\",\"at\":1,\"source\":2}},"
                   "\"attributes\":{\"k\":{\"value\":1,\"type\":\"number\",\"at\":1,\"source\":2}}}");
}

#define IDENTITIES(inside) "{\"identities\":[" inside "],\"system\":{},\"attributes\":{}}"
#define SYSTEM(inside) "{\"identities\":[],\"system\":{" inside "},\"attributes\":{}}"
#define ATTRIBUTES(inside) "{\"identities\":[],\"system\":{},\"attributes\":{" inside "}}"

static void what_is_no_profile_is_corrupt(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "7",
        "{\"identities\":{},\"system\":{},\"attributes\":{}}",
        "{\"identities\":[],\"system\":[],\"attributes\":{}}",
        "{\"identities\":[],\"system\":{}}",
        IDENTITIES("7"),
        IDENTITIES("{}"),
        IDENTITIES("{\"kind\":\"cuid\",\"at\":1,\"source\":1}"),
        IDENTITIES("{\"kind\":\"none\",\"value\":\"a\",\"at\":1,\"source\":1}"),
        IDENTITIES("{\"kind\":1,\"value\":\"a\",\"at\":1,\"source\":1}"),
        IDENTITIES("{\"kind\":\"cuid\",\"value\":1,\"at\":1,\"source\":1}"),
        IDENTITIES("{\"kind\":\"cuid\",\"value\":\"a\",\"at\":1.5,\"source\":1}"),
        IDENTITIES("{\"kind\":\"cuid\",\"value\":\"a\",\"at\":1,\"source\":-1}"),
        IDENTITIES("{\"kind\":\"cuid\",\"value\":\"a\",\"at\":1,\"source\":4294967296}"),
        SYSTEM("\"firstName\":\"Ann\""),
        SYSTEM("\"firstName\":{\"at\":1,\"source\":1}"),
        SYSTEM("\"firstName\":{\"value\":\"Ann\",\"source\":1}"),
        ATTRIBUTES("\"k\":{\"value\":1,\"at\":1,\"source\":1}"),
        ATTRIBUTES("\"k\":{\"value\":1,\"type\":\"none\",\"at\":1,\"source\":1}"),
        ATTRIBUTES("\"k\":{\"value\":1,\"type\":7,\"at\":1,\"source\":1}"),
        ATTRIBUTES("\"k\":{\"value\":1,\"type\":\"number\",\"at\":\"1\",\"source\":1}"),
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct profile profile;
        struct error error = { 0 };

        if (profile_read(fixture->parser, &fixture->arena, str_of(texts[i]), &profile, &error))
            fail_msg("taken: %s", texts[i]);
        if (error.code != ERROR_CORRUPT || !str_starts(str_of(error.text), STR("profile: ")))
            fail_msg("%s: %s", texts[i], error.text);
    }
}

static unsigned long long next_random(unsigned long long *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return *seed >> 33;
}

static void set_random(struct fixture *fixture, struct profile *profile, unsigned long long *seed)
{
    static const char *const raws[] = {
        "\"\\ud83d\\ude00\"", "1e308", "[ \"\\\"\" ]", "{\"a\":{}}", "true", "null", "\"\"", "-0.10", "\"\xc3\xa9\""
    };
    static const char *const names[] = { "a", "b", "\xc3\xa9", "q\"\\\n", "\xf0\x9f\x98\x80", "email", "e", "f" };
    struct profile_value value =
        value_of(names[next_random(seed) % COUNT_OF(names)], raws[next_random(seed) % COUNT_OF(raws)],
                 (enum name_type)(1 + next_random(seed) % (NAME_TYPES - 1)));
    struct profile_identity identity = { (enum identity_kind)(1 + next_random(seed) % (IDENTITY_KINDS - 1)), value.name,
                                         (int64_t)next_random(seed), (uint32_t)next_random(seed) };

    value.at_ms = (int64_t)next_random(seed) - (1 << 20);
    value.source = (uint32_t)next_random(seed);
    assert_int_equal(profile_set_attribute(profile, &fixture->arena, &value), PROFILE_SET);
    assert_true(profile_set_system(profile, &fixture->arena, &value));
    assert_true(profile_add_identity(profile, &fixture->arena, &identity));
}

static void any_profile_survives_writing_and_reading(void **state)
{
    const char *given = getenv("HABEAS_TEST_SEED");
    unsigned long long seed = given ? strtoull(given, NULL, 10) : 20261123;
    struct fixture *fixture = *state;

    print_message("HABEAS_TEST_SEED=%llu\n", seed);
    for (int round = 0; round < 200; round++) {
        struct profile profile = { 0 }, back;

        arena_reset(&fixture->arena);
        for (unsigned long long steps = next_random(&seed) % 60; steps > 0; steps--)
            set_random(fixture, &profile, &seed);
        expect_round_trip(fixture, &profile, &back);
        assert_int_equal(back.attribute_count, profile.attribute_count);
        for (uint32_t i = 0; i < profile.attribute_count; i++) {
            assert_true(str_equal(back.attributes[i].name, profile.attributes[i].name));
            assert_int_equal(back.attributes[i].type, profile.attributes[i].type);
            assert_int_equal(back.attributes[i].source, profile.attributes[i].source);
        }
    }
}

static void a_full_arena_is_an_error_at_every_size(void **state)
{
    static const char text[] = "{\"identities\":[{\"kind\":\"cuid\",\"value\":\"\\u0061\",\"at\":1,\"source\":2}],"
                               "\"system\":{\"email\":{\"value\":\"x\",\"at\":1,\"source\":2}},"
                               "\"attributes\":{\"k\":{\"value\":1,\"type\":\"number\",\"at\":1,\"source\":2}}}";
    struct fixture *fixture = *state;
    bool ok = false;
    size_t refused = 0;

    for (size_t limit = 0; !ok; limit += 8) {
        struct arena arena;
        struct profile profile;
        struct error error = { 0 };

        arena_init(&arena, limit);
        ok = profile_read(fixture->parser, &arena, str_of(text), &profile, &error);
        if (!ok)
            assert_int_equal(error.code, ERROR_TOO_LARGE);
        refused += !ok;
        arena_clear(&arena);
    }
    assert_true(refused > 50);
}

static void setting_without_memory_changes_nothing(void **state)
{
    struct arena none;
    struct profile profile = { 0 };
    struct profile_identity identity = { IDENTITY_CUID, STR("a"), 1, 1 };
    struct profile_value value = value_of("k", "1", TYPE_NUMBER);
    struct buf small;

    (void)state;
    arena_init(&none, 0);
    assert_false(profile_add_identity(&profile, &none, &identity));
    assert_false(profile_set_system(&profile, &none, &value));
    assert_int_equal(profile_set_attribute(&profile, &none, &value), PROFILE_NO_MEMORY);
    assert_int_equal(profile.identity_count + profile.system_count + profile.attribute_count, 0);
    for (size_t limit = 0; limit < 47; limit++) {
        buf_init(&small, limit);
        assert_int_equal(profile_write(&profile, &small), limit >= strlen("{\"identities\":[],\"system\":{},"
                                                                          "\"attributes\":{}}"));
        buf_clear(&small);
    }
}

static void every_field_of_the_table_is_found_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(profile_field_count, 9);
    for (size_t i = 0; i < profile_field_count; i++) {
        const struct profile_field *field = &profile_fields[i];

        assert_ptr_equal(profile_field_of(str_of(field->name)), field);
        assert_true(field->points_max > 0);
        assert_int_equal(field->points_max == 512, field->form == FIELD_HASH);
        assert_int_equal(field->identity == IDENTITY_EMAIL, strcmp(field->name, "email") == 0);
        assert_int_equal(field->identity == IDENTITY_PHONE, strcmp(field->name, "phone") == 0);
    }
    assert_null(profile_field_of(STR("Email")));
    assert_null(profile_field_of(STR("")));
}

static void devices_are_kept_until_newer_ones_push_them_out(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;
    struct profile_identity user = { IDENTITY_CUID, STR("ann"), 1, 1 };
    char names[PROFILE_FINDERS_MAX + 2][8];

    assert_true(profile_add_identity(&profile, &fixture->arena, &user));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct profile_identity device = { IDENTITY_DEVICE, { NULL, 0 }, (int64_t)i, 1 };
        (void)snprintf(names[i], sizeof names[i], "d%02u", (unsigned)i % 100);
        device.value = str_of(names[i]);
        for (int again = 0; again < 2; again++)
            assert_true(profile_add_finder(&profile, &fixture->arena, &device));
    }
    expect_round_trip(fixture, &profile, &back);
    assert_int_equal(back.identity_count, PROFILE_FINDERS_MAX + 1);
    assert_true(str_equal(back.identities[0].value, STR("ann")));
    assert_true(str_equal(back.identities[1].value, STR("d02")));
    assert_true(str_equal(back.identities[PROFILE_FINDERS_MAX].value, str_of(names[PROFILE_FINDERS_MAX + 1])));
}

static void consent_is_what_was_said_last(void **state)
{
    struct fixture *fixture = *state;
    struct profile profile = { 0 }, back;
    struct profile_value yes = value_of("", "{\"Ads\":true}", TYPE_OBJECT);
    struct profile_value no = value_of("", "{\"Ads\":false}", TYPE_OBJECT);

    expect_round_trip(fixture, &profile, &back);
    assert_int_equal(back.consent.raw.len, 0);
    yes.at_ms = 20;
    profile_say_consent(&profile, &yes);
    no.at_ms = 10; /* said before, arrived later */
    profile_say_consent(&profile, &no);
    yes.at_ms = 30;
    profile_say_consent(&profile, &yes); /* the same again */
    expect_round_trip(fixture, &profile, &back);
    assert_true(str_equal(back.consent.raw, yes.raw));
    assert_int_equal(back.consent.at_ms, 20);
    no.at_ms = 40;
    no.source = 9;
    profile_say_consent(&profile, &no);
    expect_written(fixture, &profile,
                   "{\"identities\":[],\"system\":{},\"attributes\":{},"
                   "\"consent\":{\"value\":{\"Ads\":false},\"at\":40,\"source\":9}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_document_has_a_settled_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_come_back_byte_for_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_of_60_levels_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_identity_is_added_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unchanged_value_keeps_its_time_and_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_removes_and_the_others_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_each_simple_type_25_are_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_that_changes_its_type_counts_as_the_new_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(maps_and_arrays_are_held_up_to_16_kb_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_of_a_later_version_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_profile_is_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_profile_survives_writing_and_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_is_an_error_at_every_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(setting_without_memory_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(devices_are_kept_until_newer_ones_push_them_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(consent_is_what_was_said_last, set_up, tear_down),
        cmocka_unit_test(every_field_of_the_table_is_found_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
