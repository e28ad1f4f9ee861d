/* What people want to get, per channel: a time series that is never overwritten (Art. 7(1), 21). Promotional and service
 * messages apart. An opt-out is a right (an objection row); this module writes both together. */
#ifndef HABEAS_LEDGER_PREFERENCE_H
#define HABEAS_LEDGER_PREFERENCE_H

#include "ledger/gate.h"
#include "ledger/person.h"

/* Who spoke. Stored: numbers are settled. */
enum voice {
    VOICE_CONTROLLER = 1, /* a key of the account's own systems */
    VOICE_CLIENT = 2,     /* a write key: a site or an app */
    VOICE_PERSON = 3,     /* the person, with wording recorded */
    VOICE_KEPT = 4,       /* an opt-out kept from before an erasure */
};
const char *voice_name(enum voice voice);

struct preference {
    enum channel channel;
    bool service;
    bool opted_in;
    bool applied;
    enum voice voice;
    int64_t at_ms, received_ms;
    uint32_t source;
    struct str detail; /* JSON of wording, version and road; empty when none; sealed in the table */
};

/* Adds to the subject's series what differs from what its person has said, and sets or ends the objection. An opt-in does
 * not override what the person (or, spoken by a write key, anybody) has said: then *applied is false. One that does ends the
 * opt-outs of all the person's subjects. The seat's open grant ends. */
bool preference_say(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                    struct preference *preference, struct error *error);
/* When a person is parted: what `said` had opted out of stays denied to the others, in the series of `ordinal`, one of
 * them. Without the words, which are not theirs. */
bool preference_keep(struct ledger *ledger, struct seat *seat, struct account *account, const struct person *said,
                     const struct person *others, uint32_t ordinal, uint32_t source, struct error *error);

/* The state of every channel now, from any handle: an opt-out of one of a person's subjects is all of theirs. */
struct preference_state {
    bool opted_in, set;
    int64_t since_ms;
};
bool preference_states(struct db *db, uint32_t account, const uint32_t *ordinals, size_t count,
                       struct preference_state out[CHANNELS], struct error *error);

/* The whole series, oldest first: sealed details are handed on with what unsealing needs. */
struct preference_row {
    struct preference preference; /* detail empty */
    uint64_t number;
    struct record_nonce nonce;
    struct str sealed; /* empty: none */
};
typedef bool preference_each(void *arg, const struct preference_row *row, struct error *error);
bool preference_series(struct db *db, uint32_t account, uint32_t ordinal, preference_each *each, void *arg,
                       struct error *error);
bool preference_unseal(const struct preference_row *row, const struct grant *grant, struct arena *arena,
                       struct str *detail, struct error *error);

#endif
