/* What the two files of the key file share: its places and its handle. Inside seal/ only. */
#ifndef HABEAS_SEAL_KEYFILE_PARTS_H
#define HABEAS_SEAL_KEYFILE_PARTS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "seal/keyfile.h"

#define HEADER_LEN 512
#define ANCHOR_LEN 512
#define ANCHOR_AT(copy) ((off_t)(HEADER_LEN + (copy)*ANCHOR_LEN))
#define SLOTS_AT 4096
#define SLOT_LEN 64
/* Far above any number of people; keeps offsets in their range. */
#define SLOT_MAX (UINT64_C(1) << 40)
#define GROW_BYTES (1 << 20)

struct keyfile {
    int file;
    struct ledger_id id;
    struct anchor anchor;
    uint64_t anchor_serial;
    int anchor_copy;    /* where the anchor stands: 0 or 1 */
    bool anchor_synced; /* it was there at the last sync */
    uint64_t slot_room; /* slots the file has bytes for */
    _Atomic uint64_t slot_count;
    atomic_bool broken;
};

/* All of it, over short writes and interruptions. */
bool keyfile_write(int file, const void *bytes, size_t len, off_t offset, struct error *error);
/* As much as there is: `got` is less than `len` only at the end of the file. */
bool keyfile_read(int file, void *bytes, size_t len, off_t offset, size_t *got, struct error *error);
/* GROW_BYTES of zeros at the end, which is at `end`. */
bool keyfile_extend(int file, off_t end, struct error *error);
bool keyfile_sync_file(int file, struct error *error);
void anchor_encode(unsigned char out[ANCHOR_LEN], struct anchor anchor, uint64_t serial, const struct ledger_id *id);

#endif
