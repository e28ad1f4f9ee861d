/* Rows of the desk: states that move by one table, ids that are hashed and sealed, lists. */
#include "ledger/house.h"
#include "ledger/request.h"

static void add(struct house *house, uint32_t ordinal, const char *id, enum request_type type,
                enum request_state request_state, int64_t due_ms, struct request *out)
{
    struct error error = { 0 };
    const struct grant *grant;

    *out = (struct request){ .type = type,
                             .state = request_state,
                             .received_ms = 100,
                             .due_ms = due_ms,
                             .done_ms = WHEN_NONE,
                             .suppress_until_ms = WHEN_NONE,
                             .road = STR("test") };
    request_hash_id(house->account, str_of(id), out->id_hash);
    request_hash_call(house->account, str_of(id), type, IDENTITY_CUID, STR("ann"), STR(""), out->call_hash);
    house_begin(house);
    grant = gate_open(house->writer, house->account, ordinal, PURPOSE_ANSWER, REASON_NONE, &error);
    assert_non_null(grant);
    MUST(request_add(house->ledger, house->account, out, grant, str_of(id), &why));
    house_commit(house);
}

static void a_state_moves_only_as_the_table_says(void **state)
{
    static const bool may[REQUEST_STATES][REQUEST_STATES] = {
        [REQUEST_PENDING] = { [REQUEST_PROCESSING] = true, [REQUEST_CANCELLED] = true },
        [REQUEST_PROCESSING] = { [REQUEST_DONE] = true },
    };
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    char id[32];

    for (int from = REQUEST_PENDING; from < REQUEST_STATES; from++) {
        for (int to = REQUEST_PENDING; to < REQUEST_STATES; to++) {
            struct request request, after;
            struct error error = { 0 };
            bool found = false;
            (void)snprintf(id, sizeof(id), "%d to %d", from, to);
            add(house, ordinal, id, REQUEST_ERASURE, from, 1000, &request);
            house_begin(house);
            bool moved = request_move(house->ledger, house->account, request.number, to, &error);
            house_commit(house);
            MUST(request_by_number(ledger_db(house->ledger), 1, request.number, NULL, &after, &found, &why));
            if (moved != may[from][to] || after.state != (enum request_state)(moved ? to : from) ||
                (!moved && error.code != ERROR_CONFLICT))
                fail_msg("%s to %s", request_state_name(from), request_state_name(to));
            assert_int_equal(after.done_ms != WHEN_NONE, moved && to != REQUEST_PROCESSING);
        }
    }
    house_begin(house);
    MUST_NOT(ERROR_NOT_FOUND, request_move(house->ledger, house->account, 999, REQUEST_DONE, &why));
    house_undo(house);
}

static void an_id_is_found_by_hash_and_read_by_the_person_only(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    struct request request, found_request;
    struct error error = { 0 };
    struct arena arena;
    struct str id;
    bool found = false;

    arena_init(&arena, 100000);
    add(house, ann, "for ann@example.com", REQUEST_PORTABILITY, REQUEST_DONE, WHEN_NONE, &request);
    MUST(request_by_id(ledger_db(house->ledger), 1, request.id_hash, &arena, &found_request, &found, &why));
    assert_true(found);
    const struct grant *grant = gate_open(house->reader, house->account, ann, PURPOSE_ANSWER, REASON_NONE, &error);
    MUST(request_id_unseal(&found_request, grant, &arena, &id, &why));
    assert_true(str_equal(id, STR("for ann@example.com")));
    grant = gate_open(house->reader, house->account, ben, PURPOSE_ANSWER, REASON_NONE, &error);
    MUST_NOT(ERROR_CORRUPT, request_id_unseal(&found_request, grant, &arena, &id, &why));
    house_shut(house);
    assert_int_equal(scratch_count(&house->scratch, "ledger/ledger.db", "ann@example.com"), 0);
    arena_clear(&arena);
    MUST(house_try_open(house, false, &why));
}

static void an_id_is_not_repeated_and_not_too_long(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct request request;
    struct error error = { 0 };
    char id[REQUEST_ID_MAX + 2];

    add(house, ordinal, "once", REQUEST_RESTRICTION, REQUEST_DONE, WHEN_NONE, &request);
    house_begin(house);
    const struct grant *grant = gate_open(house->writer, house->account, ordinal, PURPOSE_ANSWER, REASON_NONE, &error);
    assert_false(request_add(house->ledger, house->account, &request, grant, STR("once"), &error));
    memset(id, 'x', sizeof(id));
    MUST_NOT(ERROR_INVALID,
             request_add(house->ledger, house->account, &request, grant, (struct str){ id, REQUEST_ID_MAX + 1 }, &why));
    house_undo(house);
}

static void hashes_differ_in_every_part_of_a_call(void **state)
{
    const struct {
        const char *id, *identity, *options;
        enum request_type type;
        enum identity_kind kind;
    } cases[] = {
        { "a", "b", "", REQUEST_ERASURE, IDENTITY_CUID },        { "a", "b", "", REQUEST_RESTRICTION, IDENTITY_CUID },
        { "a", "b", "", REQUEST_ERASURE, IDENTITY_ANONYMOUS },   { "a", "c", "", REQUEST_ERASURE, IDENTITY_CUID },
        { "aerasure", "b", "", REQUEST_ERASURE, IDENTITY_CUID }, { "ab", "", "", REQUEST_ERASURE, IDENTITY_CUID },
        { "a", "b", "x", REQUEST_ERASURE, IDENTITY_CUID },       { "a", "", "b", REQUEST_ERASURE, IDENTITY_CUID },
    };
    struct house *house = *state;
    unsigned char hashes[COUNT_OF(cases)][REQUEST_HASH_LEN];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        request_hash_call(house->account, str_of(cases[i].id), cases[i].type, cases[i].kind, str_of(cases[i].identity),
                          str_of(cases[i].options), hashes[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], REQUEST_HASH_LEN);
    }
}

static void open_requests_come_in_order_of_their_end(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct request request;
    struct request_open open[10];
    int64_t next = 0, counts[REQUEST_STATES];
    size_t count = 0;

    add(house, ordinal, "late", REQUEST_ERASURE, REQUEST_PENDING, 3000, &request);
    add(house, ordinal, "soon", REQUEST_ERASURE, REQUEST_PENDING, 1000, &request);
    add(house, ordinal, "running", REQUEST_ERASURE, REQUEST_PROCESSING, 500, &request);
    add(house, ordinal, "copy", REQUEST_PORTABILITY, REQUEST_DONE, WHEN_NONE, &request);
    MUST(requests_next_due(ledger_db(house->ledger), &next, &why));
    assert_int_equal(next, 1000);
    MUST(requests_open(ledger_db(house->ledger), REQUEST_PENDING, 999, 10, open, &count, &why));
    assert_int_equal(count, 0);
    MUST(requests_open(ledger_db(house->ledger), REQUEST_PENDING, 3000, 10, open, &count, &why));
    assert_int_equal(count, 2);
    assert_int_equal(open[0].due_ms, 1000);
    MUST(requests_open(ledger_db(house->ledger), REQUEST_PENDING, 3000, 1, open, &count, &why));
    assert_int_equal(count, 1);
    MUST(requests_count(ledger_db(house->ledger), counts, &why));
    assert_int_equal(counts[REQUEST_PENDING], 2);
    assert_int_equal(counts[REQUEST_PROCESSING], 1);
    assert_int_equal(counts[REQUEST_DONE], 1);
}

static void types_have_words(void **state)
{
    enum request_type type;

    (void)state;
    for (enum request_type each = REQUEST_ERASURE; each < REQUEST_TYPES; each++) {
        assert_true(request_type_of(str_of(request_type_name(each)), &type));
        assert_int_equal(type, each);
    }
    assert_false(request_type_of(STR("Erasure"), &type));
    assert_false(request_type_of(STR(""), &type));
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(a_state_moves_only_as_the_table_says),
        WITH_HOUSE(an_id_is_found_by_hash_and_read_by_the_person_only),
        WITH_HOUSE(an_id_is_not_repeated_and_not_too_long),
        WITH_HOUSE(hashes_differ_in_every_part_of_a_call),
        WITH_HOUSE(open_requests_come_in_order_of_their_end),
        cmocka_unit_test(types_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
