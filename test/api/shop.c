/* See shop.h. */
#include "api/shop.h"

#include <sodium.h>
#include <time.h>

#define ANSWER_MAX ((size_t)64 * 1024 * 1024)

static void open_app(struct shop *shop)
{
    struct engine_options options;

    engine_defaults(&options);
    options.directory = shop->directory;
    options.create = true;
    options.cancel_window_ms = shop->cancel_window_ms;
    options.reserve_bytes = 0;
    options.clock = &shop->clock;
    MUST(app_open(&options, &shop->app, &why));
}

void shop_open(struct shop *shop, int64_t cancel_window_ms)
{
    *shop = (struct shop){ .cancel_window_ms = cancel_window_ms };
    assert_true(sodium_init() >= 0);
    scratch_make(&shop->scratch);
    strcpy(shop->directory, scratch_path(&shop->scratch, "data"));
    buf_init(&shop->answer, ANSWER_MAX);
    open_app(shop);
    shop_wants(shop, HTTP_POST, "/api/accounts", "{\"license\":\"shop\"}", 201, "\"api_key\":\"hba_");
}

void shop_restart(struct shop *shop)
{
    app_close(shop->app);
    open_app(shop);
}

void shop_close(struct shop *shop)
{
    app_close(shop->app);
    buf_clear(&shop->answer);
    scratch_remove(&shop->scratch);
}

struct engine *shop_engine(struct shop *shop)
{
    return app_engine(shop->app);
}

int shop_call(struct shop *shop, enum http_method method, const char *path, const char *body)
{
    int status = 0;

    buf_reset(&shop->answer);
    MUST(app_call(shop->app, method, str_of(path), str_of(body), &status, &shop->answer, &why));
    buf_add_byte(&shop->answer, '\0');
    return status;
}

void shop_wants(struct shop *shop, enum http_method method, const char *path, const char *body, int status,
                const char *holds)
{
    int got = shop_call(shop, method, path, body);

    if (got != status || !strstr(shop->answer.at, holds))
        fail_msg("%s %s: %d %.400s", path, body, got, shop->answer.at);
}

void shop_meets(struct shop *shop, const char *user_id)
{
    char body[500];

    (void)snprintf(body, sizeof(body), "{\"userId\":\"%s\",\"firstName\":\"Ann\",\"email\":\"a@example.com\"}",
                   user_id);
    shop_wants(shop, HTTP_POST, SHOP_USERS, body, 201, "queued");
    (void)snprintf(body, sizeof(body), "{\"userId\":\"%s\",\"eventName\":\"bought\",\"eventData\":{\"price\":5}}",
                   user_id);
    for (int i = 0; i < SHOP_MET_EVENTS; i++)
        shop_wants(shop, HTTP_POST, SHOP_EVENTS, body, 201, "queued");
}

int shop_asks(struct shop *shop, const char *id, const char *type, const char *user_id, const char *more)
{
    char body[1000];

    (void)snprintf(body, sizeof(body),
                   "{\"subject_request_id\":\"%s\",\"subject_request_type\":\"%s\",\"subject_identities\":"
                   "[{\"identity_type\":\"cuid\",\"identity_value\":\"%s\"}]%s}",
                   id, type, user_id, more);
    return shop_call(shop, HTTP_POST, SHOP_DESK, body);
}

void shop_awaits(struct shop *shop, const char *id, const char *status)
{
    const struct timespec pause = { 0, 5000000 };
    char path[300], holds[100];

    (void)snprintf(path, sizeof(path), SHOP_DESK "/%s", id);
    (void)snprintf(holds, sizeof(holds), "\"status\":\"%s\"", status);
    for (int i = 0; i < 4000; i++) {
        if (shop_call(shop, HTTP_GET, path, "") == 200 && strstr(shop->answer.at, holds))
            return;
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("%s is never %s: %s", id, status, shop->answer.at);
}

uint32_t shop_ordinal(struct shop *shop, const char *user_id)
{
    struct ledger *ledger = engine_ledger(shop_engine(shop));
    struct fingerprint print;
    uint32_t ordinal;

    ledger_enter(ledger);
    print = account_fingerprint(ledger_account(ledger, 1), IDENTITY_CUID, str_of(user_id));
    ordinal = account_find(ledger_account(ledger, 1), &print);
    ledger_leave(ledger);
    return ordinal;
}

int64_t shop_event_count(struct shop *shop, uint32_t ordinal)
{
    struct error error = { 0 };
    struct reader *reader = engine_take_reader(shop_engine(shop), &error);
    int64_t count = -1, last = 0;

    assert_non_null(reader);
    MUST(journal_count(reader->journal, 1, &ordinal, 1, &count, &last, &why));
    engine_give_reader(shop_engine(shop), reader);
    return count;
}
