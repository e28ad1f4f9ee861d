/* The whole program without a network, in a directory of a test's own: one account "shop", called through its routes. */
#ifndef HABEAS_TEST_API_SHOP_H
#define HABEAS_TEST_API_SHOP_H

#include "api/app.h"
#include "ledger/house.h"

struct shop {
    struct scratch scratch;
    char directory[SCRATCH_PATH_MAX];
    struct when_clock clock;
    int64_t cancel_window_ms;
    struct app *app;
    struct buf answer; /* of the last call, NUL-terminated */
};

void shop_open(struct shop *shop, int64_t cancel_window_ms);
/* Stops and starts again. */
void shop_restart(struct shop *shop);
void shop_close(struct shop *shop);
struct engine *shop_engine(struct shop *shop);

/* One call as the operator of this machine; the status. `path` with the license in it. */
int shop_call(struct shop *shop, enum http_method method, const char *path, const char *body);
/* Fails the test unless the status is this one and the answer holds the text. */
void shop_wants(struct shop *shop, enum http_method method, const char *path, const char *body, int status,
                const char *holds);
#define SHOP_USERS "/v1/accounts/shop/users"
#define SHOP_EVENTS "/v1/accounts/shop/events"
#define SHOP_DESK "/v1/accounts/shop/opengdpr_requests"

/* A known user with two events: the first finds the profile, so that what comes from then on is sealed on arrival. */
#define SHOP_MET_EVENTS 2
void shop_meets(struct shop *shop, const char *user_id);
int shop_asks(struct shop *shop, const char *id, const char *type, const char *user_id, const char *more);
/* Waits until the request's status is this one; fails after some seconds. */
void shop_awaits(struct shop *shop, const char *id, const char *status);
/* The live subject of this user id; 0: none. */
uint32_t shop_ordinal(struct shop *shop, const char *user_id);
int64_t shop_event_count(struct shop *shop, uint32_t ordinal);

#endif
