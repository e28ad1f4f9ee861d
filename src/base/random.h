/* Random bytes from the kernel, by libsodium. */
#ifndef HABEAS_BASE_RANDOM_H
#define HABEAS_BASE_RANDOM_H

#include <stddef.h>

void random_bytes(void *out, size_t len);

#endif
