#include "submit/gauge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

#define GIB ((int64_t)1 << 30)

static bool known(const json_t *telemetry, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(telemetry, key);
    *out = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
    return *out >= 0;
}

/* Adds a part, two spaces after the one before. */
static void add(char **text, char *part)
{
    char *longer = alloc_format("%s%s%s", *text, **text ? "  " : "", part);
    free(*text);
    free(part);
    *text = longer;
}

static void add_memory(char **text, const json_t *telemetry)
{
    int64_t used = 0;
    int64_t total = 0;
    if (known(telemetry, "gpu_memory_used_bytes", &used) &&
        known(telemetry, "gpu_memory_total_bytes", &total)) {
        int64_t tenths = (int64_t)((double)used * 10 / (double)GIB + 0.5);
        add(text,
            alloc_format("%lld.%lld/%lld GiB", (long long)(tenths / 10), (long long)(tenths % 10),
                         (long long)((double)total / (double)GIB + 0.5)));
    }
}

char *gauge_text(const json_t *worker)
{
    const json_t *telemetry = json_object_get(worker, "telemetry");
    char *text = alloc_text("");
    int64_t value = 0;
    if (known(telemetry, "gpu_load_percent", &value)) {
        add(&text, alloc_format("%lld %%", (long long)value));
    }
    add_memory(&text, telemetry);
    if (known(telemetry, "gpu_temperature_c", &value)) {
        add(&text, alloc_format("%lld C", (long long)value));
    }
    if (known(telemetry, "gpu_power_mw", &value)) {
        add(&text, alloc_format("%lld W", (long long)((value + 500) / 1000)));
    }
    return text;
}
