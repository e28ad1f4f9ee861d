/* profiles.db: opening, the group's transaction with its anchor, and the sealed records. */
#include "vault/profiles.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/directory.h"
#include "db/migrate.h"
#include "vault/anchored.h"
#include "vault/bytes.h"
#include "vault/salts.h"

struct profiles {
    char path[PATH_MAX];
    struct db *db;
    struct ledger_id ledger;
    struct anchor anchor; /* committed */
    struct salts salts;
    struct buf sealed; /* room to seal in */
    bool has_work;
    size_t part_salts; /* when the open part began */
};

/* The largest record; far above what a profile may hold. */
#define SEALED_MAX (64u * 1024 * 1024)

/* ---- opening ---- */

struct head {
    struct ledger_id ledger;
    struct anchor anchor;
    bool found;
};

static bool take_head(void *arg, const struct row *row, struct error *error)
{
    struct head *head = arg;

    if (!row_blob(row, 0, head->ledger.bytes, sizeof(head->ledger.bytes), error))
        return false;
    head->anchor = (struct anchor){ (uint64_t)row_integer(row, 1), row_integer(row, 2) };
    head->found = true;
    return true;
}

static bool make_head(struct profiles *profiles, struct db *db, struct error *error)
{
    return db_run(db, SQL("INSERT INTO head (one, ledger_id, position, position_at) VALUES (1, $1, 0, 0)"),
                  DB_PARAMS(DB_BLOB(profiles->ledger.bytes, sizeof(profiles->ledger.bytes))), NULL, NULL, error);
}

/* Writes a page, though nothing is different behind it: equal values would be left unwritten. */
static bool touch(struct db *db, struct error *error)
{
    return db_run(db, SQL("UPDATE head SET position_at = position_at + 1"), NULL, NULL, NULL, error) &&
           db_run(db, SQL("UPDATE head SET position_at = position_at - 1"), NULL, NULL, NULL, error);
}

/* A commit that failed may stand whole behind the end of the log: this handle does not see it, but the next start would,
 * were nothing written over it. */
static bool cover_failed_commit(struct db *db, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (touch(db, error) && db_commit(db, error))
        return true;
    db_rollback(db);
    return false;
}

/* Opens a handle, checks whose file it is and reads what memory keeps of it. */
static bool profiles_attach(struct profiles *profiles, struct error *error)
{
    struct head head = { .ledger = profiles->ledger };
    struct db *db = NULL;

    if (!db_open_sqlite(profiles->path, DB_WRITER, &db, error))
        return false;
    if (!db_migrate(db, &schema_profiles, error) ||
        !db_run(db, SQL("SELECT ledger_id, position, position_at FROM head"), NULL, take_head, &head, error) ||
        (!head.found && !make_head(profiles, db, error)) ||
        !anchored_to("profiles.db", &head.ledger, &profiles->ledger, error) ||
        !salts_load(&profiles->salts, db, error)) {
        db_close(db);
        return false;
    }
    if (profiles->db && !cover_failed_commit(db, error)) {
        db_close(db);
        return false;
    }
    db_close(profiles->db);
    profiles->db = db;
    profiles->anchor = head.anchor;
    return true;
}

static bool profiles_place(struct profiles *profiles, const char *directory, bool create, struct error *error)
{
    int len = snprintf(profiles->path, sizeof(profiles->path), "%s/profiles.db", directory);

    if (len < 0 || (size_t)len >= sizeof(profiles->path))
        return error_set(error, ERROR_INVALID, "the path of the vault is too long");
    if (create && !directory_make(directory, error))
        return false;
    if (!create && access(profiles->path, F_OK) != 0)
        return error_errno(error, "open");
    return true;
}

bool profiles_open(const char *vault_directory, struct ledger_id ledger, bool create, struct profiles **out,
                   struct error *error)
{
    struct profiles *profiles = calloc(1, sizeof(*profiles));

    if (!profiles)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    profiles->ledger = ledger;
    buf_init(&profiles->sealed, SEALED_MAX);
    if (!profiles_place(profiles, vault_directory, create, error) || !profiles_attach(profiles, error)) {
        profiles_close(profiles);
        return error_within(error, "profiles.db");
    }
    *out = profiles;
    return true;
}

void profiles_close(struct profiles *profiles)
{
    if (!profiles)
        return;
    db_close(profiles->db);
    salts_clear(&profiles->salts);
    buf_clear(&profiles->sealed);
    free(profiles);
}

const char *profiles_path(const struct profiles *profiles)
{
    return profiles->path;
}

struct db *profiles_db(struct profiles *profiles)
{
    return profiles->db;
}

struct anchor profiles_anchor(const struct profiles *profiles)
{
    return profiles->anchor;
}

/* ---- the group's transaction ---- */

bool profiles_begin(struct profiles *profiles, struct error *error)
{
    if (profiles->has_work)
        return true;
    /* A handle that could not be reopened at once gets its next try here. */
    if (profiles->db->broken && !profiles_attach(profiles, error))
        return error_within(error, "profiles.db");
    profiles->has_work = db_begin(profiles->db, error);
    return profiles->has_work || error_within(error, "profiles.db");
}

static bool store_anchor(struct profiles *profiles, struct anchor anchor, struct error *error)
{
    if (anchor.position <= profiles->anchor.position)
        return true;
    return db_run(profiles->db, SQL("UPDATE head SET position = $1, position_at = $2"),
                  DB_PARAMS(DB_INTEGER(anchor.position), DB_INTEGER(anchor.time_ms)), NULL, NULL, error);
}

bool profiles_touch(struct profiles *profiles, struct error *error)
{
    return profiles_begin(profiles, error) && touch(profiles->db, error);
}

bool profiles_commit(struct profiles *profiles, struct anchor anchor, struct error *error)
{
    if (!profiles->has_work)
        return true;
    if (!store_anchor(profiles, anchor, error) || !db_commit(profiles->db, error))
        return error_within(error, "profiles.db");
    profiles->has_work = false;
    salts_commit(&profiles->salts);
    if (anchor.position > profiles->anchor.position)
        profiles->anchor = anchor;
    return true;
}

void profiles_rollback(struct profiles *profiles)
{
    struct error error = { 0 };

    if (profiles->has_work)
        db_rollback(profiles->db);
    profiles->has_work = false;
    salts_rollback(&profiles->salts);
    if (profiles->db->broken)
        (void)profiles_attach(profiles, &error); /* the next begin tries again and says why */
}

bool profiles_has_work(const struct profiles *profiles)
{
    return profiles->has_work;
}

bool profiles_part_begin(struct profiles *profiles, struct error *error)
{
    profiles->part_salts = profiles->salts.count;
    return db_begin(profiles->db, error);
}

bool profiles_part_end(struct profiles *profiles, bool keep, struct error *error)
{
    if (keep && db_commit(profiles->db, error))
        return true;
    db_rollback(profiles->db);
    profiles->salts.count = profiles->part_salts; /* their rows are gone with the part */
    return !keep;
}

/* ---- records ---- */

/* Settled: format u8 = 2, account u32, ordinal u32; parked: format u8 = 3, the same, number u64, received i64,
 * source u32. */
enum { PROFILE_FORMAT = 2, PARKED_FORMAT = 3, RECORD_BOUND_MAX = 1 + 4 + 4 + 8 + 8 + 4 };

static struct str record_bound(const struct sealed_record *record, unsigned char out[RECORD_BOUND_MAX])
{
    unsigned char *at = out;

    *at++ = record->number == 0 ? PROFILE_FORMAT : PARKED_FORMAT;
    at = put_u32(at, record->account);
    at = put_u32(at, record->ordinal);
    if (record->number != 0) {
        at = put_u64(at, record->number);
        at = put_u64(at, (uint64_t)record->received_ms);
        at = put_u32(at, record->source);
    }
    return (struct str){ (const char *)out, (size_t)(at - out) };
}

/* Seals into the room that `profiles` keeps, and names the salt. */
static bool record_seal(struct profiles *profiles, const struct grant *grant, struct str plain,
                        struct sealed_record *record, int64_t *salt, struct error *error)
{
    unsigned char bound[RECORD_BOUND_MAX];

    buf_reset(&profiles->sealed);
    char *room = buf_room(&profiles->sealed, plain.len + GRANT_TAG_LEN);
    if (!room)
        return error_set(error, ERROR_TOO_LARGE, "a record is too large to seal");
    grant_seal(grant, plain, record_bound(record, bound), &record->nonce, (unsigned char *)room);
    record->sealed = (struct str){ room, plain.len + GRANT_TAG_LEN };
    return salts_number(&profiles->salts, profiles->db, record->nonce.salt, salt, error);
}

bool profile_store(struct profiles *profiles, const struct grant *grant, struct str plain, struct error *error)
{
    struct sealed_record record = { .account = grant_account(grant), .ordinal = grant_ordinal(grant) };
    int64_t salt = 0;

    if (!profiles_begin(profiles, error) || !record_seal(profiles, grant, plain, &record, &salt, error))
        return false;
    return db_run(profiles->db,
                  SQL("INSERT INTO profile (account, ordinal, salt, counter, sealed) VALUES ($1, $2, $3, $4, $5) "
                      "ON CONFLICT (account, ordinal) DO UPDATE SET salt = excluded.salt, "
                      "counter = excluded.counter, sealed = excluded.sealed"),
                  DB_PARAMS(DB_INTEGER(record.account), DB_INTEGER(record.ordinal), DB_INTEGER(salt),
                            DB_INTEGER(record.nonce.counter), DB_BLOB(record.sealed.at, record.sealed.len)),
                  NULL, NULL, error) ||
           error_within(error, "profile");
}

static bool next_number(struct profiles *profiles, struct sealed_record *record, struct error *error)
{
    int64_t highest = 0;
    bool found = false;

    if (!db_integer(profiles->db,
                    SQL("SELECT COALESCE(MAX(number), 0) FROM parked WHERE account = $1 AND ordinal = $2"),
                    DB_PARAMS(DB_INTEGER(record->account), DB_INTEGER(record->ordinal)), &highest, &found, error))
        return false;
    record->number = (uint64_t)highest + 1;
    return true;
}

bool parked_store(struct profiles *profiles, const struct grant *grant, int64_t received_ms, uint32_t source,
                  struct str plain, struct error *error)
{
    struct sealed_record record = {
        .account = grant_account(grant), .ordinal = grant_ordinal(grant), .received_ms = received_ms, .source = source
    };
    int64_t salt = 0;

    if (!profiles_begin(profiles, error) || !next_number(profiles, &record, error) ||
        !record_seal(profiles, grant, plain, &record, &salt, error))
        return false;
    return db_run(profiles->db,
                  SQL("INSERT INTO parked (account, ordinal, number, received, source, salt, counter, sealed) "
                      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"),
                  DB_PARAMS(DB_INTEGER(record.account), DB_INTEGER(record.ordinal), DB_INTEGER(record.number),
                            DB_INTEGER(received_ms), DB_INTEGER(source), DB_INTEGER(salt),
                            DB_INTEGER(record.nonce.counter), DB_BLOB(record.sealed.at, record.sealed.len)),
                  NULL, NULL, error) ||
           error_within(error, "parked data");
}

struct record_load {
    struct sealed_record *out;
    size_t count, bytes;
    struct arena *arena;
    uint32_t account, ordinal;
};

/* Columns: number, received, source, salt's bytes, counter, sealed. */
static bool take_record(void *arg, const struct row *row, struct error *error)
{
    struct record_load *load = arg;
    struct sealed_record *record = &load->out[load->count];

    *record = (struct sealed_record){
        .account = load->account,
        .ordinal = load->ordinal,
        .number = (uint64_t)row_integer(row, 0),
        .received_ms = row_integer(row, 1),
        .source = (uint32_t)row_integer(row, 2),
        .nonce.counter = (uint64_t)row_integer(row, 4),
        .sealed = arena_copy(load->arena, row_bytes(row, 5)),
    };
    if (!row_blob(row, 3, record->nonce.salt, sizeof(record->nonce.salt), error))
        return false;
    if (!record->sealed.at)
        return error_set(error, ERROR_TOO_LARGE, "no room for a sealed record");
    load->count++;
    load->bytes += record->sealed.len;
    return load->bytes < PARKED_SLICE_BYTES || DB_STOP;
}

bool profile_load(struct db *db, uint32_t account, uint32_t ordinal, struct arena *arena, struct sealed_record *out,
                  bool *found, struct error *error)
{
    struct record_load load = { .out = out, .arena = arena, .account = account, .ordinal = ordinal };

    if (!db_run(db,
                SQL("SELECT 0, 0, 0, salt.bytes, profile.counter, profile.sealed FROM profile "
                    "JOIN salt ON salt.salt = profile.salt WHERE account = $1 AND ordinal = $2"),
                DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_record, &load, error))
        return error_within(error, "profile");
    *found = load.count == 1;
    return true;
}

bool parked_load(struct db *db, uint32_t account, uint32_t ordinal, uint64_t after, size_t max, struct arena *arena,
                 struct sealed_record *out, size_t *count, struct error *error)
{
    struct record_load load = { .out = out, .arena = arena, .account = account, .ordinal = ordinal };

    if (!db_run(db,
                SQL("SELECT number, received, source, salt.bytes, parked.counter, parked.sealed FROM parked "
                    "JOIN salt ON salt.salt = parked.salt WHERE account = $1 AND ordinal = $2 AND number > $3 "
                    "ORDER BY number LIMIT $4"),
                DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(after), DB_INTEGER(max)), take_record,
                &load, error))
        return error_within(error, "parked data");
    *count = load.count;
    return true;
}

bool record_unseal(const struct sealed_record *record, const struct grant *grant, struct arena *arena,
                   struct str *plain, struct error *error)
{
    unsigned char bound[RECORD_BOUND_MAX];

    if (record->sealed.len < GRANT_TAG_LEN)
        return error_set(error, ERROR_CORRUPT, "a record is too short for its seal");
    char *open = arena_bytes(arena, record->sealed.len);
    if (!open)
        return error_set(error, ERROR_TOO_LARGE, "no room to open a record");
    if (!grant_unseal(grant, record->sealed, record_bound(record, bound), &record->nonce, (unsigned char *)open, error))
        return false;
    *plain = (struct str){ open, record->sealed.len - GRANT_TAG_LEN };
    return true;
}

static bool drop_of_subject(struct profiles *profiles, struct sql sql, uint32_t account, uint32_t ordinal,
                            struct error *error)
{
    return profiles_begin(profiles, error) &&
           db_run(profiles->db, sql, DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), NULL, NULL, error);
}

bool parked_remove(struct profiles *profiles, uint32_t account, uint32_t ordinal, struct error *error)
{
    return drop_of_subject(profiles, SQL("DELETE FROM parked WHERE account = $1 AND ordinal = $2"), account, ordinal,
                           error) ||
           error_within(error, "parked data");
}

bool profiles_remove(struct profiles *profiles, uint32_t account, uint32_t ordinal, struct error *error)
{
    return parked_remove(profiles, account, ordinal, error) &&
           (drop_of_subject(profiles, SQL("DELETE FROM profile WHERE account = $1 AND ordinal = $2"), account, ordinal,
                            error) ||
            error_within(error, "profile"));
}
