/* What an item tells about its person beside what it is about: devices, advertising ids and push tokens, and consent.
 * Real clients repeat it with every event, so it is written only when it differs from what is recorded. */
#include "intake/ingest_inside.h"
#include "ledger/subject.h"

enum { FACT_CONSENT = 64 }; /* beyond identity kinds */

static bool is_known(struct seen *seen, const struct seen_fact *fact, int64_t at_ms)
{
    return seen && seen_has(seen, fact, at_ms);
}

static struct seen_fact finder_fact(const struct ingest *ingest, uint32_t ordinal, const struct finder *finder)
{
    return (struct seen_fact){ ingest->origin.account, ordinal, (unsigned char)finder->kind, finder->value, STR("") };
}

static struct seen_fact consent_fact(const struct ingest *ingest, uint32_t ordinal, const struct item *item)
{
    return (struct seen_fact){ ingest->origin.account, ordinal, FACT_CONSENT, STR(""), item->said_consent };
}

int64_t ingest_said_ms(const struct ingest *ingest, const struct item *item)
{
    return item->occurred_ms == WHEN_NONE ? ingest->origin.received_ms : item->occurred_ms;
}

static bool says_the_same(const struct item *item, const struct item *other)
{
    bool same = item->finder_count == other->finder_count && str_equal(item->said_consent, other->said_consent);

    for (uint32_t i = 0; same && i < item->finder_count; i++)
        same = item->finders[i].kind == other->finders[i].kind &&
               str_equal(item->finders[i].value, other->finders[i].value);
    return same;
}

/* Of a run of items that tell the same about the same person the first does so for all. */
static bool is_told_before(const struct ingest *ingest, uint32_t index)
{
    const struct item *item = &ingest->items[index], *before = ingest->teller ? ingest->teller : item;

    return before != item && item->id_kind == before->id_kind && str_equal(item->id, before->id) &&
           says_the_same(item, before);
}

bool ingest_has_news(struct ingest *ingest, uint32_t index, uint32_t ordinal)
{
    struct item *item = &ingest->items[index];
    struct seen_fact said = consent_fact(ingest, ordinal, item);
    uint32_t kept = 0;

    if (item->finder_count == 0 && item->said_consent.len == 0)
        return false;
    if (is_told_before(ingest, index)) {
        item->finder_count = 0;
        item->said_consent = STR("");
        return false;
    }
    ingest->teller = item;
    if (ordinal == 0)
        return true;
    for (uint32_t i = 0; i < item->finder_count; i++) {
        struct seen_fact fact = finder_fact(ingest, ordinal, &item->finders[i]);
        kept += !is_known(ingest->seen, &fact, 0);
    }
    return kept > 0 || (item->said_consent.len > 0 && !is_known(ingest->seen, &said, ingest_said_ms(ingest, item)));
}

static void remember_item(const struct ingest *ingest, const struct item *item, const struct proposal *proposal)
{
    const struct seen_fact said = consent_fact(ingest, proposal->ordinal, item);

    for (uint32_t i = 0; i < item->finder_count; i++) {
        struct seen_fact fact = finder_fact(ingest, proposal->ordinal, &item->finders[i]);
        seen_put(ingest->seen, &fact, 0);
    }
    if (item->said_consent.len > 0)
        seen_put(ingest->seen, &said, ingest_said_ms(ingest, item));
}

void ingest_remember(const struct ingest *ingest)
{
    for (uint32_t i = 0; ingest->seen && i < ingest->count; i++)
        if (ingest->proposals[i].tells)
            remember_item(ingest, &ingest->items[i], &ingest->proposals[i]);
}

bool ingest_set_finders(struct turn *turn, struct ingest *ingest, struct account *account, const struct item *item,
                        uint32_t ordinal, struct error *error)
{
    for (uint32_t i = 0; i < item->finder_count; i++) {
        const struct finder *finder = &item->finders[i];
        const struct fingerprint print = account_fingerprint(account, finder->kind, finder->value);
        if (!subject_add_identity(turn->ledger, turn->seat, account, ordinal, finder->kind, &print, PROFILE_FINDERS_MAX,
                                  ingest->source, error))
            return false;
    }
    return true;
}

bool ingest_tell_profile(const struct ingest *ingest, const struct item *item, struct profile *profile,
                         struct arena *arena)
{
    for (uint32_t i = 0; i < item->finder_count; i++) {
        const struct profile_identity identity = { item->finders[i].kind, item->finders[i].value,
                                                   ingest->origin.received_ms, ingest->source };
        if (!profile_add_finder(profile, arena, &identity))
            return false;
    }
    if (item->said_consent.len > 0)
        profile_say_consent(profile, &(struct profile_value){ .raw = item->said_consent,
                                                              .type = TYPE_OBJECT,
                                                              .at_ms = ingest_said_ms(ingest, item),
                                                              .source = ingest->source });
    return true;
}
