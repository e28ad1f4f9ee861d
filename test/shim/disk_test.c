/* Proves the disk shim on a program that knows nothing of it: this one, started again under LD_PRELOAD with the name of
 * a victim below, mostly SQLite in WAL mode. HABEAS_SHIM names the built shim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))
enum { WRITERS = 4, ACKNOWLEDGED_MIN = 200, PATH_LEN = 512 };

/* ---- both sides ---- */

static void must(bool held, const char *what)
{
    if (held)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, strerror(errno));
    _exit(3);
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return number;
}

static sqlite3 *open_db(const char *directory, int number, const char *synchronous)
{
    char text[PATH_LEN];
    sqlite3 *db = NULL;

    (void)snprintf(text, sizeof(text), "%s/%d.db", directory, number);
    must(sqlite3_open(text, &db) == SQLITE_OK, "open database");
    (void)snprintf(
        text, sizeof(text),
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=%s; CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, "
        "body BLOB)",
        synchronous);
    must(run(db, text) == SQLITE_OK, "set up database");
    return db;
}

/* One line to the shim, its answer into `answer`. */
static void tell(const char *socket_path, const char *line, char *answer, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t len;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect to the shim");
    must(send(fd, line, strlen(line), 0) > 0, "tell the shim");
    len = recv(fd, answer, size - 1, 0);
    answer[len > 0 ? len : 0] = '\0';
    (void)close(fd);
}

static long field_of(const char *answer, const char *name)
{
    char key[64];
    const char *at;

    (void)snprintf(key, sizeof(key), "\"%s\":", name);
    at = strstr(answer, key);
    return at ? atol(at + strlen(key)) : -1;
}

/* ---- victims ---- */

struct writer {
    sqlite3 *db;
    int number;
};

/* Commits one row after the other, now and then with a checkpoint, and says each number once SQLite has acknowledged it. */
static void *write_for_ever(void *argument)
{
    const struct writer *writer = argument;
    char text[160];

    for (int n = 1;; n++) {
        (void)snprintf(text, sizeof(text), "INSERT INTO t(n, body) VALUES(%d, randomblob(%d))", n, n % 7 * 900);
        must(run(writer->db, text) == SQLITE_OK, "insert");
        if (n % 40 == 0)
            (void)run(writer->db, "PRAGMA wal_checkpoint(TRUNCATE)");
        int len = snprintf(text, sizeof(text), "%d %d\n", writer->number, n);
        must(write(1, text, (size_t)len) == len, "acknowledge");
    }
    return NULL;
}

static int victim_writers(const char *directory, const char *synchronous)
{
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];

    for (int i = 0; i < WRITERS; i++)
        writers[i] = (struct writer){ open_db(directory, i, synchronous), i };
    for (int i = 0; i < WRITERS; i++)
        must(pthread_create(&threads[i], NULL, write_for_ever, &writers[i]) == 0, "thread");
    for (int i = 0; i < WRITERS; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}

static int file_at(const char *name, int flags, const char *text)
{
    int fd = open(name, flags | O_CLOEXEC, 0600);

    must(fd >= 0, name);
    must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write");
    return fd;
}

/* The state that the next victim disturbs. Made without the shim. */
static void make_tree(const char *directory)
{
    const char *names[] = { "kept",      "removed", "moved",       "replaced",
                            "shortened", "emptied", "overwritten", "moved_durably" };

    must(chdir(directory) == 0, "chdir");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)close(file_at(names[i], O_WRONLY | O_CREAT | O_TRUNC, names[i]));
    must(chdir("/") == 0, "chdir");
}

/* Changes of every kind, some durable, then the cut. What must be left stands in the test. */
static int victim_names(const char *directory, const char *unused)
{
    int here = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd;

    (void)unused;
    must(here >= 0, "open directory");
    must(chdir(directory) == 0, "chdir");
    must(rename("moved_durably", "found_again") == 0, "rename");
    (void)close(file_at("new_by_directory", O_WRONLY | O_CREAT, "lost"));
    must(fsync(here) == 0, "sync directory");
    must(fsync(file_at("new_by_sync", O_WRONLY | O_CREAT, "there")) == 0, "sync");
    (void)file_at("new_unsynced", O_WRONLY | O_CREAT, "lost");
    must(unlink("removed") == 0, "unlink");
    (void)file_at("removed", O_WRONLY | O_CREAT, "another of that name");
    must(rename("moved", "elsewhere") == 0, "rename");
    must(rename("new_by_directory", "replaced") == 0, "rename over");
    fd = open("shortened", O_RDWR | O_CLOEXEC);
    must(ftruncate(fd, 3) == 0, "truncate");
    must(pwrite(fd, "long", 4, 20) == 4, "write past the end");
    (void)file_at("emptied", O_WRONLY | O_TRUNC, "x");
    fd = file_at("overwritten", O_RDWR, "OVER");
    must(fdatasync(fd) == 0, "sync");
    must(write(fd, "lost", 4) == 4, "write");
    must(mkdir("directory", 0700) == 0, "mkdir");
    (void)file_at("directory/inside", O_WRONLY | O_CREAT, "lost");
    must(write(1, "ready\n", 6) == 6, "say");
    while (pause() != 0)
        ; /* the cut ends it */
    return 0;
}

/* Each call of a transaction with a checkpoint fails once in turn. The row is there exactly when the commit said so. */
static int victim_faults(const char *directory, const char *socket_path)
{
    char line[64], answer[512];
    sqlite3 *db = open_db(directory, 0, "FULL");
    long calls, injected = 0, failed = 0;

    tell(socket_path, "count", answer, sizeof(answer));
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(9000)); PRAGMA wal_checkpoint(TRUNCATE)") == SQLITE_OK,
         "clean run");
    tell(socket_path, "state", answer, sizeof(answer));
    calls = field_of(answer, "calls");
    for (long n = 1; n <= calls; n++) {
        int64_t before = number_of(db, "SELECT count(*) FROM t");
        (void)snprintf(line, sizeof(line), "fail %ld %s", n, n % 2 ? "EIO" : "ENOSPC");
        tell(socket_path, line, answer, sizeof(answer));
        bool went_in = run(db, "INSERT INTO t(body) VALUES(zeroblob(9000))") == SQLITE_OK;
        bool moved = run(db, "PRAGMA wal_checkpoint(TRUNCATE)") == SQLITE_OK;
        tell(socket_path, "state", answer, sizeof(answer));
        injected += !strstr(answer, "\"struck\":null");
        tell(socket_path, "off", answer, sizeof(answer));
        failed += !went_in || !moved;
        must(number_of(db, "SELECT count(*) FROM t") == before + went_in, "row after a fault");
    }
    (void)printf("%ld calls, %ld injected, %ld failed\n", calls, injected, failed);
    return calls > 5 && injected == calls && failed > 0 ? 0 : 1;
}

static int victim_full(const char *directory, const char *socket_path)
{
    char answer[512], reserve[PATH_LEN];
    struct statvfs space;
    sqlite3 *db = open_db(directory, 0, "FULL");

    (void)snprintf(reserve, sizeof(reserve), "%s/reserve", directory);
    int fd = open(reserve, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(posix_fallocate(fd, 0, 1 << 20) == 0, "reserve");
    tell(socket_path, "full 8192", answer, sizeof(answer));
    must(statvfs(directory, &space) == 0 && space.f_bavail * space.f_frsize == 8192, "free space told");
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(90000))") == SQLITE_FULL, "full");
    must(unlink(reserve) == 0, "give up the reserve");
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(90000))") == SQLITE_OK, "room of the reserve");
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(2000000))") == SQLITE_FULL, "full again");
    tell(socket_path, "off", answer, sizeof(answer));
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(2000000))") == SQLITE_OK, "off");
    return number_of(db, "SELECT count(*) FROM t") == 2 ? 0 : 1;
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int victim_slow(const char *directory, const char *socket_path)
{
    char answer[512];
    sqlite3 *db = open_db(directory, 0, "FULL");
    double begin;

    tell(socket_path, "slow 10", answer, sizeof(answer));
    begin = seconds();
    for (int i = 0; i < 20; i++)
        must(run(db, "INSERT INTO t(body) VALUES('x')") == SQLITE_OK, "insert");
    return seconds() - begin >= 0.2 ? 0 : 1;
}

/* What SQLite calls is really seen: each kind is counted, and a synced commit leaves nothing to take back. */
static int victim_seen(const char *directory, const char *socket_path)
{
    static const char *const kinds[] = { "open", "write", "sync", "truncate", "name" };
    char answer[512];
    sqlite3 *db;

    tell(socket_path, "count", answer, sizeof(answer));
    db = open_db(directory, 0, "FULL");
    must(run(db, "INSERT INTO t(body) VALUES(zeroblob(9000)); PRAGMA wal_checkpoint") == SQLITE_OK, "insert");
    must(run(db, "UPDATE t SET body = zeroblob(8000)") == SQLITE_OK, "write over the start of the WAL");
    tell(socket_path, "state", answer, sizeof(answer));
    must(field_of(answer, "unsynced_bytes") == 0, "nothing unsynced after a commit");
    must(run(db, "PRAGMA wal_checkpoint(TRUNCATE)") == SQLITE_OK, "checkpoint");
    must(sqlite3_close(db) == SQLITE_OK, "close");
    tell(socket_path, "state", answer, sizeof(answer));
    (void)printf("%s", answer);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        must(field_of(answer, kinds[i]) > 0, kinds[i]);
    return 0;
}

static const struct victim {
    const char *name;
    int (*run)(const char *directory, const char *argument);
} victims[] = {
    { "writers", victim_writers }, { "names", victim_names }, { "faults", victim_faults },
    { "full", victim_full },       { "slow", victim_slow },   { "seen", victim_seen },
};

/* ---- the tests' side ---- */

struct started {
    pid_t pid;
    int out;
};

/* One directory a test: DIR/disk is watched, DIR/shim.sock is the control socket. */
struct bench {
    char directory[PATH_LEN], disk[PATH_LEN], control[PATH_LEN];
};

static void bench_make(struct bench *bench)
{
    (void)snprintf(bench->directory, sizeof(bench->directory), "/tmp/habeas-shim-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    (void)snprintf(bench->disk, sizeof(bench->disk), "%.100s/disk", bench->directory);
    (void)snprintf(bench->control, sizeof(bench->control), "%.90s/shim.sock", bench->directory);
    assert_int_equal(mkdir(bench->disk, 0700), 0);
}

static void bench_clear(const struct bench *bench)
{
    char command[PATH_LEN + 16];

    (void)snprintf(command, sizeof(command), "rm -rf %s", bench->directory);
    assert_int_equal(system(command), 0);
}

static void become_victim(const struct bench *bench, const char *victim, const char *argument, const char *keep)
{
    (void)setenv("LD_PRELOAD", getenv("HABEAS_SHIM"), 1);
    (void)setenv("HABEAS_SHIM_DIR", bench->disk, 1);
    (void)setenv("HABEAS_SHIM_CONTROL", bench->control, 1);
    (void)setenv("HABEAS_SHIM_KEEP", keep, 1);
    (void)execl("/proc/self/exe", "victim", victim, bench->disk, argument, (char *)NULL);
    _exit(127);
}

static struct started start(const struct bench *bench, const char *victim, const char *argument, const char *keep)
{
    struct started started;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    started.pid = fork();
    assert_true(started.pid >= 0);
    if (started.pid == 0) {
        (void)dup2(ends[1], 1);
        become_victim(bench, victim, argument, keep);
    }
    (void)close(ends[1]);
    started.out = ends[0];
    return started;
}

static int ended(const struct started *started)
{
    int status = -1;

    assert_int_equal(waitpid(started->pid, &status, 0), started->pid);
    (void)close(started->out);
    return status;
}

static bool all_wrote(const int last[WRITERS])
{
    for (int writer = 0; writer < WRITERS; writer++)
        if (last[writer] == 0)
            return false;
    return true;
}

/* Reads acknowledgements until there are `enough` and each writer has one, cuts, reads the rest; the highest of each writer
 * goes into `last`. */
static long cut_after(const struct started *started, long enough, int last[WRITERS])
{
    FILE *out = fdopen(dup(started->out), "r");
    char line[64];
    long count = 0;
    bool is_cut = false;

    while (fgets(line, sizeof(line), out)) {
        int writer = atoi(line);
        assert_in_range(writer, 0, WRITERS - 1);
        last[writer] = atoi(strchr(line, ' '));
        if (++count < enough || is_cut || !all_wrote(last))
            continue;
        is_cut = true;
        assert_int_equal(kill(started->pid, SIGUSR2), 0);
    }
    (void)fclose(out);
    return count;
}

static int64_t rows_left(const struct bench *bench, int number)
{
    char path[PATH_LEN];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t rows;

    (void)snprintf(path, sizeof(path), "%.100s/%d.db", bench->disk, number);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    (void)sqlite3_finalize(statement);
    rows = number_of(db, "SELECT coalesce(max(n), 0) FROM t");
    if (rows >= 0)
        assert_int_equal(number_of(db, "SELECT count(*) FROM t"), rows);
    (void)sqlite3_close(db);
    return rows;
}

static void a_cut_loses_no_row_that_a_synced_commit_acknowledged(void **state)
{
    static const char *const keeps[] = { "0", "0", "1", "2", "3", "4", "5", "6" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(keeps); i++) {
        int last[WRITERS] = { 0 };
        struct bench bench;
        bench_make(&bench);
        struct started started = start(&bench, "writers", "FULL", keeps[i]);
        assert_true(cut_after(&started, ACKNOWLEDGED_MIN, last) >= ACKNOWLEDGED_MIN);
        int status = ended(&started);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        for (int writer = 0; writer < WRITERS; writer++)
            if (rows_left(&bench, writer) < last[writer] || rows_left(&bench, writer) > last[writer] + 1)
                fail_msg("keep %s: %d acknowledged, %d there", keeps[i], last[writer], (int)rows_left(&bench, writer));
        bench_clear(&bench);
    }
}

/* The control: a program that forgets its syncs is found out. */
static void a_cut_loses_rows_that_were_acknowledged_without_a_sync(void **state)
{
    int last[WRITERS] = { 0 };
    struct bench bench;

    (void)state;
    bench_make(&bench);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(sqlite3_close(open_db(bench.disk, i, "FULL")), SQLITE_OK);
    struct started started = start(&bench, "writers", "OFF", "0");
    (void)cut_after(&started, ACKNOWLEDGED_MIN, last);
    (void)ended(&started);
    for (int writer = 0; writer < WRITERS; writer++) {
        assert_true(last[writer] > 0);
        assert_int_equal(rows_left(&bench, writer), 0);
    }
    bench_clear(&bench);
}

static void assert_content(const struct bench *bench, const char *name, const char *expected)
{
    char path[PATH_LEN], text[64] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "%.100s/%s", bench->disk, name);
    file = fopen(path, "r");
    if (!file != !expected)
        fail_msg("%s is %s", name, file ? "there" : "not there");
    if (!file)
        return;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    if (strcmp(text, expected) != 0)
        fail_msg("%s holds '%s', not '%s'", name, text, expected);
}

static void a_cut_takes_back_each_kind_of_change_that_no_sync_followed(void **state)
{
    static const struct {
        const char *name, *content;
    } left[] = {
        { "kept", "kept" },
        { "removed", "removed" },
        { "moved", "moved" },
        { "elsewhere", NULL },
        { "replaced", "replaced" },
        { "shortened", "shortened" },
        { "emptied", "emptied" },
        { "overwritten", "OVERwritten" },
        { "found_again", "moved_durably" },
        { "moved_durably", NULL },
        { "new_by_directory", "" },
        { "new_by_sync", "there" },
        { "new_unsynced", NULL },
        { "directory", NULL },
        { "directory/inside", NULL },
    };
    struct bench bench;
    char line[16];

    (void)state;
    bench_make(&bench);
    make_tree(bench.disk);
    struct started started = start(&bench, "names", "-", "0");
    assert_int_equal(read(started.out, line, sizeof(line)), 6);
    assert_int_equal(kill(started.pid, SIGUSR2), 0);
    assert_true(WIFSIGNALED(ended(&started)));
    for (size_t i = 0; i < COUNT_OF(left); i++)
        assert_content(&bench, left[i].name, left[i].content);
    bench_clear(&bench);
}

static void assert_victim_succeeds(const char *victim)
{
    struct bench bench;
    char text[512];
    ssize_t len;

    bench_make(&bench);
    struct started started = start(&bench, victim, bench.control, "0");
    while ((len = read(started.out, text, sizeof(text))) > 0)
        (void)printf("%s: %.*s", victim, (int)len, text);
    assert_int_equal(ended(&started), 0);
    bench_clear(&bench);
}

static void what_sqlite_calls_is_seen_and_counted(void **state)
{
    (void)state;
    assert_victim_succeeds("seen");
}

static void each_call_fails_once_in_turn(void **state)
{
    (void)state;
    assert_victim_succeeds("faults");
}

static void a_full_disk_refuses_what_grows_until_room_is_given_back(void **state)
{
    (void)state;
    assert_victim_succeeds("full");
}

static void a_slow_disk_takes_its_time(void **state)
{
    (void)state;
    assert_victim_succeeds("slow");
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_sqlite_calls_is_seen_and_counted),
        cmocka_unit_test(a_cut_takes_back_each_kind_of_change_that_no_sync_followed),
        cmocka_unit_test(a_cut_loses_no_row_that_a_synced_commit_acknowledged),
        cmocka_unit_test(a_cut_loses_rows_that_were_acknowledged_without_a_sync),
        cmocka_unit_test(each_call_fails_once_in_turn),
        cmocka_unit_test(a_full_disk_refuses_what_grows_until_room_is_given_back),
        cmocka_unit_test(a_slow_disk_takes_its_time),
    };

    for (size_t i = 0; count == 4 && i < COUNT_OF(victims); i++)
        if (strcmp(arguments[1], victims[i].name) == 0)
            return victims[i].run(arguments[2], arguments[3]);
    must(getenv("HABEAS_SHIM") != NULL, "HABEAS_SHIM must name the built shim");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
