/* Sealed records of profiles.db: stored, found, parked, removed, and kept through failures and starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../db/scratch.h"
#include "base/when.h"
#include "fake_gate.h"
#include "vault/kept.h"
#include "vault/profiles.h"

static const struct ledger_id ledger = { { 1, 2, 3 } };
static const struct anchor anchor = { 4, 1700000000000 };

struct place {
    struct scratch scratch;
    struct profiles *profiles;
    struct arena arena;
    struct error error;
};

static void place_open(struct place *place)
{
    if (!profiles_open(place->scratch.directory, ledger, true, &place->profiles, &place->error))
        fail_msg("%s", place->error.text);
}

static void place_make(struct place *place)
{
    *place = (struct place){ 0 };
    fake_new_salt();
    scratch_make(&place->scratch);
    arena_init(&place->arena, 1 << 20);
    place_open(place);
}

static void place_reopen(struct place *place)
{
    profiles_close(place->profiles);
    fake_new_salt();
    place_open(place);
}

static void place_remove(struct place *place)
{
    profiles_close(place->profiles);
    arena_clear(&place->arena);
    scratch_remove(&place->scratch);
}

static void store(struct place *place, uint32_t account, uint32_t ordinal, struct str plain)
{
    if (!profile_store(place->profiles, fake_grant(account, ordinal), plain, &place->error))
        fail_msg("%s", place->error.text);
}

static void commit(struct place *place)
{
    if (!profiles_commit(place->profiles, anchor, &place->error))
        fail_msg("%s", place->error.text);
}

/* The plain text, or { NULL, 0 } when there is none. */
static struct str load(struct place *place, uint32_t account, uint32_t ordinal)
{
    struct sealed_record record;
    struct str plain = { 0 };
    bool found = false;

    if (!profile_load(profiles_db(place->profiles), account, ordinal, &place->arena, &record, &found, &place->error))
        fail_msg("%s", place->error.text);
    if (found && !record_unseal(&record, fake_grant(account, ordinal), &place->arena, &plain, &place->error))
        fail_msg("%s", place->error.text);
    return plain;
}

static void a_profile_is_stored_anew_and_found_after_a_start(void **state)
{
    struct place place;

    (void)state;
    place_make(&place);
    store(&place, 1, 5, STR("first"));
    store(&place, 1, 6, STR("neighbour"));
    store(&place, 2, 5, STR("of another account"));
    commit(&place);
    store(&place, 1, 5, STR("second, longer than before"));
    assert_true(profiles_has_work(place.profiles));
    commit(&place);
    assert_false(profiles_has_work(place.profiles));
    place_reopen(&place);
    store(&place, 1, 7, STR("with another salt"));
    commit(&place);
    assert_true(str_equal(load(&place, 1, 5), STR("second, longer than before")));
    assert_true(str_equal(load(&place, 1, 6), STR("neighbour")));
    assert_true(str_equal(load(&place, 2, 5), STR("of another account")));
    assert_true(str_equal(load(&place, 1, 7), STR("with another salt")));
    assert_null(load(&place, 1, 8).at);
    assert_int_equal(profiles_anchor(place.profiles).position, anchor.position);
    place_remove(&place);
}

static void a_rollback_takes_back_records_and_salts(void **state)
{
    struct place place;

    (void)state;
    place_make(&place);
    store(&place, 1, 5, STR("first"));
    profiles_rollback(place.profiles);
    assert_null(load(&place, 1, 5).at);
    store(&place, 1, 5, STR("second")); /* its salt must be written again */
    commit(&place);
    place_reopen(&place);
    assert_true(str_equal(load(&place, 1, 5), STR("second")));
    place_remove(&place);
}

static size_t parked_of(struct place *place, uint32_t account, uint32_t ordinal, uint64_t after,
                        struct sealed_record out[10])
{
    size_t count = 0;

    if (!parked_load(profiles_db(place->profiles), account, ordinal, after, 10, &place->arena, out, &count,
                     &place->error))
        fail_msg("%s", place->error.text);
    return count;
}

static void parked_data_keeps_its_order_and_goes_with_the_person(void **state)
{
    struct place place;
    struct sealed_record out[10];
    struct str plain = { 0 };

    (void)state;
    place_make(&place);
    store(&place, 1, 5, STR("profile"));
    for (char text = 'a'; text <= 'd'; text++)
        assert_true(
            parked_store(place.profiles, fake_grant(1, 5), 1000 + text, 3, (struct str){ &text, 1 }, &place.error));
    assert_true(parked_store(place.profiles, fake_grant(1, 6), 1, 3, STR("neighbour"), &place.error));
    commit(&place);
    assert_int_equal(parked_of(&place, 1, 5, 0, out), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(out[i].number, i + 1);
        assert_int_equal(out[i].received_ms, 1000 + 'a' + (int)i);
        assert_true(record_unseal(&out[i], fake_grant(1, 5), &place.arena, &plain, &place.error));
        assert_int_equal(plain.at[0], 'a' + (int)i);
    }
    assert_int_equal(parked_of(&place, 1, 5, 2, out), 2);
    assert_true(parked_remove(place.profiles, 1, 5, &place.error));
    commit(&place);
    assert_int_equal(parked_of(&place, 1, 5, 0, out), 0);
    assert_true(str_equal(load(&place, 1, 5), STR("profile")));
    assert_true(profiles_remove(place.profiles, 1, 5, &place.error));
    assert_true(profiles_remove(place.profiles, 1, 5, &place.error)); /* safe to repeat */
    commit(&place);
    assert_null(load(&place, 1, 5).at);
    assert_int_equal(parked_of(&place, 1, 6, 0, out), 1);
    place_remove(&place);
}

static bool count_one(void *arg, uint64_t message, int64_t until_ms, struct error *error)
{
    (void)message;
    (void)until_ms;
    (void)error;
    ++*(int *)arg;
    return true;
}

static int messages_left(struct place *place)
{
    int count = 0;

    if (!profiles_messages(place->profiles, 0, count_one, &count, &place->error))
        fail_msg("%s", place->error.text);
    return count;
}

static void ids_of_messages_go_when_their_time_is_over_a_slice_at_a_time(void **state)
{
    enum { OVER = 10000, YOUNG = 10 };
    struct place place;
    bool more = true;
    int steps = 0;

    (void)state;
    place_make(&place);
    for (uint64_t i = 0; i < OVER + YOUNG; i++)
        assert_true(profiles_keep_message(place.profiles, i * UINT64_C(0x9E3779B97F4A7C15),
                                          i < OVER ? WHEN_MINUTE : WHEN_HOUR, &place.error));
    commit(&place);
    for (; more; steps++) {
        int before = messages_left(&place);
        assert_true(profiles_expire_messages(place.profiles, WHEN_MINUTE, &more, &place.error));
        commit(&place);
        assert_in_range(before - messages_left(&place), 0, 5000);
    }
    assert_int_equal(messages_left(&place), YOUNG);
    assert_in_range(steps, 2, 10);
    place_remove(&place);
}

static void a_record_moved_or_altered_is_refused(void **state)
{
    struct place place;
    struct sealed_record parked[10], record;
    struct str plain = { 0 };
    bool found = false;

    (void)state;
    place_make(&place);
    store(&place, 1, 5, STR("profile"));
    assert_true(parked_store(place.profiles, fake_grant(1, 5), 77, 3, STR("parked"), &place.error));
    commit(&place);
    assert_true(profile_load(profiles_db(place.profiles), 1, 5, &place.arena, &record, &found, &place.error));
    assert_int_equal(parked_of(&place, 1, 5, 0, parked), 1);
    const struct sealed_record *const good[] = { &record, &parked[0] };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        for (int column = 0; column < 7; column++) {
            struct sealed_record bad = *good[i];

            if (i == 0 && (column == 3 || column == 4))
                continue; /* a profile has neither */
            bad.account += column == 0;
            bad.ordinal += column == 1;
            bad.number += column == 2;
            bad.received_ms += column == 3;
            bad.source += column == 4;
            bad.nonce.counter += column == 5;
            bad.sealed.len -= column == 6;
            if (record_unseal(&bad, fake_grant(1, 5), &place.arena, &plain, &place.error))
                fail_msg("record %zu, column %d went unnoticed", i, column);
            assert_int_equal(place.error.code, ERROR_CORRUPT);
        }
    place_remove(&place);
}

static void a_foreign_file_or_none_is_refused(void **state)
{
    const struct ledger_id other = { { 9 } };
    struct place place;
    struct profiles *profiles = NULL;

    (void)state;
    place_make(&place);
    profiles_close(place.profiles);
    place.profiles = NULL;
    assert_false(profiles_open(place.scratch.directory, other, true, &profiles, &place.error));
    assert_non_null(strstr(place.error.text, "another ledger"));
    assert_false(profiles_open("/nonexistent", ledger, false, &profiles, &place.error));
    assert_int_equal(scratch_mode(&place.scratch, "profiles.db"), 0600);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_is_stored_anew_and_found_after_a_start),
        cmocka_unit_test(a_rollback_takes_back_records_and_salts),
        cmocka_unit_test(parked_data_keeps_its_order_and_goes_with_the_person),
        cmocka_unit_test(ids_of_messages_go_when_their_time_is_over_a_slice_at_a_time),
        cmocka_unit_test(a_record_moved_or_altered_is_refused),
        cmocka_unit_test(a_foreign_file_or_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
