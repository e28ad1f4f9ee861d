/* See links.h. */
#include "rights/links.h"

#include "ledger/audit.h"
#include "ledger/link.h"
#include "ledger/mark.h"
#include "ledger/subject.h"
#include "vault/profile.h"

/* ---- joining and taking back ---- */

static bool find_other(struct turn *turn, struct account *account, const struct links_change *change, uint32_t *ordinal,
                       struct error *error)
{
    enum mark_verdict verdict = MARK_CLEAR;

    if (!subject_find(turn->ledger, account, change->kind, &change->print, ordinal, error) ||
        !marks_judge_now(turn->ledger, account, change->kind, &change->print, WHEN_NONE, change->received_ms, &verdict,
                         error))
        return false;
    if (!*ordinal || verdict == MARK_DROP)
        return error_set(error, ERROR_NOT_FOUND, "%s: there is no such person",
                         change->kind == IDENTITY_CUID ? "userId" : "anonymousId");
    return true;
}

static bool join_anonymous(struct turn *turn, struct account *account, struct links_change *change, uint32_t user,
                           struct error *error)
{
    struct link_joining joining = {
        .user = user, .print = change->print, .source = change->source, .is_decided = true
    };

    if (!link_join(turn->ledger, turn->seat, account, &joining, error))
        return false;
    if (joining.is_new) {
        change->joined = joining.joined;
        change->command.phases |= PHASE_PROFILES;
    }
    return true;
}

static bool join(struct turn *turn, struct account *account, struct links_change *change, uint32_t user,
                 struct error *error)
{
    uint32_t other = 0;

    if (!find_other(turn, account, change, &other, error))
        return false;
    if (change->kind == IDENTITY_ANONYMOUS)
        return join_anonymous(turn, account, change, user, error);
    if (other == user)
        return error_set(error, ERROR_INVALID, "userId: is the same user");
    return link_add(turn->ledger, account, other, user, change->source, error);
}

static bool part(struct turn *turn, struct account *account, struct links_change *change, uint32_t user,
                 struct error *error)
{
    struct link_row link = { .user = user };
    struct person person;
    bool found = false;

    if (change->kind == IDENTITY_CUID) {
        if (!find_other(turn, account, change, &link.ordinal, error))
            return false;
    } else {
        if (!person_now(turn->ledger, account, user, &person, error) ||
            !link_find(ledger_db(turn->ledger), account->number, &change->print, &person, &link, &found, error))
            return false;
        if (!found)
            return error_set(error, ERROR_NOT_FOUND, "there is no such link");
    }
    return link_remove(turn->ledger, turn->seat, account, link.ordinal, link.user, change->source, error);
}

static bool write_audit(struct turn *turn, struct account *account, const struct links_change *change, uint32_t user,
                        struct error *error)
{
    const struct grant *grant = gate_open(turn->seat, account, user, PURPOSE_ANSWER, REASON_NONE, error);
    struct audit_entry entry = { .at_ms = turn->now_ms,
                                 .act = change->removes ? "unlink" : "link",
                                 .account = change->account,
                                 .credential = change->credential,
                                 .has_subject = true };

    if (!grant)
        return false;
    grant_audit_mark(grant, entry.subject);
    return audit_add(ledger_audit(turn->ledger), &entry, error);
}

/* A call that asks for too much is wrong each time: it is not a matter of waiting. */
static bool is_done(bool ok, const struct links_change *change, struct error *error)
{
    if (!ok && error->code == ERROR_LIMITED)
        return error_set(error, ERROR_INVALID, "%s: this person has %d identities already",
                         change->kind == IDENTITY_CUID ? "userId" : "anonymousId", PERSON_MAX);
    return ok;
}

static bool change_in_ledger(struct turn *turn, struct command *command, struct error *error)
{
    struct links_change *change = (struct links_change *)command;
    struct account *account = ledger_account(turn->ledger, change->account);
    struct fingerprint print = account_fingerprint(account, IDENTITY_CUID, change->user);
    uint32_t user = 0;

    change->print = account_fingerprint(account, change->kind, change->other);
    if (!subject_find(turn->ledger, account, IDENTITY_CUID, &print, &user, error))
        return false;
    if (!user)
        return error_set(error, ERROR_NOT_FOUND, "there is no such person");
    (void)ledger_raise_position(turn->ledger);
    return ledger_source(turn->ledger, change->account, change->credential, change->route, &change->source, error) &&
           write_audit(turn, account, change, user, error) &&
           is_done((change->removes ? part : join)(turn, account, change, user, error), change, error);
}

#define RECORD_MAX_BYTES ((size_t)16 * 1024)

/* The record of a subject that the link has made: how it is called. */
static bool change_in_profiles(struct turn *turn, struct command *command, struct error *error)
{
    const struct links_change *change = (const struct links_change *)command;
    struct account *account = ledger_account(turn->ledger, change->account);
    struct profile_identity identity = { change->kind, change->other, change->received_ms, change->source };
    const struct profile profile = { .identities = &identity, .identity_count = 1 };
    const struct grant *grant = gate_open(turn->seat, account, change->joined, PURPOSE_STORE, REASON_NONE, error);
    struct buf plain;
    bool ok = grant != NULL;

    buf_init(&plain, RECORD_MAX_BYTES);
    if (ok && !profile_write(&profile, &plain))
        ok = error_set(error, ERROR_TOO_LARGE, "the profile would be too large");
    ok = ok && profile_store(turn->profiles, grant, buf_str(&plain), error);
    buf_clear(&plain);
    return ok;
}

static const struct command_kind links_change_kind = {
    .name = "link of identities",
    .lane = LANE_RIGHTS,
    .purpose = PURPOSE_ANSWER,
    .in_ledger = change_in_ledger,
    .in_profiles = change_in_profiles,
};

void links_change_init(struct links_change *change)
{
    *change = (struct links_change){
        .command = { .kind = &links_change_kind, .phases = PHASE_LEDGER, .bytes = sizeof *change },
    };
}

/* ---- the list ---- */

struct listing {
    struct look *look;
    struct json_out *out;
};

/* The member "userId" or "anonymousId" of one end. */
static bool write_end(const struct listing *listing, struct str name, uint32_t ordinal, struct error *error)
{
    struct profile profile;

    if (!access_profile(listing->look, ordinal, &profile, error))
        return false;
    json_name(listing->out, name);
    json_open_object(listing->out);
    for (uint32_t i = 0; i < profile.identity_count; i++) {
        bool known = profile.identities[i].kind == IDENTITY_CUID;
        if (known || profile.identities[i].kind == IDENTITY_ANONYMOUS)
            json_put_string(listing->out, known ? STR("userId") : STR("anonymousId"), profile.identities[i].value);
    }
    json_close_object(listing->out);
    return true;
}

static bool write_link(void *arg, const struct link_row *link, struct error *error)
{
    const struct listing *listing = arg;

    json_open_object(listing->out);
    if (!write_end(listing, STR("of"), link->ordinal, error) || !write_end(listing, STR("to"), link->user, error))
        return false;
    json_put_time(listing->out, STR("since"), link->since_ms);
    json_name(listing->out, STR("source"));
    json_open_object(listing->out);
    access_source(listing->look, listing->out, link->source);
    json_close_object(listing->out);
    json_close_object(listing->out);
    return true;
}

bool links_write(struct look *look, struct json_out *out, struct error *error)
{
    struct listing listing = { look, out };

    access_gather(look);
    json_name(out, STR("links"));
    json_open_array(out);
    for (uint32_t i = 0; i < look->person.count; i++)
        if (!links_from(look->reader->ledger, look->account, look->person.ordinals[i], write_link, &listing, error))
            return false;
    json_close_array(out);
    return true;
}
