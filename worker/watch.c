#include "worker/watch.h"

#include <stdlib.h>

#include "proto/alloc.h"

/* zloop carries one pointer only. The entries are few: they live in a list until they end. */
struct entry {
    zloop_t *loop;
    int fd;
    watch_call handler;
    void *arg;
    struct entry *next;
};

static struct entry *entries;
static watch_call after_call;
static void *after_arg;

void watch_after(watch_call after, void *arg)
{
    after_call = after;
    after_arg = arg;
}

void watch_turn(void)
{
    if (after_call) {
        after_call(after_arg);
    }
}

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void)arg; /* the entry may have ended in this very turn: look it up by what is polled */
    for (struct entry *entry = entries; entry; entry = entry->next) {
        if (entry->loop == loop && entry->fd == item->fd) {
            entry->handler(entry->arg);
            watch_turn();
            break;
        }
    }
    return 0;
}

void watch_fd(zloop_t *loop, int fd, watch_call handler, void *arg)
{
    struct entry *entry = alloc_zero(1, sizeof *entry);
    *entry = (struct entry){ loop, fd, handler, arg, entries };
    entries = entry;
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };
    (void)zloop_poller(loop, &item, on_event, NULL); /* aborts on lack of memory, else 0 */
    zloop_poller_set_tolerant(loop, &item);
}

void watch_end(zloop_t *loop, int fd)
{
    for (struct entry **at = &entries; *at; at = &(*at)->next) {
        if ((*at)->loop == loop && (*at)->fd == fd) {
            struct entry *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
    }
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };
    zloop_poller_end(loop, &item);
}
