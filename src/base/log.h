/* One line an event to stderr: RFC 3339 time, level, what, details. Only the top of a thread logs.
 * No personal data: identifiers, property values and free text from outside never reach these calls. */
#ifndef HABEAS_BASE_LOG_H
#define HABEAS_BASE_LOG_H

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Sets the least level that is written; LOG_INFO until set. Reopening is left to the one who holds stderr. */
void log_set_level(enum log_level least);
/* `event` is a fixed snake_case word; the format makes `key=value` pairs. A line is written whole, in one write(2),
 * with control characters replaced. */
void log_line(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
