/* Erasure (GDPR Art. 17) in five steps. (1) One ledger commit: nobody's from now on. (2) The key's slot is overwritten:
 * unreadable, answered. (3) Rows, profile and parked data are removed in small steps. (4) Identities went with (1), as late
 * marks, suppression and kept opt-outs. (5) Logs emptied: zero bytes; done. A start resumes at (2). */
#ifndef HABEAS_RIGHTS_ERASURE_H
#define HABEAS_RIGHTS_ERASURE_H

#include "ledger/request.h"
#include "work/engine.h"

/* Steps 1 and 2, inside a ledger part. `print` is the identity it was asked by, for suppression; NULL: the person's own
 * first one. The request's row must be there already, PROCESSING. */
bool erasure_begin(struct turn *turn, struct account *account, const struct request *request, enum identity_kind kind,
                   const struct fingerprint *print, struct error *error);

/* Steps 3 to 5: the writer's last lane. */
bool erasure_background_new(struct background *out, struct error *error);
void erasure_background_free(struct background *background);

/* For jobs of this folder: one line in the log, without personal data. */
void rights_complain(const char *what, const struct error *error);

#endif
