/* A key sealed under another key: what key slots and wrapped account keys share. Inside seal/ only.
 * The test build whose seal does nothing wraps keys all the same. */
#ifndef HABEAS_SEAL_WRAP_H
#define HABEAS_SEAL_WRAP_H

#include "seal/seal.h"

#define WRAP_NONCE_LEN 24
#define WRAP_BODY_LEN (SEAL_KEY_LEN + SEAL_TAG_LEN)

void wrap_close(unsigned char out[WRAP_BODY_LEN], const struct seal_key *key, const unsigned char nonce[WRAP_NONCE_LEN],
                struct str bound, const struct seal_key *under);
/* False, with `out` wiped, when key, nonce or `bound` is another than when it was closed. */
bool wrap_open(struct seal_key *out, const unsigned char body[WRAP_BODY_LEN], const unsigned char nonce[WRAP_NONCE_LEN],
               struct str bound, const struct seal_key *under);

#endif
