/* Shared by the files of ingestion only. */
#ifndef HABEAS_INTAKE_INGEST_INSIDE_H
#define HABEAS_INTAKE_INGEST_INSIDE_H

#include "intake/ingest.h"

#define INGEST_PERSONAL_NAME "looks like an address, a number or an id; names are kept in the clear"
#define INGEST_OTHER_TYPE "has another type than the first value of this name"

static inline struct ingest *ingest_of(struct command *command)
{
    return (struct ingest *)command; /* its first member */
}

static inline void await_profiles(struct ingest *ingest)
{
    ingest->command.phases |= PHASE_PROFILES;
}

bool ingest_type_fits(enum name_type has, enum name_type value);
enum name_kind ingest_attribute_kind(const struct item *item);
void ingest_drop_attribute(struct ingest *ingest, const struct item *item, struct attribute *attribute,
                           const char *message);
uint64_t ingest_message_hash(const struct account *account, struct str message_id);
bool ingest_seal_event(struct ingest *ingest, const struct account *account, struct item *item,
                       struct proposal *proposal, const struct grant *grant, uint32_t name, struct error *error);

/* ingest_join.c */
bool ingest_joins_suppressed(const struct ingest *ingest, const struct account *account, struct seat *seat,
                             const struct item *item);
void ingest_join_prepare(struct ingest *ingest, const struct account *account, struct seat *seat,
                         const struct item *item, struct proposal *proposal);
bool ingest_join_in_ledger(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                           struct proposal *proposal, struct error *error);

command_step ingest_in_ledger, ingest_settle, ingest_in_profiles, ingest_in_volume;

#endif
