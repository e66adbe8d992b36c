#ifndef BROKER_JSON_BLOCKS_H
#define BROKER_JSON_BLOCKS_H

/*
 * json_blocks - the memory of jansson's trees, kept at hand from message to message
 *
 * The tree of a message is a hundred small blocks that live for microseconds; glibc keeps seven of
 * a size at hand and takes the long way for the others. Here as many are kept as the trees of some
 * messages need, 2.5 MiB at most. They are blocks of malloc all the same: what jansson made earlier
 * goes on to be valid, and free() may release what json_dumps gives. For a program that uses
 * jansson in one thread only.
 */

/* From now on. A build with AddressSanitizer, which is to see every block go, stays as it is. */
void json_blocks_keep(void);

#endif
