/* Reading the master key, and the accounts' keys under it. */
#include "ledger/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"

#define HEX_LEN (2 * SEAL_KEY_LEN)
#define MASTER_ENVIRONMENT "HABEAS_MASTER_KEY_HEX"

struct account_entry {
    struct account_entry *next;
    struct account_keys *keys; /* sodium_malloc: locked, guarded, wiped when freed */
};
struct keyring {
    struct seal_key *master; /* sodium_malloc */
    struct account_entry *accounts;
};

static const struct str check_label = { "habeas master check", 19 };

/* The environment is seen by /proc and children, so the text is overwritten where it lies. */
static bool master_from_environment(struct seal_key *master, bool *found, struct error *error)
{
    char *text = getenv(MASTER_ENVIRONMENT);
    bool ok;

    *found = text != NULL && *text != '\0';
    if (!*found)
        return true;
    ok = str_from_hex(str_of(text), master->bytes, SEAL_KEY_LEN);
    sodium_memzero(text, strlen(text));
    (void)unsetenv(MASTER_ENVIRONMENT);
    return ok || error_set(error, ERROR_INVALID, MASTER_ENVIRONMENT " is no key: it must be 64 hex digits");
}

static bool master_file_is_private(int file, const char *path, struct error *error)
{
    struct stat facts;

    if (fstat(file, &facts) != 0)
        return error_errno(error, "master key %s", path);
    if (!S_ISREG(facts.st_mode))
        return error_set(error, ERROR_INVALID, "master key %s is no plain file: name another with --master-key", path);
    if (facts.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(error, ERROR_INVALID, "master key %s is open to others: run chmod 600 on it", path);
    if (facts.st_uid != geteuid() && facts.st_uid != 0)
        return error_set(error, ERROR_INVALID, "master key %s belongs to another user: chown it to this one", path);
    return true;
}

static bool master_read(int file, const char *path, struct seal_key *master, struct error *error)
{
    char text[HEX_LEN + 2];
    ssize_t got = read(file, text, sizeof text);
    struct str hex = { text, got > 0 ? (size_t)got : 0 };
    bool ok = str_from_hex(str_trim(hex), master->bytes, SEAL_KEY_LEN);

    sodium_memzero(text, sizeof text);
    return ok || error_set(error, ERROR_INVALID,
                           "master key %s does not hold 64 hex digits: name the right one with --master-key", path);
}

/* Made beside and renamed: whoever finds the file finds a key in it. */
static bool master_write(const char *path, const struct seal_key *master, struct error *error)
{
    char text[HEX_LEN + 2];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (file < 0)
        return error_errno(error, "cannot make the master key %s", path);
    sodium_bin2hex(text, sizeof text, master->bytes, SEAL_KEY_LEN);
    text[HEX_LEN] = '\n';
    bool ok = fchmod(file, 0600) == 0 && write(file, text, HEX_LEN + 1) == HEX_LEN + 1 && fsync(file) == 0;
    sodium_memzero(text, sizeof text);
    if (!ok)
        (void)error_errno(error, "cannot write the master key %s", path);
    (void)close(file);
    return ok;
}

static bool master_make(const char *path, struct seal_key *master, struct error *error)
{
    char fresh[PATH_MAX];

    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return error_set(error, ERROR_INVALID, "the path of the master key is too long: choose a shorter one");
    randombytes_buf(master->bytes, SEAL_KEY_LEN);
    if (master_write(fresh, master, error) &&
        (rename(fresh, path) == 0 || error_errno(error, "cannot make the master key %s", path)))
        return directory_sync_above(path, error);
    (void)unlink(fresh); /* else the next try overwrites it */
    return false;
}

static bool master_from_file(const char *path, bool create, struct seal_key *master, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (file < 0 && errno == ENOENT && create)
        return master_make(path, master, error);
    if (file < 0 && errno == ENOENT)
        return error_set(error, ERROR_NOT_FOUND,
                         "there is no master key at %s: put it back, or name it with --master-key", path);
    if (file < 0)
        return error_errno(error, "cannot read the master key %s", path);
    bool ok = master_file_is_private(file, path, error) && master_read(file, path, master, error);
    (void)close(file);
    return ok;
}

bool keyring_open(const char *path, bool create, struct keyring **out, struct error *error)
{
    struct keyring *ring = calloc(1, sizeof *ring);
    bool found = false;

    if (ring)
        ring->master = sodium_malloc(sizeof *ring->master);
    if (!ring || !ring->master) {
        keyring_close(ring);
        return error_set(error, ERROR_INTERNAL, "out of memory for keys");
    }
    if (!master_from_environment(ring->master, &found, error) ||
        (!found && !master_from_file(path, create, ring->master, error))) {
        keyring_close(ring);
        return false;
    }
    *out = ring;
    return true;
}

void keyring_close(struct keyring *ring)
{
    if (!ring)
        return;
    while (ring->accounts) {
        struct account_entry *entry = ring->accounts;
        ring->accounts = entry->next;
        sodium_free(entry->keys);
        free(entry);
    }
    sodium_free(ring->master);
    free(ring);
}

void keyring_make_check(const struct keyring *ring, unsigned char out[WRAPPED_LEN])
{
    const struct seal_key constant = { { 0 } };

    key_wrap(out, &constant, ring->master, check_label);
}

bool keyring_check(const struct keyring *ring, struct str wrapped)
{
    struct seal_key constant;

    return key_unwrap(&constant, wrapped, ring->master, check_label);
}

static struct account_keys *add_entry(struct keyring *ring, struct error *error)
{
    struct account_entry *entry = calloc(1, sizeof *entry);

    if (entry)
        entry->keys = sodium_malloc(sizeof *entry->keys);
    if (!entry || !entry->keys) {
        free(entry);
        (void)error_set(error, ERROR_INTERNAL, "out of memory for keys");
        return NULL;
    }
    entry->next = ring->accounts;
    ring->accounts = entry;
    return entry->keys;
}

/* Binds a wrapped key to what it is and whose. */
static struct str label_of(char text[48], const char *what, uint32_t account)
{
    int len = snprintf(text, 48, "habeas %s %u", what, account);

    return (struct str){ text, (size_t)len };
}

/* The sealing key is derived, so that only one key an account is stored. */
static void derive_sealing(struct account_keys *keys)
{
    static const unsigned char domain[] = "habeas account sealing";

    crypto_generichash(keys->sealing.bytes, SEAL_KEY_LEN, domain, sizeof domain - 1, keys->wrapping.bytes,
                       SEAL_KEY_LEN);
}

struct account_keys *keyring_make_account(struct keyring *ring, uint32_t account,
                                          unsigned char wrapped_key[WRAPPED_LEN],
                                          unsigned char wrapped_pepper[WRAPPED_LEN], struct error *error)
{
    struct account_keys *keys = add_entry(ring, error);
    struct seal_key pepper;
    char text[48];

    if (!keys)
        return NULL;
    randombytes_buf(keys->wrapping.bytes, SEAL_KEY_LEN);
    randombytes_buf(pepper.bytes, PEPPER_LEN);
    pepper_set(&keys->pepper, pepper.bytes);
    derive_sealing(keys);
    key_wrap(wrapped_key, &keys->wrapping, ring->master, label_of(text, "account", account));
    key_wrap(wrapped_pepper, &pepper, ring->master, label_of(text, "pepper", account));
    sodium_memzero(&pepper, sizeof pepper);
    return keys;
}

struct account_keys *keyring_open_account(struct keyring *ring, uint32_t account, struct str wrapped_key,
                                          struct str wrapped_pepper, struct error *error)
{
    struct account_keys *keys = add_entry(ring, error);
    struct seal_key pepper;
    char text[48];

    if (!keys)
        return NULL;
    if (!key_unwrap(&keys->wrapping, wrapped_key, ring->master, label_of(text, "account", account)) ||
        !key_unwrap(&pepper, wrapped_pepper, ring->master, label_of(text, "pepper", account))) {
        (void)error_set(error, ERROR_CORRUPT, "the keys of account %u do not open under this master key", account);
        return NULL;
    }
    pepper_set(&keys->pepper, pepper.bytes);
    sodium_memzero(&pepper, sizeof pepper);
    derive_sealing(keys);
    return keys;
}
