/* Settings as tables: one row makes the default, the check, the command-line option, the environment twin
 * (HABEAS_ + upper case) and the line of --help. The tables themselves stand where the settings are used. */
#ifndef HABEAS_BASE_SETTINGS_H
#define HABEAS_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum setting_kind {
    SETTING_END,
    SETTING_TEXT,   /* const char * */
    SETTING_FLAG,   /* bool; as an option it takes no value */
    SETTING_NUMBER, /* int64_t */
    SETTING_SIZE,   /* int64_t bytes: "8MiB", "512KiB", "1GiB" or plain */
    SETTING_SPAN,   /* int64_t milliseconds: "7d", "12h", "30m", "5s", "0" */
};

struct setting {
    const char *name; /* snake_case; the option is --name with dashes */
    enum setting_kind kind;
    size_t offset;        /* in the caller's struct */
    const char *fallback; /* as text; NULL: must be given where `required`, else empty/0 */
    int64_t min, max;     /* of numbers, sizes and spans (in their unit); max 0: no bound */
    bool required;
    const char *value_name; /* for --help: "DIR", "HOST:PORT" */
    const char *help;
    const char *implied; /* what the option alone means; a value of one's own then stands behind "=" only */
};

/* Sets one value from text; the error names the setting, never echoes a value. Text is kept by reference. */
bool setting_set(const struct setting *row, void *target, const char *text, struct error *error);
/* Defaults, then environment twins (an empty one counts as unset), then argv, which begins behind the words that the
 * caller has used up (the program's name, the command); leaves words that are no options in `words` (at most words_max).
 * "--name value" and "--name=value"; "--" ends options; an unknown option is an error. */
bool settings_read(const struct setting *rows, void *target, int argc, char **argv, const char **words,
                   size_t words_max, size_t *word_count, struct error *error);
/* The option lines of --help. */
void settings_help(const struct setting *rows, struct buf *out);

#endif
