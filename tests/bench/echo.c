/*
 * bench_echo - the ceiling: a raw ROUTER that sends every message back and does nothing else
 *
 *     bench_echo ENDPOINT BYTES    until standard input ends
 *
 * Its socket is set up as the broker's; it drains it, then sends, as the broker does. BYTES: all of
 * a body that is sent back, as answers of the broker are shorter than the requests.
 */

#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096, PARTS = 16 };

/* An answer of so many bytes, with the first of the request. */
static void cut(zmq_msg_t *body, size_t bytes)
{
    if (zmq_msg_size(body) > bytes) {
        zmq_msg_t shorter;
        if (zmq_msg_init_size(&shorter, bytes) == 0) {
            memcpy(zmq_msg_data(&shorter), zmq_msg_data(body), bytes);
            (void)zmq_msg_move(body, &shorter); /* both are messages */
        }
    }
}

static bool bounce(void *socket, size_t bytes)
{
    zmq_msg_t part[PARTS];
    int count = 0;
    bool more = true;
    while (more && count < PARTS) {
        (void)zmq_msg_init(&part[count]);
        if (zmq_msg_recv(&part[count], socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&part[count]);
            break;
        }
        more = zmq_msg_more(&part[count]) != 0;
        count++;
    }
    if (count > 0) {
        cut(&part[count - 1], bytes);
    }
    for (int i = 0; i < count; i++) {
        if (zmq_msg_send(&part[i], socket, ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) < 0) {
            (void)zmq_msg_close(&part[i]);
        }
    }
    return count > 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fputs("usage: bench_echo ENDPOINT BYTES\n", stderr);
        return 2;
    }
    size_t bytes = strtoull(argv[2], NULL, 10);
    zsock_t *router = zsock_new(ZMQ_ROUTER);
    zsock_set_backlog(router, BACKLOG);
    if (zsock_bind(router, "%s", argv[1]) < 0) {
        (void)fprintf(stderr, "bench_echo: %s: %s\n", argv[1], zmq_strerror(zmq_errno()));
        return 1;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    void *socket = zsock_resolve(router);
    zmq_pollitem_t items[] = {
        { .socket = socket, .events = ZMQ_POLLIN },
        { .fd = STDIN_FILENO, .events = ZMQ_POLLIN },
    };
    while (zmq_poll(items, 2, -1) > 0 && !items[1].revents) {
        while (bounce(socket, bytes)) {
        }
    }
    zsock_destroy(&router);
    return 0;
}
