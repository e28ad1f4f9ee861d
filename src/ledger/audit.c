/* Writing the chain: entries gather in memory, go out in one write and one fsync a group. */
#include "ledger/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/directory.h"
#include "base/json_write.h"

#define GROUP_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define LINE_MAX_BYTES 1024
#define HASH_HEX ((size_t)2 * AUDIT_HASH_LEN)

struct audit {
    char directory[4000];
    int file;                  /* of head.segment */
    struct audit_head settled; /* what the ledger has stored */
    struct audit_head group;   /* behind the entries of the open group */
    struct buf lines;          /* the open group */
};

static void segment_path(const struct audit *audit, uint32_t segment, char out[4100])
{
    (void)snprintf(out, 4100, "%s/%04u", audit->directory, segment);
}

static bool segment_open(struct audit *audit, uint32_t segment, struct error *error)
{
    char path[4100];

    segment_path(audit, segment, path);
    if (audit->file >= 0)
        (void)close(audit->file);
    audit->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (audit->file < 0)
        return error_errno(error, "audit segment %04u", segment);
    return true;
}

/* Cuts the newest segment to the head and removes a later one that a crash left. */
static bool cut_to_head(struct audit *audit, bool *cut, struct error *error)
{
    char path[4100];
    struct stat facts;

    if (fstat(audit->file, &facts) != 0)
        return error_errno(error, "audit segment");
    if (facts.st_size < audit->settled.bytes)
        return error_set(error, ERROR_CORRUPT,
                         "audit segment %04u is shorter than the ledger says: it was cut from outside",
                         audit->settled.segment);
    *cut = facts.st_size > audit->settled.bytes;
    if (*cut && ftruncate(audit->file, audit->settled.bytes) != 0)
        return error_errno(error, "audit segment");
    segment_path(audit, audit->settled.segment + 1, path);
    if (unlink(path) == 0)
        *cut = true;
    else if (errno != ENOENT)
        return error_errno(error, "audit segment");
    return fsync(audit->file) == 0 || error_errno(error, "audit segment");
}

bool audit_open(const char *directory, const struct audit_head *head, struct audit **out, bool *cut,
                struct error *error)
{
    struct audit *audit = calloc(1, sizeof *audit);

    if (!audit)
        return error_set(error, ERROR_INTERNAL, "out of memory for the audit");
    audit->file = -1;
    audit->settled = audit->group = *head;
    (void)snprintf(audit->directory, sizeof audit->directory, "%s", directory);
    buf_init(&audit->lines, GROUP_MAX_BYTES);
    if (!segment_open(audit, head->segment, error) || !cut_to_head(audit, cut, error) ||
        !directory_sync(directory, error)) {
        audit_close(audit);
        return false;
    }
    *out = audit;
    return true;
}

void audit_close(struct audit *audit)
{
    if (!audit)
        return;
    if (audit->file >= 0)
        (void)close(audit->file);
    buf_clear(&audit->lines);
    free(audit);
}

static void put_number(struct json_out *out, struct str name, uint64_t value)
{
    if (value == 0)
        return;
    json_name(out, name);
    json_u64(out, value);
}

static void put_word(struct json_out *out, struct str name, const char *word)
{
    if (word && *word)
        json_put_string(out, name, str_of(word));
}

static void write_entry(struct buf *buf, const struct audit_entry *entry, uint64_t number)
{
    struct json_out out = json_out(buf);

    json_open_object(&out);
    put_number(&out, STR("n"), number);
    json_put_time(&out, STR("at"), entry->at_ms);
    put_word(&out, STR("act"), entry->act);
    put_number(&out, STR("account"), entry->account);
    put_number(&out, STR("credential"), entry->credential);
    put_word(&out, STR("route"), entry->route);
    put_number(&out, STR("request"), entry->request);
    if (entry->has_subject) {
        char hex[33];
        sodium_bin2hex(hex, sizeof hex, entry->subject, sizeof entry->subject);
        json_put_string(&out, STR("subject"), str_of(hex));
    }
    put_word(&out, STR("reason"), entry->reason);
    put_number(&out, STR("count"), (uint64_t)entry->count);
    json_close_object(&out);
}

/* SHA-256(previous hash, entry bytes). */
static void chain(unsigned char hash[AUDIT_HASH_LEN], struct str entry)
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, hash, AUDIT_HASH_LEN);
    crypto_hash_sha256_update(&state, (const unsigned char *)entry.at, entry.len);
    crypto_hash_sha256_final(&state, hash);
}

bool audit_add(struct audit *audit, const struct audit_entry *entry, struct error *error)
{
    struct buf line;

    buf_init(&line, LINE_MAX_BYTES);
    write_entry(&line, entry, audit->group.count + 1);
    bool ok = !line.overflowed && audit->lines.len + line.len + HASH_HEX + 2 <= GROUP_MAX_BYTES;
    if (ok) {
        chain(audit->group.hash, buf_str(&line));
        audit->group.count++;
        buf_add_hex(&audit->lines, audit->group.hash, AUDIT_HASH_LEN);
        buf_add_byte(&audit->lines, ' ');
        buf_add(&audit->lines, buf_str(&line));
        buf_add_byte(&audit->lines, '\n');
        ok = !audit->lines.overflowed;
    }
    buf_clear(&line);
    return ok || error_set(error, ERROR_BUSY, "the audit's group is full");
}

size_t audit_mark(const struct audit *audit)
{
    return audit->lines.len;
}

/* The hash behind what stays stands at the start of the last line that stays. */
void audit_undo(struct audit *audit, size_t mark)
{
    uint64_t dropped = 0;

    for (size_t i = mark; i < audit->lines.len; i++)
        dropped += audit->lines.at[i] == '\n';
    if (dropped == 0)
        return;
    audit->lines.len = mark;
    audit->group.count -= dropped;
    if (mark == 0) {
        memcpy(audit->group.hash, audit->settled.hash, AUDIT_HASH_LEN);
        return;
    }
    size_t start = mark - 1;
    while (start > 0 && audit->lines.at[start - 1] != '\n')
        start--;
    (void)str_from_hex((struct str){ audit->lines.at + start, HASH_HEX }, audit->group.hash, AUDIT_HASH_LEN);
}

bool audit_has_work(const struct audit *audit)
{
    return audit->lines.len > 0;
}

static bool write_all(int file, struct str bytes, int64_t at, struct error *error)
{
    while (bytes.len > 0) {
        ssize_t put = pwrite(file, bytes.at, bytes.len, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return error_errno(error, "audit segment");
        bytes.at += put;
        bytes.len -= (size_t)put;
        at += put;
    }
    return true;
}

/* Behind a failed group: its lines are cut, or they would stand between two segments when the next group rolls. */
static bool reopen(struct audit *audit, struct error *error)
{
    return segment_open(audit, audit->settled.segment, error) &&
           (ftruncate(audit->file, audit->settled.bytes) == 0 || error_errno(error, "audit segment"));
}

/* A full segment stays as it is; the group then begins the next. */
static bool roll(struct audit *audit, struct error *error)
{
    if (audit->settled.bytes < AUDIT_SEGMENT_BYTES)
        return true;
    if (!segment_open(audit, audit->settled.segment + 1, error) || !directory_sync(audit->directory, error))
        return false;
    if (ftruncate(audit->file, 0) != 0)
        return error_errno(error, "audit segment");
    audit->group.segment = audit->settled.segment + 1;
    audit->group.bytes = 0;
    return true;
}

bool audit_write(struct audit *audit, struct audit_head *head, struct error *error)
{
    if (audit->lines.len > 0) {
        if (audit->file < 0 && !reopen(audit, error))
            return false;
        audit->group.segment = audit->settled.segment;
        audit->group.bytes = audit->settled.bytes;
        if (!roll(audit, error))
            return false;
        if (!write_all(audit->file, buf_str(&audit->lines), audit->group.bytes, error))
            return false;
        if (fdatasync(audit->file) != 0)
            return error_errno(error, "audit segment");
        audit->group.bytes += (int64_t)audit->lines.len;
    }
    *head = audit->group;
    return true;
}

/* What a failed group left behind the head is cut before the next group, or at start. The file is opened anew then,
 * because a failed fsync is never retried on the same handle. */
void audit_settle(struct audit *audit, bool committed)
{
    if (committed) {
        audit->settled = audit->group;
    } else {
        audit->group = audit->settled;
        (void)close(audit->file);
        audit->file = -1;
    }
    buf_reset(&audit->lines);
}

struct audit_head audit_settled(const struct audit *audit)
{
    return audit->settled;
}

/* One line: its hash must follow from the one before. */
static bool line_holds(struct str line, unsigned char hash[AUDIT_HASH_LEN])
{
    unsigned char stated[AUDIT_HASH_LEN];

    if (line.len < HASH_HEX + 2 || line.at[HASH_HEX] != ' ')
        return false;
    if (!str_from_hex((struct str){ line.at, HASH_HEX }, stated, sizeof stated))
        return false;
    chain(hash, (struct str){ line.at + HASH_HEX + 1, line.len - HASH_HEX - 1 });
    return memcmp(stated, hash, sizeof stated) == 0;
}

static bool segment_verify(const char *path, int64_t bytes_max, unsigned char hash[AUDIT_HASH_LEN], uint64_t *count,
                           uint64_t *bad, struct error *error)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    int64_t read = 0;
    ssize_t len;

    if (!file)
        return error_errno(error, "audit segment");
    while (*bad == 0 && (bytes_max < 0 || read < bytes_max) && (len = getline(&line, &cap, file)) > 0) {
        read += len;
        struct str text = { line, (size_t)len - (line[len - 1] == '\n') };
        *count += 1;
        if (!line_holds(text, hash))
            *bad = *count;
    }
    free(line);
    (void)fclose(file);
    return true;
}

bool audit_verify(const char *directory, const struct audit_head *head, uint64_t *bad, struct error *error)
{
    unsigned char hash[AUDIT_HASH_LEN] = { 0 };
    uint64_t count = 0;
    char path[4100];

    *bad = 0;
    for (uint32_t segment = 1; segment <= head->segment && *bad == 0; segment++) {
        (void)snprintf(path, sizeof path, "%s/%04u", directory, segment);
        int64_t bytes_max = segment == head->segment ? head->bytes : -1;
        if (!segment_verify(path, bytes_max, hash, &count, bad, error))
            return false;
    }
    if (*bad == 0 && (count != head->count || memcmp(hash, head->hash, sizeof hash) != 0))
        *bad = count + 1;
    return true;
}
