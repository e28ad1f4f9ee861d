/* See history.h. */
#include "rights/history.h"

#include "ledger/request.h"
#include "ledger/right.h"
#include "vault/parked_item.h"
#include "vault/profiles.h"

#define PARKED_AT_ONCE 256

struct writing {
    struct look *look;
    struct json_out *out;
    uint32_t ordinal; /* of the one whose rows are told */
};

/* ---- requests ---- */

static bool unseal_id(struct look *look, const struct request *request, struct str *id, struct error *error)
{
    const struct grant *grant = access_open(look, request->ordinal, error);
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

static bool unseal_road(struct look *look, uint32_t ordinal, const struct right_past *past, struct str *road,
                        struct error *error)
{
    const struct grant *grant;
    bool ok;

    *road = STR("");
    if (past->notice_sealed.len == 0)
        return true;
    grant = access_open(look, ordinal, error);
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

    if (!unseal_road(writing->look, writing->ordinal, past, &road, error))
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

static void write_item(struct look *look, struct json_out *out, const struct sealed_record *record,
                       const struct parked_item *item)
{
    static const struct {
        char kind;
        size_t head; /* of the raw text, which is no JSON */
        const char *name;
    } kinds[] = { { PARKED_EVENT, 0, "event" }, { PARKED_USER, 0, "user" }, { PARKED_SEGMENT, 1, "message" } };
    size_t i = 0;

    while (kinds[i].kind != item->kind)
        i++; /* parked_item_read knows no others */
    json_open_object(out);
    json_put_string(out, STR("kind"), str_of(kinds[i].name));
    json_put_time(out, STR("receivedAt"), record->received_ms);
    access_source(look, out, record->source);
    if (item->joins_by)
        json_put_string(out, STR("joins"), item->joins);
    json_put_raw(out, STR("sent"), (struct str){ item->raw.at + kinds[i].head, item->raw.len - kinds[i].head });
    json_close_object(out);
}

static bool write_items(struct look *look, const struct sealed_record *records, size_t count, struct json_out *out,
                        struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct str plain = { NULL, 0 };
        const struct grant *grant = access_open(look, records[i].ordinal, error);
        bool ok = grant && record_unseal(&records[i], grant, look->arena, &plain, error);
        if (grant)
            access_close(look);
        if (!ok)
            return false;
        struct parked_item item;
        if (parked_item_read(plain, &item))
            write_item(look, out, &records[i], &item);
    }
    return true;
}

/* The person's subject that comes first at or behind `ordinal`; 0: none. */
static uint32_t subject_from(const struct person *person, uint32_t ordinal)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < person->count; i++)
        if (person->ordinals[i] >= ordinal && (next == 0 || person->ordinals[i] < next))
            next = person->ordinals[i];
    return next;
}

bool history_parked(struct look *look, struct history_place *place, bool *more, struct json_out *out,
                    struct error *error)
{
    struct sealed_record *records = ARENA_NEW(look->arena, struct sealed_record, PARKED_AT_ONCE);
    size_t count;

    if (!records)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    access_gather(look);
    if (!access_allows(look, error))
        return false;
    uint32_t ordinal = subject_from(&look->person, place->ordinal);
    if (ordinal != place->ordinal)
        *place = (struct history_place){ ordinal, 0 };
    *more = ordinal != 0;
    if (!*more)
        return true;
    if (!parked_load(look->reader->profiles, look->account, ordinal, place->number, PARKED_AT_ONCE, look->arena,
                     records, &count, error) ||
        !write_items(look, records, count, out, error))
        return false;
    *place = count > 0 ? (struct history_place){ ordinal, records[count - 1].number }
                       : (struct history_place){ ordinal + 1, 0 };
    return true;
}

static bool write_requests(const struct writing *writing, struct error *error)
{
    struct look *look = writing->look;

    return requests_of_subject(look->reader->ledger, look->account, writing->ordinal, look->arena, write_request,
                               (void *)writing, error);
}

static bool write_rights(const struct writing *writing, struct error *error)
{
    struct look *look = writing->look;

    return rights_of_subject(look->reader->ledger, look->account, writing->ordinal, write_right, (void *)writing,
                             error);
}

/* Of all whom links join, one behind the other. */
static const struct section {
    struct str name;
    bool (*write)(const struct writing *writing, struct error *error);
} sections[] = {
    { { "requests", 8 }, write_requests },
    { { "rightsHistory", 13 }, write_rights },
};

bool history_write(struct look *look, struct json_out *out, struct error *error)
{
    struct writing writing = { look, out, 0 };

    access_gather(look);
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        json_name(out, sections[i].name);
        json_open_array(out);
        for (uint32_t j = 0; j < look->person.count; j++) {
            writing.ordinal = look->person.ordinals[j];
            if (!sections[i].write(&writing, error))
                return false;
        }
        json_close_array(out);
    }
    return true;
}
