/* See directory.h. */
#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool directory_sync(const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (file < 0)
        return error_errno(error, "cannot open %s", path);
    bool ok = fsync(file) == 0 || error_errno(error, "cannot sync %s", path);
    (void)close(file);
    return ok;
}

bool directory_sync_above(const char *path, struct error *error)
{
    char above[PATH_MAX];
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--; /* "data/" lies where "data" lies */
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len >= sizeof above)
        return error_set(error, ERROR_INVALID, "a path is too long");
    (void)snprintf(above, sizeof above, "%.*s", len > 0 ? (int)len : 1, len > 0 ? path : ".");
    return directory_sync(above, error);
}

bool directory_make(const char *path, struct error *error)
{
    if (mkdir(path, 0700) == 0)
        return directory_sync_above(path, error);
    return errno == EEXIST || error_errno(error, "cannot make %s", path);
}
