/* The plain profile record of one subject, as it is before sealing: identities, system fields and custom attributes,
 * each value with when and by which source (credential and route) it was set. A JSON document whose values are the
 * bytes that were sent. */
#ifndef HABEAS_VAULT_PROFILE_H
#define HABEAS_VAULT_PROFILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json_read.h"
#include "ledger/identity.h"
#include "ledger/name.h"

/* One row a system field: how it is read, checked, written, exported and found. A new field is a new row. */
enum field_form { FIELD_TEXT, FIELD_DAY, FIELD_HASH };
struct profile_field {
    const char *name;            /* WebEngage's REST name; also in native reads */
    enum field_form form;        /* FIELD_DAY: a date of either form; FIELD_HASH: at most 512 code points, never cut */
    uint32_t points_max;         /* 1,000: longer text is cut there */
    enum identity_kind identity; /* e-mail and phone are also identities; 0: none */
};
extern const struct profile_field profile_fields[];
extern const size_t profile_field_count;
const struct profile_field *profile_field_of(struct str name);

struct system_change {
    const struct profile_field *field;
    struct str raw; /* a JSON string, or null: remove */
};

struct profile_value {
    struct str name, raw;
    enum name_type type;
    int64_t at_ms;
    uint32_t source;
};
struct profile_identity {
    enum identity_kind kind;
    struct str value; /* unescaped, as first sent */
    int64_t at_ms;
    uint32_t source;
};
/* Grows in the arena by profile_set_*; zeroed: an empty profile. */
struct profile {
    struct profile_identity *identities;
    struct profile_value *system, *attributes; /* system: by REST name */
    struct profile_value consent; /* categories as their sender knows them; raw empty: none was ever told */
    uint32_t identity_count, identity_cap, system_count, system_cap, attribute_count, attribute_cap;
};

/* What is read lies in the arena; `plain` is not kept. Members that are not known are left out. ERROR_CORRUPT when it
 * is no profile, ERROR_TOO_LARGE when the arena is full. */
bool profile_read(struct json_parser *parser, struct arena *arena, struct str plain, struct profile *out,
                  struct error *error);
/* False when buf overflowed. */
bool profile_write(const struct profile *profile, struct buf *out);

/* What is set keeps the slices it was given: they must live as long as the profile. */

/* Adds the identity when it is not there yet (kind and bytes); false when the arena is full. */
bool profile_add_identity(struct profile *profile, struct arena *arena, const struct profile_identity *identity);
/* The same for devices and the like, of which the newest PROFILE_FINDERS_MAX of a kind stay. */
#define PROFILE_FINDERS_MAX 20
bool profile_add_finder(struct profile *profile, struct arena *arena, const struct profile_identity *identity);
/* What was said earlier than what is held changes nothing, nor does the same again. */
void profile_say_consent(struct profile *profile, const struct profile_value *consent);
/* Sets or (raw empty or `null`) removes. An unchanged value keeps its time and source. False when the arena is full. */
bool profile_set_system(struct profile *profile, struct arena *arena, const struct profile_value *value);
/* The same for custom attributes, within their limits: what is refused changes nothing. */
enum profile_outcome { PROFILE_SET, PROFILE_TOO_MANY, PROFILE_TOO_LARGE, PROFILE_NO_MEMORY };
#define PROFILE_PER_TYPE_MAX 25       /* strings, numbers, booleans and dates: of each */
#define PROFILE_TREES_MAX (16 * 1024) /* arrays and objects together, as JSON bytes */
enum profile_outcome profile_set_attribute(struct profile *profile, struct arena *arena,
                                           const struct profile_value *value);
/* Behind the others as it is, whatever their names and number: for values of several records. False when the arena is
 * full. */
bool profile_append(struct profile *profile, struct arena *arena, const struct profile_value *value, bool is_system);
const struct profile_value *profile_system(const struct profile *profile, struct str name);

#endif
