/* Kinds of identity and their normal form. Only `cuid` and `anonymous` say whose data it is;
 * the others find people and never join two. */
#ifndef HABEAS_LEDGER_IDENTITY_H
#define HABEAS_LEDGER_IDENTITY_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "seal/fingerprint.h"

/* Stored: numbers are settled. */
enum identity_kind {
    IDENTITY_CUID = 1,
    IDENTITY_ANONYMOUS = 2,
    IDENTITY_EMAIL = 3,
    IDENTITY_PHONE = 4,
    IDENTITY_DEVICE = 5,
    IDENTITY_ADVERTISING = 6,
    IDENTITY_PUSH_TOKEN = 7,
    IDENTITY_KINDS,
};
const char *identity_kind_name(enum identity_kind kind);
bool identity_kind_of(struct str name, enum identity_kind *out);

/* Whose data it is: longest id in code points. */
#define IDENTITY_MAX_POINTS 100

/* The form that is fingerprinted: cuid and anonymous byte for byte; e-mail trimmed and lower-cased (ASCII);
 * phone trimmed to '+' and digits. at == NULL when the arena is full. */
struct str identity_normal(enum identity_kind kind, struct str value, struct arena *arena);

#endif
