/* The profile as a JSON document and in memory. There are few values in one, so everything is found by looking through
 * them in order. */
#include "vault/profile.h"

#include "base/json_write.h"

const struct profile_field profile_fields[] = {
    { "firstName", FIELD_TEXT, 1000, 0 },
    { "lastName", FIELD_TEXT, 1000, 0 },
    { "birthDate", FIELD_DAY, 64, 0 },
    { "gender", FIELD_TEXT, 1000, 0 },
    { "email", FIELD_TEXT, 1000, IDENTITY_EMAIL },
    { "phone", FIELD_TEXT, 1000, IDENTITY_PHONE },
    { "company", FIELD_TEXT, 1000, 0 },
    { "hashedEmail", FIELD_HASH, 512, 0 },
    { "hashedPhone", FIELD_HASH, 512, 0 },
};
static const struct str consent_member = { "consent", 7 };
const size_t profile_field_count = COUNT_OF(profile_fields);

const struct profile_field *profile_field_of(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(profile_fields); i++)
        if (str_equal(name, str_of(profile_fields[i].name)))
            return &profile_fields[i];
    return NULL;
}

/* ---- In memory ---- */

/* Room for one more row behind `count`; NULL when the arena is full. */
static void *grown(struct arena *arena, void *rows, size_t row_size, uint32_t count, uint32_t *cap)
{
    uint32_t wanted = *cap > 0 ? *cap * 2 : 8;

    if (count < *cap)
        return rows;
    void *fresh = arena_alloc(arena, row_size, wanted);
    if (!fresh)
        return NULL;
    if (count > 0)
        memcpy(fresh, rows, row_size * count);
    *cap = wanted;
    return fresh;
}

bool profile_add_identity(struct profile *profile, struct arena *arena, const struct profile_identity *identity)
{
    for (uint32_t i = 0; i < profile->identity_count; i++)
        if (profile->identities[i].kind == identity->kind && str_equal(profile->identities[i].value, identity->value))
            return true;
    struct profile_identity *rows =
        grown(arena, profile->identities, sizeof(*rows), profile->identity_count, &profile->identity_cap);
    if (!rows)
        return false;
    profile->identities = rows;
    rows[profile->identity_count++] = *identity;
    return true;
}

bool profile_add_finder(struct profile *profile, struct arena *arena, const struct profile_identity *identity)
{
    uint32_t count = 0, oldest = 0;

    if (!profile_add_identity(profile, arena, identity))
        return false;
    for (uint32_t i = profile->identity_count; i-- > 0;) {
        if (profile->identities[i].kind != identity->kind)
            continue;
        count++;
        oldest = i;
    }
    if (count <= PROFILE_FINDERS_MAX)
        return true;
    profile->identity_count--;
    memmove(&profile->identities[oldest], &profile->identities[oldest + 1],
            (profile->identity_count - oldest) * sizeof(*profile->identities));
    return true;
}

void profile_say_consent(struct profile *profile, const struct profile_value *consent)
{
    struct profile_value *held = &profile->consent;

    if (held->raw.len == 0 || (held->at_ms <= consent->at_ms && !str_equal(held->raw, consent->raw)))
        *held = *consent;
    held->name = consent_member;
}

/* One of the two lists of values, wherever the profile keeps it. */
struct value_list {
    struct profile_value **rows;
    uint32_t *count, *cap;
};

static struct value_list system_of(struct profile *profile)
{
    return (struct value_list){ &profile->system, &profile->system_count, &profile->system_cap };
}

static struct value_list attributes_of(struct profile *profile)
{
    return (struct value_list){ &profile->attributes, &profile->attribute_count, &profile->attribute_cap };
}

static struct profile_value *find(struct value_list list, struct str name)
{
    for (uint32_t i = 0; i < *list.count; i++)
        if (str_equal((*list.rows)[i].name, name))
            return &(*list.rows)[i];
    return NULL;
}

static bool append(struct value_list list, struct arena *arena, const struct profile_value *value)
{
    struct profile_value *rows = grown(arena, *list.rows, sizeof(*rows), *list.count, list.cap);

    if (!rows)
        return false;
    *list.rows = rows;
    rows[(*list.count)++] = *value;
    return true;
}

static bool is_removal(const struct profile_value *value)
{
    return value->raw.len == 0 || str_equal(value->raw, STR("null"));
}

/* The others keep their order. */
static void remove_value(struct value_list list, struct profile_value *held)
{
    size_t behind = (size_t)(*list.rows + *list.count - (held + 1));

    memmove(held, held + 1, behind * sizeof(*held));
    (*list.count)--;
}

static bool put(struct value_list list, struct arena *arena, struct profile_value *held,
                const struct profile_value *value)
{
    if (!held)
        return append(list, arena, value);
    if (held->type != value->type || !str_equal(held->raw, value->raw))
        *held = *value;
    return true;
}

bool profile_set_system(struct profile *profile, struct arena *arena, const struct profile_value *value)
{
    struct value_list list = system_of(profile);
    struct profile_value *held = find(list, value->name);
    struct profile_value fresh = *value;

    fresh.type = TYPE_STRING;
    if (!is_removal(value))
        return put(list, arena, held, &fresh);
    if (held)
        remove_value(list, held);
    return true;
}

bool profile_append(struct profile *profile, struct arena *arena, const struct profile_value *value, bool is_system)
{
    return append(is_system ? system_of(profile) : attributes_of(profile), arena, value);
}

const struct profile_value *profile_system(const struct profile *profile, struct str name)
{
    for (uint32_t i = 0; i < profile->system_count; i++)
        if (str_equal(profile->system[i].name, name))
            return &profile->system[i];
    return NULL;
}

static bool is_tree(enum name_type type)
{
    return type == TYPE_ARRAY || type == TYPE_OBJECT;
}

/* Whether `value` fits beside everything but `held`, whose place it takes. */
static enum profile_outcome room_for(const struct profile *profile, const struct profile_value *held,
                                     const struct profile_value *value)
{
    size_t same_type = 0, trees_len = 0;

    for (uint32_t i = 0; i < profile->attribute_count; i++) {
        const struct profile_value *other = &profile->attributes[i];

        if (other == held)
            continue;
        same_type += other->type == value->type;
        trees_len += is_tree(other->type) ? other->raw.len : 0;
    }
    if (is_tree(value->type))
        return trees_len + value->raw.len > PROFILE_TREES_MAX ? PROFILE_TOO_LARGE : PROFILE_SET;
    return same_type >= PROFILE_PER_TYPE_MAX ? PROFILE_TOO_MANY : PROFILE_SET;
}

enum profile_outcome profile_set_attribute(struct profile *profile, struct arena *arena,
                                           const struct profile_value *value)
{
    struct value_list list = attributes_of(profile);
    struct profile_value *held = find(list, value->name);
    enum profile_outcome outcome = PROFILE_SET;

    if (is_removal(value)) {
        if (held)
            remove_value(list, held);
        return PROFILE_SET;
    }
    outcome = room_for(profile, held, value);
    if (outcome != PROFILE_SET)
        return outcome;
    return put(list, arena, held, value) ? PROFILE_SET : PROFILE_NO_MEMORY;
}

/* ---- Written ---- */

static void write_origin(struct json_out *out, int64_t at_ms, uint32_t source)
{
    json_put_i64(out, STR("at"), at_ms);
    json_put_i64(out, STR("source"), source);
}

static void write_identities(struct json_out *out, const struct profile *profile)
{
    json_name(out, STR("identities"));
    json_open_array(out);
    for (uint32_t i = 0; i < profile->identity_count; i++) {
        const struct profile_identity *identity = &profile->identities[i];

        json_open_object(out);
        json_put_string(out, STR("kind"), str_of(identity_kind_name(identity->kind)));
        json_put_string(out, STR("value"), identity->value);
        write_origin(out, identity->at_ms, identity->source);
        json_close_object(out);
    }
    json_close_array(out);
}

static void write_value(struct json_out *out, const struct profile_value *value, bool with_type)
{
    json_name(out, value->name);
    json_open_object(out);
    json_put_raw(out, STR("value"), value->raw);
    if (with_type)
        json_put_string(out, STR("type"), str_of(name_type_name(value->type)));
    write_origin(out, value->at_ms, value->source);
    json_close_object(out);
}

static void write_values(struct json_out *out, struct str name, const struct profile_value *values, uint32_t count,
                         bool with_type)
{
    json_name(out, name);
    json_open_object(out);
    for (uint32_t i = 0; i < count; i++)
        write_value(out, &values[i], with_type);
    json_close_object(out);
}

bool profile_write(const struct profile *profile, struct buf *buf)
{
    struct json_out out = json_out(buf);

    json_open_object(&out);
    write_identities(&out, profile);
    write_values(&out, STR("system"), profile->system, profile->system_count, false);
    write_values(&out, STR("attributes"), profile->attributes, profile->attribute_count, true);
    if (profile->consent.raw.len > 0)
        write_value(&out, &profile->consent, false);
    json_close_object(&out);
    return !buf->overflowed;
}

/* ---- Read ---- */

/* What is read and where it goes; `error` is set by whoever finds the fault. */
struct reading {
    struct arena *arena;
    struct profile *profile;
    struct error *error;
};

static bool corrupt(const struct reading *reading, const char *what)
{
    return error_set(reading->error, ERROR_CORRUPT, "profile: %s", what);
}

static bool fail_full(struct error *error)
{
    return error_set(error, ERROR_TOO_LARGE, "the profile needs more memory than a request may take");
}

/* A member that must be there, of that kind. */
static const struct json *needed(const struct reading *reading, const struct json *object, struct str name,
                                 enum json_kind kind)
{
    const struct json *member = json_member(object, name);

    if (member && member->kind == kind)
        return member;
    error_set(reading->error, ERROR_CORRUPT, "profile: \"%.*s\" is missing or of the wrong kind", STR_ARG(name));
    return NULL;
}

static bool read_origin(const struct reading *reading, const struct json *object, int64_t *at_ms, uint32_t *source)
{
    const struct json *at = needed(reading, object, STR("at"), JSON_NUMBER);
    const struct json *number = at ? needed(reading, object, STR("source"), JSON_NUMBER) : NULL;
    int64_t wide = 0;

    if (!number)
        return false;
    if (!json_to_i64(at, at_ms) || !json_to_i64(number, &wide) || wide < 0 || wide > UINT32_MAX)
        return corrupt(reading, "a time or source is out of range");
    *source = (uint32_t)wide;
    return true;
}

static bool read_identity(const struct reading *reading, const struct json *object)
{
    const struct json *kind = needed(reading, object, STR("kind"), JSON_STRING);
    const struct json *value = kind ? needed(reading, object, STR("value"), JSON_STRING) : NULL;
    struct profile_identity identity = { 0 };

    if (!value || !read_origin(reading, object, &identity.at_ms, &identity.source))
        return false;
    /* The names of kinds hold nothing that is escaped. */
    if (!identity_kind_of((struct str){ kind->raw.at + 1, kind->raw.len - 2 }, &identity.kind))
        return corrupt(reading, "an identity's kind is unknown");
    identity.value = json_text(value, reading->arena);
    return (identity.value.at && profile_add_identity(reading->profile, reading->arena, &identity)) ||
           fail_full(reading->error);
}

static bool read_identities(const struct reading *reading, const struct json *document)
{
    const struct json *list = needed(reading, document, STR("identities"), JSON_ARRAY);

    if (!list)
        return false;
    for (const struct json *object = json_first(list); object; object = json_next(list, object))
        if (!read_identity(reading, object))
            return false;
    return true;
}

static bool read_type(const struct reading *reading, const struct json *object, enum name_type *out)
{
    const struct json *type = needed(reading, object, STR("type"), JSON_STRING);

    if (!type)
        return false;
    return name_type_of((struct str){ type->raw.at + 1, type->raw.len - 2 }, out) ||
           corrupt(reading, "an attribute's type is unknown");
}

static bool read_value(const struct reading *reading, const struct json *object, bool with_type,
                       struct profile_value *out)
{
    const struct json *value = json_member(object, STR("value"));

    *out = (struct profile_value){ .name = object->name, .type = TYPE_STRING };
    if (!value)
        return corrupt(reading, "a value is missing");
    out->raw = value->raw;
    if (with_type && !read_type(reading, object, &out->type))
        return false;
    return read_origin(reading, object, &out->at_ms, &out->source);
}

/* json_read saw to it that no name comes twice. */
static bool read_values(const struct reading *reading, const struct json *document, struct str name, bool with_type,
                        struct value_list into)
{
    const struct json *values = needed(reading, document, name, JSON_OBJECT);

    if (!values)
        return false;
    for (const struct json *object = json_first(values); object; object = json_next(values, object)) {
        struct profile_value value;

        if (!read_value(reading, object, with_type, &value))
            return false;
        if (!append(into, reading->arena, &value))
            return fail_full(reading->error);
    }
    return true;
}

static bool read_consent(const struct reading *reading, const struct json *document)
{
    const struct json *consent = json_member(document, consent_member);

    return !consent || read_value(reading, consent, false, &reading->profile->consent);
}

static bool read_document(const struct reading *reading, const struct json *document)
{
    struct profile *profile = reading->profile;

    if (document->kind != JSON_OBJECT)
        return corrupt(reading, "it is no object");
    return read_identities(reading, document) &&
           read_values(reading, document, STR("system"), false, system_of(profile)) &&
           read_values(reading, document, STR("attributes"), true, attributes_of(profile)) &&
           read_consent(reading, document);
}

/* A copy with the bytes behind it that json_read wants. */
static struct str padded(struct arena *arena, struct str plain)
{
    char *made = arena_bytes(arena, plain.len + JSON_PADDING);

    if (!made)
        return (struct str){ NULL, 0 };
    if (plain.len > 0)
        memcpy(made, plain.at, plain.len);
    memset(made + plain.len, 0, JSON_PADDING);
    return (struct str){ made, plain.len };
}

bool profile_read(struct json_parser *parser, struct arena *arena, struct str plain, struct profile *out,
                  struct error *error)
{
    struct profile fresh = { 0 };
    struct reading reading = { .arena = arena, .profile = &fresh, .error = error };
    struct str text = padded(arena, plain);

    if (!text.at)
        return fail_full(error);
    const struct json *document = json_read(parser, arena, text, error);
    if (!document) {
        if (error->code == ERROR_INVALID)
            error->code = ERROR_CORRUPT;
        return error_within(error, "profile");
    }
    if (!read_document(&reading, document))
        return false;
    *out = fresh;
    return true;
}
