/* WebEngage's dialect: what is taken, what is refused and what is ignored, single and in bulk alike. */
#include "translated.h"

#include <stdio.h>

struct outcome {
    enum item_kind kind;
    const char *body, *gives;
};

static void expect(const char *body, struct str found, const char *wanted)
{
    if (!str_equal(found, str_of(wanted)))
        fail_msg("%s\n  gives  %.*s\n  wanted %s", body, STR_ARG(found), wanted);
}

static void check_single(const struct outcome *outcome)
{
    struct translated translated;

    translate_body(&translated, outcome->kind, false, str_of(outcome->body));
    expect(outcome->body, shown(&translated, 0), outcome->gives);
    if (translated.ok)
        assert_int_equal(translated.count, 1);
    else
        assert_int_equal(translated.error.code, ERROR_INVALID);
    translated_clear(&translated);
}

/* The same between two neighbours: what happens to it does not touch them. */
static void check_bulk(const struct outcome *outcome)
{
    bool is_event = outcome->kind == ITEM_EVENT;
    const char *neighbour = is_event ? "{\"userId\":\"bob\",\"eventName\":\"E\",\"old\":1}"
                                     : "{\"userId\":\"bob\",\"gender\":\"male\",\"old\":1}";
    const char *neighbour_gives =
        is_event ? "cuid bob event=E !old(unknown field)" : "cuid bob gender=\"male\" !old(unknown field)";
    struct translated translated;
    struct buf body;

    buf_init(&body, TEST_LIMIT);
    buf_addf(&body, "{\"%s\":[%s,%s,%s]}", is_event ? "events" : "users", neighbour, outcome->body, neighbour);
    translate_body(&translated, outcome->kind, true, buf_str(&body));
    assert_true(translated.ok);
    assert_int_equal(translated.count, 3);
    expect(outcome->body, shown(&translated, 0), neighbour_gives);
    expect(outcome->body, shown(&translated, 1), outcome->gives);
    expect(outcome->body, shown(&translated, 2), neighbour_gives);
    assert_int_equal(translated.items[1].index, 1);
    assert_true(str_equal(translated.items[1].raw, str_of(outcome->body)));
    translated_clear(&translated);
    buf_clear(&body);
}

static void check_all(const struct outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_single(&outcomes[i]);
        check_bulk(&outcomes[i]);
    }
}

/* Shorter tables: an event or a user of whom only the members behind the id matter. */
#define EVENT(members) ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"E\"" members "}"
#define USER(members) ITEM_USER, "{\"userId\":\"ann\"" members "}"

static void the_documented_bodies_are_taken_whole(void **state)
{
    static const struct outcome outcomes[] = {
        { ITEM_USER,
          "{\"userId\":\"johndoe\",\"firstName\":\"John\",\"lastName\":\"Doe\","
          "\"birthDate\":\"1986-08-19T15:45:00-0800\",\"gender\":\"male\",\"phone\":\"+551155256325\","
          "\"company\":\"Alphabet Inc.\",\"attributes\":{\"Age\":\"31\",\"Twitter username\":\"@origjohndoe86\","
          "\"Dollars spent\":461.93,\"Points earned\":78732}}",
          "cuid johndoe firstName=\"John\" lastName=\"Doe\" birthDate=\"1986-08-19T15:45:00-0800\" gender=\"male\" "
          "phone=\"+551155256325\" company=\"Alphabet Inc.\" Age:string=\"31\" Twitter username:string="
          "\"@origjohndoe86\" Dollars spent:number=461.93 Points earned:number=78732" },
        { ITEM_EVENT,
          "{\"userId\":\"johndoe\",\"eventName\":\"Added to Cart\",\"eventTime\":\"2018-09-15T18:29:00-0800\","
          "\"eventData\":{\"Product ID\":1337,\"Price\":39.80,\"Quantity\":1}}",
          "cuid johndoe event=Added to Cart at=1537064940000 data={\"Product ID\":1337,\"Price\":39.80,\"Quantity\":1} "
          "Product ID:number=1337 Price:number=39.80 Quantity:number=1" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void an_item_belongs_to_exactly_one_id(void **state)
{
    static const struct outcome outcomes[] = {
        { ITEM_USER, "{\"userId\":\"ann\"}", "cuid ann" },
        { ITEM_USER, "{\"anonymousId\":\"a-1\"}", "anonymous a-1" },
        { ITEM_USER, "{\"anonymousId\":\"a-1\",\"userId\":\"ann\"}", "cuid ann" },
        { ITEM_USER, "{\"anonymousId\":7,\"userId\":\"ann\"}", "cuid ann" },
        { ITEM_USER, "{\"userId\":\" Ann \\u00e9\\/..\"}", "cuid  Ann \xc3\xa9/.." },
        { ITEM_USER, "{}", "refused: userId and anonymousId cannot be empty." },
        { ITEM_EVENT, "{\"eventName\":\"E\"}", "refused: userId and anonymousId cannot be empty." },
        { ITEM_USER, "{\"userId\":\"\",\"anonymousId\":\"a-1\"}", "refused: userId: must not be empty" },
        { ITEM_USER, "{\"anonymousId\":\"\"}", "refused: anonymousId: must not be empty" },
        { ITEM_USER, "{\"userId\":7}", "refused: userId: must be a string" },
        { ITEM_USER, "{\"userId\":null}", "refused: userId: must be a string" },
        { ITEM_USER, "{\"anonymousId\":[\"a\"]}", "refused: anonymousId: must be a string" },
        { ITEM_EVENT, "{\"userId\":true,\"eventName\":\"E\"}", "refused: userId: must be a string" },
        { ITEM_EVENT, "{\"userID\":\"ann\",\"eventName\":\"E\"}", "refused: userId and anonymousId cannot be empty." },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void an_event_needs_a_name_of_its_own(void **state)
{
    static const struct outcome outcomes[] = {
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"we\"}", "cuid ann event=we" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"WE_x\"}", "cuid ann event=WE_x" },
        { ITEM_EVENT, "{\"userId\":\"ann\"}", "refused: eventName: is missing" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"\"}", "refused: eventName: must not be empty" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":null}", "refused: eventName: must be a string" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":{}}", "refused: eventName: must be a string" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"we_\"}", "refused: eventName: must not start with we_" },
        { ITEM_EVENT, "{\"userId\":\"ann\",\"eventName\":\"\\u0077e_x\"}",
          "refused: eventName: must not start with we_" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void dates_are_read_in_every_documented_form(void **state)
{
    static const struct outcome outcomes[] = {
        { EVENT(",\"eventTime\":\"2026-11-23T12:00:00Z\""), "cuid ann event=E at=1795435200000" },
        { EVENT(",\"eventTime\":\"2026-11-23T13:00:00.25+0100\""), "cuid ann event=E at=1795435200250" },
        { EVENT(",\"eventTime\":\"2026-11-23T13:00:00+01:00\""), "cuid ann event=E at=1795435200000" },
        { EVENT(",\"eventTime\":\"2026-11-23T13:00:00\\u002b01:00\""), "cuid ann event=E at=1795435200000" },
        { EVENT(",\"eventTime\":null"), "cuid ann event=E" },
        { EVENT(",\"eventTime\":\"2026-11-24T12:00:00Z\""), "cuid ann event=E at=1795521600000" },
        { EVENT(",\"eventTime\":\"2026-11-24T12:00:00.001Z\""), "refused: eventTime: is more than 24 hours ahead" },
        { EVENT(",\"eventTime\":\"0001-01-01T00:00:00Z\""), "cuid ann event=E at=-62135596800000" },
        { EVENT(",\"eventTime\":\"2026-11-23\""), "refused: eventTime: cannot be read as a date" },
        { EVENT(",\"eventTime\":\"yesterday\""), "refused: eventTime: cannot be read as a date" },
        { EVENT(",\"eventTime\":\"\""), "refused: eventTime: cannot be read as a date" },
        { EVENT(",\"eventTime\":1795435200"), "refused: eventTime: cannot be read as a date" },
        { USER(",\"birthDate\":\"1990-05-21\""), "cuid ann birthDate=\"1990-05-21\"" },
        { USER(",\"birthDate\":\"1990-05-21T00:00:00Z\""), "cuid ann birthDate=\"1990-05-21T00:00:00Z\"" },
        { USER(",\"birthDate\":\"1990\\u002d05-21\""), "cuid ann birthDate=\"1990\\u002d05-21\"" },
        { USER(",\"birthDate\":null"), "cuid ann birthDate=null" },
        { USER(",\"birthDate\":\"1990-02-30\""), "refused: birthDate: cannot be read as a date" },
        { USER(",\"birthDate\":\"\""), "refused: birthDate: cannot be read as a date" },
        { USER(",\"birthDate\":1990"), "refused: birthDate: must be a string or null" },
        { USER(",\"birthDate\":\"1990-05-21T00:00:00.000000000000000000000000000000000000000000000000Z\""),
          "refused: birthDate: cannot be read as a date" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void system_fields_are_strings_or_null_in_table_order(void **state)
{
    static const struct outcome outcomes[] = {
        { USER(",\"phone\":\"\",\"email\":\"a@b.c\",\"firstName\":\"Ann\""),
          "cuid ann firstName=\"Ann\" email=\"a@b.c\" phone=\"\"" },
        { USER(",\"hashedPhone\":\"p\",\"hashedEmail\":\"e\",\"company\":\"c\",\"phone\":\"+1\",\"email\":\"m\","
               "\"gender\":\"other\",\"birthDate\":\"1990-05-21\",\"lastName\":\"l\",\"firstName\":\"f\""),
          "cuid ann firstName=\"f\" lastName=\"l\" birthDate=\"1990-05-21\" gender=\"other\" email=\"m\" phone=\"+1\" "
          "company=\"c\" hashedEmail=\"e\" hashedPhone=\"p\"" },
        { USER(",\"email\":null"), "cuid ann email=null" },
        { USER(",\"firstName\":7"), "refused: firstName: must be a string or null" },
        { USER(",\"lastName\":true"), "refused: lastName: must be a string or null" },
        { USER(",\"gender\":[]"), "refused: gender: must be a string or null" },
        { USER(",\"email\":{}"), "refused: email: must be a string or null" },
        { USER(",\"phone\":551155256325"), "refused: phone: must be a string or null" },
        { USER(",\"company\":false"), "refused: company: must be a string or null" },
        { USER(",\"hashedEmail\":1"), "refused: hashedEmail: must be a string or null" },
        { USER(",\"hashedPhone\":1"), "refused: hashedPhone: must be a string or null" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void opt_ins_are_true_or_false_and_null_touches_none(void **state)
{
    static const struct outcome outcomes[] = {
        { USER(",\"pushOptIn\":true,\"inAppOptIn\":false,\"smsOptIn\":true,\"webPushOptIn\":false,\"emailOptIn\":true,"
               "\"whatsappOptIn\":false,\"rcsOptIn\":true"),
          "cuid ann push:in in_app:out sms:in web_push:out email:in whatsapp:out rcs:in" },
        { USER(",\"emailOptIn\":null"), "cuid ann" },
        { USER(",\"emailOptIn\":null,\"smsOptIn\":false"), "cuid ann sms:out" },
        { USER(",\"emailOptIn\":\"true\""), "refused: emailOptIn: must be true or false" },
        { USER(",\"smsOptIn\":0"), "refused: smsOptIn: must be true or false" },
        { USER(",\"whatsappOptIn\":{}"), "refused: whatsappOptIn: must be true or false" },
        { USER(",\"viberOptIn\":true"), "cuid ann !viberOptIn(unknown field)" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void consent_belongs_to_the_opt_in_beside_it(void **state)
{
    static const struct outcome outcomes[] = {
        { USER(",\"emailOptIn\":true,\"consent\":{\"wording\":\"I \\\"agree\\\"\",\"version\":\"3\",\"when\":"
               "\"2026-11-23T12:00:00Z\",\"road\":\"shop\"}"),
          "cuid ann email:in consent(I \"agree\",3,shop,1795435200000)" },
        { USER(",\"consent\":{},\"emailOptIn\":true"), "cuid ann email:in consent(,,)" },
        { USER(",\"consent\":{\"wording\":null,\"when\":null},\"emailOptIn\":true"), "cuid ann email:in consent(,,)" },
        { USER(",\"consent\":null,\"emailOptIn\":true"), "cuid ann email:in" },
        { USER(",\"consent\":{\"note\":1},\"emailOptIn\":true"),
          "cuid ann email:in consent(,,) !consent(it has an unknown member)" },
        { USER(",\"consent\":{\"version\":\"3\"}"), "cuid ann !consent(no opt-in field stands beside it)" },
        { USER(",\"consent\":{},\"smsOptIn\":null"), "cuid ann !consent(no opt-in field stands beside it)" },
        { USER(",\"consent\":true,\"emailOptIn\":true"), "refused: consent: must be an object" },
        { USER(",\"consent\":[],\"emailOptIn\":true"), "refused: consent: must be an object" },
        { USER(",\"consent\":{\"wording\":1},\"emailOptIn\":true"), "refused: consent.wording: must be a string" },
        { USER(",\"consent\":{\"version\":3},\"emailOptIn\":true"), "refused: consent.version: must be a string" },
        { USER(",\"consent\":{\"road\":[]},\"emailOptIn\":true"), "refused: consent.road: must be a string" },
        { USER(",\"consent\":{\"when\":\"now\"},\"emailOptIn\":true"),
          "refused: consent.when: cannot be read as a date" },
        { USER(",\"consent\":{\"when\":0},\"emailOptIn\":true"), "refused: consent.when: cannot be read as a date" },
        { USER(",\"consent\":{\"when\":\"2026-11-24T12:00:01Z\"},\"emailOptIn\":true"),
          "refused: consent.when: is more than 24 hours ahead" },
        { EVENT(",\"consent\":{}"), "cuid ann event=E !consent(unknown field)" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void attributes_have_the_type_of_their_form(void **state)
{
    static const struct outcome outcomes[] = {
        { USER(",\"attributes\":{\"s\":\"x\",\"n\":-1e3,\"t\":true,\"f\":false,\"d\":\"2026-01-02T03:04:05Z\","
               "\"day\":\"2026-01-02\",\"a\":[1,{}],\"o\":{\"k\":[]},\"z\":null,\"e\":\"\"}"),
          "cuid ann s:string=\"x\" n:number=-1e3 t:boolean=true f:boolean=false d:date=\"2026-01-02T03:04:05Z\" "
          "day:string=\"2026-01-02\" a:array=[1,{}] o:object={\"k\":[]} z:none=null e:string=\"\"" },
        { USER(",\"attributes\":{\"d\":\"\\u0032026-01-02T03:04:05Z\",\"x\":\"2026-01-02T03:04:05Z!\"}"),
          "cuid ann d:date=\"\\u0032026-01-02T03:04:05Z\" x:string=\"2026-01-02T03:04:05Z!\"" },
        { EVENT(",\"eventData\":{\"z\":null}"), "cuid ann event=E data={\"z\":null} z:none=null" },
        { EVENT(",\"eventData\":{}"), "cuid ann event=E data={}" },
        { EVENT(",\"eventData\":null"), "cuid ann event=E" },
        { USER(",\"attributes\":null"), "cuid ann" },
        { USER(",\"attributes\":[]"), "refused: attributes: must be an object" },
        { USER(",\"attributes\":\"{}\""), "refused: attributes: must be an object" },
        { EVENT(",\"eventData\":\"{}\""), "refused: eventData: must be an object" },
        { EVENT(",\"eventData\":[{}]"), "refused: eventData: must be an object" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void what_cannot_be_taken_is_named_and_the_rest_is_taken(void **state)
{
    static const struct outcome outcomes[] = {
        { USER(",\"attributes\":{\"\":1,\"we_x\":2,\"we\":3}"),
          "cuid ann we:number=3 !(a name must not be empty) !we_x(names that start with we_ are reserved)" },
        { EVENT(",\"eventData\":{ \"we_x\" : 2 , \"q\\\"\\u0001\\/\" : [ 1, 2 ] }"),
          "cuid ann event=E data={\"q\\\"\\u0001/\":[ 1, 2 ]} q\"\x01/:array=[ 1, 2 ] !we_x(names that start with we_ "
          "are reserved)" },
        { EVENT(",\"eventData\":{\"we_\":1}"),
          "cuid ann event=E data={} !we_(names that start with we_ are reserved)" },
        { USER(",\"country\":\"DE\",\"messageId\":\"m\",\"eventData\":{}"),
          "cuid ann !country(unknown field) !messageId(unknown field) !eventData(unknown field)" },
        { EVENT(",\"firstName\":1,\"emailOptIn\":\"x\",\"attributes\":7"),
          "cuid ann event=E !firstName(unknown field) !emailOptIn(unknown field) !attributes(unknown field)" },
        { ITEM_USER, "{\"more\":1,\"attributes\":{\"we_x\":1},\"userId\":5}", "refused: userId: must be a string" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void values_stay_byte_for_byte(void **state)
{
    static const char *const values[] = {
        "18446744073709551615",
        "0.1",
        "1e308",
        "39.80",
        "-0",
        "1E+2",
        "\"\\ud83d\\ude00\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"\"",
        "\"\\u0000\"",
        "\"e\xcc\x81 \xc3\xa9 \\u00e9 \\/ \\n\"",
        "true",
        "[ 1 ,\t{ \"a\" : \"\\u0041\" } ]",
        "{ }",
        "123456789012345678901234567890.123456789012345678901234567890e-400",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char event[400], user[400];
        struct translated translated;

        (void)snprintf(event, sizeof(event), "{\"userId\":\"a\",\"eventName\":\"E\",\"eventData\": {\"k\" :%s }}",
                       values[i]);
        translate_body(&translated, ITEM_EVENT, false, str_of(event));
        assert_true(translated.ok);
        assert_true(str_equal(translated.items->attributes[0].raw, str_of(values[i])));
        /* As sent and where it was sent: nothing is copied. */
        assert_true(translated.items->event_data.at > translated.body.at &&
                    translated.items->event_data.at < translated.body.at + translated.body.len);
        assert_int_equal(translated.items->event_data.len, strlen(values[i]) + strlen("{\"k\" : }"));
        translated_clear(&translated);
        (void)snprintf(user, sizeof(user), "{\"userId\":\"a\",\"attributes\":{\"k\":%s}}", values[i]);
        translate_body(&translated, ITEM_USER, false, str_of(user));
        assert_true(translated.ok);
        assert_true(str_equal(translated.items->attributes[0].raw, str_of(values[i])));
        translated_clear(&translated);
    }
}

static void a_message_id_is_a_short_string(void **state)
{
    static const struct outcome outcomes[] = {
        { EVENT(",\"messageId\":\"m-1\""), "cuid ann event=E message=m-1" },
        { EVENT(",\"messageId\":\"\""), "refused: messageId: must be a string of 1 to 100 bytes" },
        { EVENT(",\"messageId\":null"), "refused: messageId: must be a string of 1 to 100 bytes" },
        { EVENT(",\"messageId\":12"), "refused: messageId: must be a string of 1 to 100 bytes" },
    };

    (void)state;
    check_all(outcomes, COUNT_OF(outcomes));
}

static void a_body_of_the_wrong_shape_is_refused_whole(void **state)
{
    static const struct {
        enum item_kind kind;
        bool bulk;
        const char *body, *error;
    } cases[] = {
        { ITEM_USER, false, "[]", "the body must be a JSON object" },
        { ITEM_EVENT, false, "\"x\"", "the body must be a JSON object" },
        { ITEM_EVENT, true, "[{\"userId\":\"a\",\"eventName\":\"E\"}]", "the body must be a JSON object" },
        { ITEM_EVENT, true, "{}", "events: is missing" },
        { ITEM_USER, true, "{\"events\":[]}", "users: is missing" },
        { ITEM_EVENT, true, "{\"events\":{}}", "events: must be an array" },
        { ITEM_USER, true, "{\"users\":null}", "users: must be an array" },
        { ITEM_USER, true, "{\"users\":[],\"more\":1}", "users: must not be empty" },
        { ITEM_EVENT, true, "{\"events\":[]}", "events: must not be empty" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct translated translated;

        translate_body(&translated, cases[i].kind, cases[i].bulk, str_of(cases[i].body));
        assert_false(translated.ok);
        assert_int_equal(translated.error.code, ERROR_INVALID);
        assert_string_equal(translated.error.text, cases[i].error);
        assert_null(translated.ignored.first);
        translated_clear(&translated);
    }
}

static void a_bulk_body_may_hold_refused_and_unknown_things(void **state)
{
    static const char body[] = "{\"a\":1,\"events\":[7,{\"eventName\":\"E\",\"x\":1},{\"anonymousId\":\"b\","
                               "\"eventName\":\"E\"}],\"users\":[]}";
    struct translated translated;

    (void)state;
    translate_body(&translated, ITEM_EVENT, true, str_of(body));
    assert_true(translated.ok);
    assert_int_equal(translated.count, 3);
    expect(body, shown(&translated, 0), "refused: must be an object");
    expect(body, shown(&translated, 1), "refused: userId and anonymousId cannot be empty.");
    expect(body, shown(&translated, 2), "anonymous b event=E");
    buf_reset(&translated.text);
    show_ignored(&translated.text, &translated.ignored, IGNORED_NO_INDEX);
    expect(body, buf_str(&translated.text), " !a(unknown field) !users(unknown field)");
    translated_clear(&translated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_bodies_are_taken_whole),
        cmocka_unit_test(an_item_belongs_to_exactly_one_id),
        cmocka_unit_test(an_event_needs_a_name_of_its_own),
        cmocka_unit_test(dates_are_read_in_every_documented_form),
        cmocka_unit_test(system_fields_are_strings_or_null_in_table_order),
        cmocka_unit_test(opt_ins_are_true_or_false_and_null_touches_none),
        cmocka_unit_test(consent_belongs_to_the_opt_in_beside_it),
        cmocka_unit_test(attributes_have_the_type_of_their_form),
        cmocka_unit_test(what_cannot_be_taken_is_named_and_the_rest_is_taken),
        cmocka_unit_test(values_stay_byte_for_byte),
        cmocka_unit_test(a_message_id_is_a_short_string),
        cmocka_unit_test(a_body_of_the_wrong_shape_is_refused_whole),
        cmocka_unit_test(a_bulk_body_may_hold_refused_and_unknown_things),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
