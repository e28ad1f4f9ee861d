/* Taking in what was parked. */
#include "intake/parked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "intake/ingest.h"
#include "intake/ingest_inside.h"
#include "intake/webengage.h"
#include "vault/kept.h"
#include "vault/parked_item.h"

#define ITEMS_AT_ONCE 256
#define ROWS_AT_ONCE 2000
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
    struct event_row *rows; /* the person's newest: a replay that broke off may have written some */
    size_t row_count;
};

static bool load(struct replay *replay, uint64_t after, struct error *error)
{
    const struct event_query query = { .account = replay->person.account,
                                       .subjects = &replay->person.ordinal,
                                       .subject_count = 1,
                                       .bound = UINT64_MAX,
                                       .max = ROWS_AT_ONCE };

    return parked_load(replay->reader->profiles, replay->person.account, replay->person.ordinal, after, ITEMS_AT_ONCE,
                       &replay->arena, replay->records, &replay->count, error) &&
           journal_read(replay->reader->journal, &query, &replay->arena, &replay->rows, &replay->row_count, error);
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

/* Did a replay that broke off write the item already? */
static bool was_written(const struct replay *replay, const struct sealed_record *record, uint64_t message)
{
    for (size_t i = 0; i < replay->row_count; i++) {
        const struct event_row *row = &replay->rows[i];
        if (row->message == message && row->received_ms == record->received_ms && row->source == record->source)
            return true;
    }
    return false;
}

static bool unseal(struct replay *replay, const struct sealed_record *record, struct str *plain, bool *waits,
                   struct error *error)
{
    struct ledger *ledger = engine_ledger(replay->engine);
    struct account *account;
    const struct subject *subject;
    const struct grant *grant;
    bool ok;

    ledger_enter(ledger);
    account = ledger_account(ledger, record->account);
    subject = account ? account_subject(account, record->ordinal) : NULL;
    *waits = !subject || subject->state != SUBJECT_LIVE || (subject->denied & DENIED_PARKS);
    grant =
        *waits ? NULL : gate_open(replay->reader->seat, account, record->ordinal, PURPOSE_STORE, REASON_NONE, error);
    ok = *waits || (grant && record_unseal(record, grant, &replay->arena, plain, error));
    gate_close(replay->reader->seat);
    ledger_leave(ledger);
    return ok;
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

/* What it joined when it came. */
static void rejoin(struct ingest *ingest, const struct parked_item *parked)
{
    if (parked->joins_by == 0 || ingest->count != 1)
        return;
    ingest->items[0].joins = parked->joins;
    ingest->items[0].joins_by = parked->joins_by == 'l' ? JOINS_ALIAS : JOINS_ANONYMOUS;
}

static bool take_in(struct replay *replay, const struct sealed_record *record, struct str plain, struct error *error)
{
    struct parked_item parked = { 0 };
    struct webengage_call call = { .kind = ITEM_USER };
    struct ingest ingest = { .command = { .kind = &ingest_single, .bytes = plain.len }, .arena = &replay->arena };
    struct str raw = { arena_bytes(&replay->arena, plain.len + JSON_PADDING), 0 };
    const struct json *body;

    if (!raw.at)
        return error_set(error, ERROR_TOO_LARGE, "a parked item is too large");
    if (!parked_item_read(plain, &parked))
        return error_set(error, ERROR_CORRUPT, "a parked item is no item");
    call.kind = parked.kind == 'e' ? ITEM_EVENT : ITEM_USER;
    raw.len = parked.raw.len;
    memcpy((char *)raw.at, parked.raw.at, raw.len);
    memset((char *)raw.at + raw.len, 0, JSON_PADDING);
    set_origin(&ingest, engine_ledger(replay->engine), record);
    ingest.ignored.end = &ingest.ignored.first;
    body = json_read(replay->reader->parser, &replay->arena, raw, error);
    if (!body || !webengage_items(&call, body, record->received_ms, &replay->arena, &ingest.items, &ingest.count,
                                  &ingest.ignored, error))
        return false;
    rejoin(&ingest, &parked);
    if (call.kind == ITEM_EVENT && ingest.count == 1 && was_written(replay, record, message_of(replay, &ingest)))
        return true;
    if (!ingest_prepare(&ingest, engine_ledger(replay->engine), replay->reader->seat, error))
        return false;
    return ingest.command.phases == 0 || engine_call(replay->engine, &ingest.command, error);
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

/* An item that cannot be read any more must not hold up the others: it is left out, and said. */
static bool replay_item(struct replay *replay, const struct sealed_record *record, bool *waits, struct error *error)
{
    struct str plain = { NULL, 0 };

    if (unseal(replay, record, &plain, waits, error) &&
        (*waits || plain.len < 2 || take_in(replay, record, plain, error)))
        return true;
    if (may_pass(error))
        return false;
    log_line(LOG_WARNING, "parked", "error=\"%s\"", error->text);
    *error = (struct error){ 0 };
    return true;
}

static bool replay_person(struct replay *replay, struct error *error)
{
    uint64_t after = 0;
    bool waits = false;

    do {
        arena_reset(&replay->arena);
        if (!load(replay, after, error))
            return false;
        for (size_t i = 0; i < replay->count; i++) {
            if (!replay_item(replay, &replay->records[i], &waits, error))
                return false;
            if (waits)
                return true; /* the window is still open */
            after = replay->records[i].number;
        }
        if (replay->count > 0 && !forget(replay, after, error))
            return false;
    } while (replay->count == ITEMS_AT_ONCE);
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
