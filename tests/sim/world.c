#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "tests/sim/broker.h"
#include "tests/sim/chaos.h"
#include "tests/sim/hand.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/person.h"

struct event {
    int64_t at_ms;
    int64_t order; /* of those at one time the first goes first */
    enum world_event kind;
    int64_t who;
    void *load;
};

enum { MOST_STEPS = 400000 };

struct world world;
void (*world_on_failure)(const char *text);

/* A heap of what is to come; its memory is kept from history to history. */
static struct event *heap;
static size_t heap_count;
static size_t heap_room;
static int64_t next_order;

bool world_has_cards(void)
{
    return world.seed % 4 == 1;
}

void world_open(uint64_t seed, bool traced)
{
    world = (struct world){ .seed = seed, .traced = traced, .now_ms = 1000 };
    world.random = seed * 0x9e3779b97f4a7c15ULL + 0x1234567;
    world.wall_offset_ms = WORLD_WALL_MS;
    heap_count = 0;
    next_order = 0;
}

void world_close(void)
{
    for (size_t i = 0; i < heap_count; i++) {
        if (heap[i].kind == EVENT_TO_BROKER || heap[i].kind == EVENT_TO_PEER) {
            net_drop(heap[i].load);
        }
    }
    heap_count = 0;
}

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = world.random += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint32_t world_below(uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)(((next_random() >> 32) * limit) >> 32);
}

bool world_chance(uint32_t thousandths)
{
    return thousandths > 0 && world_below(1000) < thousandths;
}

int64_t world_wall_ms(void)
{
    return world.now_ms + world.wall_offset_ms;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void world_add(int64_t at_ms, enum world_event kind, int64_t who, void *load)
{
    if (heap_count == heap_room) {
        heap_room = heap_room ? 2 * heap_room : 256;
        heap = alloc_resize(heap, heap_room, sizeof *heap);
    }
    struct event event = { at_ms, next_order++, kind, who, load };
    size_t at = heap_count++;
    while (at > 0 && before(&event, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = event;
}

static struct event take_first(void)
{
    struct event first = heap[0];
    struct event last = heap[--heap_count];
    size_t at = 0;
    for (size_t child = 1; child < heap_count; child = 2 * at + 1) {
        if (child + 1 < heap_count && before(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!before(&heap[child], &last)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static void happen(const struct event *event)
{
    switch (event->kind) {
    case EVENT_TO_BROKER:
        net_at_broker(event->load);
        return;
    case EVENT_TO_PEER:
        net_at_peer(event->load);
        return;
    case EVENT_WAKE:
        broker_wake();
        return;
    case EVENT_TIMER:
        broker_timer(event->who);
        return;
    case EVENT_FILES:
        broker_files();
        return;
    case EVENT_BOOT:
        broker_boot(event->who);
        return;
    case EVENT_HAND:
        hand_wake((size_t)(event->who & 0xff), event->who >> 8);
        return;
    case EVENT_PERSON:
        person_wake(event->who);
        return;
    case EVENT_CHAOS:
        chaos_wake();
        return;
    }
}

bool world_step(void)
{
    if (heap_count == 0) {
        return false;
    }
    struct event event = take_first();
    if (event.at_ms > world.now_ms) {
        world.now_ms = event.at_ms;
    }
    if (++world.steps > MOST_STEPS) {
        char why[200] = "";
        (void)oracle_all_over(why, sizeof why);
        world_fail("it does not end in %d steps: %s", MOST_STEPS, why);
    }
    happen(&event);
    return true;
}

void world_trace(const char *format, ...)
{
    char line[2000];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    printf("%5" PRId64 " %9.3f s  %s\n", world.steps, (double)world.now_ms / 1000, line);
}

void world_fail(const char *format, ...)
{
    char line[2000];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    TRACE("FAILED: %s", line);
    (void)fflush(stdout);
    if (world_on_failure) {
        world_on_failure(line);
    }
    _exit(1);
}
