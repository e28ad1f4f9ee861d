/* The server's ways of replying: at once, resumed by another thread, in pieces; and its two doors. */
#include "http/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define CLOSE "Connection: close\r\n"

static struct fixture fixture;
static char control_path[] = "/tmp/habeas-http-XXXXXX\0control";

static int open_fixture(void **state)
{
    struct http_limits limits = fixture_limits();
    int stale;

    (void)state;
    assert_non_null(mkdtemp(control_path));
    control_path[strlen(control_path)] = '/';
    stale = open(control_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(stale >= 0);
    (void)close(stale);
    fixture_open(&fixture, &limits, control_path);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    (void)unlink(control_path);
    *strrchr(control_path, '/') = '\0';
    (void)rmdir(control_path);
    return 0;
}

static void requests_reach_the_handler_as_they_were_sent(void **state)
{
    const struct {
        const char *name, *request, *body;
    } cases[] = {
        { "GET", "GET /echo/a%2Fb?c=%20+d HTTP/1.1\r\n" HOST CLOSE "\r\n", "GET /echo/a%2Fb ?c=%20+d network " },
        { "POST", "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 4\r\n\r\nabcd", "POST /echo ? network abcd" },
        { "PUT", "PUT /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 0\r\n\r\n", "PUT /echo ? network " },
        { "DELETE", "DELETE /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "DELETE /echo ? network " },
        { "OPTIONS", "OPTIONS /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "OPTIONS /echo ? network " },
        { "chunked",
          "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n",
          "POST /echo ? network abcdef" },
        { "question mark in the query", "GET /echo?a?b HTTP/1.1\r\n" HOST CLOSE "\r\n", "GET /echo ?a?b network " },
    };
    char reply[4096];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int status = client_ask(&fixture, str_of(cases[i].request), reply, sizeof(reply));
        const char *body = strstr(reply, "\r\n\r\n");

        if (status != 200 || !body || strcmp(body + 4, cases[i].body) != 0)
            fail_msg("case '%s': %s", cases[i].name, reply);
    }
}

static void head_is_get_without_a_body(void **state)
{
    char reply[4096];

    (void)state;
    assert_int_equal(client_ask(&fixture, STR("HEAD /echo HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)), 200);
    assert_non_null(strstr(reply, "Content-Length: 21\r\n"));
    assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(client_ask(&fixture, STR("HEAD /stream HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)),
                     200);
    assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
    assert_true(fixture_reaches(&fixture.streams_ended, fixture.streams_open));
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    const struct str both = STR("POST /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd"
                                "GET /wait HTTP/1.1\r\n" HOST "\r\nGET /echo/2 HTTP/1.1\r\n" HOST CLOSE "\r\n");
    char reply[4096];

    (void)state;
    assert_int_equal(client_ask(&fixture, both, reply, sizeof(reply)), 200);
    assert_int_equal(times_in(reply, "HTTP/1.1 "), 3);
    assert_true(strstr(reply, "/echo/1 ? network abcd") < strstr(reply, "GET /wait"));
    assert_true(strstr(reply, "GET /wait") < strstr(reply, "GET /echo/2"));
}

/* What each of many clients does at once. */
struct client {
    const char *path;
    int rounds, good;
};

static void *ask_again_and_again(void *arg)
{
    struct client *client = arg;
    char request[200], reply[1024];
    int fd = client_connect(&fixture);
    int len =
        snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd", client->path);

    for (int i = 0; i < client->rounds; i++) {
        client_send(fd, (struct str){ request, (size_t)len });
        if (client_read_reply(fd, reply, sizeof(reply)) == 202 && strstr(reply, "network abcd"))
            client->good++;
    }
    (void)close(fd);
    return NULL;
}

static void resumed_requests_are_answered_under_many_clients(void **state)
{
    enum { CLIENTS = 32, ROUNDS = 100 };
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    int good = 0, finished = atomic_load(&fixture.finished);

    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .path = "/wait", .rounds = ROUNDS };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_again_and_again, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        good += clients[i].good;
    }
    assert_int_equal(good, CLIENTS * ROUNDS);
    assert_int_equal(fixture.finished - finished, CLIENTS * ROUNDS);
}

static void a_request_may_be_resumed_before_its_handler_returns(void **state)
{
    struct client client = { .path = "/race", .rounds = 50 };

    (void)state;
    (void)ask_again_and_again(&client);
    assert_int_equal(client.good, 50);
}

static void a_client_that_goes_while_it_waits_leaves_nothing_behind(void **state)
{
    int begun = atomic_load(&fixture.begun), finished = atomic_load(&fixture.finished);
    char reply[1024];

    (void)state;
    for (int i = 0; i < 20; i++) {
        int fd = client_connect(&fixture);
        const struct linger at_once = { .l_onoff = 1 };

        client_send(fd, STR("POST /hold HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd"));
        assert_true(fixture_reaches(&fixture.begun, begun + i + 1));
        if (i % 2)
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        (void)close(fd);
    }
    fixture_release(&fixture);
    assert_true(fixture_reaches(&fixture.finished, finished + 20));
    assert_int_equal(client_ask(&fixture, STR("GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n"), reply, sizeof(reply)), 200);
}

enum { STREAM_LEN = 4 + 40 * 20000 };

/* Joins the chunks; -1 where the last one is missing. */
static long dechunk(const char *reply, size_t len, bool *is_whole)
{
    const char *at = strstr(reply, "\r\n\r\n"), *end = reply + len;
    long sum = 0;

    *is_whole = false;
    for (at = at ? at + 4 : end; at < end;) {
        char *digits_end;
        long size = strtol(at, &digits_end, 16);

        if (size == 0) {
            *is_whole = strcmp(digits_end, "\r\n\r\n") == 0;
            return sum;
        }
        if (end - digits_end < size + 4)
            return sum;
        sum += size;
        at = digits_end + size + 4;
    }
    return sum;
}

static void streams_arrive_whole_or_are_seen_to_be_broken_off(void **state)
{
    const struct {
        const char *name, *request;
        bool is_whole;
    } cases[] = {
        { "whole", "GET /stream HTTP/1.1\r\n" HOST CLOSE "\r\n", true },
        { "broken off", "GET /broken HTTP/1.1\r\n" HOST "\r\n", false },
    };
    char *reply = malloc(2 * STREAM_LEN);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = client_connect(&fixture);
        bool is_whole;

        client_send(fd, str_of(cases[i].request));
        size_t len = client_read_all(fd, reply, 2 * STREAM_LEN);
        long sum = dechunk(reply, len, &is_whole);
        (void)close(fd);
        assert_non_null(strstr(reply, "Transfer-Encoding: chunked\r\n"));
        if (is_whole != cases[i].is_whole || (is_whole && sum != STREAM_LEN) || (!is_whole && sum >= STREAM_LEN))
            fail_msg("case '%s': %ld bytes, whole %d", cases[i].name, sum, is_whole);
    }
    free(reply);
    assert_true(fixture_reaches(&fixture.streams_ended, fixture.streams_open));
}

static void a_stream_ends_once_when_its_client_goes(void **state)
{
    int opened = atomic_load(&fixture.streams_open);
    char some[1000];

    (void)state;
    for (int i = 0; i < 10; i++) {
        int fd = client_connect(&fixture);

        client_send(fd, STR("GET /endless HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(recv(fd, some, sizeof(some), 0) > 0);
        (void)close(fd);
    }
    assert_true(fixture_reaches(&fixture.streams_ended, opened + 10));
    assert_int_equal(fixture.streams_open, opened + 10);
}

static void the_control_socket_is_private_and_tells_its_door(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat status;
    char reply[1024];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(stat(control_path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0600);
    memcpy(address.sun_path, control_path, strlen(control_path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 200);
    assert_non_null(strstr(reply, "POST /echo ? control abcd"));
    client_send(fd, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(client_read_reply(fd, reply, sizeof(reply)), 202);
    (void)close(fd);
}

static void a_listen_address_that_cannot_be_had_says_what_to_do(void **state)
{
    const struct http_limits limits = fixture_limits();
    const struct http_handler handler = { 0 };
    char taken[64], expected[200];
    const struct {
        const char *listen, *text;
    } cases[] = {
        { taken, expected },
        { "127.0.0.1", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { ":8080", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "::1:8080", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "127.0.0.1:", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "127.0.0.1:http", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "127.0.0.1:65536", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "127.0.0.1:99999", "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080" },
        { "256.0.0.1.:8080", "the host of --listen is unknown: try 127.0.0.1:8080" },
        { "198.51.100.7:8080", "address 198.51.100.7:8080 is not one of this machine: choose another --listen" },
    };

    (void)state;
    (void)snprintf(taken, sizeof(taken), "127.0.0.1:%d", fixture.port);
    (void)snprintf(expected, sizeof(expected),
                   "address %s is in use: stop the other program or choose another --listen", taken);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_server *server = NULL;
        struct error error = { 0 };

        assert_false(http_server_open(cases[i].listen, NULL, &limits, &handler, &fixture.clock, &server, &error));
        assert_string_equal(error.text, cases[i].text);
    }
}

static void it_listens_on_ipv6_and_on_names(void **state)
{
    const struct http_limits limits = fixture_limits();
    const struct http_handler handler = { 0 };
    const struct {
        const char *listen, *starts, *others;
    } cases[] = {
        { "[::1]:0", "[::1]:", "[::1]:" },
        { "localhost:0", "127.0.0.1:", "[::1]:" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_server *server = NULL;
        struct error error = { 0 };

        if (!http_server_open(cases[i].listen, NULL, &limits, &handler, &fixture.clock, &server, &error)) {
            if (i == 0 && strstr(error.text, "not one of this machine"))
                continue; /* a machine without IPv6 */
            fail_msg("%s", error.text);
        }
        struct str address = str_of(http_server_address(server));
        assert_true(str_starts(address, str_of(cases[i].starts)) || str_starts(address, str_of(cases[i].others)));
        http_server_close(server);
    }
}

static void what_was_begun_is_answered_before_the_server_ends(void **state)
{
    const struct http_limits limits = fixture_limits();
    static struct fixture other;
    char reply[1024];

    (void)state;
    fixture_open(&other, &limits, NULL);
    int waiting = client_connect(&other), idle = client_connect(&other);
    client_send(waiting, STR("POST /hold HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd"));
    client_send(idle, STR("GET /echo HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(client_read_reply(idle, reply, sizeof(reply)), 200);
    assert_true(fixture_reaches(&other.begun, 2));
    http_server_quiesce(other.server, 50);
    client_send(idle, STR("GET /echo HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(client_read_reply(idle, reply, sizeof(reply)), 503);
    fixture_release(&other);
    fixture_close(&other);
    assert_int_equal(client_read_reply(waiting, reply, sizeof(reply)), 202);
    assert_non_null(strstr(reply, "Connection: close"));
    assert_int_equal(other.begun, 2);
    (void)close(waiting);
    (void)close(idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_reach_the_handler_as_they_were_sent),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(resumed_requests_are_answered_under_many_clients),
        cmocka_unit_test(a_request_may_be_resumed_before_its_handler_returns),
        cmocka_unit_test(a_client_that_goes_while_it_waits_leaves_nothing_behind),
        cmocka_unit_test(streams_arrive_whole_or_are_seen_to_be_broken_off),
        cmocka_unit_test(a_stream_ends_once_when_its_client_goes),
        cmocka_unit_test(the_control_socket_is_private_and_tells_its_door),
        cmocka_unit_test(a_listen_address_that_cannot_be_had_says_what_to_do),
        cmocka_unit_test(it_listens_on_ipv6_and_on_names),
        cmocka_unit_test(what_was_begun_is_answered_before_the_server_ends),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
