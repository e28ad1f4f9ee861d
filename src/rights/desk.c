/* The table of semantics: what each request does in each state of the person. */
#include "rights/desk.h"

#include <assert.h>

#include "ledger/audit.h"
#include "ledger/mark.h"
#include "ledger/person.h"
#include "ledger/right.h"
#include "ledger/subject.h"
#include "rights/erasure.h"

enum person_state { PERSON_FREE, PERSON_RESTRICTED, PERSON_ERASURE_PENDING, PERSON_STATES };

struct asking {
    struct turn *turn;
    struct desk_ask *ask;
    struct account *account;
    struct fingerprint print;
    uint32_t source;
    struct request request;
    struct person person; /* whose the identity is: all whom links join */
};

void desk_ask_init(struct desk_ask *ask)
{
    *ask = (struct desk_ask){
        .command = { .kind = &desk_ask_kind, .phases = PHASE_LEDGER, .bytes = sizeof *ask },
        .suppress_until_ms = WHEN_NONE,
        .notice_ms = WHEN_NONE,
    };
}

/* ---- the audit ---- */

static bool write_audit(struct turn *turn, uint32_t account, uint32_t credential, const struct grant *grant,
                        const char *act, uint64_t request, const char *reason, struct error *error)
{
    struct audit_entry entry = { .at_ms = turn->now_ms,
                                 .act = act,
                                 .account = account,
                                 .credential = credential,
                                 .request = request,
                                 .reason = reason };

    if (grant) {
        entry.has_subject = true;
        grant_audit_mark(grant, entry.subject);
    }
    return audit_add(ledger_audit(turn->ledger), &entry, error);
}

/* ---- what each request does ---- */

static const struct grant *answer_grant(struct asking *asking, struct error *error)
{
    return gate_open(asking->turn->seat, asking->account, asking->ask->ordinal, PURPOSE_ANSWER, REASON_NONE, error);
}

static bool add_row(struct asking *asking, enum request_state state, struct error *error)
{
    struct desk_ask *ask = asking->ask;
    bool is_erasure = ask->type == REQUEST_ERASURE;
    const struct grant *grant = answer_grant(asking, error);

    asking->request.type = ask->type;
    asking->request.state = state;
    asking->request.received_ms = ask->received_ms;
    asking->request.due_ms = is_erasure ? ask->received_ms + ask->cancel_window_ms : WHEN_NONE;
    asking->request.done_ms = state == REQUEST_DONE ? asking->turn->now_ms : WHEN_NONE;
    asking->request.suppress = ask->suppress;
    asking->request.suppress_until_ms = ask->suppress_until_ms;
    asking->request.keep_opt_outs = !ask->drop_opt_outs;
    asking->request.road = ask->route;
    asking->request.source = asking->source;
    if (!grant || !request_add(asking->turn->ledger, asking->account, &asking->request, grant, ask->id, error))
        return false;
    ask->number = asking->request.number;
    ask->state = state;
    (void)ledger_raise_position(asking->turn->ledger);
    return write_audit(asking->turn, ask->account, ask->credential, grant, request_type_name(ask->type), ask->number,
                       NULL, error);
}

static bool add_right(struct asking *asking, enum right_kind kind, uint32_t denies, struct error *error)
{
    const struct right right = { .kind = kind,
                                 .denies = denies,
                                 .since_ms = asking->turn->now_ms,
                                 .until_ms = WHEN_NONE,
                                 .request = asking->ask->number,
                                 .road = asking->ask->route,
                                 .source = asking->source };

    return right_add(asking->turn->ledger, asking->account, asking->ask->ordinal, &right, error);
}

static bool erase(struct asking *asking, struct error *error)
{
    if (asking->ask->cancel_window_ms > 0)
        return add_row(asking, REQUEST_PENDING, error) &&
               add_right(asking, RIGHT_PENDING_ERASURE, DENIED_BY_PENDING_ERASURE, error);
    asking->ask->ran = true;
    return add_row(asking, REQUEST_PROCESSING, error) &&
           erasure_begin(asking->turn, asking->account, &asking->request, asking->ask->kind, &asking->print, error);
}

static bool restrict_person(struct asking *asking, struct error *error)
{
    return add_row(asking, REQUEST_DONE, error) && add_right(asking, RIGHT_RESTRICTION, DENIED_BY_RESTRICTION, error);
}

/* Changes nothing, and is on the desk all the same. */
static bool note(struct asking *asking, struct error *error)
{
    return add_row(asking, REQUEST_DONE, error);
}

static bool lift(struct asking *asking, struct error *error)
{
    const struct desk_ask *ask = asking->ask;
    int64_t ended = 0;

    if (asking->account->options.lift_needs_notice && ask->notice_ms == WHEN_NONE)
        return error_set(error, ERROR_INVALID,
                         "notice: this account lifts a restriction only with a record that the "
                         "person was told");
    if (!add_row(asking, REQUEST_DONE, error))
        return false;
    const struct right_end how = {
        .request = ask->number, .notice_ms = ask->notice_ms, .notice_road = ask->notice_road, .seat = asking->turn->seat
    };
    for (uint32_t i = 0; i < asking->person.count; i++) {
        uint32_t ordinal = asking->person.ordinals[i];
        bool restricted = false;
        if (!right_stands(ledger_db(asking->turn->ledger), ask->account, ordinal, RIGHT_RESTRICTION,
                          asking->turn->now_ms, &restricted, error) ||
            (restricted &&
             !rights_end(asking->turn->ledger, asking->account, ordinal, RIGHT_RESTRICTION, 0, &how, &ended, error)))
            return false;
    }
    return true;
}

static bool refuse_second_erasure(struct asking *asking, struct error *error)
{
    (void)asking;
    return error_set(error, ERROR_INVALID, "an erasure is already pending");
}

static bool refuse_lift(struct asking *asking, struct error *error)
{
    (void)asking;
    return error_set(error, ERROR_INVALID, "an erasure is pending: cancel it first");
}

static bool (*const outcomes[REQUEST_TYPES][PERSON_STATES])(struct asking *, struct error *) = {
    [REQUEST_ERASURE] = { erase, erase, refuse_second_erasure },
    [REQUEST_RESTRICTION] = { restrict_person, note, restrict_person },
    [REQUEST_RE_ENABLE] = { note, lift, refuse_lift },
    [REQUEST_PORTABILITY] = { note, note, note },
};

/* ---- the person and the id ---- */

static bool find_person(struct asking *asking, struct error *error)
{
    return subject_find(asking->turn->ledger, asking->account, asking->ask->kind, &asking->print, &asking->ask->ordinal,
                        error) &&
           person_now(asking->turn->ledger, asking->account, asking->ask->ordinal, &asking->person, error);
}

static bool stands(struct asking *asking, enum right_kind kind, bool *out, struct error *error)
{
    *out = false;
    for (uint32_t i = 0; i < asking->person.count && !*out; i++)
        if (!right_stands(ledger_db(asking->turn->ledger), asking->account->number, asking->person.ordinals[i], kind,
                          asking->turn->now_ms, out, error))
            return false;
    return true;
}

static bool person_state(struct asking *asking, enum person_state *out, struct error *error)
{
    bool pending = false, restricted = false;

    if (!stands(asking, RIGHT_PENDING_ERASURE, &pending, error) ||
        !stands(asking, RIGHT_RESTRICTION, &restricted, error))
        return false;
    *out = pending ? PERSON_ERASURE_PENDING : restricted ? PERSON_RESTRICTED : PERSON_FREE;
    return true;
}

/* A restriction while an erasure waits is a row of its own, unless one stands already. */
static bool decide(struct asking *asking, struct error *error)
{
    enum person_state state;
    bool restricted = false;

    if (!asking->ask->ordinal)
        return error_set(error, ERROR_INVALID, "identity_value: there is no such person");
    if (!person_state(asking, &state, error) || !stands(asking, RIGHT_RESTRICTION, &restricted, error))
        return false;
    if (state == PERSON_ERASURE_PENDING && restricted && asking->ask->type == REQUEST_RESTRICTION)
        return note(asking, error);
    return outcomes[asking->ask->type][state](asking, error);
}

static bool followed_by(struct asking *asking, enum request_type type, uint64_t after, bool *out, struct error *error)
{
    *out = false;
    for (uint32_t i = 0; i < asking->person.count && !*out; i++)
        if (!request_followed(ledger_db(asking->turn->ledger), asking->account->number, asking->person.ordinals[i],
                              type, after, out, error))
            return false;
    return true;
}

/* A restriction stands until a re-enable, a re-enable until a restriction, whatever came after that. */
static bool switch_stands(struct asking *asking, const struct request *first, bool *out, struct error *error)
{
    bool restricts = first->type == REQUEST_RESTRICTION;
    bool restricted = false, followed = false;

    if (!stands(asking, RIGHT_RESTRICTION, &restricted, error) ||
        !followed_by(asking, restricts ? REQUEST_RE_ENABLE : REQUEST_RESTRICTION, first->number, &followed, error))
        return false;
    *out = restricted == restricts && !followed;
    return true;
}

static bool is_erasing_or_done(const struct request *request)
{
    return request->state == REQUEST_PROCESSING || request->state == REQUEST_DONE;
}

/* Somebody of that id was there since, and is gone, too. */
static bool was_erased_again(const struct asking *asking, const struct request *first)
{
    return first->done_ms != WHEN_NONE && marks_erased_at(asking->account, &asking->print) > first->done_ms;
}

/* Does what the first call did still stand? */
static bool still_stands(struct asking *asking, const struct request *first, bool *out, struct error *error)
{
    if (!find_person(asking, error))
        return false;
    if (first->type == REQUEST_ERASURE) {
        *out = first->state == REQUEST_PENDING ||
               (is_erasing_or_done(first) && !asking->ask->ordinal && !was_erased_again(asking, first));
        return true;
    }
    if (!asking->ask->ordinal || !person_has(&asking->person, first->ordinal)) {
        *out = false;
        return true;
    }
    *out = first->type == REQUEST_PORTABILITY;
    return *out || switch_stands(asking, first, out, error);
}

static bool repeat(struct asking *asking, const struct request *first, struct error *error)
{
    struct desk_ask *ask = asking->ask;
    bool same = memcmp(first->call_hash, asking->request.call_hash, REQUEST_HASH_LEN) == 0;

    if (same && !still_stands(asking, first, &same, error))
        return false;
    if (!same)
        return error_set(error, ERROR_INVALID, "subject_request_id already used");
    ask->is_repeat = true;
    ask->number = first->number;
    ask->ordinal = first->ordinal;
    ask->state = first->state;
    const struct grant *grant =
        ask->type == REQUEST_ERASURE && first->state != REQUEST_PENDING ? NULL : answer_grant(asking, error);
    error->code = ERROR_NONE;
    return write_audit(asking->turn, ask->account, ask->credential, grant, request_type_name(ask->type), ask->number,
                       "repeat", error);
}

/* What else was asked for: another wish under the same id is another call. */
static void hash_call(struct asking *asking)
{
    const struct desk_ask *ask = asking->ask;
    const int64_t wishes[] = { ask->suppress, ask->suppress ? ask->suppress_until_ms : 0, ask->drop_opt_outs };
    unsigned char notice[sizeof ask->notice_ms + NOTICE_ROAD_MAX_BYTES];
    struct str options = { NULL, 0 };

    if (ask->type == REQUEST_ERASURE)
        options = (struct str){ (const char *)wishes, sizeof wishes };
    if (ask->notice_ms != WHEN_NONE) {
        assert(ask->notice_road.len <= NOTICE_ROAD_MAX_BYTES);
        memcpy(notice, &ask->notice_ms, sizeof ask->notice_ms);
        if (ask->notice_road.len > 0)
            memcpy(notice + sizeof ask->notice_ms, ask->notice_road.at, ask->notice_road.len);
        options = (struct str){ (const char *)notice, sizeof ask->notice_ms + ask->notice_road.len };
    }
    request_hash_call(asking->account, ask->id, ask->type, ask->kind, ask->identity, options,
                      asking->request.call_hash);
}

static bool ask_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    struct desk_ask *ask = (struct desk_ask *)command;
    struct asking asking = { .turn = turn, .ask = ask, .account = ledger_account(turn->ledger, ask->account) };
    struct request first;
    bool found = false;

    asking.print = account_fingerprint(asking.account, ask->kind, ask->identity);
    request_hash_id(asking.account, ask->id, asking.request.id_hash);
    hash_call(&asking);
    if (!request_by_id(ledger_db(turn->ledger), ask->account, asking.request.id_hash, NULL, &first, &found, error))
        return false;
    if (found)
        return repeat(&asking, &first, error);
    return ledger_source(turn->ledger, ask->account, ask->credential, ask->route, &asking.source, error) &&
           find_person(&asking, error) && decide(&asking, error);
}

const struct command_kind desk_ask_kind = {
    .name = "data-subject request",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_ANSWER,
    .in_ledger = ask_in_ledger,
};

/* ---- cancelling ---- */

static bool cancel_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    struct desk_cancel *cancel = (struct desk_cancel *)command;
    struct account *account = ledger_account(turn->ledger, cancel->account);
    unsigned char id_hash[REQUEST_HASH_LEN];
    struct request request;
    bool found = false;

    request_hash_id(account, cancel->id, id_hash);
    if (!request_by_id(ledger_db(turn->ledger), cancel->account, id_hash, NULL, &request, &found, error))
        return false;
    if (!found)
        return error_set(error, ERROR_NOT_FOUND, "there is no such request");
    cancel->type = request.type;
    cancel->ordinal = request.ordinal;
    if (request.state == REQUEST_CANCELLED)
        return error_set(error, ERROR_INVALID, "request already cancelled");
    if (request.state != REQUEST_PENDING)
        return error_set(error, ERROR_INVALID, "request already completed");
    const struct grant *grant = gate_open(turn->seat, account, request.ordinal, PURPOSE_ANSWER, REASON_NONE, error);
    const struct right_end how = { .request = request.number, .notice_ms = WHEN_NONE };
    (void)ledger_raise_position(turn->ledger);
    return grant && request_move(turn->ledger, account, request.number, REQUEST_CANCELLED, error) &&
           write_audit(turn, cancel->account, cancel->credential, grant, "cancel", request.number, NULL, error) &&
           rights_end_of_request(turn->ledger, account, request.number, RIGHT_PENDING_ERASURE, &how, error);
}

const struct command_kind desk_cancel_kind = {
    .name = "cancel of an erasure",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_ANSWER,
    .in_ledger = cancel_in_ledger,
};

/* ---- the end of a window ---- */

struct due {
    struct command command;
    uint32_t account;
    uint64_t number;
};

/* The request's subject is the one whose identity was named: what is suppressed is found by it. */
static bool due_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    const struct due *due = (const struct due *)command;
    struct account *account = ledger_account(turn->ledger, due->account);
    struct error unread = { 0 };
    struct request request;
    bool found = false;

    if (!request_by_number(ledger_db(turn->ledger), due->account, due->number, NULL, &request, &found, error))
        return false;
    if (!found || request.state != REQUEST_PENDING)
        return true; /* cancelled in the meantime */
    /* A key that cannot be read must not hold up its own destruction, nor that of others: then the entry names nobody. */
    const struct grant *grant = gate_open(turn->seat, account, request.ordinal, PURPOSE_ANSWER, REASON_NONE, &unread);
    return write_audit(turn, due->account, 0, grant, "window over", request.number, NULL, error) &&
           request_move(turn->ledger, account, request.number, REQUEST_PROCESSING, error) &&
           erasure_begin(turn, account, &request, IDENTITY_KINDS, NULL, error);
}

static const struct command_kind due_kind = {
    .name = "end of a cancel window",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_ANSWER,
    .in_ledger = due_in_ledger,
};

#define DUE_AT_ONCE 256
#define DUE_RETRY_MS INT64_C(1000)

static bool run_due(struct engine *engine, int64_t now_ms, size_t *count, int64_t *next, struct error *error)
{
    struct request_open open[DUE_AT_ONCE];
    struct reader *reader = engine_take_reader(engine, error);
    bool all = true;
    bool ok = reader && requests_open(reader->ledger, REQUEST_PENDING, now_ms, DUE_AT_ONCE, open, count, error);

    for (size_t i = 0; ok && i < *count; i++) {
        struct due due = { .command = { .kind = &due_kind, .phases = PHASE_LEDGER, .bytes = sizeof due },
                           .account = open[i].account,
                           .number = open[i].number };
        /* One that fails must not hold up the others: it is tried again with all that are left. */
        all = engine_call(engine, &due.command, error) && all;
    }
    ok = ok && all && requests_next_due(reader->ledger, next, error);
    if (reader)
        engine_give_reader(engine, reader);
    return ok;
}

int64_t desk_run_due(struct engine *engine, void *arg, int64_t now_ms)
{
    struct error error = { 0 };
    size_t count = 0;
    int64_t next = WHEN_NONE;

    (void)arg;
    /* All of them, however many were missed: only then is the server ready. */
    do {
        if (!run_due(engine, now_ms, &count, &next, &error)) {
            rights_complain("cancel windows", &error);
            return now_ms + DUE_RETRY_MS;
        }
        if (count > 0)
            engine_wake_background(engine);
    } while (count == DUE_AT_ONCE);
    return next == WHEN_NONE ? INT64_MAX : next;
}
