/* From the tables into memory, once at start. */
#include <stdlib.h>

#include "ledger/ledger_inside.h"
#include "ledger/mark.h"
#include "ledger/person.h"
#include "ledger/right.h"

/* The list may move, so nobody may be reading it. */
static bool grow_accounts(struct ledger *ledger)
{
    uint32_t cap = ledger->account_cap ? 2 * ledger->account_cap : 8;
    struct account **accounts;

    if (ledger->account_count < ledger->account_cap)
        return true;
    (void)pthread_rwlock_wrlock(&ledger->hold);
    accounts = realloc(ledger->accounts, cap * sizeof(struct account *));
    if (accounts) {
        ledger->accounts = accounts;
        ledger->account_cap = cap;
    }
    (void)pthread_rwlock_unlock(&ledger->hold);
    return accounts != NULL;
}

struct account *ledger_new_account(struct ledger *ledger, uint32_t number, struct error *error)
{
    struct account *account = calloc(1, sizeof *account);

    if (!account || !grow_accounts(ledger)) {
        free(account);
        (void)error_set(error, ERROR_INTERNAL, "out of memory for an account");
        return NULL;
    }
    account->number = number;
    account->subjects.next_ordinal = 1;
    for (const struct setting *row = account_settings; row->kind != SETTING_END; row++)
        if (!setting_set(row, &account->options, row->fallback, error)) {
            free(account);
            return NULL;
        }
    return account;
}

bool ledger_remember_credential(struct ledger *ledger, const struct credential *credential)
{
    struct map_key key;

    if (ledger->credential_count == ledger->credential_cap) {
        uint32_t cap = ledger->credential_cap ? 2 * ledger->credential_cap : 16;
        struct credential *credentials = realloc(ledger->credentials, cap * sizeof *credentials);
        if (!credentials)
            return false;
        ledger->credentials = credentials;
        ledger->credential_cap = cap;
    }
    memcpy(key.bytes, credential->hash, sizeof key.bytes);
    if (!map_put(&ledger->credential_by_hash, key, ledger->credential_count))
        return false;
    ledger->credentials[ledger->credential_count++] = *credential;
    return true;
}

bool ledger_remember_source(struct ledger *ledger, const struct source *source)
{
    if (ledger->source_count == ledger->source_cap) {
        uint32_t cap = ledger->source_cap ? 2 * ledger->source_cap : 16;
        struct source *sources = realloc(ledger->sources, cap * sizeof *sources);
        if (!sources)
            return false;
        ledger->sources = sources;
        ledger->source_cap = cap;
    }
    ledger->sources[ledger->source_count++] = *source;
    return true;
}

static bool no_memory(struct error *error)
{
    return error_set(error, ERROR_INTERNAL, "out of memory while loading the ledger");
}

static void copy_text(char *out, size_t cap, struct str text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;

    memcpy(out, text.at, len);
    out[len] = '\0';
}

static bool take_account(void *arg, const struct row *row, struct error *error)
{
    struct ledger *ledger = arg;
    struct account *account = ledger_new_account(ledger, (uint32_t)row_integer(row, 0), error);

    if (!account)
        return false;
    copy_text(account->license, sizeof account->license, row_bytes(row, 1));
    copy_text(account->time_zone, sizeof account->time_zone, row_bytes(row, 2));
    account->created_ms = row_integer(row, 3);
    account->pepper_number = (uint32_t)row_integer(row, 6);
    account->subjects.next_ordinal = (uint32_t)row_integer(row, 5);
    account->keys = keyring_open_account(ledger->ring, account->number, row_bytes(row, 4), row_bytes(row, 7), error);
    if (!account->keys) {
        account_free(account);
        return false;
    }
    ledger->accounts[ledger->account_count++] = account;
    return true;
}

static bool take_setting(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    char value[64];

    if (!account)
        return true;
    copy_text(value, sizeof value, row_bytes(row, 2));
    for (const struct setting *setting = account_settings; setting->kind != SETTING_END; setting++)
        if (str_equal(row_bytes(row, 1), str_of(setting->name)))
            return setting_set(setting, &account->options, value, error);
    return true; /* of a later program that was taken back: without effect here */
}

static bool take_credential(void *arg, const struct row *row, struct error *error)
{
    struct credential credential = {
        .account = (uint32_t)row_integer(row, 0),
        .number = (uint32_t)row_integer(row, 1),
        .scopes = (unsigned)row_integer(row, 3),
        .created_ms = row_integer(row, 4),
        .revoked_ms = row_is_null(row, 5) ? WHEN_NONE : row_integer(row, 5),
    };

    return row_blob(row, 2, credential.hash, sizeof credential.hash, error) &&
           (ledger_remember_credential(arg, &credential) || no_memory(error));
}

static bool take_source(void *arg, const struct row *row, struct error *error)
{
    struct source source = {
        .account = (uint32_t)row_integer(row, 0),
        .number = (uint32_t)row_integer(row, 1),
        .credential = (uint32_t)row_integer(row, 2),
    };

    copy_text(source.route, sizeof source.route, row_bytes(row, 3));
    return ledger_remember_source(arg, &source) || no_memory(error);
}

static bool take_name(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    int64_t kind = row_integer(row, 1);

    if (!account || kind < NAME_EVENT || kind >= NAME_KINDS)
        return error_set(error, ERROR_CORRUPT, "a name of no account or kind");
    return names_add(&account->names[kind], (uint32_t)row_integer(row, 2), row_bytes(row, 3),
                     (enum name_type)row_integer(row, 4)) ||
           no_memory(error);
}

static bool take_subject(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    struct subject *subject = account ? account_make_subject(account, (uint32_t)row_integer(row, 1)) : NULL;

    if (!subject)
        return no_memory(error);
    subject->slot = (uint64_t)row_integer(row, 2);
    subject->known = row_integer(row, 3) != 0;
    subject->state = (uint8_t)row_integer(row, 4);
    subject->generation = 1;
    if (subject->state != SUBJECT_LIVE)
        subject->denied = DENIED_BY_ERASURE;
    return true;
}

static bool take_identity(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    struct map_key key;

    if (!account || !row_blob(row, 1, key.bytes, sizeof key.bytes, error))
        return false;
    return map_put(&account->identities, key, (uint64_t)row_integer(row, 2)) || no_memory(error);
}

static bool take_link(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));

    return (account && person_load_link(account, (uint32_t)row_integer(row, 1), (uint32_t)row_integer(row, 2))) ||
           error_set(error, ERROR_CORRUPT, "a link of nobody");
}

static bool take_right(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    struct subject *subject = account ? account_subject(account, (uint32_t)row_integer(row, 1)) : NULL;

    if (!subject)
        return error_set(error, ERROR_CORRUPT, "a right of nobody");
    subject->denied |= (uint32_t)row_integer(row, 2);
    return true;
}

static bool take_mark(void *arg, const struct row *row, struct error *error)
{
    struct account *account = ledger_account(arg, (uint32_t)row_integer(row, 0));
    struct map_key key;

    if (!account || !row_blob(row, 2, key.bytes, sizeof key.bytes, error))
        return false;
    if (row_integer(row, 1) == MARK_LATE)
        return map_put(&account->late, key, (uint64_t)row_integer(row, 3)) || no_memory(error);
    return map_put(&account->suppressed, key, row_is_null(row, 4) ? INT64_MAX : (uint64_t)row_integer(row, 4)) ||
           no_memory(error);
}

bool ledger_load(struct ledger *ledger, struct error *error)
{
    const struct {
        struct sql sql;
        db_row *take;
    } steps[] = {
        { SQL("SELECT account.account, license, time_zone, created_at, wrapped_key, next_ordinal, pepper, wrapped"
              " FROM account JOIN pepper ON pepper.account = account.account ORDER BY account.account, pepper"),
          take_account },
        { SQL("SELECT account, name, value FROM setting"), take_setting },
        { SQL("SELECT account, credential, hash, scopes, created_at, revoked_at FROM credential ORDER BY 1, 2"),
          take_credential },
        { SQL("SELECT account, source, credential, route FROM source ORDER BY 1, 2"), take_source },
        { SQL("SELECT account, kind, name, text, type FROM name ORDER BY 1, 2, 3"), take_name },
        { SQL("SELECT account, ordinal, slot, known, state FROM subject"), take_subject },
        { SQL("SELECT identity.account, fingerprint, identity.ordinal FROM identity WHERE kind <= 2 AND left_at IS "
              "NULL"),
          take_identity },
        { SQL("SELECT account, ordinal, user_ordinal FROM link WHERE removed_at IS NULL"), take_link },
        { SQL("SELECT account, ordinal, denies FROM rights WHERE ended_at IS NULL"), take_right },
        { SQL("SELECT account, what, fingerprint, at, until FROM mark WHERE what <= 2"), take_mark },
    };

    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (!db_run(ledger->db, steps[i].sql, DB_PARAMS(DB_END), steps[i].take, ledger, error))
            return error_within(error, "loading the ledger");
    for (uint32_t number = 1; number <= ledger->account_count; number++)
        persons_settle(ledger_account(ledger, number));
    return true;
}
