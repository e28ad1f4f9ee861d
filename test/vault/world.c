/* See world.h. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>

static void must(bool done, const struct error *error)
{
    if (!done)
        fail_msg("%s", error->text);
}

void world_make(struct world *world)
{
    *world = (struct world){
        .limits = { .log_bytes = 64 * 1024, .pair_rows = 1000000, .message_ids = 50000, .message_ms = WHEN_DAY },
        .received_from_ms = 1700000000000,
        .anchor = { .position = 5, .time_ms = 1700000000000 }
    };
    memset(world->ledger.bytes, 0x11, sizeof(world->ledger.bytes));
    world->rows = calloc(WORLD_ROWS_MAX, sizeof(*world->rows));
    assert_non_null(world->rows);
    scratch_make(&world->scratch);
}

void world_remove(struct world *world)
{
    world_close(world);
    scratch_remove(&world->scratch);
    free(world->rows);
}

bool world_open(struct world *world, struct error *error)
{
    const char *vault = world->scratch.directory;

    return profiles_open(vault, world->ledger, true, &world->profiles, error) &&
           journal_open(vault, world->profiles, world->ledger, world->anchor, &world->limits, &world->clock,
                        &world->journal, error) &&
           journal_reader_new(world->journal, &world->reader, error);
}

void world_close(struct world *world)
{
    journal_reader_free(world->reader);
    journal_close(world->journal);
    profiles_close(world->profiles);
    world->reader = NULL;
    world->journal = NULL;
    world->profiles = NULL;
}

void world_reopen(struct world *world)
{
    struct error error = { 0 };

    world_close(world);
    must(world_open(world, &error), &error);
}

/* ---- rows ---- */

static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

void world_mark(uint64_t number, unsigned char out[WORLD_MARK_LEN])
{
    for (uint64_t i = 0; i < WORLD_MARK_LEN / 8; i++) {
        uint64_t part = mix(number * 4 + i);

        memcpy(out + 8 * i, &part, 8);
    }
}

/* Mostly short, some over a page. */
static size_t body_len(uint64_t number)
{
    size_t len = WORLD_MARK_LEN + mix(number) % 200;

    return mix(number + 1) % 50 == 0 ? len + 3000 + mix(number) % 9000 : len;
}

static void body_of(uint64_t number, unsigned char *out)
{
    memset(out, (int)(number & 0xff), body_len(number));
    world_mark(number, out);
}

void world_add(struct world *world, uint32_t account, uint32_t subject)
{
    static unsigned char body[16384];
    uint64_t number = world->count;
    struct error error = { 0 };
    struct event_row row = { .account = account,
                             .subject = subject,
                             .name = 1 + (uint32_t)(number % 5),
                             .source = 2,
                             .occurred_ms = 1700000000000 + (int64_t)(mix(number) % 100000),
                             .received_ms = world->received_from_ms + (int64_t)number,
                             .message = number,
                             .nonce = { .counter = number } };

    assert_true(world->count < WORLD_ROWS_MAX);
    memset(row.nonce.salt, 0x40 + (int)(number % 3), sizeof(row.nonce.salt));
    body_of(number, body);
    row.body = (struct str){ (const char *)body, body_len(number) };
    must(journal_append(world->journal, &row, &error), &error);
    world->rows[world->count++] = (struct world_row){ account, subject, row.seq, false };
}

void world_commit(struct world *world)
{
    struct error error = { 0 };

    must(journal_commit(world->journal, world->anchor, &error), &error);
    world->committed = world->count;
}

void world_rollback(struct world *world)
{
    journal_rollback(world->journal);
    world->count = world->committed;
}

void world_fill(struct world *world, size_t count, uint32_t subjects)
{
    struct error error = { 0 };

    for (size_t i = 0; i < count; i++) {
        world_add(world, 1, 1 + (uint32_t)(mix(world->count * 7) % subjects));
        if (i % 100 != 99 && i + 1 < count)
            continue;
        world_commit(world);
        if (journal_turn(world->journal, &error))
            must(journal_settle(world->journal, &error), &error);
        must(error.code == ERROR_NONE, &error);
    }
}

void world_rotate(struct world *world)
{
    struct error error = { 0 };

    world->clock.shift_ms += WHEN_DAY;
    must(journal_rotate(world->journal, when_now(&world->clock), &error), &error);
}

void world_close_pair(struct world *world)
{
    struct error error = { 0 };
    bool built = false;

    world_rotate(world);
    must(journal_build(world->journal, &built, &error), &error);
    assert_true(built);
    must(journal_swap(world->journal, &error), &error);
    assert_true(journal_rotate(world->journal, when_now(&world->clock), &error)); /* files to be removed */
    must(journal_build(world->journal, &built, &error), &error);
    assert_false(built);
}

void world_erase(struct world *world, uint32_t account, uint32_t subject)
{
    struct error error = { 0 };
    int64_t removed = 0;
    bool left = true, done = false;

    for (int tries = 0; left; tries++) {
        assert_true(tries < 1000);
        must(journal_remove(world->journal, account, subject, 40, &removed, &left, &error), &error);
        assert_true(removed <= 40);
    }
    for (size_t i = 0; i < world->count; i++)
        world->rows[i].removed |= world->rows[i].account == account && world->rows[i].subject == subject;
    for (int tries = 0; !done; tries++) {
        assert_true(tries < 100);
        must(journal_scrub_logs(world->journal, &done, &error), &error);
        if (done)
            break;
        must(journal_settle(world->journal, &error), &error);
        must(journal_build(world->journal, &(bool){ false }, &error), &error);
    }
}

/* ---- looking ---- */

static size_t marks_in(const struct world *world, const char *bytes, size_t len, bool of_removed)
{
    unsigned char mark[WORLD_MARK_LEN];
    size_t found = 0;

    for (size_t i = 0; i < world->count; i++) {
        if (world->rows[i].removed != of_removed)
            continue;
        world_mark(i, mark);
        found += memmem(bytes, len, mark, sizeof(mark)) != NULL;
    }
    return found;
}

size_t world_traces(struct world *world, bool of_removed)
{
    DIR *directory = opendir(scratch_path(&world->scratch, "events"));
    const struct dirent *entry;
    size_t found = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        char name[300];
        struct stat facts;

        snprintf(name, sizeof(name), "events/%.200s", entry->d_name);
        long size = scratch_size(&world->scratch, name);
        if (size <= 0 || stat(world->scratch.path, &facts) != 0 || !S_ISREG(facts.st_mode))
            continue;
        char *whole = malloc((size_t)size);
        FILE *file = fopen(world->scratch.path, "rb");
        assert_non_null(whole);
        assert_non_null(file);
        found += marks_in(world, whole, fread(whole, 1, (size_t)size, file), of_removed);
        fclose(file);
        free(whole);
    }
    closedir(directory);
    return found;
}

static bool is_wanted(const struct world_row *row, uint32_t account, const uint32_t *subjects, size_t subject_count)
{
    for (size_t i = 0; i < subject_count; i++)
        if (row->account == account && row->subject == subjects[i] && !row->removed)
            return true;
    return false;
}

/* The number of the wanted row after (or before) the one at `from`; count when there is none. */
static size_t next_wanted(const struct world *world, size_t from, bool oldest_first, uint32_t account,
                          const uint32_t *subjects, size_t subject_count)
{
    for (size_t i = from; i < world->committed; i += oldest_first ? 1 : (size_t)-1)
        if (is_wanted(&world->rows[i], account, subjects, subject_count))
            return i;
    return WORLD_ROWS_MAX;
}

static bool is_row(const struct world *world, const struct event_row *row, size_t number)
{
    static unsigned char body[16384];

    body_of(number, body);
    return row->message == number && row->seq == world->rows[number].seq && row->source == 2 &&
           row->nonce.counter == number && row->nonce.salt[0] == 0x40 + number % 3 &&
           row->received_ms == world->received_from_ms + (int64_t)number &&
           str_equal(row->body, (struct str){ (const char *)body, body_len(number) });
}

bool world_reads_back(struct world *world, uint32_t account, const uint32_t *subjects, size_t subject_count, size_t max,
                      bool oldest_first)
{
    struct event_query query = { .account = account,
                                 .subjects = subjects,
                                 .subject_count = subject_count,
                                 .bound = oldest_first ? 0 : UINT64_MAX,
                                 .oldest_first = oldest_first,
                                 .max = max };
    size_t at =
        next_wanted(world, oldest_first ? 0 : world->committed - 1, oldest_first, account, subjects, subject_count);
    struct error error = { 0 };
    struct arena arena;
    size_t count;
    bool more = true;

    arena_init(&arena, 64 * 1024 * 1024);
    while (more) {
        struct event_row *rows = NULL;

        arena_reset(&arena);
        must(journal_read(world->reader, &query, &arena, &rows, &count, &more, &error), &error);
        for (size_t i = 0; i < count; i++) {
            if (at == WORLD_ROWS_MAX || !is_row(world, &rows[i], at)) {
                arena_clear(&arena);
                return false;
            }
            query.bound = rows[i].seq;
            at = next_wanted(world, oldest_first ? at + 1 : at - 1, oldest_first, account, subjects, subject_count);
        }
    }
    arena_clear(&arena);
    return at == WORLD_ROWS_MAX;
}
