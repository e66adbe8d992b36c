#include "tests/sim/chaos.h"

#include <inttypes.h>

#include "tests/sim/broker.h"
#include "tests/sim/disk.h"
#include "tests/sim/hand.h"
#include "tests/sim/oracle.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

#define CALM_MOST_MS (6LL * 3600 * 1000)
/* So many of a thousand have a disk that fails all the time, under a broker that dies of it. */
enum { ROTTEN = 60 };
enum { CHAOS_STEPS = 200, CALM_LOOK_MS = 500, JUMP_MOST_MS = 11 * 3600 * 1000 };

static int64_t calm_since_ms;
static int64_t heal_ms; /* when the disk has room again; 0: it has */
static bool power;

/* Half of the histories are without a kind of fault, the others have more or less of it. */
static uint32_t draw(uint32_t most)
{
    return world_chance(500) ? 0 : 1 + world_below(most);
}

void chaos_open(void)
{
    world.faults = (struct world_faults){
        .lose = draw(150),
        .twice = draw(150),
        .slow = draw(150),
        .part = draw(200),
        .kill = draw(200),
        .stop = draw(200),
        .crash = draw(400),
        .power = draw(1000),
        .pause = draw(100),
        .retime = draw(200),
        .full = draw(150),
        .broken = draw(200),
        .slow_disk = draw(50),
        .lie = draw(200),
        .people = draw(1000),
        .err = draw(300),
        .harm = draw(100),
    };
    if (world_chance(ROTTEN)) {
        world.faults.broken = 500;
        world.faults.crash = 500;
        world.faults.power = 700;
    }
    world.chaos_steps = CHAOS_STEPS + world_below(100);
    calm_since_ms = 0;
    heal_ms = 0;
    power = false;
    world_add(world.now_ms + world_below(2000), EVENT_CHAOS, 0, NULL);
}

bool chaos_takes_power(void)
{
    bool takes = power;
    power = false;
    return takes;
}

static void heal_disk(void)
{
    heal_ms = 0;
    disk_set_room(-1);
    disk_break_in(0);
}

static void become_calm(void)
{
    TRACE("---- calm ----");
    world.calm = true;
    calm_since_ms = world.now_ms;
    heal_disk();
    disk_die_in(0);
    hand_behave();
    broker_stop_until(0);
}

static size_t some_hand(void)
{
    return world_below((uint32_t)hand_count());
}

/* Not by more than the day for which answers to requests are kept. */
static void jump_clock(void)
{
    int64_t offset_ms = (int64_t)world_below(2 * JUMP_MOST_MS) - JUMP_MOST_MS;
    world.wall_offset_ms = WORLD_WALL_MS + offset_ms / (world_chance(300) ? 10000 : 1);
    TRACE("the wall clock jumps: it is %" PRId64, world_wall_ms());
}

static void hurt_disk(void)
{
    if (world_chance(world.faults.full)) {
        TRACE("the disk is full");
        disk_set_room(world_below(world_chance(500) ? 3000 : 30000));
        heal_ms = world.now_ms + world_below(20000);
    }
    if (world_chance(world.faults.broken)) {
        disk_break_in(1 + world_below(world_chance(500) ? 15 : 60));
        heal_ms = world.now_ms + world_below(20000);
    }
}

static void hurt_hands(void)
{
    if (world_chance(world.faults.kill)) {
        hand_kill(some_hand());
    }
    if (world_chance(world.faults.stop)) {
        int64_t ms = world_below(world_chance(500) ? 60000 : 5000);
        size_t index = some_hand();
        TRACE("%s is stopped for %d ms", hand_name(index), (int)ms);
        hand_stop_until(index, world.now_ms + ms);
    }
    if (world_chance(world.faults.part)) {
        int64_t ms = world_below(world_chance(500) ? 40000 : 4000);
        size_t index = some_hand();
        TRACE("%s is cut off for %d ms", hand_name(index), (int)ms);
        hand_cut_until_set(index, world.now_ms + ms);
        if (world_chance(500)) {
            hand_disconnect(index);
        }
    }
}

static void hurt_broker(void)
{
    if (world_chance(world.faults.crash)) {
        power = world_chance(world.faults.power);
        disk_die_in(1 + world_below(world_chance(500) ? 12 : 80));
    }
    if (world_chance(world.faults.pause)) {
        int64_t ms = world_below(world_chance(300) ? 40000 : 3000);
        TRACE("the broker is stopped for %d ms", (int)ms);
        broker_stop_until(world.now_ms + ms);
    }
    if (world_chance(world.faults.retime)) {
        jump_clock();
    }
}

static void hurt_pictures(void)
{
    if (world_chance(world.faults.harm)) {
        picture_damage();
    }
}

/* The faults are over: everything must come to its end now. */
static void look_for_end(void)
{
    char why[200] = "";
    if (oracle_all_over(why, sizeof why) && hand_all_idle()) {
        TRACE("---- over ----");
        world.over = true;
        broker_terminate();
    } else if (world.now_ms - calm_since_ms > CALM_MOST_MS) {
        world_fail("it does not end: %s", why[0] ? why : "a worker still holds something");
    }
}

void chaos_wake(void)
{
    if (!world.calm && world.steps >= world.chaos_steps) {
        become_calm();
    }
    if (heal_ms != 0 && world.now_ms >= heal_ms) {
        heal_disk();
    }
    if (world.calm) {
        look_for_end();
        world_add(world.now_ms + CALM_LOOK_MS, EVENT_CHAOS, 0, NULL);
        return;
    }
    hurt_disk();
    hurt_hands();
    hurt_broker();
    hurt_pictures();
    world_add(world.now_ms + 100 + world_below(1500), EVENT_CHAOS, 0, NULL);
}
