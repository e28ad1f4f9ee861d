/* Making and taking back links, with all that follows for the person's rights. */
#include "ledger/link.h"

#include "ledger/ledger_inside.h"
#include "ledger/preference.h"
#include "ledger/right.h"
#include "ledger/subject.h"

/* ---- edges ---- */

static bool is_joined(struct ledger *ledger, uint32_t account, uint32_t ordinal, uint32_t user, bool *out,
                      struct error *error)
{
    int64_t one = 0;

    *out = false;
    return db_integer(ledger->db,
                      SQL("SELECT 1 FROM link WHERE account = $1 AND removed_at IS NULL"
                          " AND ((ordinal = $2 AND user_ordinal = $3) OR (ordinal = $3 AND user_ordinal = $2))"),
                      DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(user)), &one, out, error);
}

static bool store_edge(struct ledger *ledger, uint32_t account, uint32_t ordinal, uint32_t user, uint32_t source,
                       struct error *error)
{
    int64_t number = 0;

    return db_integer(ledger->db,
                      SQL("SELECT COALESCE(MAX(number), 0) + 1 FROM link WHERE account = $1 AND ordinal = $2"),
                      DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), &number, NULL, error) &&
           ledger_change(ledger,
                         SQL("INSERT INTO link (account, ordinal, number, user_ordinal, source, since)"
                             " VALUES ($1, $2, $3, $4, $5, $6)"),
                         DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal), DB_INTEGER(number), DB_INTEGER(user),
                                   DB_INTEGER(source), DB_INTEGER(when_now(ledger->clock))),
                         error);
}

static bool has_room(const struct person *one, const struct person *two, struct error *error)
{
    return person_has(one, two->ordinals[0]) || one->count + two->count <= PERSON_MAX ||
           error_set(error, ERROR_LIMITED, "this person has the most subjects that one may have");
}

static void mark_moved(const struct account *account, const struct person *person)
{
    for (uint32_t i = 0; i < person->count; i++)
        account_subject(account, person->ordinals[i])->moved = true;
}

bool link_add(struct ledger *ledger, struct account *account, uint32_t ordinal, uint32_t user, uint32_t source,
              struct error *error)
{
    struct person one, two;
    bool joined = false;

    if (ordinal == user)
        return true;
    if (!is_joined(ledger, account->number, ordinal, user, &joined, error))
        return false;
    if (joined)
        return true;
    if (!person_now(ledger, account, ordinal, &one, error) || !person_now(ledger, account, user, &two, error) ||
        !has_room(&one, &two, error) || !store_edge(ledger, account->number, ordinal, user, source, error))
        return false;
    mark_moved(account, &one);
    mark_moved(account, &two);
    return rights_restage(ledger, account, ordinal, error);
}

/* ---- taking back ---- */

struct standing {
    struct right right; /* its road in the ledger's stage */
    struct standing *next;
};
struct collecting {
    struct ledger *ledger;
    struct standing *first;
};

static bool collect_right(void *arg, const struct right *right, struct error *error)
{
    struct collecting *collecting = arg;
    struct standing *standing;

    if (right->kind == RIGHT_OBJECTION)
        return true; /* goes with the series of what was said */
    standing = ARENA_NEW(&collecting->ledger->stage, struct standing, 1);
    if (!standing)
        return error_set(error, ERROR_BUSY, "too many changes in one group");
    *standing = (struct standing){ *right, collecting->first };
    standing->right.road = arena_copy(&collecting->ledger->stage, right->road);
    collecting->first = standing;
    return true;
}

static bool collect_rights(struct ledger *ledger, uint32_t account, const struct person *person,
                           struct standing **first, struct error *error)
{
    struct collecting collecting = { ledger, NULL };

    for (uint32_t i = 0; i < person->count; i++)
        if (!rights_in_force(ledger->db, account, person->ordinals[i], when_now(ledger->clock), collect_right,
                             &collecting, error))
            return false;
    *first = collecting.first;
    return true;
}

static bool stands_among(const struct standing *list, const struct right *right)
{
    for (; list; list = list->next)
        if (list->right.kind == right->kind && list->right.denies == right->denies &&
            list->right.request == right->request && list->right.until_ms == right->until_ms)
            return true;
    return false;
}

/* What stood with one side comes into force with the other, on `ordinal`, one of theirs. */
static bool keep_rights(struct ledger *ledger, struct account *account, const struct standing *list,
                        const struct standing *theirs, uint32_t ordinal, struct error *error)
{
    for (; list; list = list->next)
        if (!stands_among(theirs, &list->right) && !right_add(ledger, account, ordinal, &list->right, error))
            return false;
    return true;
}

/* Until someone decides for each of the two. */
static bool keep_denied(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal,
                        uint32_t user, uint32_t source, struct error *error)
{
    struct person one, two;
    struct standing *of_one = NULL, *of_two = NULL;

    if (!person_now(ledger, account, ordinal, &one, error) || !person_now(ledger, account, user, &two, error))
        return false;
    if (person_has(&one, user))
        return true; /* joined by another road */
    return collect_rights(ledger, account->number, &one, &of_one, error) &&
           collect_rights(ledger, account->number, &two, &of_two, error) &&
           keep_rights(ledger, account, of_one, of_two, user, error) &&
           keep_rights(ledger, account, of_two, of_one, ordinal, error) &&
           preference_keep(ledger, seat, account, &one, &two, user, source, error) &&
           preference_keep(ledger, seat, account, &two, &one, ordinal, source, error);
}

bool link_remove(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal, uint32_t user,
                 uint32_t source, struct error *error)
{
    struct person whole;
    int64_t changed = 0;

    if (!person_now(ledger, account, ordinal, &whole, error))
        return false;
    ledger->is_changed = true;
    if (!db_change(ledger->db,
                   SQL("UPDATE link SET removed_at = $4, removed_source = $5 WHERE account = $1 AND removed_at IS NULL"
                       " AND ((ordinal = $2 AND user_ordinal = $3) OR (ordinal = $3 AND user_ordinal = $2))"),
                   DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(ordinal), DB_INTEGER(user),
                             DB_INTEGER(when_now(ledger->clock)), DB_INTEGER(source)),
                   &changed, error))
        return false;
    if (changed == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no such link");
    mark_moved(account, &whole);
    return keep_denied(ledger, seat, account, ordinal, user, source, error) &&
           rights_restage(ledger, account, ordinal, error) && rights_restage(ledger, account, user, error);
}

/* ---- reading ---- */

struct each {
    link_each *call;
    void *arg;
};

static struct link_row link_of(const struct row *row)
{
    return (struct link_row){ .ordinal = (uint32_t)row_integer(row, 0),
                              .user = (uint32_t)row_integer(row, 1),
                              .source = (uint32_t)row_integer(row, 2),
                              .since_ms = row_integer(row, 3) };
}

static bool take_link(void *arg, const struct row *row, struct error *error)
{
    const struct each *each = arg;
    const struct link_row link = link_of(row);

    return each->call(each->arg, &link, error);
}

bool links_from(struct db *db, uint32_t account, uint32_t ordinal, link_each *each, void *arg, struct error *error)
{
    struct each taken = { each, arg };

    return db_run(db,
                  SQL("SELECT ordinal, user_ordinal, source, since FROM link WHERE account = $1 AND ordinal = $2"
                      " AND removed_at IS NULL ORDER BY number"),
                  DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), take_link, &taken, error);
}

struct finding {
    const struct person *person;
    struct link_row *out;
    bool found;
};

static bool take_found(void *arg, const struct row *row, struct error *error)
{
    struct finding *finding = arg;
    const struct link_row link = link_of(row);

    (void)error;
    if (!person_has(finding->person, link.user))
        return true;
    *finding->out = link;
    finding->found = true;
    return DB_STOP;
}

static bool find_linked(struct db *db, struct sql sql, uint32_t account, const struct fingerprint *print,
                        const struct person *person, struct link_row *out, bool *found, struct error *error)
{
    struct finding finding = { person, out, false };

    if (!db_run(db, sql,
                DB_PARAMS(DB_INTEGER(account), DB_INTEGER(IDENTITY_ANONYMOUS), DB_BLOB(print->bytes, FINGERPRINT_LEN)),
                take_found, &finding, error))
        return false;
    *found = finding.found;
    return true;
}

#define LINKS_OF_ID                                                                                                    \
    "SELECT link.ordinal, link.user_ordinal, link.source, link.since FROM identity"                                    \
    " JOIN link ON link.account = identity.account AND link.ordinal = identity.ordinal"                                \
    " WHERE identity.account = $1 AND identity.kind = $2 AND identity.fingerprint = $3"

bool link_find(struct db *db, uint32_t account, const struct fingerprint *print, const struct person *person,
               struct link_row *out, bool *found, struct error *error)
{
    return find_linked(db, SQL(LINKS_OF_ID " AND link.removed_at IS NULL ORDER BY link.ordinal"), account, print,
                       person, out, found, error);
}

/* A subject that was parted from this person, and belongs to nobody since. */
static bool find_parted(struct db *db, uint32_t account, const struct fingerprint *print, const struct person *person,
                        struct link_row *out, bool *found, struct error *error)
{
    return find_linked(db,
                       SQL(LINKS_OF_ID " AND NOT EXISTS (SELECT 1 FROM link AS other WHERE other.account = $1"
                                       " AND other.ordinal = link.ordinal AND other.removed_at IS NULL)"
                                       " ORDER BY link.ordinal"),
                       account, print, person, out, found, error);
}

/* ---- an anonymous id and its users ---- */

/* Also by a link that was taken back: what it holds has been somebody's. */
static bool was_joined(struct ledger *ledger, uint32_t account, uint32_t ordinal, bool *out, struct error *error)
{
    int64_t one = 0;

    *out = false;
    return db_integer(ledger->db, SQL("SELECT 1 FROM link WHERE account = $1 AND ordinal = $2 LIMIT 1"),
                      DB_PARAMS(DB_INTEGER(account), DB_INTEGER(ordinal)), &one, out, error);
}

static bool may_collect(struct ledger *ledger, const struct account *account, uint32_t ordinal, bool *out,
                        struct error *error)
{
    uint32_t denied = 0;

    if (!rights_denied(ledger, account, ordinal, &denied, error))
        return false;
    *out = !(denied & PURPOSE_BIT(PURPOSE_COLLECT));
    return true;
}

/* All that the id has had until now. */
static bool join_whole(struct ledger *ledger, struct account *account, struct link_joining *joining, uint32_t ordinal,
                       struct error *error)
{
    bool allowed = joining->is_decided;

    if (!allowed && !may_collect(ledger, account, ordinal, &allowed, error))
        return false;
    if (!allowed)
        return true;
    joining->joined = ordinal;
    return link_add(ledger, account, ordinal, joining->user, joining->source, error);
}

/* From this moment on. */
static bool join_anew(struct ledger *ledger, struct seat *seat, struct account *account, struct link_joining *joining,
                      const struct person *person, struct error *error)
{
    if (person->count >= PERSON_MAX)
        return error_set(error, ERROR_LIMITED, "this person has the most subjects that one may have");
    joining->is_new = true;
    return subject_leave_anonymous(ledger, account, &joining->print, error) &&
           subject_create(ledger, seat, account, IDENTITY_ANONYMOUS, &joining->print, joining->source, &joining->joined,
                          error) &&
           link_add(ledger, account, joining->joined, joining->user, joining->source, error);
}

/* It meant this user's before, or was parted from it by a decision that is taken back now. */
static bool join_again(struct ledger *ledger, struct account *account, struct link_joining *joining,
                       const struct link_row *before, struct error *error)
{
    joining->joined = before->ordinal;
    return link_add(ledger, account, before->ordinal, before->user, joining->source, error) &&
           subject_retake_anonymous(ledger, account, &joining->print, before->ordinal, error);
}

/* Links in force first; those taken back only for who decides. */
static bool find_before(struct ledger *ledger, const struct account *account, const struct link_joining *joining,
                        const struct person *person, struct link_row *before, bool *found, struct error *error)
{
    return link_find(ledger->db, account->number, &joining->print, person, before, found, error) &&
           (*found || !joining->is_decided ||
            find_parted(ledger->db, account->number, &joining->print, person, before, found, error));
}

/* Was the id given, or taken back, behind what is said here? */
static bool is_overtaken(struct ledger *ledger, const struct account *account, const struct link_joining *joining,
                         bool *out, struct error *error)
{
    int64_t one = 0;

    *out = false;
    return !joining->said_ms ||
           db_integer(ledger->db,
                      SQL("SELECT 1 FROM identity LEFT JOIN link ON link.account = identity.account"
                          " AND link.ordinal = identity.ordinal WHERE identity.account = $1 AND identity.kind = $2"
                          " AND identity.fingerprint = $3 AND (identity.left_at > $4 OR link.since > $4"
                          " OR link.removed_at > $4) LIMIT 1"),
                      DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(IDENTITY_ANONYMOUS),
                                DB_BLOB(joining->print.bytes, FINGERPRINT_LEN), DB_INTEGER(joining->said_ms)),
                      &one, out, error);
}

bool link_join(struct ledger *ledger, struct seat *seat, struct account *account, struct link_joining *joining,
               struct error *error)
{
    struct person person;
    struct link_row before;
    uint32_t present = 0;
    bool overtaken = false, taken = false, found = false;

    joining->joined = 0;
    joining->is_new = false;
    if (!person_now(ledger, account, joining->user, &person, error) ||
        !subject_find(ledger, account, IDENTITY_ANONYMOUS, &joining->print, &present, error))
        return false;
    if (present && person_has(&person, present)) {
        joining->joined = present;
        return true;
    }
    if (!is_overtaken(ledger, account, joining, &overtaken, error) || overtaken)
        return overtaken;
    if (present && !was_joined(ledger, account->number, present, &taken, error))
        return false;
    if (present && !taken)
        return join_whole(ledger, account, joining, present, error);
    if (!find_before(ledger, account, joining, &person, &before, &found, error))
        return false;
    return found ? join_again(ledger, account, joining, &before, error)
                 : join_anew(ledger, seat, account, joining, &person, error);
}
