/* Shared by the files of `import` only: lines become items, items become calls, and a note tells how far it came. */
#ifndef HABEAS_TOOL_IMPORT_PARTS_H
#define HABEAS_TOOL_IMPORT_PARTS_H

#include "base/json_read.h"
#include "tool/csv.h"
#include "tool/door.h"

/* Of one line, and of one record of CSV. */
#define IMPORT_LINE_MAX_BYTES ((size_t)8 * 1024 * 1024)
enum { IMPORT_CHAIN_LEN = 32, IMPORT_ID_MAX = 48 };

/* ---- import_lines.c: lines, and what identifies them ---- */

enum import_line { LINE_READ, LINE_TOO_LONG, LINE_END, LINE_FAILED };
struct import_lines {
    FILE *stream;
    struct buf line; /* with its LF, where it has one; JSON_PADDING bytes lie behind it */
    size_t at, len;
    uint64_t number; /* of the line read last, from 1 */
    uint64_t bytes;
    unsigned char chain[IMPORT_CHAIN_LEN]; /* hash of all lines so far, in their order */
    char block[64 * 1024];
};
void import_lines_open(struct import_lines *lines, FILE *stream);
void import_lines_close(struct import_lines *lines); /* leaves the stream open */
/* What is too long is read past. A byte-order mark before the first line is left out. */
enum import_line import_lines_next(struct import_lines *lines);
/* The message id of an event that has none: the same for the same lines from the beginning on. */
void import_lines_id(const struct import_lines *lines, char out[IMPORT_ID_MAX]);

/* ---- import_note.c: how far it came, in a file beside the input ---- */

struct import_tally {
    int64_t taken, repeated, refused, suppressed, dropped, opt_ins, opt_outs;
};
/* One row a count: as it is printed, kept in the note and named by the server (empty: counted here). */
struct import_count {
    const char *label, *member;
    size_t offset;
};
extern const struct import_count import_counts[];
extern const size_t import_count_count;
int64_t *import_count_of(struct import_tally *tally, const struct import_count *row);

struct import_note {
    char path[4096]; /* empty: none is kept */
    char target[33]; /* which account of which data directory */
    uint64_t lines;
    unsigned char chain[IMPORT_CHAIN_LEN];
    struct import_tally tally;
};
/* Reads what an earlier run left beside `file` (lines 0: nothing). Fails where that was for another account or cannot be
 * understood. */
bool import_note_open(struct import_note *note, const struct tool_options *options, const char *file,
                      struct error *error);
/* Everything up to this line is answered for. */
bool import_note_write(struct import_note *note, const struct import_lines *lines, const struct import_tally *tally,
                       struct error *error);
void import_note_remove(const struct import_note *note);

/* ---- import_item.c: what a line says ---- */

enum import_kind { IMPORT_USER, IMPORT_EVENT, IMPORT_MESSAGE, IMPORT_KINDS };
enum import_format { FORMAT_AUTO, FORMAT_CSV, FORMAT_WEBENGAGE, FORMAT_SEGMENT, FORMATS };
bool import_format_of(const char *text, enum import_format *out);

/* One column of a CSV file. */
struct import_column;
struct import_columns {
    struct import_column *rows;
    size_t count;
    struct arena arena;
};
/* Checks --types alone. */
bool import_types_check(const char *types, struct error *error);
bool import_columns_open(struct import_columns *columns, const struct csv_reader *header, const char *types,
                         struct error *error);
void import_columns_close(struct import_columns *columns);

/* These write the item as JSON; a failure is why the line is refused, and holds no value of it. */
bool import_item_of_record(const struct import_columns *columns, const struct csv_reader *record, struct buf *out,
                           struct error *error);
bool import_item_of_json(const struct json *object, enum import_format format, const char *message_id,
                         enum import_kind *kind, struct buf *out, struct error *error);

/* ---- import_batch.c: what goes in one call, and what the answer says ---- */

enum { IMPORT_BATCH_LINES = 500 };
struct import_refusal {
    uint64_t line;
    struct str why;
};
struct import_pile {
    struct buf items;
    uint64_t lines[IMPORT_BATCH_LINES];
    size_t ends[IMPORT_BATCH_LINES];
    size_t count;
};
enum { IMPORT_REMARKS_MAX = 16 };
struct import_batch {
    struct tool_run *run;
    struct door *door;
    struct str targets[IMPORT_KINDS];
    struct arena arena; /* of one batch */
    struct import_pile piles[IMPORT_KINDS];
    struct import_refusal refusals[IMPORT_BATCH_LINES];
    size_t refusal_count;
    bool has_bar;              /* a line on the terminal that is not ended */
    struct import_tally tally; /* of the file */
    struct {
        char text[160];
        int64_t count;
    } remarks[IMPORT_REMARKS_MAX]; /* what was not taken of lines that were, in this run */
};
bool import_batch_open(struct import_batch *batch, struct tool_run *run, struct door *door, struct error *error);
void import_batch_close(struct import_batch *batch);
bool import_batch_is_full(const struct import_batch *batch);
/* The batch is not full. */
void import_batch_add(struct import_batch *batch, enum import_kind kind, uint64_t line, struct str item);
bool import_batch_refuse(struct import_batch *batch, uint64_t line, struct str why, struct error *error);
/* Sends what waits and prints what was refused as of `file`. */
bool import_batch_send(struct import_batch *batch, const char *file, struct error *error);

#endif
