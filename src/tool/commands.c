/* The table of commands, and the options that each of them knows. */
#include "tool/commands.h"

#include <stddef.h>

#define OPTION(member, of_kind) .name = #member, .kind = of_kind, .offset = offsetof(struct tool_options, member)
#define MIB (INT64_C(1) << 20)
#define SPAN_MAX (INT64_C(36500) * 24 * 60 * 60 * 1000)

/* Rows that many commands share. */
#define DATA OPTION(data, SETTING_TEXT), .required = true, .value_name = "DIR", .help = "Data directory"
#define MASTER_KEY OPTION(master_key, SETTING_TEXT), .value_name = "FILE", .help = MASTER_KEY_HELP
#define MASTER_KEY_HELP "File of the master key; else DIR with \".master-key\" appended"
#define LICENSE OPTION(license, SETTING_TEXT), .required = true, .value_name = "LICENSE", .help = "Which account"
#define CANCEL_WINDOW OPTION(cancel_window, SETTING_SPAN), .fallback = "7d", .max = SPAN_MAX, .value_name = "SPAN"
#define JSON OPTION(json, SETTING_FLAG), .help = "Print JSON as the server writes it"
#define USER_ID OPTION(user_id, SETTING_TEXT), .value_name = "ID", .help = "The person, by User ID; or -"
#define ANONYMOUS_ID OPTION(anonymous_id, SETTING_TEXT), .value_name = "ID", .help = "The person, by anonymous id; or -"
#define REQUEST_ID OPTION(request_id, SETTING_TEXT), .value_name = "ID"
#define NEW_REQUEST REQUEST_ID, .help = "Name of the request, or -; else a random one is made"
#define KNOWN_REQUEST REQUEST_ID, .required = true, .help = "Which request; - reads a line of standard input"

static const struct setting serve_rows[] = {
    { DATA },
    { OPTION(listen, SETTING_TEXT), .fallback = "127.0.0.1:8080", .value_name = "HOST:PORT",
      .help = "Address to serve on" },
    { CANCEL_WINDOW, .help = "How long an erasure waits and can be cancelled; 0 erases at once" },
    { MASTER_KEY },
    { OPTION(body_max_bytes, SETTING_SIZE), .fallback = "8MiB", .min = 1024, .max = 64 * MIB, .value_name = "SIZE",
      .help = "Largest request body taken" },
    { OPTION(threads, SETTING_NUMBER), .fallback = "0", .max = 256, .value_name = "N",
      .help = "Server threads; 0: one a core" },
    { OPTION(log_level, SETTING_TEXT), .fallback = "info", .value_name = "LEVEL",
      .help = "Least level logged: debug, info, warning, error" },
    { .kind = SETTING_END },
};

static const struct setting account_add_rows[] = {
    { DATA },
    { OPTION(license, SETTING_TEXT), .required = true, .value_name = "LICENSE",
      .help = "Its code in URLs: letters, digits, ~ _ -, 64 at most" },
    { OPTION(time_zone, SETTING_TEXT), .fallback = "UTC", .value_name = "ZONE",
      .help = "Where its days begin, as Europe/Berlin" },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting key_add_rows[] = {
    { DATA },
    { LICENSE },
    { OPTION(scopes, SETTING_TEXT), .fallback = "ingest,read,report,rights,admin", .value_name = "LIST",
      .help = "What the key may do" },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting attribute_rows[] = {
    { DATA },
    { LICENSE },
    { OPTION(of, SETTING_TEXT), .fallback = "both", .value_name = "KIND",
      .help = "Attribute of what: user, event, both" },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting import_rows[] = {
    { DATA },
    { LICENSE },
    { OPTION(format, SETTING_TEXT), .fallback = "auto", .value_name = "FORMAT",
      .help = "csv, webengage or segment; auto looks at each file and line" },
    { OPTION(types, SETTING_TEXT), .value_name = "LIST",
      .help = "Columns that are no text, as Visits=number,Member=boolean" },
    { OPTION(no_resume, SETTING_FLAG), .help = "Keep no file beside the input that tells how far it came" },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting erase_rows[] = {
    { DATA },
    { LICENSE },
    { USER_ID },
    { ANONYMOUS_ID },
    { NEW_REQUEST },
    { OPTION(suppress, SETTING_TEXT), .value_name = "TIME", .implied = "forever",
      .help = "Take no data of this id again, for ever or until TIME, as 2027-01-31T00:00:00Z" },
    { OPTION(drop_opt_outs, SETTING_FLAG), .help = "Forget opt-outs from marketing too" },
    { CANCEL_WINDOW, .help = "Where no server runs; a server has its own" },
    { JSON },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting request_rows[] = { { DATA },        { LICENSE }, { USER_ID },    { ANONYMOUS_ID },
                                               { NEW_REQUEST }, { JSON },    { MASTER_KEY }, { .kind = SETTING_END } };

static const struct setting re_enable_rows[] = {
    { DATA },
    { LICENSE },
    { USER_ID },
    { ANONYMOUS_ID },
    { NEW_REQUEST },
    { OPTION(told_at, SETTING_TEXT), .value_name = "TIME",
      .help = "When the person was told of it, as 2027-01-31T00:00:00Z (Art. 18(3))" },
    { OPTION(road, SETTING_TEXT), .value_name = "TEXT", .help = "By which road they were told: letter, e-mail, ..." },
    { JSON },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting request_list_rows[] = {
    { DATA },
    { LICENSE },
    { OPTION(limit, SETTING_NUMBER), .fallback = "100", .min = 1, .max = 1000, .value_name = "N",
      .help = "How many at most, newest first" },
    { OPTION(before, SETTING_NUMBER), .fallback = "0", .value_name = "NUMBER",
      .help = "Only requests numbered below this; 0: all" },
    { JSON },
    { MASTER_KEY },
    { .kind = SETTING_END },
};

static const struct setting known_request_rows[] = { { DATA }, { LICENSE },    { KNOWN_REQUEST },
                                                     { JSON }, { MASTER_KEY }, { .kind = SETTING_END } };
static const struct setting account_rows[] = { { DATA }, { LICENSE }, { MASTER_KEY }, { .kind = SETTING_END } };
static const struct setting list_rows[] = { { DATA }, { LICENSE }, { JSON }, { MASTER_KEY }, { .kind = SETTING_END } };
static const struct setting data_rows[] = { { DATA }, { JSON }, { MASTER_KEY }, { .kind = SETTING_END } };
static const struct setting no_rows[] = { { .kind = SETTING_END } };

#define STDIN_DETAIL                                                                                                   \
    "Give one of --user-id and --anonymous-id. An id given as - is read from standard input, one line an id\n"         \
    "(User ID or anonymous id first, then the request's), so that it is not seen in the list of processes."

const struct tool_command tool_commands[] = {
    { "serve", .summary = "Serve a data directory; makes it, and its master key, on first use", .purpose = PURPOSE_NONE,
      .rows = serve_rows, .check = serve_check, .run = serve_run,
      .detail = "SIGTERM finishes what was accepted, then ends. Put a TLS proxy in front before listening beyond\n"
                "this machine." },
    { "account", "add", .summary = "Add an account and print its keys, this once", .purpose = PURPOSE_NONE,
      .rows = account_add_rows, .check = account_add_check, .run = account_add,
      .detail = "Makes the data directory and its master key on first use. Prints one line of JSON." },
    { "account", "set", "NAME=VALUE...", 1, TOOL_WORDS_MAX, .summary = "Change settings of an account",
      .purpose = PURPOSE_NONE, .rows = account_rows, .check = account_set_check, .run = account_set,
      .detail = "Settings: rate_limit (requests a minute on each endpoint, 0: no limit), event_names_max,\n"
                "attribute_names_max, late_mark_days, lift_needs_notice (true or false)." },
    { "key", "add", .summary = "Make a key and print it, this once", .purpose = PURPOSE_NONE, .rows = key_add_rows,
      .check = key_add_check, .run = key_add,
      .detail = "Scopes: ingest, read, report, rights, admin. Prints one line of JSON." },
    { "key", "revoke", "NUMBER", 1, 1, .summary = "Revoke a key; the very next call with it is refused",
      .purpose = PURPOSE_NONE, .rows = account_rows, .check = key_revoke_check, .run = key_revoke },
    { "key", "list", .summary = "List the keys of an account, without their texts", .purpose = PURPOSE_NONE,
      .rows = list_rows, .run = key_list },
    { "import", NULL, "FILE...", 1, TOOL_WORDS_MAX, .summary = "Take in users and events from files",
      .purpose = PURPOSE_COLLECT, .rows = import_rows, .check = import_check, .run = import_run,
      .detail =
          "A FILE holds one JSON object a line, as for WebEngage's or Segment's API, or users as CSV with a line of\n"
          "column names; - is standard input. Refused lines are listed with the reason, and the status is then 1.\n"
          "What broke off goes on where it was when the same command is run again." },
    { "request", "erase", .summary = "Erase a person", .purpose = PURPOSE_ANSWER, .rows = erase_rows,
      .check = request_check, .run = request_erase, .detail = STDIN_DETAIL },
    { "request", "restrict", .summary = "Restrict the processing of a person's data", .purpose = PURPOSE_ANSWER,
      .rows = request_rows, .check = request_check, .run = request_restrict, .detail = STDIN_DETAIL },
    { "request", "re-enable", .summary = "End the restrictions of a person's whole profile", .purpose = PURPOSE_ANSWER,
      .rows = re_enable_rows, .check = re_enable_check, .run = request_re_enable,
      .detail = STDIN_DETAIL "\nAn account with lift_needs_notice wants --told-at." },
    { "request", "portability", .summary = "Write everything held about a person to standard output, as JSON",
      .purpose = PURPOSE_ANSWER, .rows = request_rows, .check = request_check, .run = request_portability,
      .detail = STDIN_DETAIL "\nWith --json the server's answer is printed instead." },
    { "request", "list", .summary = "List the requests of an account, newest first", .purpose = PURPOSE_ANSWER,
      .rows = request_list_rows, .run = request_list },
    { "request", "show", .summary = "Tell the state of a request", .purpose = PURPOSE_ANSWER,
      .rows = known_request_rows, .check = request_known_check, .run = request_show },
    { "request", "cancel", .summary = "Cancel an erasure while it is pending", .purpose = PURPOSE_ANSWER,
      .rows = known_request_rows, .check = request_known_check, .run = request_cancel },
    { "attribute", "set-type", "NAME TYPE", 2, 2, .summary = "Correct the type that an attribute's first value set",
      .purpose = PURPOSE_NONE, .rows = attribute_rows, .check = attribute_check, .run = attribute_set_type,
      .detail = "Types: string, number, boolean, date, array, object. Values that cannot be converted stay as sent." },
    { "audit", "verify", .summary = "Check the chain of the audit log and count its entries", .purpose = PURPOSE_NONE,
      .rows = data_rows, .run = audit_run },
    { "routes", .summary = "Print the table of routes, one line of JSON each", .purpose = PURPOSE_NONE, .rows = no_rows,
      .run = routes_run },
    { "version", .summary = "Print the version", .purpose = PURPOSE_NONE, .rows = no_rows, .run = version_run },
    { .name = NULL },
};
