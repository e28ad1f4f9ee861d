/* Nothing that was deleted stays in a file. SQLite's secure_delete zeroes the cells that it frees, but when it moves rows
 * between neighbouring pages it leaves copies of them in the room between a page's cell pointers and its cells; those
 * outlive a later deletion of the rows. That room means nothing to SQLite, so it is zeroed here in each page on its way
 * into the main file: by a commit of a rollback-journal file, or by a checkpoint (a log is emptied with DB_SETTLE_EMPTY).
 * Pages: https://www.sqlite.org/fileformat2.html section 1.6. */
#include "db/db_sqlite.h"

/* Overflow and free pages begin with a page number, which looks like a kind of b-tree page only from here on. */
#define PAGES_TOLD_APART (INT64_C(1) << 25)
enum { FILE_HEADER_BYTES = 100 };

static size_t number_at(const unsigned char *at)
{
    return (size_t)at[0] << 8 | at[1];
}

/* Length of the header of a b-tree page; 0 for another kind of page. */
static size_t tree_header(unsigned char kind)
{
    switch (kind) {
    case 0x0a: /* leaf of an index, of a table */
    case 0x0d:
        return 8;
    case 0x02: /* interior ones */
    case 0x05:
        return 12;
    default:
        return 0;
    }
}

static void clean_page(unsigned char *page, size_t header)
{
    size_t begin = tree_header(page[header]);

    if (begin == 0)
        return;
    size_t cells = number_at(page + header + 3), end = number_at(page + header + 5);
    begin += header + 2 * cells;
    if (begin < end && end <= SQLITE_PAGE_BYTES)
        memset(page + begin, 0, end - begin);
}

static int write_cleaned(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    const struct cleaning *cleaning = (const struct cleaning *)(const void *)file->pMethods;
    const sqlite3_io_methods *inner = cleaning->inner;
    unsigned char page[SQLITE_PAGE_BYTES];
    sqlite3_int64 size = 0;

    if (len != SQLITE_PAGE_BYTES || offset % SQLITE_PAGE_BYTES != 0 || inner->xFileSize(file, &size) != SQLITE_OK ||
        size >= PAGES_TOLD_APART * SQLITE_PAGE_BYTES)
        return inner->xWrite(file, bytes, len, offset);
    memcpy(page, bytes, sizeof(page));
    clean_page(page, offset == 0 ? FILE_HEADER_BYTES : 0);
    return inner->xWrite(file, page, len, offset);
}

bool sqlite_clean_writes(struct sqlite_db *self, struct error *error)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (code != SQLITE_OK || !file || !file->pMethods)
        return sqlite_failed(self, code == SQLITE_OK ? SQLITE_ERROR : code, error);
    self->cleaning.inner = file->pMethods;
    self->cleaning.methods = *file->pMethods;
    self->cleaning.methods.xWrite = write_cleaned;
    file->pMethods = &self->cleaning.methods;
    return true;
}
