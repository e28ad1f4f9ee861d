/* Jansson, told to be as strict as we are: no duplicate names, any value as a document, NUL in texts but not in names. */
#include "json_oracle.h"

#include <jansson.h>

enum opinion json_oracle(struct str text)
{
    json_error_t error;
    json_t *root =
        json_loadb(text.at ? text.at : "", text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (root) {
        json_decref(root);
        return ORACLE_ACCEPTS;
    }
    return json_error_code(&error) == json_error_numeric_overflow ? ORACLE_OVERFLOWS : ORACLE_REFUSES;
}
