/* Fingerprints made lately, so that a busy person's identity costs a keyed hash of 25 ns and not an HMAC of over a
 * microsecond. Holds no identifiers: the key is SipHash-128 of the value under a key of this process. One thread at a time. */
#ifndef HABEAS_LEDGER_PRINT_CACHE_H
#define HABEAS_LEDGER_PRINT_CACHE_H

#include "ledger/account.h"

struct print_cache;
struct print_cache *print_cache_new(void);
void print_cache_free(struct print_cache *cache);
struct fingerprint print_cache_get(struct print_cache *cache, const struct account *account, enum identity_kind kind,
                                   struct str normal);
/* An erasure leaves none of its person's fingerprints here. */
void print_cache_wipe(struct print_cache *cache);

#endif
