/* Keys that callers show: 256 random bits, stored as a hash only, compared in constant time. */
#ifndef HABEAS_LEDGER_CREDENTIAL_H
#define HABEAS_LEDGER_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* Stored as bits: settled. */
enum scope {
    SCOPE_INGEST = 1,
    SCOPE_READ = 2,
    SCOPE_REPORT = 4, /* numbers only */
    SCOPE_RIGHTS = 8,
    SCOPE_ADMIN = 16,
    SCOPE_ALL = 31,
    SCOPE_OPERATOR = 1 << 16, /* not a key's: whoever may write to DIR/control */
};
/* "ingest,read" to bits; false on an unknown word or none. */
bool scopes_of(struct str list, unsigned *out);
void scopes_write(unsigned scopes, struct buf *out);

#define CREDENTIAL_TEXT_MAX 64
#define CREDENTIAL_HASH_LEN 32

struct credential {
    uint32_t number; /* in its account, from 1; 0 is the operator of this machine */
    uint32_t account;
    unsigned scopes;
    int64_t created_ms, revoked_ms; /* revoked: WHEN_NONE while it stands */
    unsigned char hash[CREDENTIAL_HASH_LEN];
};

/* A new key text (NUL-terminated) and its hash. */
void credential_make(unsigned scopes, char text[CREDENTIAL_TEXT_MAX], unsigned char hash[CREDENTIAL_HASH_LEN]);
void credential_hash(struct str text, unsigned char hash[CREDENTIAL_HASH_LEN]);

#endif
