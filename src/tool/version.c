/* `version`. */
#include "tool/version.h" /* made by the build from the project's version */

#include "tool/commands.h"

bool version_run(struct tool_run *run, struct error *error)
{
    (void)error;
    (void)fprintf(run->streams->out, "habeas %s\n", HABEAS_VERSION);
    return true;
}
