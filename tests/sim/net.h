#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

/*
 * net - the network, and the broker's end of it
 *
 * Takes the place of proto/envelope.c and of the sockets: messages are passed as JSON, get lost,
 * come twice, late and in another order. A connection is known to the broker from its first
 * message until it is closed or the broker ends; to one that is not known nothing can be sent.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum net_socket { SOCKET_WORKERS, SOCKET_SUBMITTERS, SOCKET_TCP, SOCKETS };
enum { NET_PERSONS = 64 }; /* peers: workers below, persons from here on */

struct net_message;

void net_open(void);

/* A new connection of peer; its number. id: of a worker; copied. */
int64_t net_connect(int64_t peer, enum net_socket socket, const char *id);
void net_close(int64_t connection);

/* A request; takes body. */
void net_send(int64_t connection, uint32_t request, json_t *body);

/* Handlers of events; each owns the message. */
void net_at_broker(struct net_message *message);
void net_at_peer(struct net_message *message);
void net_drop(struct net_message *message);

/* Bytes that are no message. */
void net_send_rubbish(int64_t connection);

/* Is there something to read? */
bool net_readable(void);

/* The broker has ended, and with it its sockets. */
void net_broker_ended(void);

#endif
