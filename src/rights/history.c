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
    json_put_string(out, STR("route"), request->road);
    json_close_object(out);
    return true;
}

/* ---- rights ---- */

static bool write_right(void *arg, const struct right *right, const struct right_past *past, struct error *error)
{
    const struct writing *writing = arg;
    struct json_out *out = writing->out;

    (void)error;
    json_open_object(out);
    json_put_string(out, STR("kind"), str_of(right_kind_name(right->kind)));
    access_scope(right, out);
    json_put_time(out, STR("since"), right->since_ms);
    json_put_time(out, STR("until"), right->until_ms);
    json_put_time(out, STR("endedAt"), past->ended_ms);
    json_put_string(out, STR("by"), right->road);
    if (past->notice_ms != WHEN_NONE) {
        json_name(out, STR("notice"));
        json_open_object(out);
        json_put_time(out, STR("told_at"), past->notice_ms);
        json_put_string(out, STR("road"), past->notice_road);
        json_close_object(out);
    }
    json_close_object(out);
    return true;
}

/* ---- parked data ---- */

static void write_item(struct json_out *out, const struct sealed_record *record, const struct parked_item *item)
{
    json_open_object(out);
    json_put_string(out, STR("kind"), item->kind == 'e' ? STR("event") : STR("user"));
    json_put_time(out, STR("receivedAt"), record->received_ms);
    if (item->joins_by)
        json_put_string(out, STR("joins"), item->joins);
    json_put_raw(out, STR("sent"), item->raw);
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
            write_item(out, &records[i], &item);
    }
    return true;
}

static bool write_parked(const struct writing *writing, struct error *error)
{
    struct look *look = writing->look;
    struct sealed_record *records = ARENA_NEW(look->arena, struct sealed_record, PARKED_AT_ONCE);
    uint64_t after = 0;
    size_t count;

    if (!records)
        return error_set(error, ERROR_TOO_LARGE, "the answer is too large");
    do {
        if (!parked_load(look->reader->profiles, look->account, writing->ordinal, after, PARKED_AT_ONCE, look->arena,
                         records, &count, error) ||
            !write_items(look, records, count, writing->out, error))
            return false;
        after = count > 0 ? records[count - 1].number : after;
    } while (count == PARKED_AT_ONCE);
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
    { { "parked", 6 }, write_parked },
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
