/* Records of comma-separated values (RFC 4180), from lines that the caller reads. LF and CRLF end a record, quoted fields
 * may hold both; spaces belong to a field. */
#ifndef HABEAS_TOOL_CSV_H
#define HABEAS_TOOL_CSV_H

#include "base/buf.h"

enum { CSV_FIELDS_MAX = 1000 };

struct csv_reader;
/* Records of at most `bytes_max`; NULL when memory is out. */
struct csv_reader *csv_reader_new(size_t bytes_max);
void csv_reader_free(struct csv_reader *reader);

/* Takes one line with its LF. A record is whole when *whole is set: its fields then stand in the reader until the next
 * line; a line without anything is no record. Fails, for good, where a quote stands inside a field or behind one, and
 * where a record grows too large; the error says what and the caller knows the line. */
bool csv_reader_take(struct csv_reader *reader, struct str line, bool *whole, struct error *error);
/* Behind the last line, which may lack its LF. */
bool csv_reader_end(struct csv_reader *reader, bool *whole, struct error *error);
/* True between the lines of a record. */
bool csv_reader_is_inside(const struct csv_reader *reader);

size_t csv_reader_count(const struct csv_reader *reader);
struct str csv_reader_field(const struct csv_reader *reader, size_t index);

#endif
