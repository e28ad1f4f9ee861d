/* The series of what was said about channels, and the objections that follow from it. */
#include "ledger/preference.h"

#include <endian.h>

#include "ledger/ledger_inside.h"
#include "ledger/right.h"

static const char *const voice_names[] = {
    [VOICE_CONTROLLER] = "controller",
    [VOICE_CLIENT] = "client",
    [VOICE_PERSON] = "person",
    [VOICE_KEPT] = "kept",
};

const char *voice_name(enum voice voice)
{
    return voice_names[voice];
}

/* The newest that was said and counted about one channel and kind of message. */
struct last {
    bool found, opted_in;
    enum voice voice;
    enum voice
        strongest; /* of an opt-out: the highest voice since the last opt-in; who says it again takes nothing away */
    int64_t received_ms;
    int64_t at_ms; /* the latest that was said of these */
};

/* From the newest back to the last that said otherwise. */
static bool take_last(void *arg, const struct row *row, struct error *error)
{
    struct last *last = arg;
    bool opted_in = row_integer(row, 0) != 0;
    enum voice voice = (enum voice)row_integer(row, 1);

    (void)error;
    if (!last->found)
        *last = (struct last){ true, opted_in, voice, voice, row_integer(row, 2), row_integer(row, 3) };
    if (opted_in != last->opted_in)
        return DB_STOP;
    if (row_integer(row, 3) > last->at_ms)
        last->at_ms = row_integer(row, 3);
    if (voice > last->strongest)
        last->strongest = voice;
    return true;
}

static bool read_last(struct ledger *ledger, uint32_t account, uint32_t ordinal, const struct preference *preference,
                      struct last *last, struct error *error)
{
    *last = (struct last){ 0 };
    return db_run(ledger->db,
                  SQL("SELECT opted_in, voice, received, at FROM preference WHERE account = $1 AND ordinal = $2"
                      " AND channel = $3 AND service = $4 AND applied = 1 ORDER BY number DESC"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(preference->channel),
                            DB_INTEGER(preference->service)),
                  take_last, last, error);
}

struct series {
    preference_each *each;
    void *arg;
};

static bool take_series(void *arg, const struct row *row, struct error *error)
{
    const struct series *series = arg;
    struct preference_row taken = {
        .preference = { .channel = (enum channel)row_integer(row, 1),
                        .service = row_integer(row, 2) != 0,
                        .opted_in = row_integer(row, 3) != 0,
                        .applied = row_integer(row, 4) != 0,
                        .voice = (enum voice)row_integer(row, 5),
                        .at_ms = row_integer(row, 6),
                        .received_ms = row_integer(row, 7),
                        .source = (uint32_t)row_integer(row, 8) },
        .number = (uint64_t)row_integer(row, 0),
    };

    if (!row_is_null(row, 11)) {
        if (!row_blob(row, 9, taken.nonce.salt, sizeof taken.nonce.salt, error))
            return false;
        taken.nonce.counter = (uint64_t)row_integer(row, 10);
        taken.sealed = row_bytes(row, 11);
    }
    return series->each(series->arg, &taken, error);
}

/* An opt-out of one of them is all of theirs; the latest and the strongest of several count. */
static void combine(struct last *last, const struct last *more)
{
    enum voice strongest = last->strongest > more->strongest ? last->strongest : more->strongest;
    int64_t at_ms = last->at_ms > more->at_ms ? last->at_ms : more->at_ms;

    if (!more->found || (last->found && !last->opted_in && more->opted_in))
        return;
    if (!last->found || (last->opted_in && !more->opted_in)) {
        *last = *more;
        return;
    }
    if (more->received_ms > last->received_ms)
        *last = *more;
    last->strongest = strongest;
    last->at_ms = at_ms;
}

static bool read_last_of(struct ledger *ledger, uint32_t account, const struct person *person,
                         const struct preference *preference, struct last *last, struct error *error)
{
    struct last one;

    *last = (struct last){ 0 };
    for (uint32_t i = 0; i < person->count; i++) {
        if (!read_last(ledger, account, person->ordinals[i], preference, &one, error))
            return false;
        combine(last, &one);
    }
    return true;
}

/* Semantics of outranking: an opt-out always holds; an opt-in by a site or app never overrides an opt-out, one by the
 * controller's systems not what the person said, be it in a site or app. */
static bool counts(const struct preference *preference, const struct last *last)
{
    if (preference->opted_in && last->found && !last->opted_in) {
        if (preference->received_ms < last->received_ms && last->voice != VOICE_KEPT)
            return false; /* it was parked when the opt-out came */
        if (preference->at_ms / WHEN_SECOND < last->at_ms / WHEN_SECOND && last->voice != VOICE_KEPT)
            return false; /* a consent that is older than the objection */
        if (preference->voice == VOICE_CLIENT)
            return false;
        if (preference->voice == VOICE_CONTROLLER)
            return last->strongest == VOICE_CONTROLLER;
    }
    return true;
}

/* What a detail's seal is bound to: it cannot be moved to another person or statement, nor the statement changed.
 * Settled: format u8 = 4, channel u8, bits u8 (service, opted in, applied), voice u8, account u32, ordinal u32, source u32,
 * number u64, at i64, received i64. */
enum { DETAIL_FORMAT = 4, BOUND_LEN = 4 + 3 * 4 + 3 * 8 };
static struct str bound_of(unsigned char bound[BOUND_LEN], const struct grant *grant, uint64_t number,
                           const struct preference *said)
{
    const uint32_t shorts[] = { htole32(grant_account(grant)), htole32(grant_ordinal(grant)), htole32(said->source) };
    const uint64_t longs[] = { htole64(number), htole64((uint64_t)said->at_ms), htole64((uint64_t)said->received_ms) };

    bound[0] = DETAIL_FORMAT;
    bound[1] = (unsigned char)said->channel;
    bound[2] = (unsigned char)(said->service | said->opted_in << 1 | said->applied << 2);
    bound[3] = (unsigned char)said->voice;
    memcpy(bound + 4, shorts, sizeof shorts);
    memcpy(bound + 4 + sizeof shorts, longs, sizeof longs);
    return (struct str){ (const char *)bound, BOUND_LEN };
}

struct sealed_detail {
    struct record_nonce nonce;
    struct str sealed; /* empty: none */
};

static bool seal_detail(struct ledger *ledger, const struct grant *grant, const struct preference *preference,
                        uint64_t number, struct sealed_detail *out, struct error *error)
{
    unsigned char bound[BOUND_LEN];
    unsigned char *sealed;

    *out = (struct sealed_detail){ 0 };
    if (preference->detail.len == 0)
        return true;
    sealed = arena_alloc(&ledger->stage, preference->detail.len + GRANT_TAG_LEN, 1);
    if (!sealed)
        return error_set(error, ERROR_BUSY, "too many changes in one group");
    grant_seal(grant, preference->detail, bound_of(bound, grant, number, preference), &out->nonce, sealed);
    out->sealed = (struct str){ (const char *)sealed, preference->detail.len + GRANT_TAG_LEN };
    return true;
}

static bool store(struct ledger *ledger, const struct grant *grant, const struct preference *preference,
                  struct error *error)
{
    struct sealed_detail detail;
    int64_t number = 0;

    if (!db_integer(
            ledger->db, SQL("SELECT COALESCE(MAX(number), 0) + 1 FROM preference WHERE account = $1 AND ordinal = $2"),
            DB_PARAMS(DB_INTEGER(grant_account(grant)), DB_INTEGER(grant_ordinal(grant))), &number, NULL, error) ||
        !seal_detail(ledger, grant, preference, (uint64_t)number, &detail, error))
        return false;
    bool has = detail.sealed.len > 0;
    return ledger_change(ledger,
                         SQL("INSERT INTO preference (account, ordinal, number, channel, service, opted_in, applied,"
                             " voice, at, received, source, salt, counter, sealed)"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"),
                         DB_PARAMS(DB_INTEGER(grant_account(grant)), DB_INTEGER(grant_ordinal(grant)),
                                   DB_INTEGER(number), DB_INTEGER(preference->channel), DB_INTEGER(preference->service),
                                   DB_INTEGER(preference->opted_in), DB_INTEGER(preference->applied),
                                   DB_INTEGER(preference->voice), DB_INTEGER(preference->at_ms),
                                   DB_INTEGER(preference->received_ms), DB_INTEGER(preference->source),
                                   has ? DB_BLOB(detail.nonce.salt, sizeof detail.nonce.salt) : DB_NULL,
                                   has ? DB_INTEGER(detail.nonce.counter) : DB_NULL,
                                   has ? DB_BLOB(detail.sealed.at, detail.sealed.len) : DB_NULL),
                         error);
}

static bool follow_with_right(struct ledger *ledger, struct account *account, uint32_t ordinal,
                              const struct preference *preference, const struct last *last, struct error *error)
{
    uint32_t bit = preference->service ? SERVICE_BIT(preference->channel) : MARKET_BIT(preference->channel);
    const struct right_end how = { .notice_ms = WHEN_NONE };
    int64_t ended = 0;

    if (preference->opted_in)
        return rights_end(ledger, account, ordinal, RIGHT_OBJECTION, bit, &how, &ended, error);
    if (last->found && !last->opted_in)
        return true; /* the objection stands already */
    const struct right right = {
        .kind = RIGHT_OBJECTION,
        .denies = bit,
        .since_ms = preference->at_ms,
        .until_ms = WHEN_NONE,
        .road = str_of(voice_name(preference->voice)),
        .source = preference->source,
    };
    return right_add(ledger, account, ordinal, &right, error);
}

/* ---- what is said again ---- */

/* Without words of consent and nothing new: real clients repeat themselves in every call. */
static bool is_repeat(const struct preference *preference, const struct last *last)
{
    return last->found && last->opted_in == preference->opted_in && last->voice == preference->voice;
}

struct search {
    const struct preference *wanted;
    const struct grant *grant;
    bool found;
};

static bool take_same(void *arg, const struct preference_row *row, struct error *error)
{
    struct search *search = arg;
    struct arena arena;
    struct str detail;

    arena_init(&arena, row->sealed.len + 64);
    bool ok = preference_unseal(row, search->grant, &arena, &detail, error);
    search->found = search->found || (ok && str_equal(detail, search->wanted->detail));
    arena_clear(&arena);
    return ok;
}

/* The very same words of the same call: what took effect at once while its item was parked comes a second time. */
static bool was_said(struct ledger *ledger, const struct grant *grant, const struct preference *preference, bool *out,
                     struct error *error)
{
    struct search search = { preference, grant, false };
    struct series series = { take_same, &search };

    if (!db_run(ledger->db,
                SQL("SELECT number, channel, service, opted_in, applied, voice, at, received, source, salt, counter,"
                    " sealed FROM preference WHERE account = $1 AND ordinal = $2 AND channel = $3 AND service = $4"
                    " AND opted_in = $5 AND at = $6 AND received = $7 AND source = $8 AND sealed IS NOT NULL"),
                DB_PARAMS(DB_INTEGER(grant_account(grant)), DB_INTEGER(grant_ordinal(grant)),
                          DB_INTEGER(preference->channel), DB_INTEGER(preference->service),
                          DB_INTEGER(preference->opted_in), DB_INTEGER(preference->at_ms),
                          DB_INTEGER(preference->received_ms), DB_INTEGER(preference->source)),
                take_series, &series, error))
        return false;
    *out = search.found;
    return true;
}

static bool take_newest(void *arg, const struct row *row, struct error *error)
{
    struct preference *newest = arg;

    (void)error;
    newest->opted_in = row_integer(row, 0) != 0;
    newest->voice = (enum voice)row_integer(row, 1);
    newest->applied = row_integer(row, 2) != 0;
    return true;
}

/* What did not count stands in the series once, however often the same systems send it. */
static bool is_refused_again(struct ledger *ledger, const struct grant *grant, const struct preference *preference,
                             bool *out, struct error *error)
{
    struct preference newest = { .applied = true };

    if (!db_run(ledger->db,
                SQL("SELECT opted_in, voice, applied FROM preference WHERE account = $1 AND ordinal = $2"
                    " AND channel = $3 AND service = $4 ORDER BY number DESC LIMIT 1"),
                DB_PARAMS(DB_INTEGER(grant_account(grant)), DB_INTEGER(grant_ordinal(grant)),
                          DB_INTEGER(preference->channel), DB_INTEGER(preference->service)),
                take_newest, &newest, error))
        return false;
    *out = !newest.applied && newest.opted_in == preference->opted_in && newest.voice == preference->voice;
    return true;
}

/* Words of consent are kept each time they are given: they are the proof of it (Art. 7(1)). */
static bool is_said_again(struct ledger *ledger, const struct grant *grant, const struct preference *preference,
                          const struct last *last, bool *out, struct error *error)
{
    if (preference->detail.len > 0)
        return was_said(ledger, grant, preference, out, error);
    if (!preference->applied)
        return is_refused_again(ledger, grant, preference, out, error);
    *out = is_repeat(preference, last);
    return true;
}

static const struct grant *store_grant(struct seat *seat, struct account *account, uint32_t ordinal,
                                       struct error *error)
{
    return gate_open(seat, account, ordinal, PURPOSE_STORE, REASON_NONE, error);
}

static bool enter(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                  const struct preference *preference, const struct last *last, struct error *error)
{
    const struct grant *grant = store_grant(seat, account, ordinal, error);

    return grant && store(ledger, grant, preference, error) &&
           (!preference->applied || follow_with_right(ledger, account, ordinal, preference, last, error));
}

/* An opt-in that counts ends the opt-outs of those whom it is said for, too. */
static bool enter_for_others(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                             const struct person *person, const struct preference *preference, struct error *error)
{
    struct last last;

    for (uint32_t i = 0; i < person->count; i++) {
        uint32_t other = person->ordinals[i];
        if (other == ordinal)
            continue;
        if (!read_last(ledger, account->number, other, preference, &last, error) ||
            (last.found && !last.opted_in && !enter(ledger, seat, account, other, preference, &last, error)))
            return false;
    }
    return true;
}

bool preference_say(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                    struct preference *preference, struct error *error)
{
    const struct grant *grant = store_grant(seat, account, ordinal, error);
    struct person person;
    struct last last;
    bool again = false;

    if (!grant || !person_now(ledger, account, ordinal, &person, error) ||
        !read_last_of(ledger, account->number, &person, preference, &last, error))
        return false;
    preference->applied = counts(preference, &last);
    if (!is_said_again(ledger, grant, preference, &last, &again, error))
        return false;
    if (again)
        return true;
    return enter(ledger, seat, account, ordinal, preference, &last, error) &&
           (!preference->applied || !preference->opted_in ||
            enter_for_others(ledger, seat, account, ordinal, &person, preference, error));
}

/* ---- when a person is parted ---- */

static bool keep_one(struct ledger *ledger, struct seat *seat, struct account *account, const struct person *said,
                     const struct person *others, uint32_t ordinal, struct preference *preference, struct error *error)
{
    struct last said_last, last;

    if (!read_last_of(ledger, account->number, said, preference, &said_last, error) ||
        !read_last_of(ledger, account->number, others, preference, &last, error))
        return false;
    if (!said_last.found || said_last.opted_in || (last.found && !last.opted_in))
        return true;
    preference->voice = said_last.strongest;
    preference->at_ms = said_last.at_ms;
    preference->received_ms = said_last.received_ms;
    return enter(ledger, seat, account, ordinal, preference, &last, error);
}

bool preference_keep(struct ledger *ledger, struct seat *seat, struct account *account, const struct person *said,
                     const struct person *others, uint32_t ordinal, uint32_t source, struct error *error)
{
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int service = 0; service < 2; service++) {
            struct preference preference = {
                .channel = (enum channel)channel, .service = service, .applied = true, .source = source
            };
            if (!keep_one(ledger, seat, account, said, others, ordinal, &preference, error))
                return false;
        }
    return true;
}

/* ---- reading ---- */

static bool take_state(void *arg, const struct row *row, struct error *error)
{
    struct preference_state *states = arg;
    int64_t channel = row_integer(row, 0);

    if (channel < 0 || channel >= CHANNELS)
        return error_set(error, ERROR_CORRUPT, "a preference of no channel");
    bool opted_in = row_integer(row, 1) != 0;
    struct preference_state *state = &states[channel];
    if (!state->set || state->opted_in != opted_in)
        state->since_ms = row_integer(row, 2);
    state->set = true;
    state->opted_in = opted_in;
    return true;
}

static bool states_of(struct db *db, uint32_t account, uint32_t ordinal, struct preference_state out[CHANNELS],
                      struct error *error)
{
    for (int channel = 0; channel < CHANNELS; channel++)
        out[channel] =
            (struct preference_state){ .opted_in = channel_table[channel].opted_in_by_default, .since_ms = WHEN_NONE };
    return db_run(db,
                  SQL("SELECT channel, opted_in, at FROM preference WHERE account = $1 AND ordinal = $2"
                      " AND service = 0 AND applied = 1 ORDER BY number"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_state, out, error);
}

static void combine_state(struct preference_state *state, const struct preference_state *more)
{
    if (!more->set || (state->set && !state->opted_in && more->opted_in))
        return;
    if (!state->set || state->opted_in != more->opted_in)
        *state = *more;
    else if (more->since_ms < state->since_ms)
        state->since_ms = more->since_ms;
}

bool preference_states(struct db *db, uint32_t account, const uint32_t *ordinals, size_t count,
                       struct preference_state out[CHANNELS], struct error *error)
{
    struct preference_state more[CHANNELS];

    for (size_t i = 0; i < count; i++) {
        if (!states_of(db, account, ordinals[i], i == 0 ? out : more, error))
            return false;
        for (int channel = 0; i > 0 && channel < CHANNELS; channel++)
            combine_state(&out[channel], &more[channel]);
    }
    return true;
}

bool preference_series(struct db *db, uint32_t account, uint32_t ordinal, preference_each *each, void *arg,
                       struct error *error)
{
    struct series series = { each, arg };

    return db_run(db,
                  SQL("SELECT number, channel, service, opted_in, applied, voice, at, received, source, salt, counter,"
                      " sealed FROM preference WHERE account = $1 AND ordinal = $2 ORDER BY number"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_series, &series, error);
}

bool preference_unseal(const struct preference_row *row, const struct grant *grant, struct arena *arena,
                       struct str *detail, struct error *error)
{
    unsigned char bound[BOUND_LEN];
    char *plain;

    *detail = (struct str){ NULL, 0 };
    if (row->sealed.len < GRANT_TAG_LEN)
        return true;
    plain = arena_bytes(arena, row->sealed.len - GRANT_TAG_LEN + 1);
    if (!plain)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    *detail = (struct str){ plain, row->sealed.len - GRANT_TAG_LEN };
    return grant_unseal(grant, row->sealed, bound_of(bound, grant, row->number, &row->preference), &row->nonce,
                        (unsigned char *)plain, error);
}
