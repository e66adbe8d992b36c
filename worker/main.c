/* dblend-worker - renders frames for a broker, on one device, in one warm Blender */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/log.h"
#include "proto/paths.h"
#include "worker/blenders.h"
#include "worker/card.h"
#include "worker/cycles.h"
#include "worker/device.h"
#include "worker/lock.h"
#include "worker/options.h"
#include "worker/pin.h"
#include "worker/program.h"
#include "worker/scratch.h"

enum { EXIT_USAGE = 2, EXIT_HELD = 4, EXIT_ABSENT = 5, PYTHONS = 3 };

enum { EXIT_STOPPED = -1 }; /* told to leave before it began: never an exit status */

/* Everything that main holds, for one clean end. */
struct holdings {
    hwloc_topology_t topology;
    cards_t *cards; /* NULL: nobody asked for a GPU */
    struct paths paths;
    struct device device;
    struct blenders blenders;
    lock_t *lock;
    char *name, *cache, *autorender, *prove;
    char *pythons[PYTHONS + 1]; /* interpreters for the prover, NULL-terminated */
    char host[256];
    int signal_fd;
};

static void release(struct holdings *self)
{
    cards_destroy(&self->cards);
    if (self->topology) {
        hwloc_topology_destroy(self->topology);
    }
    paths_free(&self->paths);
    device_clear(&self->device);
    blenders_clear(&self->blenders);
    lock_release(&self->lock);
    free(self->name);
    free(self->cache);
    free(self->autorender);
    free(self->prove);
    for (size_t i = 0; self->pythons[i]; i++) {
        free(self->pythons[i]);
    }
    cleanup_fd(&self->signal_fd);
}

/* Blocked before the first thread or socket; they come by a descriptor from now on. */
static int open_signals(struct holdings *self)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR2);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -errno;
    }
    self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signal_fd < 0 ? -errno : 0;
}

static int open_paths(struct holdings *self)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    int rc = paths_find(&self->paths, &error_text);
    if (rc != 0) {
        log_error("%s", error_text ? error_text : strerror(-rc));
        return EXIT_FAILURE;
    }
    self->cache = alloc_format("%s/blenders.json", self->paths.state);
    return 0;
}

static int find_blenders(struct holdings *self, const struct options *options)
{
    bool named = options->blenders[0] || options->bpys[0];
    const struct blenders_given given = { .programs = named ? options->blenders : NULL,
                                          .pythons = options->bpys };
    int rc = blenders_find(&given, self->cache, self->signal_fd, &self->blenders);
    if (rc == -EINTR) {
        return EXIT_STOPPED;
    }
    if (rc != 0) {
        log_error("look for blenders: %s", strerror(-rc));
        return EXIT_FAILURE;
    }
    return 0;
}

static void print_line(json_t *object)
{
    CLEANUP(cleanup_free) char *text = json_dumps(object, JSON_COMPACT);
    puts(text ? text : "{}");
    json_decref(object);
}

/* NVML and the like, where text (of --device or --devices) may name a GPU. */
static int open_cards(struct holdings *self, const char *text)
{
    if (!device_wants_cards(text)) {
        return 0;
    }
    int rc = cards_open(self->topology, &self->cards);
    if (rc != 0) {
        log_error("look for GPUs: %s", strerror(-rc));
        return EXIT_FAILURE;
    }
    if (cards_trouble(self->cards)) {
        log_warning("%s", cards_trouble(self->cards));
    }
    return 0;
}

/* "every GPU" leaves out those that cannot be used: that is no secret. */
static void tell_faults(const cards_t *cards, const char *text)
{
    bool every = !text || strcmp(text, "gpu") == 0 || strcmp(text, "gpu+cpu") == 0;
    for (size_t i = 0; cards && every && i < cards_count(cards); i++) {
        const struct card *card = cards_at(cards, i);
        if (card->fault) {
            log_warning("leave out gpu:%zu %s (%s): %s", i, card->id, card->name, card->fault);
        }
    }
}

static int list_devices(struct holdings *self, const struct options *options)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    struct device *devices = NULL;
    size_t count = 0;
    int status = open_cards(self, options->list_text);
    if (status != 0) {
        return status;
    }
    tell_faults(self->cards, options->list_text);
    int rc = device_expand(self->topology, self->cards, options->list_text, &devices, &count,
                           &error_text);
    if (rc != 0) {
        fprintf(stderr, "dblend-worker: %s\n", error_text ? error_text : strerror(-rc));
        return rc > 0 ? EXIT_USAGE : EXIT_FAILURE;
    }
    for (size_t i = 0; i < count; i++) {
        print_line(device_json(&devices[i]));
    }
    device_list_free(&devices, count);
    return 0;
}

/* What there is, usable or not, and who has it. */
static int list_cards(struct holdings *self)
{
    int status = open_paths(self);
    status = status ? status : open_cards(self, NULL);
    if (status != 0) {
        return status;
    }
    if (cards_trouble(self->cards)) {
        print_line(json_pack("{s:s}", "trouble", cards_trouble(self->cards)));
    }
    for (size_t i = 0; i < cards_count(self->cards); i++) {
        pid_t pid = 0;
        const struct card *card = cards_at(self->cards, i);
        CLEANUP(cleanup_free) char *worker = lock_holder(self->paths.run, card->id, &pid);
        json_t *line = card_json(card, i);
        json_object_set_new(line, "worker", worker ? json_string(worker) : json_null());
        json_object_set_new(line, "pid", worker ? json_integer(pid) : json_null());
        print_line(line);
    }
    return 0;
}

static int list_blenders(struct holdings *self, const struct options *options)
{
    int status = open_paths(self);
    if (status == 0) {
        status = find_blenders(self, options);
    }
    if (status != 0) {
        return status == EXIT_STOPPED ? EXIT_FAILURE : status;
    }
    json_t *list = blenders_json(&self->blenders);
    size_t i = 0;
    json_t *blender = NULL;
    json_array_foreach(list, i, blender)
    {
        print_line(json_incref(blender));
    }
    json_decref(list);
    return 0;
}

static int take_device(struct holdings *self, const struct options *options)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    CLEANUP(cleanup_free) char *holder = NULL;
    CLEANUP(cleanup_free) char *overlap = NULL;
    int status = open_cards(self, options->device);
    if (status != 0) {
        return status;
    }
    int rc = device_find(self->topology, self->cards, options->device, &self->device, &error_text);
    if (rc != 0) {
        log_error("--device %s: %s", options->device ? options->device : "",
                  error_text ? error_text : strerror(-rc));
        return rc == DEVICE_ABSENT ? EXIT_ABSENT : rc > 0 ? EXIT_USAGE : EXIT_FAILURE;
    }
    if (self->device.card_count > 0 &&
        cycles_types(&self->device, &options->device_types).count == 0) {
        log_error("--device-type: %s can be used in none of these ways", self->device.id);
        return EXIT_USAGE;
    }
    self->name = alloc_format("%s/%s", self->host, self->device.id);
    rc = lock_take(self->paths.run, &self->device, self->name, &self->lock, &holder, &overlap);
    if (rc == LOCK_HELD) {
        if (self->device.kind == DEVICE_NONE) {
            log_info("an inspector is here already: %s", holder); /* all one could wish for */
        } else {
            log_error("%s; stop it, or take another device", holder);
        }
        return EXIT_HELD;
    }
    if (rc != 0) {
        log_error("lock %s: %s", self->device.id, strerror(-rc));
        return EXIT_FAILURE;
    }
    if (overlap) {
        log_warning("some CPUs of %s are used by other workers too: %s", self->device.id, overlap);
    }
    rc = pin_process(self->topology, &self->device);
    if (rc != 0) {
        log_warning("pin to %s: %s", self->device.id, strerror(-rc));
    }
    return 0;
}

static int find_data(struct holdings *self)
{
    static const char *const names[] = { "autorender.py", "prove.py" };
    char **const targets[] = { &self->autorender, &self->prove };
    for (size_t i = 0; i < 2; i++) {
        int rc = paths_data(names[i], targets[i]);
        if (rc != 0) {
            log_error("%s: %s; install it beside the programs, or name its folder in DBLEND_DATA",
                      names[i], strerror(-rc));
            return EXIT_FAILURE;
        }
    }
    return 0;
}

/* A python3 first in PATH may be a virtual environment without the modules: Debian's goes first. */
static void find_pythons(struct holdings *self)
{
    const char *const names[PYTHONS] = { getenv("DBLEND_PYTHON"), "/usr/bin/python3", "python3" };
    size_t count = 0;
    for (size_t i = 0; i < PYTHONS; i++) {
        if (names[i] && *names[i] && child_find_program(names[i], &self->pythons[count]) == 0) {
            count++;
        }
    }
}

/* An inspector stays, to tell the submitters; a worker that cannot render is of no use. */
static bool may_lack_blender(const struct holdings *self, const struct options *options)
{
    CLEANUP(cleanup_free) char *tried = alloc_text("PATH, /opt, the home folder, desktop entries");
    for (size_t i = 0; options->blenders[i]; i++) {
        char *longer =
            alloc_format("%s%s%s", i > 0 ? tried : "", i > 0 ? ", " : "", options->blenders[i]);
        free(tried);
        tried = longer;
    }
    log_error(
        "no Blender 2.93 or newer was found (looked at: %s)%s%s; install one, or name it with "
        "--blender PATH",
        tried, self->blenders.too_old ? ", only the too old " : "",
        self->blenders.too_old ? self->blenders.too_old : "");
    return self->device.kind == DEVICE_NONE;
}

static int run(struct holdings *self, const struct options *options)
{
    int status = open_paths(self);
    status = status ? status : take_device(self, options);
    status = status ? status : find_data(self);
    if (status != 0) {
        return status;
    }
    find_pythons(self);
    if (!self->pythons[0]) {
        log_error("no python3 is here: install python3-openimageio");
        return EXIT_FAILURE;
    }
    scratch_sweep();
    status = find_blenders(self, options);
    if (status != 0) {
        return status == EXIT_STOPPED ? 0 : status;
    }
    if (self->blenders.count == 0 && !may_lack_blender(self, options)) {
        return EXIT_FAILURE;
    }
    const struct program_setup setup = {
        .name = self->name,
        .host = self->host,
        .device = &self->device,
        .topology = self->topology,
        .cards = self->cards,
        .device_types = options->device_types,
        .blenders = &self->blenders,
        .endpoint = options->connect ? options->connect : self->paths.workers_endpoint,
        .autorender = self->autorender,
        .prove = self->prove,
        .pythons = (const char *const *)self->pythons,
        .factory = options->factory,
        .recycle = options->recycle,
        .stall_ms = (int64_t)options->stall_s * 1000,
        .max_temperature_c = options->max_temperature_c,
        .regroups = options->regroups,
        .exit_when_idle_ms =
            options->exit_when_idle_s < 0 ? -1 : (int64_t)options->exit_when_idle_s * 1000,
        .owner_fd = options->owner_fd,
        .signal_fd = self->signal_fd,
    };
    return program_run(&setup);
}

int main(int argc, char **argv)
{
    struct options options;
    CLEANUP(release) struct holdings self = { .signal_fd = -1 };
    options_parse(argc, argv, &options);
    log_open("dblend-worker", options.verbose);
    (void)gethostname(self.host, sizeof self.host - 1); /* an empty name is a name */
    int rc = open_signals(&self);
    rc = rc ? rc : device_topology(&self.topology);
    if (rc != 0) {
        log_error("start: %s", strerror(-rc));
        return EXIT_FAILURE;
    }
    switch (options.list) {
    case OPTIONS_LIST_DEVICES:
        return list_devices(&self, &options);
    case OPTIONS_LIST_CARDS:
        return list_cards(&self);
    case OPTIONS_LIST_BLENDERS:
        return list_blenders(&self, &options);
    case OPTIONS_LIST_NONE:
        break;
    }
    return run(&self, &options);
}
