/* What is held about a person beside the profile and events: requests made for them, rights that stood or stand, and data
 * that waits for the end of a cancel window. Part of the portability document (Art. 15(1), 20). */
#ifndef HABEAS_RIGHTS_HISTORY_H
#define HABEAS_RIGHTS_HISTORY_H

#include "rights/access.h"

/* The members "requests" and "rightsHistory". */
bool history_write(struct look *look, struct json_out *out, struct error *error);
/* Where in the parked data of a person: begins zeroed. */
struct history_place {
    uint32_t ordinal; /* of the subject */
    uint64_t number;  /* of its last item that was written */
};
/* One slice of parked data as elements of an open array; moves `place` on. *more false: that was all. */
bool history_parked(struct look *look, struct history_place *place, bool *more, struct json_out *out,
                    struct error *error);

#endif
