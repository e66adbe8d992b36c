/* What the running worker tells of its cards and its machine. */

#include "proto/clock.h"
#include "proto/log.h"
#include "worker/cycles.h"
#include "worker/program_parts.h"

enum { RSS_OLD_MS = 900 }; /* less than the pause between two heartbeats */

static void on_telemetry(void *arg)
{
    struct program *self = arg;
    telemetry_heard(self->telemetry);
    json_t *rest = telemetry_rest(self->telemetry);
    if (rest) {
        log_warning("rest: %s", json_string_value(json_object_get(rest, "text")));
    } else {
        log_info("go on: the card has cooled");
    }
    json_decref(rest);
    session_touch(self->session); /* the broker must hear it before it gives us more */
}

/* On telemetry's thread, which may outlive everything but the whereabouts. */
static void look(void *ctx, cards_t *cards, pid_t blender)
{
    whereabouts_look(ctx, cards, blender);
}

void gauges_start(struct program *self)
{
    self->whereabouts = whereabouts_new(self->setup->device);
    const struct telemetry_setup setup = {
        .topology = self->setup->topology,
        .device = self->setup->device,
        .max_temperature_c = self->setup->max_temperature_c,
        .look = look,
        .ctx = self->whereabouts,
    };
    if (self->setup->device->kind == DEVICE_NONE) {
        return;
    }
    int rc = telemetry_start(&setup, &self->telemetry);
    if (rc != 0) { /* frames can be rendered without it */
        log_warning("measure nothing: %s", strerror(-rc));
        return;
    }
    watch_fd(self->loop, telemetry_fd(self->telemetry), on_telemetry, self);
}

/* Of a group the smallest: each card holds the whole scene. 0: not known. */
static int64_t memory_of(const struct device *device)
{
    int64_t least = 0;
    for (size_t i = 0; i < device->card_count; i++) {
        const struct card *card = device->cards[i];
        if (card->memory_bytes == 0 || card->integrated) {
            return 0; /* an integrated one takes the machine's */
        }
        least = least == 0 || card->memory_bytes < least ? card->memory_bytes : least;
    }
    return least;
}

static int64_t largest_of(const struct device *device)
{
    int64_t most = 0;
    for (size_t i = 0; i < device->card_count; i++) {
        most = device->cards[i]->memory_bytes > most ? device->cards[i]->memory_bytes : most;
    }
    return most;
}

void gauges_introduce(struct program *self)
{
    const struct device *device = self->setup->device;
    if (device->card_count > 0) {
        self->me.memory_bytes = memory_of(device);
        self->me.device_types = cycles_types_json(device, &self->setup->device_types);
        self->me.cards = (int)device->card_count;
        self->me.regroups = self->setup->regroups;
        self->me.largest_bytes = largest_of(device);
        self->me.draws_shared = pin_draws_shared(device);
        self->me.device_name = self->device_name =
            telemetry_device_name(self->setup->cards, device);
    }
}

/* For people: as of a second ago is good enough, and there are many messages in one. */
static int64_t recent_rss_bytes(struct program *self)
{
    int64_t now_ms = clock_mono_ms();
    pid_t pid = blender_pid(self->blender);
    if (pid != self->rss_pid || now_ms >= self->rss_ms + RSS_OLD_MS) {
        self->rss_bytes = blender_rss_bytes(self->blender);
        self->rss_pid = pid;
        self->rss_ms = now_ms;
    }
    return self->rss_bytes;
}

void gauges_describe(struct program *self, struct session_now *out)
{
    int64_t rss = recent_rss_bytes(self);
    json_t *told = self->telemetry ? telemetry_json(self->telemetry) : json_object();
    if (rss > 0) {
        json_object_set_new(told, "blender_rss_bytes", json_integer(rss));
    }
    if (json_object_size(told) > 0) {
        out->telemetry = json_incref(told);
    }
    json_decref(told);
    out->rest = self->telemetry ? telemetry_rest(self->telemetry) : NULL;
}

void gauges_pass_on(struct program *self)
{
    if (self->telemetry) {
        blender_works(self->blender, telemetry_worked_ms(self->telemetry));
    }
}

void gauges_turn(struct program *self)
{
    enum blender_state state = blender_state(self->blender);
    bool works =
        state == BLENDER_OPENING || state == BLENDER_INSPECTING || state == BLENDER_RENDERING;
    /* Between two frames as well: each change wakes the thread, and it reads dozens of files. */
    works = works || (state == BLENDER_IDLE && !work_empty(self->work));
    if (self->telemetry) {
        telemetry_watch(self->telemetry, works ? blender_pid(self->blender) : 0);
    }
}

void gauges_stop(struct program *self)
{
    if (telemetry_stop(&self->telemetry)) {
        whereabouts_destroy(&self->whereabouts);
    }
    json_decref(self->me.device_types);
    free(self->device_name);
}
