#ifndef PROTO_JSON_TEXT_H
#define PROTO_JSON_TEXT_H

/*
 * json_text - a json value as text, for the ledger's columns
 *
 * The bytes that json_dumps gives with JSON_COMPACT and JSON_ENCODE_ANY, for less: a proof is
 * written for each frame.
 */

#include <jansson.h>

/* The caller's (free). NULL for NULL, and for a nesting that nothing here has. */
char *json_text(const json_t *value);

#endif
