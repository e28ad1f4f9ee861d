/* An account's memory: subjects in chunks that never move, identities, names. */
#include "ledger/account.h"

#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>

#define OPTION(member) #member, .offset = offsetof(struct account_options, member)

const struct setting account_settings[] = {
    { OPTION(rate_limit), .kind = SETTING_NUMBER, .fallback = "0", .min = 0, .max = 1000000000, .value_name = "N",
      .help = "Requests a minute on each endpoint; 0: no limit" },
    { OPTION(event_names_max), .kind = SETTING_NUMBER, .fallback = "1000", .min = 1, .max = 100000, .value_name = "N",
      .help = "Different event names; further ones are refused" },
    { OPTION(attribute_names_max), .kind = SETTING_NUMBER, .fallback = "500", .min = 1, .max = 100000,
      .value_name = "N", .help = "Different attribute names, of people and of events each; further ones are ignored" },
    { OPTION(late_mark_days), .kind = SETTING_NUMBER, .fallback = "30", .min = 0, .max = 400, .value_name = "DAYS",
      .help = "How long data dated before an erasure is dropped when it arrives late" },
    { OPTION(lift_needs_notice), .kind = SETTING_FLAG, .fallback = "false",
      .help = "Lifting a restriction needs a record that the person was told (Art. 18(3))" },
    { .kind = SETTING_END },
};

bool license_is_valid(struct str license)
{
    if (license.len == 0 || license.len > LICENSE_MAX)
        return false;
    for (size_t i = 0; i < license.len; i++) {
        char c = license.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '~' && c != '_' && c != '-')
            return false;
    }
    return true;
}

struct fingerprint account_fingerprint(const struct account *account, enum identity_kind kind, struct str normal)
{
    return fingerprint_make(&account->keys->pepper, (unsigned char)kind, normal);
}

struct subject *account_subject(const struct account *account, uint32_t ordinal)
{
    uint32_t chunk = ordinal / SUBJECT_CHUNK;

    if (ordinal == 0 || chunk >= account->subjects.chunk_count || !account->subjects.chunks[chunk])
        return NULL;
    struct subject *subject = &account->subjects.chunks[chunk][ordinal % SUBJECT_CHUNK];
    return subject->state == SUBJECT_NONE ? NULL : subject;
}

struct subject *account_make_subject(struct account *account, uint32_t ordinal)
{
    struct subjects *all = &account->subjects;
    uint32_t chunk = ordinal / SUBJECT_CHUNK;

    if (chunk >= all->chunk_count) {
        uint32_t count = chunk + 1 > all->chunk_count * 2 ? chunk + 1 : all->chunk_count * 2;
        struct subject **chunks = realloc(all->chunks, count * sizeof *chunks);
        if (!chunks)
            return NULL;
        memset(chunks + all->chunk_count, 0, (count - all->chunk_count) * sizeof *chunks);
        all->chunks = chunks;
        all->chunk_count = count;
    }
    if (!all->chunks[chunk]) {
        all->chunks[chunk] = calloc(SUBJECT_CHUNK, sizeof(struct subject));
        if (!all->chunks[chunk])
            return NULL;
    }
    return &all->chunks[chunk][ordinal % SUBJECT_CHUNK];
}

uint32_t account_person(const struct account *account, uint32_t ordinal)
{
    const struct subject *subject = account_subject(account, ordinal);

    if (!subject)
        return 0;
    return subject->person ? subject->person : ordinal;
}

uint32_t account_find(const struct account *account, const struct fingerprint *print)
{
    struct map_key key;

    memcpy(key.bytes, print->bytes, sizeof key.bytes);
    const uint64_t *found = map_find(&account->identities, key);
    return found ? (uint32_t)*found : 0;
}

void account_free(struct account *account)
{
    if (!account)
        return;
    for (uint32_t i = 0; i < account->subjects.chunk_count; i++)
        free(account->subjects.chunks[i]);
    free(account->subjects.chunks);
    for (int kind = NAME_EVENT; kind < NAME_KINDS; kind++)
        names_clear(&account->names[kind]);
    map_clear(&account->identities);
    map_clear(&account->late);
    map_clear(&account->suppressed);
    free(account);
}
