/* The end of subjects: their erasure's first and last step, what outlives it, and when that is over. */
#include "ledger/subject.h"

#include <assert.h>

#include "ledger/ledger_inside.h"
#include "ledger/mark.h"
#include "ledger/preference.h"

/* ---- what becomes of the person ---- */

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
    subject->person = subject->next = 0;
    subject->moved = false;
    ledger_forget_keys(ledger, death->account, death->ordinal);
}

struct lost_identity {
    uint32_t account, ordinal;
    struct fingerprint print;
    int64_t late_at; /* WHEN_NONE: no late mark */
};

/* An id that has come to mean somebody else since stays theirs. */
static void publish_lost_identity(struct ledger *ledger, void *arg)
{
    const struct lost_identity *lost = arg;
    struct account *account = ledger_account(ledger, lost->account);
    const uint64_t *marked = map_find(&account->late, ledger_key(&lost->print));

    if (account_find(account, &lost->print) == lost->ordinal)
        (void)map_remove(&account->identities, ledger_key(&lost->print));
    if (lost->late_at == WHEN_NONE || (marked && (int64_t)*marked > lost->late_at))
        return;
    if (!map_put(&account->late, ledger_key(&lost->print), (uint64_t)lost->late_at))
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

    if (!map_put(&ledger_account(ledger, suppressed->account)->suppressed, ledger_key(&suppressed->print),
                 (uint64_t)suppressed->until))
        assert(false && "out of memory for a suppression");
}

struct new_mark {
    enum mark_what what;
    enum identity_kind kind;
    const struct fingerprint *print;
    int channel;
    int64_t at, until;
};

/* The latest moment of several counts. */
static bool add_mark(struct ledger *ledger, uint32_t account, const struct new_mark *mark, struct error *error)
{
    ledger->marks_moved = true;
    return ledger_change(ledger,
                         SQL("INSERT INTO mark (account, what, kind, fingerprint, channel, at, until)"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7)"
                             " ON CONFLICT (account, what, kind, fingerprint, channel)"
                             " DO UPDATE SET at = CASE WHEN excluded.at > mark.at THEN excluded.at ELSE mark.at END,"
                             " until = excluded.until"),
                         DB_PARAMS(DB_INTEGER(account), DB_INTEGER(mark->what), DB_INTEGER(mark->kind),
                                   DB_BLOB(mark->print->bytes, FINGERPRINT_LEN), DB_INTEGER(mark->channel),
                                   DB_INTEGER(mark->at), mark->until == WHEN_NONE ? DB_NULL : DB_INTEGER(mark->until)),
                         error);
}

struct farewell {
    struct ledger *ledger;
    struct account *account;
    const struct subject_erasure *how;
    uint32_t ordinal;
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
        const struct new_mark mark = { MARK_KEPT_OPT_OUT, kind, print, channel, when_now(farewell->ledger->clock),
                                       WHEN_NONE };
        if ((farewell->opted_out & (1u << channel)) && is_kept_for((enum channel)channel, kind) &&
            !add_mark(farewell->ledger, farewell->account->number, &mark, error))
            return false;
    }
    return true;
}

/* Of an anonymous id that means somebody else by now this person's is what was before it did. */
static bool take_leave(void *arg, const struct row *row, struct error *error)
{
    struct farewell *farewell = arg;
    struct ledger *ledger = farewell->ledger;
    int64_t days = farewell->account->options.late_mark_days, now = when_now(ledger->clock);
    bool is_left = !row_is_null(row, 2);
    struct lost_identity lost = { .account = farewell->account->number,
                                  .ordinal = farewell->ordinal,
                                  .late_at = days <= 0 ? WHEN_NONE
                                             : is_left ? row_integer(row, 2)
                                                       : now };
    const struct new_mark late = { .what = MARK_LATE,
                                   .kind = (enum identity_kind)row_integer(row, 0),
                                   .print = &lost.print,
                                   .at = lost.late_at,
                                   .until = now + days * WHEN_DAY };

    if (!row_blob(row, 1, lost.print.bytes, sizeof lost.print.bytes, error))
        return false;
    if (days > 0 && !add_mark(ledger, lost.account, &late, error))
        return false;
    return (is_left || (drop_kept(farewell, late.kind, &lost.print, error) &&
                        keep_opt_outs(farewell, late.kind, &lost.print, error))) &&
           ledger_stage(ledger, publish_lost_identity, &lost, sizeof lost, error);
}

bool subject_suppress(struct ledger *ledger, struct account *account, enum identity_kind kind,
                      const struct fingerprint *print, int64_t until_ms, struct error *error)
{
    const struct suppressed suppressed = { account->number, *print, until_ms == WHEN_NONE ? INT64_MAX : until_ms };
    const struct new_mark mark = { MARK_SUPPRESSED, kind, print, 0, when_now(ledger->clock), until_ms };

    return add_mark(ledger, account->number, &mark, error) &&
           ledger_stage(ledger, publish_suppressed, &suppressed, sizeof suppressed, error);
}

static bool find_opt_outs(struct farewell *farewell, const uint32_t *ordinals, size_t count, struct error *error)
{
    struct preference_state states[CHANNELS];

    if (!farewell->how->keep_opt_outs)
        return true;
    if (!preference_states(farewell->ledger->db, farewell->account->number, ordinals, count, states, error))
        return false;
    for (int channel = 0; channel < CHANNELS; channel++)
        if (states[channel].set && !states[channel].opted_in)
            farewell->opted_out |= 1u << channel;
    return true;
}

/* Links in force go with the person. One that was taken back, of somebody who stays, says only that there was one: what
 * had been joined is not given to the next. */
static bool drop_rows(struct farewell *farewell, struct error *error)
{
    const struct value *whose = DB_PARAMS(DB_INTEGER(farewell->account->number), DB_INTEGER(farewell->ordinal));
    const struct sql gone[] = {
        SQL("DELETE FROM identity WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM rights WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM preference WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM link WHERE account = $1 AND ordinal = $2"),
        SQL("DELETE FROM link WHERE account = $1 AND user_ordinal = $2 AND removed_at IS NULL"),
        SQL("UPDATE link SET user_ordinal = 0 WHERE account = $1 AND user_ordinal = $2"),
        SQL("UPDATE request SET id_salt = NULL, id_counter = NULL, id_sealed = NULL"
            " WHERE account = $1 AND ordinal = $2"),
    };

    for (size_t i = 0; i < COUNT_OF(gone); i++)
        if (!ledger_change(farewell->ledger, gone[i], whose, error))
            return false;
    return true;
}

static bool erase_one(struct farewell *farewell, struct error *error)
{
    struct ledger *ledger = farewell->ledger;
    struct account *account = farewell->account;
    const struct death death = { account->number, farewell->ordinal };

    account_subject(account, death.ordinal)->moved = true;
    return db_run(ledger->db,
                  SQL("SELECT kind, fingerprint, left_at FROM identity WHERE account = $1 AND ordinal = $2"),
                  DB_PARAMS(DB_INTEGER(death.account), DB_INTEGER(death.ordinal)), take_leave, farewell, error) &&
           drop_rows(farewell, error) &&
           ledger_change(ledger,
                         SQL("UPDATE subject SET state = $3, created_at = NULL, erased_position = $4, erased_by = $5"
                             " WHERE account = $1 AND ordinal = $2"),
                         DB_PARAMS(DB_INTEGER(death.account), DB_INTEGER(death.ordinal), DB_INTEGER(SUBJECT_ERASING),
                                   DB_INTEGER(ledger->next_position),
                                   farewell->how->request ? DB_INTEGER(farewell->how->request) : DB_NULL),
                         error) &&
           ledger_destroy_slot(ledger, account_subject(account, death.ordinal)->slot, error) &&
           ledger_stage(ledger, publish_death, &death, sizeof death, error);
}

bool subject_erase(struct ledger *ledger, struct account *account, const uint32_t *ordinals, size_t count,
                   const struct subject_erasure *how, struct error *error)
{
    struct farewell farewell = { .ledger = ledger, .account = account, .how = how };

    (void)ledger_raise_position(ledger);
    if (!find_opt_outs(&farewell, ordinals, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        farewell.ordinal = ordinals[i];
        if (!erase_one(&farewell, error))
            return false;
    }
    return !how->suppress || !how->has_suppressed_id ||
           subject_suppress(ledger, account, how->kind, &how->print, how->suppress_until_ms, error);
}

static void publish_end(struct ledger *ledger, void *arg)
{
    const struct death *death = arg;

    account_subject(ledger_account(ledger, death->account), death->ordinal)->state = SUBJECT_ERASED;
}

bool subject_erased(struct ledger *ledger, struct account *account, uint32_t ordinal, struct error *error)
{
    const struct death death = { account->number, ordinal };

    return ledger_change(
               ledger, SQL("UPDATE subject SET state = $3, erased_by = NULL WHERE account = $1 AND ordinal = $2"),
               DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(SUBJECT_ERASED)), error) &&
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

    (void)map_remove(expired->what == MARK_LATE ? &account->late : &account->suppressed, ledger_key(&expired->print));
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
