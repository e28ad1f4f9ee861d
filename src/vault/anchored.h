/* What every file of the vault proves when it is opened: that it is of this ledger, and not ahead of it. */
#ifndef HABEAS_VAULT_ANCHORED_H
#define HABEAS_VAULT_ANCHORED_H

#include "base/error.h"
#include "seal/keyfile.h"

/* `name` is how the file is called in the refusal ("events/000001.db"). */
bool anchored_to(const char *name, const struct ledger_id *held, const struct ledger_id *ledger, struct error *error);
/* ERROR_CONFLICT when `held` is ahead of the ledger's anchor, with both positions and times. */
bool anchored_before(const char *name, struct anchor held, struct anchor ledger, struct error *error);

#endif
