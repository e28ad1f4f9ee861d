/* Who belongs together: in memory as rings, for the open group from the rows. */
#include "ledger/person.h"

#include <stddef.h>
#include <stdlib.h>

#include "ledger/ledger_inside.h"
#include "ledger/right.h"

static int rising(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static void sort(struct person *person)
{
    if (person->count > 1)
        qsort(person->ordinals, person->count, sizeof *person->ordinals, rising);
}

bool person_has(const struct person *person, uint32_t ordinal)
{
    for (uint32_t i = 0; i < person->count; i++)
        if (person->ordinals[i] == ordinal)
            return true;
    return false;
}

void person_known(const struct account *account, uint32_t ordinal, struct person *out)
{
    uint32_t at = ordinal;

    out->count = 0;
    do {
        const struct subject *subject = account_subject(account, at);
        out->ordinals[out->count++] = at;
        at = subject ? subject->next : 0;
    } while (at != 0 && at != ordinal && out->count < PERSON_MAX);
    sort(out);
}

/* ---- for the writer ---- */

static bool take_neighbour(void *arg, const struct row *row, struct error *error)
{
    struct person *person = arg;
    uint32_t ordinal = (uint32_t)row_integer(row, 0);

    if (person_has(person, ordinal))
        return true;
    if (person->count == PERSON_MAX)
        return error_set(error, ERROR_CORRUPT, "a person of too many subjects");
    person->ordinals[person->count++] = ordinal;
    return true;
}

static bool person_from_rows(struct ledger *ledger, const struct account *account, uint32_t ordinal,
                             struct person *person, struct error *error)
{
    person->count = 1;
    person->ordinals[0] = ordinal;
    for (uint32_t i = 0; i < person->count; i++)
        if (!db_run(ledger->db,
                    SQL("SELECT user_ordinal FROM link WHERE account = $1 AND ordinal = $2 AND removed_at IS NULL"
                        " UNION ALL"
                        " SELECT ordinal FROM link WHERE account = $1 AND user_ordinal = $2 AND removed_at IS NULL"),
                    DB_PARAMS(DB_INTEGER(account->number), DB_INTEGER(person->ordinals[i])), take_neighbour, person,
                    error))
            return false;
    sort(person);
    return true;
}

/* A link marks all whom it joins or parts as moved, so who is not has the neighbours that memory says. */
bool person_now(struct ledger *ledger, const struct account *account, uint32_t ordinal, struct person *out,
                struct error *error)
{
    const struct subject *subject = account_subject(account, ordinal);

    if (subject && subject->moved)
        return person_from_rows(ledger, account, ordinal, out, error);
    person_known(account, ordinal, out);
    return true;
}

static bool add_denied(void *arg, const struct right *right, struct error *error)
{
    uint32_t *denied = arg;

    (void)error;
    *denied |= right->denies;
    return true;
}

bool person_denied(struct ledger *ledger, const struct account *account, const struct person *person, uint32_t *denied,
                   struct error *error)
{
    *denied = 0;
    for (uint32_t i = 0; i < person->count; i++)
        if (!rights_in_force(ledger->db, account->number, person->ordinals[i], when_now(ledger->clock), add_denied,
                             denied, error))
            return false;
    return true;
}

/* As many ordinals as it counts; staged no longer than that. */
struct person_change {
    uint32_t account, denied, count;
    uint32_t ordinals[PERSON_MAX];
};

static void publish_person(struct ledger *ledger, void *arg)
{
    const struct person_change *change = arg;
    struct account *account = ledger_account(ledger, change->account);
    bool alone = change->count == 1;

    for (uint32_t i = 0; i < change->count; i++) {
        struct subject *subject = account_subject(account, change->ordinals[i]);
        subject->denied = change->denied;
        subject->person = alone ? 0 : change->ordinals[0];
        subject->next = alone ? 0 : change->ordinals[(i + 1) % change->count];
        subject->generation++;
        subject->moved = false;
    }
}

bool person_restage(struct ledger *ledger, struct account *account, const struct person *person, struct error *error)
{
    struct person_change change = { .account = account->number, .count = person->count };

    memcpy(change.ordinals, person->ordinals, person->count * sizeof *person->ordinals);
    for (uint32_t i = 0; i < person->count; i++)
        account_subject(account, person->ordinals[i])->moved = true;
    return person_denied(ledger, account, person, &change.denied, error) &&
           ledger_stage(ledger, publish_person, &change,
                        offsetof(struct person_change, ordinals) + person->count * sizeof *person->ordinals, error);
}

/* ---- at start ---- */

static void name_all(struct account *account, uint32_t from, uint32_t name)
{
    uint32_t at = from;

    do {
        struct subject *subject = account_subject(account, at);
        subject->person = name;
        at = subject->next;
    } while (at != from);
}

bool person_load_link(struct account *account, uint32_t ordinal, uint32_t other)
{
    struct subject *one = account_subject(account, ordinal), *two = account_subject(account, other);
    uint32_t name = account_person(account, ordinal), next;

    if (!one || !two || ordinal == other)
        return false;
    if (name == account_person(account, other))
        return true;
    if (account_person(account, other) < name)
        name = account_person(account, other);
    next = one->next ? one->next : ordinal;
    one->next = two->next ? two->next : other; /* two rings become one where their next ones change places */
    two->next = next;
    name_all(account, ordinal, name);
    return true;
}

/* Each ring once, from the one that names it. */
static void spread_mask(struct account *account, uint32_t first)
{
    uint32_t denied = 0;

    for (uint32_t round = 0; round < 2; round++) {
        uint32_t at = first;
        do {
            struct subject *subject = account_subject(account, at);
            if (round == 0)
                denied |= subject->denied;
            else
                subject->denied = denied;
            at = subject->next;
        } while (at != first);
    }
}

void persons_settle(struct account *account)
{
    for (uint32_t ordinal = 1; ordinal < account->subjects.next_ordinal; ordinal++) {
        const struct subject *subject = account_subject(account, ordinal);
        if (subject && subject->person == ordinal)
            spread_mask(account, ordinal);
    }
}
