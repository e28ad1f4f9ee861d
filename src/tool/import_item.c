/* From a line to an item of one of the calls. Columns and dialects are tables; whether a value is right is the server's to
 * say. */
#include <string.h>

#include "base/json_write.h"
#include "ledger/name.h"
#include "tool/import_parts.h"

/* ---- formats ---- */

bool import_format_of(const char *text, enum import_format *out)
{
    static const char *const names[FORMATS] = {
        [FORMAT_AUTO] = "auto",
        [FORMAT_CSV] = "csv",
        [FORMAT_WEBENGAGE] = "webengage",
        [FORMAT_SEGMENT] = "segment",
    };

    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *out = (enum import_format)i;
        return true;
    }
    return false;
}

/* ---- JSON ---- */

/* The first of these that a line has tells what it is; a line with none of them is a user. */
static const struct {
    const char *member;
    enum import_kind kind;
} tell_tales[] = {
    { "eventName", IMPORT_EVENT },    { "eventData", IMPORT_EVENT }, { "eventTime", IMPORT_EVENT },
    { "attributes", IMPORT_USER },    { "type", IMPORT_MESSAGE },    { "traits", IMPORT_MESSAGE },
    { "properties", IMPORT_MESSAGE }, { "event", IMPORT_MESSAGE },   { "context", IMPORT_MESSAGE },
    { "previousId", IMPORT_MESSAGE }, { "groupId", IMPORT_MESSAGE },
};

static enum import_kind kind_of(const struct json *object, enum import_format format)
{
    if (format == FORMAT_SEGMENT)
        return IMPORT_MESSAGE;
    for (size_t i = 0; i < COUNT_OF(tell_tales); i++) {
        bool counts = format != FORMAT_WEBENGAGE || tell_tales[i].kind != IMPORT_MESSAGE;
        if (counts && json_member(object, str_of(tell_tales[i].member)))
            return tell_tales[i].kind;
    }
    return IMPORT_USER;
}

static void add_with_id(const struct json *object, const char *message_id, struct buf *out)
{
    buf_addf(out, "{\"messageId\":\"%s\"%s", message_id, object->count > 0 ? "," : "");
    buf_add(out, (struct str){ object->raw.at + 1, object->raw.len - 1 });
}

bool import_item_of_json(const struct json *object, enum import_format format, const char *message_id,
                         enum import_kind *kind, struct buf *out, struct error *error)
{
    if (object->kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "must be a JSON object");
    *kind = kind_of(object, format);
    if (*kind == IMPORT_USER || json_member(object, STR("messageId")))
        buf_add(out, object->raw);
    else
        add_with_id(object, message_id, out);
    return !out->overflowed || error_set(error, ERROR_TOO_LARGE, "is too long");
}

/* ---- columns ---- */

enum column_form { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOLEAN };

/* WebEngage's names of columns and those of its API; every other column is an attribute. */
static const struct {
    const char *column, *field;
    enum column_form form;
} system_columns[] = {
    { "user_id", "userId", COLUMN_TEXT },
    { "first_name", "firstName", COLUMN_TEXT },
    { "last_name", "lastName", COLUMN_TEXT },
    { "birth_date", "birthDate", COLUMN_TEXT },
    { "gender", "gender", COLUMN_TEXT },
    { "email", "email", COLUMN_TEXT },
    { "phone", "phone", COLUMN_TEXT },
    { "company", "company", COLUMN_TEXT },
    { "hashed_email", "hashedEmail", COLUMN_TEXT },
    { "hashed_phone", "hashedPhone", COLUMN_TEXT },
    { "email_opt_in", "emailOptIn", COLUMN_BOOLEAN },
    { "sms_opt_in", "smsOptIn", COLUMN_BOOLEAN },
    { "push_opt_in", "pushOptIn", COLUMN_BOOLEAN },
    { "inapp_opt_in", "inAppOptIn", COLUMN_BOOLEAN },
    { "web_push_opt_in", "webPushOptIn", COLUMN_BOOLEAN },
    { "whatsapp_opt_in", "whatsappOptIn", COLUMN_BOOLEAN },
    { "rcs_opt_in", "rcsOptIn", COLUMN_BOOLEAN },
};

struct import_column {
    struct str name, field; /* field empty: an attribute of this name */
    enum column_form form;
};

/* The next NAME=TYPE of the list. */
static bool next_type(struct str *list, struct str *name, enum column_form *form, struct error *error)
{
    static const struct {
        const char *text;
        enum column_form form;
    } forms[] = { { "string", COLUMN_TEXT }, { "number", COLUMN_NUMBER }, { "boolean", COLUMN_BOOLEAN } };
    struct str type = str_cut(list, ',');

    *name = str_cut(&type, '=');
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (name->len == 0 || !str_equal(type, str_of(forms[i].text)))
            continue;
        *form = forms[i].form;
        return true;
    }
    return error_set(error, ERROR_INVALID, "--types must be a list of COLUMN=string, number or boolean");
}

bool import_types_check(const char *types, struct error *error)
{
    struct str list = str_of(types), name;
    enum column_form form;

    while (list.len > 0)
        if (!next_type(&list, &name, &form, error))
            return false;
    return true;
}

static void set_system(struct import_column *column)
{
    for (size_t i = 0; i < COUNT_OF(system_columns); i++) {
        if (!str_equal(column->name, str_of(system_columns[i].column)))
            continue;
        column->field = str_of(system_columns[i].field);
        column->form = system_columns[i].form;
    }
}

static bool take_column(struct import_columns *columns, struct str name, struct error *error)
{
    struct import_column *column = &columns->rows[columns->count];

    if (!str_is_utf8(name) || name.len == 0 || memchr(name.at, '\0', name.len))
        return error_set(error, ERROR_INVALID, "column %zu has no name, or one that is no text", columns->count + 1);
    for (size_t i = 0; i < columns->count; i++)
        if (str_equal(columns->rows[i].name, name))
            return error_set(error, ERROR_INVALID, "columns %zu and %zu have one name", i + 1, columns->count + 1);
    column->name = arena_copy(&columns->arena, name);
    if (!column->name.at)
        return error_set(error, ERROR_TOO_LARGE, "the line of column names is too long");
    set_system(column);
    columns->count++;
    return true;
}

static bool set_types(struct import_columns *columns, struct str list, struct error *error)
{
    struct str name;
    enum column_form form;

    while (list.len > 0) {
        bool found = false;
        if (!next_type(&list, &name, &form, error))
            return false;
        for (size_t i = 0; i < columns->count; i++) {
            if (columns->rows[i].field.len > 0 || !str_equal(columns->rows[i].name, name))
                continue;
            columns->rows[i].form = form;
            found = true;
        }
        if (!found)
            return error_set(error, ERROR_INVALID, "--types names a column that is not there, or has its own type");
    }
    return true;
}

static bool has_user_id(const struct import_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        if (str_equal(columns->rows[i].field, STR("userId")))
            return true;
    return false;
}

bool import_columns_open(struct import_columns *columns, const struct csv_reader *header, const char *types,
                         struct error *error)
{
    *columns = (struct import_columns){ 0 };
    arena_init(&columns->arena, (size_t)1024 * 1024);
    columns->rows = ARENA_NEW(&columns->arena, struct import_column, csv_reader_count(header));
    if (!columns->rows)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    for (size_t i = 0; i < csv_reader_count(header); i++)
        if (!take_column(columns, csv_reader_field(header, i), error))
            return false;
    if (!has_user_id(columns))
        return error_set(error, ERROR_INVALID, "there is no column user_id: is the first line that of the names?");
    return set_types(columns, str_of(types), error);
}

void import_columns_close(struct import_columns *columns)
{
    arena_clear(&columns->arena);
}

/* ---- records ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct str text, size_t at)
{
    size_t from = at;

    while (at < text.len && is_digit(text.at[at]))
        at++;
    return at - from;
}

/* As JSON writes them (RFC 8259, section 6), so that all digits are kept. */
static bool is_number(struct str text)
{
    size_t at = text.len > 0 && text.at[0] == '-', count = digits(text, at);

    if (count == 0 || (count > 1 && text.at[at] == '0'))
        return false;
    at += count;
    if (at < text.len && text.at[at] == '.') {
        count = digits(text, at + 1);
        at += 1 + count;
    }
    if (count > 0 && at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
        at++;
        at += at < text.len && (text.at[at] == '+' || text.at[at] == '-');
        count = digits(text, at);
        at += count;
    }
    return count > 0 && at == text.len;
}

static bool is_boolean(struct str text, bool *out)
{
    static const struct {
        struct str text;
        bool value;
    } words[] = { { { "true", 4 }, true },   { { "1", 1 }, true },  { { "yes", 3 }, true },
                  { { "false", 5 }, false }, { { "0", 1 }, false }, { { "no", 2 }, false } };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!str_equal_nocase(text, words[i].text))
            continue;
        *out = words[i].value;
        return true;
    }
    return false;
}

static bool add_value(const struct import_column *column, struct str text, struct json_out *out)
{
    bool value;

    switch (column->form) {
    case COLUMN_NUMBER:
        if (!is_number(str_trim(text)))
            return false;
        json_raw(out, str_trim(text));
        return true;
    case COLUMN_BOOLEAN:
        if (!is_boolean(str_trim(text), &value))
            return false;
        json_bool(out, value);
        return true;
    default:
        if (!str_is_utf8(text))
            return false;
        json_string(out, text);
        return true;
    }
}

/* A field without anything changes nothing. */
static bool add_values(const struct import_columns *columns, const struct csv_reader *record, bool attributes,
                       struct json_out *out, struct error *error)
{
    static const char *const wanted[] = { "is not UTF-8", "must be a number", "must be true or false" };

    for (size_t i = 0; i < columns->count; i++) {
        const struct import_column *column = &columns->rows[i];
        struct str text = csv_reader_field(record, i);
        if (text.len == 0 || (column->field.len == 0) != attributes)
            continue;
        json_name(out, attributes ? column->name : column->field);
        if (!add_value(column, text, out))
            return error_set(error, ERROR_INVALID, "column %zu %s", i + 1, wanted[column->form]);
    }
    return true;
}

bool import_item_of_record(const struct import_columns *columns, const struct csv_reader *record, struct buf *out,
                           struct error *error)
{
    struct json_out json = json_out(out);

    if (csv_reader_count(record) != columns->count)
        return error_set(error, ERROR_INVALID, "has %zu fields, the line of names has %zu", csv_reader_count(record),
                         columns->count);
    json_open_object(&json);
    if (!add_values(columns, record, false, &json, error))
        return false;
    json_name(&json, STR("attributes"));
    json_open_object(&json);
    if (!add_values(columns, record, true, &json, error))
        return false;
    json_close_object(&json);
    json_close_object(&json);
    return !out->overflowed || error_set(error, ERROR_TOO_LARGE, "is too long");
}
