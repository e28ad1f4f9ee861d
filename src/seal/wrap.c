/* Keys under keys: the master key wraps account keys and peppers, an account key wraps the keys of its subjects. */
#include "seal/wrap.h"

#include <sodium.h>

#include "base/random.h"
#include "seal/keyfile.h"

_Static_assert(WRAP_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the nonce of the cipher");
_Static_assert(WRAPPED_LEN == WRAP_NONCE_LEN + WRAP_BODY_LEN, "a nonce and what it closed");

void wrap_close(unsigned char out[WRAP_BODY_LEN], const struct seal_key *key, const unsigned char nonce[WRAP_NONCE_LEN],
                struct str bound, const struct seal_key *under)
{
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, NULL, key->bytes, SEAL_KEY_LEN, (const unsigned char *)bound.at, bound.len, NULL, nonce, under->bytes);
}

bool wrap_open(struct seal_key *out, const unsigned char body[WRAP_BODY_LEN], const unsigned char nonce[WRAP_NONCE_LEN],
               struct str bound, const struct seal_key *under)
{
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out->bytes, NULL, NULL, body, WRAP_BODY_LEN,
                                                   (const unsigned char *)bound.at, bound.len, nonce,
                                                   under->bytes) == 0)
        return true;
    sodium_memzero(out, sizeof(*out));
    return false;
}

void key_wrap(unsigned char out[WRAPPED_LEN], const struct seal_key *key, const struct seal_key *under,
              struct str label)
{
    random_bytes(out, WRAP_NONCE_LEN);
    wrap_close(out + WRAP_NONCE_LEN, key, out, label, under);
}

bool key_unwrap(struct seal_key *out, struct str wrapped, const struct seal_key *under, struct str label)
{
    const unsigned char *at = (const unsigned char *)wrapped.at;

    if (wrapped.len != WRAPPED_LEN) {
        sodium_memzero(out, sizeof(*out));
        return false;
    }
    return wrap_open(out, at + WRAP_NONCE_LEN, at, label, under);
}
