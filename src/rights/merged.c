/* See merged.h. */
#include "rights/merged.h"

#include <stdlib.h>

/* Known users first, in order of their making; so it is with equal times. */
static int by_rank(const void *left, const void *right)
{
    const struct merged_part *a = left, *b = right;

    if (a->known != b->known)
        return a->known ? -1 : 1;
    return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

/* Values of one kind, wherever they are put. */
struct values {
    const struct profile_value *rows;
    uint32_t count;
    bool is_system;
};

static const struct profile_value *find(const struct values *values, struct str name)
{
    for (uint32_t i = 0; i < values->count; i++)
        if (str_equal(values->rows[i].name, name))
            return &values->rows[i];
    return NULL;
}

static struct values values_of(const struct profile *profile, bool is_system)
{
    return is_system ? (struct values){ profile->system, profile->system_count, true }
                     : (struct values){ profile->attributes, profile->attribute_count, false };
}

static bool is_same(const struct profile_value *one, const struct profile_value *two)
{
    return one->type == two->type && str_equal(one->raw, two->raw);
}

/* The best of a name among the parts: of the first rank that has it, the latest. */
static const struct profile_value *best_of(const struct merged_part *parts, size_t count, bool is_system,
                                           struct str name)
{
    const struct profile_value *best = NULL;
    bool known = false;

    for (size_t i = 0; i < count; i++) {
        const struct values values = values_of(&parts[i].profile, is_system);
        const struct profile_value *value = find(&values, name);
        if (!value || (best && known != parts[i].known))
            continue;
        if (!best || value->at_ms > best->at_ms)
            best = value;
        known = parts[i].known;
    }
    return best;
}

static bool merge_values(const struct merged_part *parts, size_t count, bool is_system, struct arena *arena,
                         struct merged *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct values values = values_of(&parts[i].profile, is_system);
        for (uint32_t j = 0; j < values.count; j++) {
            const struct profile_value *value = &values.rows[j];
            const struct profile_value *best = best_of(parts, count, is_system, value->name);
            bool outranked = value != best;
            if (outranked && is_same(value, best))
                continue;
            if (!profile_append(outranked ? &out->others : &out->profile, arena, value, is_system))
                return false;
        }
    }
    return true;
}

bool merged_make(struct merged_part *parts, size_t count, struct arena *arena, struct merged *out)
{
    *out = (struct merged){ 0 };
    qsort(parts, count, sizeof *parts, by_rank);
    if (count == 1) {
        out->profile = parts[0].profile;
        return true;
    }
    for (size_t i = 0; i < count; i++)
        if (parts[i].profile.consent.raw.len > 0 &&
            (out->profile.consent.raw.len == 0 || parts[i].profile.consent.at_ms > out->profile.consent.at_ms))
            out->profile.consent = parts[i].profile.consent;
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < parts[i].profile.identity_count; j++)
            if (!profile_add_identity(&out->profile, arena, &parts[i].profile.identities[j]))
                return false;
    return merge_values(parts, count, true, arena, out) && merge_values(parts, count, false, arena, out);
}
