/* Answers kept for callers that repeat an x-request-id within 4 hours: per account and route, across restarts. The row
 * stands sealed in the file of the call's effect (profiles.db or an open volume); this is the memory before it, bounded by
 * count: past it the oldest are forgotten. */
#ifndef HABEAS_INTAKE_ANSWER_H
#define HABEAS_INTAKE_ANSWER_H

#include "work/engine.h"

#define ANSWER_KEPT_MS (4 * WHEN_HOUR)
#define ANSWERS_MAX 500000
#define ANSWER_BODY_MAX ((size_t)2 * 1024 * 1024)    /* of both bodies together */
#define ANSWERS_MAX_BYTES ((size_t)64 * 1024 * 1024) /* of bodies that are not the usual one */
#define ANSWER_ID_MAX 255                            /* bytes of an x-request-id; longer ones are refused */

struct answers;
struct answers *answers_new(void);
void answers_free(struct answers *answers);
/* Reads what was kept before the start: by the writer's handles, so before it runs (engine_options.load). */
bool answers_load(struct answers *answers, struct engine *engine, struct error *error);

struct answer_mark {
    unsigned char bytes[16];
};
struct answer_mark answer_mark(const struct account *account, struct str route, struct str request_id);

/* What a kept answer says. */
struct kept_answer {
    int status;
    /* Where `body` tells what is held, which only keys with scope read may be told: the length of the same answer without
     * that, which stands behind it. 0: everybody is given the body. */
    uint32_t open_len;
    struct str body;
};
/* The answer for a caller with these scopes. */
struct str answer_body(const struct kept_answer *kept, unsigned scopes);
enum answer_verdict {
    ANSWER_GO,   /* the first: carry out, then answers_end */
    ANSWER_KEPT, /* *kept is the first's, in the arena */
    ANSWER_WAIT, /* the first is still running: `resume(waiter)` is called when it has ended; then ask answers_find */
};
enum answer_verdict answers_begin(struct answers *answers, const struct answer_mark *mark, int64_t now_ms,
                                  void (*resume)(void *), void *waiter, struct arena *arena, struct kept_answer *kept);
bool answers_find(struct answers *answers, const struct answer_mark *mark, struct arena *arena,
                  struct kept_answer *kept);
/* The first has ended: durable with this answer. */
void answers_end(struct answers *answers, const struct answer_mark *mark, int64_t now_ms,
                 const struct kept_answer *kept);
/* The first has ended without an effect, so its id is free again. Whoever waits for it is told the same; NULL: they find
 * nothing, because it did not fail by what was sent. */
void answers_refuse(struct answers *answers, const struct answer_mark *mark, const struct kept_answer *told);

/* Sealed with the account's key for its row, in the arena; at == NULL when there is no room. */
struct str answer_seal(const struct account *account, const struct answer_mark *mark, const struct kept_answer *answer,
                       struct arena *arena);

#endif
