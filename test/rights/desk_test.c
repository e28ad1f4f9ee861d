/* The desk by its own door: the table of states, repeats of a request, and what is replayed when an erasure is cancelled. */
#include "api/shop.h"
#include "ledger/right.h"
#include "rights/desk.h"

static int set_up(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, WHEN_DAY);
    *state = shop;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

/* ---- one call ---- */

static void fill(struct shop *shop, struct desk_ask *ask, enum request_type type, const char *user, const char *id)
{
    desk_ask_init(ask);
    ask->account = 1;
    ask->route = STR("/test");
    ask->id = str_of(id);
    ask->type = type;
    ask->kind = IDENTITY_CUID;
    ask->identity = str_of(user);
    ask->received_ms = when_now(&shop->clock);
    ask->cancel_window_ms = WHEN_DAY;
}

static enum error_code ask(struct shop *shop, struct desk_ask *ask, const char **text)
{
    static struct error error;

    error = (struct error){ 0 };
    (void)engine_call(shop_engine(shop), &ask->command, &error);
    if (text)
        *text = error.text;
    return error.code;
}

static enum error_code asks(struct shop *shop, enum request_type type, const char *user, const char *id,
                            const char **text)
{
    struct desk_ask one;

    fill(shop, &one, type, user, id);
    return ask(shop, &one, text);
}

static enum error_code cancels(struct shop *shop, const char *id, const char **text)
{
    static struct error error;
    struct desk_cancel cancel = { .command = { .kind = &desk_cancel_kind, .phases = PHASE_LEDGER, .bytes = 100 },
                                  .account = 1,
                                  .route = STR("/test"),
                                  .id = str_of(id) };

    error = (struct error){ 0 };
    (void)engine_call(shop_engine(shop), &cancel.command, &error);
    if (text)
        *text = error.text;
    return error.code;
}

static uint32_t denied(struct shop *shop, const char *user)
{
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    uint32_t ordinal = shop_ordinal(shop, user), bits;

    ledger_enter(ledger);
    bits = ordinal ? account_subject(ledger_account(ledger, 1), ordinal)->denied : DENIED_BY_ERASURE;
    ledger_leave(ledger);
    return bits;
}

/* ---- the table ---- */

static uint64_t position(struct shop *shop)
{
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    uint64_t now;

    ledger_enter(ledger);
    now = ledger_position(ledger);
    ledger_leave(ledger);
    return now;
}

enum person { FREE, RESTRICTED, PENDING, PENDING_AND_RESTRICTED, ERASED, NEVER_SEEN, PERSONS };

static void bring_about(struct shop *shop, enum person person, const char *user)
{
    struct desk_ask at_once;
    char id[64];

    if (person == NEVER_SEEN)
        return;
    shop_meets(shop, user);
    (void)snprintf(id, sizeof(id), "restrict %s", user);
    if (person == RESTRICTED || person == PENDING_AND_RESTRICTED)
        assert_int_equal(asks(shop, REQUEST_RESTRICTION, user, id, NULL), ERROR_NONE);
    (void)snprintf(id, sizeof(id), "erase %s", user);
    if (person == PENDING || person == PENDING_AND_RESTRICTED)
        assert_int_equal(asks(shop, REQUEST_ERASURE, user, id, NULL), ERROR_NONE);
    if (person != ERASED)
        return;
    fill(shop, &at_once, REQUEST_ERASURE, user, id);
    at_once.cancel_window_ms = 0;
    assert_int_equal(ask(shop, &at_once, NULL), ERROR_NONE);
    assert_true(at_once.ran);
    assert_int_equal(at_once.state, REQUEST_PROCESSING);
}

static void each_request_in_each_state(void **state)
{
    static const struct {
        const char *refusal; /* NULL: taken */
        uint32_t denied;     /* behind it */
    } table[PERSONS][REQUEST_TYPES] = {
        [FREE] = { [REQUEST_ERASURE] = { NULL, DENIED_BY_PENDING_ERASURE },
                   [REQUEST_RESTRICTION] = { NULL, DENIED_BY_RESTRICTION },
                   [REQUEST_RE_ENABLE] = { NULL, 0 },
                   [REQUEST_PORTABILITY] = { NULL, 0 } },
        [RESTRICTED] = { [REQUEST_ERASURE] = { NULL, DENIED_BY_PENDING_ERASURE },
                         [REQUEST_RESTRICTION] = { NULL, DENIED_BY_RESTRICTION },
                         [REQUEST_RE_ENABLE] = { NULL, 0 },
                         [REQUEST_PORTABILITY] = { NULL, DENIED_BY_RESTRICTION } },
        [PENDING] = { [REQUEST_ERASURE] = { "an erasure is already pending", DENIED_BY_PENDING_ERASURE },
                      [REQUEST_RESTRICTION] = { NULL, DENIED_BY_PENDING_ERASURE },
                      [REQUEST_RE_ENABLE] = { "an erasure is pending: cancel it first", DENIED_BY_PENDING_ERASURE },
                      [REQUEST_PORTABILITY] = { NULL, DENIED_BY_PENDING_ERASURE } },
        [PENDING_AND_RESTRICTED] = { [REQUEST_ERASURE] = { "an erasure is already pending", DENIED_BY_PENDING_ERASURE },
                                     [REQUEST_RESTRICTION] = { NULL, DENIED_BY_PENDING_ERASURE },
                                     [REQUEST_RE_ENABLE] = { "an erasure is pending: cancel it first",
                                                             DENIED_BY_PENDING_ERASURE },
                                     [REQUEST_PORTABILITY] = { NULL, DENIED_BY_PENDING_ERASURE } },
        [ERASED] = { [REQUEST_ERASURE] = { "no such person", DENIED_BY_ERASURE },
                     [REQUEST_RESTRICTION] = { "no such person", DENIED_BY_ERASURE },
                     [REQUEST_RE_ENABLE] = { "no such person", DENIED_BY_ERASURE },
                     [REQUEST_PORTABILITY] = { "no such person", DENIED_BY_ERASURE } },
        [NEVER_SEEN] = { [REQUEST_ERASURE] = { "no such person", DENIED_BY_ERASURE },
                         [REQUEST_RESTRICTION] = { "no such person", DENIED_BY_ERASURE },
                         [REQUEST_RE_ENABLE] = { "no such person", DENIED_BY_ERASURE },
                         [REQUEST_PORTABILITY] = { "no such person", DENIED_BY_ERASURE } },
    };
    struct shop *shop = *state;

    for (int person = 0; person < PERSONS; person++) {
        for (int type = REQUEST_ERASURE; type < REQUEST_TYPES; type++) {
            char user[32], id[32];
            const char *text = NULL, *wanted = table[person][type].refusal;
            (void)snprintf(user, sizeof(user), "user-%d-%d", person, type);
            (void)snprintf(id, sizeof(id), "cell %d %d", person, type);
            bring_about(shop, person, user);
            uint64_t before = position(shop);
            enum error_code code = asks(shop, type, user, id, &text);
            if (code != (wanted ? ERROR_INVALID : ERROR_NONE) || (wanted && !strstr(text, wanted)) ||
                denied(shop, user) != table[person][type].denied)
                fail_msg("person %d, %s: %d '%s', denied %x", person, request_type_name(type), (int)code, text,
                         denied(shop, user));
            /* What was taken is what an older copy of the ledger would not know. */
            uint64_t rise = position(shop) - before;
            if (rise != (wanted == NULL))
                fail_msg("person %d, %s: the position rose by %d", person, request_type_name(type), (int)rise);
        }
    }
}

static void a_restriction_outlives_the_erasure_that_was_cancelled(void **state)
{
    struct shop *shop = *state;

    for (int before = 0; before < 2; before++) {
        const char *user = before ? "before" : "during";
        const char *ids[] = { before ? "r1" : "r2", before ? "e1" : "e2", before ? "l1" : "l2" };
        shop_meets(shop, user);
        if (before)
            assert_int_equal(asks(shop, REQUEST_RESTRICTION, user, ids[0], NULL), ERROR_NONE);
        assert_int_equal(asks(shop, REQUEST_ERASURE, user, ids[1], NULL), ERROR_NONE);
        if (!before)
            assert_int_equal(asks(shop, REQUEST_RESTRICTION, user, ids[0], NULL), ERROR_NONE);
        uint64_t at = position(shop);
        assert_int_equal(cancels(shop, ids[1], NULL), ERROR_NONE);
        assert_int_equal(position(shop), at + 1);
        assert_int_equal(denied(shop, user), DENIED_BY_RESTRICTION);
        assert_int_equal(asks(shop, REQUEST_RE_ENABLE, user, ids[2], NULL), ERROR_NONE);
        assert_int_equal(denied(shop, user), 0);
    }
}

/* ---- ids used again ---- */

/* E: erasure, R: restriction, L: re-enable, P: portability, X: cancel of the erasure. The last is a repeat of the first. */
static void a_repeat_is_told_the_first_as_long_as_that_stands(void **state)
{
    static const struct {
        const char *calls;
        bool stands;
    } cases[] = {
        { "E", true },  { "EX", false }, { "ER", true },  { "R", true },   { "RL", false },  { "RLR", false },
        { "RE", true }, { "REX", true }, { "L", true },   { "LR", false }, { "LRL", false }, { "P", true },
        { "PE", true }, { "PR", true },  { "PRL", true }, { "RP", true },  { "LE", true },
    };
    struct shop *shop = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct desk_ask one;
        char user[32], first[32], id[32];
        const char *text = NULL;
        uint64_t number = 0;

        (void)snprintf(user, sizeof(user), "user-%zu", i);
        (void)snprintf(first, sizeof(first), "%zu.0", i);
        shop_meets(shop, user);
        for (size_t j = 0; cases[i].calls[j]; j++) {
            char letter = cases[i].calls[j];
            enum request_type type = letter == 'E'   ? REQUEST_ERASURE
                                     : letter == 'R' ? REQUEST_RESTRICTION
                                     : letter == 'L' ? REQUEST_RE_ENABLE
                                                     : REQUEST_PORTABILITY;
            (void)snprintf(id, sizeof(id), "%zu.%zu", i, j);
            if (letter == 'X') { /* the erasure is the call before it */
                (void)snprintf(id, sizeof(id), "%zu.%zu", i, j - 1);
                assert_int_equal(cancels(shop, id, NULL), ERROR_NONE);
                continue;
            }
            fill(shop, &one, type, user, id);
            assert_int_equal(ask(shop, &one, NULL), ERROR_NONE);
            assert_false(one.is_repeat);
            number = j == 0 ? one.number : number;
        }
        fill(shop, &one,
             cases[i].calls[0] == 'E'   ? REQUEST_ERASURE
             : cases[i].calls[0] == 'R' ? REQUEST_RESTRICTION
             : cases[i].calls[0] == 'L' ? REQUEST_RE_ENABLE
                                        : REQUEST_PORTABILITY,
             user, first);
        enum error_code code = ask(shop, &one, &text);
        if (cases[i].stands ? code != ERROR_NONE || !one.is_repeat || one.number != number
                            : code != ERROR_INVALID || !strstr(text, "already used"))
            fail_msg("%s: %d '%s'", cases[i].calls, (int)code, text);
    }
}

static void an_id_means_one_call(void **state)
{
    struct shop *shop = *state;
    const char *text = NULL;

    shop_meets(shop, "ann");
    shop_meets(shop, "ben");
    assert_int_equal(asks(shop, REQUEST_PORTABILITY, "ann", "one", NULL), ERROR_NONE);
    assert_int_equal(asks(shop, REQUEST_RESTRICTION, "ann", "one", &text), ERROR_INVALID);
    assert_string_equal(text, "subject_request_id already used");
    assert_int_equal(asks(shop, REQUEST_PORTABILITY, "ben", "one", &text), ERROR_INVALID);
    assert_string_equal(text, "subject_request_id already used");
    assert_int_equal(denied(shop, "ann"), 0);
}

static void a_refused_request_leaves_its_id_free(void **state)
{
    struct shop *shop = *state;

    assert_int_equal(asks(shop, REQUEST_RESTRICTION, "ann", "one", NULL), ERROR_INVALID);
    shop_meets(shop, "ann");
    assert_int_equal(asks(shop, REQUEST_RESTRICTION, "ann", "one", NULL), ERROR_NONE);
}

static void a_done_erasure_is_repeated_until_somebody_is_there_again(void **state)
{
    struct shop *shop = *state;
    struct desk_ask one;
    const char *text = NULL;

    bring_about(shop, ERASED, "ann");
    engine_wake_background(shop_engine(shop));
    shop_awaits(shop, "erase%20ann", "DONE");
    fill(shop, &one, REQUEST_ERASURE, "ann", "erase ann");
    assert_int_equal(ask(shop, &one, NULL), ERROR_NONE);
    assert_true(one.is_repeat);
    assert_int_equal(one.state, REQUEST_DONE);
    shop_meets(shop, "ann");
    assert_int_equal(asks(shop, REQUEST_ERASURE, "ann", "erase ann", &text), ERROR_INVALID);
    assert_string_equal(text, "subject_request_id already used");
}

static void a_cancel_is_for_pending_erasures_only(void **state)
{
    struct shop *shop = *state;
    const char *text = NULL;

    shop_meets(shop, "ann");
    assert_int_equal(cancels(shop, "nobody's", NULL), ERROR_NOT_FOUND);
    assert_int_equal(asks(shop, REQUEST_RESTRICTION, "ann", "r", NULL), ERROR_NONE);
    assert_int_equal(cancels(shop, "r", &text), ERROR_INVALID);
    assert_string_equal(text, "request already completed");
    assert_int_equal(asks(shop, REQUEST_ERASURE, "ann", "e", NULL), ERROR_NONE);
    assert_int_equal(cancels(shop, "e", NULL), ERROR_NONE);
    assert_int_equal(cancels(shop, "e", &text), ERROR_INVALID);
    assert_string_equal(text, "request already cancelled");
    bring_about(shop, ERASED, "ben");
    assert_int_equal(cancels(shop, "erase ben", &text), ERROR_INVALID);
    assert_string_equal(text, "request already completed");
}

static void lifting_may_need_a_notice(void **state)
{
    struct shop *shop = *state;
    struct desk_ask one;
    const char *text = NULL;

    shop_meets(shop, "ann");
    assert_int_equal(asks(shop, REQUEST_RESTRICTION, "ann", "r", NULL), ERROR_NONE);
    shop_wants(shop, HTTP_PUT, "/api/settings?license=shop", "{\"lift_needs_notice\":true}", 200, "");
    assert_int_equal(asks(shop, REQUEST_RE_ENABLE, "ann", "l", &text), ERROR_INVALID);
    assert_non_null(strstr(text, "notice"));
    assert_int_equal(denied(shop, "ann"), DENIED_BY_RESTRICTION);
    fill(shop, &one, REQUEST_RE_ENABLE, "ann", "l");
    one.notice_ms = 1;
    one.notice_road = STR("letter");
    assert_int_equal(ask(shop, &one, NULL), ERROR_NONE);
    assert_int_equal(denied(shop, "ann"), 0);
}

/* ---- windows ---- */

static void a_window_ends_as_it_was_when_the_erasure_was_accepted(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    assert_int_equal(asks(shop, REQUEST_ERASURE, "ann", "e", NULL), ERROR_NONE);
    shop->cancel_window_ms = 30 * WHEN_DAY;
    shop_restart(shop);
    shop_awaits(shop, "e", "PENDING");
    assert_int_not_equal(shop_ordinal(shop, "ann"), 0);
    shop->cancel_window_ms = 0;
    app_close(shop->app);
    shop->clock.shift_ms = WHEN_DAY + WHEN_MINUTE;
    shop->app = NULL;
    struct engine_options options;
    engine_defaults(&options);
    options.directory = shop->directory;
    options.reserve_bytes = 0;
    options.clock = &shop->clock;
    MUST(app_open(&options, &shop->app, &why));
    assert_int_equal(shop_ordinal(shop, "ann"), 0);
    shop_awaits(shop, "e", "DONE");
}

static void hundreds_of_missed_windows_are_made_up_for_before_it_is_ready(void **state)
{
    enum { COUNT = 260 }; /* more than are looked at in one go */
    struct shop *shop = *state;
    char user[32], body[200];

    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(user, sizeof(user), "user-%d", i);
        (void)snprintf(body, sizeof(body), "{\"userId\":\"%s\"}", user);
        shop_wants(shop, HTTP_POST, SHOP_USERS, body, 201, "queued");
        assert_int_equal(asks(shop, REQUEST_ERASURE, user, user, NULL), ERROR_NONE);
    }
    shop->clock.shift_ms = 2 * WHEN_DAY;
    shop_restart(shop);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(user, sizeof(user), "user-%d", i);
        assert_int_equal(shop_ordinal(shop, user), 0);
    }
    shop_awaits(shop, "user-259", "DONE");
}

#define WITH_SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(each_request_in_each_state),
        WITH_SHOP(a_restriction_outlives_the_erasure_that_was_cancelled),
        WITH_SHOP(a_repeat_is_told_the_first_as_long_as_that_stands),
        WITH_SHOP(an_id_means_one_call),
        WITH_SHOP(a_refused_request_leaves_its_id_free),
        WITH_SHOP(a_done_erasure_is_repeated_until_somebody_is_there_again),
        WITH_SHOP(a_cancel_is_for_pending_erasures_only),
        WITH_SHOP(lifting_may_need_a_notice),
        WITH_SHOP(a_window_ends_as_it_was_when_the_erasure_was_accepted),
        WITH_SHOP(hundreds_of_missed_windows_are_made_up_for_before_it_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
