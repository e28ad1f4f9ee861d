/* Key texts and scopes. */
#include "ledger/credential.h"

#include <sodium.h>

static const struct {
    const char *name;
    enum scope scope;
} scope_names[] = {
    { "ingest", SCOPE_INGEST }, { "read", SCOPE_READ },   { "report", SCOPE_REPORT },
    { "rights", SCOPE_RIGHTS }, { "admin", SCOPE_ADMIN },
};

static unsigned scope_of(struct str word)
{
    for (size_t i = 0; i < COUNT_OF(scope_names); i++)
        if (str_equal(word, str_of(scope_names[i].name)))
            return scope_names[i].scope;
    return 0;
}

bool scopes_of(struct str list, unsigned *out)
{
    unsigned scopes = 0;

    if (list.len == 0)
        return false;
    while (list.len > 0) {
        unsigned scope = scope_of(str_trim(str_cut(&list, ',')));
        if (!scope)
            return false;
        scopes |= scope;
    }
    *out = scopes;
    return true;
}

void scopes_write(unsigned scopes, struct buf *out)
{
    const char *between = "";

    for (size_t i = 0; i < COUNT_OF(scope_names); i++) {
        if (!(scopes & scope_names[i].scope))
            continue;
        buf_add(out, str_of(between));
        buf_add(out, str_of(scope_names[i].name));
        between = ",";
    }
}

void credential_make(unsigned scopes, char text[CREDENTIAL_TEXT_MAX], unsigned char hash[CREDENTIAL_HASH_LEN])
{
    unsigned char secret[32];
    const char *head = scopes == SCOPE_INGEST ? "hbw_" : "hba_"; /* tells people which kind they hold */

    randombytes_buf(secret, sizeof secret);
    memcpy(text, head, 4);
    sodium_bin2base64(text + 4, CREDENTIAL_TEXT_MAX - 4, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    credential_hash(str_of(text), hash);
    sodium_memzero(secret, sizeof secret);
}

/* A plain hash is enough: the text is 256 random bits, nobody can guess it. */
void credential_hash(struct str text, unsigned char hash[CREDENTIAL_HASH_LEN])
{
    crypto_hash_sha256(hash, (const unsigned char *)text.at, text.len);
}
