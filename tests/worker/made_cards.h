#ifndef TESTS_WORKER_MADE_CARDS_H
#define TESTS_WORKER_MADE_CARDS_H

/*
 * made_cards - cards and devices of a machine that is not there, made by hand
 *
 * Everything of static life; nothing is to be released.
 */

#include "worker/device.h"

extern const struct card made_nvidia[2]; /* of one name: the UUID and the address tell them apart */
extern const struct card made_old;       /* NVIDIA without OptiX */
extern const struct card made_unknown;   /* NVIDIA whose UUID nobody tells */
extern const struct card made_mig;
extern const struct card made_amd[2];
extern const struct card made_bare_amd; /* without a unique_id */
extern const struct card made_intel;

/* A worker's device of one or two cards (NULL: none, then it is one of CPUs). */
struct device made_device(const struct card *first, const struct card *second);

#endif
