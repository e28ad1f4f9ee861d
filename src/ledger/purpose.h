/* What a use of personal data is for, and the channels by which people are reached.
 * A subject's mask is the set of purposes that rights in force deny: one bit a purpose. */
#ifndef HABEAS_LEDGER_PURPOSE_H
#define HABEAS_LEDGER_PURPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum channel {
    CHANNEL_PUSH,
    CHANNEL_IN_APP,
    CHANNEL_SMS,
    CHANNEL_WEB_PUSH,
    CHANNEL_EMAIL,
    CHANNEL_WHATSAPP,
    CHANNEL_RCS,
    CHANNELS,
};

/* Stored in rights rows as bits: numbers are settled, new ones go to the end. */
enum purpose {
    PURPOSE_COLLECT,                             /* record new data */
    PURPOSE_STORE,                               /* keep what is there */
    PURPOSE_VIEW,                                /* look at one person */
    PURPOSE_REPORT,                              /* count in reports */
    PURPOSE_PROFILE,                             /* segments, personalisation */
    PURPOSE_SHARE,                               /* hand over to recipients */
    PURPOSE_DECIDE,                              /* automated decisions */
    PURPOSE_MARKET,                              /* promotional messages: + channel */
    PURPOSE_SERVICE = PURPOSE_MARKET + CHANNELS, /* service messages: + channel */
    PURPOSE_ANSWER = PURPOSE_SERVICE + CHANNELS, /* in answer to the person's own rights; never denied */
    PURPOSE_NONE,                                /* touches no personal data; what a table row says then */
    PURPOSES = PURPOSE_NONE,
};

#define PURPOSE_BIT(purpose) (UINT32_C(1) << (purpose))
#define MARKET_BIT(channel) PURPOSE_BIT(PURPOSE_MARKET + (channel))
#define SERVICE_BIT(channel) PURPOSE_BIT(PURPOSE_SERVICE + (channel))
#define MARKET_ALL (((UINT32_C(1) << CHANNELS) - 1) << PURPOSE_MARKET)
#define SERVICE_ALL (((UINT32_C(1) << CHANNELS) - 1) << PURPOSE_SERVICE)
/* What a restriction of the whole profile denies: everything but storage and answers (Art. 18(2)). */
#define DENIED_BY_RESTRICTION                                                                                          \
    (PURPOSE_BIT(PURPOSE_COLLECT) | PURPOSE_BIT(PURPOSE_VIEW) | PURPOSE_BIT(PURPOSE_REPORT) |                          \
     PURPOSE_BIT(PURPOSE_PROFILE) | PURPOSE_BIT(PURPOSE_SHARE) | PURPOSE_BIT(PURPOSE_DECIDE) | MARKET_ALL |            \
     SERVICE_ALL)
/* Beside the purposes: data that is not collected now waits for a decision instead of being dropped. */
#define DENIED_PARKS (UINT32_C(1) << 31)
/* What a pending erasure denies: as a restriction, and new data is parked. */
#define DENIED_BY_PENDING_ERASURE (DENIED_BY_RESTRICTION | DENIED_PARKS)
/* What is denied while an erasure runs: everything. */
#define DENIED_BY_ERASURE (DENIED_BY_RESTRICTION | PURPOSE_BIT(PURPOSE_STORE) | PURPOSE_BIT(PURPOSE_ANSWER))

/* "collect", "market:email", …: one table for tables, logs and documents. */
const char *purpose_name(enum purpose purpose);

/* One row a channel: its names in each dialect and what holds when nobody ever said (semantics 6.5). */
struct channel_row {
    const char *name;       /* "in_app": native JSON and CLI */
    const char *rest_field; /* "inAppOptIn": WebEngage REST */
    bool opted_in_by_default;
};
extern const struct channel_row channel_table[CHANNELS];

#endif
