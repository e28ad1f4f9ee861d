/* What people want to get: who outranks whom, a series that is never overwritten, and the objections that follow. */
#include "ledger/house.h"
#include "ledger/preference.h"

static bool said_at(struct house *house, uint32_t ordinal, enum voice voice, bool opted_in, const char *detail,
                    int64_t at_ms)
{
    struct preference preference = { .channel = CHANNEL_EMAIL,
                                     .opted_in = opted_in,
                                     .voice = voice,
                                     .at_ms = at_ms,
                                     .received_ms = at_ms,
                                     .source = 1,
                                     .detail = str_of(detail) };

    house_begin(house);
    MUST(preference_say(house->ledger, house->writer, house->account, ordinal, &preference, &why));
    house_commit(house);
    return preference.applied;
}

static bool said(struct house *house, uint32_t ordinal, enum voice voice, bool opted_in, const char *detail)
{
    house->clock.shift_ms += 10;
    return said_at(house, ordinal, voice, opted_in, detail, when_now(&house->clock));
}

static struct preference_state state_of(struct house *house, uint32_t ordinal)
{
    struct preference_state states[CHANNELS];

    MUST(preference_states(ledger_db(house->ledger), 1, &ordinal, 1, states, &why));
    return states[CHANNEL_EMAIL];
}

static bool is_denied(struct house *house, uint32_t ordinal)
{
    return (house_denied(house, ordinal) & MARKET_BIT(CHANNEL_EMAIL)) != 0;
}

static int64_t rows(struct house *house)
{
    return house_count(house, SQL("SELECT COUNT(*) FROM preference"));
}

/* C: the controller's key, W: a write key, P: the person's own words; lower case: out. The last one is judged. */
static void who_outranks_whom(void **state)
{
    static const struct {
        const char *said;
        bool applied;
    } cases[] = {
        { "C", true },     { "W", true },    { "P", true },       { "c", true },   { "w", true },    { "p", true },
        { "cC", true },    { "cW", false },  { "cP", true },      { "wC", false }, { "wW", false },  { "wP", true },
        { "pC", false },   { "pW", false },  { "pP", true },      { "CcC", true }, { "PpC", false }, { "pPcC", true },
        { "PcC", true },   { "PwC", false }, /* what was said in a site or app is the person's */
        { "pcC", false },                    /* said again by the controller it stays the person's */
        { "pwC", false },  { "cpC", false }, { "pccccC", false }, { "pPC", true }, { "pCC", false }, { "pCp", true },
        { "pPpC", false },
    };
    struct house *house = *state;
    char id[16];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)snprintf(id, sizeof(id), "p%zu", i);
        uint32_t ordinal = house_person(house, id);
        bool applied = false, opted_in = true;
        for (const char *word = cases[i].said; *word; word++) {
            bool in = *word < 'a';
            enum voice voice = strchr("Cc", *word)   ? VOICE_CONTROLLER
                               : strchr("Ww", *word) ? VOICE_CLIENT
                                                     : VOICE_PERSON;
            applied = said(house, ordinal, voice, in, "");
            opted_in = applied ? in : opted_in;
        }
        if (applied != cases[i].applied)
            fail_msg("'%s': %d", cases[i].said, applied);
        assert_int_equal(state_of(house, ordinal).opted_in, opted_in);
        assert_int_equal(is_denied(house, ordinal), !opted_in);
    }
}

static void repeating_adds_nothing(void **state)
{
    static const struct {
        enum voice voice;
        bool opted_in;
        int64_t rows; /* behind it, said three times */
    } steps[] = {
        { VOICE_CONTROLLER, true, 1 }, { VOICE_PERSON, false, 2 },     { VOICE_CONTROLLER, true, 3 },
        { VOICE_CLIENT, true, 4 },     { VOICE_CONTROLLER, false, 5 }, { VOICE_PERSON, true, 6 },
    };
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        for (int times = 0; times < 3; times++)
            (void)said(house, ordinal, steps[i].voice, steps[i].opted_in, "");
        if (rows(house) != steps[i].rows)
            fail_msg("step %zu: %lld rows", i, (long long)rows(house));
    }
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM rights")), 1); /* one objection, ended since */
    assert_false(is_denied(house, ordinal));
}

static void words_that_were_given_are_kept_each_time(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");

    assert_true(said(house, ordinal, VOICE_PERSON, true, "{\"wording\":\"Yes, please\"}"));
    assert_true(said(house, ordinal, VOICE_PERSON, true, "{\"wording\":\"Yes, indeed\"}"));
    assert_int_equal(rows(house), 2);
}

/* As in one call in bulk; and as an item that took effect while it was parked and then comes a second time. */
static void of_one_millisecond_other_words_are_kept_and_the_same_are_not(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    static const char *const words[] = { "{\"wording\":\"A\"}", "{\"wording\":\"B\"}" };
    int64_t now = when_now(&house->clock);

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(words); i++)
            assert_true(said_at(house, ordinal, VOICE_PERSON, true, words[i], now));
    assert_int_equal(rows(house), 2);
}

struct collected {
    struct house *house;
    uint32_t ordinal;
    char text[200];
};

static bool collect(void *arg, const struct preference_row *row, struct error *error)
{
    struct collected *collected = arg;
    struct house *house = collected->house;
    const struct grant *grant =
        gate_open(house->reader, house->account, collected->ordinal, PURPOSE_ANSWER, REASON_NONE, error);
    struct arena arena;
    struct str detail;
    char word[100];

    arena_init(&arena, 10000);
    bool ok = grant && preference_unseal(row, grant, &arena, &detail, error);
    (void)snprintf(word, sizeof(word), "%llu%s%s%s%.*s;", (unsigned long long)row->number,
                   voice_name(row->preference.voice), row->preference.opted_in ? "+" : "-",
                   row->preference.applied ? "" : "?", ok ? (int)detail.len : 0, ok && detail.len ? detail.at : "");
    strncat(collected->text, word, sizeof(collected->text) - strlen(collected->text) - 1);
    arena_clear(&arena);
    return ok;
}

static void the_series_is_told_in_order_with_its_words(void **state)
{
    struct house *house = *state;
    struct collected collected = { house, house_person(house, "ann"), "" };

    (void)said(house, collected.ordinal, VOICE_CLIENT, true, "");
    (void)said(house, collected.ordinal, VOICE_PERSON, false, "{\"road\":\"phone\"}");
    (void)said(house, collected.ordinal, VOICE_CONTROLLER, true, "");
    house_restart(house);
    MUST(preference_series(ledger_db(house->ledger), 1, collected.ordinal, collect, &collected, &why));
    assert_string_equal(collected.text, "1client+;2person-{\"road\":\"phone\"};3controller+?;");
}

/* Each column that says what was said is bound to the words: a row that was changed does not open. */
static void a_statement_that_was_altered_is_noticed(void **state)
{
    struct house *house = *state;
    struct collected collected = { house, house_person(house, "ann"), "" };
    struct error error = { 0 };

    (void)said(house, collected.ordinal, VOICE_PERSON, false, "{\"road\":\"phone\"}");
    const struct sql changes[] = {
        SQL("UPDATE preference SET channel = channel + 1"),   SQL("UPDATE preference SET service = 1 - service"),
        SQL("UPDATE preference SET opted_in = 1 - opted_in"), SQL("UPDATE preference SET applied = 1 - applied"),
        SQL("UPDATE preference SET voice = voice - 1"),       SQL("UPDATE preference SET at = at + 1"),
        SQL("UPDATE preference SET received = received + 1"), SQL("UPDATE preference SET source = source + 1"),
        SQL("UPDATE preference SET number = number + 1"),
    };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        MUST(db_begin(ledger_db(house->ledger), &why));
        MUST(db_run(ledger_db(house->ledger), changes[i], NULL, NULL, NULL, &why));
        if (preference_series(ledger_db(house->ledger), 1, collected.ordinal, collect, &collected, &error))
            fail_msg("unnoticed: %s", changes[i].text);
        assert_int_equal(error.code, ERROR_CORRUPT);
        db_rollback(ledger_db(house->ledger));
    }
    MUST(preference_series(ledger_db(house->ledger), 1, collected.ordinal, collect, &collected, &why));
}

static void a_default_is_no_consent(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct preference_state states[CHANNELS];

    MUST(preference_states(ledger_db(house->ledger), 1, &ordinal, 1, states, &why));
    for (int channel = 0; channel < CHANNELS; channel++) {
        assert_false(states[channel].set);
        assert_int_equal(states[channel].opted_in, channel != CHANNEL_WHATSAPP);
        assert_int_equal(states[channel].since_ms, WHEN_NONE);
    }
}

static void since_is_when_the_state_last_changed(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");

    (void)said(house, ordinal, VOICE_CONTROLLER, false, "");
    int64_t since = state_of(house, ordinal).since_ms;
    (void)said(house, ordinal, VOICE_PERSON, false, "");
    assert_int_equal(state_of(house, ordinal).since_ms, since);
    (void)said(house, ordinal, VOICE_PERSON, true, "");
    assert_true(state_of(house, ordinal).since_ms > since);
}

/* Parked while an erasure waited: the opt-out took effect at once, the opt-in from before it comes back late. */
static void an_older_opt_in_that_was_parked_does_not_undo_a_newer_opt_out(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    int64_t parked = when_now(&house->clock);

    house->clock.shift_ms += 1000;
    (void)said(house, ordinal, VOICE_CONTROLLER, false, "");
    struct preference late = {
        .channel = CHANNEL_EMAIL, .opted_in = true, .voice = VOICE_CONTROLLER, .at_ms = parked, .received_ms = parked
    };
    house_begin(house);
    MUST(preference_say(house->ledger, house->writer, house->account, ordinal, &late, &why));
    house_commit(house);
    assert_false(late.applied);
    assert_true(is_denied(house, ordinal));
}

static void service_messages_are_a_matter_of_their_own(void **state)
{
    struct house *house = *state;
    uint32_t ordinal = house_person(house, "ann");
    struct preference no = {
        .channel = CHANNEL_EMAIL, .service = true, .voice = VOICE_PERSON, .at_ms = 1, .received_ms = 1
    };

    house_begin(house);
    MUST(preference_say(house->ledger, house->writer, house->account, ordinal, &no, &why));
    house_commit(house);
    assert_int_equal(house_denied(house, ordinal), SERVICE_BIT(CHANNEL_EMAIL));
    assert_false(state_of(house, ordinal).set);
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(who_outranks_whom),
        WITH_HOUSE(repeating_adds_nothing),
        WITH_HOUSE(words_that_were_given_are_kept_each_time),
        WITH_HOUSE(of_one_millisecond_other_words_are_kept_and_the_same_are_not),
        WITH_HOUSE(a_statement_that_was_altered_is_noticed),
        WITH_HOUSE(the_series_is_told_in_order_with_its_words),
        WITH_HOUSE(a_default_is_no_consent),
        WITH_HOUSE(since_is_when_the_state_last_changed),
        WITH_HOUSE(an_older_opt_in_that_was_parked_does_not_undo_a_newer_opt_out),
        WITH_HOUSE(service_messages_are_a_matter_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
