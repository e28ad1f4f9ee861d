/* The audit chain: append-only segments audit/NNNN, one line an entry: hex SHA-256 over (previous hash, entry), a space,
 * the entry as JSON. No identifiers: a subject is named by HMAC(subject key, "audit"), which means something to nobody
 * once the key is gone. Entries are written and fsynced before ledger.db stores the head; what lies past the head
 * belongs to nothing that was answered and is cut at start. */
#ifndef HABEAS_LEDGER_AUDIT_H
#define HABEAS_LEDGER_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define AUDIT_HASH_LEN 32
#define AUDIT_SEGMENT_BYTES (16 * 1024 * 1024)

struct audit_head {
    uint64_t count;
    unsigned char hash[AUDIT_HASH_LEN];
    uint32_t segment;
    int64_t bytes; /* of that segment */
};

/* One entry. `act` and `reason` are fixed words; zero members are left out. */
struct audit_entry {
    int64_t at_ms;
    const char *act;
    uint32_t account, credential;
    const char *route;
    bool has_subject;
    unsigned char subject[16];
    uint64_t request;
    const char *reason;
    int64_t count;
};

struct audit;
/* Cuts what lies past the head; *cut tells whether something did. */
bool audit_open(const char *directory, const struct audit_head *head, struct audit **out, bool *cut,
                struct error *error);
void audit_close(struct audit *audit);
/* Adds to the open group (memory only). */
bool audit_add(struct audit *audit, const struct audit_entry *entry, struct error *error);
size_t audit_mark(const struct audit *audit);
void audit_undo(struct audit *audit, size_t mark); /* forgets what was added since */
bool audit_has_work(const struct audit *audit);
/* Writes and fsyncs the group; *head is what the ledger must store. The group is over only by audit_settle. */
bool audit_write(struct audit *audit, struct audit_head *head, struct error *error);
/* The ledger has stored the head (committed), or has not. */
void audit_settle(struct audit *audit, bool committed);
/* The head as the ledger has it. */
struct audit_head audit_settled(const struct audit *audit);
/* Offline: recomputes the chain up to the head; the first bad entry's number in *bad. */
bool audit_verify(const char *directory, const struct audit_head *head, uint64_t *bad, struct error *error);

#endif
