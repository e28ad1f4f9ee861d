/* A small file beside the input, replaced as a whole after every answered batch. It holds numbers and hashes only. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/import_parts.h"

#define COUNT(shown, sent, field)                                                                                      \
    {                                                                                                                  \
        shown, sent, offsetof(struct import_tally, field)                                                              \
    }
const struct import_count import_counts[] = {
    COUNT("taken", NULL, taken),
    COUNT("there already", "repeated", repeated),
    COUNT("refused", NULL, refused),
    COUNT("dropped: suppressed", "suppressed", suppressed),
    COUNT("dropped: restricted or erased", "dropped", dropped),
    COUNT("opt-ins not applied", "optInsNotApplied", opt_ins),
    COUNT("opt-outs not applied", "optOutsNotApplied", opt_outs),
};
const size_t import_count_count = COUNT_OF(import_counts);

int64_t *import_count_of(struct import_tally *tally, const struct import_count *row)
{
    return (int64_t *)(void *)((char *)tally + row->offset);
}

/* ---- which import ---- */

#define HEAD "habeas-import 1"

static void hash_target(const struct tool_options *options, char out[33])
{
    char *directory = realpath(options->data, NULL);
    const char *data = directory ? directory : options->data;
    crypto_generichash_state state;
    unsigned char hash[16];

    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    (void)crypto_generichash_update(&state, (const unsigned char *)data, strlen(data) + 1);
    (void)crypto_generichash_update(&state, (const unsigned char *)options->license, strlen(options->license));
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    (void)sodium_bin2hex(out, 33, hash, sizeof hash);
    free(directory);
}

/* ---- reading ---- */

static bool read_number(struct str *rest, int64_t *out)
{
    struct str word = str_cut(rest, ' ');
    uint64_t value;

    if (!str_to_u64(word, &value) || value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

/* "habeas-import 1 TARGET CHAIN LINES COUNT..." */
static bool parse(struct import_note *note, struct str text, bool *is_ours)
{
    const struct str head = STR(HEAD " ");
    int64_t lines;

    if (!str_starts(text, head) || text.at[text.len - 1] != '\n')
        return false;
    struct str rest = { text.at + head.len, text.len - head.len - 1 };
    *is_ours = str_equal(str_cut(&rest, ' '), str_of(note->target));
    if (!str_from_hex(str_cut(&rest, ' '), note->chain, sizeof note->chain) || !read_number(&rest, &lines))
        return false;
    note->lines = (uint64_t)lines;
    for (size_t i = 0; i < import_count_count; i++)
        if (!read_number(&rest, import_count_of(&note->tally, &import_counts[i])))
            return false;
    return rest.len == 0;
}

static bool read_note(struct import_note *note, struct error *error)
{
    char text[512];
    bool is_ours = false;
    int fd = open(note->path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text) : -1;
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = number;
    if (fd < 0 && errno == ENOENT)
        return true;
    if (len < 0)
        return error_errno(error, "cannot read %s", note->path);
    if (!parse(note, (struct str){ text, (size_t)len }, &is_ours))
        return error_set(error, ERROR_INVALID, "%s is damaged: remove it to begin anew", note->path);
    if (!is_ours)
        return error_set(error, ERROR_CONFLICT,
                         "%s tells of an import elsewhere that broke off: finish that, or remove the file", note->path);
    return true;
}

bool import_note_open(struct import_note *note, const struct tool_options *options, const char *file,
                      struct error *error)
{
    *note = (struct import_note){ 0 };
    if (options->no_resume || strcmp(file, "-") == 0)
        return true;
    int len = snprintf(note->path, sizeof note->path, "%s.import", file);
    if (len < 0 || (size_t)len + sizeof ".new" > sizeof note->path)
        return error_set(error, ERROR_INVALID, "the name of a file is too long");
    hash_target(options, note->target);
    return read_note(note, error);
}

/* ---- writing ---- */

static void write_text(const struct import_note *note, const struct import_lines *lines, struct import_tally *tally,
                       struct buf *out)
{
    buf_addf(out, HEAD " %s ", note->target);
    buf_add_hex(out, lines->chain, sizeof lines->chain);
    buf_addf(out, " %llu", (unsigned long long)lines->number);
    for (size_t i = 0; i < import_count_count; i++)
        buf_addf(out, " %lld", (long long)*import_count_of(tally, &import_counts[i]));
    buf_add_byte(out, '\n');
}

static bool write_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len && fdatasync(fd) == 0;
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = number;
    return ok;
}

bool import_note_write(struct import_note *note, const struct import_lines *lines, const struct import_tally *tally,
                       struct error *error)
{
    char fresh[sizeof note->path + 8];
    struct import_tally copy = *tally;
    struct buf text;

    if (note->path[0] == '\0')
        return true;
    (void)snprintf(fresh, sizeof fresh, "%s.new", note->path);
    buf_init(&text, 512);
    write_text(note, lines, &copy, &text);
    errno = EOVERFLOW;
    bool ok = !text.overflowed && write_file(fresh, buf_str(&text)) && rename(fresh, note->path) == 0;
    buf_clear(&text);
    return ok ||
           error_errno(error, "%s, which tells how far it came, cannot be written (or give --no-resume)", note->path);
}

void import_note_remove(const struct import_note *note)
{
    if (note->path[0] != '\0')
        (void)unlink(note->path); /* left, it says that all is done: the next run finds nothing to do */
}
