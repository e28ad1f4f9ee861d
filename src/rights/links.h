/* Links by decision of those who answer for the data: joining a person's identities, taking a link back, and the list. */
#ifndef HABEAS_RIGHTS_LINKS_H
#define HABEAS_RIGHTS_LINKS_H

#include "rights/access.h"

struct links_change {
    struct command command;
    uint32_t account, credential;
    struct str route;        /* for sources and audit */
    struct str user;         /* the known user, as it came */
    enum identity_kind kind; /* of the other one: anonymous, or cuid for an alias */
    struct str other;
    bool removes;
    int64_t received_ms;
    /* on its way */
    struct fingerprint print; /* of the other one */
    uint32_t source;
    uint32_t joined; /* a subject that has no record yet */
};
void links_change_init(struct links_change *change);

/* The member "links": those in force of the whole person. */
bool links_write(struct look *look, struct json_out *out, struct error *error);

#endif
