/*
 * The thread that measures, beside the one that asks. Without a card it measures the machine and
 * ourselves; on the described machine `hot` (tests/fake-gpu/with hot ...) a card, too: so
 * .ci/run has it run under ThreadSanitizer.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/clock.h"
#include "tests/worker/made_cards.h"
#include "worker/device.h"
#include "worker/telemetry.h"
#include "worker/whereabouts.h"

enum { WAIT_MS = 20000, MOST_C = 85 };

struct bench {
    hwloc_topology_t topology;
    cards_t *cards;
    struct device device;
    whereabouts_t *whereabouts;
    atomic_int looks;
    telemetry_t *telemetry;
};

static void look(void *ctx, cards_t *cards, pid_t blender)
{
    struct bench *bench = ctx;
    whereabouts_look(bench->whereabouts, cards, blender);
    atomic_fetch_add(&bench->looks, 1);
}

static int start(void **state)
{
    static struct bench bench;
    bench = (struct bench){ .cards = NULL };
    assert_int_equal(device_topology(&bench.topology), 0);
    assert_int_equal(cards_open(bench.topology, &bench.cards), 0);
    bench.device = made_device(cards_at(bench.cards, 0), NULL);
    bench.whereabouts = whereabouts_new(&bench.device);
    const struct telemetry_setup setup = { .topology = bench.topology,
                                           .device = &bench.device,
                                           .max_temperature_c = MOST_C,
                                           .look = look,
                                           .ctx = &bench };
    assert_int_equal(telemetry_start(&setup, &bench.telemetry), 0);
    *state = &bench;
    return 0;
}

static int stop(void **state)
{
    struct bench *bench = *state;
    assert_true(telemetry_stop(&bench->telemetry));
    whereabouts_destroy(&bench->whereabouts);
    cards_destroy(&bench->cards);
    hwloc_topology_destroy(bench->topology);
    return 0;
}

/* Ask until it is so, while the thread measures. */
static void until(struct bench *bench, bool (*what)(struct bench *bench))
{
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!what(bench)) {
        assert_true(clock_mono_ms() < end_ms);
        json_decref(telemetry_json(bench->telemetry));
        (void)telemetry_worked_ms(bench->telemetry);
        whereabouts_begin(bench->whereabouts, true);
        json_decref(whereabouts_end(bench->whereabouts));
        (void)poll(NULL, 0, 5);
    }
}

static bool machine_is_known(struct bench *bench)
{
    json_t *told = telemetry_json(bench->telemetry);
    bool known = json_object_get(told, "host_available_bytes") != NULL;
    json_decref(told);
    return known;
}

static bool peak_is_taken_once(struct bench *bench)
{
    int64_t first = telemetry_take_peaks(bench->telemetry).rss_bytes;
    return first > 0 && telemetry_take_peaks(bench->telemetry).rss_bytes == 0;
}

static void what_it_measures_is_told(void **state)
{
    struct bench *bench = *state;
    until(bench, machine_is_known);
    assert_int_equal(telemetry_take_peaks(bench->telemetry).rss_bytes, 0); /* no Blender works */
    telemetry_watch(bench->telemetry, getpid());
    until(bench, peak_is_taken_once);
    telemetry_watch(bench->telemetry, 0);
    assert_int_equal(telemetry_take_peaks(bench->telemetry).rss_bytes, 0); /* of no other */
}

static bool has_looked_twice(struct bench *bench)
{
    return atomic_load(&bench->looks) >= 2;
}

static void a_card_is_looked_at_while_a_blender_works(void **state)
{
    struct bench *bench = *state;
    struct pollfd news = { telemetry_fd(bench->telemetry), POLLIN, 0 };
    if (bench->device.card_count == 0) {
        skip(); /* see above */
    }
    telemetry_watch(bench->telemetry, getpid());
    until(bench, has_looked_twice);
    assert_int_equal(poll(&news, 1, WAIT_MS), 1);
    telemetry_heard(bench->telemetry);
    json_t *rest = telemetry_rest(bench->telemetry);
    assert_non_null(rest);
    json_decref(rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_measures_is_told, start, stop),
        cmocka_unit_test_setup_teardown(a_card_is_looked_at_while_a_blender_works, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
