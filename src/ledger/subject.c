/* Subjects and identities: found, made, and ended by an erasure. */
#include "ledger/subject.h"

#include <assert.h>

#include "ledger/ledger_inside.h"
#include "ledger/mark.h"
#include "ledger/preference.h"
#include "ledger/right.h"

static struct map_key key_of(const struct fingerprint *print)
{
    struct map_key key;

    memcpy(key.bytes, print->bytes, sizeof key.bytes);
    return key;
}

/* ---- finding ---- */

bool subject_find(struct ledger *ledger, struct account *account, enum identity_kind kind,
                  const struct fingerprint *print, uint32_t *ordinal, struct error *error)
{
    int64_t found = 0;

    *ordinal = account_find(account, print);
    if (*ordinal && !account_subject(account, *ordinal)->moved)
        return true;
    if (!db_integer(ledger->db,
                    SQL("SELECT ordinal FROM identity WHERE account = $1 AND kind = $2 AND fingerprint = $3"),
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
    if (!map_put(&account->identities, key_of(&birth->print), birth->ordinal))
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
        const struct grant *grant = gate_open(seat, account, ordinal, PURPOSE_STORE, REASON_NONE, error);
        if (!grant || !preference_say(ledger, account, grant, &preference, error))
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

bool subject_replace_identity(struct ledger *ledger, struct account *account, uint32_t ordinal, enum identity_kind kind,
                              const struct fingerprint *print, uint32_t source, struct error *error)
{
    static const struct fingerprint none = { { 0 } };
    const struct fingerprint *kept = print ? print : &none;

    return ledger_change(ledger,
                         SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2 AND kind = $3"
                             " AND fingerprint <> $4"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind),
                                   DB_BLOB(kept->bytes, FINGERPRINT_LEN)),
                         error) &&
           (!print || store_identity(ledger, account, ordinal, kind, print, source, error));
}

bool subject_add_identity(struct ledger *ledger, struct account *account, uint32_t ordinal, enum identity_kind kind,
                          const struct fingerprint *print, uint32_t max, uint32_t source, struct error *error)
{
    return store_identity(ledger, account, ordinal, kind, print, source, error) &&
           ledger_change(ledger,
                         SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2 AND kind = $3"
                             " AND fingerprint NOT IN (SELECT fingerprint FROM identity WHERE account = $1"
                             " AND ordinal = $2 AND kind = $3 ORDER BY since DESC, fingerprint = $4 DESC LIMIT $5)"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(kind),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(max)),
                         error);
}

/* ---- ending ---- */

struct death {
    uint32_t account, ordinal;
};

static void publish_death(struct ledger *ledger, void *arg)
{
    const struct death *death = arg;
    struct account *account = ledger_account(ledger, death->account);
    struct subject *subject = account_subject(account, death->ordinal);

    subject->denied = DENIED_BY_ERASURE;
    subject->state = SUBJECT_ERASING;
    subject->generation++;
    subject->moved = false;
    ledger_forget_keys(ledger, death->account, death->ordinal);
}

struct lost_identity {
    uint32_t account;
    struct fingerprint print;
    int64_t late_at; /* WHEN_NONE: no late mark */
};

static void publish_lost_identity(struct ledger *ledger, void *arg)
{
    const struct lost_identity *lost = arg;
    struct account *account = ledger_account(ledger, lost->account);

    (void)map_remove(&account->identities, key_of(&lost->print));
    if (lost->late_at != WHEN_NONE)
        if (!map_put(&account->late, key_of(&lost->print), (uint64_t)lost->late_at))
            assert(false && "out of memory for a late mark");
}

struct suppressed {
    uint32_t account;
    struct fingerprint print;
    int64_t until;
};

static void publish_suppressed(struct ledger *ledger, void *arg)
{
    const struct suppressed *suppressed = arg;

    if (!map_put(&ledger_account(ledger, suppressed->account)->suppressed, key_of(&suppressed->print),
                 (uint64_t)suppressed->until))
        assert(false && "out of memory for a suppression");
}

static bool add_mark(struct ledger *ledger, uint32_t account, enum mark_what what, enum identity_kind kind,
                     const struct fingerprint *print, int channel, int64_t until, struct error *error)
{
    ledger->marks_moved = true;
    return ledger_change(ledger,
                         SQL("INSERT INTO mark (account, what, kind, fingerprint, channel, at, until)"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7)"
                             " ON CONFLICT (account, what, kind, fingerprint, channel)"
                             " DO UPDATE SET at = excluded.at, until = excluded.until"),
                         DB_PARAMS(DB_INTEGER(account), DB_INTEGER(what), DB_INTEGER(kind),
                                   DB_BLOB(print->bytes, FINGERPRINT_LEN), DB_INTEGER(channel),
                                   DB_INTEGER(when_now(ledger->clock)),
                                   until == WHEN_NONE ? DB_NULL : DB_INTEGER(until)),
                         error);
}

struct farewell {
    struct ledger *ledger;
    struct account *account;
    const struct subject_erasure *how;
    uint32_t opted_out; /* bits of channels */
};

static bool is_kept_for(enum channel channel, enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_CUID:
    case IDENTITY_ANONYMOUS:
        return true;
    case IDENTITY_EMAIL:
        return channel == CHANNEL_EMAIL;
    case IDENTITY_PHONE:
        return channel == CHANNEL_SMS || channel == CHANNEL_WHATSAPP || channel == CHANNEL_RCS;
    default:
        return channel == CHANNEL_PUSH || channel == CHANNEL_WEB_PUSH;
    }
}

/* Of earlier erasures: what is kept is what is in force at the last one. An address may be another person's too, so its
 * marks go only when the request says so. */
static bool drop_kept(const struct farewell *farewell, enum identity_kind kind, const struct fingerprint *print,
                      struct error *error)
{
    if (farewell->how->keep_opt_outs && kind != IDENTITY_CUID && kind != IDENTITY_ANONYMOUS)
        return true;
    return ledger_change(farewell->ledger,
                         SQL("DELETE FROM mark WHERE account = $1 AND what = $2 AND kind = $3 AND fingerprint = $4"),
                         DB_PARAMS(DB_INTEGER(farewell->account->number), DB_INTEGER(MARK_KEPT_OPT_OUT),
                                   DB_INTEGER(kind), DB_BLOB(print->bytes, FINGERPRINT_LEN)),
                         error);
}

static bool keep_opt_outs(const struct farewell *farewell, enum identity_kind kind, const struct fingerprint *print,
                          struct error *error)
{
    for (int channel = 0; channel < CHANNELS; channel++) {
        if (!(farewell->opted_out & (1u << channel)) || !is_kept_for((enum channel)channel, kind))
            continue;
        if (!add_mark(farewell->ledger, farewell->account->number, MARK_KEPT_OPT_OUT, kind, print, channel, WHEN_NONE,
                      error))
            return false;
    }
    return true;
}

static bool take_leave(void *arg, const struct row *row, struct error *error)
{
    struct farewell *farewell = arg;
    struct ledger *ledger = farewell->ledger;
    enum identity_kind kind = (enum identity_kind)row_integer(row, 0);
    int64_t days = farewell->account->options.late_mark_days;
    int64_t now = when_now(ledger->clock);
    struct lost_identity lost = { .account = farewell->account->number, .late_at = days > 0 ? now : WHEN_NONE };

    if (!row_blob(row, 1, lost.print.bytes, sizeof lost.print.bytes, error))
        return false;
    if (days > 0 && !add_mark(ledger, lost.account, MARK_LATE, kind, &lost.print, 0, now + days * WHEN_DAY, error))
        return false;
    return drop_kept(farewell, kind, &lost.print, error) && keep_opt_outs(farewell, kind, &lost.print, error) &&
           ledger_stage(ledger, publish_lost_identity, &lost, sizeof lost, error);
}

static bool suppress(struct farewell *farewell, struct error *error)
{
    const struct subject_erasure *how = farewell->how;
    struct suppressed suppressed = { farewell->account->number, how->print,
                                     how->suppress_until_ms == WHEN_NONE ? INT64_MAX : how->suppress_until_ms };

    if (!how->suppress || !how->has_suppressed_id)
        return true;
    return add_mark(farewell->ledger, suppressed.account, MARK_SUPPRESSED, how->kind, &how->print, 0,
                    how->suppress_until_ms, error) &&
           ledger_stage(farewell->ledger, publish_suppressed, &suppressed, sizeof suppressed, error);
}

static bool find_opt_outs(struct farewell *farewell, uint32_t ordinal, struct error *error)
{
    struct preference_state states[CHANNELS];

    if (!farewell->how->keep_opt_outs)
        return true;
    if (!preference_states(farewell->ledger->db, farewell->account->number, ordinal, states, error))
        return false;
    for (int channel = 0; channel < CHANNELS; channel++)
        if (states[channel].set && !states[channel].opted_in)
            farewell->opted_out |= 1u << channel;
    return true;
}

bool subject_erase(struct ledger *ledger, struct account *account, uint32_t ordinal, const struct subject_erasure *how,
                   struct error *error)
{
    struct farewell farewell = { ledger, account, how, 0 };
    const struct death death = { account->number, ordinal };
    const struct value *whose = DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal));
    const struct sql gone[] = {
        SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM rights WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM preference WHERE account = $1 AND ordinal = $2"),
        SQL("UPDATE request SET id_salt = NULL, id_counter = NULL, id_sealed = NULL"
            " WHERE account = $1 AND ordinal = $2"),
    };

    account_subject(account, ordinal)->moved = true;
    if (!find_opt_outs(&farewell, ordinal, error) ||
        !db_run(ledger->db, SQL("SELECT kind, fingerprint FROM identity WHERE account = $1 AND ordinal = $2"), whose,
                take_leave, &farewell, error) ||
        !suppress(&farewell, error))
        return false;
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        if (!ledger_change(ledger, gone[i], whose, error))
            return false;
    return ledger_change(ledger,
                         SQL("UPDATE subject SET state = $3, created_at = NULL, erased_position = $4"
                             " WHERE account = $1 AND ordinal = $2"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(SUBJECT_ERASING),
                                   DB_INTEGER(ledger_raise_position(ledger))),
                         error) &&
           ledger_destroy_slot(ledger, account_subject(account, ordinal)->slot, error) &&
           ledger_stage(ledger, publish_death, &death, sizeof death, error);
}

static void publish_end(struct ledger *ledger, void *arg)
{
    const struct death *death = arg;

    account_subject(ledger_account(ledger, death->account), death->ordinal)->state = SUBJECT_ERASED;
}

bool subject_erased(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error)
{
    const struct death death = { account->number, ordinal };

    return ledger_change(ledger, SQL("UPDATE subject SET state = $3 WHERE account = $1 AND ordinal = $2"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(SUBJECT_ERASED)),
                         error) &&
           ledger_stage(ledger, publish_end, &death, sizeof death, error);
}

/* ---- marks whose time is over ---- */

struct expired {
    uint32_t account;
    int64_t what;
    struct fingerprint print;
};

static void publish_expired(struct ledger *ledger, void *arg)
{
    const struct expired *expired = arg;
    struct account *account = ledger_account(ledger, expired->account);

    (void)map_remove(expired->what == MARK_LATE ? &account->late : &account->suppressed, key_of(&expired->print));
}

struct expiry {
    struct ledger *ledger;
    uint32_t account;
    bool any;
};

static bool take_expired(void *arg, const struct row *row, struct error *error)
{
    struct expiry *expiry = arg;
    struct expired expired = { .account = expiry->account, .what = row_integer(row, 0) };

    expiry->any = true;
    return row_blob(row, 1, expired.print.bytes, sizeof expired.print.bytes, error) &&
           ledger_stage(expiry->ledger, publish_expired, &expired, sizeof expired, error);
}

bool marks_expire(struct ledger *ledger, struct account *account, int64_t now_ms, struct error *error)
{
    struct expiry expiry = { ledger, account->number, false };
    const struct value *which = DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(now_ms));

    if (!db_run(ledger->db, SQL("SELECT what, fingerprint FROM mark WHERE account = $1 AND until <= $2"), which,
                take_expired, &expiry, error))
        return false;
    return !expiry.any ||
           ledger_change(ledger, SQL("DELETE FROM mark WHERE account = $1 AND until <= $2"), which, error);
}
