/* A ledger as the version before left it: the scripts that came since are taken back, and it opens, migrates and reads back
 * equal. */
#include "db/migrate.h"
#include "ledger/house.h"
#include "ledger/link.h"
#include "ledger/request.h"

/* What ledger-0002-links.sql has made. */
static void take_back(struct house *house)
{
    static const char *const statements = "DROP INDEX rights_of_request; DROP INDEX subject_erasing;"
                                          "ALTER TABLE subject DROP COLUMN erased_by;"
                                          "ALTER TABLE identity DROP COLUMN left_at;"
                                          "DROP TABLE link;";
    struct db *db = NULL;

    MUST(db_open_sqlite(scratch_path(&house->scratch, "ledger/ledger.db"), DB_WRITER, &db, &why));
    MUST(db_begin(db, &why));
    MUST(db->ops->script(db, statements, &why));
    MUST(db->ops->set_schema_version(db, 1, &why));
    MUST(db_commit(db, &why));
    db_close(db);
}

struct listing {
    char text[4000];
};

static bool list_row(void *arg, const struct row *row, struct error *error)
{
    struct listing *listing = arg;
    size_t len = strlen(listing->text);

    (void)error;
    for (int column = 0; column < 5; column++)
        len += (size_t)snprintf(listing->text + len, sizeof(listing->text) - len, "%lld ",
                                (long long)row_integer(row, column));
    return true;
}

/* Everything that the version before knew. */
static void list(struct house *house, struct listing *listing)
{
    const struct sql tables[] = {
        SQL("SELECT ordinal, slot, known, state, erased_position FROM subject ORDER BY ordinal"),
        SQL("SELECT kind, ordinal, pepper, since, source FROM identity ORDER BY ordinal, kind"),
        SQL("SELECT ordinal, number, kind, denies, since FROM rights ORDER BY ordinal, number"),
        SQL("SELECT request, type, state, ordinal, received_at FROM request ORDER BY request"),
        SQL("SELECT what, kind, channel, at, until FROM mark ORDER BY what, kind, fingerprint"),
    };

    *listing = (struct listing){ "" };
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        MUST(db_run(ledger_db(house->ledger), tables[i], DB_PARAMS(DB_END), list_row, listing, &why));
}

static void asks_for_erasure(struct house *house, uint32_t ordinal, enum request_state state)
{
    struct request request = { .type = REQUEST_ERASURE,
                               .state = state,
                               .received_ms = 5,
                               .due_ms = 9,
                               .done_ms = WHEN_NONE,
                               .suppress_until_ms = WHEN_NONE,
                               .road = STR("test"),
                               .id_hash = { (unsigned char)ordinal },
                               .call_hash = { 1 } };
    struct error error = { 0 };
    const struct grant *grant;

    house_begin(house);
    grant = gate_open(house->writer, house->account, ordinal, PURPOSE_ANSWER, REASON_NONE, &error);
    assert_non_null(grant);
    MUST(request_add(house->ledger, house->account, &request, grant, STR("id"), &why));
    house_commit(house);
}

static void a_ledger_of_the_version_before_reads_back_equal(void **state)
{
    struct house *house = *state;
    const struct subject_erasure plain = { .suppress_until_ms = WHEN_NONE };
    const struct right right = {
        .kind = RIGHT_RESTRICTION, .denies = DENIED_BY_RESTRICTION, .until_ms = WHEN_NONE, .road = STR("test")
    };
    uint32_t ann = house_person(house, "ann"), ben = house_person(house, "ben"), cem = house_person(house, "cem");
    struct fingerprint print = account_fingerprint(house->account, IDENTITY_ANONYMOUS, STR("web"));
    uint32_t web = 0;
    struct listing before, after;

    house_begin(house);
    MUST(subject_create(house->ledger, house->writer, house->account, IDENTITY_ANONYMOUS, &print, 1, &web, &why));
    MUST(right_add(house->ledger, house->account, ben, &right, &why));
    house_commit(house);
    asks_for_erasure(house, cem, REQUEST_PROCESSING);
    house_erase(house, cem, &plain); /* under way: its rows are still to go */
    list(house, &before);
    house_shut(house);
    take_back(house);
    house_restart(house);
    list(house, &after);
    assert_string_equal(after.text, before.text);
    assert_int_equal(house_denied(house, ann), 0);
    assert_int_equal(house_denied(house, ben), DENIED_BY_RESTRICTION);
    assert_int_equal(account_find(house->account, &print), web);
    assert_int_equal(house_asks(house, house->reader, web, PURPOSE_VIEW, REASON_NONE), ERROR_NONE);
    /* The erasure goes on by its request. */
    assert_int_equal(house_count(house, SQL("SELECT ordinal FROM subject WHERE account = 1 AND erased_by = 1")), cem);
    assert_int_equal(house_count(house, SQL("SELECT COUNT(*) FROM subject WHERE erased_by IS NOT NULL")), 1);
    /* And links can be made. */
    struct link_joining joining = { .user = ann, .print = print, .source = 1 };
    house_begin(house);
    MUST(link_join(house->ledger, house->writer, house->account, &joining, &why));
    house_commit(house);
    assert_int_equal(joining.joined, web);
    house_restart(house);
    assert_int_equal(account_person(house->account, web), ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ledger_of_the_version_before_reads_back_equal, house_set_up, house_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
