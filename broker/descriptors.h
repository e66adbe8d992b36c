#ifndef BROKER_DESCRIPTORS_H
#define BROKER_DESCRIPTORS_H

/*
 * descriptors - connections never take the last ones
 *
 * libzmq 4.3.4 ends the whole process when it cannot accept a local connection for want of a
 * descriptor (ipc_listener.cpp, accept). So accept4 is ours: a connection that would take one of
 * the last DESCRIPTORS_KEPT is closed at once, and the broker goes on with those it has.
 */

enum { DESCRIPTORS_KEPT = 32 };

/* Allow this process as many as the system does. Before any socket. */
void descriptors_init(void);

#endif
