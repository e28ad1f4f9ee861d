/* A directory of a test's own, removed with all that is in it, and raw looks at the files there. */
#ifndef HABEAS_TEST_DB_SCRATCH_H
#define HABEAS_TEST_DB_SCRATCH_H

#include <assert.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_PATH_MAX 300

struct scratch {
    char directory[SCRATCH_PATH_MAX / 2];
    char path[SCRATCH_PATH_MAX]; /* of the last scratch_path */
};

static inline void scratch_make(struct scratch *scratch)
{
    const char *base = getenv("TMPDIR");
    int len = snprintf(scratch->directory, sizeof(scratch->directory), "%s/habeas-test-XXXXXX", base ? base : "/tmp");

    assert(len > 0 && (size_t)len < sizeof(scratch->directory));
    char *made = mkdtemp(scratch->directory);
    assert(made);
}

/* Overwritten by the next call. */
static inline const char *scratch_path(struct scratch *scratch, const char *name)
{
    int len = snprintf(scratch->path, sizeof(scratch->path), "%s/%s", scratch->directory, name);

    assert(len > 0 && (size_t)len < sizeof(scratch->path));
    return scratch->path;
}

static inline int scratch_remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void scratch_remove(struct scratch *scratch)
{
    (void)nftw(scratch->directory, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* -1 when there is no such file. */
static inline long scratch_size(struct scratch *scratch, const char *name)
{
    struct stat facts;

    return stat(scratch_path(scratch, name), &facts) == 0 ? (long)facts.st_size : -1;
}

static inline unsigned scratch_mode(struct scratch *scratch, const char *name)
{
    struct stat facts;

    return stat(scratch_path(scratch, name), &facts) == 0 ? facts.st_mode & 07777u : 0;
}

/* How often these bytes stand in the file, as the disk has them. */
static inline size_t scratch_count(struct scratch *scratch, const char *name, const char *bytes)
{
    long size = scratch_size(scratch, name);
    size_t count = 0;

    if (size <= 0)
        return 0;
    char *whole = malloc((size_t)size);
    FILE *file = fopen(scratch_path(scratch, name), "rb");
    assert(whole);
    assert(file);
    size_t len = fread(whole, 1, (size_t)size, file);
    fclose(file);
    for (char *at = whole; (at = memmem(at, len - (size_t)(at - whole), bytes, strlen(bytes))); at++)
        count++;
    free(whole);
    return count;
}

/* Flips one byte of the file. */
static inline void scratch_flip(struct scratch *scratch, const char *name, long offset)
{
    FILE *file = fopen(scratch_path(scratch, name), "r+b");

    assert(file);
    int refused = fseek(file, offset, SEEK_SET);
    assert(refused == 0);
    int byte = fgetc(file);
    assert(byte != EOF);
    refused = fseek(file, offset, SEEK_SET);
    assert(refused == 0);
    fputc(byte ^ 0x5a, file);
    fclose(file);
}

#endif
