/* Which events of a person are there already when what was parked is taken in: of a replay that broke off, or of the same
 * message that was parked twice. */
#ifndef HABEAS_INTAKE_WRITTEN_H
#define HABEAS_INTAKE_WRITTEN_H

#include "vault/journal.h"

struct written_event {
    uint64_t message; /* or what tells it where it has none */
    int64_t received_ms;
};
struct written {
    struct written_event *events; /* those of the journal in order of message, then those noted */
    size_t sorted, count, cap;
};

/* Reads the subject's rows received since then, into an arena that is reset for every few of them. */
bool written_load(struct written *written, struct journal_reader *journal, uint32_t account, uint32_t subject,
                  int64_t since_ms, struct arena *arena, struct error *error);
bool written_has(const struct written *written, const struct written_event *event);
bool written_note(struct written *written, const struct written_event *event, struct error *error);
/* Of what was noted, nothing is compared any more. */
void written_settle(struct written *written);
void written_clear(struct written *written);

#endif
