/* A ledger of a test's own: one account, a writer's seat and a reader's, a clock that moves, and the group in short words. */
#ifndef HABEAS_TEST_LEDGER_HOUSE_H
#define HABEAS_TEST_LEDGER_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/scratch.h"
#include "ledger/gate.h"
#include "ledger/ledger.h"
#include "ledger/right.h"
#include "ledger/subject.h"

/* The call has `&why` as its last argument. */
#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        struct error why = { 0 };                                                                                      \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s", #call, why.text);                                                                       \
    } while (0)
#define MUST_NOT(code_wanted, call)                                                                                    \
    do {                                                                                                               \
        struct error why = { 0 };                                                                                      \
        if ((call) || why.code != (code_wanted))                                                                       \
            fail_msg("%s: code %d, '%s'", #call, (int)why.code, why.text);                                             \
    } while (0)

struct house {
    struct scratch scratch;
    char key_path[SCRATCH_PATH_MAX], ledger_path[SCRATCH_PATH_MAX];
    struct when_clock clock;
    struct keyring *ring;
    struct ledger *ledger;
    struct seat *writer, *reader;
    struct account *account; /* "shop", number 1 */
};

/* cmocka's set-up and tear-down: *state is the house. */
int house_set_up(void **state);
int house_tear_down(void **state);
/* Closes and opens again, as a restart does. */
void house_restart(struct house *house);
void house_shut(struct house *house);
bool house_try_open(struct house *house, bool create, struct error *error);

/* A group with one part; the part is kept and the group committed. */
void house_begin(struct house *house);
void house_commit(struct house *house);
/* The part is taken back, the group committed without it. */
void house_undo(struct house *house);

struct fingerprint house_print(struct house *house, const char *user_id);
/* A new person in a group of its own. */
uint32_t house_person(struct house *house, const char *user_id);
/* Erases in a group of its own. */
void house_erase(struct house *house, uint32_t ordinal, const struct subject_erasure *how);
uint32_t house_denied(struct house *house, uint32_t ordinal);
int64_t house_count(struct house *house, struct sql sql);
/* Whether the seat gets a grant for this purpose; ERROR_NONE when it does. */
enum error_code house_asks(struct house *house, struct seat *seat, uint32_t ordinal, enum purpose purpose,
                           enum look_reason reason);

#endif
