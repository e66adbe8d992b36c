#ifndef WORKER_WATCH_H
#define WORKER_WATCH_H

/*
 * watch - call a function when a descriptor of the loop is readable or at its end
 *
 * A thin layer over zloop: pipes report their end as an error, which zloop would end the watch
 * for, and a handler may end watches, its own too. After each call the loop's owner gets its turn
 * (watch_after): that is where what happened leads to something.
 */

#include <czmq.h>

typedef void (*watch_call)(void *arg);

/* Call handler(arg) while fd is readable, at its end, or broken. */
void watch_fd(zloop_t *loop, int fd, watch_call handler, void *arg);

/* Before the descriptor is closed. */
void watch_end(zloop_t *loop, int fd);

/* Called after each handler; one for the process. NULL: nothing. */
void watch_after(watch_call after, void *arg);

/* Give the owner its turn now: for handlers of sockets, which zloop calls by itself. */
void watch_turn(void);

#endif
