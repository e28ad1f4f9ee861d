/* The same commands by both doors: a data directory that this process opens, and one that is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/when.h"
#include "http/server.h"
#include "tool/control.h"
#include "tool/door.h"
#include "tool/opening.h"

enum { PATH_LONG = 600 };

struct place {
    char root[64], data[PATH_LONG];
};

/* Two levels of long names where `is_long`: past what a Unix socket's address can hold. */
static void place_make(struct place *place, bool is_long)
{
    char name[121] = "";

    strcpy(place->root, "/tmp/habeas-door-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    memset(name, 'n', is_long ? sizeof name - 1 : 1);
    snprintf(place->data, sizeof place->data, "%s/%s", place->root, name);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void place_remove(struct place *place)
{
    assert_int_equal(nftw(place->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- a server that tells what it was asked ---- */

struct seen {
    enum http_method method;
    enum http_door door;
    char path[200], query[200], body[200];
    int status;
    const char *answer;
};

static void copy(char out[200], struct str text)
{
    snprintf(out, 200, "%.*s", STR_ARG(text));
}

static enum http_next note(void *arg, struct http_exchange *exchange, struct http_request *request,
                           struct http_reply *reply)
{
    struct seen *seen = arg;

    (void)exchange;
    seen->method = request->method;
    seen->door = request->door;
    copy(seen->path, request->path);
    copy(seen->query, request->query);
    copy(seen->body, request->body);
    reply->status = seen->status;
    buf_add(&reply->body, str_of(seen->answer));
    return HTTP_DONE;
}

static void finish(void *arg, struct http_exchange *exchange, struct http_request *request, struct http_reply *reply)
{
    (void)arg;
    (void)exchange;
    (void)request;
    (void)reply;
}

struct fake {
    struct place place;
    struct seen seen;
    struct control_path path;
    struct when_clock clock;
    struct http_server *server;
    int lock;
};

static void fake_open(struct fake *fake, bool is_long)
{
    const struct http_limits limits = { 1 << 20, 1 << 24, 16 * 1024, 5000, 5000, 100, 1 };
    const struct http_handler handler = { .arg = &fake->seen, .begin = note, .finish = finish };
    struct error error = { 0 };
    char lock[PATH_LONG + 8];

    *fake = (struct fake){ .seen = { .status = 200, .answer = "{}" } };
    place_make(&fake->place, is_long);
    assert_int_equal(mkdir(fake->place.data, 0700), 0);
    snprintf(lock, sizeof lock, "%s/lock", fake->place.data);
    fake->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fake->lock, LOCK_EX | LOCK_NB), 0);
    assert_true(control_path_open(fake->place.data, &fake->path, &error));
    assert_true(strlen(fake->path.text) < sizeof fake->path.text);
    assert_true(
        http_server_open("127.0.0.1:0", fake->path.text, &limits, &handler, &fake->clock, &fake->server, &error));
}

static void fake_close(struct fake *fake)
{
    http_server_close(fake->server);
    control_path_close(&fake->path);
    close(fake->lock);
    place_remove(&fake->place);
}

static struct tool_options options_of(const struct place *place)
{
    return (struct tool_options){ .data = place->data, .master_key = "", .license = "shop", .cancel_window = -1 };
}

static void a_served_directory_is_reached_by_its_socket_however_long_its_path(void **state)
{
    (void)state;
    for (int is_long = 0; is_long < 2; is_long++) {
        struct fake fake;
        struct error error = { 0 };
        struct door *door = NULL;
        struct buf out;
        int status = 0;

        fake_open(&fake, is_long);
        fake.seen.answer = "{\"taken\":true}";
        fake.seen.status = 201;
        struct tool_options options = options_of(&fake.place);
        /* A proxy of the environment has no say. */
        setenv("http_proxy", "http://127.0.0.1:1", 1);
        setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
        assert_true(door_open(&options, false, &door, &error));
        buf_init(&out, 1000);
        assert_true(
            door_call(door, HTTP_POST, STR("/a/..%2F/../b?license=x%20y"), STR("{\"a\":1}"), &status, &out, &error));
        assert_int_equal(status, 201);
        assert_true(str_equal(buf_str(&out), STR("{\"taken\":true}")));
        assert_int_equal(fake.seen.door, DOOR_CONTROL);
        assert_int_equal(fake.seen.method, HTTP_POST);
        assert_string_equal(fake.seen.path, "/a/..%2F/../b");
        assert_string_equal(fake.seen.query, "license=x%20y");
        assert_string_equal(fake.seen.body, "{\"a\":1}");
        buf_clear(&out);
        door_close(door);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
        fake_close(&fake);
    }
}

static void every_method_arrives_as_it_was_meant(void **state)
{
    const struct {
        enum http_method method;
        struct str body;
    } cases[] = {
        { HTTP_GET, STR("") },          { HTTP_POST, STR("{}") }, { HTTP_POST, STR("") },
        { HTTP_PUT, STR("{\"b\":2}") }, { HTTP_DELETE, STR("") },
    };
    struct fake fake;
    struct tool_options options;
    struct error error = { 0 };
    struct door *door = NULL;

    (void)state;
    fake_open(&fake, false);
    options = options_of(&fake.place);
    assert_true(door_open(&options, false, &door, &error));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        int status = 0;

        buf_init(&out, 1000);
        assert_true(door_call(door, cases[i].method, STR("/x"), cases[i].body, &status, &out, &error));
        if (fake.seen.method != cases[i].method || !str_equal(str_of(fake.seen.body), cases[i].body))
            fail_msg("case %zu", i);
        buf_clear(&out);
    }
    door_close(door);
    fake_close(&fake);
}

static void a_refusal_becomes_the_error_in_the_servers_words(void **state)
{
    const struct {
        int status;
        const char *answer, *text; /* NULL: no error */
    } cases[] = {
        { 200, "{}", NULL },
        { 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"no such thing\"}}", "no such thing" },
        { 400, "{\"response\":{\"message\":\"wrong field\",\"status\":\"error\"}}", "wrong field" },
        { 400, "{\"subject_request_id\":\"x\",\"message\":\"already used\"}", "already used" },
        { 500, "<html>", "the answer was not understood (status 500): look at the log" },
        { 500, "[1]", "the answer was not understood (status 500): look at the log" },
        { 200, "{\"cut\":", "the answer was not understood (status 200): look at the log" },
    };
    struct fake fake;
    struct tool_options options;
    struct error error = { 0 };
    struct door *door = NULL;

    (void)state;
    fake_open(&fake, false);
    options = options_of(&fake.place);
    assert_true(door_open(&options, false, &door, &error));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct json *document;
        struct arena arena;

        fake.seen.status = cases[i].status;
        fake.seen.answer = cases[i].answer;
        arena_init(&arena, 1 << 20);
        bool ok = door_ask(door, HTTP_GET, STR("/x"), STR(""), &arena, &document, &error);
        if (ok != (cases[i].text == NULL) || (!ok && strcmp(error.text, cases[i].text) != 0))
            fail_msg("'%s': %s", cases[i].answer, error.text);
        arena_clear(&arena);
    }
    door_close(door);
    fake_close(&fake);
}

static void a_document_goes_to_the_stream_and_a_refusal_does_not(void **state)
{
    struct fake fake;
    struct tool_options options;
    struct error error = { 0 };
    struct door *door = NULL;
    FILE *stream = tmpfile();
    char text[100] = "";

    (void)state;
    fake_open(&fake, false);
    options = options_of(&fake.place);
    assert_true(door_open(&options, false, &door, &error));
    fake.seen.status = 404;
    fake.seen.answer = "{\"error\":{\"message\":\"gone\"}}";
    assert_false(door_stream(door, STR("/x"), stream, &error));
    assert_string_equal(error.text, "gone");
    fake.seen.status = 200;
    fake.seen.answer = "{\"whole\":1}";
    assert_true(door_stream(door, STR("/x"), stream, &error));
    rewind(stream);
    assert_int_equal(fread(text, 1, sizeof text, stream), 11);
    assert_string_equal(text, "{\"whole\":1}");
    fclose(stream);
    door_close(door);
    fake_close(&fake);
}

/* ---- without a server ---- */

static int run_line(const struct place *place, const char *line, char out[2000], char err[2000])
{
    char copy_of_line[1000], *rest = copy_of_line, *argv[20] = { "habeas" };
    struct tool_streams streams = { stdin, tmpfile(), tmpfile() };
    int argc = 1;

    snprintf(copy_of_line, sizeof copy_of_line, "%s --data=%s", line, place->data);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = word;
    int status = tool_main(argc, argv, &streams);
    rewind(streams.out);
    out[fread(out, 1, 1999, streams.out)] = '\0';
    rewind(streams.err);
    err[fread(err, 1, 1999, streams.err)] = '\0';
    fclose(streams.out);
    fclose(streams.err);
    return status;
}

static void an_account_and_its_keys_are_made_without_a_server(void **state)
{
    struct place place;
    char out[2000], err[2000], key[100];

    (void)state;
    place_make(&place, false);
    assert_int_equal(run_line(&place, "account add --license shop", out, err), TOOL_DONE);
    assert_int_equal(
        sscanf(out, "{\"license\":\"shop\",\"api_key\":\"%90[A-Za-z0-9_-]\",\"write_key\":\"%90[A-Za-z0-9_-]\"}\n", key,
               key),
        2);
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    assert_int_equal(run_line(&place, "account add --license shop", out, err), TOOL_FAILED);
    assert_non_null(strstr(err, "habeas: license: "));
    assert_int_equal(run_line(&place, "key add --license shop --scopes read", out, err), TOOL_DONE);
    assert_non_null(strstr(out, "{\"number\":3,\"scopes\":\"read\",\"key\":\"hba_"));
    assert_int_equal(run_line(&place, "key revoke 3 --license shop", out, err), TOOL_DONE);
    assert_int_equal(run_line(&place, "key revoke 3 --license shop", out, err), TOOL_FAILED);
    assert_int_equal(run_line(&place, "key list --license shop", out, err), TOOL_DONE);
    assert_memory_equal(out, "NUMBER  SCOPES ", 15);
    assert_int_equal(run_line(&place, "account set --license shop rate_limit=7", out, err), TOOL_DONE);
    assert_non_null(strstr(out, "rate_limit           7\n"));
    assert_int_equal(run_line(&place, "request list --license shop --json", out, err), TOOL_DONE);
    assert_string_equal(out, "{\"requests\":[]}\n");
    assert_int_equal(run_line(&place, "request erase --license shop --user-id ann", out, err), TOOL_FAILED);
    assert_int_equal(run_line(&place, "audit verify", out, err), TOOL_DONE);
    assert_non_null(strstr(out, " entries, the chain is whole\n"));
    place_remove(&place);
}

static void only_the_command_that_may_makes_a_directory(void **state)
{
    struct place place;
    char out[2000], err[2000];

    (void)state;
    place_make(&place, false);
    assert_int_equal(run_line(&place, "key list --license shop", out, err), TOOL_FAILED);
    assert_non_null(strstr(err, "habeas: there is no data directory "));
    assert_int_equal(access(place.data, F_OK), -1);
    place_remove(&place);
}

static void another_command_that_holds_the_directory_is_waited_for(void **state)
{
    struct place place;
    struct error error = { 0 };
    struct tool_options options;
    struct app *app = NULL;
    struct door *door = NULL;

    (void)state;
    place_make(&place, false);
    options = options_of(&place);
    struct engine_options engine = opening_engine(&options, true);
    assert_int_equal(opening_app(&engine, &app, &error), OPENING_DONE);
    pid_t holder = fork();
    if (holder == 0) {
        /* A file description that outlives the app's: it holds the lock for a while longer. */
        usleep(400000);
        _exit(0);
    }
    app_close(app);
    assert_true(engine_is_served(place.data));
    assert_true(door_open(&options, false, &door, &error));
    door_close(door);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_served_directory_is_reached_by_its_socket_however_long_its_path),
        cmocka_unit_test(every_method_arrives_as_it_was_meant),
        cmocka_unit_test(a_refusal_becomes_the_error_in_the_servers_words),
        cmocka_unit_test(a_document_goes_to_the_stream_and_a_refusal_does_not),
        cmocka_unit_test(an_account_and_its_keys_are_made_without_a_server),
        cmocka_unit_test(only_the_command_that_may_makes_a_directory),
        cmocka_unit_test(another_command_that_holds_the_directory_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
