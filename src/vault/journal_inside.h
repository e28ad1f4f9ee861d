/* What the files of the journal share; nobody else includes it.
 *
 * Locks, in the order in which they are taken:
 *   shape   which files there are. Readers, the janitor and answers share it for one slice; whoever adds or removes a
 *           file, or truncates a log, has it alone for a moment.
 *   rest    of a closed volume: readers share it while they read there, a removal has it alone.
 *   mutex   states of volumes, the build, the next volume's number: held for a few instructions.
 *   lock    of an index: index.c.
 * The writer reads what only the writer changes without any of them. */
#ifndef HABEAS_VAULT_JOURNAL_INSIDE_H
#define HABEAS_VAULT_JOURNAL_INSIDE_H

#include "vault/catalogue.h"
#include "vault/hold.h"
#include "vault/index.h"
#include "vault/journal.h"
#include "vault/recent.h"
#include "vault/volume.h"

/* How long the writer waits for the slices that are being read. */
#define WAIT_SLICE_MS 40
#define ANSWER_KEPT_MS (4 * WHEN_HOUR)

/* Two volumes that are written in turn, and closed together. */
struct pair {
    int64_t number; /* of its first volume */
    struct volume volumes[2];
    unsigned written; /* the writer's */
    struct index index;
    uint64_t first_seq;
    _Atomic int64_t rows;
    int64_t made_ms;
};

struct closed_volume {
    int64_t number;
    char path[VOLUME_PATH_MAX];
    uint64_t first_seq, last_seq;
    int64_t made_ms;
    _Atomic int64_t rows;
    struct hold rest;
    int64_t change;           /* guarded by `rest`, as is: */
    bool unsound;             /* a removal broke off and could not be undone yet: nobody may read */
    int64_t answers_until_ms; /* the writer's: when answers in it are to be looked for; INT64_MAX: there are none */
};

enum build_state { BUILD_NONE, BUILD_RUNS, BUILD_READY };
/* The janitor's work on the closing pair. */
struct build {
    enum build_state state; /* guarded by the mutex, as are the removed */
    int64_t number;
    int64_t rows;
    uint64_t last_seq;
    /* Whose rows left the pair while a copy of them may stand in the new file: the swap removes them there, too.
     * Forgotten by the writer alone: a build that fails may be followed by one that copies again. */
    struct index_subject *removed;
    size_t removed_count, removed_cap;
};

struct staged_answer {
    uint32_t account;
    unsigned char mark[16];
};
/* The open transaction of the writer. */
struct staging {
    bool open;
    struct index_subject *rows;
    size_t count, cap;
    uint64_t message_mark;         /* ids noted from here on are taken back with it */
    struct staged_answer *answers; /* kept past a failed commit, until it is sure that none stands in the file */
    size_t answer_count, answer_cap;
    uint32_t highest_ordinal;
};

struct journal {
    char directory[VOLUME_PATH_MAX]; /* events/ */
    struct profiles *profiles;
    struct ledger_id ledger;
    struct journal_limits limits;
    const struct when_clock *clock;
    pthread_mutex_t mutex;
    struct hold shape;
    struct pair *open, *closing;   /* changed by the writer with `shape` alone and the mutex */
    struct pair *gone;             /* swapped out: its files wait for the janitor; guarded by the mutex */
    struct pair *fresh;            /* made by a rotation that then found readers in its way */
    struct closed_volume **closed; /* by first_seq */
    size_t closed_count, closed_cap;
    uint64_t next_seq;   /* the writer's: committed */
    int64_t next_volume; /* the writer's */
    struct staging staging;
    struct recent *recent;                            /* the writer's: ids of messages */
    _Atomic int64_t message_count, oldest_message_ms; /* of those that are committed */
    struct build build;
    struct journal_reader *own;     /* the writer's, for looking into closed volumes */
    struct journal_reader *readers; /* all, guarded by the mutex */
};

/* A reader's handle on one volume. */
struct handle {
    int64_t number, change;
    struct db *db;
    struct salts salts;
};
struct journal_reader {
    struct journal *journal;
    struct journal_reader *next;
    struct handle *handles;
    size_t handle_count, handle_cap;
};

/* journal.c */
struct closed_volume *closed_new(struct journal *journal, const struct catalogued *entry, struct error *error);
void closed_free(struct closed_volume *closed);
/* Room for one more closed volume, so that adding it cannot fail. */
bool closed_reserve(struct journal *journal, struct error *error);
void closed_add(struct journal *journal, struct closed_volume *closed);
/* Opens a file of closed rows as its changer, which undoes what a crash left half done. */
bool closed_settle(const char *path, struct volume_header *header, struct error *error);

/* journal_pair.c */
struct messages_load;
bool pair_make(struct journal *journal, struct pair **out, struct error *error);
bool pair_open(struct journal *journal, const struct catalogued entries[2], struct anchor anchor, struct pair **out,
               struct error *error);
/* What memory keeps of its rows: the index, and the ids of their messages. */
bool pair_fill(struct journal *journal, struct pair *pair, struct messages_load *load, struct error *error);
void pair_free(struct pair *pair, bool abandon);
/* J: removes the files of the pair that was swapped out. */
bool pair_dispose(struct journal *journal, struct error *error);
bool pair_catalogue(struct journal *journal, const struct pair *pair, enum volume_state state, struct error *error);
/* Runs `change` as one transaction on the catalogue. */
typedef bool catalogue_change(struct journal *journal, void *arg, struct error *error);
bool journal_catalogue(struct journal *journal, catalogue_change *change, void *arg, struct error *error);

/* journal_messages.c */
struct kept_id {
    uint64_t message;
    int64_t received_ms;
};
/* At start, oldest volume first: closed ones that may still matter, then the rows of the pairs one by one. */
enum { MESSAGES_AT_ONCE = 256 };
struct messages_load {
    struct journal *journal;
    struct kept_id *kept; /* without a row; put in between by their times */
    size_t kept_count, kept_cap, kept_next;
    int64_t now_ms;
    struct kept_id rows[MESSAGES_AT_ONCE]; /* put in together, so that what they touch is fetched ahead */
    size_t row_count;
};
bool messages_load_begin(struct messages_load *load, struct journal *journal, struct error *error);
bool messages_load_row(struct messages_load *load, uint64_t message, int64_t received_ms, struct error *error);
bool messages_load_end(struct messages_load *load, struct error *error);
void messages_load_clear(struct messages_load *load);
bool messages_load_volume(struct messages_load *load, const char *path, struct error *error);
/* Has it still to be remembered? */
bool message_is_young(const struct journal *journal, uint64_t message, int64_t received_ms, int64_t now_ms);
/* Keeps the ids of rows that are about to be removed, in a transaction of profiles.db. */
bool messages_keep(struct journal *journal, const struct kept_id *ids, size_t count, struct error *error);
/* For whoever asks from another thread. */
void messages_publish(struct journal *journal);

/* journal_write.c */
/* After a failed commit: a new handle, and away with what may stand in the file. Does nothing when all is well. */
bool journal_recover(struct journal *journal, struct volume *volume, struct error *error);
void volume_taint(struct journal *journal, struct volume *volume);

/* journal_read.c */
/* The reader's handle on this volume, opened when need be. Inside `shape`. */
struct handle *reader_handle(struct journal_reader *reader, int64_t number, const char *path, enum db_mode mode,
                             int64_t change, struct error *error);
void reader_forget(struct journal_reader *reader, int64_t number);
void readers_forget(struct journal *journal, int64_t number);

/* journal_remove.c */
/* With `rest` alone, behind a change of the file that was done or undone: readers open it anew. Returns `done`. */
bool closed_change(struct closed_volume *closed, bool done);
/* Writes its row of the catalogue. */
bool closed_catalogue(struct journal *journal, struct closed_volume *closed, struct error *error);
/* Removes the subject's rows, at most `max`, from a file of closed rows in one transaction. `keeper` keeps the ids of their
 * messages first; NULL: they are kept already. */
bool closed_remove(struct journal *keeper, const char *path, struct index_subject who, int64_t max, int64_t *removed,
                   struct error *error);

#endif
