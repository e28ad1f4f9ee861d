/* The gate, its seats and grants: the only place where a subject's key is in the clear. */
#include "ledger/gate.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "ledger/print_cache.h"
#include "seal/seal.h"

/* Keys a seat remembers; direct-mapped by account and ordinal. 64 bytes each, in locked memory. */
#define SEAT_KEYS 16384

struct grant {
    struct seal_key key;
    uint32_t account, ordinal, generation;
    struct seat *seat;
};
struct seat {
    struct ledger *ledger;
    struct grant *cache; /* sodium_malloc: locked where the system allows, never in a core dump, wiped when freed */
    struct grant *open;
    struct print_cache *prints;
    struct seal_nonce next;
    bool is_writers;
};

static const char *const reason_names[LOOK_REASONS] = {
    [REASON_NONE] = "",
    [REASON_PERSON_CONSENT] = "person_consent",
    [REASON_LEGAL_CLAIM] = "legal_claim",
    [REASON_RIGHTS_OF_OTHERS] = "rights_of_others",
    [REASON_PUBLIC_INTEREST] = "public_interest",
};

const char *look_reason_name(enum look_reason reason)
{
    return reason_names[reason];
}

bool look_reason_of(struct str text, enum look_reason *out)
{
    for (enum look_reason reason = REASON_PERSON_CONSENT; reason < LOOK_REASONS; reason++) {
        if (str_equal(text, str_of(reason_names[reason]))) {
            *out = reason;
            return true;
        }
    }
    return false;
}

static void free_seat(struct seat *seat)
{
    sodium_free(seat->cache);
    print_cache_free(seat->prints);
    free(seat);
}

bool seat_new(struct ledger *ledger, struct seat **out, struct error *error)
{
    struct seat *seat = calloc(1, sizeof *seat);

    if (seat)
        seat->cache = sodium_malloc(SEAT_KEYS * sizeof *seat->cache);
    if (seat)
        seat->prints = print_cache_new();
    if (!seat || !seat->cache || !seat->prints) {
        if (seat)
            free_seat(seat);
        return error_set(error, ERROR_INTERNAL, "out of memory for a seat at the gate");
    }
    memset(seat->cache, 0, SEAT_KEYS * sizeof *seat->cache);
    seat->ledger = ledger;
    seal_nonce_start(&seat->next);
    ledger_add_seat(ledger, seat);
    *out = seat;
    return true;
}

void seat_free(struct seat *seat)
{
    if (!seat)
        return;
    ledger_drop_seat(seat->ledger, seat);
    free_seat(seat);
}

struct fingerprint seat_fingerprint(struct seat *seat, const struct account *account, enum identity_kind kind,
                                    struct str normal)
{
    return print_cache_get(seat->prints, account, kind, normal);
}

const unsigned char *seat_salt(const struct seat *seat)
{
    return seat->next.salt;
}

void seat_is_writers(struct seat *seat)
{
    seat->is_writers = true;
}

static struct grant *place_of(const struct seat *seat, uint32_t account, uint32_t ordinal)
{
    return &seat->cache[(ordinal ^ account * UINT32_C(2654435761)) % SEAT_KEYS];
}

void seat_forget(struct seat *seat, uint32_t account, uint32_t ordinal)
{
    struct grant *place = place_of(seat, account, ordinal);

    if (place->account == account && place->ordinal == ordinal)
        sodium_memzero(place, sizeof *place);
    print_cache_wipe(seat->prints);
}

/* A restriction lets people be looked at for the reasons of Art. 18(2); an erasure under way does not. */
static bool is_denied(const struct subject *subject, enum purpose purpose, enum look_reason reason)
{
    if (purpose == PURPOSE_VIEW && reason != REASON_NONE)
        return (subject->denied & PURPOSE_BIT(PURPOSE_STORE)) != 0;
    return (subject->denied & PURPOSE_BIT(purpose)) != 0;
}

bool gate_allows(const struct account *account, uint32_t ordinal, enum purpose purpose, enum look_reason reason,
                 struct error *error)
{
    const struct subject *subject = account_subject(account, ordinal);

    assert(purpose < PURPOSES);
    if (!subject || subject->state != SUBJECT_LIVE)
        return error_set(error, ERROR_NOT_FOUND, "there is no such person");
    if (is_denied(subject, purpose, reason))
        return error_set(error, ERROR_FORBIDDEN, "restricted");
    return true;
}

static bool is_here(const struct seat *seat, const struct subject *subject)
{
    return subject && (subject->state == SUBJECT_LIVE || (subject->state == SUBJECT_NEW && seat->is_writers));
}

const struct grant *gate_open(struct seat *seat, struct account *account, uint32_t ordinal, enum purpose purpose,
                              enum look_reason reason, struct error *error)
{
    const struct subject *subject = account_subject(account, ordinal);
    struct grant *place = place_of(seat, account->number, ordinal);

    assert(purpose < PURPOSES);
    seat->open = NULL;
    if (!is_here(seat, subject)) {
        (void)error_set(error, ERROR_NOT_FOUND, "there is no such person");
        return NULL;
    }
    if (is_denied(subject, purpose, reason)) {
        (void)error_set(error, ERROR_FORBIDDEN, "restricted");
        return NULL;
    }
    if (place->account != account->number || place->ordinal != ordinal) {
        struct seal_key key;
        if (!keyfile_get(ledger_keyfile(seat->ledger), account->number, subject->slot, &account->keys->wrapping, &key,
                         error))
            return NULL;
        *place = (struct grant){ .key = key, .account = account->number, .ordinal = ordinal, .seat = seat };
        sodium_memzero(&key, sizeof key);
    }
    place->generation = subject->generation;
    seat->open = place;
    return place;
}

void gate_close(struct seat *seat)
{
    seat->open = NULL;
}

bool gate_make_key(struct seat *seat, struct account *account, uint32_t ordinal, uint64_t slot, struct error *error)
{
    struct grant *place = place_of(seat, account->number, ordinal);

    seat->open = NULL;
    *place = (struct grant){ .account = account->number, .ordinal = ordinal, .seat = seat };
    randombytes_buf(place->key.bytes, SEAL_KEY_LEN);
    if (keyfile_put(ledger_keyfile(seat->ledger), account->number, slot, &account->keys->wrapping, &place->key, error))
        return true;
    sodium_memzero(place, sizeof *place);
    return false;
}

uint32_t grant_account(const struct grant *grant)
{
    return grant->account;
}

uint32_t grant_ordinal(const struct grant *grant)
{
    return grant->ordinal;
}

uint32_t grant_generation(const struct grant *grant)
{
    return grant->generation;
}

static void check_open(const struct grant *grant)
{
    assert(grant->seat->open == grant);
}

void grant_seal(const struct grant *grant, struct str plain, struct str bound, struct record_nonce *nonce,
                unsigned char *out)
{
    struct seal_nonce full;

    check_open(grant);
    full = seal_nonce_next(&grant->seat->next);
    memcpy(nonce->salt, full.salt, sizeof nonce->salt);
    nonce->counter = full.counter;
    seal_close(out, plain, bound, &full, &grant->key);
}

bool grant_unseal(const struct grant *grant, struct str sealed, struct str bound, const struct record_nonce *nonce,
                  unsigned char *out, struct error *error)
{
    struct seal_nonce full;

    check_open(grant);
    memcpy(full.salt, nonce->salt, sizeof full.salt);
    full.counter = nonce->counter;
    return seal_open(out, sealed, bound, &full, &grant->key) ||
           error_set(error, ERROR_CORRUPT, "a sealed record does not open: it was altered");
}

void grant_audit_mark(const struct grant *grant, unsigned char out[16])
{
    unsigned char full[crypto_auth_hmacsha256_BYTES];

    check_open(grant);
    crypto_auth_hmacsha256(full, (const unsigned char *)"audit", 5, grant->key.bytes);
    memcpy(out, full, 16);
    sodium_memzero(full, sizeof full);
}

void account_seal(const struct account *account, struct str plain, struct str bound, unsigned char *out)
{
    struct seal_nonce nonce;

    randombytes_buf(&nonce, sizeof nonce);
    memcpy(out, nonce.salt, sizeof nonce.salt);
    memcpy(out + sizeof nonce.salt, &nonce.counter, sizeof nonce.counter);
    seal_close(out + 24, plain, bound, &nonce, &account->keys->sealing);
}

bool account_unseal(const struct account *account, struct str sealed, struct str bound, unsigned char *out)
{
    struct seal_nonce nonce;

    if (sealed.len < ACCOUNT_SEAL_EXTRA)
        return false;
    memcpy(nonce.salt, sealed.at, sizeof nonce.salt);
    memcpy(&nonce.counter, sealed.at + sizeof nonce.salt, sizeof nonce.counter);
    return seal_open(out, (struct str){ sealed.at + 24, sealed.len - 24 }, bound, &nonce, &account->keys->sealing);
}
