#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/queue/gauges.h"
#include "proto/cleanup.h"

static void take(queue_t *queue, struct gauges *gauges, json_t *telemetry)
{
    gauges_take(queue, gauges, telemetry);
    json_decref(telemetry);
}

static void what_was_said_last_is_told_as_it_came(void **state)
{
    (void)state;
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(gauges_clear) struct gauges gauges = { 0 };
    CLEANUP(cleanup_json)
    json_t *said = json_pack("{s:i, s:I}", "gpu_load_percent", 97, "host_available_bytes",
                             (json_int_t)1 << 40);
    take(queue, &gauges, json_pack("{s:i, s:i, s:i}", "a", 1, "b", 2, "c", 3));
    take(queue, &gauges, json_incref(said));
    CLEANUP(cleanup_json) json_t *told = gauges_json(&gauges);
    assert_true(json_equal(told, said));

    gauges_take(queue, &gauges, NULL);
    assert_null(gauges_json(&gauges));
}

/* A worker that thinks of new names all the time does not fill the memory. */
static void new_names_are_not_kept_without_end(void **state)
{
    (void)state;
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(gauges_clear) struct gauges gauges = { 0 };
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "name%d", i);
        take(queue, &gauges, json_pack("{s:i, s:i}", "gpu_load_percent", i, name, i));
    }
    CLEANUP(cleanup_json) json_t *told = gauges_json(&gauges);
    CLEANUP(cleanup_json) json_t *known = json_pack("{s:i}", "gpu_load_percent", 999);
    assert_true(json_equal(told, known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_last_is_told_as_it_came),
        cmocka_unit_test(new_names_are_not_kept_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
