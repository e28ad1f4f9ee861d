/* A person: the subjects that links in force join, directly or through each other. The lowest ordinal names it. Rows,
 * seals and rights stay with their subject; what is denied to one of them is denied to all. */
#ifndef HABEAS_LEDGER_PERSON_H
#define HABEAS_LEDGER_PERSON_H

#include "ledger/ledger.h"

/* Of one person; a link past it is refused. */
#define PERSON_MAX 1000
struct person {
    uint32_t count;
    uint32_t ordinals[PERSON_MAX]; /* rising */
};

bool person_has(const struct person *person, uint32_t ordinal);
/* From memory, inside ledger_enter. Of an ordinal that is nobody's: itself alone. */
void person_known(const struct account *account, uint32_t ordinal, struct person *out);
/* For the writer: links of its open group count too. */
bool person_now(struct ledger *ledger, const struct account *account, uint32_t ordinal, struct person *out,
                struct error *error);
/* What is denied to the person by the rows of now. */
bool person_denied(struct ledger *ledger, const struct account *account, const struct person *person, uint32_t *denied,
                   struct error *error);
/* Stages the ring and the mask of all its subjects, and their next generation: one step behind the commit. */
bool person_restage(struct ledger *ledger, struct account *account, const struct person *person, struct error *error);
/* At start: joins two in memory. Masks are spread by persons_settle when all rights are there. */
bool person_load_link(struct account *account, uint32_t ordinal, uint32_t other);
void persons_settle(struct account *account);

#endif
