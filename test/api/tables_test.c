/* A walk over the tables of the whole program: each route, job, background and CLI command says what its use of personal
 * data is for, and the rows fit together. (That no row of the sources leaves its purpose out is purposes_test.sh: a member
 * left out would read here as the first purpose.) */
#include "api/app_inside.h"
#include "api/shop.h"
#include "intake/ingest.h"
#include "rights/access.h"
#include "rights/desk.h"
#include "rights/erasure.h"
#include "tool/tool.h"

typedef void each_route(const struct route *route);

static void walk(each_route *each)
{
    size_t count = 0;

    for (const struct route *const *table = app_routes; *table; table++) {
        for (const struct route *route = *table; route->path; route++) {
            each(route);
            count++;
        }
    }
    assert_true(count >= 20);
}

/* What a scope may be used for. */
static void purpose_fits_scope(const struct route *route)
{
    static const struct {
        unsigned scope;
        enum purpose purpose;
    } fits[] = {
        { SCOPE_INGEST, PURPOSE_COLLECT }, { SCOPE_READ, PURPOSE_VIEW },     { SCOPE_RIGHTS, PURPOSE_ANSWER },
        { SCOPE_ADMIN, PURPOSE_NONE },     { SCOPE_OPERATOR, PURPOSE_NONE }, { 0, PURPOSE_NONE },
        { SCOPE_REPORT, PURPOSE_REPORT },
    };

    for (size_t i = 0; i < COUNT_OF(fits); i++)
        if (route->scope == fits[i].scope && route->purpose == fits[i].purpose)
            return;
    fail_msg("%s: scope %u for %s", route->path, route->scope, purpose_name(route->purpose));
}

static void each_route_names_a_purpose_that_its_scope_allows(void **state)
{
    (void)state;
    walk(purpose_fits_scope);
}

static size_t params_of(const char *path)
{
    size_t count = 0;

    for (; (path = strchr(path, '{')) != NULL; path++)
        count += strncmp(path, "{license}", 9) != 0;
    return count;
}

static void is_whole(const struct route *route)
{
    assert_non_null(route->summary);
    assert_non_null(route->begin);
    assert_int_equal(route->path[0], '/');
    assert_true(route->method < HTTP_METHODS);
    assert_true(params_of(route->path) <= ROUTE_PARAMS_MAX);
    assert_true(strlen(route->path) < sizeof(((struct source *)NULL)->route)); /* it stands in every datum's source */
    bool is_webengage = strncmp(route->path, "/v1/accounts/", 13) == 0;
    bool is_segment = !is_webengage && strncmp(route->path, "/v1/", 4) == 0;
    assert_int_equal(route->envelope, is_webengage ? ENVELOPE_WEBENGAGE
                                      : is_segment ? ENVELOPE_SEGMENT
                                                   : ENVELOPE_NATIVE);
    assert_int_equal(route->is_limited, is_webengage || (is_segment && route->key == KEY_SEGMENT));
    assert_int_equal(route->is_for_browsers, is_segment);
    assert_true(route->key != KEY_IN_PATH || strstr(route->path, "{key}"));
}

static void each_route_is_whole(void **state)
{
    (void)state;
    walk(is_whole);
}

static void stands_once(const struct route *route)
{
    size_t count = 0;

    for (const struct route *const *table = app_routes; *table; table++)
        for (const struct route *other = *table; other->path; other++)
            count += other->method == route->method && strcmp(other->path, route->path) == 0;
    assert_int_equal(count, 1);
}

static void no_route_stands_twice(void **state)
{
    (void)state;
    walk(stands_once);
}

static void each_command_kind_that_others_use_names_a_purpose(void **state)
{
    static const struct {
        const struct command_kind *kind;
        enum purpose purpose;
    } kinds[] = {
        { &ingest_single, PURPOSE_COLLECT },   { &ingest_bulk, PURPOSE_COLLECT },
        { &access_entry_kind, PURPOSE_VIEW },  { &desk_ask_kind, PURPOSE_ANSWER },
        { &desk_cancel_kind, PURPOSE_ANSWER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(kinds[i].kind->purpose, kinds[i].purpose);
        assert_non_null(kinds[i].kind->name);
        assert_true(kinds[i].kind->lane < LANES);
        assert_true(kinds[i].kind->in_ledger || kinds[i].kind->in_profiles || kinds[i].kind->in_volume);
    }
    assert_int_equal(desk_ask_kind.lane, LANE_RIGHTS);
    assert_int_equal(desk_cancel_kind.lane, LANE_RIGHTS);
    assert_int_equal(ingest_bulk.lane, LANE_BULK);
}

static void each_job_and_the_background_name_a_purpose(void **state)
{
    static const enum purpose purposes[] = { PURPOSE_ANSWER, PURPOSE_STORE, PURPOSE_NONE };
    struct shop shop;
    size_t count = 0;

    (void)state;
    shop_open(&shop, 0);
    for (const struct job *job = shop.app->jobs; job->name; job++, count++) {
        assert_non_null(job->run);
        assert_true(count < COUNT_OF(purposes));
        assert_int_equal(job->purpose, purposes[count]);
    }
    assert_int_equal(count, COUNT_OF(purposes));
    assert_int_equal(shop.app->background.purpose, PURPOSE_ANSWER);
    assert_non_null(shop.app->background.name);
    shop_close(&shop);
}

static void each_cli_command_names_a_purpose(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct tool_command *command = tool_commands; command->name; command++, count++) {
        bool rights = strcmp(command->name, "request") == 0;
        assert_non_null(command->run);
        assert_non_null(command->summary);
        assert_true(command->purpose <= PURPOSE_NONE);
        if (rights != (command->purpose == PURPOSE_ANSWER))
            fail_msg("%s %s: %s", command->name, command->sub ? command->sub : "", purpose_name(command->purpose));
    }
    assert_true(count >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_names_a_purpose_that_its_scope_allows),
        cmocka_unit_test(each_route_is_whole),
        cmocka_unit_test(no_route_stands_twice),
        cmocka_unit_test(each_command_kind_that_others_use_names_a_purpose),
        cmocka_unit_test(each_job_and_the_background_name_a_purpose),
        cmocka_unit_test(each_cli_command_names_a_purpose),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
