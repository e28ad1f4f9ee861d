/* The command line at its own door: which command, which options, what it says, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

enum { ARGUMENTS_MAX = 40, TEXT_MAX = 32 * 1024 };

struct outcome {
    int status;
    char out[TEXT_MAX], err[TEXT_MAX];
};

static void take_text(FILE *stream, char text[TEXT_MAX])
{
    rewind(stream);
    size_t len = fread(text, 1, TEXT_MAX - 1, stream);
    text[len] = '\0';
    fclose(stream);
}

/* Runs a line whose words stand between spaces, with `input` on standard input. */
static struct outcome *run(const char *line, const char *input)
{
    static struct outcome outcome;
    char copy[1000], *rest = copy, *argv[ARGUMENTS_MAX] = { "habeas" };
    struct tool_streams streams = { tmpfile(), tmpfile(), tmpfile() };
    int argc = 1;

    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    fputs(input, streams.in);
    rewind(streams.in);
    outcome.status = tool_main(argc, argv, &streams);
    fclose(streams.in);
    take_text(streams.out, outcome.out);
    take_text(streams.err, outcome.err);
    return &outcome;
}

/* ---- the table ---- */

static void every_command_has_help_options_and_a_purpose(void **state)
{
    (void)state;
    for (const struct tool_command *row = tool_commands; row->name; row++) {
        bool is_request = strcmp(row->name, "request") == 0, is_import = strcmp(row->name, "import") == 0;
        enum purpose purpose = is_request ? PURPOSE_ANSWER : is_import ? PURPOSE_COLLECT : PURPOSE_NONE;
        bool makes_no_sense = row->words_min > row->words_max || row->words_max > TOOL_WORDS_MAX ||
                              (row->words_max > 0) != (row->words != NULL);

        if (!row->run || !row->rows || !row->summary || strlen(row->summary) < 10 || makes_no_sense)
            fail_msg("row '%s %s'", row->name, row->sub ? row->sub : "");
        /* The requests of a data subject touch a person's data in answer to that person, an import collects it, and
         * nothing else touches any. */
        if (row->purpose != purpose)
            fail_msg("purpose of '%s %s'", row->name, row->sub ? row->sub : "");
    }
}

static void every_option_can_be_given_in_the_environment_and_is_explained(void **state)
{
    (void)state;
    for (const struct tool_command *row = tool_commands; row->name; row++) {
        struct buf help;
        size_t lines = 0;

        buf_init(&help, TEXT_MAX);
        tool_help(row, &help);
        for (const struct setting *option = row->rows; option->kind != SETTING_END; option++, lines++)
            if (!option->help || (option->kind != SETTING_FLAG && !option->value_name))
                fail_msg("option '%s' of '%s'", option->name, row->name);
        buf_add_byte(&help, '\0');
        assert_false(help.overflowed);
        for (const char *at = help.at; (at = strstr(at, "HABEAS_")) != NULL; at++)
            lines--;
        if (lines != 0)
            fail_msg("the twins in the help of '%s'", row->name);
        buf_clear(&help);
    }
}

static void help_is_there_for_every_command_and_group(void **state)
{
    char line[100];

    (void)state;
    for (const struct tool_command *row = tool_commands; row->name; row++) {
        snprintf(line, sizeof line, "%s %s --help", row->name, row->sub ? row->sub : "");
        struct outcome *outcome = run(line, "");
        if (outcome->status != TOOL_DONE || !strstr(outcome->out, row->summary) || outcome->err[0] != '\0')
            fail_msg("%s", line);
        snprintf(line, sizeof line, "%s --help", row->name);
        outcome = run(line, "");
        if (outcome->status != TOOL_DONE || !strstr(outcome->out, row->summary))
            fail_msg("%s", line);
    }
    struct outcome *all = run("--help", "");
    assert_int_equal(all->status, TOOL_DONE);
    for (const struct tool_command *row = tool_commands; row->name; row++)
        assert_non_null(strstr(all->out, row->summary));
}

/* ---- misuse ---- */

static void what_is_written_wrongly_ends_with_two_and_says_what_to_do(void **state)
{
    const struct {
        const char *line, *said;
    } cases[] = {
        { "", "usage:" },
        { "nonsense", "habeas: there is no such command: try habeas --help\n" },
        { "nonsense --help", "habeas: there is no such command" },
        { "request", "habeas: the word behind 'request' is missing or unknown: try habeas request --help\n" },
        { "request nonsense", "the word behind 'request'" },
        { "request nonsense --help", "the word behind 'request'" },
        { "serve", "habeas: --data is missing: give --data DIR, or set HABEAS_DATA\n" },
        { "serve --data d more", "a word too many" },
        { "serve --data d --unknown", "--unknown" },
        { "serve --data d --log-level loud", "--log-level must be" },
        { "serve --data d --cancel-window soon", "--cancel-window must be" },
        { "serve --data d --body-max-bytes 1GiB", "--body-max-bytes must be at most" },
        { "account add --data d", "--license is missing" },
        { "account add --data d --license a/b", "--license may hold" },
        { "account add --data d --license a --time-zone Mars/Base", "--time-zone must be" },
        { "account set --data d --license a", "NAME=VALUE... is missing" },
        { "account set --data d --license a rate_limit", "NAME=VALUE" },
        { "account set --data d --license a nope=1", "no such setting" },
        { "account set --data d --license a rate_limit=1 rate_limit=x", "must be a whole number" },
        { "key add --data d --license a --scopes read,fly", "--scopes must" },
        { "key revoke --data d --license a", "NUMBER is missing" },
        { "key revoke --data d --license a 0", "named by its number" },
        { "key revoke --data d --license a hba_x", "named by its number" },
        { "key revoke --data d --license a 1 2", "a word too many" },
        { "attribute set-type --data d --license a Size", "NAME TYPE is missing" },
        { "attribute set-type --data d --license a Size big", "no such type" },
        { "attribute set-type --data d --license a Size none", "no such type" },
        { "attribute set-type --data d --license a Size number --of shop", "--of must be" },
        { "request erase --data d --license a", "give either --user-id or --anonymous-id" },
        { "request erase --data d --license a --user-id x --anonymous-id y", "give either" },
        { "request erase --data d --license a --user-id -", "no id on standard input" },
        { "request show --data d --license a", "--request-id is missing" },
        { "request list --data d --license a --limit 1001", "--limit must be at most" },
        { "routes more", "a word too many" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outcome *outcome = run(cases[i].line, "");
        if (outcome->status != TOOL_MISUSED || outcome->out[0] != '\0' || !strstr(outcome->err, cases[i].said))
            fail_msg("'%s': %d, %s", cases[i].line, outcome->status, outcome->err);
    }
}

static void what_fails_ends_with_one_and_makes_nothing(void **state)
{
    static const char *const lines[] = {
        "key list --data /nowhere/at/all --license a",
        "request erase --data /nowhere/at/all --license a --user-id - --request-id -",
        "request erase --data /nowhere/at/all --license a --user-id x --suppress",
        "request erase --data /nowhere/at/all --license a --suppress --user-id x --drop-opt-outs",
        "request erase --data /nowhere/at/all --license a --suppress=2030-01-01T00:00:00Z --user-id x",
        "audit verify --data /nowhere/at/all",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct outcome *outcome = run(lines[i], "marker-user\nmarker-request\n");
        assert_int_equal(outcome->status, TOOL_FAILED);
        assert_memory_equal(outcome->err, "habeas: ", 8);
        assert_null(strstr(outcome->err, "marker"));
    }
}

static void options_can_come_from_the_environment(void **state)
{
    (void)state;
    setenv("HABEAS_DATA", "/nowhere/at/all", 1);
    setenv("HABEAS_LICENSE", "a", 1);
    assert_int_equal(run("key list", "")->status, TOOL_FAILED);
    setenv("HABEAS_LICENSE", "", 1);
    assert_int_equal(run("key list", "")->status, TOOL_MISUSED);
    unsetenv("HABEAS_DATA");
    unsetenv("HABEAS_LICENSE");
}

/* ---- what needs no data directory ---- */

static void version_and_routes_are_printed(void **state)
{
    struct outcome *outcome = run("version", "");

    (void)state;
    assert_int_equal(outcome->status, TOOL_DONE);
    assert_memory_equal(outcome->out, "habeas ", 7);
    outcome = run("routes", "");
    assert_int_equal(outcome->status, TOOL_DONE);
    assert_non_null(strstr(outcome->out, "{\"method\":\"POST\",\"path\":\"/v1/accounts/{license}/events\","
                                         "\"scope\":\"ingest\",\"purpose\":\"collect\",\"summary\":\""));
    assert_non_null(strstr(outcome->out, "\"path\":\"/api/accounts\",\"scope\":\"operator\",\"purpose\":\"none\""));
    assert_non_null(strstr(outcome->out, "\"path\":\"/healthz\",\"scope\":\"open\""));
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
    char *argv[] = { "habeas", "routes" };
    FILE *full = fopen("/dev/full", "w"), *err = tmpfile();
    const struct tool_streams streams = { stdin, full, err };

    (void)state;
    assert_non_null(full);
    assert_int_equal(tool_main(2, argv, &streams), TOOL_FAILED);
    fclose(full);
    fclose(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_options_and_a_purpose),
        cmocka_unit_test(every_option_can_be_given_in_the_environment_and_is_explained),
        cmocka_unit_test(help_is_there_for_every_command_and_group),
        cmocka_unit_test(what_is_written_wrongly_ends_with_two_and_says_what_to_do),
        cmocka_unit_test(what_fails_ends_with_one_and_makes_nothing),
        cmocka_unit_test(options_can_come_from_the_environment),
        cmocka_unit_test(version_and_routes_are_printed),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
