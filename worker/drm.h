#ifndef WORKER_DRM_H
#define WORKER_DRM_H

/*
 * drm - which processes have a card open, as the kernel tells it
 *
 * From the fdinfo of /dev/dri nodes (the kernel's drm-usage-stats; amdgpu since Linux 5.14, i915
 * and xe since 6.5). Only processes of this user are seen; of all, for root. Reads below
 * HWLOC_FSROOT where that is set.
 *
 * It is a hint, no proof: ROCm opens the node of every card, so only who holds memory of a card
 * counts as its user, and what computes through /dev/kfd may be missing with older kernels.
 */

#include "worker/card.h"

/* The processes that use the card at this address, "0000:03:00.0", at most max; a process is there
 * once, with the card's memory that all its clients hold. */
void drm_processes(const char *pci, struct card_process *out, size_t max, size_t *count);

#endif
