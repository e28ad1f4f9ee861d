/* A clock that is ahead of the machine's by HABEAS_CLOCK_AHEAD_S seconds, preloaded into an unmodified release program:
 * a day's end without waiting for it. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const char *ahead = getenv("HABEAS_CLOCK_AHEAD_S");

    if (syscall(SYS_clock_gettime, clock, out) != 0)
        return -1;
    if (clock == CLOCK_REALTIME && ahead)
        out->tv_sec += atol(ahead);
    return 0;
}
