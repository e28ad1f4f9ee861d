/* Settings: from defaults, the environment and the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/settings.h"

struct sample {
    const char *data, *listen, *keys_to;
    bool verbose;
    int64_t workers, body_max, cancel_window;
};

static const struct setting rows[] = {
    { "data", SETTING_TEXT, offsetof(struct sample, data), .required = true, .value_name = "DIR", .help = "Where" },
    { "listen", SETTING_TEXT, offsetof(struct sample, listen), .fallback = "127.0.0.1:8080", .help = "Address" },
    { "keys_to", SETTING_TEXT, offsetof(struct sample, keys_to), .help = "Mirror" },
    { "verbose", SETTING_FLAG, offsetof(struct sample, verbose), .help = "More lines" },
    { "workers", SETTING_NUMBER, offsetof(struct sample, workers), .fallback = "2", .min = -1, .max = 64, .help = "n" },
    { "body_max", SETTING_SIZE, offsetof(struct sample, body_max), .fallback = "8MiB", .min = 1024, .help = "Bytes" },
    { "cancel_window", SETTING_SPAN, offsetof(struct sample, cancel_window), .fallback = "7d", .help = "Window" },
    { .kind = SETTING_END },
};

enum { WORDS = 3 };
struct outcome {
    bool ok;
    struct sample sample;
    struct error error;
    const char *words[WORDS];
    size_t word_count;
};

/* Reads a command line written with spaces between its words. */
static struct outcome outcome_of(const char *line)
{
    static char copy[400];
    struct outcome outcome = { 0 };
    char *argv[20], *rest = copy;
    int argc = 0;

    assert_true(strlen(line) < sizeof(copy));
    strcpy(copy, line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    outcome.ok =
        settings_read(rows, &outcome.sample, argc, argv, outcome.words, WORDS, &outcome.word_count, &outcome.error);
    return outcome;
}

static void defaults_then_environment_then_options(void **state)
{
    struct outcome outcome;

    (void)state;
    setenv("HABEAS_LISTEN", "[::1]:1", 1);
    setenv("HABEAS_DATA", "", 1);
    setenv("HABEAS_CANCEL_WINDOW", "12h", 1);
    setenv("HABEAS_VERBOSE", "1", 1);
    outcome = outcome_of("serve --data /x --cancel-window=0 -- --word");
    assert_true(outcome.ok);
    assert_string_equal(outcome.sample.data, "/x");
    assert_string_equal(outcome.sample.listen, "[::1]:1");
    assert_string_equal(outcome.sample.keys_to, "");
    assert_true(outcome.sample.verbose);
    assert_int_equal(outcome.sample.workers, 2);
    assert_int_equal(outcome.sample.body_max, 8 << 20);
    assert_int_equal(outcome.sample.cancel_window, 0);
    assert_int_equal(outcome.word_count, 2);
    assert_string_equal(outcome.words[0], "serve");
    assert_string_equal(outcome.words[1], "--word");
    /* Empty counts as unset. */
    assert_false(outcome_of("serve").ok);
    setenv("HABEAS_CANCEL_WINDOW", "soon", 1);
    outcome = outcome_of("--data /x");
    assert_string_equal(outcome.error.text,
                        "HABEAS_CANCEL_WINDOW: --cancel-window must be a span such as 7d, 12h, 30m, "
                        "5s or 0");
    unsetenv("HABEAS_LISTEN");
    unsetenv("HABEAS_DATA");
    unsetenv("HABEAS_CANCEL_WINDOW");
    unsetenv("HABEAS_VERBOSE");
}

static void what_is_wrong_names_the_option_and_no_value(void **state)
{
    static const struct {
        const char *line, *text;
    } cases[] = {
        { "", "--data is missing: give --data DIR, or set HABEAS_DATA" },
        { "--data", "--data needs a value" },
        { "--data --verbose", "--data needs a value" },
        { "--data x --verbose=1", "--verbose takes no value" },
        { "--data x --workers two", "--workers must be a whole number" },
        { "--data x --workers 65", "--workers must be at most 64" },
        { "--data x --workers -2", "--workers must be at least -1" },
        { "--data x --workers 9223372036854775808", "--workers must be a whole number" },
        { "--data x --body-max 1000", "--body-max must be at least 1024 bytes" },
        { "--data x --body-max 8MB", "--body-max must be a size such as 512KiB, 8MiB or 1GiB" },
        { "--data x --body-max 8589934592GiB", "--body-max must be a size such as 512KiB, 8MiB or 1GiB" },
        { "--data x --cancel-window 7", "--cancel-window must be a span such as 7d, 12h, 30m, 5s or 0" },
        { "--data x --wrokers=2", "unknown option --wrokers" },
        { "--data x --ada@example.org", "unknown option" },
        { "--data x -v", "unknown option -v" },
        { "--data x a b c d", "too many words: 3 at most" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outcome outcome = outcome_of(cases[i].line);
        if (outcome.ok || outcome.error.code != ERROR_INVALID)
            fail_msg("'%s' was taken", cases[i].line);
        assert_string_equal(outcome.error.text, cases[i].text);
    }
}

static void values_come_in_every_form(void **state)
{
    struct outcome outcome = outcome_of("--data=a=b --workers -1 --body-max 512KiB - --verbose --keys-to=");

    (void)state;
    assert_true(outcome.ok);
    assert_string_equal(outcome.sample.data, "a=b");
    assert_string_equal(outcome.sample.keys_to, "");
    assert_int_equal(outcome.sample.workers, -1);
    assert_int_equal(outcome.sample.body_max, 512 << 10);
    assert_true(outcome.sample.verbose);
    assert_int_equal(outcome.word_count, 1);
    assert_string_equal(outcome.words[0], "-");
    assert_int_equal(outcome_of("--data x --body-max 2GiB").sample.body_max, INT64_C(2) << 30);
    assert_int_equal(outcome_of("--data x --body-max 2048").sample.body_max, 2048);
}

static void help_names_every_row(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4000);
    settings_help(rows, &buf);
    buf_add_byte(&buf, '\0');
    assert_non_null(strstr(buf.at, "  --data DIR                   Where (required; HABEAS_DATA)\n"));
    assert_non_null(strstr(buf.at, "  --cancel-window VALUE        Window (default 7d; HABEAS_CANCEL_WINDOW)\n"));
    assert_non_null(strstr(buf.at, "  --verbose                    More lines (HABEAS_VERBOSE)\n"));
    buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_then_environment_then_options),
        cmocka_unit_test(what_is_wrong_names_the_option_and_no_value),
        cmocka_unit_test(values_come_in_every_form),
        cmocka_unit_test(help_names_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
