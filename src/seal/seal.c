/* Sealing records with libsodium's XChaCha20-Poly1305, and the test build that does not. */
#include "seal/seal.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>

#include "base/random.h"

_Static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key of the cipher");
_Static_assert(SEAL_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "the tag of the cipher");

void seal_nonce_start(struct seal_nonce *nonce)
{
    random_bytes(nonce->salt, sizeof(nonce->salt));
    nonce->counter = 0;
}

struct seal_nonce seal_nonce_next(struct seal_nonce *nonce)
{
    struct seal_nonce now = *nonce;

    assert(nonce->counter < UINT64_MAX);
    nonce->counter++;
    return now;
}

#ifdef HABEAS_CONTROL

/* Proves that a search for plain text in the data finds it where nothing is sealed. Never for real data. */
static const unsigned char control_tag[SEAL_TAG_LEN] = "NOT SEALED:TEST";

bool seal_is_control(void)
{
    return true;
}

void seal_close(unsigned char *out, struct str plain, struct str bound, const struct seal_nonce *nonce,
                const struct seal_key *key)
{
    (void)bound;
    (void)nonce;
    (void)key;
    if (plain.len > 0)
        memcpy(out, plain.at, plain.len);
    memcpy(out + plain.len, control_tag, sizeof(control_tag));
}

bool seal_open(unsigned char *out, struct str sealed, struct str bound, const struct seal_nonce *nonce,
               const struct seal_key *key)
{
    (void)bound;
    (void)nonce;
    (void)key;
    if (sealed.len < SEAL_TAG_LEN)
        return false;
    if (memcmp(sealed.at + sealed.len - SEAL_TAG_LEN, control_tag, sizeof(control_tag)) != 0)
        return false;
    if (sealed.len > SEAL_TAG_LEN)
        memcpy(out, sealed.at, sealed.len - SEAL_TAG_LEN);
    return true;
}

#else

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_Static_assert(NONCE_LEN == SEAL_SALT_LEN + sizeof(uint64_t), "salt and counter fill the nonce of the cipher");

bool seal_is_control(void)
{
    return false;
}

/* The counter is little-endian on every machine, so that a vault can be moved. */
static void nonce_bytes(unsigned char out[NONCE_LEN], const struct seal_nonce *nonce)
{
    uint64_t counter = htole64(nonce->counter);

    memcpy(out, nonce->salt, SEAL_SALT_LEN);
    memcpy(out + SEAL_SALT_LEN, &counter, sizeof(counter));
}

void seal_close(unsigned char *out, struct str plain, struct str bound, const struct seal_nonce *nonce,
                const struct seal_key *key)
{
    unsigned char bytes[NONCE_LEN];

    nonce_bytes(bytes, nonce);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, (const unsigned char *)plain.at, plain.len,
                                                     (const unsigned char *)bound.at, bound.len, NULL, bytes,
                                                     key->bytes);
}

bool seal_open(unsigned char *out, struct str sealed, struct str bound, const struct seal_nonce *nonce,
               const struct seal_key *key)
{
    unsigned char bytes[NONCE_LEN];

    if (sealed.len < SEAL_TAG_LEN)
        return false;
    nonce_bytes(bytes, nonce);
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, (const unsigned char *)sealed.at, sealed.len,
                                                      (const unsigned char *)bound.at, bound.len, bytes,
                                                      key->bytes) == 0;
}

#endif
