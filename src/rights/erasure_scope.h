/* Whom an erasure takes with it, decided at the moment it begins: all whom links join with the one who was asked for, and
 * whoever was joined when it was asked, for a link that is taken back leaves the pending erasure with both sides. Erasures
 * that were pending for any of them begin with it. */
#ifndef HABEAS_RIGHTS_ERASURE_SCOPE_H
#define HABEAS_RIGHTS_ERASURE_SCOPE_H

#include "ledger/request.h"
#include "work/command.h"

struct erasure_scope {
    uint32_t *ordinals;
    size_t count, cap;
    uint64_t *requests; /* the first is the one that begins */
    size_t request_count, request_cap;
};

bool erasure_scope_find(struct turn *turn, struct account *account, const struct request *request,
                        struct erasure_scope *out, struct error *error);
void erasure_scope_clear(struct erasure_scope *scope);

#endif
