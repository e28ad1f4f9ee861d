/* Log lines, put together in one buffer and written at once so that lines of threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/when.h"

enum { LINE_MAX_BYTES = 1024 };

/* The one variable that the whole process shares: a level is a property of the process's stderr, which is itself shared,
 * and every thread's top would otherwise carry it through all calls for the sake of one comparison. */
static _Atomic int least_level = LOG_INFO;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error",
};

void log_set_level(enum log_level least)
{
    atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
}

/* A line stays a line, and a terminal shows nothing but text, whatever stands in the details. */
static void replace_controls(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = '?';
}

/* Bytes that snprintf left in `room` bytes after it was asked for `wanted`. */
static size_t written(int wanted, size_t room)
{
    if (wanted < 0)
        return 0;
    return (size_t)wanted < room ? (size_t)wanted : room - 1;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    const struct when_clock clock = { 0 };
    char line[LINE_MAX_BYTES + 2], time[WHEN_TEXT_MAX];
    size_t len;
    va_list arguments;

    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    (void)when_write(when_now(&clock), time);
    len = written(snprintf(line, LINE_MAX_BYTES, "%s %s %s", time, level_names[level], event), LINE_MAX_BYTES);
    if (format[0] != '\0' && len + 2 < LINE_MAX_BYTES) {
        line[len++] = ' ';
        va_start(arguments, format);
        len += written(vsnprintf(line + len, LINE_MAX_BYTES - len, format, arguments), LINE_MAX_BYTES - len);
        va_end(arguments);
    }
    replace_controls(line, len);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* there is nobody left to tell */
}
