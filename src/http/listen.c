/* See listen.h. */
#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

enum { BACKLOG = 1024 };

/* Cuts "HOST:PORT" or "[HOST]:PORT" into two C strings that have room for LISTEN_ADDRESS_MAX bytes each. */
static bool cut_host_port(const char *host_port, char *host, char *port)
{
    const char *colon = strrchr(host_port, ':');
    struct str text = { host_port, colon ? (size_t)(colon - host_port) : 0 };
    uint64_t number;

    if (text.len > 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
        text = (struct str){ text.at + 1, text.len - 2 };
    else if (text.len > 0 && memchr(text.at, ':', text.len))
        return false; /* an IPv6 address without its brackets */
    /* The resolver would take 99999 for another number. */
    if (text.len == 0 || text.len >= LISTEN_ADDRESS_MAX || strlen(colon + 1) > 5 ||
        !str_to_u64(str_of(colon + 1), &number) || number > UINT16_MAX)
        return false;
    memcpy(host, text.at, text.len);
    host[text.len] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static bool bind_error(const char *host_port, struct error *error)
{
    switch (errno) {
    case EADDRINUSE:
        return error_set(error, ERROR_CONFLICT,
                         "address %s is in use: stop the other program or choose another --listen", host_port);
    case EACCES:
        return error_set(error, ERROR_FORBIDDEN, "no permission to listen on %s: choose a port above 1023", host_port);
    case EADDRNOTAVAIL:
        return error_set(error, ERROR_INVALID, "address %s is not one of this machine: choose another --listen",
                         host_port);
    default:
        return error_errno(error, "cannot listen on %s", host_port);
    }
}

/* Accepted sockets inherit what is set here. */
static int open_and_listen(const struct addrinfo *at)
{
    const int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        (at->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int number = errno;
    (void)close(fd);
    errno = number;
    return -1;
}

static bool write_address(int fd, bool is_ipv6, char address[LISTEN_ADDRESS_MAX])
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char host[LISTEN_ADDRESS_MAX - 10], port[8];

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    (void)snprintf(address, LISTEN_ADDRESS_MAX, is_ipv6 ? "[%s]:%s" : "%s:%s", host, port);
    return true;
}

bool listen_check(const char *host_port, struct error *error)
{
    char host[LISTEN_ADDRESS_MAX], port[LISTEN_ADDRESS_MAX];

    return cut_host_port(host_port, host, port) ||
           error_set(error, ERROR_INVALID, "--listen must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080");
}

bool listen_tcp(const char *host_port, int *out, bool *is_ipv6, char address[LISTEN_ADDRESS_MAX], struct error *error)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    char host[LISTEN_ADDRESS_MAX], port[LISTEN_ADDRESS_MAX];
    struct addrinfo *found = NULL;

    if (!listen_check(host_port, error))
        return false;
    (void)cut_host_port(host_port, host, port); /* as just checked */
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return error_set(error, ERROR_INVALID, "the host of --listen is unknown: try 127.0.0.1:8080");
    *out = open_and_listen(found);
    *is_ipv6 = found->ai_family == AF_INET6;
    bool ok = *out >= 0 || bind_error(host_port, error);
    freeaddrinfo(found);
    if (!ok)
        return false;
    if (write_address(*out, *is_ipv6, address))
        return true;
    (void)close(*out);
    return error_set(error, ERROR_INTERNAL, "cannot tell the address that was bound");
}

bool listen_unix(const char *path, int *out, struct error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);

    if (len >= sizeof(address.sun_path))
        return error_set(error, ERROR_INVALID,
                         "the path of the control socket is longer than %zu bytes: choose a shorter --data",
                         sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(error, "cannot make the control socket");
    (void)unlink(path); /* a stale one; bind says so if something else is in the way */
    /* On Linux the file takes the mode that its socket has before bind; unlike umask this is ours alone. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *out = fd;
        return true;
    }
    (void)error_errno(error, "cannot listen on the control socket");
    (void)close(fd);
    return false;
}

void listen_raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections then, no reason not to start */
    }
}
