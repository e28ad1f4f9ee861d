/* See print.h. */
#include "tool/print.h"

#include <assert.h>
#include <string.h>

static void out(struct tool_run *run, struct str text)
{
    /* A failure sticks to the stream and is told when the command ends. */
    (void)fwrite(text.at ? text.at : "", 1, text.len, run->streams->out);
}

/* Control characters, DEL and those of Latin-1 (C2 80 to C2 9F in UTF-8) become '?'. */
static void tame(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte < 0x20 || byte == 0x7F)
            text[i] = '?';
        else if (byte == 0xC2 && i + 1 < len && (unsigned char)text[i + 1] < 0xA0)
            text[i] = text[i + 1] = '?';
    }
}

/* at == NULL only when the arena is full. */
static struct str text_of(const struct json *value, struct arena *arena)
{
    struct str text;

    if (!value || value->kind == JSON_NULL)
        return STR("-");
    text = arena_copy(arena, value->kind == JSON_STRING ? json_text(value, arena) : value->raw);
    if (text.len == 0)
        return value->kind == JSON_STRING && value->raw.len == 2 ? STR("\"\"") : text;
    tame((char *)text.at, text.len);
    return text;
}

static void write_padded(struct tool_run *run, struct str text, size_t width)
{
    size_t points = str_code_points(text);

    out(run, text);
    for (; points < width; points++)
        out(run, STR(" "));
}

static size_t widest(size_t width, struct str text)
{
    size_t points = str_code_points(text);

    return points > width ? points : width;
}

static bool no_room(struct error *error)
{
    return error_set(error, ERROR_TOO_LARGE, "the answer is too large to be laid out: use --json");
}

/* ---- a table ---- */

/* Cells row by row, headings first. */
struct grid {
    struct str *cells;
    size_t rows, columns, widths[PRINT_COLUMNS_MAX];
};

static void put(struct grid *grid, size_t row, size_t column, struct str text)
{
    grid->cells[row * grid->columns + column] = text;
    grid->widths[column] = widest(grid->widths[column], text);
}

static bool fill(struct grid *grid, const struct json *rows, const struct print_column *columns, struct arena *arena)
{
    size_t row = 0;

    for (size_t i = 0; i < grid->columns; i++)
        put(grid, row, i, str_of(columns[i].heading));
    for (const struct json *object = json_first(rows); object; object = json_next(rows, object)) {
        row++;
        for (size_t i = 0; i < grid->columns; i++) {
            struct str text = text_of(json_member(object, str_of(columns[i].member)), arena);
            if (!text.at)
                return false;
            put(grid, row, i, text);
        }
    }
    return true;
}

bool print_table(struct tool_run *run, const struct json *rows, const struct print_column *columns, size_t count,
                 struct error *error)
{
    struct grid grid = { .rows = 1, .columns = count };

    assert(count <= PRINT_COLUMNS_MAX);
    if (!rows || rows->kind != JSON_ARRAY)
        return error_set(error, ERROR_INTERNAL, "the answer holds no list: is the server of another version?");
    grid.rows += rows->count;
    grid.cells = ARENA_NEW(&run->arena, struct str, grid.rows * count);
    if (!grid.cells || !fill(&grid, rows, columns, &run->arena))
        return no_room(error);
    for (size_t row = 0; row < grid.rows; row++) {
        for (size_t i = 0; i < count; i++)
            write_padded(run, grid.cells[row * count + i], i + 1 < count ? grid.widths[i] + 2 : 0);
        out(run, STR("\n"));
    }
    return true;
}

/* ---- one object ---- */

static bool is_scalar(const struct json *value)
{
    return value->kind != JSON_OBJECT && value->kind != JSON_ARRAY;
}

bool print_members(struct tool_run *run, const struct json *object, struct error *error)
{
    size_t width = 0;

    for (const struct json *member = json_first(object); member; member = json_next(object, member))
        if (is_scalar(member))
            width = widest(width, member->name);
    for (const struct json *member = json_first(object); member; member = json_next(object, member)) {
        struct str text = is_scalar(member) ? text_of(member, &run->arena) : STR("");
        if (!text.at)
            return no_room(error);
        if (!is_scalar(member))
            continue;
        write_padded(run, member->name, width + 2);
        out(run, text);
        out(run, STR("\n"));
    }
    return true;
}

void print_json(struct tool_run *run, const struct json *document)
{
    out(run, document->raw);
    out(run, STR("\n"));
}
