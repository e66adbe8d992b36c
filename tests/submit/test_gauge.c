/* What people read of a worker's card. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "proto/cleanup.h"
#include "submit/gauge.h"

static void says(json_t *telemetry, const char *expected)
{
    CLEANUP(cleanup_json) json_t *worker = json_pack("{s:o}", "telemetry", telemetry);
    CLEANUP(cleanup_free) char *text = gauge_text(worker);
    assert_string_equal(text, expected);
}

static void load_memory_temperature_power(void **state)
{
    (void)state;
    says(json_pack("{s:i, s:I, s:I, s:i, s:i}", "gpu_load_percent", 98, "gpu_memory_used_bytes",
                   (json_int_t)30151213056, "gpu_memory_total_bytes", (json_int_t)51527024640,
                   "gpu_temperature_c", 91, "gpu_power_mw", 297600),
         "98 %  28.1/48 GiB  91 C  298 W");
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    says(json_null(), "");
    says(json_pack("{s:I}", "blender_rss_bytes", (json_int_t)1), "");
    says(json_pack("{s:i, s:i}", "gpu_temperature_c", 40, "gpu_memory_used_bytes", 5), "40 C");
    says(json_pack("{s:i, s:s}", "gpu_load_percent", -1, "gpu_power_mw", "much"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_memory_temperature_power),
        cmocka_unit_test(what_is_not_known_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
