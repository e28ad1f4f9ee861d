/* Access (GDPR Art. 15): one person's data as a document. Everything here reads in short slices, each with its own grant,
 * so nothing goes on being shown after a right has changed. */
#ifndef HABEAS_RIGHTS_ACCESS_H
#define HABEAS_RIGHTS_ACCESS_H

#include "base/json_write.h"
#include "ledger/gate.h"
#include "ledger/person.h"
#include "ledger/right.h"
#include "vault/profile.h"
#include "work/engine.h"

/* Whose data, for what, by whom. */
struct look {
    struct engine *engine;
    struct reader *reader;
    struct arena *arena;
    uint32_t account, ordinal;
    enum purpose purpose;
    enum look_reason reason;
    struct person person; /* all whom links join, as of the slice: access_gather */
};

/* The subject of a cuid or anonymous id, if looking at it is allowed. ERROR_NOT_FOUND, ERROR_FORBIDDEN. */
bool access_find(struct engine *engine, uint32_t account, enum identity_kind kind, struct str id, enum purpose purpose,
                 enum look_reason reason, uint32_t *ordinal, struct error *error);

/* Who is meant now: the first thing of each slice. */
void access_gather(struct look *look);
/* A grant for one slice of one of the person's subjects; the ledger's hold is kept until access_close. NULL with the gate's
 * error, or ERROR_BUSY when that one has been parted from the person since access_gather. */
const struct grant *access_open(struct look *look, uint32_t ordinal, struct error *error);
void access_close(struct look *look);
/* The gate's word, also where there is nothing to open. */
bool access_allows(struct look *look, struct error *error);

/* One subject's record; empty when there is none. */
bool access_profile(struct look *look, uint32_t ordinal, struct profile *profile, struct error *error);
/* The members of the native read (without braces): identities, values, preferences, rights, sources. */
bool access_person(struct look *look, struct json_out *out, struct error *error);
/* The members "credential" and "route": where something came from. */
void access_source(struct look *look, struct json_out *out, uint32_t source);
/* The member "scope" of a right: null where it is the whole profile. */
void access_scope(const struct right *right, struct json_out *out);
/* The member "preferenceHistory". */
bool access_preferences(struct look *look, struct json_out *out, struct error *error);

/* One slice of events as elements of an open array. */
struct access_events {
    uint64_t bound; /* as in struct event_query; moved on to the last one written */
    bool oldest_first;
    size_t max;       /* at most 2,000 */
    size_t max_bytes; /* of sealed bodies, but always one event */
    size_t written;
    bool more; /* there are others behind the last one written */
};
bool access_events(struct look *look, struct access_events *events, struct json_out *out, struct error *error);

/* The audit entry of a look, committed before the answer leaves. */
struct access_entry {
    struct command command;
    uint32_t account, credential, ordinal;
    const char *act, *route;
    enum look_reason reason;
    enum purpose purpose;
};
extern const struct command_kind access_entry_kind;

#endif
