/* For tests of dialects: a body in, and as text what became of it. */
#ifndef HABEAS_TEST_INTAKE_TRANSLATED_H
#define HABEAS_TEST_INTAKE_TRANSLATED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "intake/webengage.h"

#define TEST_LIMIT (64 * 1024 * 1024)
/* 2026-11-23T12:00:00Z */
#define TEST_RECEIVED INT64_C(1795435200000)

/* What a call gave; all memory is in it. */
struct translated {
    struct json_parser *parser;
    struct arena arena;
    struct buf body, text;
    struct item *items;
    uint32_t count;
    struct ignored_list ignored;
    struct error error;
    bool ok;
};

static inline void translated_clear(struct translated *translated)
{
    json_parser_free(translated->parser);
    arena_clear(&translated->arena);
    buf_clear(&translated->body);
    buf_clear(&translated->text);
}

/* The body stands in memory of exactly its length and padding, so that a sanitizer sees whoever reads past it. */
static inline void translate_within(struct translated *out, size_t arena_limit, enum item_kind kind, bool bulk,
                                    struct str body)
{
    struct webengage_call call = { .kind = kind, .bulk = bulk };
    const struct json *root;

    *out = (struct translated){ .parser = json_parser_new() };
    arena_init(&out->arena, arena_limit);
    buf_init(&out->text, TEST_LIMIT);
    buf_init(&out->body, body.len + JSON_PADDING);
    buf_add(&out->body, body);
    memset(buf_room(&out->body, JSON_PADDING), 'x', JSON_PADDING);
    root = json_read_twins(out->parser, &out->arena, buf_str(&out->body), &call.twins, &out->error);
    out->ok = root && webengage_items(&call, root, TEST_RECEIVED, &out->arena, &out->items, &out->count, &out->ignored,
                                      &out->error);
}

static inline void translate_body(struct translated *out, enum item_kind kind, bool bulk, struct str body)
{
    translate_within(out, TEST_LIMIT, kind, bulk, body);
}

static inline void show_user(struct buf *text, const struct item *item)
{
    for (uint32_t i = 0; i < item->system_count; i++)
        buf_addf(text, " %s=%.*s", item->system[i].field->name, STR_ARG(item->system[i].raw));
    for (uint32_t i = 0; i < item->opt_in_count; i++)
        buf_addf(text, " %s:%s", channel_table[item->opt_ins[i].channel].name,
                 item->opt_ins[i].opted_in ? "in" : "out");
    if (!item->consent.given)
        return;
    buf_addf(text, " consent(%.*s,%.*s,%.*s", STR_ARG(item->consent.wording), STR_ARG(item->consent.version),
             STR_ARG(item->consent.road));
    if (item->consent.when_ms != WHEN_NONE)
        buf_addf(text, ",%lld", (long long)item->consent.when_ms);
    buf_addf(text, ")");
}

static inline void show_event(struct buf *text, const struct item *item, struct arena *arena)
{
    struct error error = { 0 };
    struct str data;

    buf_addf(text, " event=%.*s", STR_ARG(item->event_name));
    if (item->occurred_ms != WHEN_NONE)
        buf_addf(text, " at=%lld", (long long)item->occurred_ms);
    if (item->message_id.len > 0)
        buf_addf(text, " message=%.*s", STR_ARG(item->message_id));
    assert_true(item_event_body(item, arena, &data, &error));
    if (data.len > 0)
        buf_addf(text, " data=%.*s", STR_ARG(data));
}

/* One item: id, fields, then its attributes as name:type=value. */
static inline void show_item(struct buf *text, const struct item *item, struct arena *arena)
{
    buf_addf(text, "%s %.*s", identity_kind_name(item->id_kind), STR_ARG(item->id));
    if (item->kind == ITEM_USER)
        show_user(text, item);
    else
        show_event(text, item, arena);
    for (uint32_t i = 0; i < item->attribute_count; i++) {
        const struct attribute *attribute = &item->attributes[i];

        if (!attribute->dropped)
            buf_addf(text, " %.*s:%s=%.*s", STR_ARG(attribute->name), name_type_name(attribute->type),
                     STR_ARG(attribute->raw));
    }
}

/* What was ignored of the item `index`, as " !field(message)". */
static inline void show_ignored(struct buf *text, const struct ignored_list *list, uint32_t index)
{
    for (const struct ignored *one = list->first; one; one = one->next) {
        assert_false(one->depends_on_held);
        if (one->index == index)
            buf_addf(text, " !%.*s(%.*s)", STR_ARG(one->field), STR_ARG(one->message));
    }
}

/* Everything about one item, refused or taken. */
static inline struct str shown(struct translated *translated, uint32_t index)
{
    const struct item *item = translated->ok ? &translated->items[index] : NULL;

    buf_reset(&translated->text);
    if (!item)
        buf_addf(&translated->text, "refused: %s", translated->error.text);
    else if (item->refused.code != ERROR_NONE)
        buf_addf(&translated->text, "refused: %s", item->refused.text);
    else
        show_item(&translated->text, item, &translated->arena);
    show_ignored(&translated->text, &translated->ignored, index);
    assert_false(translated->text.overflowed);
    return buf_str(&translated->text);
}

#endif
