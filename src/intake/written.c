/* The events of a person that are there already. */
#include "intake/written.h"

#include <stdlib.h>

#define ROWS_AT_ONCE 2000
#define ROWS_MAX_BYTES ((size_t)2 * 1024 * 1024)
/* By how much rows may stand in another order than they were received in: calls wait, clocks are set. */
#define ORDER_SLACK_MS WHEN_HOUR

bool written_note(struct written *written, const struct written_event *event, struct error *error)
{
    if (written->count == written->cap) {
        size_t cap = written->cap ? 2 * written->cap : ROWS_AT_ONCE;
        struct written_event *events = realloc(written->events, cap * sizeof *events);
        if (!events)
            return error_set(error, ERROR_INTERNAL, "out of memory");
        written->events = events;
        written->cap = cap;
    }
    written->events[written->count++] = *event;
    return true;
}

void written_settle(struct written *written)
{
    written->count = written->sorted;
}

void written_clear(struct written *written)
{
    free(written->events);
    *written = (struct written){ 0 };
}

static int by_message(const void *left, const void *right)
{
    const struct written_event *a = left, *b = right;

    return (a->message > b->message) - (a->message < b->message);
}

/* What a replay writes is received no earlier than the first item that was parked, so older rows need no look. */
bool written_load(struct written *written, struct journal_reader *journal, uint32_t account, uint32_t subject,
                  int64_t since_ms, struct arena *arena, struct error *error)
{
    struct event_query query = { .account = account,
                                 .subjects = &subject,
                                 .subject_count = 1,
                                 .bound = UINT64_MAX,
                                 .max = ROWS_AT_ONCE,
                                 .max_bytes = ROWS_MAX_BYTES };
    struct event_row *rows = NULL;
    bool more = true;
    size_t count;

    written->sorted = written->count = 0;
    while (more) {
        arena_reset(arena);
        if (!journal_read(journal, &query, arena, &rows, &count, &more, error))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!written_note(written, &(struct written_event){ rows[i].message, rows[i].received_ms }, error))
                return false;
            query.bound = rows[i].seq;
            more &= rows[i].received_ms >= since_ms - ORDER_SLACK_MS;
        }
    }
    written->sorted = written->count;
    if (written->count > 0)
        qsort(written->events, written->count, sizeof *written->events, by_message);
    return true;
}

static bool is_same(const struct written_event *one, const struct written_event *other)
{
    int64_t apart_ms = one->received_ms - other->received_ms;

    return one->message == other->message && apart_ms > -WHEN_DAY && apart_ms < WHEN_DAY;
}

/* Where the message's rows begin, if it has any. */
static size_t first_of(const struct written *written, uint64_t message)
{
    size_t low = 0, high = written->sorted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (written->events[middle].message < message)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool written_has(const struct written *written, const struct written_event *event)
{
    for (size_t i = first_of(written, event->message);
         i < written->sorted && written->events[i].message == event->message; i++)
        if (is_same(&written->events[i], event))
            return true;
    for (size_t i = written->sorted; i < written->count; i++)
        if (is_same(&written->events[i], event))
            return true;
    return false;
}
