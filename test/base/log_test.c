/* The log: what reaches stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

/* Stderr goes into a pipe while `write_lines` runs; returns what came out, as text. */
static void capture(void (*write_lines)(void), char *out, size_t size)
{
    int ends[2], kept = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    write_lines();
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(ends[1]);
    close(kept);
    ssize_t len = read(ends[0], out, size - 1);
    out[len > 0 ? len : 0] = '\0';
    close(ends[0]);
}

static void of_every_level(void)
{
    log_line(LOG_DEBUG, "quiet", "%s", "");
    log_line(LOG_INFO, "started", "port=%d", 8080);
    log_set_level(LOG_ERROR);
    log_line(LOG_WARNING, "unheard", "%s", "");
    log_line(LOG_ERROR, "broke", "text=%s", "a\nb\x1b[31m\x7f");
    log_set_level(LOG_INFO);
}

static void very_long(void)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_line(LOG_INFO, "long", "%s", text);
    log_line(LOG_INFO, text, "a=%d", 1);
    log_line(LOG_INFO, "after", "a=%d", 1);
}

static void a_line_has_time_level_event_and_details(void **state)
{
    char out[4096], *second;

    (void)state;
    capture(of_every_level, out, sizeof(out));
    second = strchr(out, '\n');
    assert_non_null(second);
    *second++ = '\0';
    assert_string_equal(out + 24, " info started port=8080");
    assert_int_equal(out[23], 'Z');
    assert_string_equal(second + 24, " error broke text=a?b?[31m?\n");
}

static void a_long_line_is_cut_and_ends(void **state)
{
    char out[8192];
    size_t lines = 0;

    (void)state;
    capture(very_long, out, sizeof(out));
    for (char *at = out; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 3);
    assert_true(strlen(out) < 2200);
    assert_non_null(strstr(out, " info after a=1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_details),
        cmocka_unit_test(a_long_line_is_cut_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
