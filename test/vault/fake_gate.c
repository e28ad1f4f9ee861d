/* Stands in for ledger/gate.c: the linker takes these functions before it looks into the library. */
#include "fake_gate.h"

#include <sodium.h>
#include <string.h>

struct grant {
    uint32_t account, ordinal;
    unsigned char key[32];
};

static struct grant only;
static unsigned char salt[GRANT_SALT_LEN];
static uint64_t counter;

const struct grant *fake_grant(uint32_t account, uint32_t ordinal)
{
    const uint32_t both[2] = { account, ordinal };

    only.account = account;
    only.ordinal = ordinal;
    crypto_generichash(only.key, sizeof(only.key), (const unsigned char *)both, sizeof(both), NULL, 0);
    return &only;
}

void fake_new_salt(void)
{
    randombytes_buf(salt, sizeof(salt));
    counter = 0;
}

uint32_t grant_account(const struct grant *grant)
{
    return grant->account;
}

uint32_t grant_ordinal(const struct grant *grant)
{
    return grant->ordinal;
}

static void nonce_bytes(const struct record_nonce *nonce, unsigned char out[24])
{
    memcpy(out, nonce->salt, GRANT_SALT_LEN);
    memcpy(out + GRANT_SALT_LEN, &nonce->counter, sizeof(nonce->counter));
}

void grant_seal(const struct grant *grant, struct str plain, struct str bound, struct record_nonce *nonce,
                unsigned char *out)
{
    unsigned char bytes[24];

    memcpy(nonce->salt, salt, sizeof(nonce->salt));
    nonce->counter = ++counter;
    nonce_bytes(nonce, bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, (const unsigned char *)plain.at, plain.len,
                                               (const unsigned char *)bound.at, bound.len, NULL, bytes, grant->key);
}

bool grant_unseal(const struct grant *grant, struct str sealed, struct str bound, const struct record_nonce *nonce,
                  unsigned char *out, struct error *error)
{
    unsigned char bytes[24];

    nonce_bytes(nonce, bytes);
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, (const unsigned char *)sealed.at, sealed.len,
                                                      (const unsigned char *)bound.at, bound.len, bytes,
                                                      grant->key) == 0 ||
           error_set(error, ERROR_CORRUPT, "altered");
}
