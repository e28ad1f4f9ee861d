/* Listening sockets: made here, so that errors say what to do and the Unix socket is private from its first moment. */
#ifndef HABEAS_HTTP_LISTEN_H
#define HABEAS_HTTP_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

/* "[2001:db8::1]:65535" with a scope, and its NUL. */
#define LISTEN_ADDRESS_MAX 96

/* Listens on HOST:PORT; `address` gets the address as bound, port 0 resolved. The socket does not block. */
/* Whether it is written as HOST:PORT at all; says so when not. */
bool listen_check(const char *host_port, struct error *error);
bool listen_tcp(const char *host_port, int *out, bool *is_ipv6, char address[LISTEN_ADDRESS_MAX], struct error *error);
/* Listens on a Unix socket of mode 0600, in place of a stale one: the caller holds the lock of its directory. */
bool listen_unix(const char *path, int *out, struct error *error);
/* As many open files as the system lets this process have: each connection is one. */
void listen_raise_file_limit(void);

#endif
