#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

/*
 * world - one history: its random numbers, its two clocks, and what happens next
 *
 * Everything that happens is an event at a time of the simulated monotonic clock; an event is a
 * step. Nothing here waits: the clock jumps to the next event. All of it follows from the seed.
 * There is one world at a time in a process, so that the functions of the product that take no
 * context (clocks, random numbers, the log) can be answered from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum world_event {
    EVENT_TO_BROKER, /* a message arrives there */
    EVENT_TO_PEER,   /* an answer arrives at a worker or a person */
    EVENT_WAKE,      /* the broker looks at its sockets */
    EVENT_TIMER,     /* its timer rings */
    EVENT_FILES,     /* its child has looked at the files */
    EVENT_BOOT,      /* a broker is started */
    EVENT_HAND,      /* a worker does its next thing */
    EVENT_PERSON,
    EVENT_CHAOS,
};

/* How much of each fault this history has, in thousandths; 0: none of it. Drawn from the seed. */
struct world_faults {
    uint32_t lose, twice, slow;           /* of messages */
    uint32_t part;                        /* of chaos events: a worker cut off */
    uint32_t kill, stop;                  /* workers */
    uint32_t crash, power, pause, retime; /* the broker; its machine; stopped; the wall clock */
    uint32_t full, broken, slow_disk;
    uint32_t lie;    /* of a worker's turns */
    uint32_t people; /* how eager they are */
    uint32_t err;    /* of claims: they end badly */
    uint32_t harm;   /* of chaos events: pictures are harmed */
};

struct world {
    uint64_t seed;
    uint64_t random;
    int64_t now_ms;         /* monotonic */
    int64_t wall_offset_ms; /* what the wall clock is ahead of it */
    int64_t steps;
    int64_t chaos_steps; /* so many with faults, then everybody behaves */
    bool calm;
    bool over;
    bool traced;
    struct world_faults faults;
};

#define WORLD_WALL_MS 1790000000000
extern struct world world;

/* A fresh world; what was in the old one is dropped with drop(load) of each event. */
/* Are there GPUs in this history? In one of four, by the seed alone: the others stay as they were.
 */
bool world_has_cards(void);
void world_open(uint64_t seed, bool traced);
void world_close(void);

/* Uniform below limit; true so many times of a thousand. */
uint32_t world_below(uint32_t limit);
bool world_chance(uint32_t thousandths);

int64_t world_wall_ms(void);

/* load goes to the handler of the event, which owns it. */
void world_add(int64_t at_ms, enum world_event kind, int64_t who, void *load);

/* Do the next thing. false: there is none. */
bool world_step(void);

/* One line of the trace. */
void world_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define TRACE(...)                                                                                 \
    do {                                                                                           \
        if (world.traced) {                                                                        \
            world_trace(__VA_ARGS__);                                                              \
        }                                                                                          \
    } while (0)

/* An invariant does not hold: say so, with the command that shows it again, and end. */
_Noreturn void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called for a failure instead of printing and ending: the text lives for the call. */
extern void (*world_on_failure)(const char *text);

#endif
