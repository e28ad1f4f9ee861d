/* How SQLite opens a file for each use: flags, pragmas, mode of the file, and what must be true afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "db/db_sqlite.h"

#define PATH_BYTES_MAX (4 * PATH_MAX)

#define CREATES "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE; "
#define ALWAYS "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; "
/* Reads the first page, so that a file that is none is told at once. */
#define LOOKS "SELECT 1 FROM sqlite_schema LIMIT 1"

/* One row says how a file is opened for one use. */
static const struct mode {
    const char *begin;
    const char *journal; /* what the file must be in afterwards; NULL: as it is */
    const char *setup;
    int busy_ms;
    bool creates, unjournaled, immutable;
} modes[] = {
    [DB_WRITER] = { .begin = "BEGIN IMMEDIATE",
                    .journal = "wal",
                    .creates = true,
                    .setup = CREATES ALWAYS "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                                            "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384; " LOOKS },
    [DB_READER] = { .begin = "BEGIN",
                    .busy_ms = 200, /* a log that is just being begun anew */
                    .setup = ALWAYS "PRAGMA query_only=ON; PRAGMA cache_size=-8192; " LOOKS },
    [DB_BUILD] = { .begin = "BEGIN IMMEDIATE",
                   .journal = "off",
                   .creates = true,
                   .unjournaled = true,
                   .setup = CREATES ALWAYS "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; "
                                           "PRAGMA synchronous=OFF; PRAGMA cache_size=-16384; " LOOKS },
    [DB_REST] = { .begin = "BEGIN IMMEDIATE",
                  .journal = "truncate",
                  .busy_ms = 200,
                  .setup = ALWAYS "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                                  "PRAGMA cache_size=-4096; " LOOKS },
    [DB_IMMUTABLE] = { .begin = "BEGIN",
                       .immutable = true,
                       .setup = ALWAYS "PRAGMA query_only=ON; PRAGMA cache_size=-2048; " LOOKS },
};

/* Made by us, not by SQLite: 0600 whatever the umask, which the log and the journal then take over.
 * Only when it is missing, for closing a second descriptor would drop the locks of one that is open. */
static bool make_file(const char *path, struct error *error)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok;

    if (file < 0)
        return errno == EEXIST || error_errno(error, "make a database");
    ok = fchmod(file, 0600) == 0 || error_errno(error, "set the mode of a database");
    close(file);
    return ok;
}

/* As SQLite reads a URI: '%', '?' and '#' in the path would otherwise mean something. */
static bool immutable_uri(struct buf *out, const char *path, struct error *error)
{
    buf_init(out, PATH_BYTES_MAX);
    buf_add(out, path[0] == '/' ? STR("file://") : STR("file:"));
    for (const char *at = path; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte && strchr("-._~/", byte));

        if (plain)
            buf_add_byte(out, *at);
        else
            buf_addf(out, "%%%02X", byte);
    }
    buf_add(out, STR("?immutable=1"));
    buf_add_byte(out, '\0');
    return !out->overflowed || error_set(error, ERROR_TOO_LARGE, "the path of a database is too long");
}

static bool open_handle(struct sqlite_db *self, const char *path, struct error *error)
{
    const struct mode *mode = &modes[self->mode];
    bool writes = self->mode == DB_WRITER || self->mode == DB_BUILD || self->mode == DB_REST;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE |
                (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | (mode->immutable ? SQLITE_OPEN_URI : 0);
    struct buf uri = { 0 };
    int code;

    if (mode->creates && !make_file(path, error))
        return false;
    if (mode->immutable && !immutable_uri(&uri, path, error)) {
        buf_clear(&uri);
        return false;
    }
    code = sqlite3_open_v2(mode->immutable ? uri.at : path, &self->handle, flags, NULL);
    buf_clear(&uri);
    if (code != SQLITE_OK)
        return sqlite_failed(self, code, error);
    return !writes || sqlite_clean_writes(self, error);
}

struct journal_check {
    const char *wanted;
    bool matches;
};

static bool check_journal(void *arg, const struct row *row, struct error *error)
{
    struct journal_check *check = arg;

    (void)error;
    check->matches = str_equal(row_bytes(row, 0), str_of(check->wanted));
    return DB_STOP;
}

/* Asking for a journal mode succeeds even where SQLite stays with another, so it is read back. */
static bool journal_is(struct sqlite_db *self, const char *wanted, struct error *error)
{
    struct journal_check check = { wanted, false };

    if (!wanted)
        return true;
    if (!db_run(&self->base, SQL("PRAGMA journal_mode"), NULL, check_journal, &check, error))
        return false;
    return check.matches || error_set(error, ERROR_DATABASE, "the journal cannot be kept as \"%s\" here", wanted);
}

/* What is in the file is data, not instructions: a schema changed by somebody else can do nothing.
 * Comes last, for it also forbids to switch the journal off. */
static void distrust_file(sqlite3 *handle)
{
    static const struct {
        int option, value;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 },
        { SQLITE_DBCONFIG_DQS_DDL, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(options); i++)
        (void)sqlite3_db_config(handle, options[i].option, options[i].value, NULL);
}

static bool set_up(struct sqlite_db *self, struct error *error)
{
    const struct mode *mode = &modes[self->mode];

    (void)sqlite3_busy_timeout(self->handle, mode->busy_ms);
    if (!sqlite_ops.script(&self->base, mode->setup, error) || !journal_is(self, mode->journal, error))
        return false;
    distrust_file(self->handle);
    if (self->mode == DB_WRITER)
        (void)sqlite3_wal_hook(self->handle, sqlite_log_grew, self);
    return true;
}

/* The directory part of a path, on the heap. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

bool db_open_sqlite(const char *path, enum db_mode mode, struct db **out, struct error *error)
{
    struct sqlite_db *self = calloc(1, sizeof(*self));

    if (!self)
        return error_set(error, ERROR_DATABASE, "out of memory");
    self->base = (struct db){ .ops = &sqlite_ops, .begin = { modes[mode].begin } };
    self->base.unjournaled = modes[mode].unjournaled;
    self->mode = mode;
    self->directory = directory_of(path);
    bool ok = self->directory || error_set(error, ERROR_DATABASE, "out of memory");
    if (!ok || !open_handle(self, path, error) || !set_up(self, error)) {
        self->base.broken = true; /* what was not opened whole changes nothing by being closed */
        sqlite_ops.close(&self->base);
        return false;
    }
    *out = &self->base;
    return true;
}
