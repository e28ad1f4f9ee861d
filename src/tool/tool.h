/* The command line: finds the command in the table, reads its options, runs it, and says what went wrong.
 * One row of the table says all about a command; its help and its checks follow from the row. */
#ifndef HABEAS_TOOL_TOOL_H
#define HABEAS_TOOL_TOOL_H

#include <stdio.h>

#include "base/arena.h"
#include "base/settings.h"
#include "ledger/purpose.h"

/* Where a command reads and writes: the process's own streams, or a test's. */
struct tool_streams {
    FILE *in, *out, *err;
};

/* All options of all commands; each command's rows say which it knows, the others stay 0. Text that was not given is
 * "". */
struct tool_options {
    const char *data, *master_key, *license;
    const char *listen, *log_level;
    int64_t cancel_window; /* -1: not an option of this command */
    int64_t body_max_bytes, threads;
    const char *time_zone, *scopes, *of;
    const char *user_id, *anonymous_id, *request_id, *suppress, *told_at, *road;
    int64_t limit, before;
    const char *format, *types;
    bool drop_opt_outs, json, no_resume;
};

enum { TOOL_WORDS_MAX = 32 };

/* One command on its way. */
struct tool_run {
    const struct tool_command *command;
    const struct tool_streams *streams;
    struct tool_options options;
    const char *words[TOOL_WORDS_MAX]; /* what stood there beside options */
    size_t word_count;
    struct arena arena; /* lives until the command ends */
};

struct tool_command {
    const char *name, *sub; /* "request", "erase"; sub NULL: the name stands alone */
    const char *words;      /* for help: "NAME=VALUE..." */
    size_t words_min, words_max;
    const char *summary;
    enum purpose purpose;       /* of the personal data it touches */
    const struct setting *rows; /* its options */
    const char *detail;         /* further text for --help, or NULL */
    /* What the rows cannot say about a command line; a failure is a usage error. NULL: nothing. */
    bool (*check)(struct tool_run *run, struct error *error);
    bool (*run)(struct tool_run *run, struct error *error);
};
/* The last row has name NULL. */
extern const struct tool_command tool_commands[];

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_MISUSED = 2 };
/* The whole program; returns its exit status. */
int tool_main(int argc, char **argv, const struct tool_streams *streams);
/* What `--help` says of a command. */
void tool_help(const struct tool_command *command, struct buf *out);

#endif
