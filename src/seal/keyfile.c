/* The file `keys`: slots of wrapped subject keys and the anchor, in one file that is written in place, because a key
 * that is overwritten must be gone. Its layout stands in keyfile.h. Making and checking a whole file stands in
 * keyfile_open.c. */
#include "seal/keyfile.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "seal/keyfile_parts.h"
#include "seal/wrap.h"

_Static_assert(SEAL_SALT_LEN + WRAP_BODY_LEN == SLOT_LEN, "salt and wrapped key fill a slot");

bool keyfile_write(int file, const void *bytes, size_t len, off_t offset, struct error *error)
{
    const unsigned char *at = bytes;

    while (len > 0) {
        ssize_t done = pwrite(file, at, len, offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(error, "write the key file");
        at += done;
        len -= (size_t)done;
        offset += done;
    }
    return true;
}

bool keyfile_read(int file, void *bytes, size_t len, off_t offset, size_t *got, struct error *error)
{
    unsigned char *at = bytes;

    *got = 0;
    while (*got < len) {
        ssize_t done = pread(file, at + *got, len - *got, offset + (off_t)*got);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(error, "read the key file");
        if (done == 0)
            break;
        *got += (size_t)done;
    }
    return true;
}

/* Zeros are written and not only promised: a sync of a slot written over blocks that already hold something costs half
 * of one that must also note that they now do. */
bool keyfile_extend(int file, off_t end, struct error *error)
{
    static const unsigned char zeros[1 << 16];
    int refused;

    do
        refused = posix_fallocate(file, end, GROW_BYTES);
    while (refused == EINTR);
    errno = refused;
    if (refused != 0)
        return error_errno(error, "make the key file longer");
    for (off_t done = 0; done < GROW_BYTES; done += (off_t)sizeof(zeros))
        if (!keyfile_write(file, zeros, sizeof(zeros), end + done, error))
            return false;
    return true;
}

bool keyfile_sync_file(int file, struct error *error)
{
    int done;

    do
        done = fdatasync(file);
    while (done != 0 && errno == EINTR);
    return done == 0 || error_errno(error, "sync the key file");
}

static off_t slot_offset(uint64_t slot)
{
    return (off_t)(SLOTS_AT + slot * SLOT_LEN);
}

static bool keyfile_usable(const struct keyfile *file, struct error *error)
{
    return !atomic_load(&file->broken) ||
           error_set(error, ERROR_DATABASE, "the key file must be reopened after a failed sync");
}

const struct ledger_id *keyfile_ledger_id(const struct keyfile *file)
{
    return &file->id;
}

struct anchor keyfile_anchor(const struct keyfile *file)
{
    return file->anchor;
}

uint64_t keyfile_slot_count(const struct keyfile *file)
{
    return atomic_load(&file->slot_count);
}

/* ---- slots ---- */

/* What a wrapped key is bound to, so that a slot copied to another place, account or ledger does not open there. */
struct slot_bound {
    unsigned char bytes[LEDGER_ID_LEN + 2 * sizeof(uint64_t)];
};

static struct slot_bound slot_bound(const struct keyfile *file, uint64_t account, uint64_t slot)
{
    struct slot_bound bound;
    uint64_t numbers[2] = { htole64(account), htole64(slot) };

    memcpy(bound.bytes, file->id.bytes, LEDGER_ID_LEN);
    memcpy(bound.bytes + LEDGER_ID_LEN, numbers, sizeof(numbers));
    return bound;
}

static void slot_nonce(unsigned char out[WRAP_NONCE_LEN], const unsigned char salt[SEAL_SALT_LEN], uint64_t slot)
{
    uint64_t number = htole64(slot);

    memcpy(out, salt, SEAL_SALT_LEN);
    memcpy(out + SEAL_SALT_LEN, &number, sizeof(number));
}

/* Room up to this slot, in steps of GROW_BYTES. */
static bool keyfile_grow(struct keyfile *file, uint64_t slot, struct error *error)
{
    while (slot >= file->slot_room) {
        if (!keyfile_extend(file->file, slot_offset(file->slot_room), error))
            return false;
        file->slot_room += GROW_BYTES / SLOT_LEN;
    }
    return true;
}

bool keyfile_put(struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *wrapping,
                 const struct seal_key *key, struct error *error)
{
    struct slot_bound bound = slot_bound(file, account, slot);
    unsigned char bytes[SLOT_LEN], nonce[WRAP_NONCE_LEN];

    if (!keyfile_usable(file, error))
        return false;
    if (slot < keyfile_slot_count(file) || slot >= SLOT_MAX)
        return error_set(error, ERROR_INTERNAL, "key slot %llu is not a new one", (unsigned long long)slot);
    if (!keyfile_grow(file, slot, error))
        return false;
    random_bytes(bytes, SEAL_SALT_LEN);
    slot_nonce(nonce, bytes, slot);
    wrap_close(bytes + SEAL_SALT_LEN, key, nonce, (struct str){ (const char *)bound.bytes, sizeof(bound.bytes) },
               wrapping);
    if (!keyfile_write(file->file, bytes, SLOT_LEN, slot_offset(slot), error))
        return false;
    atomic_store(&file->slot_count, slot + 1);
    return true;
}

/* One look at a slot: `opened` when a key came out. */
static bool slot_look(const struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *wrapping,
                      struct seal_key *out, bool *opened, struct error *error)
{
    struct slot_bound bound = slot_bound(file, account, slot);
    unsigned char bytes[SLOT_LEN], nonce[WRAP_NONCE_LEN];
    size_t got;

    if (!keyfile_read(file->file, bytes, SLOT_LEN, slot_offset(slot), &got, error))
        return false;
    if (got < SLOT_LEN)
        return error_set(error, ERROR_CORRUPT, "the key file ends before slot %llu", (unsigned long long)slot);
    if (sodium_is_zero(bytes, SLOT_LEN))
        return error_set(error, ERROR_NOT_FOUND, "key slot %llu is empty", (unsigned long long)slot);
    slot_nonce(nonce, bytes, slot);
    *opened = wrap_open(out, bytes + SEAL_SALT_LEN, nonce,
                        (struct str){ (const char *)bound.bytes, sizeof(bound.bytes) }, wrapping);
    return true;
}

bool keyfile_get(const struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *wrapping,
                 struct seal_key *out, struct error *error)
{
    bool opened = false;

    if (!keyfile_usable(file, error))
        return false;
    if (slot >= SLOT_MAX)
        return error_set(error, ERROR_CORRUPT, "there is no key slot %llu", (unsigned long long)slot);
    /* Twice: the first look may meet the writer in the middle of destroying it. */
    for (int look = 0; look < 2 && !opened; look++)
        if (!slot_look(file, account, slot, wrapping, out, &opened, error))
            return false;
    return opened || error_set(error, ERROR_CORRUPT, "key slot %llu does not open", (unsigned long long)slot);
}

bool keyfile_destroy(struct keyfile *file, const uint64_t *slots, size_t count, struct error *error)
{
    static const unsigned char zeros[SLOT_LEN];

    if (!keyfile_usable(file, error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (slots[i] < file->slot_room && /* beyond it nothing was ever written */
            !keyfile_write(file->file, zeros, SLOT_LEN, slot_offset(slots[i]), error))
            return false;
    return true;
}

/* ---- anchor and sync ---- */

bool keyfile_set_anchor(struct keyfile *file, struct anchor anchor, struct error *error)
{
    unsigned char bytes[ANCHOR_LEN];
    /* One that no sync has seen yet is written again: the other copy is the last that is surely whole. */
    int copy = file->anchor_synced ? !file->anchor_copy : file->anchor_copy;

    if (!keyfile_usable(file, error))
        return false;
    anchor_encode(bytes, anchor, file->anchor_serial + 1, &file->id);
    file->anchor_copy = copy;
    file->anchor_synced = false;
    if (!keyfile_write(file->file, bytes, sizeof(bytes), ANCHOR_AT(copy), error))
        return false;
    file->anchor = anchor;
    file->anchor_serial++;
    return true;
}

bool keyfile_sync(struct keyfile *file, struct error *error)
{
    if (!keyfile_usable(file, error))
        return false;
    if (!keyfile_sync_file(file->file, error)) {
        atomic_store(&file->broken, true);
        return false;
    }
    file->anchor_synced = true;
    return true;
}

void keyfile_close(struct keyfile *file)
{
    if (!file)
        return;
    if (file->file >= 0)
        close(file->file);
    free(file);
}
