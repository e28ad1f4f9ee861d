/* See tool.h. */
#include "tool/tool.h"

#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

enum { HELP_MAX_BYTES = 64 * 1024, RUN_MAX_BYTES = 128 * 1024 * 1024 };

static bool is_word(const char *argument, const char *word)
{
    return argument && word && strcmp(argument, word) == 0;
}

/* ---- help ---- */

static void write_name(const struct tool_command *command, struct buf *out)
{
    buf_addf(out, "habeas %s%s%s", command->name, command->sub ? " " : "", command->sub ? command->sub : "");
}

void tool_help(const struct tool_command *command, struct buf *out)
{
    buf_add(out, STR("usage: "));
    write_name(command, out);
    if (command->rows[0].kind != SETTING_END)
        buf_add(out, STR(" [options]"));
    if (command->words)
        buf_addf(out, " %s", command->words);
    buf_addf(out, "\n\n%s.\n", command->summary);
    if (command->detail)
        buf_addf(out, "\n%s\n", command->detail);
    if (command->rows[0].kind == SETTING_END)
        return;
    buf_add(out, STR("\nOptions, each with its twin in the environment:\n"));
    settings_help(command->rows, out);
}

/* One line a command: all of them, or those of one name. */
static void write_list(const char *name, struct buf *out)
{
    char full[64];

    buf_addf(out, "usage: habeas %s [options]\n\n", name ? name : "COMMAND");
    for (const struct tool_command *row = tool_commands; row->name; row++) {
        if (name && !is_word(name, row->name))
            continue;
        (void)snprintf(full, sizeof full, "habeas %s%s%s", row->name, row->sub ? " " : "", row->sub ? row->sub : "");
        buf_addf(out, "  %-30s %s\n", full, row->summary);
    }
    buf_add(out, STR("\nEvery command tells its options by --help.\n"));
}

/* ---- which command ---- */

/* What the words at the beginning of the line name: a command, or a name that wants a second word. */
struct choice {
    const struct tool_command *command;
    const char *group;
    int used; /* arguments taken */
};

static struct choice choose(int argc, char **argv)
{
    struct choice choice = { 0 };

    for (const struct tool_command *row = tool_commands; row->name && argc > 1; row++) {
        if (!is_word(argv[1], row->name))
            continue;
        choice.group = row->name;
        if (row->sub && !is_word(argc > 2 ? argv[2] : NULL, row->sub))
            continue;
        choice.command = row;
        choice.used = row->sub ? 3 : 2;
        break;
    }
    return choice;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && !is_word(argv[i], "--"); i++)
        if (is_word(argv[i], "--help"))
            return true;
    return false;
}

static int say_help(const struct choice *choice, FILE *stream)
{
    struct buf text;

    buf_init(&text, HELP_MAX_BYTES);
    if (choice->command)
        tool_help(choice->command, &text);
    else
        write_list(choice->group, &text);
    bool ok = !text.overflowed && fwrite(text.at, 1, text.len, stream) == text.len && fflush(stream) == 0;
    buf_clear(&text);
    return ok ? TOOL_DONE : TOOL_FAILED;
}

/* ---- running it ---- */

static int say_error(const struct tool_streams *streams, int status, const struct error *error)
{
    (void)fprintf(streams->err, "habeas: %s\n", error->text);
    return status;
}

/* What the server refuses says what is wrong, in words that are meant for any caller: what to do is said here. */
static int say_failure(const struct tool_streams *streams, const struct error *error)
{
    if (strstr(error->text, ": "))
        return say_error(streams, TOOL_FAILED, error);
    (void)fprintf(streams->err, "habeas: %s: check what was given, --help tells more\n", error->text);
    return TOOL_FAILED;
}

static bool read_line(struct tool_run *run, int argc, char **argv, struct error *error)
{
    const struct tool_command *command = run->command;

    if (!settings_read(command->rows, &run->options, argc, argv, run->words, TOOL_WORDS_MAX, &run->word_count, error))
        return false;
    if (run->word_count > command->words_max)
        return error_set(error, ERROR_INVALID, "there is a word too many: --help tells how the command is written");
    if (run->word_count < command->words_min)
        return error_set(error, ERROR_INVALID, "%s is missing: --help tells how the command is written",
                         command->words);
    return !command->check || command->check(run, error);
}

/* What was printed is part of the command's success: a full disk behind '>' is told. */
static bool end_output(struct tool_run *run, struct error *error)
{
    if (fflush(run->streams->out) == 0 && !ferror(run->streams->out))
        return true;
    return error_set(error, ERROR_FULL, "the output could not be written: look at where it goes");
}

static int run_command(const struct choice *choice, int argc, char **argv, const struct tool_streams *streams)
{
    struct tool_run run = { .command = choice->command, .streams = streams, .options.cancel_window = -1 };
    struct error error = { 0 };
    int status;

    arena_init(&run.arena, RUN_MAX_BYTES);
    if (!read_line(&run, argc - choice->used, argv + choice->used, &error))
        status = say_error(streams, TOOL_MISUSED, &error);
    else if (!run.command->run(&run, &error) || !end_output(&run, &error))
        status = say_failure(streams, &error);
    else
        status = TOOL_DONE;
    arena_clear(&run.arena);
    return status;
}

static int refuse(const struct choice *choice, int argc, const struct tool_streams *streams)
{
    struct error error = { 0 };

    if (argc < 2) {
        (void)say_help(choice, streams->err);
        return TOOL_MISUSED;
    }
    if (choice->group)
        error_set(&error, ERROR_INVALID, "the word behind '%s' is missing or unknown: try habeas %s --help",
                  choice->group, choice->group);
    else
        error_set(&error, ERROR_INVALID, "there is no such command: try habeas --help");
    return say_error(streams, TOOL_MISUSED, &error);
}

/* What everybody tries first. */
static const struct {
    const char *tried, *meant;
} other_words[] = { { "-h", "--help" }, { "help", "--help" }, { "--version", "version" }, { "-V", "version" } };

static void understand_first_word(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < COUNT_OF(other_words); i++)
        if (is_word(argv[1], other_words[i].tried))
            argv[1] = (char *)other_words[i].meant; /* read only from here on */
}

int tool_main(int argc, char **argv, const struct tool_streams *streams)
{
    understand_first_word(argc, argv);

    struct choice choice = choose(argc, argv);
    struct error error = { 0 };

    (void)umask(S_IRWXG | S_IRWXO);
    if (sodium_init() < 0) {
        (void)error_set(&error, ERROR_INTERNAL, "libsodium does not start: is the system's random source there?");
        return say_error(streams, TOOL_FAILED, &error);
    }
    /* A word that names nothing is an error even beside --help. */
    if (asks_for_help(argc, argv) &&
        (choice.command || is_word(argv[1], "--help") || (choice.group && is_word(argv[2], "--help"))))
        return say_help(&choice, streams->out);
    if (!choice.command)
        return refuse(&choice, argc, streams);
    return run_command(&choice, argc, argv, streams);
}
