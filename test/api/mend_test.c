/* A file whose sync fails once: whoever waited for it is told so, and what comes next finds everything put right, without a
 * restart. Syncs go through the functions below, which stand before libc's. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "api/shop.h"

/* Part of the path of the file whose syncs fail; NULL: none. */
static _Atomic(const char *) fails;

static bool strikes(int file)
{
    const char *part = atomic_load(&fails);
    char link[64], path[1000];
    ssize_t len;

    if (!part)
        return false;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    errno = EIO;
    return strstr(path, part) != NULL;
}

int fdatasync(int file)
{
    return strikes(file) ? -1 : (int)syscall(SYS_fdatasync, file);
}

int fsync(int file)
{
    return strikes(file) ? -1 : (int)syscall(SYS_fsync, file);
}

static int set_up(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    shop_open(shop, 0);
    *state = shop;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

static int call_failing(struct shop *shop, const char *part, const char *path, const char *body)
{
    atomic_store(&fails, part);
    int status = shop_call(shop, HTTP_POST, path, body);
    atomic_store(&fails, NULL);
    return status;
}

/* The ledger has the new person, profiles.db has not: the next datum makes the record. */
static void a_new_person_whose_record_was_lost_gets_it_with_the_next_datum(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    assert_int_equal(call_failing(shop, "profiles.db", SHOP_USERS, "{\"userId\":\"ben\",\"firstName\":\"Ben\"}"), 503);
    assert_int_not_equal(shop_ordinal(shop, "ben"), 0);
    shop_wants(shop, HTTP_POST, SHOP_EVENTS, "{\"userId\":\"ben\",\"eventName\":\"bought\"}", 201, "queued");
    shop_wants(shop, HTTP_GET, "/api/users/ben?license=shop", "", 200, "\"userId\":\"ben\"");
    assert_null(strstr(shop->answer.at, "Ben")); /* what was refused is not half there */
    shop_wants(shop, HTTP_GET, "/api/users/ann?license=shop", "", 200, "\"firstName\":\"Ann\"");
}

static void keys_are_readable_again_after_a_failed_sync(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    shop_restart(shop); /* nobody's key is in a cache now */
    assert_int_equal(call_failing(shop, "/ledger/keys", SHOP_USERS, "{\"userId\":\"ben\"}"), 503);
    assert_int_equal(shop_ordinal(shop, "ben"), 0);
    shop_wants(shop, HTTP_POST, SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"bought\"}", 201, "queued");
    assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS + 1);
}

/* The ledger's commit decides: the caller was told of a failure, and the person is gone all the same, to the last byte. */
static void an_erasure_goes_on_though_its_answer_was_a_failure(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    uint32_t ordinal = shop_ordinal(shop, "ann");
    atomic_store(&fails, "/ledger/keys");
    int status = shop_asks(shop, "erase", "erasure", "ann", "");
    atomic_store(&fails, NULL);
    assert_int_equal(status, 503);
    assert_int_equal(shop_ordinal(shop, "ann"), 0);
    shop_awaits(shop, "erase", "DONE");
    assert_int_equal(shop_event_count(shop, ordinal), 0);
}

static void a_volume_whose_sync_failed_takes_the_next_events(void **state)
{
    struct shop *shop = *state;

    shop_meets(shop, "ann");
    assert_int_equal(call_failing(shop, "/vault/events/", SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"bought\"}"),
                     503);
    shop_wants(shop, HTTP_POST, SHOP_EVENTS, "{\"userId\":\"ann\",\"eventName\":\"bought\"}", 201, "queued");
    assert_int_equal(shop_event_count(shop, shop_ordinal(shop, "ann")), SHOP_MET_EVENTS + 1);
}

#define WITH_SHOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(a_new_person_whose_record_was_lost_gets_it_with_the_next_datum),
        WITH_SHOP(keys_are_readable_again_after_a_failed_sync),
        WITH_SHOP(an_erasure_goes_on_though_its_answer_was_a_failure),
        WITH_SHOP(a_volume_whose_sync_failed_takes_the_next_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
