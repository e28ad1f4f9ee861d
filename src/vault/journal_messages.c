/* Which messages were received lately. A row's own column is the mark, committed with its effect, so at start the set is
 * made anew from the rows; ids without a row (erased, parked) stand in profiles.db. */
#include <stdlib.h>

#include "vault/journal_inside.h"
#include "vault/kept.h"

bool journal_has_message(const struct journal *journal, uint64_t message)
{
    return recent_has(journal->recent, message);
}

void journal_fetch_message(const struct journal *journal, uint64_t message)
{
    recent_fetch(journal->recent, message);
}

uint64_t journal_message_mark(const struct journal *journal)
{
    return recent_mark(journal->recent);
}

void journal_cut_messages(struct journal *journal, uint64_t mark)
{
    recent_cut(journal->recent, mark);
}

bool journal_note_message(struct journal *journal, uint64_t message, int64_t received_ms, struct error *error)
{
    if (!recent_reserve(journal->recent))
        return error_set(error, ERROR_INTERNAL, "out of memory for the ids of messages");
    if (!profiles_keep_message(journal->profiles, message, received_ms + journal->limits.message_ms, error))
        return error_within(error, "message id");
    if (!recent_has(journal->recent, message))
        recent_add(journal->recent, message, received_ms);
    return true;
}

void messages_publish(struct journal *journal)
{
    struct recent_facts facts;

    recent_facts(journal->recent, &facts);
    journal->message_count = facts.count;
    journal->oldest_message_ms = facts.oldest_ms;
}

/* ---- before rows go ---- */

bool message_is_young(const struct journal *journal, uint64_t message, int64_t received_ms, int64_t now_ms)
{
    return message != 0 && received_ms + journal->limits.message_ms > now_ms;
}

struct keeping {
    const struct kept_id *ids;
    size_t count;
};

static bool keep_all(struct journal *journal, void *arg, struct error *error)
{
    const struct keeping *keeping = arg;

    for (size_t i = 0; i < keeping->count; i++)
        if (!profiles_keep_message(journal->profiles, keeping->ids[i].message,
                                   keeping->ids[i].received_ms + journal->limits.message_ms, error))
            return false;
    return true;
}

bool messages_keep(struct journal *journal, const struct kept_id *ids, size_t count, struct error *error)
{
    struct keeping keeping = { ids, count };

    return count == 0 || journal_catalogue(journal, keep_all, &keeping, error) ||
           error_within(error, "ids of messages");
}

/* ---- at start ---- */

static bool take_kept(void *arg, uint64_t message, int64_t until_ms, struct error *error)
{
    struct messages_load *load = arg;

    if (load->kept_count == load->kept_cap) {
        size_t cap = load->kept_cap ? 2 * load->kept_cap : 1024;
        struct kept_id *kept = realloc(load->kept, cap * sizeof(*kept));

        if (!kept)
            return error_set(error, ERROR_INTERNAL, "out of memory for the ids of messages");
        load->kept = kept;
        load->kept_cap = cap;
    }
    load->kept[load->kept_count++] = (struct kept_id){ message, until_ms - load->journal->limits.message_ms };
    return true;
}

bool messages_load_begin(struct messages_load *load, struct journal *journal, struct error *error)
{
    *load = (struct messages_load){ .journal = journal, .now_ms = when_now(journal->clock) };
    return profiles_messages(journal->profiles, load->now_ms, take_kept, load, error) ||
           error_within(error, "ids of messages");
}

void messages_load_clear(struct messages_load *load)
{
    free(load->kept);
    *load = (struct messages_load){ 0 };
}

/* One that stands in two places is put in twice, which does no harm and is seldom. A clock that was ahead for a while must
 * not make ids live as long as that. */
static bool add_id(const struct messages_load *load, uint64_t message, int64_t at_ms, struct error *error)
{
    struct recent *recent = load->journal->recent;

    if (!recent_reserve(recent))
        return error_set(error, ERROR_INTERNAL, "out of memory for the ids of messages");
    recent_add(recent, message, at_ms < load->now_ms ? at_ms : load->now_ms);
    return true;
}

static bool add_kept(struct messages_load *load, int64_t before_ms, struct error *error)
{
    for (; load->kept_next < load->kept_count && load->kept[load->kept_next].received_ms <= before_ms;
         load->kept_next++)
        if (!add_id(load, load->kept[load->kept_next].message, load->kept[load->kept_next].received_ms, error))
            return false;
    return true;
}

static bool add_rows(struct messages_load *load, struct error *error)
{
    for (size_t i = 0; i < load->row_count; i++)
        recent_fetch(load->journal->recent, load->rows[i].message);
    for (size_t i = 0; i < load->row_count; i++)
        if (!add_kept(load, load->rows[i].received_ms, error) ||
            !add_id(load, load->rows[i].message, load->rows[i].received_ms, error))
            return false;
    load->row_count = 0;
    return true;
}

bool messages_load_row(struct messages_load *load, uint64_t message, int64_t received_ms, struct error *error)
{
    if (!message_is_young(load->journal, message, received_ms, load->now_ms))
        return true;
    load->rows[load->row_count++] = (struct kept_id){ message, received_ms };
    return load->row_count < MESSAGES_AT_ONCE || add_rows(load, error);
}

static bool take_row(void *arg, const struct row *row, struct error *error)
{
    return messages_load_row(arg, (uint64_t)row_integer(row, 0), row_integer(row, 1), error);
}

bool messages_load_volume(struct messages_load *load, const char *path, struct error *error)
{
    struct db *db = NULL;
    bool ok = db_open_sqlite(path, DB_IMMUTABLE, &db, error) &&
              db_run(db, SQL("SELECT message, received FROM event ORDER BY seq"), NULL, take_row, load, error);

    db_close(db);
    return ok;
}

bool messages_load_end(struct messages_load *load, struct error *error)
{
    if (!add_rows(load, error) || !add_kept(load, INT64_MAX, error))
        return false;
    recent_tend(load->journal->recent, load->now_ms);
    messages_publish(load->journal);
    return true;
}
