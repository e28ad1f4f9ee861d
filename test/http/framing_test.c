/* The framing guard against the HTTP library that is installed: what must be refused is, in whatever pieces it
 * arrives, and nothing behind it on the connection is ever taken for a request. */
#include "http/fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static struct fixture fixture;

static int open_fixture(void **state)
{
    const struct http_limits limits = fixture_limits();

    (void)state;
    fixture_open(&fixture, &limits, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

/* The library itself refuses heads that it cannot read (no colon, no number in Content-Length, no version) with a
 * page of its own; it says the head of that page twice for a wrong length. All else is refused by us, in JSON. */
static bool is_ours(const char *reply)
{
    return !strstr(reply, "<html>");
}

/* Sends the text in pieces of at most `piece` bytes; 0: cut behind each LF. */
static void send_in_pieces(int fd, struct str text, size_t piece)
{
    while (text.len > 0) {
        const char *line_end = memchr(text.at, '\n', text.len);
        size_t len = piece > 0 ? piece : line_end ? (size_t)(line_end + 1 - text.at) : text.len;

        if (len > text.len)
            len = text.len;
        client_send(fd, (struct str){ text.at, len });
        text.at += len;
        text.len -= len;
    }
}

static void ask_in_pieces(struct str request, size_t piece, char *reply, size_t max)
{
    int fd = client_connect(&fixture);

    send_in_pieces(fd, request, piece);
    send_in_pieces(fd, STR(SMUGGLED), piece);
    (void)client_read_all(fd, reply, max);
    (void)close(fd);
}

static void ambiguous_requests_are_refused_and_end_their_connection(void **state)
{
    const struct {
        const char *name;
        struct str bytes;
        int status;
    } cases[] = {
        { "both lengths",
          STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400 },
        { "both lengths, other order",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"), 400 },
        { "two equal lengths", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
          400 },
        { "two unequal lengths",
          STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 0\r\n\r\nabcd"), 400 },
        { "two lengths, other case",
          STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\ncontent-length: 5\r\n\r\nabcd"), 400 },
        { "length with a sign", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\nabcd"), 400 },
        { "negative length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\nabcd"), 400 },
        { "length in a list", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4,4\r\n\r\nabcd"), 400 },
        { "length with a word", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length:  4 x\r\n\r\nabcd"), 400 },
        { "hex length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x4\r\n\r\nabcd"), 400 },
        { "fraction", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4.0\r\n\r\nabcd"), 400 },
        { "empty length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nabcd"), 400 },
        { "length past 2^63", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\nabcd"),
          400 },
        { "length past 2^64", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551620\r\n\r\nabcd"),
          413 },
        { "unknown coding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\nabcd"), 400 },
        { "coding list", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400 },
        { "identity", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\nabcd"), 400 },
        { "chunked twice in a list",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 400 },
        { "chunked twice",
          STR("POST /echo HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
          400 },
        { "chunked in quotes", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
          400 },
        { "chunked in capitals", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
          200 },
        { "xchunked", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400 },
        { "empty coding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n0\r\n\r\n"), 400 },
        { "vertical tab before chunked",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n"),
          400 },
        { "coding in HTTP/1.0", STR("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400 },
        { "space before colon", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length : 4\r\n\r\nabcd"), 400 },
        { "tab before colon", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
          400 },
        { "space before the first name", STR("POST /echo HTTP/1.1\r\n Content-Length: 4\r\n" HOST "\r\nabcd"), 400 },
        { "folded line", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), 400 },
        { "folded with a tab", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\nY: c\r\n\r\n"), 400 },
        { "folded coding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), 400 },
        { "folded empty", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\r\n \r\n\r\n"), 400 },
        { "folded empty value", STR("POST /echo HTTP/1.1\r\n" HOST "X:\r\n \r\nY: 1\r\n\r\n"), 400 },
        { "folded last line", STR("POST /echo HTTP/1.1\r\nX: a\r\n" HOST " b\r\n\r\n"), 400 },
        { "folded three times", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\r\n b\r\n c\r\n d\r\nY: 1\r\n\r\n"), 400 },
        { "NUL in a value", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), 400 },
        { "NUL behind a value", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\0\r\n\r\n"), 400 },
        { "NUL before a value", STR("POST /echo HTTP/1.1\r\n" HOST "X:\0a\r\n\r\n"), 400 },
        { "NUL in a name", STR("POST /echo HTTP/1.1\r\n" HOST "X\0Y: a\r\n\r\n"), 400 },
        { "NUL behind chunked", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
          400 },
        { "NUL at the start of a line", STR("POST /echo HTTP/1.1\r\n" HOST "\0X: a\r\n\r\n"), 400 },
        { "NUL in the target", STR("POST /echo\0x HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "NUL in the method", STR("PO\0ST /echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "NUL behind the version", STR("POST /echo HTTP/1.1\0\r\n" HOST "\r\n"), 400 },
        { "bare CR in a value", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"), 400 },
        { "bare CR hides a header", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\rContent-Length: 4\r\n\r\nabcd"), 400 },
        { "CR CR LF", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n"), 400 },
        { "control character", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"), 400 },
        { "DEL", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n"), 400 },
        { "bare LF behind a header", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\n\r\n"), 400 },
        { "bare LF between headers", STR("POST /echo HTTP/1.1\r\n" HOST "X: a\nContent-Length: 4\r\n\r\nabcd"), 400 },
        { "bare LF behind the request line", STR("POST /echo HTTP/1.1\n" HOST "\r\n"), 400 },
        { "bare LF as the empty line", STR("POST /echo HTTP/1.1\r\n" HOST "\n"), 400 },
        { "only bare LF", STR("POST /echo HTTP/1.1\nHost: a\n\n"), 400 },
        { "empty name", STR("POST /echo HTTP/1.1\r\n" HOST ": a\r\n\r\n"), 400 },
        { "no colon", STR("POST /echo HTTP/1.1\r\n" HOST "X\r\n\r\n"), 400 },
        { "name with a bracket", STR("POST /echo HTTP/1.1\r\n" HOST "X(1): a\r\n\r\n"), 400 },
        { "name that is not ASCII", STR("POST /echo HTTP/1.1\r\n" HOST "X\xc3\xa4: a\r\n\r\n"), 400 },
        { "no Host", STR("POST /echo HTTP/1.1\r\nX: a\r\n\r\n"), 400 },
        { "no headers at all", STR("POST /echo HTTP/1.1\r\n\r\n"), 400 },
        { "two Hosts", STR("POST /echo HTTP/1.1\r\n" HOST "host: b\r\n\r\n"), 400 },
        { "two equal Hosts", STR("POST /echo HTTP/1.1\r\n" HOST HOST "\r\n"), 400 },
        { "Host with a list", STR("POST /echo HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400 },
        { "Host with a path", STR("POST /echo HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400 },
        { "Host with user info", STR("POST /echo HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400 },
        { "two spaces before the target", STR("POST  /echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "two spaces before the version", STR("POST /echo  HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "space behind the version", STR("POST /echo HTTP/1.1 \r\n" HOST "\r\n"), 400 },
        { "space in the target", STR("POST /echo x HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "tab in the target", STR("POST /echo\tx HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "target that is not ASCII", STR("POST /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "another server's target", STR("POST http://b/echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "target without a slash", STR("POST echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "no target", STR("POST HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "no version", STR("POST /echo\r\n" HOST "\r\n"), 400 },
        { "lower-case version", STR("POST /echo http/1.1\r\n" HOST "\r\n"), 400 },
        { "version with a sign", STR("POST /echo HTTP/+1.1\r\n" HOST "\r\n"), 400 },
        { "HTTP/2", STR("POST /echo HTTP/2.0\r\n" HOST "\r\n"), 505 },
        { "HTTP/0.9", STR("POST /echo HTTP/0.9\r\n" HOST "\r\n"), 505 },
        { "method that is no token", STR("PO(ST /echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { "unknown method", STR("PATCH /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd"), 405 },
        { "CONNECT", STR("CONNECT /echo HTTP/1.1\r\n" HOST "\r\n"), 405 },
        { "TRACE", STR("TRACE /echo HTTP/1.1\r\n" HOST "\r\n"), 405 },
        { "lower-case method", STR("post /echo HTTP/1.1\r\n" HOST "\r\n"), 405 },
        { "chunk size is a word", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
          400 },
        { "chunk size with a sign",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+4\r\nabcd\r\n0\r\n\r\n"), 400 },
        { "chunk size with 0x",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n"), 400 },
        { "chunk size past 2^64",
          STR("POST /echo HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\nabcd\r\n0\r\n\r\n"),
          413 },
        { "chunk longer than its size",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nabcdefgh\r\n0\r\n\r\n"), 400 },
        { "empty chunk size",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\nabcd\r\n0\r\n\r\n"), 400 },
        /* Understood, but the last of its connection. */
        { "chunked", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"),
          200 },
        { "chunk extension",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n0\r\n\r\n"), 200 },
        { "LF ends a chunk extension",
          STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4;\nabcd\r\n0\r\n\r\n"), 200 },
        { "trailers",
          STR("POST /echo HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nContent-Length: 9\r\n\r\n"),
          200 },
        { "asked to close", STR("GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200 },
        { "HTTP/1.0", STR("GET /echo HTTP/1.0\r\n\r\n"), 200 },
    };
    const size_t pieces[] = { SIZE_MAX, 1, 0 };
    char reply[8192];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            ask_in_pieces(cases[i].bytes, pieces[k], reply, sizeof(reply));
            if (status_of(reply) != cases[i].status || atomic_load(&fixture.smuggled) != 0)
                fail_msg("case '%s' in pieces of %zu: %d smuggled, reply:\n%s", cases[i].name, pieces[k],
                         atomic_load(&fixture.smuggled), reply);
            if (!strstr(reply, "Connection: close") || strstr(reply, "Server:"))
                fail_msg("case '%s': reply:\n%s", cases[i].name, reply);
            if (is_ours(reply) && (times_in(reply, "HTTP/1.1 ") != 1 || !strstr(reply, "Content-Length: ")))
                fail_msg("case '%s': reply:\n%s", cases[i].name, reply);
            if (status_of(reply) >= 400 && is_ours(reply) && !strstr(reply, "\r\n\r\n{\"error\":{\"code\":\""))
                fail_msg("case '%s': reply:\n%s", cases[i].name, reply);
        }
}

static void usual_requests_pass_and_keep_the_connection(void **state)
{
    static char long_value[12000], many[12000];
    char request[16000], reply[8192];
    const struct {
        const char *name, *head, *body;
    } cases[] = {
        { "plain", "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n", "" },
        { "IPv6 host", "GET /echo HTTP/1.1\r\nHost: [::1]:8080\r\n", "" },
        { "empty host", "GET /echo HTTP/1.1\r\nHost:\r\n", "" },
        { "white space around values", "GET /echo HTTP/1.1\r\nHost: \t a \t \r\nX:a\r\nY:\r\nZ: \r\n", "" },
        { "UTF-8 in a value", "GET /echo HTTP/1.1\r\n" HOST "X: \xc3\xa4\r\n", "" },
        { "tab in a value", "GET /echo HTTP/1.1\r\n" HOST "X: a\tb\r\n", "" },
        { "query", "GET /echo?a=b&c=%20&&d&=&e=f?g HTTP/1.1\r\n" HOST, "" },
        { "cookies", "GET /echo HTTP/1.1\r\n" HOST "Cookie: a=b; c=\"d\"; e\r\nX: a\r\n", "" },
        { "length on GET", "GET /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n", "abcd" },
        { "length with zeros", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0004\r\n", "abcd" },
        { "empty line before", "\r\nGET /echo HTTP/1.1\r\n" HOST, "" },
        { "keep-alive in HTTP/1.0", "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n", "" },
        { "long value", long_value, "" },
        { "many headers", many, "" },
    };
    const size_t pieces[] = { SIZE_MAX, 1, 0 };

    (void)state;
    (void)snprintf(long_value, sizeof(long_value), "GET /echo HTTP/1.1\r\n" HOST "X: %0*d\r\nY: b\r\n", 11000, 0);
    (void)snprintf(many, sizeof(many), "GET /echo HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 60; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "X-%d: %0100d\r\n", i, i);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            int fd = client_connect(&fixture);
            int len = snprintf(request, sizeof(request), "%s\r\n%s", cases[i].head, cases[i].body);

            for (int round = 0; round < 3; round++) {
                send_in_pieces(fd, (struct str){ request, (size_t)len }, pieces[k]);
                if (client_read_reply(fd, reply, sizeof(reply)) != 200)
                    fail_msg("case '%s', round %d: %s", cases[i].name, round, reply);
            }
            (void)close(fd);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_requests_are_refused_and_end_their_connection),
        cmocka_unit_test(usual_requests_pass_and_keep_the_connection),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
