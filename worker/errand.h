#ifndef WORKER_ERRAND_H
#define WORKER_ERRAND_H

/*
 * errand - calls that may hang, made on a thread of their own and waited for with a deadline
 *
 * A call into a driver that hangs in the kernel comes back when it likes, or never, and nothing
 * can end it. Here whoever asked goes on after the deadline; until the lost call has come back
 * each further one is answered -ETIMEDOUT at once, so that a dead driver costs one deadline and
 * no more. One caller at a time.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct errand errand_t;

/* What is run: data is a copy of the caller's that belongs to the errand. */
typedef void errand_call(void *data);

enum { ERRAND_BYTES = 1024 }; /* of data */

/* NULL when no thread can be had. All signals are blocked on it. */
errand_t *errand_new(void);

/*
 * Run call with a copy of size bytes of data and copy them back: 0. -ETIMEDOUT: it has not come
 * back in time, data is untouched. What data points to must live as long as the errand, and longer
 * when errand_is_stuck.
 */
int errand_run(errand_t *self, errand_call *call, void *data, size_t size, int timeout_ms);

/* A call has not come back: what it uses must not be freed. */
bool errand_is_stuck(errand_t *self);

/* Ends the thread; one that is stuck is left behind with what it uses. Safe on NULL. */
void errand_destroy(errand_t **self_p);

#endif
