#ifndef BROKER_DEATHS_H
#define BROKER_DEATHS_H

/*
 * deaths - the kernel tells when the process of a local worker ends
 *
 * A worker that is killed while its request waits for an answer shows when that answer cannot be
 * delivered. One that is killed between two requests leaves no sign but the end of its lease, and
 * its frame would wait that long.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct deaths deaths_t;

deaths_t *deaths_new(void);
void deaths_destroy(deaths_t **self_p);

/* Readable while deaths_next has something; -1: the kernel tells nothing here. */
int deaths_fd(const deaths_t *self);

/* Who speaks for session is the process pid; -1 when that is not known. A machine has no more
 * workers than are watched (1,024); whoever comes later has a lease as remote ones have. */
void deaths_watch(deaths_t *self, int64_t session, int64_t pid);

void deaths_forget(deaths_t *self, int64_t session);

/* A session whose process has ended, told once; false: none. */
bool deaths_next(deaths_t *self, int64_t *session);

#endif
