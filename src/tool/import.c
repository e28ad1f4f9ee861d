/* `import`: files of users and events, through the same calls as every other caller makes. Lines are read one by one; a
 * batch of them is answered, then noted, then the next is read: so memory is bounded, and what breaks off goes on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/when.h"
#include "tool/commands.h"
#include "tool/import_parts.h"
#include "tool/target.h"

enum { SHOW_EVERY_MS = 100, BAR_WIDTH = 30 };
/* Of the tree of one line. */
#define TREE_MAX_BYTES ((size_t)64 * 1024 * 1024)

bool import_check(struct tool_run *run, struct error *error)
{
    enum import_format format;

    if (!import_format_of(run->options.format, &format))
        return error_set(error, ERROR_INVALID, "--format must be auto, csv, webengage or segment");
    return import_types_check(run->options.types, error);
}

/* ---- one file ---- */

struct file {
    const char *name;
    struct import_batch *batch;
    enum import_format format;
    struct import_lines lines;
    struct import_note note;
    struct csv_reader *csv; /* NULL: lines of JSON */
    struct import_columns columns;
    bool has_columns;
    uint64_t record_line; /* where the record of CSV began */
    struct json_parser *parser;
    struct arena tree;
    struct buf item;
    int64_t size, shown_ms; /* size -1: not known; shown_ms 0: never yet */
};

static bool fail_at_line(const struct file *file, uint64_t line, struct error *error)
{
    return error_within(error, "%s: line %llu", file->name, (unsigned long long)line);
}

static bool is_done_already(const struct file *file)
{
    return file->lines.number <= file->note.lines;
}

static bool send(struct file *file, struct error *error)
{
    return import_batch_send(file->batch, file->name, error) &&
           import_note_write(&file->note, &file->lines, &file->batch->tally, error);
}

/* A line is known by its end: only then may what waits be sent and noted. */
static bool settle_line(struct file *file, struct error *error)
{
    return !import_batch_is_full(file->batch) || send(file, error);
}

static bool refuse(struct file *file, uint64_t line, const struct error *why, struct error *error)
{
    return import_batch_refuse(file->batch, line, str_of(why->text), error) && settle_line(file, error);
}

static bool add(struct file *file, enum import_kind kind, uint64_t line, struct error *error)
{
    import_batch_add(file->batch, kind, line, buf_str(&file->item));
    return settle_line(file, error);
}

/* ---- lines of JSON ---- */

static bool translate_json(struct file *file, struct str text, enum import_kind *kind, struct error *error)
{
    char message_id[IMPORT_ID_MAX];
    const struct json *object;

    import_lines_id(&file->lines, message_id);
    arena_reset(&file->tree);
    buf_reset(&file->item);
    object = json_read(file->parser, &file->tree, text, error);
    return object && import_item_of_json(object, file->format, message_id, kind, &file->item, error);
}

static bool take_json(struct file *file, struct error *error)
{
    struct str text = str_trim(buf_str(&file->lines.line));
    enum import_kind kind = IMPORT_USER;
    struct error why = { 0 };

    if (text.len == 0 || is_done_already(file))
        return true;
    if (!translate_json(file, text, &kind, &why))
        return refuse(file, file->lines.number, &why, error);
    return add(file, kind, file->lines.number, error);
}

/* ---- records of CSV ---- */

static bool take_record(struct file *file, struct error *error)
{
    struct error why = { 0 };

    if (!file->has_columns) {
        file->has_columns = true;
        return import_columns_open(&file->columns, file->csv, file->batch->run->options.types, error) ||
               fail_at_line(file, file->record_line, error);
    }
    if (is_done_already(file))
        return true;
    buf_reset(&file->item);
    if (!import_item_of_record(&file->columns, file->csv, &file->item, &why))
        return refuse(file, file->record_line, &why, error);
    return add(file, IMPORT_USER, file->record_line, error);
}

static bool take_csv(struct file *file, struct error *error)
{
    bool whole;

    if (!csv_reader_is_inside(file->csv))
        file->record_line = file->lines.number;
    if (!csv_reader_take(file->csv, buf_str(&file->lines.line), &whole, error))
        return fail_at_line(file, file->record_line, error);
    return !whole || take_record(file, error);
}

static bool end_csv(struct file *file, struct error *error)
{
    bool whole;

    if (!csv_reader_end(file->csv, &whole, error))
        return fail_at_line(file, file->record_line, error);
    if (whole && !take_record(file, error))
        return false;
    return file->has_columns ||
           error_set(error, ERROR_INVALID, "%s: is empty: a line of column names is needed", file->name);
}

/* ---- which of them ---- */

static bool settle_format(struct file *file, struct error *error)
{
    struct str text = str_trim(buf_str(&file->lines.line));

    if (file->format == FORMAT_AUTO && !str_starts(text, STR("{")))
        file->format = FORMAT_CSV;
    if (file->format != FORMAT_CSV)
        return true;
    file->csv = csv_reader_new(IMPORT_LINE_MAX_BYTES);
    return file->csv || error_set(error, ERROR_INTERNAL, "out of memory");
}

static bool take_too_long(struct file *file, struct error *error)
{
    struct error why = { 0 };

    (void)error_set(&why, ERROR_TOO_LARGE, "is longer than 8 MiB");
    if (file->csv && csv_reader_is_inside(file->csv)) {
        *error = why;
        return fail_at_line(file, file->record_line, error);
    }
    return is_done_already(file) || refuse(file, file->lines.number, &why, error);
}

/* Where an earlier run stopped, all lines up to there must be those that it took. */
static bool check_past(const struct file *file, bool ended, struct error *error)
{
    bool is_there = file->lines.number == file->note.lines;
    bool differs =
        is_there && file->note.lines > 0 && memcmp(file->lines.chain, file->note.chain, sizeof file->note.chain) != 0;

    if (!differs && !(ended && file->lines.number < file->note.lines))
        return true;
    return error_set(error, ERROR_CONFLICT, "%s: is not what it was when its import broke off: remove %s to begin anew",
                     file->name, file->note.path);
}

/* ---- what is shown meanwhile ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void draw(const struct file *file)
{
    FILE *err = file->batch->run->streams->err;
    int64_t percent = file->size > 0 ? (int64_t)file->lines.bytes * 100 / file->size : 0;
    int filled;

    percent = percent > 100 ? 100 : percent;
    filled = (int)(percent * BAR_WIDTH / 100);
    (void)fprintf(err, "\r%s: ", file->name);
    if (file->size > 0)
        (void)fprintf(err, "[%.*s%*s] %3d%%, ", filled, "##############################", BAR_WIDTH - filled, "",
                      (int)percent);
    (void)fprintf(err, "%llu lines", (unsigned long long)file->lines.number);
    (void)fflush(err);
}

static void show(struct file *file)
{
    int64_t now;

    if (!file->batch->has_bar || file->lines.number % 64 != 0)
        return;
    now = now_ms();
    if (now - file->shown_ms < SHOW_EVERY_MS)
        return;
    file->shown_ms = now;
    draw(file);
}

static void show_end(const struct file *file)
{
    FILE *err = file->batch->run->streams->err;

    if (file->batch->has_bar) {
        draw(file);
        (void)fputc('\n', err);
    } else {
        (void)fprintf(err, "%s: %llu lines\n", file->name, (unsigned long long)file->lines.number);
    }
}

/* ---- reading it ---- */

static bool take_line(struct file *file, enum import_line what, bool *has_format, struct error *error)
{
    if (!*has_format && what == LINE_READ && str_trim(buf_str(&file->lines.line)).len > 0) {
        *has_format = true;
        if (!settle_format(file, error))
            return false;
    }
    if (what == LINE_TOO_LONG)
        return take_too_long(file, error) && check_past(file, false, error);
    if (*has_format && !(file->csv ? take_csv : take_json)(file, error))
        return false;
    return check_past(file, false, error);
}

static bool read_all(struct file *file, struct error *error)
{
    enum import_line what;
    bool has_format = false;

    while ((what = import_lines_next(&file->lines)) == LINE_READ || what == LINE_TOO_LONG) {
        if (!take_line(file, what, &has_format, error))
            return false;
        show(file);
    }
    if (what == LINE_FAILED)
        return error_errno(error, "cannot read %s", file->name);
    return (!file->csv || end_csv(file, error)) && check_past(file, true, error) && send(file, error);
}

static bool begin_file(struct file *file, struct error *error)
{
    const struct tool_run *run = file->batch->run;

    if (!import_note_open(&file->note, &run->options, file->name, error))
        return false;
    file->batch->tally = file->note.tally;
    if (file->note.lines > 0)
        (void)fprintf(run->streams->err, "%s: goes on behind line %llu\n", file->name,
                      (unsigned long long)file->note.lines);
    else if (!import_note_write(&file->note, &file->lines, &file->batch->tally, error))
        return false; /* before anything is sent */
    file->parser = json_parser_new();
    return file->parser || error_set(error, ERROR_INTERNAL, "out of memory");
}

static void end_file(struct file *file)
{
    json_parser_free(file->parser);
    csv_reader_free(file->csv);
    import_columns_close(&file->columns);
    import_lines_close(&file->lines);
    arena_clear(&file->tree);
    buf_clear(&file->item);
    free(file);
}

static bool take_stream(struct import_batch *batch, const char *name, FILE *stream, struct error *error)
{
    struct file *file = calloc(1, sizeof *file);
    struct stat status;
    bool ok;

    if (!file)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    file->name = name;
    file->batch = batch;
    file->size = fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
    file->batch->has_bar = isatty(fileno(batch->run->streams->err)) == 1;
    (void)import_format_of(batch->run->options.format, &file->format); /* import_check did */
    import_lines_open(&file->lines, stream);
    arena_init(&file->tree, TREE_MAX_BYTES);
    buf_init(&file->item, 2 * IMPORT_LINE_MAX_BYTES);
    ok = begin_file(file, error) && read_all(file, error);
    if (file->lines.number > 0)
        show_end(file);
    if (ok)
        import_note_remove(&file->note);
    end_file(file);
    return ok;
}

static bool take_file(struct import_batch *batch, const char *name, struct error *error)
{
    FILE *stream;

    if (strcmp(name, "-") == 0)
        return take_stream(batch, name, batch->run->streams->in, error);
    stream = fopen(name, "re");
    if (!stream)
        return error_errno(error, "cannot open %s", name);
    bool ok = take_stream(batch, name, stream, error);
    (void)fclose(stream);
    return ok;
}

/* ---- all of them ---- */

static void add_tally(struct import_tally *sum, struct import_tally *tally)
{
    for (size_t i = 0; i < import_count_count; i++)
        *import_count_of(sum, &import_counts[i]) += *import_count_of(tally, &import_counts[i]);
}

static void print_report(struct tool_run *run, const struct import_batch *batch, struct import_tally *sum)
{
    FILE *out = run->streams->out;

    for (size_t i = 0; i < import_count_count; i++)
        (void)fprintf(out, "%-31s  %lld\n", import_counts[i].label,
                      (long long)*import_count_of(sum, &import_counts[i]));
    for (size_t i = 0; i < IMPORT_REMARKS_MAX && batch->remarks[i].count > 0; i++)
        (void)fprintf(out, "%lld values: %s\n", (long long)batch->remarks[i].count, batch->remarks[i].text);
}

static bool take_all(struct tool_run *run, struct import_batch *batch, struct error *error)
{
    struct import_tally sum = { 0 };

    for (size_t i = 0; i < run->word_count; i++) {
        if (!take_file(batch, run->words[i], error))
            return false;
        add_tally(&sum, &batch->tally);
    }
    print_report(run, batch, &sum);
    return sum.refused == 0 || error_set(error, ERROR_INVALID, "lines refused: %lld; each was listed with its reason",
                                         (long long)sum.refused);
}

/* That the account is there is known before a file is read. */
static bool check_account(struct tool_run *run, struct door *door, struct error *error)
{
    const struct json *settings;
    struct str target;

    return target_make(run, "/api/settings", STR(""), &target, error) &&
           door_ask(door, HTTP_GET, target, STR(""), &run->arena, &settings, error);
}

bool import_run(struct tool_run *run, struct error *error)
{
    struct import_batch *batch = calloc(1, sizeof *batch);
    struct door *door = NULL;

    if (!batch)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    bool ok = door_open(&run->options, false, &door, error) && check_account(run, door, error) &&
              import_batch_open(batch, run, door, error) && take_all(run, batch, error);
    import_batch_close(batch);
    free(batch);
    door_close(door);
    return ok;
}
