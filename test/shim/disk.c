/* A disk that misbehaves on purpose, for an unmodified release program.
 *
 *     cc -shared -fPIC -o disk_shim.so test/shim/disk.c test/shim/disk_undo.c test/shim/disk_control.c
 *     LD_PRELOAD=./disk_shim.so HABEAS_SHIM_DIR=/tmp/x/disk HABEAS_SHIM_CONTROL=/tmp/x/shim.sock build/habeas serve ...
 *
 * It watches the regular files under HABEAS_SHIM_DIR (an absolute path; it need not exist yet) that are opened for
 * writing, by whatever path, and the names in that tree. Everything else passes through.
 *
 * Environment                        the same by HABEAS_SHIM_CONTROL (Unix stream socket: one line in, one JSON line
 *                                    out; one line a connection; the answer means: in force from now on)
 *   HABEAS_SHIM_FAIL_AT=n            "fail n [ENOSPC|CUT]" counts from 0 anew; the nth call fails once with EIO;
 *                                                      CUT: the power goes instead of it
 *   HABEAS_SHIM_ERRNO=ENOSPC                            (or ENOSPC); kinds: open for writing, write, sync, truncate and
 *                                                       fallocate, name (unlink, rename, link, mkdir, rmdir)
 *                                    "count"            counts from 0 anew, nothing fails
 *   HABEAS_SHIM_FULL=bytes           "full [bytes]"     a disk with so much room (0): what makes a file longer fails with
 *                                                       ENOSPC past it; shortened and removed files give room back;
 *                                                       statvfs tells it
 *   HABEAS_SHIM_SYNC_MS=ms           "slow ms"          every sync takes so much longer
 *   HABEAS_SHIM_KEEP=seed            "keep seed"        a later cut lets a part through, see below (0: nothing)
 *                                    "off"              no fault, no full disk, no slow disk
 *                                    "state"            {"calls":n,"struck":KIND or null,"open":n,"write":n,"sync":n,
 *                                                       "truncate":n,"name":n,"unsynced_bytes":n}; each answer is this
 *   HABEAS_SHIM_COUNT=file           the state is written there at exit and on SIGUSR1
 *   SIGUSR2                          "cut" (no answer)  the power cut
 *
 * The power cut stops the program whole, takes back everything that was not durable, newest first, and ends it with
 * SIGKILL. What is modelled:
 * - Content: a write, truncation or fallocate is durable once an fsync or fdatasync of that file that began after it has
 *   succeeded (or O_SYNC, O_DSYNC, RWF_SYNC, RWF_DSYNC at the call). A failed sync makes nothing durable.
 * - A new file's name is durable once its directory was synced, or the file itself (as on ext4 and xfs, where that
 *   writes the journal up to there: what is older in the same directory is durable then, too).
 * - A removal or a rename is durable once its directory was synced (of a rename between directories: the new one).
 *   This is stricter than ext4, where any later journal commit would do: the directory's own sync is what a program may
 *   rely on. Until then a removed or replaced file lies in HABEAS_SHIM_DIR with ".graves" appended.
 * - A new directory goes when nothing durable is in it; a removed one comes back.
 * - With "keep", of each file the older unsynced changes up to a random one stay, and of all names likewise: a disk may
 *   have written any of it by itself.
 * - Not modelled: sectors torn inside one write, permissions, times, symbolic links, names moved into or out of the tree,
 *   files that a program had open before it could be watched (inherited descriptors).
 * - SQLite's "-shm" files are shared memory: their content is left alone (it is rebuilt from the WAL anyway); their
 *   calls count. What would go past the shim ends the program with a message rather than let a test prove nothing:
 *   stdio on a watched file, a shared writable mapping of another file than "-shm", truncate by name, sync, syncfs.
 *   io_uring and bare system calls are not noticed.
 *
 * The functions are declared here under other names and given the C library's by their assembler names, so that headers,
 * _FILE_OFFSET_BITS and _FORTIFY_SOURCE cannot change what they are. */
#include "disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define HOOK(name) __asm__(name) __attribute__((visibility("default")))
#define SAME_AS(name, other) HOOK(name) __attribute__((alias(other)))

enum { AT_ITS_OWN_PLACE = -1 };

__attribute__((constructor)) static void start(void)
{
    const char *directory = getenv("HABEAS_SHIM_DIR");

    if (!directory)
        return;
    undo_start(directory);
    control_start();
}

/* ---- opening ---- */

static int raw_openat(int dir, const char *name, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* Watches what was opened; O_TRUNC was kept from the kernel, so that the old content could be read. */
static void watch_opened(int fd, const struct place *place, int flags, bool existed)
{
    struct file *file = undo_watch(fd, place);
    struct stat seen;

    if (!file || fstat(fd, &seen) != 0)
        return;
    if (!existed) {
        undo_name(NAME_MADE, place, NULL, NULL);
    } else if ((flags & O_TRUNC) && seen.st_size > 0) {
        undo_before_truncate(file, 0, seen.st_size);
        if (syscall(SYS_ftruncate, fd, 0L) != 0)
            shim_gives_up("ftruncate in place of O_TRUNC failed");
        fault_freed(seen.st_size);
    }
}

static bool is_regular_or_new(int dir, const char *name, bool *existed)
{
    struct stat seen;

    *existed = fstatat(dir, name, &seen, 0) == 0;
    return !*existed || S_ISREG(seen.st_mode);
}

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    bool existed = false;
    struct place place;
    int fd = -1;

    if (!writes || (flags & O_TMPFILE) == O_TMPFILE || !place_find(dir, name, &place))
        return raw_openat(dir, name, flags, mode);
    undo_lock();
    if (!is_regular_or_new(dir, name, &existed)) {
        fd = raw_openat(dir, name, flags, mode);
    } else if (!fault_strikes(CALL_OPEN)) {
        fd = raw_openat(dir, name, flags & ~O_TRUNC, mode);
        if (fd >= 0)
            watch_opened(fd, &place, flags, existed);
    }
    undo_unlock();
    return fd;
}

static mode_t mode_of(int flags, va_list *rest)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*rest, mode_t) : 0;
}

int hook_open(const char *name, int flags, ...) HOOK("open");
int hook_open(const char *name, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(AT_FDCWD, name, flags, mode);
}
int hook_open64(const char *name, int flags, ...) SAME_AS("open64", "open");

int hook_openat(int dir, const char *name, int flags, ...) HOOK("openat");
int hook_openat(int dir, const char *name, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(dir, name, flags, mode);
}
int hook_openat64(int dir, const char *name, int flags, ...) SAME_AS("openat64", "openat");

/* What open and openat become under _FORTIFY_SOURCE when there is no mode. */
int hook_open_2(const char *name, int flags) HOOK("__open_2");
int hook_open_2(const char *name, int flags)
{
    return open_at(AT_FDCWD, name, flags, 0);
}
int hook_open64_2(const char *name, int flags) SAME_AS("__open64_2", "__open_2");

int hook_openat_2(int dir, const char *name, int flags) HOOK("__openat_2");
int hook_openat_2(int dir, const char *name, int flags)
{
    return open_at(dir, name, flags, 0);
}
int hook_openat64_2(int dir, const char *name, int flags) SAME_AS("__openat64_2", "__openat_2");

int hook_creat(const char *name, mode_t mode) HOOK("creat");
int hook_creat(const char *name, mode_t mode)
{
    return open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int hook_creat64(const char *name, mode_t mode) SAME_AS("creat64", "creat");

/* ---- writing ---- */

static size_t total_of(const struct iovec *parts, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    return len;
}

/* Where a write will begin: at the end, at its offset, or where the descriptor stands. */
static off_t beginning_of(int fd, off_t offset, off_t size)
{
    int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);

    if (flags & O_APPEND)
        return size;
    return offset != AT_ITS_OWN_PLACE ? offset : (off_t)syscall(SYS_lseek, fd, 0L, SEEK_CUR);
}

static bool is_synchronous(int fd, int flags)
{
    return (flags & (RWF_SYNC | RWF_DSYNC)) || ((int)syscall(SYS_fcntl, fd, F_GETFL) & O_DSYNC);
}

static ssize_t put(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct stat seen;
    struct file *file = undo_take(fd, &seen);
    size_t len;
    off_t from;
    ssize_t done = -1;

    if (!file)
        return syscall(SYS_pwritev2, fd, parts, count, offset, 0L, flags);
    len = total_of(parts, count);
    from = beginning_of(fd, offset, seen.st_size);
    if (!fault_strikes(CALL_WRITE) && !fault_no_room(from + (off_t)len - seen.st_size)) {
        undo_before_write(file, from, len, seen.st_size);
        done = syscall(SYS_pwritev2, fd, parts, count, offset, 0L, flags);
        if (done > 0 && is_synchronous(fd, flags))
            undo_synced(&seen, undo_mark());
    }
    undo_unlock();
    return done;
}

/* At a stated offset; a negative one would mean "where the descriptor stands" to pwritev2. */
static ssize_t put_at(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    if (offset < 0) {
        errno = EINVAL;
        return -1;
    }
    return put(fd, parts, count, offset, flags);
}

ssize_t hook_write(int fd, const void *bytes, size_t len) HOOK("write");
ssize_t hook_write(int fd, const void *bytes, size_t len)
{
    const struct iovec part = { (void *)(uintptr_t)bytes, len };

    return put(fd, &part, 1, AT_ITS_OWN_PLACE, 0);
}

ssize_t hook_pwrite(int fd, const void *bytes, size_t len, off_t offset) HOOK("pwrite");
ssize_t hook_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    const struct iovec part = { (void *)(uintptr_t)bytes, len };

    return put_at(fd, &part, 1, offset, 0);
}
ssize_t hook_pwrite64(int fd, const void *bytes, size_t len, off_t offset) SAME_AS("pwrite64", "pwrite");

ssize_t hook_writev(int fd, const struct iovec *parts, int count) HOOK("writev");
ssize_t hook_writev(int fd, const struct iovec *parts, int count)
{
    return put(fd, parts, count, AT_ITS_OWN_PLACE, 0);
}

ssize_t hook_pwritev(int fd, const struct iovec *parts, int count, off_t offset) HOOK("pwritev");
ssize_t hook_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return put_at(fd, parts, count, offset, 0);
}
ssize_t hook_pwritev64(int fd, const struct iovec *parts, int count, off_t offset) SAME_AS("pwritev64", "pwritev");

ssize_t hook_pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) HOOK("pwritev2");
ssize_t hook_pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return put(fd, parts, count, offset, flags);
}
ssize_t hook_pwritev64v2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
    SAME_AS("pwritev64v2", "pwritev2");

/* ---- lengths ---- */

static int cut_to(struct file *file, int fd, off_t to, off_t size)
{
    int result;

    if (fault_strikes(CALL_TRUNCATE))
        return -1;
    if (to >= 0)
        undo_before_truncate(file, to, size);
    result = (int)syscall(SYS_ftruncate, fd, to);
    if (result == 0)
        fault_freed(size - to);
    return result;
}

int hook_ftruncate(int fd, off_t to) HOOK("ftruncate");
int hook_ftruncate(int fd, off_t to)
{
    struct stat seen;
    struct file *file = undo_take(fd, &seen);
    int result;

    if (!file)
        return (int)syscall(SYS_ftruncate, fd, to);
    result = cut_to(file, fd, to, seen.st_size);
    undo_unlock();
    return result;
}
int hook_ftruncate64(int fd, off_t to) SAME_AS("ftruncate64", "ftruncate");

/* A descriptor of our own for it would have to stay open (closing drops the process's locks), and nobody needs it. */
int hook_truncate(const char *name, off_t to) HOOK("truncate");
int hook_truncate(const char *name, off_t to)
{
    struct place place;

    if (place_find(AT_FDCWD, name, &place))
        shim_gives_up("truncate by name is not watched: use ftruncate");
    return (int)syscall(SYS_truncate, name, to);
}
int hook_truncate64(const char *name, off_t to) SAME_AS("truncate64", "truncate");

static int allocate(int fd, int mode, off_t offset, off_t len)
{
    struct stat seen;
    struct file *file = undo_take(fd, &seen);
    int result = -1;

    if (!file)
        return (int)syscall(SYS_fallocate, fd, mode, offset, len);
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        errno = EOPNOTSUPP;
    } else if (!fault_strikes(CALL_TRUNCATE) && !fault_no_room(offset + len - seen.st_size)) {
        bool clears = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
        undo_before_write(file, offset, clears && len > 0 ? (size_t)len : 0, seen.st_size);
        result = (int)syscall(SYS_fallocate, fd, mode, offset, len);
    }
    undo_unlock();
    return result;
}

int hook_fallocate(int fd, int mode, off_t offset, off_t len) HOOK("fallocate");
int hook_fallocate(int fd, int mode, off_t offset, off_t len)
{
    return allocate(fd, mode, offset, len);
}
int hook_fallocate64(int fd, int mode, off_t offset, off_t len) SAME_AS("fallocate64", "fallocate");

int hook_posix_fallocate(int fd, off_t offset, off_t len) HOOK("posix_fallocate");
int hook_posix_fallocate(int fd, off_t offset, off_t len)
{
    int before = errno;
    int result = allocate(fd, 0, offset, len) == 0 ? 0 : errno;

    errno = before;
    return result;
}
int hook_posix_fallocate64(int fd, off_t offset, off_t len) SAME_AS("posix_fallocate64", "posix_fallocate");

/* ---- syncing ---- */

/* True for a watched file or a directory of the tree. */
static bool is_watched(int fd, struct stat *seen)
{
    if (undo_take(fd, seen)) {
        undo_unlock();
        return true;
    }
    return undo_is_on() && fstat(fd, seen) == 0 && S_ISDIR(seen->st_mode) && place_holds(fd);
}

/* The lock is not held while the disk works: what is written meanwhile is younger than the mark. */
static int sync_by(long call, int fd)
{
    struct stat seen;
    uint64_t mark;
    bool struck;

    if (!is_watched(fd, &seen))
        return (int)syscall(call, fd);
    undo_lock();
    struck = fault_strikes(CALL_SYNC);
    mark = undo_mark();
    undo_unlock();
    if (struck)
        return -1;
    fault_slow_sync();
    if (syscall(call, fd) != 0)
        return -1;
    undo_lock();
    undo_synced(&seen, mark);
    undo_unlock();
    return 0;
}

int hook_fsync(int fd) HOOK("fsync");
int hook_fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}

int hook_fdatasync(int fd) HOOK("fdatasync");
int hook_fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

int hook_syncfs(int fd) HOOK("syncfs");
int hook_syncfs(int fd)
{
    (void)fd;
    shim_gives_up("syncfs is not modelled");
}

void hook_sync(void) HOOK("sync");
void hook_sync(void)
{
    shim_gives_up("sync is not modelled");
}

/* ---- names ---- */

static bool is_regular(int dir, const char *name, struct stat *seen)
{
    return fstatat(dir, name, seen, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(seen->st_mode);
}

static int remove_file(int dir, const char *name)
{
    char grave[PATH_MAX];
    struct place place;
    struct stat seen;
    int result = -1;

    if (!place_find(dir, name, &place) || !is_regular(dir, name, &seen))
        return (int)syscall(SYS_unlinkat, dir, name, 0);
    undo_lock();
    if (!fault_strikes(CALL_NAME) && undo_bury(dir, name, grave)) {
        undo_name(NAME_REMOVED, &place, NULL, grave);
        fault_freed(seen.st_nlink == 1 ? seen.st_size : 0);
        result = 0;
    }
    undo_unlock();
    return result;
}

/* Makes or removes a directory, or gives a file a second name. */
static int change_name(enum name_kind kind, int dir, const char *name, long call, const long arguments[5])
{
    struct place place;
    int result = -1;
    bool watched = place_find(dir, name, &place);

    if (!watched)
        return (int)syscall(call, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    undo_lock();
    if (!fault_strikes(CALL_NAME))
        result = (int)syscall(call, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    if (result == 0)
        undo_name(kind, &place, NULL, NULL);
    undo_unlock();
    return result;
}

static int remove_directory(int dir, const char *name)
{
    return change_name(NAME_DIR_REMOVED, dir, name, SYS_unlinkat,
                       (const long[5]){ dir, (long)(intptr_t)name, AT_REMOVEDIR, 0, 0 });
}

int hook_unlink(const char *name) HOOK("unlink");
int hook_unlink(const char *name)
{
    return remove_file(AT_FDCWD, name);
}

int hook_unlinkat(int dir, const char *name, int flags) HOOK("unlinkat");
int hook_unlinkat(int dir, const char *name, int flags)
{
    return flags & AT_REMOVEDIR ? remove_directory(dir, name) : remove_file(dir, name);
}

int hook_rmdir(const char *name) HOOK("rmdir");
int hook_rmdir(const char *name)
{
    return remove_directory(AT_FDCWD, name);
}

int hook_remove(const char *name) HOOK("remove");
int hook_remove(const char *name)
{
    struct stat seen;

    if (fstatat(AT_FDCWD, name, &seen, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(seen.st_mode))
        return remove_directory(AT_FDCWD, name);
    return remove_file(AT_FDCWD, name);
}

int hook_mkdirat(int dir, const char *name, mode_t mode) HOOK("mkdirat");
int hook_mkdirat(int dir, const char *name, mode_t mode)
{
    return change_name(NAME_DIR_MADE, dir, name, SYS_mkdirat,
                       (const long[5]){ dir, (long)(intptr_t)name, (long)mode, 0, 0 });
}

int hook_mkdir(const char *name, mode_t mode) HOOK("mkdir");
int hook_mkdir(const char *name, mode_t mode)
{
    return hook_mkdirat(AT_FDCWD, name, mode);
}

int hook_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) HOOK("linkat");
int hook_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return change_name(NAME_MADE, to_dir, to, SYS_linkat,
                       (const long[5]){ from_dir, (long)(intptr_t)from, to_dir, (long)(intptr_t)to, flags });
}

int hook_link(const char *from, const char *to) HOOK("link");
int hook_link(const char *from, const char *to)
{
    return hook_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* What is replaced gets a second name first, so that the cut can bring it back. */
static int move_watched(const struct place *from, const struct place *to, unsigned flags)
{
    char grave[PATH_MAX];
    struct stat seen;
    bool replaces = is_regular(AT_FDCWD, to->path, &seen) && !(flags & RENAME_NOREPLACE);

    if (fault_strikes(CALL_NAME))
        return -1;
    if (flags & RENAME_EXCHANGE)
        shim_gives_up("RENAME_EXCHANGE is not modelled");
    if (replaces && !undo_keep_target(AT_FDCWD, to->path, grave))
        return -1;
    if (syscall(SYS_renameat2, AT_FDCWD, from->path, AT_FDCWD, to->path, flags) != 0) {
        int why = errno;
        if (replaces)
            (void)syscall(SYS_unlinkat, AT_FDCWD, grave, 0);
        errno = why;
        return -1;
    }
    undo_name(NAME_MOVED, from, to, replaces ? grave : NULL);
    fault_freed(replaces ? seen.st_size : 0);
    return 0;
}

int hook_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) HOOK("renameat2");
int hook_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    struct place from_place, to_place;
    int result;

    if (!place_find(from_dir, from, &from_place) || !place_find(to_dir, to, &to_place))
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    undo_lock();
    result = move_watched(&from_place, &to_place, flags);
    undo_unlock();
    return result;
}

int hook_renameat(int from_dir, const char *from, int to_dir, const char *to) HOOK("renameat");
int hook_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return hook_renameat2(from_dir, from, to_dir, to, 0);
}

int hook_rename(const char *from, const char *to) HOOK("rename");
int hook_rename(const char *from, const char *to)
{
    return hook_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- free space ---- */

static void tell_room(struct statvfs *out)
{
    int64_t room = undo_is_on() ? fault_room() : -1;

    if (room >= 0 && out->f_frsize > 0)
        out->f_bavail = out->f_bfree = (fsblkcnt_t)((uint64_t)room / out->f_frsize);
}

/* The C library's own function behind a hook. */
static void real(const char *name, void *out)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        shim_gives_up("the C library lacks a function");
    memcpy(out, &found, sizeof(found));
}

int hook_statvfs(const char *name, struct statvfs *out) HOOK("statvfs");
int hook_statvfs(const char *name, struct statvfs *out)
{
    int (*next)(const char *, struct statvfs *);
    int result;

    real("statvfs", &next);
    result = next(name, out);
    if (result == 0)
        tell_room(out);
    return result;
}
int hook_statvfs64(const char *name, struct statvfs *out) SAME_AS("statvfs64", "statvfs");

int hook_fstatvfs(int fd, struct statvfs *out) HOOK("fstatvfs");
int hook_fstatvfs(int fd, struct statvfs *out)
{
    int (*next)(int, struct statvfs *);
    int result;

    real("fstatvfs", &next);
    result = next(fd, out);
    if (result == 0)
        tell_room(out);
    return result;
}
int hook_fstatvfs64(int fd, struct statvfs *out) SAME_AS("fstatvfs64", "fstatvfs");

/* ---- what would go past us ---- */

FILE *hook_fopen(const char *name, const char *mode) HOOK("fopen");
FILE *hook_fopen(const char *name, const char *mode)
{
    FILE *(*next)(const char *, const char *);
    struct place place;

    if (strpbrk(mode, "wa+") && place_find(AT_FDCWD, name, &place))
        shim_gives_up("stdio writes past the shim: fopen on a watched file");
    real("fopen", &next);
    return next(name, mode);
}
FILE *hook_fopen64(const char *name, const char *mode) SAME_AS("fopen64", "fopen");

FILE *hook_fdopen(int fd, const char *mode) HOOK("fdopen");
FILE *hook_fdopen(int fd, const char *mode)
{
    FILE *(*next)(int, const char *);
    struct stat seen;

    if (strpbrk(mode, "wa+") && undo_take(fd, &seen))
        shim_gives_up("stdio writes past the shim: fdopen on a watched file");
    real("fdopen", &next);
    return next(fd, mode);
}

static bool is_shared_memory_name(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path));
    return len > 4 && strncmp(path + len - 4, "-shm", 4) == 0;
}

void *hook_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) HOOK("mmap");
void *hook_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    struct stat seen;

    if ((flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) && !(flags & MAP_ANONYMOUS) &&
        undo_take(fd, &seen)) {
        undo_unlock();
        if (!is_shared_memory_name(fd))
            shim_gives_up("a shared writable mapping of a watched file is not seen");
    }
    return (void *)(intptr_t)syscall(SYS_mmap, at, len, protection, flags, fd, offset); // NOLINT
}
void *hook_mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset) SAME_AS("mmap64", "mmap");

/* Both may answer that they cannot: callers then read and write. */
ssize_t hook_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags)
    HOOK("copy_file_range");
ssize_t hook_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags)
{
    struct stat seen;

    if (!undo_take(out, &seen))
        return syscall(SYS_copy_file_range, in, in_at, out, out_at, len, flags);
    undo_unlock();
    errno = EOPNOTSUPP;
    return -1;
}

ssize_t hook_sendfile(int out, int in, off_t *at, size_t len) HOOK("sendfile");
ssize_t hook_sendfile(int out, int in, off_t *at, size_t len)
{
    struct stat seen;

    if (!undo_take(out, &seen))
        return syscall(SYS_sendfile, out, in, at, len);
    undo_unlock();
    errno = EINVAL;
    return -1;
}
ssize_t hook_sendfile64(int out, int in, off_t *at, size_t len) SAME_AS("sendfile64", "sendfile");
