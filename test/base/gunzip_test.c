/* Gzip: what was packed comes back, bombs and broken streams are refused, by what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/gunzip.h"

#define MIB ((size_t)1024 * 1024)
enum { PADDING = 64 };

/* On the heap, in exactly its length, so that a sanitizer sees whoever reads past it. */
static struct str packed(struct str plain)
{
    unsigned char *made = malloc(plain.len + 1024);
    z_stream stream = { .next_in = (unsigned char *)plain.at, .avail_in = (unsigned)plain.len };

    assert_non_null(made);
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = made;
    stream.avail_out = (unsigned)plain.len + 1024;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t len = stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    made = realloc(made, len);
    return (struct str){ (char *)made, len };
}

static char *noise(size_t len)
{
    char *made = malloc(len + 1);
    uint32_t seed = 7;

    assert_non_null(made);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        made[i] = (char)(seed >> 24);
    }
    return made;
}

static void what_was_packed_comes_back_with_its_padding(void **state)
{
    const size_t lengths[] = { 0, 1, 100, 70000, MIB };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        char *plain = noise(lengths[i]);
        struct str gzip = packed((struct str){ plain, lengths[i] }), out;
        struct error error = { 0 };
        struct arena arena;

        arena_init(&arena, 4 * MIB);
        assert_true(gunzip_is(gzip));
        assert_true(gunzip(gzip, MIB, PADDING, &arena, &out, &error));
        assert_int_equal(out.len, lengths[i]);
        assert_memory_equal(out.at, plain, lengths[i]);
        for (size_t j = 0; j < PADDING; j++)
            assert_int_equal(out.at[out.len + j], 0);
        arena_clear(&arena);
        free((char *)gzip.at);
        free(plain);
    }
}

static enum error_code refusal(struct str gzip, size_t max, size_t *used)
{
    struct error error = { 0 };
    struct arena arena;
    struct str out;

    arena_init(&arena, 64 * MIB);
    bool ok = gunzip(gzip, max, PADDING, &arena, &out, &error);
    if (used)
        *used = arena.used;
    arena_clear(&arena);
    assert_true(ok == (error.code == ERROR_NONE));
    return error.code;
}

static void a_bomb_is_too_large_and_takes_no_more_than_the_limit(void **state)
{
    char *plain = calloc(1, 64 * MIB);
    struct str gzip = packed((struct str){ plain, 64 * MIB });
    size_t used = 0;

    (void)state;
    assert_true(gzip.len < 100000);
    assert_int_equal(refusal(gzip, MIB, &used), ERROR_TOO_LARGE);
    assert_true(used < 3 * MIB);
    /* The same when it says of itself that it is small. */
    memset((char *)gzip.at + gzip.len - 4, 0, 4);
    assert_int_equal(refusal(gzip, MIB, &used), ERROR_TOO_LARGE);
    assert_true(used < MIB);
    free((char *)gzip.at);
    free(plain);
}

static void the_limit_itself_still_fits(void **state)
{
    char *plain = noise(1000);
    struct str gzip = packed((struct str){ plain, 1000 });

    (void)state;
    assert_int_equal(refusal(gzip, 1000, NULL), ERROR_NONE);
    assert_int_equal(refusal(gzip, 999, NULL), ERROR_TOO_LARGE);
    free((char *)gzip.at);
    free(plain);
}

/* Whatever single byte is changed, and wherever it is cut. */
static void what_is_not_whole_is_invalid(void **state)
{
    char *plain = noise(300);
    struct str gzip = packed((struct str){ plain, 300 });
    char *longer = malloc(gzip.len + 1);

    (void)state;
    for (size_t len = 3; len < gzip.len; len++)
        assert_int_not_equal(refusal((struct str){ gzip.at, len }, MIB, NULL), ERROR_NONE);
    for (size_t i = 10; i < gzip.len; i++) {
        ((char *)gzip.at)[i] ^= 0x55;
        assert_int_not_equal(refusal(gzip, MIB, NULL), ERROR_NONE);
        ((char *)gzip.at)[i] ^= 0x55;
    }
    memcpy(longer, gzip.at, gzip.len);
    longer[gzip.len] = 'x';
    assert_int_equal(refusal((struct str){ longer, gzip.len + 1 }, MIB, NULL), ERROR_INVALID);
    assert_int_equal(refusal((struct str){ gzip.at, gzip.len - 1 }, MIB, NULL), ERROR_INVALID);
    free(longer);
    free((char *)gzip.at);
    free(plain);
}

static void only_its_first_bytes_tell(void **state)
{
    (void)state;
    assert_true(gunzip_is(STR("\x1f\x8b\x08")));
    assert_false(gunzip_is(STR("\x1f\x8b")));
    assert_false(gunzip_is(STR("{\"a\":1}")));
    assert_false(gunzip_is(STR("\x1f\x8b\x07 ")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back_with_its_padding),
        cmocka_unit_test(a_bomb_is_too_large_and_takes_no_more_than_the_limit),
        cmocka_unit_test(the_limit_itself_still_fits),
        cmocka_unit_test(what_is_not_whole_is_invalid),
        cmocka_unit_test(only_its_first_bytes_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
