/* Items wait until a batch is full; then each kind goes in one call. A call that is refused as a whole goes again item by
 * item, so that only the line at fault is refused. */
#include <stdlib.h>
#include <string.h>

#include "tool/import_parts.h"
#include "tool/opening.h"
#include "tool/target.h"

/* A batch past this is sent: with one more message of the longest kind it still is one for Segment's call. */
#define BATCH_MAX_BYTES ((size_t)448 * 1024)
#define BATCH_ARENA_MAX_BYTES ((size_t)128 * 1024 * 1024)
enum { BUSY_WAIT_MS = 60000 };

static const struct kind_row {
    const char *path; /* what stands around the license, or in front of it */
    struct str head, tail;
} kinds[IMPORT_KINDS] = {
    [IMPORT_USER] = { "/bulk-users", { "{\"users\":[", 10 }, { "]}", 2 } },
    [IMPORT_EVENT] = { "/bulk-events", { "{\"events\":[", 11 }, { "]}", 2 } },
    [IMPORT_MESSAGE] = { NULL, { "{\"exactTimes\":true,\"batch\":[", 28 }, { "]}", 2 } },
};

/* ---- beginning and end ---- */

static bool set_target(struct import_batch *batch, enum import_kind kind, struct error *error)
{
    struct buf head;
    bool ok;

    if (!kinds[kind].path)
        return target_make(batch->run, "/v1/batch", STR(""), &batch->targets[kind], error);
    buf_init(&head, 1024);
    buf_add(&head, STR("/v1/accounts/"));
    target_encode(str_of(batch->run->options.license), &head);
    buf_add(&head, str_of(kinds[kind].path));
    buf_add_byte(&head, '\0');
    ok = head.overflowed ? error_set(error, ERROR_INVALID, "--license is too long")
                         : target_make(batch->run, head.at, STR(""), &batch->targets[kind], error);
    buf_clear(&head);
    return ok;
}

bool import_batch_open(struct import_batch *batch, struct tool_run *run, struct door *door, struct error *error)
{
    batch->run = run;
    batch->door = door;
    arena_init(&batch->arena, BATCH_ARENA_MAX_BYTES);
    for (int kind = 0; kind < IMPORT_KINDS; kind++) {
        buf_init(&batch->piles[kind].items, 2 * IMPORT_LINE_MAX_BYTES);
        if (!set_target(batch, (enum import_kind)kind, error))
            return false;
    }
    return true;
}

void import_batch_close(struct import_batch *batch)
{
    for (int kind = 0; kind < IMPORT_KINDS; kind++)
        buf_clear(&batch->piles[kind].items);
    arena_clear(&batch->arena);
}

/* ---- filling ---- */

bool import_batch_is_full(const struct import_batch *batch)
{
    size_t count = batch->refusal_count, len = 0;

    for (int kind = 0; kind < IMPORT_KINDS; kind++) {
        count += batch->piles[kind].count;
        len += batch->piles[kind].items.len;
    }
    return count == IMPORT_BATCH_LINES || len > BATCH_MAX_BYTES;
}

void import_batch_add(struct import_batch *batch, enum import_kind kind, uint64_t line, struct str item)
{
    struct import_pile *pile = &batch->piles[kind];

    if (pile->count > 0)
        buf_add_byte(&pile->items, ',');
    buf_add(&pile->items, item);
    pile->lines[pile->count] = line;
    pile->ends[pile->count++] = pile->items.len;
}

bool import_batch_refuse(struct import_batch *batch, uint64_t line, struct str why, struct error *error)
{
    struct import_refusal *refusal = &batch->refusals[batch->refusal_count];

    *refusal = (struct import_refusal){ line, arena_copy(&batch->arena, why.len > 0 ? why : STR("refused")) };
    if (!refusal->why.at)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    batch->refusal_count++;
    batch->tally.refused++;
    return true;
}

/* ---- answers ---- */

static void count_remark(struct import_batch *batch, struct str text)
{
    for (size_t i = 0; i < IMPORT_REMARKS_MAX; i++) {
        char *held = batch->remarks[i].text;
        if (held[0] == '\0')
            (void)snprintf(held, sizeof batch->remarks[i].text, "%.*s", STR_ARG(text));
        if (!str_starts(text, str_of(held)))
            continue;
        batch->remarks[i].count++;
        return;
    }
}

static void count_remarks(struct import_batch *batch, const struct json *ignored)
{
    for (const struct json *row = ignored ? json_first(ignored) : NULL; row; row = json_next(ignored, row)) {
        const struct json *message = json_member(row, STR("message"));
        if (message && message->kind == JSON_STRING)
            count_remark(batch, json_text(message, &batch->arena));
    }
}

/* What the server alone knows; returns how many of the items were not recorded. */
static int64_t count_untaken(struct import_batch *batch, const struct json *told)
{
    struct import_tally before = batch->tally;

    for (size_t i = 0; told && i < import_count_count; i++) {
        const struct import_count *row = &import_counts[i];
        const struct json *count = row->member ? json_member(told, str_of(row->member)) : NULL;
        int64_t more;
        if (count && count->kind == JSON_NUMBER && json_to_i64(count, &more))
            *import_count_of(&batch->tally, row) += more;
    }
    return batch->tally.repeated - before.repeated + batch->tally.suppressed - before.suppressed +
           batch->tally.dropped - before.dropped;
}

/* The items from `first` on were sent; -1: the answer is not understood. */
static int64_t take_refusals(struct import_batch *batch, const struct import_pile *pile, size_t first, size_t count,
                             const struct json *rejected, struct error *error)
{
    int64_t refused = 0;

    for (const struct json *row = rejected ? json_first(rejected) : NULL; row; row = json_next(rejected, row)) {
        const struct json *index = json_member(row, STR("index")), *message = json_member(row, STR("message"));
        int64_t at;
        if (!index || !message || message->kind != JSON_STRING || !json_to_i64(index, &at) || at < 0 ||
            (size_t)at >= count) {
            (void)door_not_understood(error);
            return -1;
        }
        if (!import_batch_refuse(batch, pile->lines[first + (size_t)at], json_text(message, &batch->arena), error))
            return -1;
        refused++;
    }
    return refused;
}

static bool take_answer(struct import_batch *batch, const struct import_pile *pile, size_t first, size_t count,
                        const struct json *answer, struct error *error)
{
    int64_t refused = take_refusals(batch, pile, first, count, json_member(answer, STR("rejected")), error);

    if (refused < 0)
        return false;
    count_remarks(batch, json_member(answer, STR("ignored")));
    batch->tally.taken += (int64_t)count - refused - count_untaken(batch, json_member(answer, STR("operator")));
    return true;
}

/* ---- calls ---- */

static struct str items_of(const struct import_pile *pile, size_t first, size_t count)
{
    size_t from = first > 0 ? pile->ends[first - 1] + 1 : 0;

    return (struct str){ pile->items.at + from, pile->ends[first + count - 1] - from };
}

static bool call(struct import_batch *batch, enum import_kind kind, struct str items, int *status,
                 const struct json **out, struct error *error)
{
    struct buf body;
    bool ok = true;

    buf_init(&body, 2 * IMPORT_LINE_MAX_BYTES);
    buf_add(&body, kinds[kind].head);
    buf_add(&body, items);
    buf_add(&body, kinds[kind].tail);
    *status = 503;
    if (body.overflowed)
        ok = error_set(error, ERROR_INTERNAL, "out of memory");
    for (int waited_ms = 0; ok && *status == 503 && waited_ms < BUSY_WAIT_MS; waited_ms += OPENING_PAUSE_MS) {
        if (waited_ms > 0)
            opening_pause();
        ok = door_answer(batch->door, HTTP_POST, batch->targets[kind], buf_str(&body), &batch->arena, status, out,
                         error);
    }
    buf_clear(&body);
    return ok;
}

/* Refused as a whole: by what one item does to the body, or by its size. */
static bool is_by_an_item(int status)
{
    return status == 400 || status == 413;
}

static bool send_items(struct import_batch *batch, enum import_kind kind, size_t first, size_t count, bool *as_a_whole,
                       struct error *error)
{
    const struct import_pile *pile = &batch->piles[kind];
    const struct json *answer, *inside;
    int status;

    if (!call(batch, kind, items_of(pile, first, count), &status, &answer, error))
        return false;
    inside = json_member(answer, STR("response"));
    if (!inside || inside->kind != JSON_OBJECT)
        inside = answer;
    *as_a_whole = is_by_an_item(status) && !json_member(inside, STR("rejected"));
    if (*as_a_whole)
        return count > 1 || import_batch_refuse(batch, pile->lines[first], door_message(answer, &batch->arena), error);
    if (is_by_an_item(status) || (status >= 200 && status <= 299))
        return take_answer(batch, pile, first, count, inside, error);
    struct str message = door_message(answer, &batch->arena);
    return error_set(error, ERROR_BUSY, "%.*s (status %d): run the same command again to go on", STR_ARG(message),
                     status);
}

static bool send_pile(struct import_batch *batch, enum import_kind kind, struct error *error)
{
    struct import_pile *pile = &batch->piles[kind];
    bool as_a_whole = false, alone;

    if (pile->count == 0)
        return true;
    if (!send_items(batch, kind, 0, pile->count, &as_a_whole, error))
        return false;
    for (size_t i = 0; as_a_whole && pile->count > 1 && i < pile->count; i++)
        if (!send_items(batch, kind, i, 1, &alone, error))
            return false;
    buf_reset(&pile->items);
    pile->count = 0;
    return true;
}

/* ---- the whole batch ---- */

static int by_line(const void *a, const void *b)
{
    uint64_t left = ((const struct import_refusal *)a)->line, right = ((const struct import_refusal *)b)->line;

    return (left > right) - (left < right);
}

static void print_refusals(struct import_batch *batch, const char *file)
{
    qsort(batch->refusals, batch->refusal_count, sizeof batch->refusals[0], by_line);
    if (batch->has_bar && batch->refusal_count > 0)
        (void)fputs("\r\033[K", batch->run->streams->err); /* it is drawn again below */
    for (size_t i = 0; i < batch->refusal_count; i++)
        (void)fprintf(batch->run->streams->out, "%s:%llu: %.*s\n", file, (unsigned long long)batch->refusals[i].line,
                      STR_ARG(batch->refusals[i].why));
    batch->refusal_count = 0;
}

bool import_batch_send(struct import_batch *batch, const char *file, struct error *error)
{
    for (int kind = 0; kind < IMPORT_KINDS; kind++)
        if (!send_pile(batch, (enum import_kind)kind, error))
            return false;
    print_refusals(batch, file);
    (void)fflush(batch->run->streams->out); /* before it is noted as told; a failure sticks and is told at the end */
    arena_reset(&batch->arena);
    return true;
}
