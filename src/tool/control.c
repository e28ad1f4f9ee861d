/* See control.h. */
#include "tool/control.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 10000, SILENCE_TIMEOUT_S = 300, TARGET_MAX_BYTES = 16 * 1024 };

bool control_path_open(const char *data, struct control_path *out, struct error *error)
{
    int len = snprintf(out->text, sizeof out->text, "%s/control", data);

    out->directory = -1;
    if (len > 0 && (size_t)len < sizeof out->text)
        return true;
    out->directory = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out->directory < 0)
        return error_errno(error, "cannot open %s", data);
    (void)snprintf(out->text, sizeof out->text, "/proc/self/fd/%d/control", out->directory);
    return true;
}

void control_path_close(struct control_path *path)
{
    if (path->directory >= 0)
        (void)close(path->directory);
    path->directory = -1;
}

bool control_answers(const struct control_path *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    memcpy(address.sun_path, path->text, sizeof path->text);
    bool answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    int number = errno;
    (void)close(fd);
    errno = number;
    return answers;
}

/* ---- one call ---- */

const char *control_method(enum http_method method)
{
    static const char *const names[HTTP_METHODS] = {
        [HTTP_GET] = "GET",       [HTTP_POST] = "POST", [HTTP_PUT] = "PUT",
        [HTTP_DELETE] = "DELETE", [HTTP_HEAD] = "HEAD", [HTTP_OPTIONS] = "OPTIONS",
    };

    return names[method];
}

/* Where an answer goes, known once its status is. */
struct sink {
    CURL *handle;
    struct buf *out;
    FILE *stream;
    bool failed;
};

static bool sink_streams(const struct sink *sink)
{
    long status = 0;

    (void)curl_easy_getinfo(sink->handle, CURLINFO_RESPONSE_CODE, &status);
    return sink->stream && status >= 200 && status <= 299;
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct sink *sink = arg;
    size_t len = size * count;

    if (sink_streams(sink)) {
        sink->failed = fwrite(bytes, 1, len, sink->stream) != len;
    } else {
        buf_add(sink->out, (struct str){ bytes, len });
        sink->failed = sink->out->overflowed;
    }
    return sink->failed ? 0 : len;
}

/* The socket leads nowhere but to DIR's own server: no proxy, no redirect, no other protocol. */
static bool set_options(CURL *handle, const struct control_path *path, const char *url, struct sink *sink,
                        struct curl_slist *headers)
{
    return curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, path->text) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_TIMEOUT_S) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(handle, CURLOPT_WRITEDATA, sink) == CURLE_OK;
}

static bool set_method(CURL *handle, enum http_method method, struct str body)
{
    if (method == HTTP_GET)
        return curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    if ((method == HTTP_POST || body.len > 0) &&
        (curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) != CURLE_OK ||
         curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.len > 0 ? body.at : "") != CURLE_OK))
        return false;
    return curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, control_method(method)) == CURLE_OK;
}

static bool explain(CURLcode code, const struct sink *sink, struct error *error)
{
    if (code == CURLE_OK)
        return true;
    if (sink->failed && sink->out->overflowed)
        return error_set(error, ERROR_TOO_LARGE, "the server's answer is larger than expected");
    if (sink->failed)
        return error_set(error, ERROR_FULL, "the output could not be written: look at where it goes");
    if (code == CURLE_COULDNT_CONNECT)
        return error_set(error, ERROR_BUSY, "the server stopped taking calls: try again");
    return error_set(error, ERROR_BUSY, "the server's answer broke off (%s): look at its log, then try again",
                     curl_easy_strerror(code));
}

static bool perform(CURL *handle, const struct sink *sink, int *status, struct error *error)
{
    long code = 0;

    if (!explain(curl_easy_perform(handle), sink, error))
        return false;
    (void)curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
    *status = (int)code;
    return true;
}

bool control_call(const struct control_path *path, enum http_method method, struct str target, struct str body,
                  int *status, struct buf *out, FILE *stream, struct error *error)
{
    char url[TARGET_MAX_BYTES];
    int len = snprintf(url, sizeof url, "http://localhost%.*s", STR_ARG(target));
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *handle = curl_easy_init();
    struct sink sink = { handle, out, stream, false };
    bool ok;

    if (len < 0 || (size_t)len >= sizeof url)
        ok = error_set(error, ERROR_TOO_LARGE, "what was given is too long for a call");
    else if (!handle || !headers || !set_options(handle, path, url, &sink, headers) ||
             !set_method(handle, method, body))
        ok = error_set(error, ERROR_INTERNAL, "libcurl does not start: is there memory left?");
    else
        ok = perform(handle, &sink, status, error);
    curl_easy_cleanup(handle);
    curl_slist_free_all(headers);
    return ok;
}
