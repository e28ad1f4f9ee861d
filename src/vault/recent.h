/* The ids received lately, as 64-bit hashes in order of receipt: has this one been here? Forgets what is older than
 * `keep_ms` and, beyond `max`, what is oldest. About 14 bytes an id, from the system in pieces and given back in pieces.
 * The writer's alone. No step does more than a bounded piece of work: what is due is spread over the ids that follow. */
#ifndef HABEAS_VAULT_RECENT_H
#define HABEAS_VAULT_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_MAX 16000000 /* the most that `max` may be */

struct recent;
/* NULL when memory is out. */
struct recent *recent_new(int64_t max, int64_t keep_ms);
void recent_free(struct recent *recent);

/* Begins to bring near what looking for the id will touch. */
void recent_fetch(const struct recent *recent, uint64_t id);
bool recent_has(const struct recent *recent, uint64_t id);
/* Room for one more id, so that adding it cannot fail. False when memory is out. */
bool recent_reserve(struct recent *recent);
/* Adds an id; one that is there already is there until the last of both goes. Time never runs back: what is older than the newest, or than now, is as old as that. */
void recent_add(struct recent *recent, uint64_t id, int64_t at_ms);

/* Forgetting the newest again: `recent_cut` takes back all that was added since the mark was taken. */
uint64_t recent_mark(const struct recent *recent);
void recent_cut(struct recent *recent, uint64_t mark);

/* It is `now_ms`: what is too old is not found from here on. Some of what is due is done. */
void recent_tend(struct recent *recent, int64_t now_ms);

struct recent_facts {
    int64_t count;
    int64_t oldest_ms; /* WHEN_NONE: there is none */
    int64_t bytes;
};
void recent_facts(const struct recent *recent, struct recent_facts *out);

#endif
