/* Grants for tests of the vault, without a ledger: every (account, ordinal) has a key of its own, made from both. */
#ifndef HABEAS_TEST_VAULT_FAKE_GATE_H
#define HABEAS_TEST_VAULT_FAKE_GATE_H

#include "ledger/gate.h"

/* Valid until the next call. */
const struct grant *fake_grant(uint32_t account, uint32_t ordinal);
/* What sealing uses from now on, as after a new start. */
void fake_new_salt(void);

#endif
