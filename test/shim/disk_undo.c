/* What a power cut takes back: for each watched file the bytes and sizes that no sync followed, and for the names the
 * files made, moved and removed that no sync of their directory followed. disk.c says what is modelled.
 *
 * The shim keeps a descriptor of its own for each watched file until the file has no name left. It is never closed
 * earlier: closing any descriptor of a file drops the process's POSIX locks on it, and SQLite lives by those. It also
 * keeps the inode number from being given to another file. */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "offsets are passed to the kernel in one register");

enum { BUCKETS = 1024, CHUNK = 1 << 16, DESCRIPTORS_MAX = 1 << 16 };

/* One change of a file's content: how it was before. `number` orders all changes; those of one call share it. */
struct change {
    struct change *older;
    uint64_t number;
    off_t size, offset;
    size_t len;
    unsigned char bytes[];
};

struct file {
    struct file *next;
    dev_t dev;
    ino_t ino;
    int fd;
    bool is_shared_memory;
    struct change *newest;
};

struct name_change {
    struct name_change *older;
    uint64_t number;
    enum name_kind kind;
    bool has_grave;
    struct place from, to;
    char grave[PATH_MAX];
    dev_t made_dev;
    ino_t made_ino;
};

/* A preloaded library has no one to hand it its state: this is all of it, under its lock. */
static struct {
    pthread_mutex_t lock;
    char directory[PATH_MAX];
    char graves[PATH_MAX];
    uint64_t number;
    uint64_t grave_count;
    size_t kept_bytes;
    struct file *buckets[BUCKETS];
    struct name_change *newest_name;
} undo = { .lock = PTHREAD_MUTEX_INITIALIZER };

noreturn void shim_gives_up(const char *what)
{
    static const char head[] = "disk shim: ";

    (void)syscall(SYS_write, 2, head, sizeof(head) - 1);
    (void)syscall(SYS_write, 2, what, strlen(what));
    (void)syscall(SYS_write, 2, "\n", 1UL);
    abort();
}

void undo_lock(void)
{
    (void)pthread_mutex_lock(&undo.lock);
}

void undo_unlock(void)
{
    (void)pthread_mutex_unlock(&undo.lock);
}

bool undo_is_on(void)
{
    return undo.directory[0] != '\0';
}

static void *take_memory(size_t size)
{
    void *fresh = calloc(1, size);

    if (!fresh)
        shim_gives_up("no memory for the undo log");
    return fresh;
}

/* ---- places ---- */

static bool is_under(const char *path)
{
    size_t len = strlen(undo.directory);

    return strncmp(path, undo.directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The name that the kernel has for an open descriptor. */
static bool name_of(int fd, char out[PATH_MAX])
{
    char link[64];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, out, PATH_MAX - 1);
    if (len <= 0)
        return false;
    out[len] = '\0';
    return true;
}

bool place_holds(int fd)
{
    char path[PATH_MAX];

    return name_of(fd, path) && is_under(path);
}

bool place_find(int dir, const char *name, struct place *out)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    char parent[PATH_MAX] = ".";
    struct stat seen;
    bool found = false;
    int fd;

    if (!undo_is_on() || *last == '\0' || strlen(name) >= PATH_MAX)
        return false;
    if (slash)
        (void)snprintf(parent, sizeof(parent), "%.*s", slash == name ? 1 : (int)(slash - name), name);
    fd = (int)syscall(SYS_openat, dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (name_of(fd, out->path) && is_under(out->path) && fstat(fd, &seen) == 0) {
        size_t len = strlen(out->path);
        found = (size_t)snprintf(out->path + len, PATH_MAX - len, "/%s", last) < PATH_MAX - len;
        out->dir_dev = seen.st_dev;
        out->dir_ino = seen.st_ino;
    }
    (void)syscall(SYS_close, fd); /* a directory: no locks hang on it */
    return found;
}

/* ---- files ---- */

static struct file **slot_of(dev_t dev, ino_t ino)
{
    struct file **slot = &undo.buckets[(ino ^ (ino >> 10)) % BUCKETS];

    while (*slot && ((*slot)->ino != ino || (*slot)->dev != dev))
        slot = &(*slot)->next;
    return slot;
}

struct file *undo_take(int fd, struct stat *seen)
{
    struct file *file;

    if (!undo_is_on() || fstat(fd, seen) != 0 || !S_ISREG(seen->st_mode))
        return NULL;
    undo_lock();
    file = *slot_of(seen->st_dev, seen->st_ino);
    if (!file || fstat(fd, seen) != 0) { /* again: the size as it is under the lock */
        undo_unlock();
        return NULL;
    }
    return file;
}

struct file *undo_watch(int fd, const struct place *place)
{
    struct stat seen;
    struct file **slot;
    char link[64];
    size_t len = strlen(place->path);

    if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode))
        return NULL;
    slot = slot_of(seen.st_dev, seen.st_ino);
    if (*slot)
        return *slot;
    *slot = take_memory(sizeof(**slot));
    (*slot)->dev = seen.st_dev;
    (*slot)->ino = seen.st_ino;
    (*slot)->is_shared_memory = len > 4 && strcmp(place->path + len - 4, "-shm") == 0;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    (*slot)->fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
    if ((*slot)->fd < 0 || (*slot)->fd >= DESCRIPTORS_MAX)
        shim_gives_up("cannot open a descriptor of its own for a watched file");
    return *slot;
}

static void drop_change(struct change *change)
{
    undo.kept_bytes -= change->len;
    free(change);
}

static void file_synced(struct file *file, uint64_t mark)
{
    struct change **link = &file->newest;

    while (*link && (*link)->number > mark)
        link = &(*link)->older;
    while (*link) {
        struct change *old = *link;
        *link = old->older;
        drop_change(old);
    }
}

/* Forgets a file whose last name has gone for good. */
static void forget_if_nameless(dev_t dev, ino_t ino)
{
    struct file **slot = slot_of(dev, ino);
    struct file *file = *slot;
    struct stat seen;

    if (!file || fstat(file->fd, &seen) != 0 || seen.st_nlink > 0)
        return;
    file_synced(file, UINT64_MAX);
    (void)syscall(SYS_close, file->fd);
    *slot = file->next;
    free(file);
}

/* ---- content ---- */

/* Keeps the old bytes of [offset, offset + len), all of which lie before `size`. */
static void keep_change(struct file *file, off_t offset, size_t len, off_t size)
{
    struct change *change = take_memory(sizeof(*change) + len);

    for (size_t have = 0; have < len;) {
        ssize_t got = syscall(SYS_pread64, file->fd, change->bytes + have, len - have, offset + (off_t)have);
        if (got <= 0)
            shim_gives_up("cannot read what a write replaces");
        have += (size_t)got;
    }
    change->number = undo.number;
    change->size = size;
    change->offset = offset;
    change->len = len;
    change->older = file->newest;
    file->newest = change;
    undo.kept_bytes += len;
}

void undo_before_write(struct file *file, off_t offset, size_t len, off_t size)
{
    size_t below = offset >= size ? 0 : (size_t)(size - offset);

    undo.number++;
    if (!file->is_shared_memory)
        keep_change(file, offset, below < len ? below : len, size);
}

/* True when a chunk holds zeros only: making the file long again brings those back by itself. */
static bool chunk_is_zero(const struct file *file, off_t offset, size_t len)
{
    unsigned char bytes[4096];

    for (size_t have = 0; have < len;) {
        size_t want = len - have < sizeof(bytes) ? len - have : sizeof(bytes);
        ssize_t got = syscall(SYS_pread64, file->fd, bytes, want, offset + (off_t)have);
        if (got <= 0 || bytes[0] != 0 || memcmp(bytes, bytes + 1, (size_t)got - 1) != 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

void undo_before_truncate(struct file *file, off_t to, off_t size)
{
    undo.number++;
    if (file->is_shared_memory)
        return;
    for (off_t at = to; at < size; at += CHUNK) {
        size_t len = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        if (!chunk_is_zero(file, at, len))
            keep_change(file, at, len, size);
    }
    keep_change(file, to, 0, size);
}

/* ---- names ---- */

/* A fresh name in the directory beside the watched one where removed files wait for the sync of their directory. */
static void dig(char grave[PATH_MAX])
{
    (void)syscall(SYS_mkdirat, AT_FDCWD, undo.graves, 0700);
    if (snprintf(grave, PATH_MAX, "%s/%d-%llu", undo.graves, (int)getpid(), (unsigned long long)++undo.grave_count) >=
        PATH_MAX)
        shim_gives_up("the watched directory's path is too long");
}

bool undo_bury(int dir, const char *name, char grave[PATH_MAX])
{
    dig(grave);
    return syscall(SYS_renameat2, dir, name, AT_FDCWD, grave, 0) == 0;
}

bool undo_keep_target(int dir, const char *name, char grave[PATH_MAX])
{
    dig(grave);
    return syscall(SYS_linkat, dir, name, AT_FDCWD, grave, 0) == 0;
}

void undo_name(enum name_kind kind, const struct place *from, const struct place *to, const char *grave)
{
    struct name_change *change = take_memory(sizeof(*change));
    struct stat seen;

    change->number = ++undo.number;
    change->kind = kind;
    change->from = *from;
    change->to = to ? *to : *from;
    change->has_grave = grave != NULL;
    if (grave)
        (void)snprintf(change->grave, sizeof(change->grave), "%s", grave);
    if (kind == NAME_MADE && fstatat(AT_FDCWD, from->path, &seen, AT_SYMLINK_NOFOLLOW) == 0) {
        change->made_dev = seen.st_dev;
        change->made_ino = seen.st_ino;
    }
    change->older = undo.newest_name;
    undo.newest_name = change;
}

/* The change is durable: what it removed goes for good. */
static void drop_name(struct name_change *change)
{
    struct stat seen;

    if (change->has_grave && fstatat(AT_FDCWD, change->grave, &seen, AT_SYMLINK_NOFOLLOW) == 0) {
        (void)syscall(SYS_unlinkat, AT_FDCWD, change->grave, 0);
        forget_if_nameless(seen.st_dev, seen.st_ino);
    }
    free(change);
}

static void directory_synced(dev_t dev, ino_t ino, uint64_t mark)
{
    struct name_change **link = &undo.newest_name;

    while (*link) {
        struct name_change *change = *link;
        if (change->number <= mark && change->to.dir_dev == dev && change->to.dir_ino == ino) {
            *link = change->older;
            drop_name(change);
        } else {
            link = &change->older;
        }
    }
}

/* A new file that is synced brings its name along, and with it everything older in the same directory. */
static void made_file_synced(const struct stat *seen, uint64_t mark)
{
    struct name_change *change = undo.newest_name;

    while (change && (change->number > mark || change->made_ino != seen->st_ino || change->made_dev != seen->st_dev ||
                      change->kind != NAME_MADE))
        change = change->older;
    if (change)
        directory_synced(change->to.dir_dev, change->to.dir_ino, change->number);
}

uint64_t undo_mark(void)
{
    return undo.number;
}

void undo_synced(const struct stat *seen, uint64_t mark)
{
    struct file *file;

    if (S_ISDIR(seen->st_mode)) {
        directory_synced(seen->st_dev, seen->st_ino, mark);
        return;
    }
    file = *slot_of(seen->st_dev, seen->st_ino);
    if (file)
        file_synced(file, mark);
    made_file_synced(seen, mark);
}

size_t undo_kept_bytes(void)
{
    return undo.kept_bytes;
}

/* ---- the cut: from here on in a child that shares nothing but the files, and without malloc ---- */

static void complain(const char *what)
{
    static const char tail[] = " failed while the power was cut\n";

    (void)syscall(SYS_write, 2, what, strlen(what));
    (void)syscall(SYS_write, 2, tail, sizeof(tail) - 1);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15));

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* The number of the youngest change that reached the disk: below them all, or by chance anywhere among them. */
static uint64_t last_kept(uint64_t *keep, uint64_t oldest, uint64_t newest)
{
    return *keep == 0 ? oldest - 1 : oldest - 1 + next_random(keep) % (newest - oldest + 2);
}

static void take_back_content(const struct file *file, uint64_t *keep)
{
    uint64_t oldest = 0, threshold;

    for (const struct change *change = file->newest; change; change = change->older)
        oldest = change->number;
    if (!file->newest)
        return;
    threshold = last_kept(keep, oldest, file->newest->number);
    for (const struct change *change = file->newest; change && change->number > threshold; change = change->older) {
        if (change->len > 0 && syscall(SYS_pwrite64, file->fd, change->bytes, change->len, change->offset) < 0)
            complain("disk shim: pwrite");
        if (syscall(SYS_ftruncate, file->fd, change->size) < 0)
            complain("disk shim: ftruncate");
    }
}

static void move(const char *from, const char *to)
{
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) < 0)
        complain("disk shim: rename");
}

static void take_back_name(const struct name_change *change)
{
    switch (change->kind) {
    case NAME_MADE:
        (void)syscall(SYS_unlinkat, AT_FDCWD, change->from.path, 0); /* moved away durably: it is there, elsewhere */
        break;
    case NAME_DIR_MADE:
        (void)syscall(SYS_unlinkat, AT_FDCWD, change->from.path,
                      AT_REMOVEDIR); /* stays when something in it is durable */
        break;
    case NAME_DIR_REMOVED:
        (void)syscall(SYS_mkdirat, AT_FDCWD, change->from.path, 0700);
        break;
    case NAME_MOVED:
        move(change->to.path, change->from.path);
        break;
    case NAME_REMOVED:
        break;
    }
    if (change->has_grave)
        move(change->grave, change->to.path);
}

static void take_back_names(uint64_t *keep)
{
    uint64_t oldest = 0, threshold;

    for (const struct name_change *change = undo.newest_name; change; change = change->older)
        oldest = change->number;
    if (!undo.newest_name)
        return;
    threshold = last_kept(keep, oldest, undo.newest_name->number);
    for (const struct name_change *change = undo.newest_name; change; change = change->older) {
        if (change->number > threshold)
            take_back_name(change);
        else if (change->has_grave)
            (void)syscall(SYS_unlinkat, AT_FDCWD, change->grave, 0);
    }
}

/* Gives up every descriptor but stderr and those of watched files, so that no lock, socket or pipe outlives the program. */
static void close_foreign_descriptors(void)
{
    static bool is_ours[DESCRIPTORS_MAX];

    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct file *file = undo.buckets[i]; file; file = file->next)
            is_ours[file->fd] = true;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (!is_ours[fd] && fd != 2)
            (void)syscall(SYS_close, fd);
}

static void sleep_ms(long milliseconds)
{
    const struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
}

/* True when a thread will run no instruction any more: stopped, dead, or waiting in the kernel with the stop pending. */
static bool thread_is_still(pid_t program, const char *thread)
{
    char path[128], line[256];
    const char *state;
    ssize_t len;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)program, thread);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return true;
    len = syscall(SYS_read, fd, line, sizeof(line) - 1);
    (void)syscall(SYS_close, fd);
    if (len <= 0)
        return true;
    line[len] = '\0';
    state = strrchr(line, ')');
    return state && state[1] && strchr("TtDZX", state[2]);
}

struct listed_thread {
    uint64_t ino;
    int64_t next;
    unsigned short len;
    unsigned char type;
    char name[];
};

static bool program_is_still(pid_t program)
{
    _Alignas(8) char list[1 << 15];
    char path[64];
    bool still = true;
    ssize_t len;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)program);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    while (fd >= 0 && (len = syscall(SYS_getdents64, fd, list, sizeof(list))) > 0)
        for (ssize_t at = 0; at < len; at += ((struct listed_thread *)(void *)(list + at))->len) {
            const char *name = ((struct listed_thread *)(void *)(list + at))->name;
            still = still && (name[0] == '.' || thread_is_still(program, name));
        }
    (void)syscall(SYS_close, fd);
    return still;
}

/* All threads at once, so that nothing reads or answers from half of what is taken back. */
static void stop_program(pid_t program)
{
    (void)syscall(SYS_kill, program, SIGSTOP);
    for (int tries = 0; tries < 5000 && !program_is_still(program); tries++)
        sleep_ms(1);
}

noreturn void undo_cut(uint64_t keep)
{
    pid_t program = getpid(), child;

    undo_lock(); /* for ever */
    child = _Fork();
    if (child < 0)
        shim_gives_up("no process to cut the power with");
    while (child > 0)
        (void)pause();
    close_foreign_descriptors();
    stop_program(program);
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct file *file = undo.buckets[i]; file; file = file->next)
            take_back_content(file, &keep);
    take_back_names(&keep);
    (void)syscall(SYS_kill, program, SIGKILL);
    _exit(0);
}

/* A directory that is not there yet is named through its parent. */
void undo_start(const char *directory)
{
    char parent[PATH_MAX], full[PATH_MAX];
    char *slash;

    if (!realpath(directory, full)) {
        (void)snprintf(parent, sizeof(parent), "%s", directory);
        slash = strrchr(parent, '/');
        if (!slash || slash == parent || slash[1] == '\0')
            shim_gives_up("HABEAS_SHIM_DIR must be an absolute path without a slash at its end");
        *slash = '\0';
        if (!realpath(parent, full) || strlen(full) + strlen(slash + 1) + 2 > sizeof(full))
            shim_gives_up("HABEAS_SHIM_DIR lies in a directory that is not there");
        strcat(strcat(full, "/"), slash + 1);
    }
    if (snprintf(undo.graves, sizeof(undo.graves), "%s.graves", full) >= PATH_MAX - 64)
        shim_gives_up("HABEAS_SHIM_DIR is too long");
    (void)snprintf(undo.directory, sizeof(undo.directory), "%s", full);
}
