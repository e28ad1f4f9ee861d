/* Every route of the program. */
#include "api/app_inside.h"

const struct route *const app_routes[] = {
    ingest_routes,  segment_routes, opengdpr_routes,  user_routes, link_routes,
    request_routes, admin_routes,   operation_routes, NULL,
};
