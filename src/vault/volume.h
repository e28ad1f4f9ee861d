/* One file of the journal: how it is named, its header, and an open one with the writer's handle. */
#ifndef HABEAS_VAULT_VOLUME_H
#define HABEAS_VAULT_VOLUME_H

#include <limits.h>
#include <stdatomic.h>

#include "base/directory.h"
#include "db/db.h"
#include "vault/event.h"
#include "vault/salts.h"

#define VOLUME_PATH_MAX PATH_MAX
#define VOLUME_NAME_MAX 40
#define VOLUME_PAGE_BYTES 4096

/* "events/000001.db": how errors name it. */
void volume_name(int64_t number, char out[VOLUME_NAME_MAX]);
/* EVENTS/000001.db and `tail`; EVENTS was found short enough when the journal was opened. */
void volume_path(const char *events, int64_t number, const char *tail, char out[VOLUME_PATH_MAX]);
/* True for names of our pattern: six or more digits, ".db", anything. */
bool volume_of_name(const char *name, int64_t *number, const char **tail);
/* Removes the file with its log and journal; what is not there is not missed. */
bool volume_unlink(const char *events, int64_t number, struct error *error);

/* Facts about the file (table `header`); numbers stand there as 8 little-endian bytes. */
struct volume_header {
    struct ledger_id ledger;
    struct anchor anchor;
    uint64_t highest_seq, highest_ordinal, state;
};
bool volume_header_read(struct db *db, struct volume_header *out, struct error *error);
/* Writes what differs from `old` (NULL: all). */
bool volume_header_write(struct db *db, const struct volume_header *header, const struct volume_header *old,
                         struct error *error);
/* Makes the open transaction write a page, though nothing is different behind it: equal values would be left unwritten. */
bool volume_touch(struct db *db, struct error *error);
/* Refuses a file of another ledger, or one that is ahead of this. */
bool volume_header_check(int64_t number, const struct volume_header *header, const struct ledger_id *ledger,
                         struct anchor anchor, struct error *error);

/* Who has an open volume's log: the checkpointer takes it only from "rests", the writer whenever nobody settles it. */
enum volume_rest {
    VOLUME_AT_REST, /* its log is empty: it may be written next */
    VOLUME_WRITTEN,
    VOLUME_RESTS,    /* its log waits for the checkpointer */
    VOLUME_SETTLING, /* the checkpointer is at it */
    VOLUME_HELD,     /* the writer removes rows from it */
};

struct volume {
    int64_t number;
    char path[VOLUME_PATH_MAX];
    struct db *db;      /* the writer's */
    struct db *settler; /* the checkpointer's, made when it first comes */
    struct salts salts;
    struct volume_header header; /* committed */
    /* A commit failed: rows may stand in the file that were never published, from this seq on; 0: none. */
    uint64_t doubtful_from;
    enum volume_rest rest; /* guarded by the journal's mutex, as is: */
    bool tainted;          /* its log may hold bytes that were removed or never committed */
    _Atomic int64_t log_pages;
};

/* Opens the writer's handle; `make`: a new file with its header. */
bool volume_open(struct volume *volume, const char *events, int64_t number, const struct volume_header *make,
                 struct error *error);
/* Another handle in the place of one that failed. */
bool volume_renew(struct volume *volume, struct error *error);
/* Closes the handles; `abandon`: the file goes away, so nothing is brought into it. */
void volume_close(struct volume *volume, bool abandon);

/* ---- rows ---- */
#define EVENT_COLUMNS "seq, account, subject, name, occurred, received, source, message, salt, counter, body"
bool event_insert(struct db *db, const struct event_row *row, int64_t salt, struct error *error);
/* From a row of EVENT_COLUMNS; the body is copied into the arena. `db` is where salts are looked up. */
bool event_take(const struct row *row, struct salts *salts, struct db *db, struct arena *arena, struct event_row *out,
                struct error *error);
bool answer_insert(struct db *db, uint32_t account, const unsigned char mark[16], int64_t at_ms, struct str sealed,
                   struct error *error);

#endif
