/* The framing guard: refuses a request whose head two programs could read in two ways, because a proxy in front and
 * this server would then not agree where one request ends and the next begins.
 *
 * The HTTP library (libmicrohttpd 0.9.75) reads heads tolerantly: it takes a bare LF for a line end, joins folded
 * lines, skips NULs and odd spaces, takes the first of two lengths. It hands out names and values as pointers into the
 * one buffer that the head was received in, where it has written NUL over the colon and over both bytes of each line
 * end. So the guard does not read the head again: it checks that what the library found tiles it. Each name must
 * begin exactly where the line before it ended with two NULs, between name and value may lie one NUL and white space,
 * and the head must end two bytes behind the last line. A folded line (joined elsewhere), a bare LF (one NUL), a NUL
 * inside a line, anything that was skipped: all leave a gap.
 *
 * Relied on, and proved by the table in test/http/framing_test.c against the library that is installed: the pointers
 * lie in one buffer in order, and the size of the head counts from its method to behind its empty line. A library that
 * copies instead fails every request, not none.
 *
 * Not seen, since it leaves the same two NULs: NUL LF in the place of CR LF. Such a line means what it would with
 * CR LF. Nor are lines that are empty or begin with NUL before the request line, which the library skips. */
#ifndef HABEAS_HTTP_FRAMING_H
#define HABEAS_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct framing {
    const char *at;    /* where the next line must begin; NULL once something is wrong */
    const char *end;   /* behind the empty line that ends the head */
    const char *wrong; /* the first thing found wrong, in words; NULL while all is well */
    bool is_http_1_0, is_chunked;
    int hosts, lengths, codings; /* how many of these headers there were */
    uint64_t content_length;
};

/* `method` and `version` are the library's NUL-terminated words in the buffer, `target` is a copy of what was sent
 * between them (the library writes into its own), `head_len` the length of the whole head. */
void framing_begin(struct framing *framing, const char *method, struct str target, const char *version,
                   size_t head_len);
/* Each header line in its order. */
void framing_header(struct framing *framing, struct str name, struct str value);
/* Behind the last one: what is wrong with the request, or NULL. */
const char *framing_end(struct framing *framing);

#endif
