/* Keyed hashes of identities and message ids: what can be looked up again but not read back. */
#include "seal/fingerprint.h"

#include <endian.h>
#include <sodium.h>

#define SHORT_KEY_AT (PEPPER_LEN - crypto_shorthash_KEYBYTES)

_Static_assert(PEPPER_LEN == crypto_auth_hmacsha256_KEYBYTES, "a pepper is a key of the HMAC");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "SipHash gives 64 bits");

void pepper_set(struct pepper *pepper, const unsigned char bytes[PEPPER_LEN])
{
    memcpy(pepper->bytes, bytes, PEPPER_LEN);
    (void)crypto_auth_hmacsha256_init(&pepper->begun, bytes, PEPPER_LEN);
}

struct fingerprint fingerprint_of_hash(const struct pepper *pepper, unsigned char kind, const unsigned char sha256[32])
{
    unsigned char message[1 + crypto_hash_sha256_BYTES];
    unsigned char whole[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state hmac = pepper->begun;
    struct fingerprint fingerprint;

    message[0] = kind;
    memcpy(message + 1, sha256, crypto_hash_sha256_BYTES);
    (void)crypto_auth_hmacsha256_update(&hmac, message, sizeof(message));
    (void)crypto_auth_hmacsha256_final(&hmac, whole); /* wipes the state */
    memcpy(fingerprint.bytes, whole, FINGERPRINT_LEN);
    sodium_memzero(message, sizeof(message));
    sodium_memzero(whole, sizeof(whole));
    return fingerprint;
}

struct fingerprint fingerprint_make(const struct pepper *pepper, unsigned char kind, struct str value)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    struct fingerprint fingerprint;

    (void)crypto_hash_sha256(hash, (const unsigned char *)value.at, value.len);
    fingerprint = fingerprint_of_hash(pepper, kind, hash);
    sodium_memzero(hash, sizeof(hash)); /* guessable for an address: nowhere but here */
    return fingerprint;
}

uint64_t fingerprint_short(const struct pepper *pepper, struct str value)
{
    uint64_t hash;

    (void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)value.at, value.len,
                           pepper->bytes + SHORT_KEY_AT);
    return le64toh(hash);
}
