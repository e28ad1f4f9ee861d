/* Answers as people read them: aligned text, in which nothing from outside can move a terminal's cursor. */
#ifndef HABEAS_TOOL_PRINT_H
#define HABEAS_TOOL_PRINT_H

#include "base/json_read.h"
#include "tool/tool.h"

/* One column of a table: its heading, and the member of each row that stands in it. */
struct print_column {
    const char *heading, *member;
};
enum { PRINT_COLUMNS_MAX = 8 };

/* An array of objects as a table; members that are absent or null show as "-". */
bool print_table(struct tool_run *run, const struct json *rows, const struct print_column *columns, size_t count,
                 struct error *error);
/* The members of an object that are neither objects nor arrays, one a line. */
bool print_members(struct tool_run *run, const struct json *object, struct error *error);
/* The document as it was received, on a line of its own. */
void print_json(struct tool_run *run, const struct json *document);

#endif
