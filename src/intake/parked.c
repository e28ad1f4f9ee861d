/* Taking in what was parked. */
#include "intake/parked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "intake/ingest.h"
#include "intake/ingest_inside.h"
#include "intake/segment.h"
#include "intake/webengage.h"
#include "intake/written.h"
#include "ledger/person.h"
#include "ledger/right.h"
#include "vault/kept.h"
#include "vault/parked_item.h"

#define ITEMS_AT_ONCE 256
#define ARENA_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define RETRY_MS INT64_C(1000)

struct waiter {
    struct waiter *next;
    void (*resume)(void *);
    void *arg;
};
struct replayer {
    pthread_mutex_t mutex;
    struct waiter *waiters;
    bool is_wanted;
};

struct replayer *replayer_new(void)
{
    struct replayer *replayer = calloc(1, sizeof *replayer);

    if (replayer)
        (void)pthread_mutex_init(&replayer->mutex, NULL);
    if (replayer)
        replayer->is_wanted = true; /* something may have been left by the process before */
    return replayer;
}

void replayer_free(struct replayer *replayer)
{
    if (!replayer)
        return;
    (void)pthread_mutex_destroy(&replayer->mutex);
    free(replayer);
}

void replayer_await(struct replayer *replayer, struct engine *engine, void (*resume)(void *), void *waiter)
{
    struct waiter *waits = malloc(sizeof *waits);

    (void)pthread_mutex_lock(&replayer->mutex);
    replayer->is_wanted = true;
    if (waits) {
        *waits = (struct waiter){ replayer->waiters, resume, waiter };
        replayer->waiters = waits;
    }
    (void)pthread_mutex_unlock(&replayer->mutex);
    engine_wake_worker(engine);
    if (!waits)
        resume(waiter);
}

/* ---- one person ---- */

struct replay {
    struct engine *engine;
    struct reader *reader;
    struct arena arena;
    struct parked_subject person;
    struct sealed_record records[ITEMS_AT_ONCE];
    size_t count;
    struct written written; /* the person's since the first item was parked, and those of this slice */
};

static bool load(struct replay *replay, uint64_t after, struct error *error)
{
    arena_reset(&replay->arena);
    written_settle(&replay->written);
    return parked_load(replay->reader->profiles, replay->person.account, replay->person.ordinal, after, ITEMS_AT_ONCE,
                       &replay->arena, replay->records, &replay->count, error);
}

/* Takes the arena, with what was loaded into it. */
static bool load_written(struct replay *replay, struct error *error)
{
    const struct parked_subject *person = &replay->person;

    return written_load(&replay->written, replay->reader->journal, person->account, person->ordinal,
                        replay->records[0].received_ms, &replay->arena, error);
}

/* Longer than a message id can be, so no caller's id gives the same number. */
#define PARKED_MARK_BYTES 128

/* Tells one parked item from every other of its account. */
static uint64_t mark_of(const struct account *account, const struct sealed_record *record)
{
    unsigned char bytes[PARKED_MARK_BYTES] = "parked";

    memcpy(bytes + 8, &record->ordinal, sizeof record->ordinal);
    memcpy(bytes + 16, &record->number, sizeof record->number);
    memcpy(bytes + 24, &record->received_ms, sizeof record->received_ms);
    return fingerprint_short(&account->keys->pepper, (struct str){ (const char *)bytes, sizeof bytes });
}

/* Is the window still open, or open again, or the person gone? */
static bool must_wait(const struct replay *replay)
{
    struct ledger *ledger = engine_ledger(replay->engine);
    const struct account *account;
    const struct subject *subject;
    bool waits;

    ledger_enter(ledger);
    account = ledger_account(ledger, replay->person.account);
    subject = account ? account_subject(account, replay->person.ordinal) : NULL;
    waits = !subject || subject->state != SUBJECT_LIVE || (subject->denied & DENIED_PARKS);
    ledger_leave(ledger);
    return waits;
}

static bool unseal(struct replay *replay, const struct sealed_record *record, struct str *plain, struct error *error)
{
    struct ledger *ledger = engine_ledger(replay->engine);
    const struct grant *grant;
    bool ok;

    ledger_enter(ledger);
    grant = gate_open(replay->reader->seat, ledger_account(ledger, record->account), record->ordinal, PURPOSE_STORE,
                      REASON_NONE, error);
    ok = grant && record_unseal(record, grant, &replay->arena, plain, error);
    gate_close(replay->reader->seat);
    ledger_leave(ledger);
    return ok;
}

struct moment {
    int64_t at_ms;
    bool was_restricted;
};

static bool take_right(void *arg, const struct right *right, const struct right_past *past, struct error *error)
{
    struct moment *moment = arg;

    (void)error;
    if (right->kind == RIGHT_RESTRICTION && right->since_ms <= moment->at_ms &&
        (past->ended_ms == WHEN_NONE || past->ended_ms > moment->at_ms) &&
        (right->until_ms == WHEN_NONE || right->until_ms > moment->at_ms))
        moment->was_restricted = true;
    return true;
}

/* What came in while the person was restricted would not have been recorded then, and is not now. A restriction that came
 * later changes nothing: storing goes on (Art. 18(2)). */
static bool was_restricted(const struct replay *replay, const struct sealed_record *record, bool *out,
                           struct error *error)
{
    struct ledger *ledger = engine_ledger(replay->engine);
    struct moment moment = { record->received_ms, false };
    struct person person;

    ledger_enter(ledger);
    person_known(ledger_account(ledger, record->account), record->ordinal, &person);
    ledger_leave(ledger);
    for (uint32_t i = 0; i < person.count; i++)
        if (!rights_of_subject(replay->reader->ledger, record->account, person.ordinals[i], take_right, &moment, error))
            return false;
    *out = moment.was_restricted;
    return true;
}

/* The source stays what it was; the credential that sent it may be gone by now. */
static void set_origin(struct ingest *ingest, struct ledger *ledger, const struct sealed_record *record)
{
    const struct source *source;

    ledger_enter(ledger);
    source = ledger_source_at(ledger, record->account, record->source);
    ingest->origin = (struct origin){ .account = record->account, .received_ms = record->received_ms };
    ingest->origin.credential = source ? source->credential : 0;
    ingest->origin.scopes = ledger_scopes(ledger, record->account, ingest->origin.credential);
    ingest->parked_mark = mark_of(ledger_account(ledger, record->account), record);
    ledger_leave(ledger);
    ingest->source = record->source;
    ingest->parked_for = record->ordinal;
}

static uint64_t message_of(struct replay *replay, const struct ingest *ingest)
{
    struct ledger *ledger = engine_ledger(replay->engine);
    const struct str id = ingest->items[0].message_id;
    uint64_t message = ingest->parked_mark;

    ledger_enter(ledger);
    if (id.len > 0)
        message = ingest_message_hash(ledger_account(ledger, ingest->origin.account), id);
    ledger_leave(ledger);
    return message;
}

/* One item on its way through the writer. */
struct taking {
    struct ingest ingest; /* first: the writer hands its command back */
    struct taking *next;
};
/* Those of one slice: they share the writer's groups and are waited for together. All are made before the first is handed
 * over, for they share an arena, which then is the writer's. */
struct slice {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t on_the_way;
    struct taking *first, **end;
};

static void taken_in(struct command *command)
{
    struct slice *slice = command->waiter;

    (void)pthread_mutex_lock(&slice->mutex);
    slice->on_the_way--;
    (void)pthread_cond_signal(&slice->changed);
    (void)pthread_mutex_unlock(&slice->mutex);
}

static bool submit(struct replay *replay, struct slice *slice, struct command *command, struct error *error)
{
    command->done = taken_in;
    command->waiter = slice;
    (void)pthread_mutex_lock(&slice->mutex);
    slice->on_the_way++;
    (void)pthread_mutex_unlock(&slice->mutex);
    if (engine_submit(replay->engine, command, error))
        return true;
    taken_in(command);
    return false;
}

static bool submit_all(struct replay *replay, struct slice *slice, struct error *error)
{
    for (struct taking *taking = slice->first; taking; taking = taking->next)
        if (taking->ingest.command.phases != 0 && !submit(replay, slice, &taking->ingest.command, error))
            return false;
    return true;
}

/* What it joined when it came. */
static void rejoin(struct ingest *ingest, const struct parked_item *parked)
{
    if (parked->joins_by == 0 || ingest->count != 1)
        return;
    ingest->items[0].joins = parked->joins;
    ingest->items[0].joins_by = parked->joins_by == 'l' ? JOINS_ALIAS : JOINS_ANONYMOUS;
}

/* In the words of the dialect in which it came. */
static bool translate(struct replay *replay, const struct sealed_record *record, struct str plain,
                      struct ingest *ingest, struct error *error)
{
    struct parked_item parked = { 0 };
    struct webengage_call call = { .kind = ITEM_USER };
    struct str raw = { arena_bytes(&replay->arena, plain.len + JSON_PADDING), 0 };
    struct json_parser *parser = replay->reader->parser;
    const struct json *body;

    if (!raw.at)
        return error_set(error, ERROR_TOO_LARGE, "a parked item is too large");
    if (!parked_item_read(plain, &parked))
        return error_set(error, ERROR_CORRUPT, "a parked item is no item");
    call.kind = parked.kind == PARKED_EVENT ? ITEM_EVENT : ITEM_USER;
    raw.len = parked.raw.len;
    memcpy((char *)raw.at, parked.raw.at, raw.len);
    memset((char *)raw.at + raw.len, 0, JSON_PADDING);
    if (parked.kind == PARKED_SEGMENT)
        return segment_parked(parser, raw, record->received_ms, &replay->arena, &ingest->items, &ingest->count, error);
    body = json_read(parser, &replay->arena, raw, error);
    if (!body || !webengage_items(&call, body, record->received_ms, &replay->arena, &ingest->items, &ingest->count,
                                  &ingest->ignored, error))
        return false;
    rejoin(ingest, &parked);
    return true;
}

static bool take_in(struct replay *replay, struct slice *slice, const struct sealed_record *record, struct str plain,
                    struct error *error)
{
    struct taking *taking = ARENA_NEW(&replay->arena, struct taking, 1);

    if (!taking)
        return error_set(error, ERROR_TOO_LARGE, "a parked item is too large");
    struct ingest *ingest = &taking->ingest;
    *ingest = (struct ingest){ .command = { .kind = &ingest_single, .bytes = plain.len }, .arena = &replay->arena };
    set_origin(ingest, engine_ledger(replay->engine), record);
    ingest->ignored.end = &ingest->ignored.first;
    if (!translate(replay, record, plain, ingest, error))
        return false;
    if (ingest->count == 1 && ingest->items[0].kind == ITEM_EVENT) {
        const struct written_event event = { message_of(replay, ingest), record->received_ms };

        if (written_has(&replay->written, &event))
            return true;
        if (!written_note(&replay->written, &event, error))
            return false;
    }
    if (!ingest_prepare(ingest, engine_ledger(replay->engine), replay->reader->seat, error))
        return false;
    *slice->end = taking;
    slice->end = &taking->next;
    return true;
}

struct forget {
    struct command command;
    struct parked_subject person;
    uint64_t up_to;
};

static bool forget_in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    const struct forget *forget = (const struct forget *)command;

    return parked_forget(turn->profiles, forget->person.account, forget->person.ordinal, forget->up_to, error);
}

static const struct command_kind forget_kind = {
    .name = "parked data taken in",
    .lane = LANE_SINGLE,
    .purpose = PURPOSE_STORE,
    .in_profiles = forget_in_profiles,
};

static bool forget(struct replay *replay, uint64_t up_to, struct error *error)
{
    struct forget forget = { .command = { .kind = &forget_kind, .phases = PHASE_PROFILES, .bytes = sizeof forget },
                             .person = replay->person,
                             .up_to = up_to };

    return engine_call(replay->engine, &forget.command, error);
}

/* What another try may mend. */
static bool may_pass(const struct error *error)
{
    return error->code == ERROR_BUSY || error->code == ERROR_FULL || error->code == ERROR_DATABASE ||
           error->code == ERROR_INTERNAL;
}

/* An item that cannot be taken must not hold up the others: it is left out, and said. */
static bool leave_out(struct error *error)
{
    if (may_pass(error))
        return false;
    log_line(LOG_WARNING, "parked", "error=\"%s\"", error->text);
    *error = (struct error){ 0 };
    return true;
}

static bool replay_item(struct replay *replay, struct slice *slice, const struct sealed_record *record,
                        struct error *error)
{
    struct str plain = { NULL, 0 };
    bool restricted = false;

    if (!was_restricted(replay, record, &restricted, error))
        return false;
    return (unseal(replay, record, &plain, error) &&
            (restricted || plain.len < 2 || take_in(replay, slice, record, plain, error))) ||
           leave_out(error);
}

/* Waits for all; *waits: one of them met an erasure that was asked for anew. */
static bool await_slice(struct slice *slice, bool *waits, struct error *error)
{
    bool ok = true;

    (void)pthread_mutex_lock(&slice->mutex);
    while (slice->on_the_way > 0)
        (void)pthread_cond_wait(&slice->changed, &slice->mutex);
    (void)pthread_mutex_unlock(&slice->mutex);
    for (struct taking *taking = slice->first; taking; taking = taking->next) {
        struct error *why = &taking->ingest.command.error;
        if (why->code != ERROR_NONE && !leave_out(why)) {
            *error = *why;
            ok = false;
        }
        for (uint32_t i = 0; i < taking->ingest.count; i++)
            *waits |= taking->ingest.proposals[i].state == PROPOSAL_WAITS;
    }
    return ok;
}

/* All that was loaded. Nothing is forgotten unless all of it was taken in: a row that stands already is found again. */
static bool replay_slice(struct replay *replay, bool *waits, struct error *error)
{
    struct slice slice = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct error late = { 0 };
    bool ok = true;

    slice.end = &slice.first;
    for (size_t i = 0; i < replay->count && ok; i++)
        ok = replay_item(replay, &slice, &replay->records[i], error);
    ok = ok && submit_all(replay, &slice, error);
    if (await_slice(&slice, waits, &late))
        return ok;
    if (ok)
        *error = late;
    return false;
}

static bool replay_person(struct replay *replay, struct error *error)
{
    bool waits = must_wait(replay);
    uint64_t after = 0;

    if (waits)
        return true;
    if (!load(replay, after, error))
        return false;
    if (replay->count > 0 && (!load_written(replay, error) || !load(replay, after, error)))
        return false;
    while (replay->count > 0) {
        after = replay->records[replay->count - 1].number;
        if (!replay_slice(replay, &waits, error))
            return false;
        if (waits)
            return true;
        if (!forget(replay, after, error) || !load(replay, after, error))
            return false;
    }
    return true;
}

/* ---- everybody ---- */

static bool replay_all(struct replay *replay, struct error *error)
{
    struct parked_subject people[ITEMS_AT_ONCE], after = { 0, 0 };
    bool ok = true;
    size_t count;

    do {
        if (!parked_subjects(replay->reader->profiles, after, ITEMS_AT_ONCE, people, &count, error))
            return false;
        for (size_t i = 0; i < count; i++) {
            replay->person = after = people[i];
            ok &= replay_person(replay, error); /* one who has to wait holds up nobody else */
        }
    } while (count == ITEMS_AT_ONCE);
    return ok;
}

static struct waiter *take_waiters(struct replayer *replayer, bool *wanted)
{
    struct waiter *waiters;

    (void)pthread_mutex_lock(&replayer->mutex);
    waiters = replayer->waiters;
    *wanted = replayer->is_wanted;
    replayer->waiters = NULL;
    replayer->is_wanted = false;
    (void)pthread_mutex_unlock(&replayer->mutex);
    return waiters;
}

static void resume_all(struct waiter *waiters)
{
    while (waiters) {
        struct waiter *next = waiters->next;
        waiters->resume(waiters->arg);
        free(waiters);
        waiters = next;
    }
}

static bool run(struct engine *engine, struct error *error)
{
    struct replay *replay = calloc(1, sizeof *replay);
    bool ok;

    if (!replay)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    replay->engine = engine;
    arena_init(&replay->arena, ARENA_MAX_BYTES);
    replay->reader = engine_take_reader(engine, error);
    ok = replay->reader && replay_all(replay, error);
    if (replay->reader)
        engine_give_reader(engine, replay->reader);
    arena_clear(&replay->arena);
    written_clear(&replay->written);
    free(replay);
    return ok;
}

int64_t replayer_run(struct engine *engine, void *arg, int64_t now_ms)
{
    struct replayer *replayer = arg;
    struct error error = { 0 };
    bool wanted = false;
    struct waiter *waiters = take_waiters(replayer, &wanted);
    bool ok = !wanted || run(engine, &error);

    resume_all(waiters);
    if (ok)
        return INT64_MAX;
    log_line(LOG_ERROR, "parked", "error=\"%s\"", error.text);
    (void)pthread_mutex_lock(&replayer->mutex);
    replayer->is_wanted = true;
    (void)pthread_mutex_unlock(&replayer->mutex);
    return now_ms + RETRY_MS;
}
