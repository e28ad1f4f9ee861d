/* Jansson's opinion of a JSON text. In a file of its own, as its names are those of base/json_read.h too. */
#ifndef HABEAS_TEST_BASE_JSON_ORACLE_H
#define HABEAS_TEST_BASE_JSON_ORACLE_H

#include "base/str.h"

enum opinion {
    ORACLE_REFUSES,
    ORACLE_ACCEPTS,
    ORACLE_OVERFLOWS, /* a number too large for a double or an int64: we keep the digits as they were sent */
};
enum opinion json_oracle(struct str text);

#endif
