/* Ingestion: from items of any dialect to what the writer commits. The server thread looks up, checks and seals what it
 * can (a proposal); what it cannot decide alone (new people, new names, preferences) and what moved meanwhile the writer
 * does itself. */
#ifndef HABEAS_INTAKE_INGEST_H
#define HABEAS_INTAKE_INGEST_H

#include "intake/item.h"
#include "intake/seen.h"
#include "vault/event.h"
#include "work/engine.h"

/* What has become of an item so far. */
enum proposal_state {
    PROPOSAL_OPEN,     /* the writer must look: something is not known yet, or it is a user's profile */
    PROPOSAL_SEALED,   /* an event that may be recorded as it is, as long as nothing about the person moved */
    PROPOSAL_DROPPED,  /* accepted and not recorded: restricted, suppressed, late */
    PROPOSAL_REPEATED, /* accepted and not recorded: its message was here already */
    PROPOSAL_PARKED,   /* waits for the end of a cancel window */
    PROPOSAL_WAITS,    /* was parked, and goes on waiting: the person's erasure was asked for again */
    PROPOSAL_REFUSED,  /* its item says why */
};
struct proposal {
    enum proposal_state state;
    struct fingerprint print;
    uint32_t ordinal, generation;
    uint64_t message;   /* keyed hash of its id; 0: none */
    bool is_erased;     /* dropped with its person, erased since it arrived: that it was here is known all the same */
    bool is_suppressed; /* dropped because the person asked for it, not for its time or a restriction */
    bool tells;         /* what it tells about the person beside was written */
    uint32_t joined;    /* the subject of the id that the item joins, where its record may be missing; else 0 */
    struct event_row row;
};

/* Where data comes from and who answers for it. */
struct origin {
    uint32_t account, credential;
    unsigned scopes;
    struct str route;
    int64_t received_ms;
};

struct ingest {
    struct command command;
    struct origin origin;
    uint32_t source;     /* 0 until it is known */
    struct arena *arena; /* lives until done */
    bool is_bulk;
    struct item *items;
    struct proposal *proposals;
    uint32_t count;
    struct ignored_list ignored;
    uint32_t unapplied[2];     /* opt-outs, opt-ins that were kept as said and do not count */
    struct seen *seen;         /* what of devices and consent is recorded already; NULL: nothing is known to be */
    const struct item *teller; /* while preparing: the last item that told something about its person beside */
    bool is_joining;  /* an item changes whom an id means: those behind it are looked up by the writer, in order */
    bool made_record; /* of somebody new, in this command */
    /* Of an item that was parked, for its row where no message id stands; else 0. It was accepted by the rights of its own
     * time, so it is stored whatever came later, but for another erasure. */
    uint64_t parked_mark;
    uint32_t parked_for; /* whom it was parked for: the id may mean another by now; else 0 */
    /* For callers that repeat an x-request-id: written in the command's home, with its effect. */
    bool keeps_answer;
    unsigned char answer_mark[16];
    struct str answer; /* sealed by keep_answer */
    bool (*make_answer)(struct ingest *ingest, const struct account *account, struct error *error);
};

extern const struct command_kind ingest_single, ingest_bulk;

/* Checks and seals what the memory allows, on a server thread. `items` come from a dialect. False when the arena is full.
 * Afterwards command.phases is 0 when there is nothing to commit. */
bool ingest_prepare(struct ingest *ingest, struct ledger *ledger, struct seat *seat, struct error *error);
/* Once it is durable: what of devices and consent need not be written again. */
void ingest_remember(const struct ingest *ingest);
/* How many items of a kind were refused or taken, once everything is done. */
uint32_t ingest_count(const struct ingest *ingest, enum item_kind kind, bool refused);
uint32_t ingest_refused(const struct ingest *ingest);
uint32_t ingest_repeated(const struct ingest *ingest); /* of events */
/* Accepted and not recorded: because of a suppression, or of anything else. */
uint32_t ingest_dropped(const struct ingest *ingest, bool suppressed);

#endif
