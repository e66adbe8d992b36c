#ifndef BENCH_TALK_H
#define BENCH_TALK_H

/*
 * talk - a lock-step dialogue in message bodies, whatever carries them
 */

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

struct talk {
    /* Append the body of the next request; false: nothing to say now. */
    bool (*say)(void *peer, msgpack_sbuffer *body);
    /* The body of the answer; false: it is none. */
    bool (*take)(void *peer, const void *body, size_t size);
};

#endif
