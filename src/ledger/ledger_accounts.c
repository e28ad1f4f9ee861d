/* Accounts, credentials, settings, names and sources: looked up by all, changed by the writer. */
#include <assert.h>
#include <sodium.h>

#include "ledger/ledger_inside.h"

/* ---- looking up ---- */

struct account *ledger_account(struct ledger *ledger, uint32_t number)
{
    return number >= 1 && number <= ledger->account_count ? ledger->accounts[number - 1] : NULL;
}

uint32_t ledger_account_count(const struct ledger *ledger)
{
    return ledger->account_count;
}

struct account *ledger_account_of_license(struct ledger *ledger, struct str license)
{
    for (uint32_t i = 0; i < ledger->account_count; i++)
        if (str_equal(license, str_of(ledger->accounts[i]->license)))
            return ledger->accounts[i];
    return NULL;
}

const struct credential *ledger_credential(struct ledger *ledger, struct str key_text)
{
    unsigned char hash[CREDENTIAL_HASH_LEN];
    struct map_key key;

    credential_hash(key_text, hash);
    memcpy(key.bytes, hash, sizeof key.bytes);
    const uint64_t *index = map_find(&ledger->credential_by_hash, key);
    if (!index)
        return NULL;
    const struct credential *credential = &ledger->credentials[*index];
    bool same = sodium_memcmp(credential->hash, hash, sizeof hash) == 0;
    return same && credential->revoked_ms == WHEN_NONE ? credential : NULL;
}

unsigned ledger_scopes(struct ledger *ledger, uint32_t account, uint32_t credential)
{
    for (uint32_t i = 0; i < ledger->credential_count; i++)
        if (ledger->credentials[i].account == account && ledger->credentials[i].number == credential)
            return ledger->credentials[i].scopes;
    return 0;
}

const struct source *ledger_source_at(struct ledger *ledger, uint32_t account, uint32_t number)
{
    for (uint32_t i = 0; i < ledger->source_count; i++)
        if (ledger->sources[i].account == account && ledger->sources[i].number == number)
            return &ledger->sources[i];
    return NULL;
}

uint32_t ledger_known_source(struct ledger *ledger, uint32_t account, uint32_t credential, struct str route)
{
    for (uint32_t i = 0; i < ledger->source_count; i++) {
        const struct source *source = &ledger->sources[i];
        if (source->account == account && source->credential == credential && str_equal(route, str_of(source->route)))
            return source->number;
    }
    return 0;
}

/* ---- accounts ---- */

static void publish_account(struct ledger *ledger, void *arg)
{
    struct account *const *account = arg;

    ledger->accounts[ledger->account_count++] = *account;
}

static bool store_account(struct ledger *ledger, const struct account *account, const unsigned char *key,
                          const unsigned char *pepper, struct error *error)
{
    return ledger_change(ledger,
                         SQL("INSERT INTO account (account, license, time_zone, created_at, wrapped_key, next_ordinal)"
                             " VALUES ($1, $2, $3, $4, $5, 1)"),
                         DB_PARAMS(DB_INTEGER(account->number), DB_TEXT(str_of(account->license)),
                                   DB_TEXT(str_of(account->time_zone)), DB_INTEGER(account->created_ms),
                                   DB_BLOB(key, WRAPPED_LEN)),
                         error) &&
           ledger_change(
               ledger, SQL("INSERT INTO pepper (account, pepper, wrapped, since) VALUES ($1, 1, $2, $3)"),
               DB_PARAMS(DB_INTEGER(account->number), DB_BLOB(pepper, WRAPPED_LEN), DB_INTEGER(account->created_ms)),
               error) &&
           ledger_stage(ledger, publish_account, &account, sizeof(struct account *), error);
}

/* One account a group: the number is the count of those committed. A group that fails leaves the struct to the process. */
static bool count_accounts(struct ledger *ledger, int64_t *count, struct error *error)
{
    return db_integer(ledger->db, SQL("SELECT COUNT(*) FROM account"), DB_PARAMS(DB_END), count, NULL, error);
}

bool ledger_add_account(struct ledger *ledger, const struct new_account *fresh, uint32_t *number, struct error *error)
{
    unsigned char key[WRAPPED_LEN], pepper[WRAPPED_LEN];
    struct account *account;
    int64_t count = 0;

    if (!license_is_valid(fresh->license))
        return error_set(error, ERROR_INVALID, "license: 1 to 64 letters, digits, '~', '_' or '-'");
    if (fresh->time_zone.len > ZONE_MAX || !when_zone_exists(fresh->time_zone))
        return error_set(error, ERROR_INVALID, "time_zone: no such zone; names are like Europe/Berlin");
    if (ledger_account_of_license(ledger, fresh->license))
        return error_set(error, ERROR_CONFLICT, "license: there is an account with it already");
    if (!count_accounts(ledger, &count, error))
        return false;
    if ((uint32_t)count != ledger->account_count)
        return error_set(error, ERROR_BUSY, "another account is being added: try again");
    account = ledger_new_account(ledger, ledger->account_count + 1, error);
    if (!account)
        return false;
    memcpy(account->license, fresh->license.at, fresh->license.len);
    memcpy(account->time_zone, fresh->time_zone.at, fresh->time_zone.len);
    account->created_ms = when_now(ledger->clock);
    account->pepper_number = 1;
    account->keys = keyring_make_account(ledger->ring, account->number, key, pepper, error);
    *number = account->number;
    if (account->keys && store_account(ledger, account, key, pepper, error))
        return true;
    account_free(account);
    return false;
}

/* ---- credentials ---- */

static void publish_credential(struct ledger *ledger, void *arg)
{
    if (!ledger_remember_credential(ledger, arg))
        assert(false && "out of memory for a credential");
}

bool ledger_add_credential(struct ledger *ledger, uint32_t account, unsigned scopes, char text[CREDENTIAL_TEXT_MAX],
                           uint32_t *number, struct error *error)
{
    struct credential credential = { .account = account, .scopes = scopes & SCOPE_ALL, .revoked_ms = WHEN_NONE };
    int64_t last = 0;

    credential.created_ms = when_now(ledger->clock);
    credential_make(credential.scopes, text, credential.hash);
    if (!db_integer(ledger->db, SQL("SELECT COALESCE(MAX(credential), 0) FROM credential WHERE account = $1"),
                    DB_PARAMS(DB_INTEGER(account)), &last, NULL, error))
        return false;
    credential.number = *number = (uint32_t)last + 1;
    return ledger_change(ledger,
                         SQL("INSERT INTO credential (account, credential, hash, scopes, created_at, revoked_at)"
                             " VALUES ($1, $2, $3, $4, $5, NULL)"),
                         DB_PARAMS(DB_INTEGER(account), DB_INTEGER(credential.number),
                                   DB_BLOB(credential.hash, sizeof credential.hash), DB_INTEGER(credential.scopes),
                                   DB_INTEGER(credential.created_ms)),
                         error) &&
           ledger_stage(ledger, publish_credential, &credential, sizeof credential, error);
}

struct revocation {
    uint32_t account, number;
    int64_t at_ms;
};

static void publish_revocation(struct ledger *ledger, void *arg)
{
    const struct revocation *revocation = arg;

    for (uint32_t i = 0; i < ledger->credential_count; i++) {
        struct credential *credential = &ledger->credentials[i];
        if (credential->account == revocation->account && credential->number == revocation->number)
            credential->revoked_ms = revocation->at_ms;
    }
}

bool ledger_revoke_credential(struct ledger *ledger, uint32_t account, uint32_t number, struct error *error)
{
    const struct revocation revocation = { account, number, when_now(ledger->clock) };
    int64_t changed = 0;

    ledger->is_changed = true;
    if (!db_change(ledger->db,
                   SQL("UPDATE credential SET revoked_at = $3 WHERE account = $1 AND credential = $2"
                       " AND revoked_at IS NULL"),
                   DB_PARAMS(DB_INTEGER(account), DB_INTEGER(number), DB_INTEGER(revocation.at_ms)), &changed, error))
        return false;
    if (changed == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no such key, or it is revoked already");
    return ledger_stage(ledger, publish_revocation, &revocation, sizeof revocation, error);
}

/* ---- settings ---- */

struct option_change {
    uint32_t account;
    const struct setting *row;
    char text[64];
};

static void publish_option(struct ledger *ledger, void *arg)
{
    const struct option_change *change = arg;
    struct error error = { 0 };

    if (!setting_set(change->row, &ledger_account(ledger, change->account)->options, change->text, &error))
        assert(false && "a setting was checked before");
}

static const struct setting *option_row(struct str name)
{
    for (const struct setting *row = account_settings; row->kind != SETTING_END; row++)
        if (str_equal(name, str_of(row->name)))
            return row;
    return NULL;
}

/* What setting_set says begins with the row as an option of a command line; here it has its plain name. */
static bool check_option(const struct setting *row, struct account_options *into, const char *text, struct error *error)
{
    struct error why = { 0 };

    if (setting_set(row, into, text, &why))
        return true;
    const char *behind = strchr(why.text, ' ');
    return error_set(error, why.code, "%s%s", row->name, behind ? behind : ": not possible");
}

bool ledger_set_option(struct ledger *ledger, uint32_t account, struct str name, struct str value, struct error *error)
{
    struct option_change change = { account, option_row(name), "" };
    struct account_options checked = ledger_account(ledger, account)->options;

    if (!change.row)
        return error_set(error, ERROR_INVALID, "there is no such setting");
    if (value.len >= sizeof change.text)
        return error_set(error, ERROR_INVALID, "%s: too long", change.row->name);
    memcpy(change.text, value.at, value.len);
    return check_option(change.row, &checked, change.text, error) &&
           ledger_change(ledger,
                         SQL("INSERT INTO setting (account, name, value) VALUES ($1, $2, $3)"
                             " ON CONFLICT (account, name) DO UPDATE SET value = excluded.value"),
                         DB_PARAMS(DB_INTEGER(account), DB_TEXT(name), DB_TEXT(value)), error) &&
           ledger_stage(ledger, publish_option, &change, sizeof change, error);
}

/* ---- names ---- */

struct name_change {
    uint32_t account;
    enum name_kind kind;
    struct name name;
};

static void publish_name(struct ledger *ledger, void *arg)
{
    const struct name_change *change = arg;
    struct names *names = &ledger_account(ledger, change->account)->names[change->kind];

    if (!names_add(names, change->name.number, str_of(change->name.text), change->name.type))
        assert(false && "out of memory for a name");
}

struct name_row {
    struct name *out;
    bool found;
};

static bool take_name(void *arg, const struct row *row, struct error *error)
{
    struct name_row *taken = arg;

    (void)error;
    taken->found = true;
    taken->out->number = (uint32_t)row_integer(row, 0);
    taken->out->type = (enum name_type)row_integer(row, 1);
    return true;
}

static bool may_add(const struct account *account, enum name_kind kind, struct str text, int64_t count,
                    struct error *error)
{
    int64_t max = kind == NAME_EVENT ? account->options.event_names_max : account->options.attribute_names_max;

    if (name_looks_personal(text))
        return error_set(error, ERROR_INVALID, "looks like an address, a number or an id: names are kept in the clear");
    if (count >= max)
        return error_set(error, ERROR_LIMITED, "the account has its %lld names already", (long long)max);
    return true;
}

bool ledger_may_add_name(const struct account *account, enum name_kind kind, struct str text, struct error *error)
{
    return may_add(account, kind, text, account->names[kind].count, error);
}

bool ledger_add_name(struct ledger *ledger, struct account *account, enum name_kind kind, struct str text,
                     enum name_type type, struct name *out, struct error *error)
{
    struct name_change change = { account->number, kind, { .type = type } };
    struct name_row taken = { out, false };
    int64_t count = 0;

    *out = (struct name){ 0 };
    assert(text.len < sizeof out->text);
    memcpy(out->text, text.at, text.len);
    /* Names are only ever added, so what memory refuses the database would: a body of many thousand names that no account
     * has room for must not hold up the writer. */
    if (!names_find(&account->names[kind], text) && !ledger_may_add_name(account, kind, text, error))
        return false;
    if (!db_run(ledger->db, SQL("SELECT name, type FROM name WHERE account = $1 AND kind = $2 AND text = $3"),
                DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_TEXT(text)), take_name, &taken, error))
        return false;
    if (taken.found)
        return true;
    if (!db_integer(ledger->db, SQL("SELECT COALESCE(MAX(name), 0) FROM name WHERE account = $1 AND kind = $2"),
                    DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind)), &count, NULL, error) ||
        !may_add(account, kind, text, count, error))
        return false;
    out->number = change.name.number = (uint32_t)count + 1;
    out->type = type;
    memcpy(change.name.text, text.at, text.len);
    return ledger_change(
               ledger, SQL("INSERT INTO name (account, kind, name, text, type, since) VALUES ($1, $2, $3, $4, $5, $6)"),
               DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_INTEGER(out->number), DB_TEXT(text),
                         DB_INTEGER(type), DB_INTEGER(when_now(ledger->clock))),
               error) &&
           ledger_stage(ledger, publish_name, &change, sizeof change, error);
}

static void publish_name_type(struct ledger *ledger, void *arg)
{
    const struct name_change *change = arg;
    struct names *names = &ledger_account(ledger, change->account)->names[change->kind];

    names->rows[change->name.number - 1]->type = change->name.type;
}

bool ledger_set_name_type(struct ledger *ledger, struct account *account, enum name_kind kind, struct str text,
                          enum name_type type, struct error *error)
{
    const struct name *name = names_find(&account->names[kind], text);
    struct name_change change = { account->number, kind, { .type = type } };

    if (!name)
        return error_set(error, ERROR_NOT_FOUND, "there is no attribute of this name");
    change.name.number = name->number;
    return ledger_change(
               ledger, SQL("UPDATE name SET type = $4 WHERE account = $1 AND kind = $2 AND name = $3"),
               DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(kind), DB_INTEGER(name->number), DB_INTEGER(type)),
               error) &&
           ledger_stage(ledger, publish_name_type, &change, sizeof change, error);
}

/* ---- sources ---- */

static void publish_source(struct ledger *ledger, void *arg)
{
    if (!ledger_remember_source(ledger, arg))
        assert(false && "out of memory for a source");
}

bool ledger_source(struct ledger *ledger, uint32_t account, uint32_t credential, struct str route, uint32_t *out,
                   struct error *error)
{
    struct source source = { .account = account, .credential = credential };
    int64_t number = 0;
    bool found = false;

    *out = ledger_known_source(ledger, account, credential, route);
    if (*out)
        return true;
    assert(route.len < sizeof source.route);
    memcpy(source.route, route.at, route.len);
    if (!db_integer(ledger->db, SQL("SELECT source FROM source WHERE account = $1 AND credential = $2 AND route = $3"),
                    DB_PARAMS(DB_INTEGER(account), DB_INTEGER(credential), DB_TEXT(route)), &number, &found, error))
        return false;
    if (found) {
        *out = (uint32_t)number;
        return true;
    }
    if (!db_integer(ledger->db, SQL("SELECT COALESCE(MAX(source), 0) + 1 FROM source WHERE account = $1"),
                    DB_PARAMS(DB_INTEGER(account)), &number, NULL, error))
        return false;
    source.number = *out = (uint32_t)number;
    return ledger_change(ledger, SQL("INSERT INTO source (account, source, credential, route) VALUES ($1, $2, $3, $4)"),
                         DB_PARAMS(DB_INTEGER(account), DB_INTEGER(number), DB_INTEGER(credential), DB_TEXT(route)),
                         error) &&
           ledger_stage(ledger, publish_source, &source, sizeof source, error);
}
