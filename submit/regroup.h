#ifndef SUBMIT_REGROUP_H
#define SUBMIT_REGROUP_H

/*
 * regroup - idle workers end so that others start with their cards in groups, or one card each
 *
 * The broker says how many cards a group is to have; the jobs that wait for it are given to no
 * worker of another size meanwhile (broker/queue/groups). A worker that has a job is left in
 * peace, and one that nobody has heard of yet is waited for. A group that does not start, or fails,
 * because one of its cards is held or gone, is taken apart again: then the others work alone.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "submit/member.h"

typedef struct regroup regroup_t;

/* Of the ids of these cards, in their order. */
regroup_t *regroup_new(const json_t *cards);
void regroup_destroy(regroup_t **self_p);

/*
 * Tell those of the workers to leave whose cards are to work in groups of size; 0: nobody wishes
 * for any. A group that rests because one of its cards fails is taken apart. workers: as the broker
 * lists them. members: workers only.
 */
void regroup_begin(regroup_t *self, struct member **members, size_t count, const json_t *workers,
                   int64_t size);

/* Is one of these workers a group? */
bool regroup_any(struct member *const *members, size_t count);

/* This one has ended, not because it was told to: a group is taken apart where it cannot start. */
void regroup_part(regroup_t *self, struct member *member, enum member_end end);

/* Once those that were told to leave have ended: the devices to start now, owned. Else NULL. */
json_t *regroup_due(regroup_t *self, struct member *const *members, size_t count);

/* Take those that were told to leave, and have ended, out of the list: how many are left. */
size_t regroup_drop(struct member **members, size_t count);

/* Has a group failed, so that for a while no other is tried? */
bool regroup_refuses(const regroup_t *self);

/* So many cards has a device. */
size_t regroup_cards(const char *device);

#endif
