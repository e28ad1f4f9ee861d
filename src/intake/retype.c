/* See retype.h. */
#include "intake/retype.h"

#include "base/json_read.h"
#include "ledger/gate.h"
#include "vault/profile.h"

#define PEOPLE_A_TURN 200
#define PROFILE_MAX_BYTES ((size_t)1024 * 1024)

/* ---- one value ---- */

static struct str quoted(struct str raw, struct arena *arena)
{
    char *out = arena_bytes(arena, raw.len + 2);

    if (!out)
        return (struct str){ NULL, 0 };
    out[0] = '"';
    memcpy(out + 1, raw.at, raw.len);
    out[raw.len + 1] = '"';
    return (struct str){ out, raw.len + 2 };
}

static size_t digits(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.at[len] >= '0' && text.at[len] <= '9')
        len++;
    return len;
}

static struct str behind(struct str text, size_t len)
{
    return (struct str){ text.at + len, text.len - len };
}

/* RFC 8259 section 6, and nothing looser: what is not a JSON number would have to be guessed at. */
static bool is_number(struct str text)
{
    size_t len;

    if (str_starts(text, STR("-")))
        text = behind(text, 1);
    len = digits(text);
    if (len == 0 || (len > 1 && text.at[0] == '0'))
        return false;
    text = behind(text, len);
    if (str_starts(text, STR("."))) {
        text = behind(text, 1);
        len = digits(text);
        if (len == 0)
            return false;
        text = behind(text, len);
    }
    if (str_starts(text, STR("e")) || str_starts(text, STR("E"))) {
        text = behind(text, 1);
        if (str_starts(text, STR("+")) || str_starts(text, STR("-")))
            text = behind(text, 1);
        len = digits(text);
        if (len == 0)
            return false;
        text = behind(text, len);
    }
    return text.len == 0;
}

static struct str from_text(struct str raw, enum name_type to)
{
    const struct str none = { NULL, 0 };
    struct str text = { raw.at + 1, raw.len - 2 }; /* numbers, booleans and dates need no escapes */
    int64_t time;

    switch (to) {
    case TYPE_NUMBER:
        return is_number(text) ? text : none;
    case TYPE_BOOLEAN:
        return str_equal(text, STR("true")) || str_equal(text, STR("false")) ? text : none;
    case TYPE_DATE:
        return when_read(text, &time) || when_is_day(text) ? raw : none;
    case TYPE_STRING:
        return raw;
    default:
        return none;
    }
}

struct str retype_value(struct str raw, enum name_type from, enum name_type to, struct arena *arena)
{
    if (from == TYPE_STRING || from == TYPE_DATE)
        return from_text(raw, to);
    if ((from == TYPE_NUMBER || from == TYPE_BOOLEAN) && to == TYPE_STRING)
        return quoted(raw, arena);
    return (struct str){ NULL, 0 };
}

/* ---- one person ---- */

static const struct profile_value *find(const struct profile *profile, struct str name)
{
    for (uint32_t i = 0; i < profile->attribute_count; i++)
        if (str_equal(profile->attributes[i].name, name))
            return &profile->attributes[i];
    return NULL;
}

static bool save(struct turn *turn, struct account *account, uint32_t ordinal, const struct profile *profile,
                 struct error *error)
{
    const struct grant *grant = gate_open(turn->seat, account, ordinal, PURPOSE_STORE, REASON_NONE, error);
    struct buf plain;
    bool ok;

    if (!grant)
        return false;
    buf_init(&plain, PROFILE_MAX_BYTES);
    ok = profile_write(profile, &plain) ? profile_store(turn->profiles, grant, buf_str(&plain), error)
                                        : error_set(error, ERROR_TOO_LARGE, "the profile would be too large");
    buf_clear(&plain);
    return ok;
}

static bool convert(struct turn *turn, struct retype *retype, struct account *account, uint32_t ordinal,
                    struct profile *profile, struct arena *arena, struct error *error)
{
    const struct profile_value *old = find(profile, retype->name);
    struct profile_value fresh;

    if (!old || old->type == retype->type)
        return true;
    fresh = *old; /* the same datum: when and from where it came stays */
    fresh.raw = retype_value(old->raw, old->type, retype->type, arena);
    fresh.type = retype->type;
    if (!fresh.raw.at || profile_set_attribute(profile, arena, &fresh) != PROFILE_SET) {
        retype->kept++;
        return true;
    }
    retype->converted++;
    return save(turn, account, ordinal, profile, error);
}

static bool visit(struct turn *turn, struct retype *retype, struct account *account, uint32_t ordinal,
                  struct arena *arena, struct error *error)
{
    struct profile profile = { 0 };
    struct sealed_record record;
    struct str plain;
    bool found = false;

    if (!profile_load(profiles_db(turn->profiles), account->number, ordinal, arena, &record, &found, error))
        return false;
    if (!found)
        return true;
    const struct grant *grant = gate_open(turn->seat, account, ordinal, PURPOSE_STORE, REASON_NONE, error);
    return grant && record_unseal(&record, grant, arena, &plain, error) &&
           profile_read(turn->parser, arena, plain, &profile, error) &&
           convert(turn, retype, account, ordinal, &profile, arena, error);
}

/* ---- all people ---- */

static bool in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    struct retype *retype = (struct retype *)command;
    struct account *account = ledger_account(turn->ledger, retype->account);
    struct arena arena;
    bool ok = true;

    arena_init(&arena, 4 * PROFILE_MAX_BYTES);
    for (uint32_t i = 0; ok && i < PEOPLE_A_TURN && retype->next_ordinal < account->subjects.next_ordinal; i++) {
        const struct subject *subject = account_subject(account, retype->next_ordinal);
        arena_reset(&arena);
        ok = !subject || subject->state != SUBJECT_LIVE ||
             visit(turn, retype, account, retype->next_ordinal, &arena, error);
        retype->next_ordinal += ok;
    }
    arena_clear(&arena);
    retype->has_more = retype->next_ordinal < account->subjects.next_ordinal;
    return ok;
}

static const struct command_kind retype_kind = {
    .name = "converted attribute values",
    .lane = LANE_BULK,
    .purpose = PURPOSE_STORE,
    .in_profiles = in_profiles,
};

/* In turn with other commands: the rest is submitted anew. */
static void turn_done(struct command *command)
{
    struct retype *retype = (struct retype *)command;

    if (command->error.code == ERROR_NONE && retype->has_more &&
        engine_submit(retype->engine, command, &command->error))
        return;
    retype->error = command->error;
    retype->finished(retype);
}

void retype_start(struct retype *retype)
{
    retype->command = (struct command){ .kind = &retype_kind, .phases = PHASE_PROFILES, .bytes = 1, .done = turn_done };
    retype->next_ordinal = 1;
    if (!engine_submit(retype->engine, &retype->command, &retype->error))
        retype->finished(retype);
}
