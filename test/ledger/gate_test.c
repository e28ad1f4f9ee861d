/* The gate: every purpose against every state of a person, and nothing that opens once a key is gone. */
#include "ledger/house.h"

enum person { FREE, RESTRICTED, PENDING, NO_EMAIL, ERASING, ERASED, NOBODY, PERSONS };
static const char *const person_names[PERSONS] = { "free",    "restricted", "pending", "no e-mail",
                                                   "erasing", "erased",     "nobody" };

static void give(struct house *house, uint32_t ordinal, enum right_kind kind, uint32_t denies)
{
    const struct right right = { .kind = kind, .denies = denies, .until_ms = WHEN_NONE, .road = STR("test") };

    house_begin(house);
    MUST(right_add(house->ledger, house->account, ordinal, &right, &why));
    house_commit(house);
}

static void settle_in(struct house *house, uint32_t ordinals[PERSONS])
{
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };

    for (int person = 0; person < NOBODY; person++)
        ordinals[person] = house_person(house, person_names[person]);
    ordinals[NOBODY] = 4000;
    give(house, ordinals[RESTRICTED], RIGHT_RESTRICTION, DENIED_BY_RESTRICTION);
    give(house, ordinals[PENDING], RIGHT_PENDING_ERASURE, DENIED_BY_PENDING_ERASURE);
    give(house, ordinals[NO_EMAIL], RIGHT_OBJECTION, MARKET_BIT(CHANNEL_EMAIL));
    house_erase(house, ordinals[ERASING], &plain);
    house_erase(house, ordinals[ERASED], &plain);
    house_begin(house);
    MUST(subject_erased(house->ledger, house->account, ordinals[ERASED], &why));
    house_commit(house);
}

/* The table of semantics: a restriction leaves storing and answers, a reason opens one look, an erasure denies all. */
static enum error_code expected(enum person person, enum purpose purpose, enum look_reason reason)
{
    bool keeps = purpose == PURPOSE_STORE || purpose == PURPOSE_ANSWER;
    bool looks = purpose == PURPOSE_VIEW && reason != REASON_NONE;

    switch (person) {
    case FREE:
        return ERROR_NONE;
    case RESTRICTED:
    case PENDING:
        return keeps || looks ? ERROR_NONE : ERROR_FORBIDDEN;
    case NO_EMAIL:
        return purpose == (enum purpose)(PURPOSE_MARKET + CHANNEL_EMAIL) ? ERROR_FORBIDDEN : ERROR_NONE;
    default:
        return ERROR_NOT_FOUND;
    }
}

static void every_purpose_in_every_state(void **state)
{
    struct house *house = *state;
    uint32_t ordinals[PERSONS];

    settle_in(house, ordinals);
    for (int restart = 0; restart < 2; restart++) {
        for (int person = 0; person < PERSONS; person++) {
            for (int purpose = 0; purpose < PURPOSES; purpose++) {
                for (int reason = REASON_NONE; reason < LOOK_REASONS; reason++) {
                    struct error error = { 0 };
                    enum error_code wanted = expected(person, purpose, reason);
                    enum error_code got = house_asks(house, house->reader, ordinals[person], purpose, reason);
                    (void)gate_allows(house->account, ordinals[person], purpose, reason, &error);
                    if (got != wanted || error.code != wanted)
                        fail_msg("%s, %s, %s: %d, %d, not %d", person_names[person], purpose_name(purpose),
                                 look_reason_name(reason), (int)got, (int)error.code, (int)wanted);
                }
            }
        }
        house_restart(house);
    }
}

static void purposes_and_channels_have_names_of_their_own(void **state)
{
    (void)state;
    for (int one = 0; one <= PURPOSE_NONE; one++) {
        assert_non_null(purpose_name(one));
        for (int other = 0; other < one; other++)
            assert_string_not_equal(purpose_name(one), purpose_name(other));
    }
    for (int channel = 0; channel < CHANNELS; channel++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "market:%s", channel_table[channel].name);
        assert_string_equal(purpose_name(PURPOSE_MARKET + channel), name);
        (void)snprintf(name, sizeof(name), "service:%s", channel_table[channel].name);
        assert_string_equal(purpose_name(PURPOSE_SERVICE + channel), name);
        assert_int_equal(channel_table[channel].opted_in_by_default, channel != CHANNEL_WHATSAPP);
    }
}

static void reasons_are_four_fixed_words(void **state)
{
    enum look_reason reason;

    (void)state;
    for (enum look_reason each = REASON_PERSON_CONSENT; each < LOOK_REASONS; each++) {
        assert_true(look_reason_of(str_of(look_reason_name(each)), &reason));
        assert_int_equal(reason, each);
    }
    assert_false(look_reason_of(STR(""), &reason));
    assert_false(look_reason_of(STR("because"), &reason));
    assert_false(look_reason_of(STR("Legal_claim"), &reason));
}

static const struct grant *grant_of(struct house *house, struct seat *seat, uint32_t ordinal)
{
    struct error error = { 0 };
    const struct grant *grant = gate_open(seat, house->account, ordinal, PURPOSE_STORE, REASON_NONE, &error);

    if (!grant)
        fail_msg("%s", error.text);
    return grant;
}

static void what_one_seat_seals_another_opens_and_nobody_else(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    unsigned char sealed[5 + GRANT_TAG_LEN], plain[5];
    struct record_nonce nonce, next;
    const struct str whole = { (const char *)sealed, sizeof(sealed) };

    grant_seal(grant_of(house, house->writer, ann), STR("hello"), STR("bound"), &nonce, sealed);
    MUST(grant_unseal(grant_of(house, house->reader, ann), whole, STR("bound"), &nonce, plain, &why));
    assert_memory_equal(plain, "hello", 5);
    MUST_NOT(ERROR_CORRUPT,
             grant_unseal(grant_of(house, house->reader, ann), whole, STR("other"), &nonce, plain, &why));
    MUST_NOT(ERROR_CORRUPT,
             grant_unseal(grant_of(house, house->reader, ben), whole, STR("bound"), &nonce, plain, &why));
    sealed[2] ^= 1;
    MUST_NOT(ERROR_CORRUPT,
             grant_unseal(grant_of(house, house->reader, ann), whole, STR("bound"), &nonce, plain, &why));
    grant_seal(grant_of(house, house->writer, ann), STR("hello"), STR("bound"), &next, sealed);
    assert_true(next.counter != nonce.counter); /* a nonce is used once */
    assert_memory_not_equal(seat_salt(house->writer), seat_salt(house->reader), GRANT_SALT_LEN);
}

static void grants_end_with_the_next_one(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    const struct grant *first = grant_of(house, house->reader, ann);
    const struct grant *second = grant_of(house, house->reader, ben);

    assert_int_equal(grant_ordinal(second), ben);
    assert_int_equal(grant_account(second), 1);
    assert_ptr_not_equal(first, second);
    gate_close(house->reader);
}

static void no_grant_is_possible_after_the_key_is_destroyed(void **state)
{
    struct house *house = *state;
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    uint64_t slot = account_subject(house->account, ann)->slot;
    struct seal_key key;

    (void)grant_of(house, house->reader, ann); /* its key is in the seat's cache now */
    (void)grant_of(house, house->writer, ann);
    house_erase(house, ann, &plain);
    for (int purpose = 0; purpose < PURPOSES; purpose++) {
        assert_int_equal(house_asks(house, house->reader, ann, purpose, REASON_LEGAL_CLAIM), ERROR_NOT_FOUND);
        assert_int_equal(house_asks(house, house->writer, ann, purpose, REASON_NONE), ERROR_NOT_FOUND);
    }
    MUST_NOT(ERROR_NOT_FOUND,
             keyfile_get(ledger_keyfile(house->ledger), 1, slot, &house->account->keys->wrapping, &key, &why));
    /* Even if memory were wrong about the state, neither cache nor file has the key any more. */
    account_subject(house->account, ann)->state = SUBJECT_LIVE;
    account_subject(house->account, ann)->denied = 0;
    assert_int_equal(house_asks(house, house->reader, ann, PURPOSE_STORE, REASON_NONE), ERROR_NOT_FOUND);
    assert_int_equal(house_asks(house, house->writer, ann, PURPOSE_STORE, REASON_NONE), ERROR_NOT_FOUND);
    account_subject(house->account, ann)->state = SUBJECT_ERASING;
    assert_int_equal(house_asks(house, house->reader, ben, PURPOSE_STORE, REASON_NONE), ERROR_NONE);
}

static void the_account_seals_for_itself(void **state)
{
    struct house *house = *state;
    unsigned char sealed[6 + ACCOUNT_SEAL_EXTRA], plain[6 + ACCOUNT_SEAL_EXTRA];
    const struct str whole = { (const char *)sealed, sizeof(sealed) };

    account_seal(house->account, STR("answer"), STR("mark"), sealed);
    assert_true(account_unseal(house->account, whole, STR("mark"), plain));
    assert_memory_equal(plain, "answer", 6);
    assert_false(account_unseal(house->account, whole, STR("bark"), plain));
    assert_false(account_unseal(house->account, (struct str){ whole.at, ACCOUNT_SEAL_EXTRA - 1 }, STR("mark"), plain));
}

static void remembered_fingerprints_are_the_same(void **state)
{
    struct house *house = *state;
    char id[16];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) { /* more than there are places */
            (void)snprintf(id, sizeof(id), "u%d", i % 9000);
            struct fingerprint direct = house_print(house, id);
            struct fingerprint cached = seat_fingerprint(house->reader, house->account, IDENTITY_CUID, str_of(id));
            assert_memory_equal(&direct, &cached, sizeof(direct));
        }
        seat_forget(house->reader, 1, 1);
    }
    struct fingerprint known = seat_fingerprint(house->reader, house->account, IDENTITY_CUID, STR("x"));
    struct fingerprint anonymous = seat_fingerprint(house->reader, house->account, IDENTITY_ANONYMOUS, STR("x"));
    assert_memory_not_equal(&known, &anonymous, sizeof(known));
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(every_purpose_in_every_state),       cmocka_unit_test(purposes_and_channels_have_names_of_their_own),
        cmocka_unit_test(reasons_are_four_fixed_words), WITH_HOUSE(what_one_seat_seals_another_opens_and_nobody_else),
        WITH_HOUSE(grants_end_with_the_next_one),       WITH_HOUSE(no_grant_is_possible_after_the_key_is_destroyed),
        WITH_HOUSE(the_account_seals_for_itself),       WITH_HOUSE(remembered_fingerprints_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
