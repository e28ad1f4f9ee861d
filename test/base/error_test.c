/* Errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void an_error_gets_its_place_in_front(void **state)
{
    struct error error = { 0 };

    (void)state;
    assert_false(error_set(&error, ERROR_INVALID, "%s is unknown", "purpose"));
    assert_false(error_within(&error, "row %d", 7));
    assert_false(error_within(&error, "batch"));
    assert_string_equal(error.text, "batch: row 7: purpose is unknown");
    assert_int_equal(error.code, ERROR_INVALID);
}

static void long_texts_are_cut_and_stay_texts(void **state)
{
    struct error error = { 0 };
    char long_text[1000];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    error_set(&error, ERROR_INTERNAL, "%s", long_text);
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    error_within(&error, "%s", long_text);
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    error_within(&error, "place");
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    assert_memory_equal(error.text, "place: xxx", 10);
}

static void errno_becomes_text_and_a_full_disk_its_own_code(void **state)
{
    struct error error = { 0 };

    (void)state;
    errno = ENOENT;
    assert_false(error_errno(&error, "open %s", "keys"));
    assert_string_equal(error.text, "open keys: No such file or directory");
    assert_int_equal(error.code, ERROR_DATABASE);
    errno = ENOSPC;
    error_errno(&error, "write");
    assert_int_equal(error.code, ERROR_FULL);
    errno = EDQUOT;
    error_errno(&error, "write");
    assert_int_equal(error.code, ERROR_FULL);
}

static void every_code_has_a_name_of_its_own_and_a_status(void **state)
{
    (void)state;
    for (enum error_code code = ERROR_NONE; code < ERROR_CODES; code++) {
        assert_non_null(error_name(code));
        assert_true(code == ERROR_NONE ? error_status(code) == 200 : error_status(code) >= 400);
        for (enum error_code other = ERROR_NONE; other < code; other++)
            assert_string_not_equal(error_name(code), error_name(other));
    }
    assert_string_equal(error_name(ERROR_NOT_FOUND), "not_found");
    assert_int_equal(error_status(ERROR_FULL), 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_gets_its_place_in_front),
        cmocka_unit_test(long_texts_are_cut_and_stay_texts),
        cmocka_unit_test(errno_becomes_text_and_a_full_disk_its_own_code),
        cmocka_unit_test(every_code_has_a_name_of_its_own_and_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
