/* Making a key file whole or not at all, and checking one before anything trusts it. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/keyfile_parts.h"

#define FORMAT 1
#define DIGEST_LEN 16
/* As they lie in the file; all integers little-endian and naturally aligned, so there is no padding. */
struct header {
    char magic[8];
    uint32_t format, slot_len;
    unsigned char ledger_id[LEDGER_ID_LEN];
    unsigned char control;
    unsigned char zeros[HEADER_LEN - 33];
};
struct anchor_bytes {
    uint64_t position, time_ms, serial;
    unsigned char ledger_id[LEDGER_ID_LEN];
    unsigned char digest[DIGEST_LEN]; /* BLAKE2b-128 of what stands before it */
    unsigned char zeros[ANCHOR_LEN - 56];
};
_Static_assert(sizeof(struct header) == HEADER_LEN, "as in the file");
_Static_assert(sizeof(struct anchor_bytes) == ANCHOR_LEN, "as in the file");

static const char magic[8] = { 'H', 'A', 'B', 'E', 'A', 'S', 'K', '1' };

static void anchor_digest(unsigned char out[DIGEST_LEN], const struct anchor_bytes *bytes)
{
    (void)crypto_generichash(out, DIGEST_LEN, (const unsigned char *)bytes, offsetof(struct anchor_bytes, digest), NULL,
                             0);
}

void anchor_encode(unsigned char out[ANCHOR_LEN], struct anchor anchor, uint64_t serial, const struct ledger_id *id)
{
    struct anchor_bytes bytes = {
        .position = htole64(anchor.position),
        .time_ms = htole64((uint64_t)anchor.time_ms),
        .serial = htole64(serial),
    };

    memcpy(bytes.ledger_id, id->bytes, LEDGER_ID_LEN);
    anchor_digest(bytes.digest, &bytes);
    memcpy(out, &bytes, sizeof(bytes));
}

/* Takes this copy when it is whole, of this ledger, and newer than what is known. */
static void anchor_consider(struct keyfile *file, int copy, const struct anchor_bytes *bytes)
{
    unsigned char digest[DIGEST_LEN];
    uint64_t serial = le64toh(bytes->serial);

    anchor_digest(digest, bytes);
    if (memcmp(digest, bytes->digest, DIGEST_LEN) != 0 || memcmp(bytes->ledger_id, file->id.bytes, LEDGER_ID_LEN) != 0)
        return;
    if (serial <= file->anchor_serial)
        return;
    file->anchor = (struct anchor){ le64toh(bytes->position), (int64_t)le64toh(bytes->time_ms) };
    file->anchor_serial = serial;
    file->anchor_copy = copy;
    file->anchor_synced = true;
}

/* ---- checking ---- */

static bool check_header(const struct header *header, const struct ledger_id *id, struct error *error)
{
    if (memcmp(header->magic, magic, sizeof(magic)) != 0)
        return error_set(error, ERROR_INVALID, "this is not a key file");
    if (le32toh(header->format) != FORMAT || le32toh(header->slot_len) != SLOT_LEN)
        return error_set(error, ERROR_INVALID, "the key file has a format of a newer program");
    if (header->control && !seal_is_control())
        return error_set(error, ERROR_INVALID, "the key file was made by a test build that does not seal: refused");
    if (!header->control && seal_is_control())
        return error_set(error, ERROR_INVALID, "the key file belongs to sealed data: a test build must not open it");
    if (id && memcmp(header->ledger_id, id->bytes, LEDGER_ID_LEN) != 0)
        return error_set(error, ERROR_INVALID, "the key file belongs to another ledger");
    return true;
}

/* The highest slot that is not all zeros, and one; searched from the end, where the newest are. */
static bool count_slots(struct keyfile *file, struct error *error)
{
    unsigned char bytes[1024 * SLOT_LEN];
    uint64_t end = file->slot_room;

    while (end > 0) {
        uint64_t start = end > 1024 ? end - 1024 : 0;
        size_t got;

        if (!keyfile_read(file->file, bytes, (size_t)(end - start) * SLOT_LEN, (off_t)(SLOTS_AT + start * SLOT_LEN),
                          &got, error))
            return false;
        for (uint64_t slot = end; slot > start; slot--)
            if (!sodium_is_zero(bytes + (slot - 1 - start) * SLOT_LEN, SLOT_LEN)) {
                file->slot_count = slot;
                return true;
            }
        end = start;
    }
    return true;
}

static bool check_file(struct keyfile *file, const struct ledger_id *id, struct error *error)
{
    struct header header;
    struct anchor_bytes copies[2];
    struct stat facts;
    size_t got_header, got_copies;

    if (fstat(file->file, &facts) != 0)
        return error_errno(error, "look at the key file");
    if (!keyfile_read(file->file, &header, sizeof(header), 0, &got_header, error) ||
        !keyfile_read(file->file, copies, sizeof(copies), ANCHOR_AT(0), &got_copies, error))
        return false;
    if (facts.st_size < SLOTS_AT || got_header < sizeof(header) || got_copies < sizeof(copies) ||
        (facts.st_size - SLOTS_AT) % SLOT_LEN != 0)
        return error_set(error, ERROR_CORRUPT, "the key file is cut off");
    if (!check_header(&header, id, error))
        return false;
    memcpy(file->id.bytes, header.ledger_id, LEDGER_ID_LEN);
    for (int copy = 0; copy < 2; copy++)
        anchor_consider(file, copy, &copies[copy]);
    if (file->anchor_serial == 0)
        return error_set(error, ERROR_CORRUPT, "both anchors of the key file are damaged");
    file->slot_room = (uint64_t)(facts.st_size - SLOTS_AT) / SLOT_LEN;
    return count_slots(file, error);
}

/* ---- making ---- */

/* Header, a first anchor, and zeros where slots will stand. */
static bool write_new(int file, const struct ledger_id *id, struct error *error)
{
    struct header header = { .format = htole32(FORMAT), .slot_len = htole32(SLOT_LEN), .control = seal_is_control() };
    unsigned char anchor[ANCHOR_LEN];

    memcpy(header.magic, magic, sizeof(magic));
    memcpy(header.ledger_id, id->bytes, LEDGER_ID_LEN);
    anchor_encode(anchor, (struct anchor){ 0 }, 1, id);
    if (fchmod(file, 0600) != 0) /* whatever the umask */
        return error_errno(error, "set the mode of the key file");
    return keyfile_extend(file, SLOTS_AT, error) && keyfile_write(file, &header, sizeof(header), 0, error) &&
           keyfile_write(file, anchor, sizeof(anchor), ANCHOR_AT(0), error) && keyfile_sync_file(file, error);
}

static bool sync_directory_of(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int file = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = file >= 0 && fsync(file) == 0;

    if (!ok)
        (void)error_errno(error, "sync the directory of the key file");
    if (file >= 0)
        close(file);
    free(directory);
    return ok;
}

/* Under another name first: a crash leaves the whole file or none. */
static bool make_file(const char *path, const struct ledger_id *id, struct error *error)
{
    char *fresh = NULL;
    bool ok = false;
    int file;

    if (asprintf(&fresh, "%s.new", path) < 0)
        return error_set(error, ERROR_DATABASE, "out of memory");
    (void)unlink(fresh); /* left by a crash */
    file = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        (void)error_errno(error, "make the key file");
    } else {
        ok = write_new(file, id, error);
        close(file);
    }
    if (ok && rename(fresh, path) != 0)
        ok = error_errno(error, "name the key file");
    ok = ok && sync_directory_of(path, error);
    free(fresh);
    return ok;
}

/* The descriptor, or -1 with an error. */
static int open_or_make(const char *path, bool create, const struct ledger_id *id, struct error *error)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    bool is_missing = file < 0 && errno == ENOENT;

    if (is_missing && create) {
        if (!make_file(path, id, error))
            return -1;
        file = open(path, O_RDWR | O_CLOEXEC);
    }
    if (file < 0) {
        (void)error_errno(error, "open the key file");
        if (is_missing)
            error->code = ERROR_NOT_FOUND;
    }
    return file;
}

bool keyfile_open(const char *path, bool create, const struct ledger_id *id, struct keyfile **out, struct error *error)
{
    struct keyfile *file = calloc(1, sizeof(*file));

    assert(id || !create);
    if (!file)
        return error_set(error, ERROR_DATABASE, "out of memory");
    file->file = open_or_make(path, create, id, error);
    if (file->file < 0 || !check_file(file, id, error)) {
        keyfile_close(file);
        return false;
    }
    *out = file;
    return true;
}
