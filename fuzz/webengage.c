/* WebEngage bodies: the first byte chooses the call and how much memory it has, the rest is the body. What is taken must
 * keep its promises: ids within their length, event data that is JSON again, and a profile that can be read back. */
#include <stdlib.h>

#include "base/buf.h"
#include "intake/webengage.h"

#define RECEIVED INT64_C(1795435200000)

enum { LIMIT = 8 * 1024 * 1024 };

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

static void check_ignored(const struct ignored_list *list, uint32_t count)
{
    for (const struct ignored *one = list->first; one; one = one->next) {
        must(one->index < count || one->index == IGNORED_NO_INDEX);
        must(one->message.len > 0 && !one->depends_on_held);
    }
}

static const struct json *parsed(struct fixture *fixture, struct str json)
{
    struct error error = { 0 };

    buf_reset(&fixture->text);
    buf_add(&fixture->text, json);
    memset(buf_room(&fixture->text, JSON_PADDING), 0, JSON_PADDING);
    const struct json *root = json_read(fixture->again, &fixture->scratch, buf_str(&fixture->text), &error);
    must(root != NULL);
    return root;
}

static void check_event(struct fixture *fixture, const struct item *item)
{
    struct error error = { 0 };
    struct str data;
    uint32_t kept = 0;

    must(item->event_name.len > 0 && str_code_points(item->event_name) <= 50);
    must(item->occurred_ms == WHEN_NONE || item->occurred_ms <= RECEIVED + WHEN_DAY);
    must(item->message_id.len <= 100);
    must(item_event_body(item, &fixture->scratch, &data, &error));
    must(data.len <= item->event_data.len);
    for (uint32_t i = 0; i < item->attribute_count; i++)
        kept += !item->attributes[i].dropped;
    if (data.len == 0)
        must(item->attribute_count == 0);
    else
        must(parsed(fixture, data)->count == kept);
}

static void check_user(struct fixture *fixture, const struct item *item)
{
    struct profile profile = { 0 }, back;
    struct profile_identity identity = { item->id_kind, item->id, 1, 1 };
    struct error error = { 0 };

    must(item->opt_in_count <= CHANNELS && item->system_count <= profile_field_count);
    must(profile_add_identity(&profile, &fixture->scratch, &identity));
    for (uint32_t i = 0; i < item->system_count; i++) {
        struct profile_value value = { str_of(item->system[i].field->name), item->system[i].raw, TYPE_STRING, 1, 1 };

        must(i == 0 || item->system[i - 1].field < item->system[i].field);
        must(profile_set_system(&profile, &fixture->scratch, &value));
    }
    for (uint32_t i = 0; i < item->attribute_count; i++) {
        struct profile_value value = { item->attributes[i].name, item->attributes[i].raw, item->attributes[i].type, 1,
                                       1 };

        if (!item->attributes[i].dropped)
            must(profile_set_attribute(&profile, &fixture->scratch, &value) != PROFILE_NO_MEMORY);
    }
    buf_reset(&fixture->text);
    must(profile_write(&profile, &fixture->text));
    must(profile_read(fixture->again, &fixture->scratch, buf_str(&fixture->text), &back, &error));
    must(back.attribute_count == profile.attribute_count && back.system_count == profile.system_count);
    must(str_equal(back.identities[0].value, item->id));
}

static void check_item(struct fixture *fixture, const struct item *item)
{
    if (item->refused.code != ERROR_NONE) {
        must(item->refused.code == ERROR_INVALID);
        return;
    }
    must(item->id.len > 0 && str_code_points(item->id) <= IDENTITY_MAX_POINTS);
    if (item->kind == ITEM_EVENT)
        check_event(fixture, item);
    else
        check_user(fixture, item);
}

static void run(struct fixture *fixture, unsigned choice, struct str body)
{
    struct webengage_call call = { .kind = choice & 1 ? ITEM_EVENT : ITEM_USER, .bulk = choice & 2 };
    struct ignored_list ignored = { 0 };
    struct error error = { 0 };
    struct item *items = NULL;
    uint32_t count = 0;
    const struct json *root = json_read(fixture->parser, &fixture->arena, body, &error);

    if (!root)
        return;
    if (!webengage_items(&call, root, RECEIVED, &fixture->arena, &items, &count, &ignored, &error)) {
        must(error.code == ERROR_INVALID || error.code == ERROR_TOO_LARGE);
        must(ignored.first == NULL);
        return;
    }
    must(count > 0 && count <= WEBENGAGE_BULK_MAX);
    check_ignored(&ignored, count);
    for (uint32_t i = 0; i < count; i++)
        check_item(fixture, &items[i]);
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
