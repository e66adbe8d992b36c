#ifndef BENCH_ZMTP_H
#define BENCH_ZMTP_H

/*
 * zmtp - the bytes of a REQ socket: greeting, and requests in the envelope of proto/envelope.h
 *
 * ZMTP 3.0, mechanism NULL, written by hand: a libzmq socket a worker would cost two descriptors
 * and a second thread on the side that is not measured.
 */

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/engine.h"
#include "tests/bench/talk.h"

/* What carries a talk's bodies over a socket of the engine. */
struct zmtp {
    const struct talk *talk;
    void *peer;       /* of the talk */
    bool greeted;     /* the other side has answered the greeting */
    uint32_t request; /* the newest request id */
};

/* Its peers are struct zmtp. */
extern const struct engine_talk zmtp_talk;

#endif
