#ifndef SUBMIT_HOOK_FACTS_H
#define SUBMIT_HOOK_FACTS_H

/*
 * hook_facts - what a hook is told: an object of strings, see dblend(1), HOOKS
 */

#include <jansson.h>
#include <sys/types.h>

#include "submit/talk.h"

/* Of every hook; with those of the event's worker. event: of LOG, or NULL. Owned. */
json_t *hook_facts(const char *role, pid_t owner, const json_t *event);

/* Add those of the event's job and frame; what the broker does not answer is left out. */
void hook_facts_job(json_t *facts, talk_t *talk, const json_t *event);

#endif
