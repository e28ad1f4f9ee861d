/* Subjects and identities: found and made, and ids that come to mean another. Their end: subject_end.c. */
#include "ledger/subject.h"

#include <assert.h>

#include "ledger/ledger_inside.h"
#include "ledger/mark.h"
#include "ledger/preference.h"
#include "ledger/right.h"

/* ---- finding ---- */

bool subject_find(struct ledger *ledger, struct account *account, enum identity_kind kind,
                  const struct fingerprint *print, uint32_t *ordinal, struct error *error)
{
    int64_t found = 0;

    *ordinal = account_find(account, print);
    if (*ordinal && !account_subject(account, *ordinal)->moved)
        return true;
    if (!db_integer(ledger->db,
                    SQL("SELECT ordinal FROM identity WHERE account = $1 AND kind = $2 AND fingerprint = $3"
                        " AND left_at IS NULL"),
                    DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_BLOB(print->bytes, FINGERPRINT_LEN)),
                    &found, NULL, error))
        return false;
    *ordinal = (uint32_t)found;
    return true;
}

struct facts_row {
    struct subject_facts *out;
    bool found;
};

static bool take_facts(void *arg, const struct row *row, struct error *error)
{
    struct facts_row *taken = arg;

    (void)error;
    taken->found = true;
    *taken->out = (struct subject_facts){ row_integer(row, 0) != 0, (enum subject_state)row_integer(row, 1),
                                          row_is_null(row, 2) ? WHEN_NONE : row_integer(row, 2) };
    return true;
}

bool subject_facts(struct db *db, uint32_t account, uint32_t ordinal, struct subject_facts *out, bool *found,
                   struct error *error)
{
    struct facts_row taken = { out, false };

    if (!db_run(db, SQL("SELECT known, state, created_at FROM subject WHERE account = $1 AND ordinal = $2"),
                DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_facts, &taken, error))
        return false;
    *found = taken.found;
    return true;
}

bool subject_is_live(struct ledger *ledger, const struct account *account, uint32_t ordinal, bool *out,
                     struct error *error)
{
    const struct subject *subject = account_subject(account, ordinal);
    struct subject_facts facts = { .state = SUBJECT_NONE };
    bool found = false;

    *out = subject && (subject->state == SUBJECT_LIVE || subject->state == SUBJECT_NEW);
    if (!*out || !subject->moved)
        return true;
    if (!subject_facts(ledger->db, account->number, ordinal, &facts, &found, error))
        return false;
    *out = facts.state == SUBJECT_LIVE;
    return true;
}

/* ---- making ---- */

struct birth {
    uint32_t account, ordinal;
    struct fingerprint print;
};

static void publish_birth(struct ledger *ledger, void *arg)
{
    const struct birth *birth = arg;
    struct account *account = ledger_account(ledger, birth->account);

    account_subject(account, birth->ordinal)->state = SUBJECT_LIVE;
    account_subject(account, birth->ordinal)->bare = true; /* until the next datum finds its record */
    if (!map_put(&account->identities, ledger_key(&birth->print), birth->ordinal))
        assert(false && "out of memory for an identity");
}

/* In memory from now on, but seen by the writer only until the commit publishes it. */
static bool remember(struct ledger *ledger, struct account *account, uint32_t ordinal, uint64_t slot, bool known,
                     struct error *error)
{
    struct subject *subject;

    (void)pthread_rwlock_wrlock(&ledger->hold);
    subject = account_make_subject(account, ordinal);
    if (subject)
        *subject = (struct subject){ .slot = slot, .known = known, .generation = 1, .state = SUBJECT_NEW };
    (void)pthread_rwlock_unlock(&ledger->hold);
    return subject || error_set(error, ERROR_INTERNAL, "out of memory for a subject");
}

struct kept {
    enum channel channels[CHANNELS];
    size_t count;
};

static bool take_kept(void *arg, const struct row *row, struct error *error)
{
    struct kept *kept = arg;

    (void)error;
    if (kept->count < CHANNELS)
        kept->channels[kept->count++] = (enum channel)row_integer(row, 0);
    return true;
}

/* Who comes back after an erasure is new in everything but this: an opt-out that was kept still holds. */
static bool bring_back_opt_outs(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                                enum identity_kind kind, const struct fingerprint *print, uint32_t source,
                                struct error *error)
{
    struct kept kept = { .count = 0 };
    int64_t now = when_now(ledger->clock);

    if (!db_run(ledger->db,
                SQL("SELECT channel FROM mark WHERE account = $1 AND what = $2 AND kind = $3 AND fingerprint = $4"),
                DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(MARK_KEPT_OPT_OUT), DB_INTEGER(kind),
                          DB_BLOB(print->bytes, FINGERPRINT_LEN)),
                take_kept, &kept, error))
        return false;
    for (size_t i = 0; i < kept.count; i++) {
        struct preference preference = { .channel = kept.channels[i],
                                         .opted_in = false,
                                         .voice = VOICE_KEPT,
                                         .at_ms = now,
                                         .received_ms = now,
                                         .source = source };
        if (!preference_say(ledger, seat, account, ordinal, &preference, error))
            return false;
    }
    return true;
}

static bool store_identity(struct ledger *ledger, struct account *account, uint32_t ordinal, enum identity_kind kind,
                           const struct fingerprint *print, uint32_t source, struct error *error)
{
    return ledger_change(ledger,
                         SQL("INSERT INTO identity (account, kind, fingerprint, ordinal, pepper, since, source)"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7)"
                             " ON CONFLICT (account, kind, fingerprint, ordinal) DO NOTHING"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(ordinal),
                                   DB_INTEGER(account->pepper_number), DB_INTEGER(when_now(ledger->clock)),
                                   DB_INTEGER(source)),
                         error);
}

bool subject_create(struct ledger *ledger, struct seat *seat, struct account *account, enum identity_kind kind,
                    const struct fingerprint *print, uint32_t source, uint32_t *ordinal, struct error *error)
{
    struct birth birth = { account->number, account->subjects.next_ordinal, *print };
    uint64_t slot = ledger_take_slot(ledger);
    bool known = kind == IDENTITY_CUID;

    account->subjects.next_ordinal++; /* never used again, whatever becomes of this one */
    *ordinal = birth.ordinal;
    return remember(ledger, account, birth.ordinal, slot, known, error) &&
           gate_make_key(seat, account, birth.ordinal, slot, error) &&
           ledger_change(ledger,
                         SQL("INSERT INTO subject (account, ordinal, slot, known, state, created_at)"
                             " VALUES ($1, $2, $3, $4, $5, $6)"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(birth.ordinal), DB_INTEGER(slot),
                                   DB_INTEGER(known), DB_INTEGER(SUBJECT_LIVE), DB_INTEGER(when_now(ledger->clock))),
                         error) &&
           ledger_change(ledger, SQL("UPDATE account SET next_ordinal = $2 WHERE account = $1"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(birth.ordinal + 1)), error) &&
           store_identity(ledger, account, birth.ordinal, kind, print, source, error) &&
           ledger_stage(ledger, publish_birth, &birth, sizeof birth, error) &&
           bring_back_opt_outs(ledger, seat, account, birth.ordinal, kind, print, source, error);
}

/* ---- an anonymous id that means one after the other ---- */

struct turn_of_id {
    uint32_t account, ordinal;
    struct fingerprint print;
};

static void publish_turn(struct ledger *ledger, void *arg)
{
    const struct turn_of_id *turn = arg;
    struct account *account = ledger_account(ledger, turn->account);

    if (!map_put(&account->identities, ledger_key(&turn->print), turn->ordinal))
        assert(false && "out of memory for an identity");
}

bool subject_leave_anonymous(struct ledger *ledger, struct account *account, const struct fingerprint *print,
                             struct error *error)
{
    uint32_t known = account_find(account, print);

    if (known)
        account_subject(account, known)->moved = true; /* memory says that it is still the one */
    return ledger_change(ledger,
                         SQL("UPDATE identity SET left_at = $4 WHERE account = $1 AND kind = $2 AND fingerprint = $3"
                             " AND left_at IS NULL"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(IDENTITY_ANONYMOUS),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(when_now(ledger->clock))),
                         error);
}

bool subject_retake_anonymous(struct ledger *ledger, struct account *account, const struct fingerprint *print,
                              uint32_t ordinal, struct error *error)
{
    const struct turn_of_id turn = { account->number, ordinal, *print };

    return subject_leave_anonymous(ledger, account, print, error) &&
           ledger_change(ledger,
                         SQL("UPDATE identity SET left_at = NULL WHERE account = $1 AND kind = $2 AND fingerprint = $3"
                             " AND ordinal = $4"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(IDENTITY_ANONYMOUS),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(ordinal)),
                         error) &&
           ledger_stage(ledger, publish_turn, &turn, sizeof turn, error);
}

bool subject_identity_since(struct ledger *ledger, const struct account *account, uint32_t ordinal,
                            enum identity_kind kind, int64_t *out, struct error *error)
{
    bool found = false;

    if (!db_integer(ledger->db,
                    SQL("SELECT since FROM identity WHERE account = $1 AND ordinal = $2 AND kind = $3"
                        " ORDER BY since DESC LIMIT 1"),
                    DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind)), out, &found, error))
        return false;
    if (!found)
        *out = WHEN_NONE;
    return true;
}

/* An opt-out that was kept with the address of somebody erased holds for whoever comes to have that address. */
static bool enter_identity(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                           enum identity_kind kind, const struct fingerprint *print, uint32_t source,
                           struct error *error)
{
    int64_t one = 0;
    bool is_theirs = false;

    return db_integer(ledger->db,
                      SQL("SELECT 1 FROM identity WHERE account = $1 AND kind = $2 AND fingerprint = $3"
                          " AND ordinal = $4"),
                      DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_BLOB(print->bytes, FINGERPRINT_LEN),
                                DB_INTEGER(ordinal)),
                      &one, &is_theirs, error) &&
           (is_theirs || (store_identity(ledger, account, ordinal, kind, print, source, error) &&
                          bring_back_opt_outs(ledger, seat, account, ordinal, kind, print, source, error)));
}

bool subject_replace_identity(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                              enum identity_kind kind, const struct fingerprint *print, uint32_t source,
                              struct error *error)
{
    static const struct fingerprint none = { { 0 } };
    const struct fingerprint *kept = print ? print : &none;

    return ledger_change(ledger,
                         SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2 AND kind = $3"
                             " AND fingerprint <> $4"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind),
                                   DB_BLOB(kept->bytes, FINGERPRINT_LEN)),
                         error) &&
           (!print || enter_identity(ledger, seat, account, ordinal, kind, print, source, error));
}

bool subject_add_identity(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                          enum identity_kind kind, const struct fingerprint *print, uint32_t max, uint32_t source,
                          struct error *error)
{
    return enter_identity(ledger, seat, account, ordinal, kind, print, source, error) &&
           ledger_change(ledger,
                         SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2 AND kind = $3"
                             " AND fingerprint NOT IN (SELECT fingerprint FROM identity WHERE account = $1"
                             " AND ordinal = $2 AND kind = $3 ORDER BY since DESC, fingerprint = $4 DESC LIMIT $5)"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(max)),
                         error);
}
