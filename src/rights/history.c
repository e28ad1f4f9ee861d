/* See history.h. */
#include "rights/history.h"

#include "ledger/request.h"
#include "ledger/right.h"
#include "vault/profiles.h"

#define PARKED_AT_ONCE 256

struct writing {
    struct look *look;
    struct json_out *out;
};

/* ---- requests ---- */

static bool unseal_id(struct look *look, const struct request *request, struct str *id, struct error *error)
{
    const struct grant *grant = access_open(look, error);
    bool ok = grant && request_id_unseal(request, grant, look->arena, id, error);

    if (grant)
        access_close(look);
    return ok;
}

static bool write_request(void *arg, const struct request *request, struct error *error)
{
    const struct writing *writing = arg;
    struct json_out *out = writing->out;
    struct str id = { NULL, 0 };

    if (!unseal_id(writing->look, request, &id, error))
        return false;
    json_open_object(out);
    json_put_i64(out, STR("request"), (int64_t)request->number);
    json_put_string(out, STR("subject_request_id"), id);
    json_put_string(out, STR("type"), str_of(request_type_name(request->type)));
    json_put_string(out, STR("status"), str_of(request_state_name(request->state)));
    json_put_time(out, STR("receivedAt"), request->received_ms);
    json_put_time(out, STR("dueAt"), request->due_ms);
    json_put_time(out, STR("doneAt"), request->done_ms);
    access_source(writing->look, out, request->source);
    if (request->type == REQUEST_ERASURE) {
        json_put_bool(out, STR("suppress"), request->suppress);
        json_put_time(out, STR("suppressUntil"), request->suppress_until_ms);
        json_put_bool(out, STR("keepOptOuts"), request->keep_opt_outs);
    }
    json_close_object(out);
    return true;
}

/* ---- rights ---- */

static bool unseal_road(struct look *look, const struct right_past *past, struct str *road, struct error *error)
{
    const struct grant *grant;
    bool ok;

    *road = STR("");
    if (past->notice_sealed.len == 0)
        return true;
    grant = access_open(look, error);
    ok = grant && right_notice_unseal(past, grant, look->arena, road, error);
    if (grant)
        access_close(look);
    return ok;
}

static void put_request(struct json_out *out, struct str name, uint64_t request)
{
    json_name(out, name);
    if (request)
        json_u64(out, request);
    else
        json_null(out);
}

static bool write_right(void *arg, const struct right *right, const struct right_past *past, struct error *error)
{
    const struct writing *writing = arg;
    struct json_out *out = writing->out;
    struct str road;

    if (!unseal_road(writing->look, past, &road, error))
        return false;
    json_open_object(out);
    json_put_string(out, STR("kind"), str_of(right_kind_name(right->kind)));
    access_scope(right, out);
    json_put_time(out, STR("since"), right->since_ms);
    json_put_time(out, STR("until"), right->until_ms);
    json_put_time(out, STR("endedAt"), past->ended_ms);
    json_put_string(out, STR("by"), right->road);
    access_source(writing->look, out, right->source);
    put_request(out, STR("request"), right->request);
    put_request(out, STR("endedBy"), past->ended_by);
    if (past->notice_ms != WHEN_NONE) {
        json_name(out, STR("notice"));
        json_open_object(out);
        json_put_time(out, STR("told_at"), past->notice_ms);
        json_put_string(out, STR("road"), road);
        json_close_object(out);
    }
    json_close_object(out);
    return true;
}

/* ---- parked data ---- */

/* A parked item is a head that tells its dialect, and the JSON as it came (in Segment's, with what stood around it). */
static const struct {
    char letter;
    size_t head_len;
    const char *kind;
} parked_forms[] = { { 'e', 1, "event" }, { 'u', 1, "user" }, { 's', 2, "message" } };

static void write_item(struct look *look, struct json_out *out, const struct sealed_record *record, struct str plain)
{
    size_t form = 0;

    while (form < COUNT_OF(parked_forms) && parked_forms[form].letter != plain.at[0])
        form++;
    if (form == COUNT_OF(parked_forms) || plain.len <= parked_forms[form].head_len)
        return;
    json_open_object(out);
    json_put_string(out, STR("kind"), str_of(parked_forms[form].kind));
    json_put_time(out, STR("receivedAt"), record->received_ms);
    access_source(look, out, record->source);
    json_put_raw(out, STR("sent"),
                 (struct str){ plain.at + parked_forms[form].head_len, plain.len - parked_forms[form].head_len });
    json_close_object(out);
}

static bool write_items(struct look *look, const struct sealed_record *records, size_t count, struct json_out *out,
                        struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct str plain = { NULL, 0 };
        const struct grant *grant = access_open(look, error);
        bool ok = grant && record_unseal(&records[i], grant, look->arena, &plain, error);
        if (grant)
            access_close(look);
        if (!ok)
            return false;
        if (plain.len > 1)
            write_item(look, out, &records[i], plain);
    }
    return true;
}

bool history_parked(struct look *look, uint64_t *after, bool *more, struct json_out *out, struct error *error)
{
    struct sealed_record *records = ARENA_NEW(look->arena, struct sealed_record, PARKED_AT_ONCE);
    size_t count;

    if (!records)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    if (!parked_load(look->reader->profiles, look->account, look->ordinal, *after, PARKED_AT_ONCE, look->arena, records,
                     &count, error) ||
        !write_items(look, records, count, out, error))
        return false;
    *more = count > 0;
    if (*more)
        *after = records[count - 1].number;
    return true;
}

bool history_write(struct look *look, struct json_out *out, struct error *error)
{
    struct writing writing = { look, out };

    json_name(out, STR("requests"));
    json_open_array(out);
    if (!requests_of_subject(look->reader->ledger, look->account, look->ordinal, look->arena, write_request, &writing,
                             error))
        return false;
    json_close_array(out);
    json_name(out, STR("rightsHistory"));
    json_open_array(out);
    if (!rights_of_subject(look->reader->ledger, look->account, look->ordinal, write_right, &writing, error))
        return false;
    json_close_array(out);
    return true;
}
