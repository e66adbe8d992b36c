#ifndef SUBMIT_GIVEN_H
#define SUBMIT_GIVEN_H

/*
 * given - the options of a job as a person would type them
 */

#include <jansson.h>

/*
 * "--frames=1-24 --samples=16 --trust-scripts", from the options map of PROTOCOL.md 4.1; quoted
 * for a shell, ready to paste. "" for an empty map. The caller frees it.
 */
char *given_text(json_t *map);

#endif
