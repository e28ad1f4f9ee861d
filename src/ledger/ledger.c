/* Opening the ledger, and the writer's group: begin, parts, commit in the stated order, publication. */
#include "ledger/ledger_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/random.h"
#include "db/migrate.h"

#define STAGE_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* ---- opening ---- */

static bool write_head(struct ledger *ledger, struct error *error)
{
    unsigned char check[WRAPPED_LEN];
    const unsigned char start[AUDIT_HASH_LEN] = { 0 };

    random_bytes(ledger->id.bytes, sizeof ledger->id.bytes);
    keyring_make_check(ledger->ring, check);
    return db_run(
        ledger->db,
        SQL("INSERT INTO head (one, ledger_id, master_check, is_copy, position, position_at, next_slot,"
            " audit_count, audit_hash, audit_segment, audit_bytes) VALUES (1, $1, $2, 0, 0, $3, 0, 0, $4, 1, 0)"),
        DB_PARAMS(DB_BLOB(ledger->id.bytes, sizeof ledger->id.bytes), DB_BLOB(check, sizeof check),
                  DB_INTEGER(when_now(ledger->clock)), DB_BLOB(start, sizeof start)),
        NULL, NULL, error);
}

struct head_row {
    struct ledger *ledger;
    struct audit_head audit;
    bool found;
};

static bool take_head(void *arg, const struct row *row, struct error *error)
{
    struct head_row *head = arg;
    struct ledger *ledger = head->ledger;

    head->found = true;
    if (!row_blob(row, 0, ledger->id.bytes, sizeof ledger->id.bytes, error))
        return false;
    if (!keyring_check(ledger->ring, row_bytes(row, 1)))
        return error_set(error, ERROR_INVALID,
                         "this is not the master key of this data directory: name the right one with --master-key");
    if (row_integer(row, 2) != 0)
        return error_set(error, ERROR_INVALID, "this ledger is a copy made by backup: restore from it instead");
    ledger->position = (uint64_t)row_integer(row, 3);
    ledger->position_at = row_integer(row, 4);
    ledger->next_slot = (uint64_t)row_integer(row, 5);
    head->audit.count = (uint64_t)row_integer(row, 6);
    head->audit.segment = (uint32_t)row_integer(row, 8);
    head->audit.bytes = row_integer(row, 9);
    return row_blob(row, 7, head->audit.hash, sizeof head->audit.hash, error);
}

static bool read_head(struct ledger *ledger, struct head_row *head, struct error *error)
{
    *head = (struct head_row){ .ledger = ledger };
    return db_run(ledger->db,
                  SQL("SELECT ledger_id, master_check, is_copy, position, position_at, next_slot, audit_count,"
                      " audit_hash, audit_segment, audit_bytes FROM head WHERE one = 1"),
                  DB_PARAMS(DB_END), take_head, head, error);
}

static bool open_database(struct ledger *ledger, bool create, struct head_row *head, struct error *error)
{
    if (!db_open_sqlite(ledger->database_path, DB_WRITER, &ledger->db, error) ||
        !db_migrate(ledger->db, &schema_ledger, error) || !read_head(ledger, head, error))
        return false;
    if (head->found)
        return true;
    if (!create)
        return error_set(error, ERROR_INVALID, "the ledger is empty: this is no data directory of habeas");
    return write_head(ledger, error) && read_head(ledger, head, error);
}

static bool take_erased_slot(void *arg, const struct row *row, struct error *error)
{
    uint64_t slot = (uint64_t)row_integer(row, 0);

    return keyfile_destroy(arg, &slot, 1, error);
}

/* Same ledger, and neither side behind: where `keys` is behind, all slots erased since are zeroed again; and those
 * of erasures under way in any case: of one sync that a crash cut short the anchor may stand and the zeros not. */
static bool check_anchor(struct ledger *ledger, struct error *error)
{
    struct anchor anchor = keyfile_anchor(ledger->keys);
    char theirs[WHEN_TEXT_MAX], ours[WHEN_TEXT_MAX];

    if (memcmp(keyfile_ledger_id(ledger->keys)->bytes, ledger->id.bytes, LEDGER_ID_LEN) != 0)
        return error_set(error, ERROR_INVALID, "ledger/keys belongs to another ledger than ledger.db");
    if (anchor.position > ledger->position) {
        (void)when_write(anchor.time_ms, theirs);
        (void)when_write(ledger->position_at, ours);
        return error_set(error, ERROR_INVALID,
                         "ledger.db is at position %llu (%s), behind ledger/keys at %llu (%s): it is an older copy",
                         (unsigned long long)ledger->position, ours, (unsigned long long)anchor.position, theirs);
    }
    return db_run(ledger->db, SQL("SELECT slot FROM subject WHERE state = 2 OR (state <> 1 AND erased_position > $1)"),
                  DB_PARAMS(DB_INTEGER(anchor.position)), take_erased_slot, ledger->keys, error) &&
           keyfile_set_anchor(ledger->keys, (struct anchor){ ledger->position, ledger->position_at }, error) &&
           keyfile_sync(ledger->keys, error);
}

static bool open_keys(struct ledger *ledger, bool create, struct error *error)
{
    char path[LEDGER_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/keys", ledger->directory);
    create = create && ledger->next_slot == 0; /* a lost one is never replaced by an empty one */
    if (!keyfile_open(path, create, &ledger->id, &ledger->keys, error) || !check_anchor(ledger, error))
        return false;
    if (keyfile_slot_count(ledger->keys) > ledger->next_slot)
        ledger->next_slot = keyfile_slot_count(ledger->keys);
    return true;
}

static bool open_audit(struct ledger *ledger, const struct audit_head *head, struct error *error)
{
    char path[LEDGER_PATH_MAX];
    bool cut = false;

    (void)snprintf(path, sizeof path, "%s/audit", ledger->directory);
    if (!directory_make(path, error) || !audit_open(path, head, &ledger->audit, &cut, error))
        return false;
    if (!cut)
        return true;
    const struct audit_entry entry = { .at_ms = when_now(ledger->clock),
                                       .act = "cut",
                                       .reason = "entries past the head belonged to nothing answered" };
    return ledger_begin(ledger, error) && audit_add(ledger->audit, &entry, error) && ledger_commit(ledger, error);
}

static void init_hold(struct ledger *ledger)
{
    pthread_rwlockattr_t kind;

    (void)pthread_rwlockattr_init(&kind);
    (void)pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&ledger->hold, &kind);
    (void)pthread_rwlockattr_destroy(&kind);
}

bool ledger_open(const char *directory, struct keyring *ring, bool create, const struct when_clock *clock,
                 struct ledger **out, struct error *error)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    struct head_row head;

    if (!ledger)
        return error_set(error, ERROR_INTERNAL, "out of memory for the ledger");
    init_hold(ledger);
    ledger->ring = ring;
    ledger->clock = clock;
    ledger->last_staged = &ledger->first_staged;
    arena_init(&ledger->stage, STAGE_MAX_BYTES);
    (void)snprintf(ledger->directory, sizeof ledger->directory, "%s", directory);
    (void)snprintf(ledger->database_path, sizeof ledger->database_path, "%s/ledger.db", ledger->directory);
    if ((create && !directory_make(directory, error)) || !open_database(ledger, create, &head, error) ||
        !open_keys(ledger, create, error) || !open_audit(ledger, &head.audit, error) || !ledger_load(ledger, error)) {
        ledger_close(ledger);
        return false;
    }
    *out = ledger;
    return true;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (uint32_t i = 0; i < ledger->account_count; i++)
        account_free(ledger->accounts[i]);
    free(ledger->accounts);
    free(ledger->credentials);
    free(ledger->sources);
    free(ledger->doomed);
    map_clear(&ledger->credential_by_hash);
    arena_clear(&ledger->stage);
    audit_close(ledger->audit);
    keyfile_close(ledger->keys);
    db_close(ledger->db);
    (void)pthread_rwlock_destroy(&ledger->hold);
    free(ledger);
}

/* ---- reading memory ---- */

void ledger_enter(struct ledger *ledger)
{
    (void)pthread_rwlock_rdlock(&ledger->hold);
}

void ledger_leave(struct ledger *ledger)
{
    (void)pthread_rwlock_unlock(&ledger->hold);
}

const char *ledger_database_path(const struct ledger *ledger)
{
    return ledger->database_path;
}

struct ledger_id ledger_identity(const struct ledger *ledger)
{
    return ledger->id;
}

uint64_t ledger_position(const struct ledger *ledger)
{
    return ledger->position;
}

int64_t ledger_position_time(const struct ledger *ledger)
{
    return ledger->position_at;
}

bool ledger_verify_audit(struct ledger *ledger, uint64_t *entries, uint64_t *bad, struct error *error)
{
    struct audit_head head = audit_settled(ledger->audit);
    char path[LEDGER_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/audit", ledger->directory);
    *entries = head.count;
    return audit_verify(path, &head, bad, error);
}

struct db *ledger_db(struct ledger *ledger)
{
    return ledger->db;
}

struct audit *ledger_audit(struct ledger *ledger)
{
    return ledger->audit;
}

struct keyfile *ledger_keyfile(struct ledger *ledger)
{
    return ledger->keys;
}

void ledger_add_seat(struct ledger *ledger, struct seat *seat)
{
    (void)pthread_rwlock_wrlock(&ledger->hold);
    assert(ledger->seat_count < SEATS_MAX);
    ledger->seats[ledger->seat_count++] = seat;
    (void)pthread_rwlock_unlock(&ledger->hold);
}

void ledger_drop_seat(struct ledger *ledger, struct seat *seat)
{
    (void)pthread_rwlock_wrlock(&ledger->hold);
    for (uint32_t i = 0; i < ledger->seat_count; i++) {
        if (ledger->seats[i] == seat) {
            ledger->seats[i] = ledger->seats[--ledger->seat_count];
            break;
        }
    }
    (void)pthread_rwlock_unlock(&ledger->hold);
}

void ledger_forget_keys(struct ledger *ledger, uint32_t account, uint32_t ordinal)
{
    for (uint32_t i = 0; i < ledger->seat_count; i++)
        seat_forget(ledger->seats[i], account, ordinal);
}

static void set_bare(struct ledger *ledger, struct account *account, uint32_t ordinal, bool bare)
{
    (void)pthread_rwlock_wrlock(&ledger->hold);
    account_subject(account, ordinal)->bare = bare;
    (void)pthread_rwlock_unlock(&ledger->hold);
}

void ledger_miss(struct ledger *ledger, struct account *account, uint32_t ordinal)
{
    set_bare(ledger, account, ordinal, true);
}

void ledger_mend(struct ledger *ledger, struct account *account, uint32_t ordinal)
{
    set_bare(ledger, account, ordinal, false);
}

/* ---- the group ---- */

/* A failed sync is never retried on the same handle: the file is opened anew and brought up to the ledger. */
static bool reopen_keys(struct ledger *ledger, struct error *error)
{
    struct keyfile *fresh = NULL;
    char path[LEDGER_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/keys", ledger->directory);
    if (!keyfile_open(path, false, &ledger->id, &fresh, error))
        return false;
    (void)pthread_rwlock_wrlock(&ledger->hold);
    keyfile_close(ledger->keys);
    ledger->keys = fresh;
    (void)pthread_rwlock_unlock(&ledger->hold);
    if (!check_anchor(ledger, error))
        return false;
    ledger->keys_are_behind = false;
    return true;
}

/* A commit whose sync failed may stand whole in the log, behind its end: a crash would find it again after more was
 * decided. So another commit takes its place; it changes a page and puts it back. */
static bool cover_failed_commit(struct db *db, struct error *error)
{
    if (!db_begin(db, error))
        return false;
    if (db_run(db, SQL("UPDATE head SET position_at = position_at + 1"), NULL, NULL, NULL, error) &&
        db_run(db, SQL("UPDATE head SET position_at = position_at - 1"), NULL, NULL, NULL, error) &&
        db_commit(db, error))
        return true;
    db_rollback(db);
    return false;
}

/* The old handle goes when the new one is there: there is always one to ask. */
static bool reopen_database(struct ledger *ledger, struct error *error)
{
    struct db *fresh = NULL;

    if (!db_open_sqlite(ledger->database_path, DB_WRITER, &fresh, error))
        return false;
    if (!cover_failed_commit(fresh, error)) {
        fresh->broken = true; /* closing carries nothing into the file */
        db_close(fresh);
        return false;
    }
    db_close(ledger->db);
    ledger->db = fresh;
    return true;
}

bool ledger_is_behind(const struct ledger *ledger)
{
    return ledger->keys_are_behind || ledger->db->broken;
}

bool ledger_begin(struct ledger *ledger, struct error *error)
{
    assert(!ledger->is_open);
    /* The database first: what becomes of the keys is read from it. */
    if (ledger->db->broken && !reopen_database(ledger, error))
        return false;
    if (ledger->keys_are_behind && !reopen_keys(ledger, error))
        return false;
    if (!db_begin(ledger->db, error))
        return false;
    ledger->is_open = true;
    ledger->is_changed = ledger->is_raised = ledger->keys_are_dirty = false;
    ledger->next_position = ledger->position;
    return true;
}

bool ledger_part_begin(struct ledger *ledger, struct error *error)
{
    if (!db_begin(ledger->db, error))
        return false;
    ledger->part_staged = ledger->last_staged;
    ledger->part_doomed = ledger->doomed_count;
    ledger->part_audit = audit_mark(ledger->audit);
    return true;
}

bool ledger_part_end(struct ledger *ledger, bool keep, struct error *error)
{
    if (keep && db_commit(ledger->db, error))
        return true;
    db_rollback(ledger->db);
    *ledger->part_staged = NULL;
    ledger->last_staged = ledger->part_staged;
    ledger->doomed_count = ledger->part_doomed;
    audit_undo(ledger->audit, ledger->part_audit);
    return !keep;
}

bool ledger_has_work(const struct ledger *ledger)
{
    return ledger->is_changed || ledger->is_raised || audit_has_work(ledger->audit);
}

bool ledger_change(struct ledger *ledger, struct sql sql, const struct value *params, struct error *error)
{
    int64_t changed = 0;

    assert(ledger->is_open);
    if (!db_change(ledger->db, sql, params, &changed, error))
        return false;
    ledger->is_changed |= changed > 0;
    return true;
}

uint64_t ledger_raise_position(struct ledger *ledger)
{
    ledger->is_raised = true;
    return ++ledger->next_position;
}

bool ledger_stage(struct ledger *ledger, ledger_publish *publish, const void *arg, size_t len, struct error *error)
{
    struct staged *staged = ARENA_NEW(&ledger->stage, struct staged, 1);
    void *copy = staged ? arena_alloc(&ledger->stage, len, 1) : NULL;

    if (!copy)
        return error_set(error, ERROR_BUSY, "too many changes in one group");
    memcpy(copy, arg, len);
    *staged = (struct staged){ .publish = publish, .arg = copy };
    *ledger->last_staged = staged;
    ledger->last_staged = &staged->next;
    return true;
}

uint64_t ledger_take_slot(struct ledger *ledger)
{
    ledger->keys_are_dirty = true;
    return ledger->next_slot++;
}

bool ledger_destroy_slot(struct ledger *ledger, uint64_t slot, struct error *error)
{
    if (ledger->doomed_count == ledger->doomed_cap) {
        size_t cap = ledger->doomed_cap ? 2 * ledger->doomed_cap : 16;
        uint64_t *doomed = realloc(ledger->doomed, cap * sizeof *doomed);
        if (!doomed)
            return error_set(error, ERROR_INTERNAL, "out of memory");
        ledger->doomed = doomed;
        ledger->doomed_cap = cap;
    }
    ledger->doomed[ledger->doomed_count++] = slot;
    return true;
}

static void end_group(struct ledger *ledger)
{
    ledger->is_open = ledger->is_changed = ledger->is_raised = ledger->marks_moved = false;
    ledger->first_staged = NULL;
    ledger->last_staged = &ledger->first_staged;
    ledger->doomed_count = 0;
    arena_reset(&ledger->stage);
}

void ledger_rollback(struct ledger *ledger)
{
    if (!ledger->is_open)
        return;
    while (ledger->db->depth > 0)
        db_rollback(ledger->db);
    audit_settle(ledger->audit, false);
    end_group(ledger);
}

static void publish(struct ledger *ledger)
{
    (void)pthread_rwlock_wrlock(&ledger->hold);
    for (struct staged *staged = ledger->first_staged; staged; staged = staged->next)
        staged->publish(ledger, staged->arg);
    (void)pthread_rwlock_unlock(&ledger->hold);
}

static bool store_head(struct ledger *ledger, const struct audit_head *audit, int64_t now, struct error *error)
{
    return db_run(ledger->db,
                  SQL("UPDATE head SET position = $1, position_at = $2, next_slot = $3, audit_count = $4,"
                      " audit_hash = $5, audit_segment = $6, audit_bytes = $7 WHERE one = 1"),
                  DB_PARAMS(DB_INTEGER(ledger->next_position), DB_INTEGER(now), DB_INTEGER(ledger->next_slot),
                            DB_INTEGER(audit->count), DB_BLOB(audit->hash, sizeof audit->hash),
                            DB_INTEGER(audit->segment), DB_INTEGER(audit->bytes)),
                  NULL, NULL, error);
}

/* Behind the ledger's commit: what is decided now happens to the key file, or is made up for before the next group. */
static bool follow_with_keys(struct ledger *ledger, struct error *error)
{
    struct anchor anchor = { ledger->position, ledger->position_at };

    if (!ledger->is_raised)
        return true;
    if (keyfile_destroy(ledger->keys, ledger->doomed, ledger->doomed_count, error) &&
        keyfile_set_anchor(ledger->keys, anchor, error) && keyfile_sync(ledger->keys, error))
        return true;
    ledger->keys_are_behind = true;
    return false;
}

static bool sync_new_slots(struct ledger *ledger, struct error *error)
{
    if (!ledger->keys_are_dirty || keyfile_sync(ledger->keys, error))
        return true;
    ledger->keys_are_behind = true;
    return false;
}

bool ledger_commit(struct ledger *ledger, struct error *error)
{
    struct audit_head head;
    int64_t now = ledger->is_raised ? when_now(ledger->clock) : ledger->position_at;

    assert(ledger->is_open);
    if (!ledger_has_work(ledger)) {
        ledger_rollback(ledger);
        return true;
    }
    if (!sync_new_slots(ledger, error) || !audit_write(ledger->audit, &head, error) ||
        !store_head(ledger, &head, now, error) || !db_commit(ledger->db, error)) {
        ledger_rollback(ledger);
        return false;
    }
    audit_settle(ledger->audit, true);
    (void)pthread_rwlock_wrlock(&ledger->hold);
    ledger->position = ledger->next_position;
    ledger->position_at = now;
    (void)pthread_rwlock_unlock(&ledger->hold);
    bool ok = follow_with_keys(ledger, error);
    publish(ledger);
    end_group(ledger);
    return ok;
}
