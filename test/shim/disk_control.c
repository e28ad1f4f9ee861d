/* Faults, the full and the slow disk, the counts, and how a test tells the shim what to do (disk.c has the words).
 *
 * One thread of its own waits for the two signals (a handler that only writes one byte to a pipe) and for connections
 * to the control socket: one line in, one line of JSON out, and the answer means that it is in force. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *const kind_names[CALL_KINDS] = {
    [CALL_OPEN] = "open", [CALL_WRITE] = "write",       [CALL_SYNC] = "sync",
    [CALL_NAME] = "name", [CALL_TRUNCATE] = "truncate",
};

/* All of it under the undo lock but what is atomic: a preloaded library has no one to hand it its state. */
static struct {
    long counts[CALL_KINDS];
    long calls;
    long fail_at; /* 0: none */
    int fail_with;
    bool cuts;               /* instead of failing, the power goes */
    const char *struck_kind; /* NULL: has not struck */
    int64_t room;            /* of the full disk; -1: not full */
    uint64_t keep;
    atomic_long sync_ms;
    int pipe[2];
    int socket;
    pid_t program;
} control = { .room = -1, .fail_with = EIO, .socket = -1, .pipe = { -1, -1 } };

/* The cut is the shim's own thread's; this call is never made, and its thread goes no further. */
static noreturn void await_cut(void)
{
    (void)kill(control.program, SIGUSR2);
    undo_unlock();
    for (;;)
        (void)pause();
}

bool fault_strikes(enum call_kind kind)
{
    control.counts[kind]++;
    control.calls++;
    if (control.fail_at == 0 || control.calls != control.fail_at)
        return false;
    control.struck_kind = kind_names[kind];
    if (control.cuts)
        await_cut();
    errno = control.fail_with;
    return true;
}

bool fault_no_room(off_t growth)
{
    if (control.room < 0 || growth <= 0)
        return false;
    if (growth > control.room) {
        errno = ENOSPC;
        return true;
    }
    control.room -= growth;
    return false;
}

void fault_freed(off_t bytes)
{
    if (control.room >= 0 && bytes > 0)
        control.room += bytes;
}

int64_t fault_room(void)
{
    int64_t room;

    undo_lock();
    room = control.room;
    undo_unlock();
    return room;
}

void fault_slow_sync(void)
{
    long ms = atomic_load(&control.sync_ms);
    const struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

    if (ms > 0)
        (void)nanosleep(&pause, NULL);
}

/* ---- what a test says ---- */

static void arm(long fail_at, const char *errno_name)
{
    memset(control.counts, 0, sizeof(control.counts));
    control.calls = 0;
    control.fail_at = fail_at;
    control.cuts = errno_name && strcmp(errno_name, "CUT") == 0;
    control.fail_with = errno_name && strcmp(errno_name, "ENOSPC") == 0 ? ENOSPC : EIO;
    control.struck_kind = NULL;
}

static void write_state(char *out, size_t size)
{
    size_t len = 0;

    len +=
        (size_t)snprintf(out, size, "{\"calls\":%ld,\"struck\":%s%s%s", control.calls, control.struck_kind ? "\"" : "",
                         control.struck_kind ? control.struck_kind : "null", control.struck_kind ? "\"" : "");
    for (size_t i = 0; i < CALL_KINDS; i++)
        len += (size_t)snprintf(out + len, size - len, ",\"%s\":%ld", kind_names[i], control.counts[i]);
    (void)snprintf(out + len, size - len, ",\"unsynced_bytes\":%zu}\n", undo_kept_bytes());
}

/* Does what a line says, under the lock; false when it is not understood. */
static bool obey(const char *verb, const char *first, const char *second)
{
    if (strcmp(verb, "count") == 0)
        arm(0, NULL);
    else if (strcmp(verb, "fail") == 0 && first && atol(first) > 0)
        arm(atol(first), second);
    else if (strcmp(verb, "full") == 0)
        control.room = first ? atoll(first) : 0;
    else if (strcmp(verb, "slow") == 0 && first)
        atomic_store(&control.sync_ms, atol(first));
    else if (strcmp(verb, "keep") == 0 && first)
        control.keep = strtoull(first, NULL, 10);
    else if (strcmp(verb, "off") == 0) {
        control.fail_at = 0;
        control.room = -1;
        atomic_store(&control.sync_ms, 0);
    } else
        return strcmp(verb, "state") == 0;
    return true;
}

static void answer(int connection)
{
    char line[128] = "", reply[512];
    char *rest = NULL;
    const char *verb, *first, *second;
    ssize_t len = syscall(SYS_read, connection, line, sizeof(line) - 1);

    line[len > 0 ? len : 0] = '\0';
    verb = strtok_r(line, " \r\n", &rest);
    if (!verb)
        return;
    first = strtok_r(NULL, " \r\n", &rest);
    second = strtok_r(NULL, " \r\n", &rest);
    if (strcmp(verb, "cut") == 0)
        undo_cut(control.keep);
    undo_lock();
    if (obey(verb, first, second))
        write_state(reply, sizeof(reply));
    else
        (void)snprintf(reply, sizeof(reply), "{\"error\":\"not understood\"}\n");
    undo_unlock();
    (void)syscall(SYS_write, connection, reply, strlen(reply));
}

/* ---- signals, socket, thread ---- */

static void report(void)
{
    const char *path = getenv("HABEAS_SHIM_COUNT");
    char text[512];
    int fd;

    if (!path)
        return;
    undo_lock();
    write_state(text, sizeof(text));
    undo_unlock();
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_write, fd, text, strlen(text)) < 0)
        shim_gives_up("cannot write HABEAS_SHIM_COUNT");
    (void)syscall(SYS_close, fd);
}

__attribute__((destructor)) static void report_at_exit(void)
{
    if (undo_is_on() && getpid() == control.program)
        report();
}

static void on_signal(int number)
{
    int before = errno;
    unsigned char byte = (unsigned char)number;

    (void)syscall(SYS_write, control.pipe[1], &byte, 1UL);
    errno = before;
}

static void *listen_for_ever(void *unused)
{
    struct pollfd ends[] = { { control.pipe[0], POLLIN, 0 }, { control.socket, POLLIN, 0 } };

    (void)unused;
    for (;;) {
        unsigned char number = 0;
        if (poll(ends, 2, -1) < 0)
            continue;
        if (ends[0].revents && syscall(SYS_read, control.pipe[0], &number, 1UL) == 1) {
            if (number == SIGUSR2)
                undo_cut(control.keep);
            report();
        }
        if (ends[1].revents) {
            int connection = accept4(control.socket, NULL, NULL, SOCK_CLOEXEC);
            answer(connection);
            (void)syscall(SYS_close, connection);
        }
    }
    return NULL;
}

static int control_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        shim_gives_up("HABEAS_SHIM_CONTROL is too long for a socket");
    strcpy(address.sun_path, path);
    (void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 8) != 0)
        shim_gives_up("cannot listen on HABEAS_SHIM_CONTROL");
    return fd;
}

static void read_environment(void)
{
    const char *text;

    if ((text = getenv("HABEAS_SHIM_FAIL_AT")))
        arm(atol(text), getenv("HABEAS_SHIM_ERRNO"));
    if ((text = getenv("HABEAS_SHIM_FULL")))
        control.room = atoll(text);
    if ((text = getenv("HABEAS_SHIM_SYNC_MS")))
        atomic_store(&control.sync_ms, atol(text));
    if ((text = getenv("HABEAS_SHIM_KEEP")))
        control.keep = strtoull(text, NULL, 10);
    if ((text = getenv("HABEAS_SHIM_CONTROL")))
        control.socket = control_socket(text);
}

/* The program's own threads inherit a mask without our two signals, so that none of its calls is interrupted by them. */
static void start_thread(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigset_t ours, all_others;
    pthread_t thread;

    (void)sigfillset(&action.sa_mask);
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGUSR2, &action, NULL);
    (void)sigfillset(&all_others);
    (void)sigdelset(&all_others, SIGUSR1);
    (void)sigdelset(&all_others, SIGUSR2);
    (void)pthread_sigmask(SIG_SETMASK, &all_others, &ours);
    if (pthread_create(&thread, NULL, listen_for_ever, NULL) != 0)
        shim_gives_up("cannot start its thread");
    (void)pthread_detach(thread);
    (void)sigaddset(&ours, SIGUSR1);
    (void)sigaddset(&ours, SIGUSR2);
    (void)pthread_sigmask(SIG_SETMASK, &ours, NULL);
}

void control_start(void)
{
    control.program = getpid();
    if (pipe2(control.pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        shim_gives_up("cannot make a pipe");
    read_environment();
    start_thread();
}
