/* Points in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/when.h"

static void times_are_read_in_their_forms_and_no_others(void **state)
{
    const struct {
        const char *text;
        int64_t ms; /* WHEN_NONE: refused */
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-11-23T22:11:00.000Z", 1795471860000 },
        { "2026-11-23t22:11:00z", 1795471860000 },
        { "2026-11-24T03:41:00+05:30", 1795471860000 },
        { "2026-11-24T03:41:00+0530", 1795471860000 },
        { "2026-11-23T14:11:00-0800", 1795471860000 },
        { "2026-11-23T22:11:00-00:00", 1795471860000 },
        { "1970-01-01T00:00:00.0019Z", 1 },
        { "1970-01-01T00:00:00.5Z", 500 },
        { "1970-01-01T00:00:00.123456789012345678901234567890Z", 123 },
        { "1969-12-31T23:59:59.999Z", -1 },
        { "2000-02-29T00:00:00Z", 951782400000 },
        { "2016-12-31T23:59:60Z", 1483228799000 },
        { "0001-01-01T00:00:00Z", -62135596800000 },
        { "9999-12-31T23:59:59.999Z", 253402300799999 },
        { "0001-01-01T00:00:00+00:01", WHEN_NONE },
        { "9999-12-31T23:59:59-00:01", WHEN_NONE },
        { "0000-01-01T00:00:00Z", WHEN_NONE },
        { "1900-02-29T00:00:00Z", WHEN_NONE },
        { "2026-02-29T00:00:00Z", WHEN_NONE },
        { "2026-04-31T00:00:00Z", WHEN_NONE },
        { "2026-13-01T00:00:00Z", WHEN_NONE },
        { "2026-00-01T00:00:00Z", WHEN_NONE },
        { "2026-01-00T00:00:00Z", WHEN_NONE },
        { "2026-01-01T24:00:00Z", WHEN_NONE },
        { "2026-01-01T00:60:00Z", WHEN_NONE },
        { "2026-01-01T00:00:61Z", WHEN_NONE },
        { "2026-01-01T00:00:00", WHEN_NONE },
        { "2026-01-01T00:00:00.Z", WHEN_NONE },
        { "2026-01-01 00:00:00Z", WHEN_NONE },
        { "2026-01-01T00:00Z", WHEN_NONE },
        { "2026-01-01T00:00:00+5:30", WHEN_NONE },
        { "2026-01-01T00:00:00+24:00", WHEN_NONE },
        { "2026-01-01T00:00:00+00:60", WHEN_NONE },
        { "2026-01-01T00:00:00+00", WHEN_NONE },
        { "2026-01-01T00:00:00ZZ", WHEN_NONE },
        { "2026-1-01T00:00:00Z", WHEN_NONE },
        { "+026-01-01T00:00:00Z", WHEN_NONE },
        { "2026-01-01T00:00:-1Z", WHEN_NONE },
        { "2026-01-01", WHEN_NONE },
        { "", WHEN_NONE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = WHEN_NONE;
        if (when_read(str_of(cases[i].text), &ms) != (cases[i].ms != WHEN_NONE) || ms != cases[i].ms)
            fail_msg("case '%s': %lld", cases[i].text, (long long)ms);
    }
    int64_t ms;
    assert_false(when_read(STR("2026-01-01T00:00:00\0"), &ms));
}

/* Against libc, on every day of 600 years and a bit. */
static void every_day_is_written_as_libc_writes_it(void **state)
{
    (void)state;
    for (int64_t day = -110000; day < 110000; day++) {
        char ours[WHEN_TEXT_MAX], theirs[64];
        time_t seconds = (time_t)(day * 86400 + 86399);
        struct tm parts;
        int64_t back;

        assert_int_equal(when_write(seconds * WHEN_SECOND + 7, ours), 24);
        assert_non_null(gmtime_r(&seconds, &parts));
        strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.007Z", &parts);
        assert_string_equal(ours, theirs);
        assert_true(when_read(str_of(ours), &back));
        assert_int_equal(back, seconds * WHEN_SECOND + 7);
    }
}

static void times_nobody_can_write_become_the_nearest(void **state)
{
    char text[WHEN_TEXT_MAX];

    (void)state;
    when_write(INT64_MIN, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000Z");
    when_write(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void a_day_is_a_real_one(void **state)
{
    (void)state;
    assert_true(when_is_day(STR("2024-02-29")));
    assert_false(when_is_day(STR("2023-02-29")));
    assert_false(when_is_day(STR("2024-02-29T")));
    assert_false(when_is_day(STR("2024-2-29")));
    assert_false(when_is_day(STR("")));
}

static void spans_have_one_unit(void **state)
{
    const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        { "0", 0 },
        { "5s", 5000 },
        { "30m", 1800000 },
        { "12h", 43200000 },
        { "7d", 604800000 },
        { "0d", 0 },
        { "36500d", 3153600000000 },
        { "876000h", 3153600000000 },
        { "876001h", -1 },
        { "36501d", -1 },
        { "18446744073709551615d", -1 },
        { "5", -1 },
        { "d", -1 },
        { "", -1 },
        { "-1d", -1 },
        { "1.5h", -1 },
        { "1 d", -1 },
        { "1d12h", -1 },
        { "1D", -1 },
        { "5ms", -1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = -1;
        if (when_read_span(str_of(cases[i].text), &ms) != (cases[i].ms >= 0) || ms != cases[i].ms)
            fail_msg("case '%s': %lld", cases[i].text, (long long)ms);
    }
}

static void a_zone_is_a_name_of_the_database_and_no_path(void **state)
{
    static const char *const none[] = {
        "",
        "Mars/Olympus",
        "/etc/localtime",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "Europe",
        "Europe/",
        "zone.tab",
        "Europe//Berlin/",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "localtime",
        "europe berlin",
        "tzdata.zi",
    };
    (void)state;
    assert_true(when_zone_exists(STR("UTC")));
    assert_true(when_zone_exists(STR("Europe/Berlin")));
    assert_true(when_zone_exists(STR("America/Argentina/Buenos_Aires")));
    assert_true(when_zone_exists(STR("Etc/GMT+5")));
    for (size_t i = 0; i < COUNT_OF(none); i++)
        if (when_zone_exists(str_of(none[i])))
            fail_msg("case '%s'", none[i]);
    assert_false(when_zone_exists(STR("UTC\0")));
}

static void a_test_moves_the_clock(void **state)
{
    const struct when_clock here = { 0 }, later = { 7 * WHEN_DAY };
    int64_t first = when_now(&here), second = when_now(&later);

    (void)state;
    assert_in_range(second - first, 7 * WHEN_DAY, 7 * WHEN_DAY + WHEN_MINUTE);
    assert_true(when_monotonic_us() <= when_monotonic_us());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_their_forms_and_no_others),
        cmocka_unit_test(every_day_is_written_as_libc_writes_it),
        cmocka_unit_test(times_nobody_can_write_become_the_nearest),
        cmocka_unit_test(a_day_is_a_real_one),
        cmocka_unit_test(spans_have_one_unit),
        cmocka_unit_test(a_zone_is_a_name_of_the_database_and_no_path),
        cmocka_unit_test(a_test_moves_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
