/* A direct-mapped table: a fact has one place, the newer one takes it. */
#include "intake/seen.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 1 << 18, STRIPES = 64 };

struct place {
    uint64_t fact, value; /* keyed hashes; fact 0: free */
    int64_t at_ms;
};
struct seen {
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    pthread_mutex_t stripes[STRIPES];
    struct place *places;
};

struct seen *seen_new(void)
{
    struct seen *seen = calloc(1, sizeof *seen);

    if (seen)
        seen->places = calloc(PLACES, sizeof *seen->places);
    if (!seen || !seen->places) {
        free(seen);
        return NULL;
    }
    randombytes_buf(seen->key, sizeof seen->key);
    for (size_t i = 0; i < STRIPES; i++)
        (void)pthread_mutex_init(&seen->stripes[i], NULL);
    return seen;
}

void seen_free(struct seen *seen)
{
    if (!seen)
        return;
    for (size_t i = 0; i < STRIPES; i++)
        (void)pthread_mutex_destroy(&seen->stripes[i]);
    free(seen->places);
    free(seen);
}

struct hashed {
    uint64_t low, high;
};

static struct hashed hash(const struct seen *seen, const void *bytes, size_t len)
{
    unsigned char out[crypto_shorthash_siphashx24_BYTES];
    struct hashed hashed;

    crypto_shorthash_siphashx24(out, bytes, len, seen->key);
    memcpy(&hashed, out, sizeof hashed);
    return hashed;
}

/* Whose fact it is, and which. */
static struct hashed hash_fact(const struct seen *seen, const struct seen_fact *fact)
{
    struct hashed of = hash(seen, fact->of.at, fact->of.len);
    uint64_t parts[4] = { (uint64_t)fact->account << 32 | fact->ordinal, fact->kind, of.low, of.high };

    return hash(seen, parts, sizeof parts);
}

/* Locks the stripe of the place; the caller unlocks it. */
static struct place *enter(struct seen *seen, struct hashed fact, pthread_mutex_t **stripe)
{
    size_t place = fact.high % PLACES;

    *stripe = &seen->stripes[place % STRIPES];
    (void)pthread_mutex_lock(*stripe);
    return &seen->places[place];
}

bool seen_has(struct seen *seen, const struct seen_fact *fact, int64_t at_ms)
{
    struct hashed name = hash_fact(seen, fact);
    uint64_t value = hash(seen, fact->value.at, fact->value.len).low;
    pthread_mutex_t *stripe;
    struct place *place = enter(seen, name, &stripe);
    bool is_known = place->fact == name.low, is_same = is_known && place->value == value;
    bool is_older = is_known && at_ms < place->at_ms;

    if (is_same && !is_older)
        place->at_ms = at_ms; /* said again: an earlier word that comes later does not count */
    (void)pthread_mutex_unlock(stripe);
    return is_same || is_older;
}

void seen_put(struct seen *seen, const struct seen_fact *fact, int64_t at_ms)
{
    struct hashed name = hash_fact(seen, fact);
    uint64_t value = hash(seen, fact->value.at, fact->value.len).low;
    pthread_mutex_t *stripe;
    struct place *place = enter(seen, name, &stripe);

    if (place->fact != name.low || place->at_ms <= at_ms)
        *place = (struct place){ name.low, value, at_ms };
    (void)pthread_mutex_unlock(stripe);
}
