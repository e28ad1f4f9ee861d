/* Shared by the files of ingestion only. */
#ifndef HABEAS_INTAKE_INGEST_INSIDE_H
#define HABEAS_INTAKE_INGEST_INSIDE_H

#include "intake/ingest.h"

#define INGEST_PERSONAL_NAME "looks like an address, a number or an id; names are kept in the clear"
#define INGEST_NAMES_FULL "this account has no room for more attribute names"
#define INGEST_OTHER_TYPE "has another type than the first value of this name"

static inline struct ingest *ingest_of(struct command *command)
{
    return (struct ingest *)command; /* its first member */
}

/* What its items are judged by: new data is collected, what comes back out of parking is only stored. */
static inline enum purpose ingest_purpose(const struct ingest *ingest)
{
    return ingest->parked_mark ? PURPOSE_STORE : PURPOSE_COLLECT;
}

/* What becomes of an item of somebody who is denied `denied`; PROPOSAL_OPEN: nothing is in its way. */
enum proposal_state ingest_judge(const struct ingest *ingest, uint32_t denied);

static inline void await_profiles(struct ingest *ingest)
{
    ingest->command.phases |= PHASE_PROFILES;
}

bool ingest_type_fits(enum name_type has, enum name_type value);
enum name_kind ingest_attribute_kind(const struct item *item);
void ingest_drop_attribute(struct ingest *ingest, const struct item *item, struct attribute *attribute,
                           const char *message);
uint64_t ingest_message_hash(const struct account *account, struct str message_id);
/* The person was erased between the arrival and now: it goes with the person. */
void ingest_drop_erased(struct ingest *ingest, struct proposal *proposal);
/* On the writer: was this message here within the last 24 hours? What comes back out of parking was, by itself. */
bool ingest_is_repeat(const struct turn *turn, const struct ingest *ingest, const struct proposal *proposal);
bool ingest_seal_event(struct ingest *ingest, const struct item *item, struct proposal *proposal,
                       const struct grant *grant, uint32_t name, struct error *error);

/* ingest_facts.c. Whether the item tells something about its person (ordinal 0: not known yet) that is not recorded. */
bool ingest_has_news(struct ingest *ingest, uint32_t index, uint32_t ordinal);
bool ingest_set_finders(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                        uint32_t ordinal, struct error *error);
/* False when the arena is full. */
bool ingest_tell_profile(const struct ingest *ingest, const struct item *item, struct profile *profile,
                         struct arena *arena);
int64_t ingest_said_ms(const struct ingest *ingest, const struct item *item);

/* ingest_join.c */
bool ingest_joins_suppressed(const struct ingest *ingest, const struct account *account, struct seat *seat,
                             const struct item *item);
void ingest_join_prepare(struct ingest *ingest, const struct account *account, struct seat *seat,
                         const struct item *item, struct proposal *proposal);
bool ingest_join_in_ledger(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                           struct proposal *proposal, struct error *error);

command_step ingest_in_ledger, ingest_settle, ingest_in_profiles, ingest_in_volume;

#endif
