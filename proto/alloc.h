#ifndef PROTO_ALLOC_H
#define PROTO_ALLOC_H

/*
 * alloc - memory that is there or ends the program
 *
 * Every function aborts with a message when there is no memory: the queue is on disk, and no
 * caller has a better answer. So a length that comes from outside is checked against a named
 * limit before it gets here. What is returned is released with free().
 */

#include <stddef.h>

/* count * size zeroed bytes; aborts as well when the product overflows. Never NULL. */
void *alloc_zero(size_t count, size_t size);

/* realloc of an array to count * size bytes; new bytes are not zeroed. */
void *alloc_resize(void *pointer, size_t count, size_t size);

/* A copy of text; NULL gives NULL. */
char *alloc_text(const char *text);

/* A copy of size bytes with a NUL after them. */
char *alloc_bytes(const void *bytes, size_t size);

/* printf into memory of the right size. */
char *alloc_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
