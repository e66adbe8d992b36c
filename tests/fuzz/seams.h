#ifndef TESTS_FUZZ_SEAMS_H
#define TESTS_FUZZ_SEAMS_H

/*
 * seams - what the broker has of the outside, without sockets and child processes
 *
 * seams.c has the functions of proto/envelope.h, proto/process.h and broker/filework.h, so the
 * linker takes these and not the product's: the handlers behind the sockets run as they are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/envelope.h"

/* Stand for the two sockets; nothing looks into them. */
extern zsock_t *const seams_workers;
extern zsock_t *const seams_submitters;

/* The next message that the socket gives out. */
void seams_put(zsock_t *socket, const struct envelope_address *from, const void *body, size_t size);

/* Give that message so many blobs. */
void seams_blobs(size_t count);

/* Is it still there? */
bool seams_unread(void);

/* The target's: an answer goes out. The outcome of the sending. */
int seams_sent(zsock_t *socket, const struct envelope_address *to, const void *body, size_t size);

/* What the next look at files finds, as a number that the input chose. */
void seams_files(uint8_t choice);

#endif
