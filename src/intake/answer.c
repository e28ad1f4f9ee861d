/* A map from marks to a ring of answers; the ring's age order is the order of forgetting. */
#include "intake/answer.h"

#include <endian.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/map.h"
#include "ledger/gate.h"
#include "vault/kept.h"

#define ANSWER_DOMAIN 70 /* of fingerprint_make: beyond identity kinds */
#define STATUS_LEN 6     /* status u16, open_len u32 */
#define REFUSALS 64      /* for callers that are just being resumed */
#define REFUSAL_BODY_MAX 1024
static const struct str usual_body = { "{\"response\":{\"status\":\"queued\"}}", 32 };

struct waiter {
    struct waiter *next;
    void (*resume)(void *);
    void *arg;
};
struct entry {
    struct map_key key;
    int64_t at_ms;
    int status; /* 0: still running */
    uint32_t open_len;
    char *body; /* NULL: the usual one, or none yet */
    size_t body_len;
    struct waiter *waiters; /* while it runs */
};
struct refusal {
    struct map_key key;
    int status; /* 0: none */
    size_t body_len;
    char body[REFUSAL_BODY_MAX];
};
struct answers {
    pthread_mutex_t mutex;
    struct map index; /* mark -> place in the ring */
    struct entry *ring;
    size_t next;
    size_t oldest, bytes; /* of bodies: where the next one to be dropped is looked for, and their sum */
    struct refusal refusals[REFUSALS];
    size_t next_refusal;
};

struct answers *answers_new(void)
{
    struct answers *answers = calloc(1, sizeof *answers);

    if (answers)
        answers->ring = calloc(ANSWERS_MAX, sizeof *answers->ring);
    if (!answers || !answers->ring) {
        free(answers);
        return NULL;
    }
    (void)pthread_mutex_init(&answers->mutex, NULL);
    return answers;
}

/* The names in a body may be a person's after all: none stays in freed memory. */
static void drop_body(struct answers *answers, struct entry *entry)
{
    if (!entry->body)
        return;
    sodium_memzero(entry->body, entry->body_len);
    answers->bytes -= entry->body_len;
    free(entry->body);
    entry->body = NULL;
}

void answers_free(struct answers *answers)
{
    if (!answers)
        return;
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        drop_body(answers, &answers->ring[i]);
    free(answers->ring);
    map_clear(&answers->index);
    (void)pthread_mutex_destroy(&answers->mutex);
    free(answers);
}

struct answer_mark answer_mark(const struct account *account, struct str route, struct str request_id)
{
    char text[64 + ANSWER_ID_MAX + 1];
    struct answer_mark mark;
    size_t len = 0;

    memcpy(text, route.at, route.len < 64 ? route.len : 64);
    len += route.len < 64 ? route.len : 64;
    text[len++] = '\n';
    memcpy(text + len, request_id.at, request_id.len < ANSWER_ID_MAX ? request_id.len : ANSWER_ID_MAX);
    len += request_id.len < ANSWER_ID_MAX ? request_id.len : ANSWER_ID_MAX;
    const struct fingerprint print = fingerprint_make(&account->keys->pepper, ANSWER_DOMAIN, (struct str){ text, len });
    memcpy(mark.bytes, print.bytes, sizeof mark.bytes);
    return mark;
}

struct str answer_body(const struct kept_answer *kept, unsigned scopes)
{
    size_t whole = kept->body.len - kept->open_len;

    if (kept->open_len > 0 && !(scopes & SCOPE_READ))
        return (struct str){ kept->body.at + whole, kept->open_len };
    return (struct str){ kept->body.at, whole };
}

static struct map_key key_of(const struct answer_mark *mark)
{
    struct map_key key;

    memcpy(key.bytes, mark->bytes, sizeof key.bytes);
    return key;
}

static struct entry *find(struct answers *answers, const struct answer_mark *mark)
{
    const uint64_t *place = map_find(&answers->index, key_of(mark));

    return place ? &answers->ring[*place] : NULL;
}

/* The oldest makes room, unless it is still running: then the next one does. */
static struct entry *add(struct answers *answers, const struct answer_mark *mark, int64_t at_ms)
{
    for (size_t tries = 0; tries < 1024; tries++) {
        size_t place = answers->next;
        struct entry *entry = &answers->ring[place];
        answers->next = (answers->next + 1) % ANSWERS_MAX;
        if (entry->at_ms != 0 && entry->status == 0)
            continue;
        if (entry->at_ms != 0)
            (void)map_remove(&answers->index, entry->key);
        drop_body(answers, entry);
        *entry = (struct entry){ .key = key_of(mark), .at_ms = at_ms };
        if (map_put(&answers->index, entry->key, place))
            return entry;
        entry->at_ms = 0;
        return NULL;
    }
    return NULL;
}

static void forget(struct answers *answers, struct entry *entry)
{
    (void)map_remove(&answers->index, entry->key);
    drop_body(answers, entry);
    *entry = (struct entry){ .at_ms = 0 };
}

/* Past the bound on bytes those that were kept longest go first. */
static void make_room(struct answers *answers)
{
    while (answers->bytes > ANSWERS_MAX_BYTES) {
        struct entry *entry = &answers->ring[answers->oldest];
        answers->oldest = (answers->oldest + 1) % ANSWERS_MAX;
        if (entry->body)
            forget(answers, entry);
    }
}

static void take_kept(const struct entry *entry, struct arena *arena, struct kept_answer *kept)
{
    struct str body = entry->body ? (struct str){ entry->body, entry->body_len } : usual_body;

    *kept = (struct kept_answer){ entry->status, entry->open_len, arena_copy(arena, body) };
}

static bool keep_body(struct answers *answers, struct entry *entry, const struct kept_answer *kept)
{
    entry->status = kept->status;
    entry->open_len = kept->open_len;
    if (kept->status == 201 && str_equal(kept->body, usual_body))
        return true;
    entry->body = malloc(kept->body.len ? kept->body.len : 1);
    if (!entry->body)
        return false;
    memcpy(entry->body, kept->body.at, kept->body.len);
    entry->body_len = kept->body.len;
    answers->bytes += entry->body_len;
    make_room(answers);
    return true;
}

enum answer_verdict answers_begin(struct answers *answers, const struct answer_mark *mark, int64_t now_ms,
                                  void (*resume)(void *), void *waiter, struct arena *arena, struct kept_answer *kept)
{
    enum answer_verdict verdict = ANSWER_GO;
    struct entry *entry;

    (void)pthread_mutex_lock(&answers->mutex);
    entry = find(answers, mark);
    if (entry && entry->status != 0 && entry->at_ms + ANSWER_KEPT_MS <= now_ms) {
        forget(answers, entry);
        entry = NULL;
    }
    if (!entry) {
        (void)add(answers, mark, now_ms);
    } else if (entry->status != 0) {
        take_kept(entry, arena, kept);
        verdict = ANSWER_KEPT;
    } else {
        struct waiter *waits = ARENA_NEW(arena, struct waiter, 1);
        if (waits) {
            *waits = (struct waiter){ entry->waiters, resume, waiter };
            entry->waiters = waits;
            verdict = ANSWER_WAIT;
        }
    }
    (void)pthread_mutex_unlock(&answers->mutex);
    return verdict;
}

static struct refusal *find_refusal(struct answers *answers, const struct answer_mark *mark)
{
    for (size_t i = 0; i < REFUSALS; i++)
        if (answers->refusals[i].status != 0 && memcmp(answers->refusals[i].key.bytes, mark->bytes, 16) == 0)
            return &answers->refusals[i];
    return NULL;
}

bool answers_find(struct answers *answers, const struct answer_mark *mark, struct arena *arena,
                  struct kept_answer *kept)
{
    const struct refusal *refusal;
    const struct entry *entry;
    bool found = true;

    (void)pthread_mutex_lock(&answers->mutex);
    entry = find(answers, mark);
    refusal = find_refusal(answers, mark);
    if (entry && entry->status != 0)
        take_kept(entry, arena, kept);
    else if (refusal)
        *kept = (struct kept_answer){ refusal->status, 0,
                                      arena_copy(arena, (struct str){ refusal->body, refusal->body_len }) };
    else
        found = false;
    (void)pthread_mutex_unlock(&answers->mutex);
    return found;
}

/* Their arenas may go the moment they are resumed. */
static void resume_all(struct waiter *waiters)
{
    while (waiters) {
        struct waiter *next = waiters->next;
        waiters->resume(waiters->arg);
        waiters = next;
    }
}

void answers_end(struct answers *answers, const struct answer_mark *mark, int64_t now_ms,
                 const struct kept_answer *kept)
{
    struct waiter *waiters = NULL;
    struct entry *entry;

    (void)pthread_mutex_lock(&answers->mutex);
    entry = find(answers, mark);
    if (entry) {
        waiters = entry->waiters;
        entry->waiters = NULL;
        entry->at_ms = now_ms;
        if (!keep_body(answers, entry, kept))
            forget(answers, entry);
    }
    (void)pthread_mutex_unlock(&answers->mutex);
    resume_all(waiters);
}

/* What an earlier call of this id was told is of no use to those who wait for this one. */
static void note_refusal(struct answers *answers, const struct answer_mark *mark, const struct kept_answer *told)
{
    struct refusal *refusal = find_refusal(answers, mark);

    if (refusal)
        refusal->status = 0;
    if (!told || told->body.len > REFUSAL_BODY_MAX)
        return;
    refusal = &answers->refusals[answers->next_refusal++ % REFUSALS];
    *refusal = (struct refusal){ .key = key_of(mark), .status = told->status, .body_len = told->body.len };
    memcpy(refusal->body, told->body.at, told->body.len);
}

void answers_refuse(struct answers *answers, const struct answer_mark *mark, const struct kept_answer *told)
{
    struct waiter *waiters = NULL;
    struct entry *entry;

    (void)pthread_mutex_lock(&answers->mutex);
    entry = find(answers, mark);
    if (entry) {
        waiters = entry->waiters;
        if (waiters)
            note_refusal(answers, mark, told);
        forget(answers, entry);
    }
    (void)pthread_mutex_unlock(&answers->mutex);
    resume_all(waiters);
}

/* ---- sealed rows ---- */

struct str answer_seal(const struct account *account, const struct answer_mark *mark, const struct kept_answer *answer,
                       struct arena *arena)
{
    size_t len = STATUS_LEN + answer->body.len;
    char *plain = arena_bytes(arena, len);
    unsigned char *sealed = (unsigned char *)arena_bytes(arena, len + ACCOUNT_SEAL_EXTRA);

    if (!plain || !sealed)
        return (struct str){ NULL, 0 };
    const uint16_t status = htole16((uint16_t)answer->status);
    const uint32_t open_len = htole32(answer->open_len);
    memcpy(plain, &status, sizeof status);
    memcpy(plain + sizeof status, &open_len, sizeof open_len);
    memcpy(plain + STATUS_LEN, answer->body.at, answer->body.len);
    account_seal(account, (struct str){ plain, len }, (struct str){ (const char *)mark->bytes, sizeof mark->bytes },
                 sealed);
    return (struct str){ (const char *)sealed, len + ACCOUNT_SEAL_EXTRA };
}

static struct kept_answer read_plain(const unsigned char *plain, size_t len)
{
    uint16_t status;
    uint32_t open_len;

    memcpy(&status, plain, sizeof status);
    memcpy(&open_len, plain + sizeof status, sizeof open_len);
    return (struct kept_answer){ le16toh(status),
                                 le32toh(open_len),
                                 { (const char *)plain + STATUS_LEN, len - STATUS_LEN } };
}

struct loading {
    struct answers *answers;
    struct ledger *ledger;
};

/* One that does not open is left out: its caller would be answered as if it were new. */
static bool take_row(void *arg, uint32_t account_number, const unsigned char mark_bytes[16], int64_t at_ms,
                     struct str sealed, struct error *error)
{
    const struct loading *loading = arg;
    const struct account *account = ledger_account(loading->ledger, account_number);
    struct answer_mark mark;
    unsigned char *plain;
    struct entry *entry;

    if (!account || sealed.len < ACCOUNT_SEAL_EXTRA + STATUS_LEN)
        return true;
    plain = malloc(sealed.len);
    if (!plain)
        return error_set(error, ERROR_INTERNAL, "out of memory for kept answers");
    memcpy(mark.bytes, mark_bytes, sizeof mark.bytes);
    if (account_unseal(account, sealed, (struct str){ (const char *)mark.bytes, sizeof mark.bytes }, plain) &&
        (entry = add(loading->answers, &mark, at_ms)) != NULL) {
        const struct kept_answer kept = read_plain(plain, sealed.len - ACCOUNT_SEAL_EXTRA);
        if (!keep_body(loading->answers, entry, &kept))
            forget(loading->answers, entry);
    }
    free(plain);
    return true;
}

bool answers_load(struct answers *answers, struct engine *engine, struct error *error)
{
    struct loading loading = { answers, engine_ledger(engine) };
    int64_t since = when_now(engine_clock(engine)) - ANSWER_KEPT_MS;

    return profiles_answers(engine_profiles(engine), since, take_row, &loading, error) &&
           journal_answers(engine_journal(engine), since, take_row, &loading, error);
}
