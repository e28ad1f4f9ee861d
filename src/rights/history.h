/* What is held about a person beside the profile and events: requests made for them, rights that stood or stand, and data
 * that waits for the end of a cancel window. Part of the portability document (Art. 15(1), 20). */
#ifndef HABEAS_RIGHTS_HISTORY_H
#define HABEAS_RIGHTS_HISTORY_H

#include "rights/access.h"

/* The members "requests", "rightsHistory" and "parked". */
bool history_write(struct look *look, struct json_out *out, struct error *error);

#endif
