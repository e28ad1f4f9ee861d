/* Sealing: what was sealed comes back, and nothing else does. In the control build, that its mark is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "seal/seal.h"

#define PLAIN_MAX 300

static const struct seal_key key = { "0123456789abcdef0123456789abcde" };
static const struct seal_nonce nonce = { "salt salt salt s", 7 };

static bool reopens(struct str sealed, struct str bound, const struct seal_nonce *with, const struct seal_key *under)
{
    unsigned char out[PLAIN_MAX + SEAL_TAG_LEN];

    return seal_open(out, sealed, bound, with, under);
}

static void what_was_sealed_comes_back(void **state)
{
    static const size_t lens[] = { 0, 1, 15, 16, 17, 63, 64, 65, 255, PLAIN_MAX };
    char plain[PLAIN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (char)(i * 7);
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        unsigned char sealed[PLAIN_MAX + SEAL_TAG_LEN], opened[PLAIN_MAX];
        struct str whole = { (const char *)sealed, lens[i] + SEAL_TAG_LEN };

        seal_close(sealed, (struct str){ lens[i] ? plain : NULL, lens[i] }, STR("bound"), &nonce, &key);
        assert_true(seal_open(opened, whole, STR("bound"), &nonce, &key));
        assert_memory_equal(opened, plain, lens[i]);
        if (lens[i] >= 16) /* the control build shows that this search can find it */
            assert_int_equal(memmem(sealed, whole.len, plain, lens[i]) != NULL, seal_is_control());
    }
}

/* Each byte, each bit of the first and last; the control build looks at its mark alone. */
static void each_changed_byte_is_noticed(void **state)
{
    unsigned char sealed[40 + SEAL_TAG_LEN];
    struct str whole = { (const char *)sealed, sizeof(sealed) };

    (void)state;
    seal_close(sealed, STR("forty bytes of something that is private"), STR("bound"), &nonce, &key);
    for (size_t i = 0; i < sizeof(sealed); i++)
        for (int bit = 0; bit < 8; bit++) {
            sealed[i] ^= (unsigned char)(1 << bit);
            assert_int_equal(reopens(whole, STR("bound"), &nonce, &key), seal_is_control() && i < 40);
            sealed[i] ^= (unsigned char)(1 << bit);
        }
    assert_true(reopens(whole, STR("bound"), &nonce, &key));
}

static void it_opens_only_as_it_was_closed(void **state)
{
    const struct seal_key other_key = { "0123456789abcdef0123456789abcdX" };
    const struct seal_nonce other_salt = { "salt salt salt X", 7 }, other_counter = { "salt salt salt s", 8 },
                            high_counter = { "salt salt salt s", UINT64_C(7) << 56 };
    const struct {
        const char *name;
        struct str bound;
        const struct seal_nonce *nonce;
        const struct seal_key *key;
    } cases[] = {
        { "another bound text", STR("bounD"), &nonce, &key },
        { "a shorter bound text", STR("boun"), &nonce, &key },
        { "a longer bound text", STR("bound\0"), &nonce, &key },
        { "no bound text", { NULL, 0 }, &nonce, &key },
        { "another salt", STR("bound"), &other_salt, &key },
        { "another counter", STR("bound"), &other_counter, &key },
        { "a counter with its bytes turned", STR("bound"), &high_counter, &key },
        { "another key", STR("bound"), &nonce, &other_key },
    };
    unsigned char sealed[7 + SEAL_TAG_LEN];
    struct str whole = { (const char *)sealed, sizeof(sealed) };

    (void)state;
    seal_close(sealed, STR("private"), STR("bound"), &nonce, &key);
    assert_true(reopens(whole, STR("bound"), &nonce, &key));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (reopens(whole, cases[i].bound, cases[i].nonce, cases[i].key) != seal_is_control())
            fail_msg("case '%s'", cases[i].name);
}

static void what_is_cut_off_does_not_open(void **state)
{
    unsigned char sealed[7 + SEAL_TAG_LEN];

    (void)state;
    seal_close(sealed, STR("private"), STR("bound"), &nonce, &key);
    for (size_t len = 0; len < sizeof(sealed); len++)
        assert_false(reopens((struct str){ (const char *)sealed, len }, STR("bound"), &nonce, &key));
}

/* The layout is settled: salt and little-endian counter make the nonce of XChaCha20-Poly1305. */
static void the_form_is_that_of_the_cipher(void **state)
{
    static const unsigned char whole_nonce[24] = "salt salt salt s\7\0\0\0\0\0\0";
    unsigned char sealed[7 + SEAL_TAG_LEN], expected[7 + SEAL_TAG_LEN];

    (void)state;
    crypto_aead_xchacha20poly1305_ietf_encrypt(expected, NULL, (const unsigned char *)"private", 7,
                                               (const unsigned char *)"bound", 5, NULL, whole_nonce, key.bytes);
    seal_close(sealed, STR("private"), STR("bound"), &nonce, &key);
    assert_int_equal(memcmp(sealed, expected, sizeof(sealed)) == 0, !seal_is_control());
}

static void no_nonce_comes_twice(void **state)
{
    struct seal_nonce one, two;

    (void)state;
    seal_nonce_start(&one);
    seal_nonce_start(&two);
    assert_memory_not_equal(one.salt, two.salt, SEAL_SALT_LEN);
    for (uint64_t i = 0; i < 1000; i++) {
        struct seal_nonce now = seal_nonce_next(&one);

        assert_int_equal(now.counter, i);
        assert_memory_equal(now.salt, one.salt, SEAL_SALT_LEN);
    }
    assert_int_equal(two.counter, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_comes_back),     cmocka_unit_test(each_changed_byte_is_noticed),
        cmocka_unit_test(it_opens_only_as_it_was_closed), cmocka_unit_test(what_is_cut_off_does_not_open),
        cmocka_unit_test(the_form_is_that_of_the_cipher), cmocka_unit_test(no_nonce_comes_twice),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
