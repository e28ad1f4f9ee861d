/* Settings from their table: one loop sets all of them, whatever they are called. */
#include "base/settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/when.h"

enum { NAME_MAX_BYTES = 48, ROWS_MAX = 64 };

/* "cancel_window" becomes "--cancel-window". */
static const char *option_of(const struct setting *row, char out[NAME_MAX_BYTES])
{
    int len = snprintf(out, NAME_MAX_BYTES, "--%s", row->name);

    assert(len < NAME_MAX_BYTES);
    for (int i = 2; i < len; i++)
        if (out[i] == '_')
            out[i] = '-';
    return out;
}

/* "cancel_window" becomes "HABEAS_CANCEL_WINDOW". */
static const char *twin_of(const struct setting *row, char out[NAME_MAX_BYTES])
{
    int len = snprintf(out, NAME_MAX_BYTES, "HABEAS_%s", row->name);

    assert(len < NAME_MAX_BYTES);
    for (int i = 0; i < len; i++)
        if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] - ('a' - 'A'));
    return out;
}

static bool read_number(struct str text, int64_t *out)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    uint64_t size;

    if (!str_to_u64(negative ? (struct str){ text.at + 1, text.len - 1 } : text, &size) || size > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)size : (int64_t)size;
    return true;
}

static bool read_size(struct str text, int64_t *out)
{
    static const struct {
        const char *suffix;
        int shift;
    } units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "", 0 } };
    uint64_t number;

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t len = strlen(units[i].suffix);

        if (text.len <= len || memcmp(text.at + text.len - len, units[i].suffix, len) != 0)
            continue;
        if (!str_to_u64((struct str){ text.at, text.len - len }, &number) ||
            number > (uint64_t)INT64_MAX >> units[i].shift)
            return false;
        *out = (int64_t)(number << units[i].shift);
        return true;
    }
    return false;
}

/* How the kinds that are numbers inside are read and spoken of. */
static const struct {
    bool (*read)(struct str text, int64_t *out);
    const char *wanted, *unit;
} numeric[] = {
    [SETTING_NUMBER] = { read_number, "a whole number", "" },
    [SETTING_SIZE] = { read_size, "a size such as 512KiB, 8MiB or 1GiB", " bytes" },
    [SETTING_SPAN] = { when_read_span, "a span such as 7d, 12h, 30m, 5s or 0", " milliseconds" },
};

static bool set_numeric(const struct setting *row, int64_t *out, struct str text, const char *option,
                        struct error *error)
{
    int64_t value;

    if (!numeric[row->kind].read(text, &value))
        return error_set(error, ERROR_INVALID, "%s must be %s", option, numeric[row->kind].wanted);
    if (value < row->min)
        return error_set(error, ERROR_INVALID, "%s must be at least %lld%s", option, (long long)row->min,
                         numeric[row->kind].unit);
    if (row->max != 0 && value > row->max)
        return error_set(error, ERROR_INVALID, "%s must be at most %lld%s", option, (long long)row->max,
                         numeric[row->kind].unit);
    *out = value;
    return true;
}

static bool set_flag(bool *out, struct str text, const char *option, struct error *error)
{
    bool on = str_equal(text, STR("true")) || str_equal(text, STR("1"));

    if (!on && !str_equal(text, STR("false")) && !str_equal(text, STR("0")))
        return error_set(error, ERROR_INVALID, "%s must be true, false, 1 or 0", option);
    *out = on;
    return true;
}

bool setting_set(const struct setting *row, void *target, const char *text, struct error *error)
{
    char option[NAME_MAX_BYTES];
    void *place = (char *)target + row->offset;

    (void)option_of(row, option);
    switch (row->kind) {
    case SETTING_TEXT:
        *(const char **)place = text;
        return true;
    case SETTING_FLAG:
        return set_flag(place, str_of(text), option, error);
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_SPAN:
        return set_numeric(row, place, str_of(text), option, error);
    case SETTING_END:
        break;
    }
    assert(false && "a row of no kind");
    return false;
}

static void set_nothing(const struct setting *row, void *target)
{
    void *place = (char *)target + row->offset;

    if (row->kind == SETTING_TEXT)
        *(const char **)place = "";
    else if (row->kind == SETTING_FLAG)
        *(bool *)place = false;
    else
        *(int64_t *)place = 0;
}

/* What is being filled: rows, where to, and which rows were given by anyone. */
struct filling {
    const struct setting *rows;
    void *target;
    uint64_t given;
};

static bool give(struct filling *filling, const struct setting *row, const char *text, struct error *error)
{
    filling->given |= UINT64_C(1) << (row - filling->rows);
    return setting_set(row, filling->target, text, error);
}

static bool set_defaults(struct filling *filling, struct error *error)
{
    for (const struct setting *row = filling->rows; row->kind != SETTING_END; row++) {
        assert(row - filling->rows < ROWS_MAX);
        set_nothing(row, filling->target);
        if (row->fallback && !give(filling, row, row->fallback, error))
            return error_within(error, "default");
    }
    return true;
}

static bool set_from_environment(struct filling *filling, struct error *error)
{
    char twin[NAME_MAX_BYTES];

    for (const struct setting *row = filling->rows; row->kind != SETTING_END; row++) {
        const char *text = getenv(twin_of(row, twin));

        if (text && text[0] != '\0' && !give(filling, row, text, error))
            return error_within(error, "%s", twin);
    }
    return true;
}

static const struct setting *row_of(const struct setting *rows, struct str option)
{
    char name[NAME_MAX_BYTES];

    for (const struct setting *row = rows; row->kind != SETTING_END; row++)
        if (str_equal(str_of(option_of(row, name)), option))
            return row;
    return NULL;
}

/* Names the option only where it looks like one: what was meant as a value may be personal. */
static bool unknown_option(struct str option, struct error *error)
{
    for (size_t i = 0; i < option.len; i++)
        if (option.at[i] != '-' && (option.at[i] < 'a' || option.at[i] > 'z'))
            return error_set(error, ERROR_INVALID, "unknown option");
    return error_set(error, ERROR_INVALID, "unknown option %.*s", (int)(option.len < 40 ? option.len : 40), option.at);
}

/* Takes the option at argv[*at] and the value that belongs to it. */
static bool set_from_option(struct filling *filling, int argc, char **argv, int *at, struct error *error)
{
    struct str rest = str_of(argv[*at]);
    bool has_value = memchr(rest.at, '=', rest.len) != NULL;
    struct str option = str_cut(&rest, '=');
    const struct setting *row = row_of(filling->rows, option);

    if (!row)
        return unknown_option(option, error);
    if (row->kind == SETTING_FLAG)
        return has_value ? error_set(error, ERROR_INVALID, "%.*s takes no value", STR_ARG(option))
                         : give(filling, row, "true", error);
    if (has_value)
        return give(filling, row, rest.at, error);
    if (row->implied)
        return give(filling, row, row->implied, error);
    if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
        return error_set(error, ERROR_INVALID, "%.*s needs a value", STR_ARG(option));
    return give(filling, row, argv[++*at], error);
}

static bool check_required(const struct filling *filling, struct error *error)
{
    char option[NAME_MAX_BYTES], twin[NAME_MAX_BYTES];

    for (const struct setting *row = filling->rows; row->kind != SETTING_END; row++) {
        if (!row->required || filling->given >> (row - filling->rows) & 1)
            continue;
        return error_set(error, ERROR_INVALID, "%s is missing: give %s %s, or set %s", option_of(row, option), option,
                         row->value_name ? row->value_name : "VALUE", twin_of(row, twin));
    }
    return true;
}

bool settings_read(const struct setting *rows, void *target, int argc, char **argv, const char **words,
                   size_t words_max, size_t *word_count, struct error *error)
{
    struct filling filling = { .rows = rows, .target = target };
    bool options_ended = false;

    *word_count = 0;
    if (!set_defaults(&filling, error) || !set_from_environment(&filling, error))
        return false;
    for (int i = 0; i < argc; i++) {
        /* "-" alone is a word: standard input. */
        bool is_option = !options_ended && argv[i][0] == '-' && argv[i][1] != '\0';

        if (is_option && strcmp(argv[i], "--") == 0) {
            options_ended = true;
        } else if (is_option) {
            if (!set_from_option(&filling, argc, argv, &i, error))
                return false;
        } else if (*word_count == words_max) {
            return error_set(error, ERROR_INVALID, "too many words: %zu at most", words_max);
        } else {
            words[(*word_count)++] = argv[i];
        }
    }
    return check_required(&filling, error);
}

void settings_help(const struct setting *rows, struct buf *out)
{
    char option[NAME_MAX_BYTES], twin[NAME_MAX_BYTES], head[2 * NAME_MAX_BYTES];

    for (const struct setting *row = rows; row->kind != SETTING_END; row++) {
        const char *value_name = row->kind == SETTING_FLAG ? "" : row->value_name ? row->value_name : "VALUE";

        (void)snprintf(head, sizeof(head), row->implied ? "%s[=%s]" : "%s %s", option_of(row, option), value_name);
        buf_addf(out, "  %-28s %s (", head, row->help);
        if (row->fallback && row->fallback[0] != '\0')
            buf_addf(out, "default %s; ", row->fallback);
        buf_addf(out, "%s%s)\n", row->required ? "required; " : "", twin_of(row, twin));
    }
}
