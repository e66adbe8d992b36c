#ifndef PROTO_RANDOM_H
#define PROTO_RANDOM_H

/*
 * random - numbers that nobody can guess, from the kernel
 */

#include <stddef.h>
#include <stdint.h>

/* Write digits lower-case hex digits and a NUL: out has room for digits + 1 bytes. */
void random_hex(char *out, size_t digits);

/* Uniform in 0 .. limit - 1; limit 0 gives 0. For jitter. */
uint32_t random_below(uint32_t limit);

#endif
