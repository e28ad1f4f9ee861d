/* Fingerprints against plain calls of the hashes they are made of, and against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "seal/fingerprint.h"

static struct pepper counting_pepper(void)
{
    unsigned char bytes[PEPPER_LEN];
    struct pepper pepper;

    for (size_t i = 0; i < PEPPER_LEN; i++)
        bytes[i] = (unsigned char)i;
    pepper_set(&pepper, bytes);
    return pepper;
}

static void a_fingerprint_is_the_hmac_of_kind_and_hash(void **state)
{
    static const char *const values[] = { "", "a", "wanda@example.org", "+491701234567",
                                          "a value that is longer than one block of the hash, which has sixty-four" };
    static const unsigned char kinds[] = { 0, 1, 7, 64, 255 };
    struct pepper pepper = counting_pepper();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        for (size_t j = 0; j < COUNT_OF(kinds); j++) {
            unsigned char message[33] = { kinds[j] }, whole[32];

            crypto_hash_sha256(message + 1, (const unsigned char *)values[i], strlen(values[i]));
            crypto_auth_hmacsha256(whole, message, sizeof(message), pepper.bytes);
            struct fingerprint made = fingerprint_make(&pepper, kinds[j], str_of(values[i]));
            struct fingerprint of_hash = fingerprint_of_hash(&pepper, kinds[j], message + 1);
            assert_memory_equal(made.bytes, whole, FINGERPRINT_LEN);
            assert_memory_equal(of_hash.bytes, whole, FINGERPRINT_LEN);
        }
}

/* Computed with another program: python3 -c 'import hmac, hashlib; ...' over the same bytes. */
static void a_fingerprint_is_what_it_was_when_it_was_stored(void **state)
{
    static const unsigned char expected[FINGERPRINT_LEN] = { 0x19, 0xe5, 0xd0, 0xc8, 0x91, 0x4d, 0xac, 0x11,
                                                             0xcd, 0x6b, 0x20, 0xd8, 0x50, 0x88, 0x61, 0x22 };
    struct pepper pepper = counting_pepper();
    struct fingerprint made = fingerprint_make(&pepper, 3, STR("wanda@example.org"));

    (void)state;
    assert_memory_equal(made.bytes, expected, FINGERPRINT_LEN);
}

static void pepper_kind_and_value_each_count(void **state)
{
    struct pepper pepper = counting_pepper(), other = counting_pepper();
    struct fingerprint prints[4];

    (void)state;
    unsigned char bytes[PEPPER_LEN];

    memcpy(bytes, pepper.bytes, sizeof bytes);
    bytes[PEPPER_LEN - 1] ^= 1;
    pepper_set(&other, bytes);
    prints[0] = fingerprint_make(&pepper, 1, STR("a"));
    prints[1] = fingerprint_make(&other, 1, STR("a"));
    prints[2] = fingerprint_make(&pepper, 2, STR("a"));
    prints[3] = fingerprint_make(&pepper, 1, STR("b"));
    for (size_t i = 0; i < COUNT_OF(prints); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(prints[i].bytes, prints[j].bytes, FINGERPRINT_LEN);
}

/* The first and the 16th vector of the SipHash authors: key 00..0f, texts "" and 00 01 02 … 0e. */
static void the_short_hash_is_siphash_2_4(void **state)
{
    struct pepper pepper = { 0 };
    char text[15];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    for (size_t i = 0; i < 16; i++)
        pepper.bytes[16 + i] = (unsigned char)i;
    assert_true(fingerprint_short(&pepper, (struct str){ NULL, 0 }) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(fingerprint_short(&pepper, (struct str){ text, sizeof(text) }) == UINT64_C(0xa129ca6149be45e5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_is_the_hmac_of_kind_and_hash),
        cmocka_unit_test(a_fingerprint_is_what_it_was_when_it_was_stored),
        cmocka_unit_test(pepper_kind_and_value_each_count),
        cmocka_unit_test(the_short_hash_is_siphash_2_4),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
