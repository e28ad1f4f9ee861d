/* Direct-mapped: a collision of places only costs the HMAC again. */
#include "ledger/print_cache.h"

#include <sodium.h>
#include <stdlib.h>

#define PLACES 16384

struct place {
    unsigned char hash[crypto_shorthash_siphashx24_BYTES];
    struct fingerprint print;
    uint32_t account, kind; /* kind 0: empty */
};
struct print_cache {
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    bool is_used;
    struct place places[PLACES];
};

struct print_cache *print_cache_new(void)
{
    struct print_cache *cache = calloc(1, sizeof *cache);

    if (cache)
        randombytes_buf(cache->key, sizeof cache->key);
    return cache;
}

void print_cache_free(struct print_cache *cache)
{
    if (!cache)
        return;
    sodium_memzero(cache, sizeof *cache);
    free(cache);
}

void print_cache_wipe(struct print_cache *cache)
{
    if (cache->is_used)
        sodium_memzero(cache->places, sizeof cache->places);
    cache->is_used = false;
}

struct fingerprint print_cache_get(struct print_cache *cache, const struct account *account, enum identity_kind kind,
                                   struct str normal)
{
    unsigned char hash[crypto_shorthash_siphashx24_BYTES];
    struct place *place;
    uint32_t index;

    crypto_shorthash_siphashx24(hash, (const unsigned char *)normal.at, normal.len, cache->key);
    memcpy(&index, hash, sizeof index);
    place = &cache->places[index % PLACES];
    if (place->account == account->number && place->kind == kind && memcmp(place->hash, hash, sizeof hash) == 0)
        return place->print;
    *place = (struct place){ .account = account->number, .kind = kind };
    memcpy(place->hash, hash, sizeof hash);
    place->print = account_fingerprint(account, kind, normal);
    cache->is_used = true;
    return place->print;
}
