/* What every dialect is translated into: one item is one user or one event, checked as far as that is possible
 * without knowing what is held. Slices point into the request's body or arena. */
#ifndef HABEAS_INTAKE_ITEM_H
#define HABEAS_INTAKE_ITEM_H

#include "base/arena.h"
#include "base/json_read.h"
#include "base/when.h"
#include "ledger/identity.h"
#include "ledger/name.h"
#include "ledger/purpose.h"
#include "vault/profile.h"

/* The index of what belongs to no item: a member of a bulk body beside the list. */
#define IGNORED_NO_INDEX UINT32_MAX

/* Something that was not taken while the rest was. Grows in the arena; order of discovery. */
struct ignored {
    uint32_t index;       /* of the item, in bulk */
    bool depends_on_held; /* shown only to credentials with scope read: it tells what is held */
    struct str field, message;
    struct ignored *next;
};
struct ignored_list {
    struct ignored *first, **end;
};
/* Keeps `field` and `message`; false when the arena is full. */
bool ignored_add(struct ignored_list *list, struct arena *arena, uint32_t index, bool depends_on_held, struct str field,
                 const char *message);

/* One attribute of an event or user, as sent (or cut). */
struct attribute {
    struct str name; /* unescaped */
    struct str raw;  /* JSON; null where it is to be removed (users) or was sent as null (events) */
    /* By the value's form; TYPE_NONE for null; TYPE_DATE for a string that is a full date and time. */
    enum name_type type;
    bool dropped; /* set when it was ignored */
    bool cut;     /* raw is shorter than what was sent */
};

struct opt_in {
    enum channel channel;
    bool opted_in;
};
/* The optional `consent` beside opt-in fields. Empty strings where absent. */
struct consent {
    bool given;
    struct str wording, version, road;
    int64_t when_ms; /* WHEN_NONE: the time of receipt */
};

enum item_kind { ITEM_USER, ITEM_EVENT };
enum item_joins { JOINS_NONE, JOINS_ANONYMOUS, JOINS_ALIAS };
struct item {
    enum item_kind kind;
    uint32_t index;
    struct str raw;             /* the whole item as JSON, for parking */
    enum identity_kind id_kind; /* cuid or anonymous */
    struct str id;
    struct str joins; /* another id of the same person: an anonymous id, or what an alias names; empty: none */
    enum item_joins joins_by;
    struct attribute *attributes; /* custom ones */
    uint32_t attribute_count;

    struct str event_name; /* of an event */
    int64_t occurred_ms;   /* WHEN_NONE: none was sent */
    struct str event_data; /* raw object as sent; empty when absent */
    struct str message_id;

    struct system_change *system; /* of a user: system fields, in order of the field table */
    uint32_t system_count;
    struct opt_in opt_ins[CHANNELS];
    uint32_t opt_in_count;
    struct consent consent;

    struct error refused; /* ERROR_INVALID and why; ERROR_NONE: taken so far */
};

/* The event's data without its dropped attributes: event_data itself when none was dropped or cut, else made in the
 * arena. False with ERROR_TOO_LARGE, and out->at NULL, when the arena is full. */
bool item_event_body(const struct item *item, struct arena *arena, struct str *out, struct error *error);

#endif
