/* The server's limits: sizes, times and numbers of connections. */
#include "http/fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define CLOSE "Connection: close\r\n"

enum { BODY_MAX = 100000, HEAD_MAX = 16 * 1024, REQUEST_MS = 600 };

static struct fixture fixture;

static int open_fixture(void **state)
{
    struct http_limits limits = fixture_limits();

    (void)state;
    limits.request_timeout_ms = REQUEST_MS;
    limits.idle_timeout_ms = 1000;
    fixture_open(&fixture, &limits, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

/* A head, then `len` bytes of body, as one chunk when the head says so. The status. */
static int ask_with_body(const char *head, size_t len, bool is_chunked, char *reply, size_t max)
{
    char *request = malloc(len + 1000);
    int head_len = is_chunked ? snprintf(request, 900, "%s\r\n%zx\r\n", head, len)
                              : snprintf(request, 900, "%sContent-Length: %zu\r\n\r\n", head, len);
    size_t end = (size_t)head_len + len;
    int fd = client_connect(&fixture);

    memset(request + head_len, 'z', len);
    if (is_chunked) {
        memcpy(request + end, "\r\n0\r\n\r\n", 7);
        end += 7;
    }
    client_send(fd, (struct str){ request, end });
    (void)client_read_all(fd, reply, max);
    (void)close(fd);
    free(request);
    return status_of(reply);
}

static void bodies_up_to_the_limit_are_taken_and_no_further(void **state)
{
    const struct {
        const char *name;
        size_t len;
        int status;
    } cases[] = {
        { "empty", 0, 200 },
        { "one byte", 1, 200 },
        { "at the limit", BODY_MAX, 200 },
        { "past the limit", BODY_MAX + 1, 413 },
        { "far past the limit", 10 * 1000 * 1000, 413 },
    };
    char *reply = malloc(2 * BODY_MAX);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int is_chunked = 0; is_chunked <= (cases[i].len > 0); is_chunked++) {
            const char *head = is_chunked ? "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                                          : "POST /echo HTTP/1.1\r\n" HOST CLOSE;
            int status = ask_with_body(head, cases[i].len, is_chunked, reply, 2 * BODY_MAX);

            if (status != cases[i].status || (status == 200 && (size_t)times_in(reply, "z") != cases[i].len))
                fail_msg("case '%s', chunked %d: %.300s", cases[i].name, is_chunked, reply);
            if (status == 413 &&
                !strstr(reply, "{\"error\":{\"code\":\"too_large\",\"message\":\"the body is too large\"}}"))
                fail_msg("case '%s', chunked %d: %.300s", cases[i].name, is_chunked, reply);
        }
    free(reply);
}

static void a_body_is_asked_for_only_when_it_will_be_taken(void **state)
{
    char reply[2000];
    int fd = client_connect(&fixture);

    (void)state;
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST CLOSE "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 100);
    client_send(fd, STR("abcd"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 200);
    assert_non_null(strstr(reply, "network abcd"));
    (void)close(fd);
    fd = client_connect(&fixture);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 10000000\r\n\r\n"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 413);
    (void)close(fd);
}

static void strangers_may_send_a_small_body_only(void **state)
{
    enum { SMALL = 16 * 1024 };
    const struct {
        const char *name, *key;
        size_t len;
        int status;
    } cases[] = {
        { "a stranger's small one", "", SMALL, 404 },
        { "a stranger's larger one", "", SMALL + 1, 401 },
        { "a stranger's far too large one", "", BODY_MAX + 1, 401 },
        { "that of somebody known", "Authorization: Bearer x\r\n", SMALL + 1, 404 },
    };
    char reply[2000], head[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            (void)snprintf(head, sizeof head, "POST /known HTTP/1.1\r\n" HOST "%s%s", cases[i].key,
                           is_chunked ? "Transfer-Encoding: chunked\r\n" : CLOSE);
            int status = ask_with_body(head, cases[i].len, is_chunked, reply, sizeof reply);
            if (status != cases[i].status)
                fail_msg("case '%s', chunked %d: %.300s", cases[i].name, is_chunked, reply);
        }
    int fd = client_connect(&fixture);
    client_send(fd, STR("POST /known HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 90000\r\n\r\n"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 401);
    (void)close(fd);
}

/* `holders` hold 95,000 bytes each, on a path whose callers are known or may be: one of them is refused. */
static void hold_too_much(const char *path, int holders)
{
    enum { HOLDERS_MAX = 11, HELD = 95000 };
    struct fixture other;
    struct http_limits limits = fixture_limits();
    int sockets[HOLDERS_MAX], status = 0;
    char *body = malloc(HELD);
    char reply[2000], head[200];

    (void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" HOST "Content-Length: 95001\r\n\r\n", path);
    fixture_open(&other, &limits, NULL);
    memset(body, 'z', HELD);
    for (int i = 0; i < holders; i++) {
        sockets[i] = client_connect(&other);
        client_send(sockets[i], str_of(head));
        client_send(sockets[i], (struct str){ body, HELD });
    }
    /* One of them went past it, whichever was last. */
    for (int tries = 0; tries < 5000 && status == 0; tries++) {
        for (int i = 0; i < holders && status == 0; i++)
            if (recv(sockets[i], reply, 1, MSG_DONTWAIT | MSG_PEEK) > 0)
                status = client_read_reply(sockets[i], reply, sizeof reply);
        (void)usleep(1000);
    }
    assert_int_equal(status, 503);
    assert_non_null(strstr(reply, "Retry-After"));
    for (int i = 0; i < holders; i++)
        (void)close(sockets[i]);
    /* What they held is given back once the server has seen them go. */
    for (int tries = 0; tries < 200 && status != 200; tries++) {
        char request[2000] = "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 4\r\n\r\nabcd";
        status = client_ask(&other, str_of(request), reply, sizeof reply);
        (void)usleep(10000);
    }
    assert_int_equal(status, 200);
    free(body);
    fixture_close(&other);
}

static void all_bodies_together_have_a_limit(void **state)
{
    (void)state;
    hold_too_much("/echo", 11);   /* of 1,000,000 */
    hold_too_much("/perhaps", 3); /* strangers have a quarter */
}

static void heads_up_to_the_limit_are_taken_and_no_further(void **state)
{
    const struct {
        const char *name;
        int fill, status;
    } cases[] = {
        { "just under", HEAD_MAX - 60, 200 },
        { "over", HEAD_MAX, 431 },
        { "far over", 100000, 431 },
    };
    char *request = malloc(200000), *reply = malloc(200000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int len = snprintf(request, 200000, "GET /echo HTTP/1.1\r\n" HOST CLOSE "X: %0*d\r\n\r\n", cases[i].fill, 0);
        int status = client_ask(&fixture, (struct str){ request, (size_t)len }, reply, 200000);

        /* Far over, the library hangs up by itself and its reply may be lost to a reset. */
        if (status != cases[i].status && !(status == 0 && cases[i].fill == 100000))
            fail_msg("case '%s': %d %.300s", cases[i].name, status, reply);
    }
    free(request);
    free(reply);
}

/* Strange chunks must neither stop the server nor make it see another request. */
static void malformed_chunks_do_no_harm(void **state)
{
    static char extension[60000];
    char *request = malloc(sizeof(extension) + 1000), reply[4096];
    const char *const tails[] = {
        "4\r\nabc",
        "ffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
        "7fffffffffffffff\r\nabcd\r\n0\r\n\r\n",
        "4;%s\r\nabcd\r\n0\r\n\r\n",
        "-1\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabcd0\r\n\r\n",
        "4 \r\nabcd\r\n0\r\n\r\n",
        "\n4\r\nabcd\r\n0\r\n\r\n",
        "0\r\nX",
        "0\r\nX\r\n\r\n",
        "0\r\n X: a\r\n\r\n",
        "0\r\nX: %s\r\n\r\n",
        "0;%s\r\n\r\n",
        "4\n\nabcd\r\n0\r\n\r\n",
    };

    (void)state;
    memset(extension, 'e', sizeof(extension) - 1);
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        const char *place = strstr(tails[i], "%s");
        int fd = client_connect(&fixture);
        int len = snprintf(request, sizeof(extension) + 1000,
                           "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%.*s%s%s",
                           place ? (int)(place - tails[i]) : (int)strlen(tails[i]), tails[i], place ? extension : "",
                           place ? place + 2 : "");

        client_send(fd, (struct str){ request, (size_t)len });
        client_send(fd, STR("GET /smuggled HTTP/1.1\r\n" HOST "\r\n"));
        (void)client_read_all(fd, reply, sizeof(reply));
        (void)close(fd);
        assert_int_equal(fixture.smuggled, 0);
    }
    free(request);
    assert_int_equal(client_ask(&fixture, STR("GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)), 200);
}

static int64_t now_ms(void)
{
    return when_monotonic_us() / 1000;
}

static void a_request_that_trickles_is_ended(void **state)
{
    const struct {
        const char *name, *start, *bytes;
        int status; /* 0: just closed */
    } cases[] = {
        { "request line", "", "GET /echo?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
        { "headers", "GET /echo HTTP/1.1\r\n", "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          408 },
        { "body", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 408 },
        { "chunks", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
          "1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n", 408 },
        { "nothing at all", "", "", 0 },
    };
    const struct timespec pause = { .tv_nsec = 50 * 1000000 };
    char reply[2000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = client_connect(&fixture);
        int64_t start = now_ms(), took;
        ssize_t got = -1;

        client_send(fd, str_of(cases[i].start));
        for (const char *at = cases[i].bytes; *at && got < 0; at++) {
            client_send(fd, (struct str){ at, 1 });
            (void)nanosleep(&pause, NULL);
            got = recv(fd, reply, 1, MSG_DONTWAIT | MSG_PEEK);
        }
        (void)client_read_all(fd, reply, sizeof(reply));
        took = now_ms() - start;
        (void)close(fd);
        if (status_of(reply) != cases[i].status || took < REQUEST_MS - 100 || took > REQUEST_MS + 1500)
            fail_msg("case '%s': after %d ms: %s", cases[i].name, (int)took, reply);
    }
}

static void a_slow_handler_is_no_slow_request(void **state)
{
    const struct timespec pause = { .tv_sec = 1, .tv_nsec = 500 * 1000000 };
    int fd = client_connect(&fixture), begun = atomic_load(&fixture.begun);
    char reply[2000];

    (void)state;
    client_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(fixture_reaches(&fixture.begun, begun + 1));
    (void)nanosleep(&pause, NULL);
    fixture_release(&fixture);
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 202);
    (void)close(fd);
}

static void idle_connections_cost_little_and_hinder_nobody(void **state)
{
    enum { IDLE = 2000 };
    struct http_limits limits = fixture_limits();
    static struct fixture other;
    static int sockets[IDLE];
    struct http_counts counts;
    struct rlimit files;
    char reply[2000];

    (void)state;
    fixture_open(&other, &limits, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(files.rlim_cur, files.rlim_max);
    if (files.rlim_cur < 2 * IDLE + 100)
        fail_msg("this test needs %d open files, the hard limit is %lu", 2 * IDLE + 100, (unsigned long)files.rlim_cur);
    assert_int_equal(client_ask(&other, STR("GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)), 200);
    long before = resident_kib();
    for (int i = 0; i < IDLE; i++) {
        sockets[i] = client_connect(&other);
        client_send(sockets[i], STR("GET /echo HTTP/1.1\r\nX: "));
    }
    assert_int_equal(client_ask(&other, STR("GET /wait HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)), 202);
    /* A connection stands once the kernel has it; each server thread takes its share out of the backlog. */
    for (int i = 0; i < 60000; i++) {
        http_server_counts(other.server, &counts);
        if (counts.connections_open >= IDLE)
            break;
        (void)usleep(1000);
    }
    assert_true(counts.connections_open >= IDLE);
    long growth = resident_kib() - before;
    print_message("%d connections: %ld KiB\n", IDLE, growth);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose own memory is many times more */
    assert_true(growth < 40 * 1024);
#endif
    for (int i = 0; i < IDLE; i++)
        (void)close(sockets[i]);
    fixture_close(&other);
}

static void requests_are_counted(void **state)
{
    struct http_counts before, after;
    char reply[2000];

    (void)state;
    http_server_counts(fixture.server, &before);
    (void)client_ask(&fixture, STR("GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply));
    (void)client_ask(&fixture, STR("GET /echo HTTP/1.1\r\n" HOST HOST "\r\n"), reply, sizeof(reply));
    (void)client_ask(&fixture, STR("GET /echo HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n"), reply, sizeof(reply));
    http_server_counts(fixture.server, &after);
    assert_int_equal(after.requests - before.requests, 1);
    assert_int_equal(after.refused_framing - before.refused_framing, 2);
    assert_true(after.timed_out >= 5);
}

int main(void)
{
    /* The test runner's filling of fresh memory would make all of it resident. */
    (void)mallopt(M_PERTURB, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_up_to_the_limit_are_taken_and_no_further),
        cmocka_unit_test(a_body_is_asked_for_only_when_it_will_be_taken),
        cmocka_unit_test(strangers_may_send_a_small_body_only),
        cmocka_unit_test(all_bodies_together_have_a_limit),
        cmocka_unit_test(heads_up_to_the_limit_are_taken_and_no_further),
        cmocka_unit_test(malformed_chunks_do_no_harm),
        cmocka_unit_test(a_request_that_trickles_is_ended),
        cmocka_unit_test(a_slow_handler_is_no_slow_request),
        cmocka_unit_test(idle_connections_cost_little_and_hinder_nobody),
        cmocka_unit_test(requests_are_counted),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
