/* Accounts: one controller each. What server threads need of an account lives in memory, read inside ledger_enter. */
#ifndef HABEAS_LEDGER_ACCOUNT_H
#define HABEAS_LEDGER_ACCOUNT_H

#include <assert.h>
#include <stdint.h>

#include "base/map.h"
#include "base/settings.h"
#include "ledger/identity.h"
#include "ledger/keyring.h"
#include "ledger/name.h"
#include "ledger/purpose.h"

#define LICENSE_MAX 64
#define ZONE_MAX 64

/* What the ledger's memory knows of one subject; 32 bytes a subject, never moved. */
struct subject {
    uint32_t denied;     /* purposes that rights in force deny to its person: PURPOSE_BIT */
    uint32_t generation; /* rises when its rights, key or links change */
    uint64_t slot;       /* of its key */
    uint32_t person;     /* the lowest ordinal of those that links join it with; 0: it is alone */
    uint32_t next;       /* those are a ring: the next of them; 0: it is alone */
    uint8_t state;       /* enum subject_state */
    bool known;          /* has a cuid */
    bool bare;           /* its profile record may be missing (new, or lost to a failure): the next datum looks */
    bool moved; /* the writer's own: the open group changes its rights or links; the rows are asked, not this */
};
static_assert(sizeof(struct subject) == 32, "memory grows with people");
/* Stored: numbers are settled. SUBJECT_NEW is made but not committed yet: only the writer sees it. */
enum subject_state { SUBJECT_NONE = 0, SUBJECT_LIVE = 1, SUBJECT_ERASING = 2, SUBJECT_ERASED = 3, SUBJECT_NEW = 4 };

#define SUBJECT_CHUNK 4096
struct subjects {
    struct subject **chunks; /* of SUBJECT_CHUNK each, by ordinal; ordinals start at 1 */
    uint32_t chunk_count;
    uint32_t next_ordinal;
};

/* Per account, changed by PUT /api/settings and `habeas account set`: rows of account_settings. */
struct account_options {
    int64_t rate_limit;          /* requests a minute and endpoint; 0: off */
    int64_t event_names_max;     /* 1,000 */
    int64_t attribute_names_max; /* 500 */
    int64_t late_mark_days;      /* 30 */
    bool lift_needs_notice;      /* re-enable needs a notice (Art. 18(3)) */
};
extern const struct setting account_settings[];

struct account {
    uint32_t number;
    char license[LICENSE_MAX + 1];
    char time_zone[ZONE_MAX + 1];
    int64_t created_ms;
    struct account_keys *keys;
    uint32_t pepper_number;
    struct account_options options;
    struct names names[NAME_KINDS];
    struct subjects subjects;
    struct map
        identities;  /* fingerprints of cuids and anonymous ids -> the ordinal they mean now; live subjects only */
    struct map late; /* fingerprints of the erased -> moment of erasure: what is dated before is dropped */
    struct map suppressed; /* fingerprints -> until when (INT64_MAX: for ever) */
};

bool license_is_valid(struct str license); /* [A-Za-z0-9~_-], 1-64 */
struct fingerprint account_fingerprint(const struct account *account, enum identity_kind kind, struct str normal);
/* NULL past the last ordinal or in an unused place. */
struct subject *account_subject(const struct account *account, uint32_t ordinal);
/* Makes room for the ordinal; NULL when memory is out. */
struct subject *account_make_subject(struct account *account, uint32_t ordinal);
/* Whose subject it is: the ordinal that names its person. Two of one person have the same; 0 for nobody's. */
uint32_t account_person(const struct account *account, uint32_t ordinal);
/* The live subject of a cuid or anonymous id; 0 when there is none. */
uint32_t account_find(const struct account *account, const struct fingerprint *print);
void account_free(struct account *account);

#endif
