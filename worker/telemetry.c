#include "worker/telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "worker/heat.h"
#include "worker/holders.h"
#include "worker/host_memory.h"
#include "worker/proc.h"

enum { STOP_S = 1 };

/* One look at everything. */
struct measure {
    struct card_sample cards; /* of a group: sums, the mean load, the hottest */
    int64_t gpu_bytes;        /* what Blender has of one card; 0: the driver does not say */
    int64_t used_bytes;       /* what all have of that card */
    int64_t rss_bytes;
    int64_t host_bytes;
    bool works;             /* a card of ours is busy, and not for others alone as far as we know */
    struct holders holders; /* others, on the card where they have the most */
};

struct telemetry {
    struct telemetry_setup setup;
    pthread_t thread;
    pthread_mutex_t lock; /* over all that follows */
    pthread_cond_t wake;
    int fd;
    bool stop, told;
    pid_t blender;
    struct measure last;
    int64_t cards_ms, host_ms; /* when that was; 0: never */
    struct telemetry_peaks peaks;
    int64_t worked_ms; /* when the cards were last seen to work for this Blender; 0: never */
    int64_t used_peak; /* of the card, by all: where no driver says what is ours */
    struct heat heat;
    int heat_c;
};

/* ---- on the thread ---- */

/* The thread's own list: another thread may ask the worker's. */
struct own_cards {
    cards_t *list;
    size_t index[DEVICE_NAME_GROUP_MAX];
    size_t count;
};

static void find_cards(const struct telemetry_setup *setup, struct own_cards *out)
{
    if (setup->device->card_count == 0 || cards_open(setup->topology, &out->list) != 0) {
        return;
    }
    for (size_t i = 0; i < setup->device->card_count; i++) {
        for (size_t k = 0; k < cards_count(out->list); k++) {
            if (strcmp(cards_at(out->list, k)->id, setup->device->cards[i]->id) == 0) {
                out->index[out->count++] = k;
            }
        }
    }
}

static void add_up(int64_t *sum, int64_t more)
{
    if (more >= 0) {
        *sum = *sum > 0 ? *sum + more : more;
    }
}

static void add_sample(struct card_sample *sum, const struct card_sample *one, int cards)
{
    int64_t power = sum->power_mw;
    add_up(&sum->memory_used_bytes, one->memory_used_bytes);
    add_up(&sum->memory_total_bytes, one->memory_total_bytes);
    add_up(&power, one->power_mw);
    sum->power_mw = (int)power;
    if (one->load_percent >= 0) {
        int before = sum->load_percent < 0 ? 0 : sum->load_percent;
        sum->load_percent = before + one->load_percent / cards;
    }
    if (one->temperature_c > sum->temperature_c) {
        sum->temperature_c = one->temperature_c;
    }
}

static void keep_most(int64_t *most, int64_t bytes)
{
    *most = bytes > *most ? bytes : *most;
}

/* False: nothing is known of the cards now. */
static bool measure_cards(const struct own_cards *cards, pid_t blender, struct measure *out)
{
    bool any = false;
    out->cards = (struct card_sample){ -1, -1, -1, -1, -1 };
    for (size_t i = 0; i < cards->count; i++) {
        struct card_sample one;
        struct holders holders;
        if (cards_sample(cards->list, cards->index[i], &one) != 0) {
            continue;
        }
        any = true;
        add_sample(&out->cards, &one, (int)cards->count);
        holders_find(cards->list, cards->index[i], blender, &holders);
        bool ours = !holders.idle && (holders.our_bytes > 0 || holders.other_bytes == 0);
        out->works = out->works || (one.load_percent > 0 && ours);
        keep_most(&out->gpu_bytes, holders.our_bytes);
        keep_most(&out->used_bytes, one.memory_used_bytes);
        if (holders.other_bytes > out->holders.other_bytes) {
            out->holders = holders;
            out->holders.total_bytes = one.memory_total_bytes;
        }
    }
    return any;
}

static void note(telemetry_t *self, const struct measure *now, bool cards, pid_t blender)
{
    int64_t now_ms = clock_mono_ms();
    self->last.host_bytes = now->host_bytes;
    self->host_ms = now_ms;
    if (cards) {
        self->last.cards = now->cards;
        self->last.holders = now->holders;
        self->cards_ms = now_ms;
    }
    if (blender != self->blender) {
        return; /* it is another one meanwhile: these peaks are nobody's */
    }
    self->worked_ms = now->works ? now_ms : self->worked_ms;
    keep_most(&self->peaks.gpu_bytes, now->gpu_bytes);
    keep_most(&self->peaks.rss_bytes, now->rss_bytes);
    keep_most(&self->used_peak, now->used_bytes);
}

static void note_heat(telemetry_t *self, int temperature_c)
{
    const uint64_t one = 1;
    if (temperature_c >= 0) {
        self->heat_c = temperature_c;
    }
    if (heat_update(&self->heat, temperature_c) && write(self->fd, &one, sizeof one) < 0) {
        self->told = false; /* full: then it is readable anyway */
    }
}

static void wait_ms(telemetry_t *self, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pid_t before = self->blender;
    while (!self->stop && self->blender == before &&
           pthread_cond_timedwait(&self->wake, &self->lock, &until) == 0) {
    }
}

static void *run(void *arg)
{
    telemetry_t *self = arg;
    struct own_cards cards = { .list = NULL };
    int64_t looked_ms = 0;
    find_cards(&self->setup, &cards);
    (void)pthread_mutex_lock(&self->lock);
    while (!self->stop) {
        pid_t blender = self->blender;
        (void)pthread_mutex_unlock(&self->lock);
        struct measure now = { .host_bytes = host_memory_available() };
        now.rss_bytes = blender > 0 ? proc_rss_bytes(blender) : 0;
        bool known = measure_cards(&cards, blender, &now);
        if (blender > 0 && cards.list && self->setup.look &&
            clock_mono_ms() - looked_ms >= TELEMETRY_IDLE_MS) {
            looked_ms = clock_mono_ms();
            self->setup.look(self->setup.ctx, cards.list, blender);
        }
        (void)pthread_mutex_lock(&self->lock);
        note(self, &now, known, blender);
        note_heat(self, known ? now.cards.temperature_c : -1);
        wait_ms(self, blender > 0 ? TELEMETRY_BUSY_MS : TELEMETRY_IDLE_MS);
    }
    (void)pthread_mutex_unlock(&self->lock);
    cards_destroy(&cards.list);
    return NULL;
}

/* ---- on the loop ---- */

static void release(telemetry_t *self)
{
    cleanup_fd(&self->fd);
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

int telemetry_start(const struct telemetry_setup *setup, telemetry_t **out)
{
    telemetry_t *self = alloc_zero(1, sizeof *self);
    pthread_condattr_t attributes;
    self->setup = *setup;
    self->heat.most_c = setup->max_temperature_c;
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&self->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&self->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int rc = self->fd < 0 ? errno : pthread_create(&self->thread, NULL, run, self);
    if (rc != 0) {
        release(self);
        return -rc;
    }
    *out = self;
    return 0;
}

bool telemetry_stop(telemetry_t **self_p)
{
    telemetry_t *self = *self_p;
    struct timespec until;
    *self_p = NULL;
    if (!self) {
        return true;
    }
    (void)pthread_mutex_lock(&self->lock);
    self->stop = true;
    (void)pthread_cond_signal(&self->wake);
    (void)pthread_mutex_unlock(&self->lock);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_S;
    if (pthread_timedjoin_np(self->thread, NULL, &until) != 0) {
        return false;
    }
    release(self);
    return true;
}

int telemetry_fd(const telemetry_t *self)
{
    return self->fd;
}

void telemetry_heard(telemetry_t *self)
{
    uint64_t times = 0;
    (void)!read(self->fd, &times, sizeof times); /* what it means is asked by telemetry_rest */
}

void telemetry_watch(telemetry_t *self, pid_t blender)
{
    (void)pthread_mutex_lock(&self->lock);
    if (blender != self->blender) {
        self->blender = blender;
        self->peaks = (struct telemetry_peaks){ 0 };
        self->used_peak = 0;
        self->worked_ms = 0;
        (void)pthread_cond_signal(&self->wake);
    }
    (void)pthread_mutex_unlock(&self->lock);
}

int64_t telemetry_worked_ms(telemetry_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    int64_t worked_ms = self->worked_ms;
    (void)pthread_mutex_unlock(&self->lock);
    return worked_ms;
}

struct telemetry_peaks telemetry_take_peaks(telemetry_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    struct telemetry_peaks peaks = self->peaks;
    if (peaks.gpu_bytes == 0) {
        peaks.gpu_bytes = self->used_peak; /* in a container, on cards of other makers */
    }
    self->peaks = (struct telemetry_peaks){ 0 };
    self->used_peak = 0;
    (void)pthread_mutex_unlock(&self->lock);
    return peaks;
}

static void put(json_t *map, const char *key, int64_t value, int64_t least)
{
    if (value >= least) {
        json_object_set_new(map, key, json_integer(value));
    }
}

json_t *telemetry_json(telemetry_t *self)
{
    json_t *map = json_object();
    (void)pthread_mutex_lock(&self->lock);
    int64_t old_ms = clock_mono_ms() - TELEMETRY_OLD_MS;
    if (self->host_ms > old_ms && self->host_ms > 0) {
        put(map, "host_available_bytes", self->last.host_bytes, 1);
    }
    if (self->cards_ms > old_ms && self->cards_ms > 0) {
        const struct card_sample *cards = &self->last.cards;
        put(map, "gpu_load_percent", cards->load_percent, 0);
        put(map, "gpu_memory_used_bytes", cards->memory_used_bytes, 0);
        put(map, "gpu_memory_total_bytes", cards->memory_total_bytes, 1);
        put(map, "gpu_temperature_c", cards->temperature_c, 0);
        put(map, "gpu_power_mw", cards->power_mw, 0);
    }
    (void)pthread_mutex_unlock(&self->lock);
    return map;
}

json_t *telemetry_rest(telemetry_t *self)
{
    json_t *rest = NULL;
    (void)pthread_mutex_lock(&self->lock);
    if (self->heat.hot) {
        char text[160];
        (void)snprintf(text, sizeof text, "its card has %d C, more than %d; it rests until %d C",
                       self->heat_c, self->heat.most_c, self->heat.most_c - HEAT_STEP_C);
        rest = json_pack("{s:s, s:s, s:s}", "code", "too-hot", "text", text, "hint",
                         "look at its fans; --max-temperature says how hot it may be");
    }
    (void)pthread_mutex_unlock(&self->lock);
    return rest;
}

char *telemetry_held_by(telemetry_t *self, int64_t *had_bytes)
{
    char *text = NULL;
    (void)pthread_mutex_lock(&self->lock);
    const struct holders *holders = &self->last.holders;
    if (self->cards_ms > 0 && holders->text[0]) {
        text = alloc_text(holders->text);
        *had_bytes = holders->total_bytes > holders->other_bytes
                         ? holders->total_bytes - holders->other_bytes
                         : 0;
    }
    (void)pthread_mutex_unlock(&self->lock);
    return text;
}

char *telemetry_device_name(const cards_t *cards, const struct device *device)
{
    char *numbers = NULL;
    for (size_t i = 0; i < device->card_count && cards; i++) {
        CLEANUP(cleanup_free) char *before = numbers;
        numbers = alloc_format("%s%s%zu", before ? before : "", before ? "+" : "",
                               cards_index(cards, device->cards[i]));
    }
    char *name = numbers ? alloc_format("GPU %s (%.200s)", numbers, device->cards[0]->name) : NULL;
    free(numbers);
    return name;
}
