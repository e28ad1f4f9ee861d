/* Links: dated edges from an anonymous subject to a known user, or (alias) from one known user to another. They say whose
 * data it is; rows and seals never move. Each can be taken back. */
#ifndef HABEAS_LEDGER_LINK_H
#define HABEAS_LEDGER_LINK_H

#include "ledger/gate.h"
#include "ledger/person.h"

/* An edge, unless these two have one. ERROR_LIMITED where the person would be of too many subjects. */
bool link_add(struct ledger *ledger, struct account *account, uint32_t ordinal, uint32_t user, uint32_t source,
              struct error *error);
/* Takes the edge between the two back. Both sides keep what was denied to them together. ERROR_NOT_FOUND. */
bool link_remove(struct ledger *ledger, struct seat *seat, struct account *account, uint32_t ordinal, uint32_t user,
                 uint32_t source, struct error *error);

/* An anonymous id belongs to the user it was last identified with. Its first user gets what came before; from then on it
 * is another subject with each further user, the same one whenever it comes back to them. */
struct link_joining {
    uint32_t user;
    struct fingerprint print; /* of the anonymous id */
    uint32_t source;
    bool is_decided; /* by those who answer for the data: joins what was taken back, too, and whatever is denied */
    int64_t said_ms; /* of what was parked: when it came; who was given the id since keeps it. 0: now */
    uint32_t joined; /* answer: the id's subject of this user; 0 where a right or a later word stands against joining */
    bool is_new;     /* answer: it was made just now and has no record yet */
};
bool link_join(struct ledger *ledger, struct seat *seat, struct account *account, struct link_joining *joining,
               struct error *error);

/* In force, that start or end at one subject; from any handle. */
struct link_row {
    uint32_t ordinal, user, source;
    int64_t since_ms;
};
typedef bool link_each(void *arg, const struct link_row *link, struct error *error);
bool links_from(struct db *db, uint32_t account, uint32_t ordinal, link_each *each, void *arg, struct error *error);
/* Of the subjects that an anonymous id has meant, the first with a link to this person. */
bool link_find(struct db *db, uint32_t account, const struct fingerprint *print, const struct person *person,
               struct link_row *out, bool *found, struct error *error);

#endif
