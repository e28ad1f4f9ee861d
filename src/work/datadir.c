/* The data directory: made or checked, locked for one process, marked with a format number, and its free space watched. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/log.h"
#include "seal/seal_mark.h"
#include "work/engine_inside.h"

/* Raised when a file format changes in a way that an older program must not touch. */
#define FORMAT_NUMBER 1

static const char *const folders[] = { "vault", "vault/events", "cache" };

static void path_of(const struct engine *engine, const char *name, char out[ENGINE_PATH_MAX])
{
    (void)snprintf(out, ENGINE_PATH_MAX, "%s/%s", engine->directory, name);
}

/* But for the lock, which a first start that broke off may have left. */
static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool empty = true;

    if (!directory)
        return false;
    while (empty && (entry = readdir(directory)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                strcmp(entry->d_name, "lock") == 0 || strcmp(entry->d_name, "format.new") == 0;
    (void)closedir(directory);
    return empty;
}

static bool check_private(const char *path, struct error *error)
{
    struct stat facts;

    if (stat(path, &facts) != 0)
        return errno == ENOENT ? error_set(error, ERROR_NOT_FOUND,
                                           "there is no data directory %s: make one with "
                                           "'habeas account add' or 'habeas serve'",
                                           path)
                               : error_errno(error, "%s", path);
    if (!S_ISDIR(facts.st_mode))
        return error_set(error, ERROR_INVALID, "%s is no directory: choose another --data", path);
    if (facts.st_uid != geteuid())
        return error_set(error, ERROR_INVALID, "%s belongs to another user: run as that user, or chown it", path);
    if (facts.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(error, ERROR_INVALID, "%s is open to others: run chmod 700 on it", path);
    return true;
}

static bool set_foreign(const struct engine *engine, struct error *error)
{
    return error_set(error, ERROR_INVALID, "%s is no data directory of habeas: choose another or an empty one",
                     engine->directory);
}

/* Asked before the lock is made: a directory of somebody else's stays as it is. */
static bool has_format(const struct engine *engine)
{
    char path[ENGINE_PATH_MAX];

    path_of(engine, "format", path);
    return access(path, F_OK) == 0;
}

static bool lock(struct engine *engine, struct error *error)
{
    char path[ENGINE_PATH_MAX];

    path_of(engine, "lock", path);
    engine->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (engine->lock_file < 0)
        return error_errno(error, "%s", path);
    if (flock(engine->lock_file, LOCK_EX | LOCK_NB) == 0)
        return true;
    return error_set(error, ERROR_BUSY, "%s is in use by another habeas: stop that one first", engine->directory);
}

/* "format 1" or, of the test-only build whose seal does nothing, "format 1 control". */
static void format_text(char out[64])
{
    (void)snprintf(out, 64, "habeas data format %d%s\n", FORMAT_NUMBER, seal_is_control() ? " control" : "");
}

static bool sync_directory(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = directory >= 0 && fsync(directory) == 0;

    if (directory >= 0)
        (void)close(directory);
    return ok;
}

/* Under another name first: a crash leaves it whole or not there. */
static bool write_format(const struct engine *engine, const char *path, struct error *error)
{
    char text[64], fresh[ENGINE_PATH_MAX + 8];

    format_text(text);
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return error_errno(error, "%s", fresh);
    bool ok = write(file, text, strlen(text)) == (ssize_t)strlen(text) && fsync(file) == 0 &&
              rename(fresh, path) == 0 && sync_directory(engine->directory);
    if (!ok)
        (void)error_errno(error, "%s", path);
    (void)close(file);
    return ok;
}

static bool check_format(struct engine *engine, bool fresh, struct error *error)
{
    char path[ENGINE_PATH_MAX], text[64] = "", ours[64];
    int number = 0;

    path_of(engine, "format", path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT && fresh)
        return write_format(engine, path, error);
    if (file < 0)
        return set_foreign(engine, error);
    ssize_t got = read(file, text, sizeof text - 1);
    (void)close(file);
    format_text(ours);
    if (got > 0 && strcmp(text, ours) == 0)
        return true;
    if (sscanf(text, "habeas data format %d", &number) == 1 && number > FORMAT_NUMBER)
        return error_set(error, ERROR_INVALID, "%s was made by a newer habeas (format %d): use that program",
                         engine->directory, number);
    return error_set(error, ERROR_INVALID,
                     "%s was made by a build with another seal, or is damaged: use the program that made it",
                     engine->directory);
}

static bool make_folders(struct engine *engine, struct error *error)
{
    char path[ENGINE_PATH_MAX];

    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        path_of(engine, folders[i], path);
        if (!directory_make(path, error))
            return false;
    }
    return true;
}

bool datadir_open(struct engine *engine, struct error *error)
{
    bool fresh;

    engine->lock_file = -1;
    if (engine->options.create && !directory_make(engine->directory, error))
        return false;
    if (!check_private(engine->directory, error))
        return false;
    fresh = engine->options.create && is_empty(engine->directory);
    if (!fresh && !has_format(engine))
        return set_foreign(engine, error);
    return lock(engine, error) && check_format(engine, fresh, error) && make_folders(engine, error);
}

void datadir_close(struct engine *engine)
{
    if (engine->lock_file >= 0)
        (void)close(engine->lock_file);
    engine->lock_file = -1;
}

bool engine_is_served(const char *directory)
{
    char path[ENGINE_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/lock", directory);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return false;
    bool served = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    (void)close(file);
    return served;
}

/* ---- free space ---- */

static bool make_reserve(const char *path, int64_t bytes)
{
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0)
        return false;
    bool ok = posix_fallocate(file, 0, bytes) == 0;
    (void)close(file);
    if (!ok)
        (void)unlink(path);
    return ok;
}

/* The reserve is room that ingestion never gets: when the disk runs full it is given up, so that rights still commit. */
static void watch_space(struct engine *engine)
{
    struct statvfs space;
    char path[ENGINE_PATH_MAX];
    bool was_low = engine->disk_is_low;

    if (engine->options.reserve_bytes <= 0 || statvfs(engine->directory, &space) != 0)
        return;
    int64_t available = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    bool has_reserve;
    path_of(engine, "reserve", path);
    has_reserve = access(path, F_OK) == 0;
    if (available < engine->options.reserve_bytes / 2) {
        if (has_reserve)
            (void)unlink(path);
    } else if (!has_reserve && available > 4 * engine->options.reserve_bytes) {
        has_reserve = make_reserve(path, engine->options.reserve_bytes);
    }
    engine->disk_is_low =
        available < engine->options.reserve_bytes || (!has_reserve && available < 4 * engine->options.reserve_bytes);
    if (engine->disk_is_low != was_low)
        log_line(engine->disk_is_low ? LOG_ERROR : LOG_INFO, "disk_space", "available_bytes=%lld ingestion=%s",
                 (long long)available, engine->disk_is_low ? "stopped" : "running");
}

void datadir_watch_space(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->space);
    watch_space(engine);
    (void)pthread_mutex_unlock(&engine->space);
}
