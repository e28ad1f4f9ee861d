/* Random bytes from the kernel, by libsodium. */
#include "base/random.h"

#include <assert.h>
#include <sodium.h>

void random_bytes(void *out, size_t len)
{
    /* Cheap after the first call; here so that nobody can draw before the source is ready. */
    int ready = sodium_init();

    assert(ready >= 0);
    randombytes_buf(out, len);
}
