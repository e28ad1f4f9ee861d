/* Segment bodies, plain or gzip: the first byte chooses the call and how much memory it has, the rest is the body. What is
 * taken must keep its promises: ids within their length, data and context that are JSON again, a profile that can be read
 * back, and an item that was parked is the same when it is taken in again. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/gunzip.h"
#include "intake/segment.h"

#define RECEIVED INT64_C(1795435200000)

enum { LIMIT = 8 * 1024 * 1024, INFLATED_MAX = 1024 * 1024 };

/* What stays between inputs. */
struct fixture {
    struct json_parser *parser, *again;
    struct arena arena, scratch;
    struct buf text;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct str padded(struct fixture *fixture, struct str text)
{
    buf_reset(&fixture->text);
    buf_add(&fixture->text, text);
    memset(buf_room(&fixture->text, JSON_PADDING), 0, JSON_PADDING);
    return buf_str(&fixture->text);
}

static void is_object(struct fixture *fixture, struct str json)
{
    struct error error = { 0 };
    const struct json *root = json_read(fixture->again, &fixture->scratch, padded(fixture, json), &error);

    must(root && root->kind == JSON_OBJECT);
}

static void check_event(struct fixture *fixture, const struct item *item)
{
    struct error error = { 0 };
    struct str data;

    must(item->event_name.len > 0 && str_code_points(item->event_name) <= 50);
    must(item_event_body(item, &fixture->scratch, &data, &error));
    must(str_equal(data, item->event_data));
    must(item->system_count == 0 && item->opt_in_count == 0);
    if (data.len > 0)
        is_object(fixture, data);
    if (item->event_context.len > 0)
        is_object(fixture, item->event_context);
}

static void add_values(struct fixture *fixture, const struct item *item, struct profile *profile)
{
    for (uint32_t i = 0; i < item->system_count; i++) {
        struct profile_value value = { str_of(item->system[i].field->name), item->system[i].raw, TYPE_STRING, 1, 1 };

        must(i == 0 || item->system[i - 1].field < item->system[i].field);
        must(profile_set_system(profile, &fixture->scratch, &value));
    }
    for (uint32_t i = 0; i < item->attribute_count; i++) {
        struct profile_value value = { item->attributes[i].name, item->attributes[i].raw, item->attributes[i].type, 1,
                                       1 };

        if (!item->attributes[i].dropped)
            must(profile_set_attribute(profile, &fixture->scratch, &value) != PROFILE_NO_MEMORY);
    }
}

static void check_profile(struct fixture *fixture, const struct item *item)
{
    struct profile profile = { 0 }, back;
    struct profile_identity identity = { item->id_kind, item->id, 1, 1 };
    struct error error = { 0 };

    must(profile_add_identity(&profile, &fixture->scratch, &identity));
    for (uint32_t i = 0; i < item->finder_count; i++) {
        struct profile_identity finder = { item->finders[i].kind, item->finders[i].value, 1, 1 };
        must(finder.kind > IDENTITY_PHONE && finder.value.len > 0);
        must(profile_add_finder(&profile, &fixture->scratch, &finder));
    }
    if (item->said_consent.len > 0)
        profile_say_consent(&profile, &(struct profile_value){ .raw = item->said_consent, .at_ms = 1 });
    if (item->kind == ITEM_USER)
        add_values(fixture, item, &profile);
    buf_reset(&fixture->text);
    must(profile_write(&profile, &fixture->text));
    must(profile_read(fixture->again, &fixture->scratch, buf_str(&fixture->text), &back, &error));
    must(back.attribute_count == profile.attribute_count && back.system_count == profile.system_count);
    must(back.identity_count == profile.identity_count && str_equal(back.consent.raw, item->said_consent));
}

static void check_parked(struct fixture *fixture, const struct item *item)
{
    struct error error = { 0 };
    struct item *again;
    struct str text;
    uint32_t count;

    buf_reset(&fixture->text);
    buf_add(&fixture->text, item->park_head);
    buf_add(&fixture->text, item->raw);
    buf_add(&fixture->text, item->park_tail);
    memset(buf_room(&fixture->text, JSON_PADDING), 0, JSON_PADDING);
    text = buf_str(&fixture->text);
    must(text.at[0] == 's');
    must(segment_parked(fixture->again, (struct str){ text.at + 1, text.len - 1 }, RECEIVED, &fixture->scratch, &again,
                        &count, &error));
    must(count == 1 && again->refused.code == ERROR_NONE && again->kind == item->kind);
    must(str_equal(again->id, item->id) && again->id_kind == item->id_kind && again->occurred_ms == item->occurred_ms);
    must(str_equal(again->event_data, item->event_data) && str_equal(again->event_context, item->event_context));
    must(str_equal(again->message_id, item->message_id) && str_equal(again->joins, item->joins));
    must(again->finder_count == item->finder_count && again->attribute_count == item->attribute_count);
}

static void check_item(struct fixture *fixture, const struct item *item)
{
    if (item->refused.code != ERROR_NONE) {
        must(item->refused.code == ERROR_INVALID);
        return;
    }
    must(item->id.len > 0 && str_code_points(item->id) <= IDENTITY_MAX_POINTS);
    must(str_code_points(item->beside) <= IDENTITY_MAX_POINTS && str_code_points(item->joins) <= IDENTITY_MAX_POINTS);
    must((item->joins.len > 0) == (item->joins_by != JOINS_NONE));
    must(item->joins_by == JOINS_NONE || (item->id_kind == IDENTITY_CUID && item->kind == ITEM_USER));
    must(item->occurred_ms == WHEN_NONE || item->occurred_ms <= RECEIVED + WHEN_DAY);
    must(item->message_id.len <= 100);
    must(item->finder_count <= FINDERS_MAX && item->opt_in_count <= CHANNELS);
    if (item->kind == ITEM_EVENT)
        check_event(fixture, item);
    check_profile(fixture, item);
    check_parked(fixture, item);
}

static void run(struct fixture *fixture, unsigned choice, struct str body)
{
    struct segment_call call = { .type = (enum segment_type)(choice / 8 % SEGMENT_TYPES) };
    struct error error = { 0 };
    struct item *items = NULL;
    uint32_t count = 0;
    const struct json *root;

    if (gunzip_is(body) && !gunzip(body, INFLATED_MAX, JSON_PADDING, &fixture->arena, &body, &error))
        return;
    root = json_read_twins(fixture->parser, &fixture->arena, body, &call.twins, &error);
    if (!root)
        return;
    if (!segment_items(&call, root, RECEIVED, &fixture->arena, &items, &count, &error)) {
        must(error.code == ERROR_INVALID || error.code == ERROR_TOO_LARGE);
        return;
    }
    must(count <= SEGMENT_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        arena_reset(&fixture->scratch);
        check_item(fixture, &items[i]);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
    unsigned choice = len > 0 ? bytes[0] : 0;
    size_t body_len = len > 0 ? len - 1 : 0;
    struct fixture fixture = { .parser = json_parser_new(), .again = json_parser_new() };
    char *body = calloc(1, body_len + JSON_PADDING);

    must(fixture.parser && fixture.again && body);
    if (body_len > 0)
        memcpy(body, bytes + 1, body_len);
    /* Every eighth choice has little memory. */
    arena_init(&fixture.arena, choice % 8 == 7 ? (choice / 8) * 64 : LIMIT);
    arena_init(&fixture.scratch, 4 * LIMIT);
    buf_init(&fixture.text, LIMIT);
    run(&fixture, choice, (struct str){ body, body_len });
    json_parser_free(fixture.parser);
    json_parser_free(fixture.again);
    arena_clear(&fixture.arena);
    arena_clear(&fixture.scratch);
    buf_clear(&fixture.text);
    free(body);
    return 0;
}
