/* The file `keys`: numbered 64-byte slots, each with one wrapped subject key, and the anchor.
 *
 * Layout, settled (all integers little-endian):
 *   0     "HABEASK1"  format u32 = 1  slot_len u32 = 64  ledger_id[16]  control u8 (test build)  zeros to 512
 *   512   anchor A (512 bytes): position u64, time_ms i64, serial u64, ledger_id[16], BLAKE2b-128 of these; zeros
 *   1024  anchor B, the same; the valid one with the higher serial counts, the other is written next
 *   4096  slot 0: salt[16], wrapped[48] = XChaCha20-Poly1305 under the account key, nonce = salt || slot number u64,
 *         bound to ledger_id || account u64 || slot u64. Zeros: empty or destroyed. A number is never used again.
 *
 * Two threads of use: the writer adds, destroys, syncs; any thread reads a slot (pread). */
#ifndef HABEAS_SEAL_KEYFILE_H
#define HABEAS_SEAL_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "seal/seal.h"

#define LEDGER_ID_LEN 16
struct ledger_id {
    unsigned char bytes[LEDGER_ID_LEN];
};
struct anchor {
    uint64_t position; /* rises with every rights command */
    int64_t time_ms;
};

struct keyfile;
/* Makes the file (0600) when it is missing and `create`; otherwise checks magic, format, control mark and anchors, and
 * that it is the file of this ledger (`id` NULL: whose it is is not asked; then `create` must be false). */
bool keyfile_open(const char *path, bool create, const struct ledger_id *id, struct keyfile **out, struct error *error);
void keyfile_close(struct keyfile *file);
const struct ledger_id *keyfile_ledger_id(const struct keyfile *file);
struct anchor keyfile_anchor(const struct keyfile *file);
/* The highest slot that holds a key, and one: the number the next new slot must be at least. (Destroyed slots at the
 * end are not seen after a reopen: the ledger knows them, the higher of both counts.) */
uint64_t keyfile_slot_count(const struct keyfile *file);

/* Writes a wrapped key into a slot that was never used (not synced). */
bool keyfile_put(struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *wrapping,
                 const struct seal_key *key, struct error *error);
/* ERROR_NOT_FOUND when the slot is empty or destroyed; ERROR_CORRUPT when it does not open or the file ends before it. */
bool keyfile_get(const struct keyfile *file, uint64_t account, uint64_t slot, const struct seal_key *wrapping,
                 struct seal_key *out, struct error *error);
/* Overwrites slots with zeros (not synced). Safe to repeat. */
bool keyfile_destroy(struct keyfile *file, const uint64_t *slots, size_t count, struct error *error);
/* Writes the anchor (not synced). Of the two copies the one that was last synced stays whole until the next sync. */
bool keyfile_set_anchor(struct keyfile *file, struct anchor anchor, struct error *error);
/* fdatasync. After a failure every later call fails: reopen at the next start. */
bool keyfile_sync(struct keyfile *file, struct error *error);

/* Wraps a key (account key, pepper) under another, with a random nonce, bound to `label`. */
#define WRAPPED_LEN (24 + SEAL_KEY_LEN + SEAL_TAG_LEN)
void key_wrap(unsigned char out[WRAPPED_LEN], const struct seal_key *key, const struct seal_key *under,
              struct str label);
bool key_unwrap(struct seal_key *out, struct str wrapped, const struct seal_key *under, struct str label);

#endif
