/* A real server on a free port of 127.0.0.1, a small handler whose paths each do one thing, and raw sockets. */
#ifndef HABEAS_TEST_HTTP_FIXTURE_H
#define HABEAS_TEST_HTTP_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/server.h"

enum { FIXTURE_QUEUE = 256 };

/* What the handler does:
 *   /echo       replies at once: method, path, query, door and body
 *   /wait       is resumed by another thread
 *   /hold       is resumed by fixture_release
 *   /race       is resumed by another thread before `begin` has returned
 *   /stream     replies in pieces: "head", then 40 pieces of 20,000 bytes
 *   /broken     the same, but fails at the 20th piece
 *   /endless    a stream that only the client ends
 *   /smuggled   counts in `smuggled`: no test ever asks for it openly
 *   others      404 */
struct fixture {
    struct http_server *server;
    struct when_clock clock;
    int port;
    pthread_t resumer;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct http_exchange *queue[FIXTURE_QUEUE], *held[FIXTURE_QUEUE];
    size_t queue_len, held_len;
    bool stopping;
    atomic_int smuggled, begun, finished, streams_open, streams_ended;
};

struct http_limits fixture_limits(void);
void fixture_open(struct fixture *fixture, const struct http_limits *limits, const char *control_path);
void fixture_close(struct fixture *fixture);
/* Resumes all that came to /hold. */
void fixture_release(struct fixture *fixture);
/* Waits at most 5 s until the counter has this value. */
bool fixture_reaches(atomic_int *counter, int value);

/* A connected socket that gives up reading after 5 s. */
int client_connect(const struct fixture *fixture);
void client_send(int fd, struct str bytes); /* a server that hangs up meanwhile is fine */
/* All until the server closes, NUL-terminated in `out`; the length. */
size_t client_read_all(int fd, char *out, size_t max);
/* One reply with a Content-Length, NUL-terminated; its status, or 0 when the connection ends before. */
int client_read_reply(int fd, char *out, size_t max);
/* Connects, sends, reads until the server closes; the status of the first reply, or 0. */
int client_ask(const struct fixture *fixture, struct str request, char *out, size_t max);
int status_of(const char *reply);
/* How often `word` stands in `text`. */
int times_in(const char *text, const char *word);
long resident_kib(void);

#endif
