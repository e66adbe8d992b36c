#include "tests/sim/history.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/broker.h"
#include "tests/sim/chaos.h"
#include "tests/sim/disk.h"
#include "tests/sim/hand.h"
#include "tests/sim/mutation.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/person.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

/* How many histories of a thousand end with another start: it takes a fifth of the time. */
enum { LAST_LOOKS = 250 };

static const int page_bytes[DISK_IMAGES] = { 512, 1024, 4096 };

/* Everything but the ledger. */
static void open_all(uint64_t seed, bool traced)
{
    world_open(seed, traced);
    oracle_open();
    mutation_open();
    net_open();
    broker_open();
}

static void close_all(void)
{
    world_close();
    net_broker_ended();
    hand_close();
    person_close();
    oracle_close();
}

/* An empty ledger of each page size, so that most histories need not make one. */
void history_prepare(void)
{
    enum mutation wanted = mutation;
    mutation = MUTATION_NONE;
    disk_register();
    for (int i = 0; i < DISK_IMAGES; i++) {
        open_all((uint64_t)i, false);
        disk_set_sqlite(page_bytes[i], 1000);
        disk_open(-1);
        world.over = true;
        broker_check_ledger();
        disk_keep(i);
        close_all();
    }
    mutation = wanted;
}

static struct history_figures figures_now(void)
{
    return (struct history_figures){
        .grants = oracle_figures.grants,
        .accepted = oracle_figures.accepted,
        .restarts = oracle_figures.restarts,
        .transactions = oracle_figures.transactions,
        .failed_writes = oracle_figures.failed_writes,
        .published = picture_published,
        .published_twice = picture_twice,
    };
}

void history_run(uint64_t seed, bool traced, struct history_figures *figures)
{
    static const int checkpoints[] = { 1000, 200, 30, 5 };
    struct history_figures before = figures_now();
    open_all(seed, traced);
    chaos_open();
    int image = (int)world_below(DISK_IMAGES);
    disk_set_sqlite(page_bytes[image], checkpoints[world_below(4)]);
    disk_open(world_chance(60) ? -1 : image);
    picture_open();
    hand_open(1 + world_below(4), world_chance(700));
    person_open();
    broker_start_in(world_below(1000));
    while (!world.over && world_step()) {
    }
    if (world_chance(LAST_LOOKS)) {
        broker_check_ledger();
    }
    figures->histories++;
    figures->steps += world.steps;
    figures->simulated_ms += world.now_ms;
    close_all();
    struct history_figures after = figures_now();
    figures->grants += after.grants - before.grants;
    figures->accepted += after.accepted - before.accepted;
    figures->restarts += after.restarts - before.restarts;
    figures->transactions += after.transactions - before.transactions;
    figures->failed_writes += after.failed_writes - before.failed_writes;
    figures->published += after.published - before.published;
    figures->published_twice += after.published_twice - before.published_twice;
}

void history_add(struct history_figures *sum, const struct history_figures *more)
{
    sum->histories += more->histories;
    sum->steps += more->steps;
    sum->simulated_ms += more->simulated_ms;
    sum->grants += more->grants;
    sum->accepted += more->accepted;
    sum->restarts += more->restarts;
    sum->transactions += more->transactions;
    sum->failed_writes += more->failed_writes;
    sum->published += more->published;
    sum->published_twice += more->published_twice;
}

void history_say(const struct history_figures *figures)
{
    printf("%.1f days simulated; claims %" PRId64 ", reports accepted %" PRId64
           ", broker starts %" PRId64 ", transactions %" PRId64 " (not written at first %" PRId64
           "), pictures published %" PRId64 " (of whole ones %" PRId64 ")\n",
           (double)figures->simulated_ms / 86400000, figures->grants, figures->accepted,
           figures->restarts, figures->transactions, figures->failed_writes, figures->published,
           figures->published_twice);
}
