/* Names of purposes and channels: the table behind mask bits, route rows and documents. */
#include "ledger/purpose.h"

#include <assert.h>

const struct channel_row channel_table[CHANNELS] = {
    [CHANNEL_PUSH] = { "push", "pushOptIn", true },    [CHANNEL_IN_APP] = { "in_app", "inAppOptIn", true },
    [CHANNEL_SMS] = { "sms", "smsOptIn", true },       [CHANNEL_WEB_PUSH] = { "web_push", "webPushOptIn", true },
    [CHANNEL_EMAIL] = { "email", "emailOptIn", true }, [CHANNEL_WHATSAPP] = { "whatsapp", "whatsappOptIn", false },
    [CHANNEL_RCS] = { "rcs", "rcsOptIn", true },
};

static const char *const names[PURPOSE_NONE + 1] = {
    [PURPOSE_COLLECT] = "collect",
    [PURPOSE_STORE] = "store",
    [PURPOSE_VIEW] = "view",
    [PURPOSE_REPORT] = "report",
    [PURPOSE_PROFILE] = "profile",
    [PURPOSE_SHARE] = "share",
    [PURPOSE_DECIDE] = "decide",
    [PURPOSE_MARKET + CHANNEL_PUSH] = "market:push",
    [PURPOSE_MARKET + CHANNEL_IN_APP] = "market:in_app",
    [PURPOSE_MARKET + CHANNEL_SMS] = "market:sms",
    [PURPOSE_MARKET + CHANNEL_WEB_PUSH] = "market:web_push",
    [PURPOSE_MARKET + CHANNEL_EMAIL] = "market:email",
    [PURPOSE_MARKET + CHANNEL_WHATSAPP] = "market:whatsapp",
    [PURPOSE_MARKET + CHANNEL_RCS] = "market:rcs",
    [PURPOSE_SERVICE + CHANNEL_PUSH] = "service:push",
    [PURPOSE_SERVICE + CHANNEL_IN_APP] = "service:in_app",
    [PURPOSE_SERVICE + CHANNEL_SMS] = "service:sms",
    [PURPOSE_SERVICE + CHANNEL_WEB_PUSH] = "service:web_push",
    [PURPOSE_SERVICE + CHANNEL_EMAIL] = "service:email",
    [PURPOSE_SERVICE + CHANNEL_WHATSAPP] = "service:whatsapp",
    [PURPOSE_SERVICE + CHANNEL_RCS] = "service:rcs",
    [PURPOSE_ANSWER] = "answer",
    [PURPOSE_NONE] = "none",
};
static_assert(PURPOSES <= 31, "a purpose is a bit of a 32-bit mask");

const char *purpose_name(enum purpose purpose)
{
    assert(purpose <= PURPOSE_NONE);
    return names[purpose];
}
