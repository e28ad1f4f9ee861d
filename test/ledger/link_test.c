/* Links: what an anonymous id means, whose rights are whose, and what is kept when two are parted; by cases, and by a random
 * walk beside a model that is as simple as can be. */
#include <stdio.h>
#include <time.h>

#include "ledger/house.h"
#include "ledger/link.h"
#include "ledger/mark.h"
#include "ledger/preference.h"

/* ---- short words ---- */

static struct fingerprint anonymous_print(struct house *house, const char *id)
{
    return account_fingerprint(house->account, IDENTITY_ANONYMOUS, str_of(id));
}

static uint32_t means(struct house *house, const char *id)
{
    const struct fingerprint print = anonymous_print(house, id);

    return account_find(house->account, &print);
}

/* What data of an anonymous id does. */
static uint32_t sees(struct house *house, const char *id)
{
    const struct fingerprint print = anonymous_print(house, id);
    uint32_t ordinal = means(house, id);

    if (ordinal)
        return ordinal;
    house_begin(house);
    MUST(subject_create(house->ledger, house->writer, house->account, IDENTITY_ANONYMOUS, &print, 1, &ordinal, &why));
    house_commit(house);
    return ordinal;
}

static uint32_t joins(struct house *house, uint32_t user, const char *id, bool decided)
{
    struct link_joining joining = {
        .user = user, .print = anonymous_print(house, id), .source = 1, .is_decided = decided
    };

    house_begin(house);
    MUST(link_join(house->ledger, house->writer, house->account, &joining, &why));
    house_commit(house);
    return joining.joined;
}

static void aliases(struct house *house, uint32_t other, uint32_t user)
{
    house_begin(house);
    MUST(link_add(house->ledger, house->account, other, user, 1, &why));
    house_commit(house);
}

static void parts(struct house *house, uint32_t ordinal, uint32_t user)
{
    house_begin(house);
    MUST(link_remove(house->ledger, house->writer, house->account, ordinal, user, 2, &why));
    house_commit(house);
}

static void restricts(struct house *house, uint32_t ordinal)
{
    const struct right right = {
        .kind = RIGHT_RESTRICTION, .denies = DENIED_BY_RESTRICTION, .until_ms = WHEN_NONE, .road = STR("test")
    };

    house_begin(house);
    MUST(right_add(house->ledger, house->account, ordinal, &right, &why));
    house_commit(house);
}

static void lifts(struct house *house, uint32_t ordinal)
{
    const struct right_end how = { .notice_ms = WHEN_NONE };
    int64_t ended = 0;

    house_begin(house);
    MUST(rights_end(house->ledger, house->account, ordinal, RIGHT_RESTRICTION, 0, &how, &ended, &why));
    house_commit(house);
}

static bool says(struct house *house, uint32_t ordinal, bool opted_in)
{
    struct preference preference = { .channel = CHANNEL_EMAIL,
                                     .opted_in = opted_in,
                                     .voice = VOICE_PERSON,
                                     .at_ms = when_now(&house->clock),
                                     .received_ms = when_now(&house->clock),
                                     .source = 1 };

    house_begin(house);
    MUST(preference_say(house->ledger, house->writer, house->account, ordinal, &preference, &why));
    house_commit(house);
    house->clock.shift_ms += 2000;
    return preference.applied;
}

static uint32_t person_of(struct house *house, uint32_t ordinal)
{
    return account_person(house->account, ordinal);
}

static void erases_person(struct house *house, uint32_t ordinal)
{
    const struct subject_erasure how = { .suppress_until_ms = WHEN_NONE };
    struct person person;

    house_begin(house);
    MUST(person_now(house->ledger, house->account, ordinal, &person, &why));
    MUST(subject_erase(house->ledger, house->account, person.ordinals, person.count, &how, &why));
    house_commit(house);
}

/* ---- whose an anonymous id is ---- */

static void the_first_user_gets_what_came_before_and_the_next_what_comes(void **state)
{
    struct house *house = *state;
    uint32_t before = sees(house, "tablet"), ann = house_person(house, "ann"), ben = house_person(house, "ben");

    assert_int_equal(joins(house, ann, "tablet", false), before);
    assert_int_equal(person_of(house, before), person_of(house, ann));
    uint32_t after = joins(house, ben, "tablet", false);
    assert_int_not_equal(after, before);
    assert_int_equal(means(house, "tablet"), after);
    assert_int_equal(person_of(house, after), person_of(house, ben));
    assert_int_equal(person_of(house, before), person_of(house, ann));
    assert_int_not_equal(person_of(house, ann), person_of(house, ben));
}

static void a_tablet_that_goes_to_and_fro_does_not_grow(void **state)
{
    struct house *house = *state;
    uint32_t users[] = { house_person(house, "ann"), house_person(house, "ben"), house_person(house, "cem") };
    uint32_t theirs[3];

    for (int i = 0; i < 3; i++)
        theirs[i] = joins(house, users[i], "tablet", false);
    int64_t subjects = house_count(house, SQL("SELECT COUNT(*) FROM subject"));
    int64_t links = house_count(house, SQL("SELECT COUNT(*) FROM link"));
    assert_int_equal(subjects, 6);
    for (int round = 0; round < 12; round++) {
        int i = (round * 7 + 1) % 3;
        assert_int_equal(joins(house, users[i], "tablet", false), theirs[i]);
        assert_int_equal(means(house, "tablet"), theirs[i]);
        if (round % 4 == 0)
            house_restart(house);
        assert_int_equal(means(house, "tablet"), theirs[i]);
    }
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject")), subjects);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM link")), links);
}

static void what_stands_is_not_written_again(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), one = joins(house, ann, "phone", false);
    struct link_joining joining = { .user = ann, .print = anonymous_print(house, "phone"), .source = 1 };

    MUST(ledger_begin(house->ledger, &why));
    MUST(ledger_part_begin(house->ledger, &why));
    MUST(link_join(house->ledger, house->writer, house->account, &joining, &why));
    MUST(link_add(house->ledger, house->account, one, ann, 1, &why));
    MUST(ledger_part_end(house->ledger, true, &why));
    assert_false(ledger_has_work(house->ledger));
    MUST(ledger_commit(house->ledger, &why));
    assert_int_equal(joining.joined, one);
}

/* What was taken back is nobody's history to give: the next identify begins anew; who decides may take it again. */
static void what_was_taken_back_stays_on_its_own_side(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), before = sees(house, "phone");

    (void)joins(house, ann, "phone", false);
    parts(house, before, ann);
    assert_int_equal(person_of(house, before), before);
    assert_int_equal(means(house, "phone"), before);
    uint32_t anew = joins(house, ann, "phone", false);
    assert_int_not_equal(anew, before);
    assert_int_equal(person_of(house, before), before);
    parts(house, anew, ann);
    assert_int_equal(joins(house, ann, "phone", true), before);
    assert_int_equal(person_of(house, before), person_of(house, ann));
    assert_int_equal(means(house, "phone"), before);
}

static uint32_t joins_late(struct house *house, uint32_t user, const char *id, int64_t said_ms)
{
    struct link_joining joining = {
        .user = user, .print = anonymous_print(house, id), .source = 1, .said_ms = said_ms
    };

    house_begin(house);
    MUST(link_join(house->ledger, house->writer, house->account, &joining, &why));
    house_commit(house);
    return joining.joined;
}

static void what_was_said_before_the_id_went_on_does_not_take_it_back(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    uint32_t before = sees(house, "tablet"), bens;
    int64_t first = when_now(&house->clock);

    house->clock.shift_ms += 1000;
    bens = joins(house, ben, "tablet", false);
    assert_int_equal(bens, before);
    assert_int_equal(joins_late(house, ann, "tablet", first), 0);
    assert_int_equal(means(house, "tablet"), bens);
    assert_int_equal(joins_late(house, ben, "tablet", first), bens);

    house->clock.shift_ms += 1000;
    parts(house, bens, ben);
    assert_int_equal(joins_late(house, ben, "tablet", when_now(&house->clock) - 500), 0);
    house->clock.shift_ms += 1000;
    assert_int_not_equal(joins_late(house, ann, "tablet", when_now(&house->clock)), 0);
    assert_int_not_equal(means(house, "tablet"), bens);
    assert_int_not_equal(joins_late(house, ann, "phone", first), 0);
}

static void known_users_are_joined_by_naming_both_only(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");

    (void)joins(house, ann, "one", false);
    (void)joins(house, ben, "two", false);
    (void)joins(house, ann, "two", false);
    (void)joins(house, ben, "one", true);
    assert_int_not_equal(person_of(house, ann), person_of(house, ben));
    aliases(house, ann, ben);
    assert_int_equal(person_of(house, ann), ann);
    assert_int_equal(person_of(house, ben), ann);
    aliases(house, ben, ann); /* the same pair */
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM link WHERE removed_at IS NULL")), 5);
    house_restart(house);
    assert_int_equal(person_of(house, ben), ann);
    parts(house, ben, ann); /* from either end */
    assert_int_not_equal(person_of(house, ann), person_of(house, ben));
}

static void a_person_has_a_stated_number_of_subjects(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), last = 0;
    struct link_joining joining = { .user = ann, .source = 1, .print = anonymous_print(house, "one more") };
    struct person person;
    char id[32];

    house_begin(house);
    for (int i = 0; i < PERSON_MAX - 1; i++) {
        (void)snprintf(id, sizeof(id), "browser %d", i);
        struct link_joining next = { .user = ann, .source = 1, .print = anonymous_print(house, id) };
        MUST(link_join(house->ledger, house->writer, house->account, &next, &why));
        last = next.joined;
        if (i % 200 == 199) { /* a group of its own, for its stage is bounded */
            house_commit(house);
            house_begin(house);
        }
    }
    house_commit(house);
    person_known(house->account, last, &person);
    assert_int_equal(person.count, PERSON_MAX);
    assert_int_equal(person.ordinals[0], ann);
    assert_true(person.ordinals[PERSON_MAX - 1] > person.ordinals[PERSON_MAX - 2]);
    house_begin(house);
    MUST_NOT(ERROR_LIMITED, link_join(house->ledger, house->writer, house->account, &joining, &why));
    house_undo(house);
    assert_int_equal(means(house, "one more"), 0);
    uint32_t stranger = sees(house, "stranger");
    house_begin(house);
    MUST_NOT(ERROR_LIMITED, link_add(house->ledger, house->account, stranger, ann, 1, &why));
    house_undo(house);
    restricts(house, last);
    assert_int_equal(house_denied(house, ann), DENIED_BY_RESTRICTION);
    house_restart(house);
    assert_int_equal(house_denied(house, ann), DENIED_BY_RESTRICTION);
    erases_person(house, last);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject WHERE state = 2")), PERSON_MAX);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM link")), 0);
}

/* ---- rights of a person ---- */

static void what_is_denied_to_one_is_denied_to_all_from_the_same_commit(void **state)
{
    struct house *house = *state;
    uint32_t phone = sees(house, "phone"), ann = house_person(house, "ann");
    uint32_t generation = account_subject(house->account, ann)->generation;

    restricts(house, phone);
    assert_int_equal(house_denied(house, ann), 0);
    house_begin(house);
    MUST(link_add(house->ledger, house->account, phone, ann, 1, &why));
    uint32_t denied = 0;
    MUST(rights_denied(house->ledger, house->account, ann, &denied, &why));
    assert_int_equal(denied, DENIED_BY_RESTRICTION); /* the writer sees its own group */
    assert_int_equal(house_denied(house, ann), 0);   /* others do not yet */
    house_commit(house);
    assert_int_equal(house_denied(house, ann), DENIED_BY_RESTRICTION);
    assert_true(account_subject(house->account, ann)->generation > generation);
    assert_int_equal(house_asks(house, house->reader, ann, PURPOSE_COLLECT, REASON_NONE), ERROR_FORBIDDEN);
    generation = account_subject(house->account, phone)->generation;
    lifts(house, phone);
    assert_int_equal(house_denied(house, ann), 0);
    assert_int_equal(house_denied(house, phone), 0);
    assert_true(account_subject(house->account, phone)->generation > generation);
}

static void both_sides_keep_what_was_denied(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), phone = joins(house, ann, "phone", false);

    restricts(house, ann);
    (void)says(house, phone, false);
    uint32_t both = DENIED_BY_RESTRICTION | MARKET_BIT(CHANNEL_EMAIL);
    assert_int_equal(house_denied(house, ann), both);
    parts(house, phone, ann);
    assert_int_equal(house_denied(house, ann), both);
    assert_int_equal(house_denied(house, phone), both);
    house_restart(house);
    assert_int_equal(house_denied(house, ann), both);
    assert_int_equal(house_denied(house, phone), both);
    lifts(house, ann); /* decided for one */
    assert_true(says(house, ann, true));
    assert_int_equal(house_denied(house, ann), 0);
    assert_int_equal(house_denied(house, phone), both);
}

static void another_road_between_them_keeps_them_one(void **state)
{
    struct house *house = *state;
    uint32_t users[] = { house_person(house, "ann"), house_person(house, "ann2"), house_person(house, "ann3") };

    for (int i = 0; i < 3; i++)
        aliases(house, users[i], users[(i + 1) % 3]);
    restricts(house, users[0]);
    parts(house, users[0], users[1]);
    assert_int_equal(person_of(house, users[1]), users[0]);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM rights")), 1);
    parts(house, users[0], users[2]);
    assert_int_equal(person_of(house, users[1]), users[1]);
    assert_int_equal(person_of(house, users[2]), users[1]);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM rights")), 2);
    assert_int_equal(house_denied(house, users[1]), DENIED_BY_RESTRICTION);
}

static void an_opt_out_of_one_is_all_of_theirs_and_so_is_the_opt_in_that_ends_it(void **state)
{
    struct house *house = *state;
    uint32_t phone = sees(house, "phone"), ann = house_person(house, "ann");
    uint32_t both[] = { phone, ann };
    struct preference_state states[CHANNELS];

    (void)says(house, phone, false);
    assert_true(says(house, ann, true));
    (void)joins(house, ann, "phone", false);
    MUST(preference_states(ledger_db(house->ledger), 1, both, 2, states, &why));
    assert_true(states[CHANNEL_EMAIL].set);
    assert_false(states[CHANNEL_EMAIL].opted_in);
    assert_int_equal(house_denied(house, ann), MARKET_BIT(CHANNEL_EMAIL));
    assert_true(says(house, ann, true)); /* by the person, and later */
    MUST(preference_states(ledger_db(house->ledger), 1, both, 2, states, &why));
    assert_true(states[CHANNEL_EMAIL].opted_in);
    assert_int_equal(house_denied(house, phone), 0);
    parts(house, phone, ann);
    assert_int_equal(house_denied(house, phone), 0);
}

/* ---- the end ---- */

static void an_erasure_leaves_the_others_of_a_shared_id_alone(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    struct fingerprint tablet = anonymous_print(house, "tablet");
    int64_t parted;

    (void)joins(house, ann, "tablet", false);
    house->clock.shift_ms += 1000;
    uint32_t bens = joins(house, ben, "tablet", false);
    parted = when_now(&house->clock);
    house->clock.shift_ms += 5000;
    erases_person(house, ann);
    assert_int_equal(means(house, "tablet"), bens);
    assert_int_equal(house_asks(house, house->reader, bens, PURPOSE_COLLECT, REASON_NONE), ERROR_NONE);
    int64_t now = when_now(&house->clock);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(marks_judge(house->account, &tablet, parted - 500, now), MARK_DROP); /* it was Ann's then */
        assert_int_equal(marks_judge(house->account, &tablet, parted + 500, now), MARK_CLEAR);
        house_restart(house);
        assert_int_equal(means(house, "tablet"), bens);
    }
    erases_person(house, ben);
    assert_int_equal(means(house, "tablet"), 0);
    assert_int_equal(marks_judge(house->account, &tablet, parted + 500, when_now(&house->clock)), MARK_DROP);
}

/* A history that was somebody's is not given to the next one, though that somebody is gone. */
static void what_was_parted_from_the_erased_is_given_to_nobody(void **state)
{
    struct house *house = *state;
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben");
    uint32_t phone = joins(house, ann, "phone", false);

    parts(house, phone, ann);
    erases_person(house, ann);
    assert_int_not_equal(joins(house, ben, "phone", false), phone);
    assert_int_equal(person_of(house, phone), phone);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM link WHERE user_ordinal = 1")), 0);
}

/* ---- the walk ---- */

enum { USERS = 5, IDS = 4, SUBJECTS_MAX = 600, EDGES_MAX = 600, STEPS = 260 };

struct model {
    struct {
        bool used, restricted, opted_out, was_joined;
        int id; /* of an anonymous one; -1: a user */
    } subjects[SUBJECTS_MAX];
    struct {
        uint32_t from, to;
        bool stands;
    } edges[EDGES_MAX];
    int edge_count;
    uint32_t users[USERS], ids[IDS]; /* what each means; 0: nobody */
};

static bool component[SUBJECTS_MAX];

static void find_component(const struct model *model, uint32_t from)
{
    bool grew = true;

    memset(component, 0, sizeof(component));
    component[from] = true;
    while (grew) {
        grew = false;
        for (int i = 0; i < model->edge_count; i++)
            if (model->edges[i].stands && component[model->edges[i].from] != component[model->edges[i].to])
                component[model->edges[i].from] = component[model->edges[i].to] = grew = true;
    }
}

static bool together(const struct model *model, uint32_t one, uint32_t two)
{
    find_component(model, one);
    return component[two];
}

static void model_join(struct model *model, uint32_t from, uint32_t to)
{
    model->edges[model->edge_count].from = from;
    model->edges[model->edge_count].to = to;
    model->edges[model->edge_count++].stands = true;
    model->subjects[from].was_joined = true;
}

/* By the words of semantics 7. */
static void model_identify(struct model *model, uint32_t user, int id, uint32_t made)
{
    uint32_t present = model->ids[id];

    if (present && together(model, present, user))
        return;
    find_component(model, user);
    bool denied = present && model->subjects[present].restricted;
    if (present && !model->subjects[present].was_joined) {
        if (!denied)
            model_join(model, present, user);
        return;
    }
    for (int i = 0; i < model->edge_count; i++)
        if (model->edges[i].stands && model->subjects[model->edges[i].from].id == id && component[model->edges[i].to]) {
            model->ids[id] = model->edges[i].from;
            for (int j = 0; j < model->edge_count; j++) /* the first that there is */
                if (model->edges[j].stands && model->subjects[model->edges[j].from].id == id &&
                    component[model->edges[j].to] && model->edges[j].from < model->ids[id])
                    model->ids[id] = model->edges[j].from;
            return;
        }
    model->subjects[made].used = true;
    model->subjects[made].id = id;
    model->ids[id] = made;
    model_join(model, made, user);
}

static void model_part(struct model *model, int edge)
{
    uint32_t from = model->edges[edge].from, to = model->edges[edge].to;
    bool restricted[2] = { false }, opted_out[2] = { false };

    model->edges[edge].stands = false;
    if (together(model, from, to))
        return;
    for (int side = 0; side < 2; side++) {
        find_component(model, side ? to : from);
        for (int i = 0; i < SUBJECTS_MAX; i++) {
            restricted[side] |= component[i] && model->subjects[i].restricted;
            opted_out[side] |= component[i] && model->subjects[i].opted_out;
        }
    }
    for (int side = 0; side < 2; side++) {
        uint32_t end = side ? to : from;
        model->subjects[end].restricted |= restricted[!side] && !restricted[side];
        model->subjects[end].opted_out |= opted_out[!side] && !opted_out[side];
    }
}

static void model_erase(struct model *model, uint32_t ordinal)
{
    find_component(model, ordinal);
    for (int i = 0; i < model->edge_count; i++)
        if (component[model->edges[i].from] || component[model->edges[i].to])
            model->edges[i].stands = false;
    for (uint32_t i = 0; i < SUBJECTS_MAX; i++)
        if (component[i])
            model->subjects[i].used = false;
    for (int i = 0; i < USERS; i++)
        if (component[model->users[i]])
            model->users[i] = 0;
    for (int i = 0; i < IDS; i++)
        if (component[model->ids[i]])
            model->ids[i] = 0;
}

static void agrees(struct house *house, const struct model *model, int step)
{
    char id[16];

    for (int i = 0; i < IDS; i++) {
        (void)snprintf(id, sizeof(id), "id%d", i);
        if (means(house, id) != model->ids[i])
            fail_msg("step %d: %s means %u, not %u", step, id, means(house, id), model->ids[i]);
    }
    for (uint32_t at = 1; at < house->account->subjects.next_ordinal; at++) {
        uint32_t denied = 0, name = 0;
        const struct subject *subject = account_subject(house->account, at);
        bool live = subject && subject->state == SUBJECT_LIVE;
        assert_int_equal(live, model->subjects[at].used);
        if (!live)
            continue;
        find_component(model, at);
        for (uint32_t i = 1; i < SUBJECTS_MAX; i++) {
            if (!component[i])
                continue;
            name = name ? name : i;
            denied |= model->subjects[i].restricted ? DENIED_BY_RESTRICTION : 0;
            denied |= model->subjects[i].opted_out ? MARKET_BIT(CHANNEL_EMAIL) : 0;
        }
        if (subject->denied != denied || person_of(house, at) != name)
            fail_msg("step %d: subject %u denied %x, not %x; person %u, not %u", step, at, subject->denied, denied,
                     person_of(house, at), name);
    }
}

static uint32_t random_state;

static uint32_t roll(uint32_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % sides;
}

static uint32_t user_at(struct house *house, struct model *model, int which)
{
    char name[16];

    if (model->users[which])
        return model->users[which];
    (void)snprintf(name, sizeof(name), "user%d", which);
    uint32_t made = house_person(house, name);
    model->users[which] = made;
    model->subjects[made].used = true;
    model->subjects[made].id = -1;
    return made;
}

static void opt(struct house *house, struct model *model, uint32_t ordinal, bool opted_in)
{
    assert_true(says(house, ordinal, opted_in));
    find_component(model, ordinal);
    bool already = false;
    for (int i = 0; i < SUBJECTS_MAX; i++)
        already |= component[i] && model->subjects[i].opted_out;
    if (!opted_in)
        model->subjects[ordinal].opted_out |= !already;
    for (int i = 0; opted_in && i < SUBJECTS_MAX; i++)
        model->subjects[i].opted_out &= !component[i];
}

static void lift(struct house *house, struct model *model, uint32_t ordinal)
{
    find_component(model, ordinal);
    for (uint32_t i = 1; i < SUBJECTS_MAX; i++)
        if (component[i] && model->subjects[i].restricted) {
            lifts(house, i);
            model->subjects[i].restricted = false;
        }
}

static void part_any(struct house *house, struct model *model)
{
    int edge = model->edge_count ? (int)roll((uint32_t)model->edge_count) : -1;

    if (edge < 0 || !model->edges[edge].stands)
        return;
    parts(house, model->edges[edge].from, model->edges[edge].to);
    model_part(model, edge);
}

static void see(struct house *house, struct model *model, int id)
{
    char text[16];
    bool is_new = model->ids[id] == 0;

    (void)snprintf(text, sizeof(text), "id%d", id);
    model->ids[id] = sees(house, text);
    if (!is_new)
        return;
    model->subjects[model->ids[id]].used = true;
    model->subjects[model->ids[id]].id = id;
}

/* A whole command that fails leaves nothing, in memory or rows. */
static void try_in_vain(struct house *house, uint32_t one, uint32_t two, uint32_t user, const char *id)
{
    struct link_joining joining = { .user = user, .print = anonymous_print(house, id), .source = 1 };

    house_begin(house);
    MUST(link_add(house->ledger, house->account, one, two, 1, &why));
    MUST(link_join(house->ledger, house->writer, house->account, &joining, &why));
    house_undo(house);
}

static void walk_one_step(struct house *house, struct model *model, int step)
{
    uint32_t user = user_at(house, model, (int)roll(USERS)), other = user_at(house, model, (int)roll(USERS));
    int id = (int)roll(IDS);
    char text[16];

    (void)snprintf(text, sizeof(text), "id%d", id);
    switch (roll(12)) {
    case 0:
    case 1:
        see(house, model, id);
        break;
    case 2:
    case 3:
    case 4:
        model_identify(model, user, id, house->account->subjects.next_ordinal);
        (void)joins(house, user, text, false);
        break;
    case 5:
        if (user != other && roll(3) == 0) {
            bool same = false;
            for (int i = 0; i < model->edge_count; i++)
                same |= model->edges[i].stands && ((model->edges[i].from == user && model->edges[i].to == other) ||
                                                   (model->edges[i].from == other && model->edges[i].to == user));
            aliases(house, user, other);
            if (!same)
                model_join(model, user, other);
        }
        break;
    case 6:
    case 7:
        part_any(house, model);
        break;
    case 8:
        if (roll(2) == 0) {
            restricts(house, user);
            model->subjects[user].restricted = true;
        } else {
            lift(house, model, user);
        }
        break;
    case 9:
        opt(house, model, user, roll(2) == 0);
        break;
    case 10:
        if (roll(4) == 0) {
            erases_person(house, user);
            model_erase(model, user);
        }
        break;
    default:
        if (step % 3 == 0)
            house_restart(house);
        else
            try_in_vain(house, user, other, user, text);
        break;
    }
}

static void walk(uint32_t seed)
{
    struct house *house = NULL;
    struct model *model = calloc(1, sizeof(*model));

    random_state = seed | 1;
    house_set_up((void **)&house);
    for (int step = 0; step < STEPS && model->edge_count < EDGES_MAX; step++) {
        walk_one_step(house, model, step);
        agrees(house, model, step);
    }
    house_restart(house);
    agrees(house, model, STEPS);
    house_tear_down((void **)&house);
    free(model);
}

static void a_random_walk_agrees_with_a_simple_model(void **state)
{
    const char *given = getenv("LINK_SEED");
    uint32_t seed = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL);

    (void)state;
    for (int round = 0; round < 6; round++) {
        print_message("LINK_SEED=%u\n", seed);
        walk(seed++);
    }
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(the_first_user_gets_what_came_before_and_the_next_what_comes),
        WITH_HOUSE(a_tablet_that_goes_to_and_fro_does_not_grow),
        WITH_HOUSE(what_stands_is_not_written_again),
        WITH_HOUSE(what_was_taken_back_stays_on_its_own_side),
        WITH_HOUSE(what_was_said_before_the_id_went_on_does_not_take_it_back),
        WITH_HOUSE(known_users_are_joined_by_naming_both_only),
        WITH_HOUSE(a_person_has_a_stated_number_of_subjects),
        WITH_HOUSE(what_is_denied_to_one_is_denied_to_all_from_the_same_commit),
        WITH_HOUSE(both_sides_keep_what_was_denied),
        WITH_HOUSE(another_road_between_them_keeps_them_one),
        WITH_HOUSE(an_opt_out_of_one_is_all_of_theirs_and_so_is_the_opt_in_that_ends_it),
        WITH_HOUSE(an_erasure_leaves_the_others_of_a_shared_id_alone),
        WITH_HOUSE(what_was_parted_from_the_erased_is_given_to_nobody),
        cmocka_unit_test(a_random_walk_agrees_with_a_simple_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
