/* Answers kept in profiles.db for callers that repeat an x-request-id (those of events stand in the volumes), ids of
 * messages without a row, and who has parked data. */
#ifndef HABEAS_VAULT_KEPT_H
#define HABEAS_VAULT_KEPT_H

#include "vault/journal.h"
#include "vault/profiles.h"

bool profiles_keep_answer(struct profiles *profiles, uint32_t account, const unsigned char mark[16], int64_t at_ms,
                          struct str sealed, struct error *error);
bool profiles_answers(struct profiles *profiles, int64_t since_ms, journal_answer *each, void *arg,
                      struct error *error);
bool profiles_expire_answers(struct profiles *profiles, int64_t before_ms, struct error *error);

/* The keyed hash of a message id that no row tells, until that time (kept to the minute). */
bool profiles_keep_message(struct profiles *profiles, uint64_t message, int64_t until_ms, struct error *error);
/* Those that are kept beyond `now_ms`, by rising `until_ms`. */
typedef bool kept_message(void *arg, uint64_t message, int64_t until_ms, struct error *error);
bool profiles_messages(struct profiles *profiles, int64_t now_ms, kept_message *each, void *arg, struct error *error);
/* A few thousand at a time, for the writer does nothing else meanwhile; *more: there may be others. */
bool profiles_expire_messages(struct profiles *profiles, int64_t now_ms, bool *more, struct error *error);

/* Ordinals from `first` on that have a profile, in order. */
typedef void profile_seen(void *arg, uint32_t ordinal);
bool profiles_seen(struct profiles *profiles, uint32_t account, uint32_t first, profile_seen *each, void *arg,
                   struct error *error);

struct parked_subject {
    uint32_t account, ordinal;
};
/* Subjects that have parked data, at most `max`, behind `after` (account 0: from the first). */
bool parked_subjects(struct db *db, struct parked_subject after, size_t max, struct parked_subject *out, size_t *count,
                     struct error *error);
/* Parked items of a subject up to this number: they have been replayed. */
bool parked_forget(struct profiles *profiles, uint32_t account, uint32_t ordinal, uint64_t up_to, struct error *error);

#endif
