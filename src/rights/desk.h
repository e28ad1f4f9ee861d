/* The desk: data-subject requests by whatever road they came (GDPR Art. 15-18, 20), decided by one table of the person's
 * state and carried out by the writer. Dialects translate to and from these calls and have no logic of their own. */
#ifndef HABEAS_RIGHTS_DESK_H
#define HABEAS_RIGHTS_DESK_H

#include "ledger/request.h"
#include "work/engine.h"

/* A call that asks for something. Slices live as long as the call's command. */
struct desk_ask {
    struct command command;
    uint32_t account, credential;
    struct str route; /* for sources and audit */
    struct str id;    /* subject_request_id, 1-255 bytes */
    enum request_type type;
    enum identity_kind kind;
    struct str identity;       /* as it came */
    bool suppress;             /* of an erasure */
    int64_t suppress_until_ms; /* WHEN_NONE: for ever */
    bool drop_opt_outs;
    int64_t notice_ms; /* of a re-enable: when the person was told; WHEN_NONE: not recorded */
    struct str notice_road;
    int64_t received_ms, cancel_window_ms;
    /* answer */
    uint64_t number;
    uint32_t ordinal;
    enum request_state state;
    bool is_repeat;
    bool ran; /* an erasure has begun: the background has work */
};
extern const struct command_kind desk_ask_kind;

/* A call that cancels a pending erasure. */
struct desk_cancel {
    struct command command;
    uint32_t account, credential;
    struct str route, id;
    /* answer */
    enum request_type type;
    uint32_t ordinal;
};
extern const struct command_kind desk_cancel_kind;

/* Errors of both: ERROR_INVALID (400) with the documented text, ERROR_NOT_FOUND (404) for an unknown id. */
void desk_ask_init(struct desk_ask *ask);

/* Runs erasures whose window is over: a job of the worker. */
int64_t desk_run_due(struct engine *engine, void *arg, int64_t now_ms);

#endif
