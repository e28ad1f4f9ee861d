/* See house.h. */
#include "ledger/house.h"

#include <sodium.h>

bool house_try_open(struct house *house, bool create, struct error *error)
{
    if (!keyring_open(house->key_path, create, &house->ring, error))
        return false;
    if (ledger_open(house->ledger_path, house->ring, create, &house->clock, &house->ledger, error))
        return true;
    keyring_close(house->ring);
    house->ring = NULL;
    house->ledger = NULL;
    return false;
}

static void take_seats(struct house *house)
{
    MUST(seat_new(house->ledger, &house->writer, &why));
    MUST(seat_new(house->ledger, &house->reader, &why));
    seat_is_writers(house->writer);
    house->account = ledger_account(house->ledger, 1);
}

int house_set_up(void **state)
{
    struct house *house = calloc(1, sizeof(*house));
    const struct new_account shop = { STR("shop"), STR("UTC") };
    uint32_t number = 0;

    if (sodium_init() < 0)
        fail();
    scratch_make(&house->scratch);
    strcpy(house->key_path, scratch_path(&house->scratch, "master-key"));
    strcpy(house->ledger_path, scratch_path(&house->scratch, "ledger"));
    MUST(house_try_open(house, true, &why));
    house_begin(house);
    MUST(ledger_add_account(house->ledger, &shop, &number, &why));
    house_commit(house);
    take_seats(house);
    *state = house;
    return 0;
}

void house_shut(struct house *house)
{
    seat_free(house->writer);
    seat_free(house->reader);
    ledger_close(house->ledger);
    keyring_close(house->ring);
    house->writer = house->reader = NULL;
    house->ledger = NULL;
    house->ring = NULL;
}

int house_tear_down(void **state)
{
    struct house *house = *state;

    house_shut(house);
    scratch_remove(&house->scratch);
    free(house);
    return 0;
}

void house_restart(struct house *house)
{
    house_shut(house);
    MUST(house_try_open(house, false, &why));
    take_seats(house);
}

void house_begin(struct house *house)
{
    MUST(ledger_begin(house->ledger, &why));
    MUST(ledger_part_begin(house->ledger, &why));
}

void house_commit(struct house *house)
{
    MUST(ledger_part_end(house->ledger, true, &why));
    MUST(ledger_commit(house->ledger, &why));
}

void house_undo(struct house *house)
{
    MUST(ledger_part_end(house->ledger, false, &why));
    MUST(ledger_commit(house->ledger, &why));
}

struct fingerprint house_print(struct house *house, const char *user_id)
{
    return account_fingerprint(house->account, IDENTITY_CUID, str_of(user_id));
}

uint32_t house_person(struct house *house, const char *user_id)
{
    struct fingerprint print = house_print(house, user_id);
    uint32_t ordinal = 0;

    house_begin(house);
    MUST(subject_create(house->ledger, house->writer, house->account, IDENTITY_CUID, &print, 1, &ordinal, &why));
    house_commit(house);
    return ordinal;
}

void house_erase(struct house *house, uint32_t ordinal, const struct subject_erasure *how)
{
    house_begin(house);
    MUST(subject_erase(house->ledger, house->account, &ordinal, 1, how, &why));
    house_commit(house);
}

uint32_t house_denied(struct house *house, uint32_t ordinal)
{
    return account_subject(house->account, ordinal)->denied;
}

int64_t house_count(struct house *house, struct sql sql)
{
    int64_t count = -1;

    MUST(db_integer(ledger_db(house->ledger), sql, DB_PARAMS(DB_END), &count, NULL, &why));
    return count;
}

enum error_code house_asks(struct house *house, struct seat *seat, uint32_t ordinal, enum purpose purpose,
                           enum look_reason reason)
{
    struct error error = { 0 };
    const struct grant *grant = gate_open(seat, house->account, ordinal, purpose, reason, &error);

    gate_close(seat);
    assert_true((grant != NULL) == (error.code == ERROR_NONE));
    return error.code;
}
