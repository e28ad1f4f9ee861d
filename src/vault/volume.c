/* Files of the journal: names, headers, rows, and the handle of an open one. */
#include "vault/volume.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "db/migrate.h"
#include "vault/anchored.h"
#include "vault/bytes.h"

/* ---- names ---- */

void volume_name(int64_t number, char out[VOLUME_NAME_MAX])
{
    snprintf(out, VOLUME_NAME_MAX, "events/%06" PRId64 ".db", number);
}

void volume_path(const char *events, int64_t number, const char *tail, char out[VOLUME_PATH_MAX])
{
    int len = snprintf(out, VOLUME_PATH_MAX, "%s/%06" PRId64 ".db%s", events, number, tail);

    assert(len > 0);
    assert(len < VOLUME_PATH_MAX);
}

bool volume_of_name(const char *name, int64_t *number, const char **tail)
{
    size_t digits = strspn(name, "0123456789");

    if (digits < 6 || digits > 18 || strncmp(name + digits, ".db", 3) != 0)
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = 10 * *number + (name[i] - '0');
    *tail = name + digits + 3;
    return true;
}

bool volume_unlink(const char *events, int64_t number, struct error *error)
{
    static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
    char path[VOLUME_PATH_MAX];

    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        volume_path(events, number, tails[i], path);
        if (unlink(path) != 0 && errno != ENOENT)
            return error_errno(error, "remove a volume");
    }
    return true;
}

/* ---- the header ---- */

static const struct header_field {
    const char *name;
    size_t offset;
    size_t len; /* 8: a number */
} header_fields[] = {
    { "ledger_id", offsetof(struct volume_header, ledger), LEDGER_ID_LEN },
    { "position", offsetof(struct volume_header, anchor.position), 8 },
    { "position_at", offsetof(struct volume_header, anchor.time_ms), 8 },
    { "highest_seq", offsetof(struct volume_header, highest_seq), 8 },
    { "highest_ordinal", offsetof(struct volume_header, highest_ordinal), 8 },
    { "state", offsetof(struct volume_header, state), 8 },
};

static void field_to_bytes(const struct volume_header *header, const struct header_field *field, unsigned char *out)
{
    const unsigned char *at = (const unsigned char *)header + field->offset;
    uint64_t number;

    if (field->len != sizeof(number)) {
        memcpy(out, at, field->len);
        return;
    }
    memcpy(&number, at, sizeof(number));
    put_u64(out, number);
}

static bool take_field(void *arg, const struct row *row, struct error *error)
{
    struct str name = row_bytes(row, 0);
    unsigned char bytes[LEDGER_ID_LEN];

    for (size_t i = 0; i < COUNT_OF(header_fields); i++) {
        const struct header_field *field = &header_fields[i];
        unsigned char *at = (unsigned char *)arg + field->offset;

        if (!str_equal(name, str_of(field->name)))
            continue;
        if (!row_blob(row, 1, bytes, field->len, error))
            return false;
        uint64_t number = get_u64(bytes);
        memcpy(at, field->len == sizeof(number) ? (const void *)&number : bytes, field->len);
    }
    return true; /* other names are a later program's */
}

bool volume_header_read(struct db *db, struct volume_header *out, struct error *error)
{
    *out = (struct volume_header){ 0 };
    return db_run(db, SQL("SELECT name, value FROM header"), NULL, take_field, out, error) ||
           error_within(error, "header");
}

bool volume_header_write(struct db *db, const struct volume_header *header, const struct volume_header *old,
                         struct error *error)
{
    unsigned char bytes[LEDGER_ID_LEN], before[LEDGER_ID_LEN];

    for (size_t i = 0; i < COUNT_OF(header_fields); i++) {
        const struct header_field *field = &header_fields[i];

        field_to_bytes(header, field, bytes);
        if (old)
            field_to_bytes(old, field, before);
        if (old && memcmp(bytes, before, field->len) == 0)
            continue;
        if (!db_run(db,
                    SQL("INSERT INTO header (name, value) VALUES ($1, $2) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"),
                    DB_PARAMS(DB_TEXT(str_of(field->name)), DB_BLOB(bytes, field->len)), NULL, NULL, error))
            return error_within(error, "header");
    }
    return true;
}

bool volume_touch(struct db *db, struct error *error)
{
    return db_run(db, SQL("INSERT INTO header (name, value) VALUES ('touch', $1)"), DB_PARAMS(DB_BLOB("", 0)), NULL,
                  NULL, error) &&
           db_run(db, SQL("DELETE FROM header WHERE name = 'touch'"), NULL, NULL, NULL, error);
}

bool volume_header_check(int64_t number, const struct volume_header *header, const struct ledger_id *ledger,
                         struct anchor anchor, struct error *error)
{
    char name[VOLUME_NAME_MAX];

    volume_name(number, name);
    return anchored_to(name, &header->ledger, ledger, error) && anchored_before(name, header->anchor, anchor, error);
}

/* ---- an open volume ---- */

static bool make_header(struct db *db, const struct volume_header *make, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (volume_header_write(db, make, NULL, error) && db_commit(db, error))
        return true;
    db_rollback(db);
    return false;
}

static bool volume_attach(struct volume *volume, const struct volume_header *make, struct error *error)
{
    char name[VOLUME_NAME_MAX];
    struct db *db = NULL;

    volume_name(volume->number, name);
    if (!db_open_sqlite(volume->path, DB_WRITER, &db, error))
        return error_within(error, "%s", name);
    if (!db_migrate(db, &schema_volume, error) || (make && !make_header(db, make, error)) ||
        !volume_header_read(db, &volume->header, error) || !salts_load(&volume->salts, db, error)) {
        db_close(db);
        return error_within(error, "%s", name);
    }
    db_close(volume->db);
    volume->db = db;
    return true;
}

bool volume_open(struct volume *volume, const char *events, int64_t number, const struct volume_header *make,
                 struct error *error)
{
    volume->number = number;
    volume_path(events, number, "", volume->path);
    if (!make && access(volume->path, F_OK) != 0) {
        char name[VOLUME_NAME_MAX];

        volume_name(number, name);
        return error_set(error, ERROR_CORRUPT, "%s is missing, though the catalogue names it", name);
    }
    return volume_attach(volume, make, error);
}

bool volume_renew(struct volume *volume, struct error *error)
{
    return volume_attach(volume, NULL, error);
}

/* A handle marked broken brings nothing into the file when it is closed as the last one. */
static void close_handle(struct db **db, bool abandon)
{
    if (*db && abandon)
        (*db)->broken = true;
    db_close(*db);
    *db = NULL;
}

void volume_close(struct volume *volume, bool abandon)
{
    close_handle(&volume->settler, abandon);
    close_handle(&volume->db, abandon);
    salts_clear(&volume->salts);
}

/* ---- rows ---- */

bool event_insert(struct db *db, const struct event_row *row, int64_t salt, struct error *error)
{
    return db_run(db,
                  SQL("INSERT INTO event (" EVENT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"),
                  DB_PARAMS(DB_INTEGER(row->seq), DB_INTEGER(row->account), DB_INTEGER(row->subject),
                            DB_INTEGER(row->name), DB_INTEGER(row->occurred_ms), DB_INTEGER(row->received_ms),
                            DB_INTEGER(row->source), DB_INTEGER(row->message), DB_INTEGER(salt),
                            DB_INTEGER(row->nonce.counter), DB_BLOB(row->body.at, row->body.len)),
                  NULL, NULL, error) ||
           error_within(error, "event");
}

bool event_take(const struct row *row, struct salts *salts, struct db *db, struct arena *arena, struct event_row *out,
                struct error *error)
{
    struct str body = row_bytes(row, 10);

    *out = (struct event_row){
        .seq = (uint64_t)row_integer(row, 0),
        .account = (uint32_t)row_integer(row, 1),
        .subject = (uint32_t)row_integer(row, 2),
        .name = (uint32_t)row_integer(row, 3),
        .occurred_ms = row_integer(row, 4),
        .received_ms = row_integer(row, 5),
        .source = (uint32_t)row_integer(row, 6),
        .message = (uint64_t)row_integer(row, 7),
        .nonce.counter = (uint64_t)row_integer(row, 9),
        .body = arena_copy(arena, body),
    };
    if (body.len > 0 && !out->body.at)
        return error_set(error, ERROR_TOO_LARGE, "no room for the rows of one slice");
    return salts_bytes(salts, db, row_integer(row, 8), out->nonce.salt, error);
}

bool answer_insert(struct db *db, uint32_t account, const unsigned char mark[16], int64_t at_ms, struct str sealed,
                   struct error *error)
{
    return db_run(db,
                  SQL("INSERT INTO answer (account, mark, at, sealed) VALUES ($1, $2, $3, $4) "
                      "ON CONFLICT (account, mark) DO UPDATE SET at = excluded.at, sealed = excluded.sealed"),
                  DB_PARAMS(DB_INTEGER(account), DB_BLOB(mark, 16), DB_INTEGER(at_ms), DB_BLOB(sealed.at, sealed.len)),
                  NULL, NULL, error) ||
           error_within(error, "answer");
}
