/* See fixture.h. */
#include "http/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECES = 40, PIECE_LEN = 20000 };

struct pieces {
    struct fixture *fixture;
    int sent, fails_at, count;
};

static void short_sleep(void)
{
    const struct timespec span = { .tv_nsec = 1000000 };

    (void)nanosleep(&span, NULL);
}

static bool next_piece(void *arg, struct buf *out, bool *more, struct error *error)
{
    struct pieces *pieces = arg;
    char *room = buf_room(out, PIECE_LEN);

    if (++pieces->sent == pieces->fails_at)
        return error_set(error, ERROR_INTERNAL, "made to fail");
    if (!room)
        return false;
    memset(room, 'a' + pieces->sent % 26, PIECE_LEN);
    out->len += PIECE_LEN;
    *more = pieces->sent != pieces->count;
    return true;
}

static void end_pieces(void *arg)
{
    struct pieces *pieces = arg;

    atomic_fetch_add(&pieces->fixture->streams_ended, 1);
    free(pieces);
}

static void reply_stream(struct fixture *fixture, struct http_reply *reply, int fails_at, int count)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));

    *pieces = (struct pieces){ .fixture = fixture, .fails_at = fails_at, .count = count };
    atomic_fetch_add(&fixture->streams_open, 1);
    buf_add(&reply->body, STR("head"));
    reply->stream = next_piece;
    reply->stream_end = end_pieces;
    reply->stream_arg = pieces;
}

static void reply_echo(const struct http_request *request, struct http_reply *reply)
{
    static const char *const names[] = { "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS" };

    reply->content_type = STR("text/plain");
    buf_addf(&reply->body, "%s %.*s ?%.*s %s ", names[request->method], STR_ARG(request->path), STR_ARG(request->query),
             request->door == DOOR_CONTROL ? "control" : "network");
    buf_add(&reply->body, request->body);
}

static void put_in_queue(struct fixture *fixture, struct http_exchange **queue, size_t *len,
                         struct http_exchange *exchange)
{
    pthread_mutex_lock(&fixture->mutex);
    assert_true(*len < FIXTURE_QUEUE);
    queue[(*len)++] = exchange;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->mutex);
}

static enum http_next begin(void *arg, struct http_exchange *exchange, struct http_request *request,
                            struct http_reply *reply)
{
    struct fixture *fixture = arg;
    struct str path = request->path;

    atomic_fetch_add(&fixture->begun, 1);
    if (str_equal(path, STR("/smuggled")))
        atomic_fetch_add(&fixture->smuggled, 1);
    if (str_equal(path, STR("/wait")) || str_equal(path, STR("/race"))) {
        atomic_bool *is_resumed = str_equal(path, STR("/race")) ? calloc(1, sizeof(*is_resumed)) : NULL;

        http_set_state(exchange, is_resumed);
        put_in_queue(fixture, fixture->queue, &fixture->queue_len, exchange);
        while (is_resumed && !atomic_load(is_resumed))
            short_sleep();
        free(is_resumed);
        return HTTP_WAIT;
    }
    if (str_equal(path, STR("/hold"))) {
        put_in_queue(fixture, fixture->held, &fixture->held_len, exchange);
        return HTTP_WAIT;
    }
    if (str_equal(path, STR("/stream")))
        reply_stream(fixture, reply, 0, PIECES);
    else if (str_equal(path, STR("/broken")))
        reply_stream(fixture, reply, PIECES / 2, PIECES);
    else if (str_equal(path, STR("/endless")))
        reply_stream(fixture, reply, 0, -1);
    else if (str_starts(path, STR("/echo")))
        reply_echo(request, reply);
    else
        reply->status = 404;
    return HTTP_DONE;
}

/* Only /known asks who calls. */
static enum http_admission admits(void *arg, struct http_request *request)
{
    (void)arg;
    if (str_equal(request->path, STR("/perhaps")))
        return ADMIT_PERHAPS;
    return !str_equal(request->path, STR("/known")) || request->authorization.len > 0 ? ADMIT_YES : ADMIT_NO;
}

static void finish(void *arg, struct http_exchange *exchange, struct http_request *request, struct http_reply *reply)
{
    struct fixture *fixture = arg;

    (void)exchange;
    atomic_fetch_add(&fixture->finished, 1);
    reply->status = 202;
    reply_echo(request, reply);
}

/* Takes the newest out of the queue; NULL once the fixture closes. */
static struct http_exchange *take_from_queue(struct fixture *fixture)
{
    struct http_exchange *exchange = NULL;

    pthread_mutex_lock(&fixture->mutex);
    while (fixture->queue_len == 0 && !fixture->stopping)
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    if (fixture->queue_len > 0)
        exchange = fixture->queue[--fixture->queue_len];
    pthread_mutex_unlock(&fixture->mutex);
    return exchange;
}

static void *resume_all(void *arg)
{
    struct fixture *fixture = arg;
    struct http_exchange *exchange;

    while ((exchange = take_from_queue(fixture))) {
        atomic_bool *is_resumed = http_state(exchange);

        http_resume(exchange);
        if (is_resumed)
            atomic_store(is_resumed, true);
    }
    return NULL;
}

struct http_limits fixture_limits(void)
{
    return (struct http_limits){ .body_max_bytes = 100000,
                                 .bodies_max_bytes = 1000000,
                                 .head_max_bytes = 16 * 1024,
                                 .idle_timeout_ms = 20000,
                                 .request_timeout_ms = 20000,
                                 .connections_max = 10000,
                                 .threads = 2 };
}

void fixture_open(struct fixture *fixture, const struct http_limits *limits, const char *control_path)
{
    const struct http_handler handler = { fixture, begin, finish, NULL, admits };
    struct error error = { 0 };

    memset(fixture, 0, sizeof(*fixture));
    pthread_mutex_init(&fixture->mutex, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    assert_int_equal(pthread_create(&fixture->resumer, NULL, resume_all, fixture), 0);
    if (!http_server_open("127.0.0.1:0", control_path, limits, &handler, &fixture->clock, &fixture->server, &error))
        fail_msg("%s", error.text);
    assert_int_equal(sscanf(http_server_address(fixture->server), "127.0.0.1:%d", &fixture->port), 1);
}

void fixture_close(struct fixture *fixture)
{
    http_server_quiesce(fixture->server, 1000);
    http_server_close(fixture->server);
    pthread_mutex_lock(&fixture->mutex);
    fixture->stopping = true;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->mutex);
    pthread_join(fixture->resumer, NULL);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->mutex);
    assert_int_equal(fixture->streams_open, fixture->streams_ended);
}

void fixture_release(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->mutex);
    while (fixture->held_len > 0)
        http_resume(fixture->held[--fixture->held_len]);
    pthread_mutex_unlock(&fixture->mutex);
}

bool fixture_reaches(atomic_int *counter, int value)
{
    for (int i = 0; i < 5000 && atomic_load(counter) != value; i++)
        short_sleep();
    return atomic_load(counter) == value;
}

int client_connect(const struct fixture *fixture)
{
    const struct timeval patience = { .tv_sec = 5 };
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)fixture->port),
                                         .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

void client_send(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        bytes.at += sent;
        bytes.len -= (size_t)sent;
    }
}

size_t client_read_all(int fd, char *out, size_t max)
{
    size_t len = 0;
    ssize_t got = 1;

    while (got > 0 && len + 1 < max) {
        got = recv(fd, out + len, max - 1 - len, 0);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("the server neither replied nor closed");
    }
    out[len] = '\0';
    return len;
}

int status_of(const char *reply)
{
    int status = 0;

    return sscanf(reply, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

int client_read_reply(int fd, char *out, size_t max)
{
    size_t len = 0, wanted = max - 1;

    while (len < wanted) {
        char *head_end;
        const char *length;
        ssize_t got = recv(fd, out + len, 1, 0);

        if (got <= 0)
            return 0;
        out[++len] = '\0';
        head_end = wanted == max - 1 ? strstr(out, "\r\n\r\n") : NULL;
        if (head_end) {
            length = strstr(out, "Content-Length: ");
            wanted = (size_t)(head_end + 4 - out) + (length ? strtoul(length + 16, NULL, 10) : 0);
            assert_true(wanted < max);
        }
    }
    return status_of(out);
}

int client_ask(const struct fixture *fixture, struct str request, char *out, size_t max)
{
    int fd = client_connect(fixture);

    client_send(fd, request);
    (void)client_read_all(fd, out, max);
    (void)close(fd);
    return status_of(out);
}

int times_in(const char *text, const char *word)
{
    int count = 0;

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        count++;
    return count;
}

long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &pages, &resident), 2);
    (void)fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}
