/* The keys above the subjects' keys: the master key, each account's key and pepper. In locked memory, wiped at the
 * end; the master key is read once. This module and gate.c are the only ones that see key bytes. */
#ifndef HABEAS_LEDGER_KEYRING_H
#define HABEAS_LEDGER_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "seal/fingerprint.h"
#include "seal/keyfile.h"

struct keyring;
/* What one account needs in the clear while it is served; lives as long as the keyring. */
struct account_keys {
    struct seal_key wrapping; /* wraps the subjects' keys */
    struct seal_key sealing;  /* seals what belongs to the account alone: kept answers */
    struct pepper pepper;
};

/* Reads the master key: HABEAS_MASTER_KEY_HEX (overwritten in place and unset), else the file at `path` (64 hex
 * digits, mode 0600 or stricter, owned by us or root), else, with `create`, makes that file. */
bool keyring_open(const char *path, bool create, struct keyring **out, struct error *error);
void keyring_close(struct keyring *ring);

/* A wrapped constant stored with the ledger tells a wrong master key. */
void keyring_make_check(const struct keyring *ring, unsigned char out[WRAPPED_LEN]);
bool keyring_check(const struct keyring *ring, struct str wrapped);

/* New keys for an account, with their wrapped form to store (WRAPPED_LEN bytes each). */
struct account_keys *keyring_make_account(struct keyring *ring, uint32_t account,
                                          unsigned char wrapped_key[WRAPPED_LEN],
                                          unsigned char wrapped_pepper[WRAPPED_LEN], struct error *error);
struct account_keys *keyring_open_account(struct keyring *ring, uint32_t account, struct str wrapped_key,
                                          struct str wrapped_pepper, struct error *error);

#endif
