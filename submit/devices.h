#ifndef SUBMIT_DEVICES_H
#define SUBMIT_DEVICES_H

/*
 * devices - which devices of this machine get a worker each
 *
 * Without a list: every GPU that can be used, or all cores as one where there is none. What is
 * left out is told with its reason.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * list: of --devices, or NULL. low_impact: without GPUs that have a display; where no other is
 * left, half of the cores. *out is an owned array of device ids. 0, or the exit status for dblend
 * after telling why not.
 */
int devices_choose(const char *list, bool low_impact, json_t **out);

/* Say on which ones workers start. */
void devices_tell(const json_t *devices);

/* May they be joined into groups: more than one GPU, all of one make? */
bool devices_can_group(const json_t *devices);

/*
 * For fewer frames than cards: the same cards in groups of equal size, as large as possible with
 * one group a frame at least; a card that is left over stays out. Owned; without need a copy.
 */
json_t *devices_group(const json_t *devices, int64_t frames);

/* In groups of size; those that do not fill one stay out. Owned. */
json_t *devices_join(const json_t *devices, size_t size);

#endif
