/* Sealing: XChaCha20-Poly1305 (libsodium) with a nonce of 16 salt and 8 counter bytes.
 * A salt is drawn by each sealing thread at each start and stored with the first record that uses it; its counter
 * never continues after a start, so a restored old vault never repeats a nonce under a key.
 * Only ledger/gate.c and ledger/keyring.c may include this header (tools/check-layers): keys stay behind the gate. */
#ifndef HABEAS_SEAL_SEAL_H
#define HABEAS_SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "seal/seal_mark.h"

#define SEAL_KEY_LEN 32
#define SEAL_SALT_LEN 16
#define SEAL_TAG_LEN 16

struct seal_key {
    unsigned char bytes[SEAL_KEY_LEN];
};
struct seal_nonce {
    unsigned char salt[SEAL_SALT_LEN];
    uint64_t counter;
};

/* Draws a fresh salt and starts its counter at 0: once for each sealing thread and start. */
void seal_nonce_start(struct seal_nonce *nonce);
/* Returns the nonce to use now and moves on, so that none is handed out twice. */
struct seal_nonce seal_nonce_next(struct seal_nonce *nonce);

/* Writes plain.len + SEAL_TAG_LEN bytes to `out`, which may not overlap the input. Never fails. */
void seal_close(unsigned char *out, struct str plain, struct str bound, const struct seal_nonce *nonce,
                const struct seal_key *key);
/* Writes sealed.len - SEAL_TAG_LEN bytes to `out`; false when the text, nonce, key or `bound` is not what was sealed. */
bool seal_open(unsigned char *out, struct str sealed, struct str bound, const struct seal_nonce *nonce,
               const struct seal_key *key);

#endif
