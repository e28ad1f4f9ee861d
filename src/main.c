/* The program. What it can do stands in the table of commands (tool/commands.c). */
#include "tool/tool.h"

int main(int argc, char **argv)
{
    const struct tool_streams streams = { stdin, stdout, stderr };

    return tool_main(argc, argv, &streams);
}
