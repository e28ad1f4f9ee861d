/* The two checks that notice a foreign or an old ledger beside this vault. */
#include "vault/anchored.h"

#include <string.h>

#include "base/when.h"

bool anchored_to(const char *name, const struct ledger_id *held, const struct ledger_id *ledger, struct error *error)
{
    if (memcmp(held->bytes, ledger->bytes, sizeof(held->bytes)) == 0)
        return true;
    return error_set(error, ERROR_CONFLICT, "%s belongs to another ledger: put the vault beside its own", name);
}

bool anchored_before(const char *name, struct anchor held, struct anchor ledger, struct error *error)
{
    char held_at[WHEN_TEXT_MAX], ledger_at[WHEN_TEXT_MAX];

    if (held.position <= ledger.position)
        return true;
    when_write(held.time_ms, held_at);
    when_write(ledger.time_ms, ledger_at);
    return error_set(
        error, ERROR_CONFLICT,
        "%s was written at position %llu (%s), the ledger is older: position %llu (%s): use the newest ledger", name,
        (unsigned long long)held.position, held_at, (unsigned long long)ledger.position, ledger_at);
}
