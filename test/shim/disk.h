/* What the three parts of the disk shim share: disk.c (the calls it stands before), disk_undo.c (what a power cut takes
 * back) and disk_control.c (faults, counts, how a test talks to it). disk.c opens with the whole description.
 *
 * Everything here works by raw system calls: nothing goes through the hooks again, and what runs while the power is cut
 * needs neither malloc nor a lock of libc. */
#ifndef HABEAS_SHIM_DISK_H
#define HABEAS_SHIM_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/stat.h>
#include <sys/types.h>

/* ---- disk_control.c ---- */

enum call_kind { CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_TRUNCATE, CALL_NAME, CALL_KINDS };

/* Counts a call on a watched file; true when this is the one that has to fail (errno is set). Lock held. */
bool fault_strikes(enum call_kind kind);
/* Takes `growth` bytes from the room of a full disk; true when there are not so many (errno is ENOSPC). Lock held. */
bool fault_no_room(off_t growth);
/* Gives them back: a file became shorter or went away. Lock held. */
void fault_freed(off_t bytes);
/* Free bytes of the full disk, or -1 when no full disk is played. */
int64_t fault_room(void);
/* Waits as long as a slow disk needs for a sync. No lock held. */
void fault_slow_sync(void);

/* ---- disk_undo.c ---- */

/* Where a name lies: its directory as the kernel names it, and whether it is under HABEAS_SHIM_DIR. */
struct place {
    char path[PATH_MAX];
    dev_t dir_dev;
    ino_t dir_ino;
};
/* False when the name is not under the watched directory or its directory is not there. */
bool place_find(int dir, const char *name, struct place *out);
/* True when the open directory `fd` is the watched one or lies under it. */
bool place_holds(int fd);

/* One watched regular file, for as long as it has a name or the program runs. */
struct file;

void undo_lock(void);
void undo_unlock(void);
/* The watched file behind a descriptor with the lock held, or NULL without it. `seen` gets its fstat. */
struct file *undo_take(int fd, struct stat *seen);
/* Begins to watch the regular file behind `fd`, which was just opened at `place`. Lock held. */
struct file *undo_watch(int fd, const struct place *place);

/* Both keep what the call is about to change; lock held, before the call. */
void undo_before_write(struct file *file, off_t offset, size_t len, off_t size);
void undo_before_truncate(struct file *file, off_t to, off_t size);

enum name_kind { NAME_MADE, NAME_REMOVED, NAME_MOVED, NAME_DIR_MADE, NAME_DIR_REMOVED };
/* Keeps how a change of names is undone; lock held, after the call. `to` of NAME_MOVED only; `grave` is what
 * undo_bury or undo_keep_target gave, or NULL. */
void undo_name(enum name_kind kind, const struct place *from, const struct place *to, const char *grave);
/* Moves a file away in place of removing it / keeps a second name of what a rename replaces. Lock held; false with errno. */
bool undo_bury(int dir, const char *name, char grave[PATH_MAX]);
bool undo_keep_target(int dir, const char *name, char grave[PATH_MAX]);

/* What was done up to now; a sync that begins now makes durable what is not younger. Lock held. */
uint64_t undo_mark(void);
/* The file or directory described by `seen` was synced up to `mark`. Lock held. */
void undo_synced(const struct stat *seen, uint64_t mark);
/* Bytes of old content that are kept now. Lock held. */
size_t undo_kept_bytes(void);

/* Cuts the power: stops the whole program, takes back what was not synced, kills it (SIGKILL). With `keep` other than
 * 0 a part of it, chosen from that seed, reached the disk: of each file and of the names the older changes. */
noreturn void undo_cut(uint64_t keep);

/* Says what the shim cannot do and aborts: a test that silently proves nothing is worse. */
noreturn void shim_gives_up(const char *what);

/* Called once, before main: the watched directory (made canonical) and then the thread that listens. */
void undo_start(const char *directory);
void control_start(void);
/* False until undo_start: nothing is watched. */
bool undo_is_on(void);

#endif
