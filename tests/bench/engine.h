#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

/*
 * engine - many lock-step peers in one thread: ask, wait for the answer, ask again
 *
 * Plain sockets and epoll, so that the side that makes the load costs as little as it can: on a
 * machine with few cores it takes from what is measured. What is said is up to a talk.
 */

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/tally.h"

typedef struct engine engine_t;

/* A dialogue; peer is what engine_add was given. */
struct engine_talk {
    /* Append the next request to out; false: nothing to say now. */
    bool (*ask)(void *peer, msgpack_sbuffer *out);
    /* How many bytes the answer at the front of data has; 0: more must come; -1: it is bad. */
    ssize_t (*hear)(void *peer, const uint8_t *data, size_t size);
};

engine_t *engine_new(const struct engine_talk *talk);
void engine_destroy(engine_t **self_p);

/* Connect to "ipc://PATH", "unix:PATH" or a port of 127.0.0.1 ("PORT"). Ends the program if it
 * cannot: nothing can be measured then. peer is borrowed. */
void engine_add(engine_t *self, const char *where, void *peer);

/* What was counted; tally_begin counts anew. */
struct tally *engine_tally(engine_t *self);

/* Run until done(context) or seconds are over (0: no limit); ends the program when a peer breaks
 * off or says nonsense. Peers that had nothing to say are asked again at its start. */
void engine_run(engine_t *self, double seconds, bool (*done)(void *context), void *context);

/* Ask every peer anew, also those that wait: what is still on its way to them is for the talk to
 * leave out. */
void engine_supersede(engine_t *self);

/* One line for people on standard error, and the end. */
_Noreturn void engine_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
