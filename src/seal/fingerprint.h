/* Fingerprints: how identities are looked up and remembered without being held.
 * HMAC-SHA-256(pepper, kind byte, SHA-256 of the normalised value), cut to 16 bytes. */
#ifndef HABEAS_SEAL_FINGERPRINT_H
#define HABEAS_SEAL_FINGERPRINT_H

#include <sodium.h>

#include "base/str.h"

#define FINGERPRINT_LEN 16
#define PEPPER_LEN 32

struct fingerprint {
    unsigned char bytes[FINGERPRINT_LEN];
};
/* Made by pepper_set; as secret as the bytes it is made of, wherever it is copied. */
struct pepper {
    unsigned char bytes[PEPPER_LEN];
    crypto_auth_hmacsha256_state begun; /* the HMAC with its key taken in: the same for every fingerprint */
};
void pepper_set(struct pepper *pepper, const unsigned char bytes[PEPPER_LEN]);

/* `kind` is the identity kind's stored number (ledger/identity.h), or another domain above 63. */
struct fingerprint fingerprint_make(const struct pepper *pepper, unsigned char kind, struct str value);
/* From a SHA-256 that someone else made of the normalised value (OpenDSR). */
struct fingerprint fingerprint_of_hash(const struct pepper *pepper, unsigned char kind, const unsigned char sha256[32]);
/* Keyed 64-bit hash of a message id (SipHash-2-4 under the pepper's second half), for de-duplication within an account.
 * The number is little-endian on every machine, because it is stored. */
uint64_t fingerprint_short(const struct pepper *pepper, struct str value);

#endif
