/* What the rows of the table of commands (commands.c) run. Each file holds one command or one group of them. */
#ifndef HABEAS_TOOL_COMMANDS_H
#define HABEAS_TOOL_COMMANDS_H

#include "tool/tool.h"

typedef bool tool_step(struct tool_run *run, struct error *error);

tool_step serve_check, serve_run;
tool_step account_add_check, account_add, account_set_check, account_set;
tool_step key_add_check, key_add, key_revoke_check, key_revoke, key_list;
tool_step import_check, import_run;
tool_step attribute_check, attribute_set_type;
tool_step request_check, re_enable_check, request_erase, request_restrict, request_re_enable, request_portability;
tool_step request_known_check, request_list, request_show, request_cancel;
tool_step routes_run, audit_run, version_run;

#endif
