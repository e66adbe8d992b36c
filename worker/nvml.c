#include "worker/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/clock.h"
#include "worker/sysfs.h"

/* What nvmlReturn_t says, as far as we tell its values apart. */
enum {
    RETURN_SUCCESS = 0,
    RETURN_NOT_SUPPORTED = 3,
    RETURN_NO_PERMISSION = 4,
    RETURN_NOT_FOUND = 6,
    RETURN_INSUFFICIENT_SIZE = 7,
    RETURN_FUNCTION_NOT_FOUND = 13,
    RETURN_GPU_IS_LOST = 15,
    RETURN_RESET_REQUIRED = 16,
    RETURN_NO_DATA = 21,
    RETURN_ARGUMENT_VERSION_MISMATCH = 25,
    RETURN_DEPRECATED = 26,
};

enum {
    PROCESSES_MAX = 4096,   /* of one card; more is not believed */
    PROCESS_BYTES_MAX = 32, /* the longest nvmlProcessInfo_t there was */
    UNWRITTEN = 0xA5,
    LOADS_MAX = 1024, /* samples of one answer */
    LOADS_US = 3000000,
    PERCENT_MAX = 100,
    TEMPERATURE_MAX = 300,
    POWER_MAX_MW = 10000000,
};

/* nvmlPciInfo_t. In its versions 2 and 3 the numbers lie alike, and we use only these. */
struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char rest[64]; /* bus_id[32] in version 3, 16 reserved bytes in 2 */
};

struct memory {
    unsigned long long total, free, used;
};

struct utilization {
    unsigned gpu, memory;
};

/* nvmlProcessUtilizationSample_t */
struct process_load {
    unsigned pid;
    unsigned long long at_us;
    unsigned sm, memory, encoder, decoder;
};

/* nvmlTemperature_v1_t; the version is its size with a 1 in the highest byte. */
struct temperature {
    unsigned version, sensor;
    int celsius;
};

struct nvml {
    void *library;
    bool ready; /* initialised: to be shut down */
    char error[NVML_TEXT];

    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_text)(int code);
    int (*count)(unsigned *out);
    int (*handle)(unsigned index, void **out);
    int (*pci)(void *device, struct pci_info *out);
    int (*uuid)(void *device, char *out, unsigned size);
    int (*name)(void *device, char *out, unsigned size);
    int (*memory)(void *device, struct memory *out);
    int (*utilization)(void *device, struct utilization *out);
    int (*temperature)(void *device, struct temperature *out);
    int (*temperature_old)(void *device, int sensor, unsigned *out);
    int (*power)(void *device, unsigned *milliwatts);
    int (*display_mode)(void *device, int *on);
    int (*display_active)(void *device, int *on);
    int (*capability)(void *device, int *major, int *minor);
    int (*mig_mode)(void *device, unsigned *current, unsigned *pending);
    int (*mig_count)(void *device, unsigned *out);
    int (*mig_handle)(void *device, unsigned index, void **out);
    int (*computing)(void *device, unsigned *count, void *infos);
    int (*drawing)(void *device, unsigned *count, void *infos);
    int (*loads)(void *device, struct process_load *out, unsigned *count,
                 unsigned long long since_us);
};

/* Newest name first. What a driver lacks, it cannot tell; without the needed ones it is of no use.
 * The older ones beside them have the same arguments. */
static const struct symbol {
    size_t offset;
    const char *names[3];
    bool needed;
} symbols[] = {
    { offsetof(nvml_t, init), { "nvmlInit_v2", "nvmlInit" }, true },
    { offsetof(nvml_t, shutdown), { "nvmlShutdown" }, true },
    { offsetof(nvml_t, error_text), { "nvmlErrorString" }, false },
    { offsetof(nvml_t, count), { "nvmlDeviceGetCount_v2" }, true },
    { offsetof(nvml_t, handle), { "nvmlDeviceGetHandleByIndex_v2" }, true },
    { offsetof(nvml_t, pci), { "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2" }, true },
    { offsetof(nvml_t, uuid), { "nvmlDeviceGetUUID" }, true },
    { offsetof(nvml_t, name), { "nvmlDeviceGetName" }, false },
    { offsetof(nvml_t, memory), { "nvmlDeviceGetMemoryInfo" }, false },
    { offsetof(nvml_t, utilization), { "nvmlDeviceGetUtilizationRates" }, false },
    { offsetof(nvml_t, temperature), { "nvmlDeviceGetTemperatureV" }, false },
    { offsetof(nvml_t, temperature_old), { "nvmlDeviceGetTemperature" }, false },
    { offsetof(nvml_t, power), { "nvmlDeviceGetPowerUsage" }, false },
    { offsetof(nvml_t, display_mode), { "nvmlDeviceGetDisplayMode" }, false },
    { offsetof(nvml_t, display_active), { "nvmlDeviceGetDisplayActive" }, false },
    { offsetof(nvml_t, capability), { "nvmlDeviceGetCudaComputeCapability" }, false },
    { offsetof(nvml_t, mig_mode), { "nvmlDeviceGetMigMode" }, false },
    { offsetof(nvml_t, mig_count), { "nvmlDeviceGetMaxMigDeviceCount" }, false },
    { offsetof(nvml_t, mig_handle), { "nvmlDeviceGetMigDeviceHandleByIndex" }, false },
    { offsetof(nvml_t, computing),
      { "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetComputeRunningProcesses" },
      false },
    { offsetof(nvml_t, drawing),
      { "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2",
        "nvmlDeviceGetGraphicsRunningProcesses" },
      false },
    { offsetof(nvml_t, loads), { "nvmlDeviceGetProcessUtilization" }, false },
};

/* Text from the driver: ends within size, and is plain ASCII. */
static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    sysfs_clean(text);
}

static char *plain_text(const char *text)
{
    char *out = alloc_text(text);
    sysfs_clean(out);
    return out;
}

static int outcome(nvml_t *self, int code)
{
    if (code == RETURN_SUCCESS) {
        return NVML_OK;
    }
    const char *text = self->error_text ? self->error_text(code) : NULL;
    (void)snprintf(self->error, sizeof self->error, "%.60s (NVML error %d)",
                   text ? text : "an error", code);
    clean(self->error, sizeof self->error);
    switch (code) {
    case RETURN_NOT_SUPPORTED:
    case RETURN_FUNCTION_NOT_FOUND:
    case RETURN_NO_DATA:
    case RETURN_ARGUMENT_VERSION_MISMATCH:
    case RETURN_DEPRECATED:
        return NVML_UNKNOWN;
    case RETURN_NO_PERMISSION:
        return NVML_HIDDEN;
    case RETURN_NOT_FOUND:
    case RETURN_GPU_IS_LOST:
    case RETURN_RESET_REQUIRED:
        return NVML_GONE;
    default:
        return NVML_FAILED;
    }
}

/* NULL when all that is needed is there, else the name of what is not. */
static const char *find_symbols(nvml_t *self)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        const struct symbol *wanted = &symbols[i];
        void *found = NULL;
        for (size_t k = 0; k < 3 && wanted->names[k] && !found; k++) {
            found = dlsym(self->library, wanted->names[k]);
        }
        if (!found && wanted->needed) {
            return wanted->names[0];
        }
        memcpy((char *)self + wanted->offset, &found, sizeof found);
    }
    return NULL;
}

int nvml_open(nvml_t **out, char **why)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        if (text && strstr(text, "cannot open shared object file: No such file")) {
            return NVML_ABSENT;
        }
        *why = plain_text(text ? text : "libnvidia-ml.so.1 cannot be loaded");
        return NVML_BROKEN;
    }
    nvml_t *self = alloc_zero(1, sizeof *self);
    self->library = library;
    const char *missing = find_symbols(self);
    int code = missing ? 0 : self->init();
    if (missing) {
        *why = alloc_format("libnvidia-ml.so.1 has no %s", missing);
    } else if (outcome(self, code) != NVML_OK) {
        *why = alloc_text(self->error);
    } else {
        self->ready = true;
        *out = self;
        return NVML_OK;
    }
    nvml_close(&self);
    return NVML_BROKEN;
}

void nvml_close(nvml_t **self_p)
{
    nvml_t *self = *self_p;
    *self_p = NULL;
    if (self) {
        if (self->ready) {
            (void)self->shutdown(); /* there is nothing to be done about its errors */
        }
        (void)dlclose(self->library);
        free(self);
    }
}

const char *nvml_error(const nvml_t *self)
{
    return self->error[0] ? self->error : "an error";
}

int nvml_count(nvml_t *self, unsigned *out)
{
    unsigned count = 0;
    int rc = outcome(self, self->count(&count));
    if (rc == NVML_OK && count > CARDS_MAX) {
        (void)snprintf(self->error, sizeof self->error, "it speaks of %u cards", count);
        return NVML_FAILED;
    }
    if (rc == NVML_OK) {
        *out = count;
    }
    return rc;
}

static bool is_on(int (*ask)(void *, int *), void *handle)
{
    int on = 0;
    return ask && ask(handle, &on) == RETURN_SUCCESS && on == 1;
}

/* What a card and an instance tell alike. */
static int describe(nvml_t *self, struct nvml_device *out)
{
    int rc = outcome(self, self->uuid(out->handle, out->uuid, sizeof out->uuid));
    clean(out->uuid, sizeof out->uuid);
    if (rc != NVML_OK) {
        out->uuid[0] = '\0';
        return rc == NVML_UNKNOWN ? NVML_OK : rc;
    }
    if (!self->name || self->name(out->handle, out->name, sizeof out->name) != RETURN_SUCCESS) {
        out->name[0] = '\0';
    }
    clean(out->name, sizeof out->name);
    struct memory memory = { 0 };
    if (self->memory && self->memory(out->handle, &memory) == RETURN_SUCCESS &&
        memory.total <= INT64_MAX) {
        out->memory_bytes = (int64_t)memory.total;
    }
    return NVML_OK;
}

static void describe_card(nvml_t *self, struct nvml_device *out)
{
    int major = 0;
    int minor = 0;
    unsigned current = 0;
    unsigned pending = 0;
    out->display =
        is_on(self->display_mode, out->handle) || is_on(self->display_active, out->handle);
    if (self->capability && self->capability(out->handle, &major, &minor) == RETURN_SUCCESS &&
        major > 0 && major < 100 && minor >= 0 && minor < 10) {
        out->capability = major * 10 + minor;
    }
    out->mig_mode = self->mig_mode && self->mig_count && self->mig_handle &&
                    self->mig_mode(out->handle, &current, &pending) == RETURN_SUCCESS &&
                    current == 1;
}

int nvml_card(nvml_t *self, unsigned index, struct nvml_device *out)
{
    struct nvml_device card = { .handle = NULL };
    int rc = outcome(self, self->handle(index, &card.handle));
    if (rc != NVML_OK) {
        return rc;
    }
    struct pci_info pci = { .domain = 0 };
    rc = outcome(self, self->pci(card.handle, &pci));
    if (rc != NVML_OK) {
        return rc;
    }
    if (pci.bus > 0xff || pci.device > 0x1f) {
        (void)snprintf(self->error, sizeof self->error, "it names a PCI address %x:%x:%x",
                       pci.domain, pci.bus, pci.device);
        return NVML_FAILED;
    }
    card.domain = pci.domain;
    card.bus = pci.bus;
    card.device = pci.device;
    *out = card; /* the address stands, whatever else fails */
    rc = describe(self, &card);
    if (rc == NVML_OK) {
        describe_card(self, &card);
        *out = card;
    }
    return rc;
}

int nvml_instances(nvml_t *self, const struct nvml_device *card, struct nvml_device *out,
                   size_t *count)
{
    unsigned places = 0;
    int rc = outcome(self, self->mig_count(card->handle, &places));
    if (rc != NVML_OK) {
        return rc;
    }
    *count = 0;
    for (unsigned i = 0; i < places && i < NVML_MIG_MAX; i++) {
        struct nvml_device *instance = &out[*count];
        *instance = (struct nvml_device){ .domain = card->domain,
                                          .bus = card->bus,
                                          .device = card->device,
                                          .capability = card->capability,
                                          .is_mig = true };
        /* an empty place is no error, and a hidden one is somebody else's */
        if (self->mig_handle(card->handle, i, &instance->handle) == RETURN_SUCCESS &&
            describe(self, instance) == NVML_OK && instance->uuid[0]) {
            ++*count;
        }
    }
    return NVML_OK;
}

static int within(long long value, long long max)
{
    return value >= 0 && value <= max ? (int)value : -1;
}

static int temperature(nvml_t *self, void *handle)
{
    struct temperature now = { .version = (unsigned)sizeof now | 1U << 24 };
    unsigned celsius = 0;
    if (self->temperature && self->temperature(handle, &now) == RETURN_SUCCESS) {
        return within(now.celsius, TEMPERATURE_MAX);
    }
    if (self->temperature_old && self->temperature_old(handle, 0, &celsius) == RETURN_SUCCESS) {
        return within(celsius, TEMPERATURE_MAX);
    }
    return -1;
}

int nvml_sample(nvml_t *self, void *handle, void *parent, struct card_sample *out)
{
    struct card_sample now = { -1, -1, -1, -1, -1 };
    struct memory memory = { 0 };
    struct utilization load = { 0 };
    unsigned milliwatts = 0;
    int rc = NVML_UNKNOWN;
    if (self->memory) {
        rc = outcome(self, self->memory(handle, &memory));
    }
    if (rc != NVML_OK && rc != NVML_UNKNOWN) {
        return rc;
    }
    if (rc == NVML_OK && memory.total <= INT64_MAX && memory.used <= memory.total) {
        now.memory_total_bytes = (int64_t)memory.total;
        now.memory_used_bytes = (int64_t)memory.used;
    }
    if (self->utilization && self->utilization(handle, &load) == RETURN_SUCCESS) {
        now.load_percent = within(load.gpu, PERCENT_MAX);
    }
    now.temperature_c = temperature(self, parent);
    /* the watts of a card are not an instance's: several would be counted for one */
    if (handle == parent && self->power && self->power(handle, &milliwatts) == RETURN_SUCCESS) {
        now.power_mw = within(milliwatts, POWER_MAX_MW);
    }
    *out = now;
    return NVML_OK;
}

/*
 * nvmlProcessInfo_t has had 16, 24 and 32 bytes, also under one name of the function: the _v3 of
 * drivers 535.43 to 535.86 writes 32, the one before and after it 24. So there is room for the
 * longest, and what has been written tells which it was.
 */
static size_t entry_bytes(const unsigned char *bytes, size_t size, size_t count)
{
    static const size_t sizes[] = { 16, 24, PROCESS_BYTES_MAX };
    while (size > 0 && bytes[size - 1] == UNWRITTEN) {
        size--;
    }
    size_t i = 0;
    while (i + 1 < sizeof sizes / sizeof *sizes && sizes[i] * count < size) {
        i++;
    }
    return sizes[i];
}

/* One list of processes, added to out. */
static int list_processes(nvml_t *self, void *handle, bool drawing, struct card_process *out,
                          size_t max, size_t *count)
{
    enum { ROOM = PROCESSES_MAX * PROCESS_BYTES_MAX };
    int (*ask)(void *, unsigned *, void *) = drawing ? self->drawing : self->computing;
    if (!ask) {
        return NVML_UNKNOWN;
    }
    unsigned char *bytes = alloc_zero(ROOM, 1);
    memset(bytes, UNWRITTEN, ROOM);
    unsigned found = PROCESSES_MAX;
    int rc = outcome(self, ask(handle, &found, bytes));
    if (rc == NVML_OK && found <= PROCESSES_MAX) {
        size_t stride = entry_bytes(bytes, ROOM, found);
        for (unsigned i = 0; i < found && *count < max; i++) {
            unsigned pid = 0;
            unsigned long long used = 0;
            memcpy(&pid, bytes + i * stride, sizeof pid);
            memcpy(&used, bytes + i * stride + 8, sizeof used);
            if (pid > 0 && pid <= INT32_MAX) {
                out[(*count)++] = (struct card_process){
                    .pid = (int)pid,
                    .bytes = used <= INT64_MAX ? (int64_t)used : -1,
                    .graphics = drawing,
                };
            }
        }
    }
    free(bytes);
    return rc;
}

/* What each of the list has made the card do. Of instances, and where nobody did anything, the
 * driver says nothing but an error. */
static void add_loads(nvml_t *self, void *handle, struct card_process *list, size_t count)
{
    struct process_load *loads = alloc_zero(LOADS_MAX, sizeof *loads);
    unsigned found = LOADS_MAX;
    unsigned long long since_us = (unsigned long long)clock_wall_ms() * 1000 - LOADS_US;
    if (!self->loads || self->loads(handle, loads, &found, since_us) != RETURN_SUCCESS) {
        found = 0;
    }
    for (unsigned i = 0; i < found && i < LOADS_MAX; i++) {
        int percent = within(loads[i].sm, PERCENT_MAX);
        for (size_t k = 0; k < count; k++) {
            if ((unsigned)list[k].pid == loads[i].pid && percent > list[k].load_percent) {
                list[k].load_percent = percent;
            }
        }
    }
    free(loads);
}

int nvml_processes(nvml_t *self, void *handle, struct card_process *out, size_t max, size_t *count)
{
    *count = 0;
    int computing = list_processes(self, handle, false, out, max, count);
    int drawing = list_processes(self, handle, true, out, max, count);
    add_loads(self, handle, out, *count);
    /* instances draw nothing, and some drivers say so by an error */
    return computing == NVML_OK || drawing == NVML_OK ? NVML_OK : computing;
}
