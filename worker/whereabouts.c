#include "worker/whereabouts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/log.h"
#include "proto/process.h"

enum {
    PROCESSES_MAX = 256,
    DEEPEST = 64, /* processes between Blender and what it started */
    PPID_FIELD = 4,
};

/* Of AMD's and Intel's cards a process of HIP or Level Zero may open all that there are: each then
 * has a little memory for it, and the one that renders more. */
#define LITTLE_BYTES ((int64_t)32 << 20)

/* The number that the kernel gives to its first PID namespace (PROC_PID_INIT_INO). */
#define FIRST_NAMESPACE 0xEFFFFFFCU

struct whereabouts {
    char *id;
    char *own[DEVICE_NAME_GROUP_MAX]; /* ids of cards */
    size_t own_count;
    bool lists_all;       /* whom the driver does not name is not there */
    pthread_mutex_t lock; /* over what follows */
    bool on_card, told;
    int looks, seen;
    char other[160];
};

whereabouts_t *whereabouts_new(const struct device *device)
{
    struct stat st;
    whereabouts_t *self = alloc_zero(1, sizeof *self);
    self->id = alloc_text(device->id);
    self->own_count = device->card_count;
    for (size_t i = 0; i < device->card_count; i++) {
        self->own[i] = alloc_text(device->cards[i]->id);
    }
    /* In a container our process may not be in NVML's list at all, and HIP has ways to a card's
     * memory that the kernel's DRM files do not show. */
    self->lists_all = device->card_count > 0 && device->cards[0]->vendor == CARD_NVIDIA &&
                      stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_NAMESPACE;
    (void)pthread_mutex_init(&self->lock, NULL); /* cannot fail without attributes */
    return self;
}

void whereabouts_destroy(whereabouts_t **self_p)
{
    whereabouts_t *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->own_count; i++) {
            free(self->own[i]);
        }
        free(self->id);
        (void)pthread_mutex_destroy(&self->lock);
        free(self);
        *self_p = NULL;
    }
}

void whereabouts_begin(whereabouts_t *self, bool on_card)
{
    (void)pthread_mutex_lock(&self->lock);
    self->on_card = on_card;
    self->told = false;
    self->looks = self->seen = 0;
    self->other[0] = '\0';
    (void)pthread_mutex_unlock(&self->lock);
}

void whereabouts_note(whereabouts_t *self, bool own, const char *other)
{
    (void)pthread_mutex_lock(&self->lock);
    self->looks++;
    self->seen += own;
    if (other) {
        (void)snprintf(self->other, sizeof self->other, "%s", other);
    }
    bool tell = other && !self->told;
    self->told = self->told || tell;
    (void)pthread_mutex_unlock(&self->lock);
    if (tell) {
        log_warning("blender is on another card: device=%s card=%s", self->id, other);
    }
}

static bool is_below(pid_t pid, pid_t blender)
{
    for (int i = 0; i < DEEPEST && pid > 1; i++) {
        if (pid == blender) {
            return true;
        }
        pid = (pid_t)process_field(pid, PPID_FIELD);
    }
    return false;
}

/* -ENOTSUP and the like: nothing is known. */
static int is_on(cards_t *cards, size_t index, pid_t blender, bool *out)
{
    struct card_process list[PROCESSES_MAX];
    size_t count = 0;
    int rc = cards_processes(cards, index, list, PROCESSES_MAX, &count);
    int64_t least = cards_at(cards, index)->vendor == CARD_NVIDIA ? 0 : LITTLE_BYTES;
    *out = false;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        *out = *out || (list[i].bytes >= least && is_below(list[i].pid, blender));
    }
    return rc;
}

static bool is_own(const whereabouts_t *self, const struct card *card)
{
    for (size_t i = 0; i < self->own_count; i++) {
        if (strcmp(self->own[i], card->id) == 0) {
            return true;
        }
    }
    return false;
}

void whereabouts_look(whereabouts_t *self, cards_t *cards, pid_t blender)
{
    bool known = false;
    bool own = false;
    char other[128] = "";
    for (size_t i = 0; i < cards_count(cards); i++) {
        const struct card *card = cards_at(cards, i);
        bool there = false;
        if (is_on(cards, i, blender, &there) != 0) {
            continue;
        }
        known = known || is_own(self, card);
        own = own || (there && is_own(self, card));
        if (there && !is_own(self, card)) {
            (void)snprintf(other, sizeof other, "%s (%s)", card->id, card->name ? card->name : "?");
        }
    }
    if (known || other[0]) {
        whereabouts_note(self, own, other[0] ? other : NULL);
    }
}

json_t *whereabouts_end(whereabouts_t *self)
{
    json_t *warning = NULL;
    (void)pthread_mutex_lock(&self->lock);
    bool unseen =
        self->on_card && self->lists_all && self->seen == 0 && self->looks >= WHEREABOUTS_LOOKS;
    char text[320];
    if (self->other[0]) {
        (void)snprintf(text, sizeof text, "the driver saw Blender on %s, which is not of %.100s",
                       self->other, self->id);
    } else if (unseen) {
        (void)snprintf(text, sizeof text, "the driver did not see Blender on %.100s in %d looks",
                       self->id, self->looks);
    }
    if (self->other[0] || unseen) {
        warning = json_pack("{s:s, s:s, s:s}", "code", "other-device", "text", text, "hint",
                            "look at the picture, and with nvidia-smi at who uses which card");
    }
    (void)pthread_mutex_unlock(&self->lock);
    return warning;
}
