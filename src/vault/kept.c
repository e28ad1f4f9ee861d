/* Small tables of profiles.db. */
#include "vault/kept.h"

bool profiles_keep_answer(struct profiles *profiles, uint32_t account, const unsigned char mark[16], int64_t at_ms,
                          struct str sealed, struct error *error)
{
    return profiles_begin(profiles, error) &&
           db_run(profiles_db(profiles),
                  SQL("INSERT INTO answer (account, mark, at, sealed) VALUES ($1, $2, $3, $4)"
                      " ON CONFLICT (account, mark) DO UPDATE SET at = excluded.at, sealed = excluded.sealed"),
                  DB_PARAMS(DB_INTEGER(account), DB_BLOB(mark, 16), DB_INTEGER(at_ms), DB_BLOB(sealed.at, sealed.len)),
                  NULL, NULL, error);
}

struct answers {
    journal_answer *each;
    void *arg;
};

static bool take_answer(void *arg, const struct row *row, struct error *error)
{
    const struct answers *answers = arg;
    unsigned char mark[16];

    return row_blob(row, 1, mark, sizeof mark, error) &&
           answers->each(answers->arg, (uint32_t)row_integer(row, 0), mark, row_integer(row, 2), row_bytes(row, 3),
                         error);
}

bool profiles_answers(struct profiles *profiles, int64_t since_ms, journal_answer *each, void *arg, struct error *error)
{
    struct answers answers = { each, arg };

    return db_run(profiles_db(profiles), SQL("SELECT account, mark, at, sealed FROM answer WHERE at > $1 ORDER BY at"),
                  DB_PARAMS(DB_INTEGER(since_ms)), take_answer, &answers, error);
}

bool profiles_expire_answers(struct profiles *profiles, int64_t before_ms, struct error *error)
{
    return profiles_begin(profiles, error) && db_run(profiles_db(profiles), SQL("DELETE FROM answer WHERE at <= $1"),
                                                     DB_PARAMS(DB_INTEGER(before_ms)), NULL, NULL, error);
}

#define EXPIRED_AT_ONCE 4000

bool profiles_keep_message(struct profiles *profiles, uint64_t message, int64_t until_ms, struct error *error)
{
    int64_t until = (until_ms + WHEN_MINUTE - 1) / WHEN_MINUTE * WHEN_MINUTE;

    return profiles_begin(profiles, error) &&
           db_run(profiles_db(profiles),
                  SQL("INSERT INTO message (message, until) VALUES ($1, $2)"
                      " ON CONFLICT (message) DO UPDATE SET until = excluded.until"),
                  DB_PARAMS(DB_INTEGER(message), DB_INTEGER(until)), NULL, NULL, error);
}

struct messages {
    kept_message *each;
    void *arg;
};

static bool take_message(void *arg, const struct row *row, struct error *error)
{
    const struct messages *messages = arg;

    return messages->each(messages->arg, (uint64_t)row_integer(row, 0), row_integer(row, 1), error);
}

bool profiles_messages(struct profiles *profiles, int64_t now_ms, kept_message *each, void *arg, struct error *error)
{
    struct messages messages = { each, arg };

    return db_run(profiles_db(profiles), SQL("SELECT message, until FROM message WHERE until > $1 ORDER BY until"),
                  DB_PARAMS(DB_INTEGER(now_ms)), take_message, &messages, error);
}

bool profiles_expire_messages(struct profiles *profiles, int64_t now_ms, bool *more, struct error *error)
{
    int64_t gone = 0;

    if (!profiles_begin(profiles, error) ||
        !db_change(profiles_db(profiles),
                   SQL("DELETE FROM message WHERE message IN"
                       " (SELECT message FROM message WHERE until <= $1 ORDER BY until LIMIT $2)"),
                   DB_PARAMS(DB_INTEGER(now_ms), DB_INTEGER(EXPIRED_AT_ONCE)), &gone, error))
        return false;
    *more = gone == EXPIRED_AT_ONCE;
    return true;
}

struct seen {
    profile_seen *each;
    void *arg;
};

static bool take_seen(void *arg, const struct row *row, struct error *error)
{
    const struct seen *seen = arg;

    (void)error;
    seen->each(seen->arg, (uint32_t)row_integer(row, 0));
    return true;
}

bool profiles_seen(struct profiles *profiles, uint32_t account, uint32_t first, profile_seen *each, void *arg,
                   struct error *error)
{
    struct seen seen = { each, arg };

    return db_run(profiles_db(profiles), SQL("SELECT ordinal FROM profile WHERE account = $1 AND ordinal >= $2"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(first)), take_seen, &seen, error);
}

struct parked_rows {
    struct parked_subject *out;
    size_t count;
};

static bool take_subject(void *arg, const struct row *row, struct error *error)
{
    struct parked_rows *subjects = arg;

    (void)error;
    subjects->out[subjects->count++] =
        (struct parked_subject){ (uint32_t)row_integer(row, 0), (uint32_t)row_integer(row, 1) };
    return true;
}

bool parked_subjects(struct db *db, struct parked_subject after, size_t max, struct parked_subject *out, size_t *count,
                     struct error *error)
{
    struct parked_rows subjects = { out, 0 };

    if (!db_run(db,
                SQL("SELECT DISTINCT account, ordinal FROM parked"
                    " WHERE account > $1 OR (account = $1 AND ordinal > $2) ORDER BY account, ordinal LIMIT $3"),
                DB_PARAMS(DB_INTEGER(after.account), DB_INTEGER(after.ordinal), DB_INTEGER(max)), take_subject,
                &subjects, error))
        return false;
    *count = subjects.count;
    return true;
}

bool parked_forget(struct profiles *profiles, uint32_t account, uint32_t ordinal, uint64_t up_to, struct error *error)
{
    return profiles_begin(profiles, error) &&
           db_run(profiles_db(profiles), SQL("DELETE FROM parked WHERE account = $1 AND ordinal = $2 AND number <= $3"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(up_to)), NULL, NULL, error);
}
