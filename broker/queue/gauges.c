#include "broker/queue/gauges.h"

#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum { NAMES_MOST = 64 };

/* NULL: one name too many. */
static const char *name_of(queue_t *self, const char *key)
{
    return self->gauge_names.count < NAMES_MOST ? words_keep(&self->gauge_names, key)
                                                : words_find(&self->gauge_names, key);
}

void gauges_take(queue_t *self, struct gauges *gauges, const json_t *telemetry)
{
    size_t room = json_object_size(telemetry);
    const char *key;
    json_t *value;
    if (room != gauges->count) {
        gauges_clear(gauges);
    }
    if (room > 0 && !gauges->items) {
        gauges->items = alloc_zero(room, sizeof *gauges->items);
    }
    gauges->count = 0;
    json_object_foreach((json_t *)(uintptr_t)telemetry, key, value)
    {
        const char *name = json_is_integer(value) ? name_of(self, key) : NULL;
        if (name) {
            gauges->items[gauges->count++] =
                (struct gauge){ .name = name, .value = (int64_t)json_integer_value(value) };
        }
    }
}

json_t *gauges_json(const struct gauges *gauges)
{
    json_t *out = gauges->count > 0 ? json_object() : NULL;
    for (size_t i = 0; i < gauges->count; i++) {
        json_object_set_new(out, gauges->items[i].name, json_integer(gauges->items[i].value));
    }
    return out;
}

void gauges_clear(struct gauges *gauges)
{
    free(gauges->items);
    *gauges = (struct gauges){ 0 };
}
