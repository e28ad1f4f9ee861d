/* The journal: events by order of receipt, in volumes DIR/vault/events/NNNNNN.db.
 *
 * Two open volumes (a pair) are written in turn; the resting one's log is brought into its file by the checkpointer.
 * An index in memory says which rows of open pairs belong to whom. At 4 million rows or at the end of the UTC day the pair is
 * closed together into one new file by the janitor, which the writer then swaps in. Threads: W = the writer only,
 * C = checkpointer, J = janitor, R = any (its own journal_reader). */
#ifndef HABEAS_VAULT_JOURNAL_H
#define HABEAS_VAULT_JOURNAL_H

#include "base/when.h"
#include "vault/event.h"
#include "vault/profiles.h"

struct journal;
struct journal_limits {
    int64_t log_bytes;   /* of the open volume's write-ahead log before the change-over: 16 MiB */
    int64_t pair_rows;   /* rows of a pair before it is closed: 4,000,000 */
    int64_t message_ids; /* ids of messages that are remembered: the newest 16,000,000 ... */
    int64_t message_ms;  /* ... and no longer than 24 hours */
};

/* Opens the volumes that the catalogue names, removes unlisted files, rolls back what a crash left, and rebuilds the index.
 * Refuses a volume of another ledger or with an anchor ahead of `anchor`, naming positions and times. */
bool journal_open(const char *vault_directory, struct profiles *profiles, struct ledger_id ledger, struct anchor anchor,
                  const struct journal_limits *limits, const struct when_clock *clock, struct journal **out,
                  struct error *error);
void journal_close(struct journal *journal);

/* ---- W: writing. Append begins a transaction; commit makes it durable and then visible; rollback forgets it. ---- */
bool journal_append(struct journal *journal, struct event_row *row, struct error *error); /* sets row->seq */
bool journal_keep_answer(struct journal *journal, uint32_t account, const unsigned char mark[16], int64_t at_ms,
                         struct str sealed, struct error *error);
/* Makes sure that there is something to commit: who recorded nothing waits as long as who did. */
bool journal_touch(struct journal *journal, struct error *error);
bool journal_has_work(const struct journal *journal);
size_t journal_staged(const struct journal *journal); /* rows and answers since the last commit */
bool journal_commit(struct journal *journal, struct anchor anchor, struct error *error);
void journal_rollback(struct journal *journal); /* also reopens the handle after a failed commit */
/* Answers kept in the open and just closed volumes, newer than `since_ms`: each once, at start. */
typedef bool journal_answer(void *arg, uint32_t account, const unsigned char mark[16], int64_t at_ms, struct str sealed,
                            struct error *error);
bool journal_answers(struct journal *journal, int64_t since_ms, journal_answer *each, void *arg, struct error *error);

/* ---- W: ids of messages, as keyed hashes (never 0). That of a row is noted when the row is appended and taken back with
 * it; it counts before the commit, so whoever relies on it must wait for that commit. ---- */
/* Was it received within the last 24 hours, and among the newest 16 million of all accounts? */
bool journal_has_message(const struct journal *journal, uint64_t message);
/* Begins to bring near what looking for it will touch. */
void journal_fetch_message(const struct journal *journal, uint64_t message);
/* Notes that of an event without a row, in the open transaction of profiles.db; what was noted there since a mark is
 * taken back with it. */
bool journal_note_message(struct journal *journal, uint64_t message, int64_t received_ms, struct error *error);
uint64_t journal_message_mark(const struct journal *journal);
void journal_cut_messages(struct journal *journal, uint64_t mark);

/* ---- W: house-keeping, each call quick ---- */
/* Changes over when the log is full and the other volume has rested; true when the checkpointer has work. Nothing failed
 * unless `error` is set; so it is with rotate. */
bool journal_turn(struct journal *journal, struct error *error);
/* Begins a new pair when the open one is full or its UTC day is over (and it has rows); true when the janitor has work. */
bool journal_rotate(struct journal *journal, int64_t now_ms, struct error *error);
/* Forgets some kept answers of closed volumes whose time is over. */
bool journal_forget_answers(struct journal *journal, int64_t now_ms, struct error *error);
/* Puts the volume that the janitor built in the place of its pair. The pair's files are removed by the janitor's next
 * journal_build (rotate says that it has work). ERROR_BUSY: somebody is at a file that goes, again soon. */
bool journal_swap(struct journal *journal, struct error *error);

/* ---- C ---- */
/* Brings the resting volume's log into its file and truncates it to nothing. ERROR_BUSY: a reader is in its way, again later. */
bool journal_settle(struct journal *journal, struct error *error);
/* ---- J ---- */
/* Removes the files of a pair that was swapped out, and builds the closed volume of the pair that rotate left; sets
 * *built when there is one to swap in. */
bool journal_build(struct journal *journal, bool *built, struct error *error);

/* ---- W: erasure. Removes at most `max_rows` rows of one subject, in transactions of its own (call with none open). The ids
 * of their messages are kept for the rest of their time, told apart from whose they were, before the rows go.
 * Sets *left while there may be more: rows remain, or a volume with rows of theirs is being built just now. ---- */
bool journal_remove(struct journal *journal, uint32_t account, uint32_t subject, int64_t max_rows, int64_t *removed,
                    bool *left, struct error *error);
/* Empties the logs of all volumes from which rows were removed, so that removed bytes are in no file. A long log is left
 * to the checkpointer, if need be by a change-over (journal_turn then says that it has work).
 * *done false: a reader, the checkpointer or the janitor is in its way, again soon. Never waits more than a few milliseconds. */
bool journal_scrub_logs(struct journal *journal, bool *done, struct error *error);

/* ---- R: reading ---- */
struct journal_reader;
bool journal_reader_new(struct journal *journal, struct journal_reader **out, struct error *error);
void journal_reader_free(struct journal_reader *reader);

struct event_query {
    uint32_t account;
    const uint32_t *subjects; /* a person's ordinals */
    size_t subject_count;
    uint64_t bound; /* newest first: only seq < bound (UINT64_MAX: all); oldest first: only seq > bound */
    bool oldest_first;
    size_t max;       /* at most 2,000: one slice */
    size_t max_bytes; /* of sealed bodies, but always one row; 0: as many as `max` rows have */
};
/* One slice: the rows, sealed, in the arena, in the order asked for. Holds no snapshot when it returns.
 * *more: there are others behind them. Rows removed meanwhile are simply absent. */
bool journal_read(struct journal_reader *reader, const struct event_query *query, struct arena *arena,
                  struct event_row **rows, size_t *count, bool *more, struct error *error);
/* How many events these subjects have, and when the newest was received (WHEN_NONE: none). */
bool journal_count(struct journal_reader *reader, uint32_t account, const uint32_t *subjects, size_t subject_count,
                   int64_t *count, int64_t *last_received_ms, struct error *error);

struct journal_counts {
    int64_t open_rows, closed_rows, volumes, log_bytes;
    int64_t message_ids, message_reach_ms; /* ids that are remembered, and how long ago the oldest was received */
};
void journal_counts(struct journal *journal, struct journal_counts *out);

#endif
