/*
 * A libnvidia-ml.so.1 that plays the machine in the file $DBLEND_FAKE_GPU: see README beside it.
 * The file is read anew by each call, so a test changes the machine by writing the file.
 *
 * FAKE_NVML says how much of the library there is: 2 all, 1 that of an old driver (no MIG, no
 * versioned process lists), 0 one that lacks what nobody can do without.
 */

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef FAKE_NVML
#define FAKE_NVML 2
#endif

enum {
    CARDS = 64,
    INSTANCES = 16,
    PROCESSES = 32,
    FAULTS = 8,
    TEXT = 96,
    MIB = 1048576,
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    GPU_IS_LOST = 15,
};

struct fault {
    char function[TEXT];
    int code; /* -1: it hangs */
};

struct process {
    unsigned pid;
    unsigned long long bytes;
    int drawing, instance; /* -1: of no instance */
};

struct busy {
    unsigned pid, percent;
};

struct instance {
    char uuid[TEXT], name[TEXT];
    unsigned long long memory, used;
};

struct card {
    unsigned domain, bus, device;
    char name[TEXT], uuid[TEXT];
    unsigned long long memory, used;
    unsigned load, temperature, power;
    int is_nvidia, display, major, minor, mig, lost, hidden;
    int index; /* NVML's; -1: it does not list the card */
    struct instance instances[INSTANCES];
    int instance_count;
    struct process processes[PROCESSES];
    int process_count;
    struct busy busy[PROCESSES];
    int busy_count;
    struct fault faults[FAULTS];
    int fault_count;
};

struct machine {
    struct card cards[CARDS];
    int count;
    int process_bytes;
    unsigned claimed_count; /* what GetCount says, when the file says so */
    struct fault faults[FAULTS];
    int fault_count;
};

static int started;

static void copy(char *out, const char *text)
{
    (void)snprintf(out, TEXT, "%s", text);
}

/* The next word of *text into out, "" at the end. */
static const char *word(const char **text, char out[TEXT])
{
    *text += strspn(*text, " \t");
    size_t size = strcspn(*text, " \t");
    (void)snprintf(out, TEXT, "%.*s", (int)size, *text);
    *text += size;
    return out;
}

/* The next word as a number; otherwise when there is none. */
static long number(const char **text, long otherwise)
{
    char digits[TEXT];
    char *end = NULL;
    long value = strtol(word(text, digits), &end, 10);
    return end == digits ? otherwise : value;
}

static void add_fault(struct fault *list, int *count, const char *value, int hangs)
{
    if (*count < FAULTS) {
        struct fault *fault = &list[(*count)++];
        (void)word(&value, fault->function);
        fault->code = hangs ? -1 : (int)number(&value, OK);
    }
}

static void add_instance(struct card *card, const char *value)
{
    if (card->instance_count < INSTANCES) {
        struct instance *new = &card->instances[card->instance_count++];
        (void)word(&value, new->uuid);
        new->memory = (unsigned long long)number(&value, 0);
        new->used = (unsigned long long)number(&value, 0);
        copy(new->name, value + strspn(value, " "));
    }
}

/* pid MiB compute|graphics [instance] */
static void add_process(struct card *card, const char *value)
{
    if (card->process_count < PROCESSES) {
        struct process *new = &card->processes[card->process_count++];
        char kind[TEXT];
        new->pid = (unsigned)number(&value, 0);
        new->bytes = (unsigned long long)number(&value, 0) * MIB;
        new->drawing = strcmp(word(&value, kind), "graphics") == 0;
        new->instance = (int)number(&value, -1);
    }
}

/* pid percent */
static void add_busy(struct card *card, const char *value)
{
    if (card->busy_count < PROCESSES) {
        struct busy *new = &card->busy[card->busy_count++];
        new->pid = (unsigned)number(&value, 0);
        new->percent = (unsigned)number(&value, 0);
    }
}

static void set_capability(struct card *card, const char *value)
{
    char *end = NULL;
    card->major = (int)strtol(value, &end, 10);
    card->minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
}

static int yes(const char *value)
{
    return strcmp(value, "yes") == 0;
}

static void set_card(struct card *card, const char *key, const char *value)
{
    if (strcmp(key, "vendor") == 0) {
        card->is_nvidia = strcmp(value, "nvidia") == 0;
    } else if (strcmp(key, "name") == 0) {
        copy(card->name, value);
    } else if (strcmp(key, "uuid") == 0) {
        copy(card->uuid, value);
    } else if (strcmp(key, "memory") == 0) {
        card->memory = strtoull(value, NULL, 10) * MIB;
    } else if (strcmp(key, "used") == 0) {
        card->used = strtoull(value, NULL, 10) * MIB;
    } else if (strcmp(key, "load") == 0) {
        card->load = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(key, "temperature") == 0) {
        card->temperature = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(key, "power") == 0) {
        card->power = (unsigned)strtoul(value, NULL, 10) * 1000;
    } else if (strcmp(key, "capability") == 0) {
        set_capability(card, value);
    } else if (strcmp(key, "nvml") == 0) {
        card->index = isdigit((unsigned char)*value) ? (int)strtol(value, NULL, 10) : -1;
    } else if (strcmp(key, "display") == 0) {
        card->display = yes(value);
    } else if (strcmp(key, "mig") == 0) {
        card->mig = yes(value);
    } else if (strcmp(key, "lost") == 0) {
        card->lost = yes(value);
    } else if (strcmp(key, "hidden") == 0) {
        card->hidden = yes(value);
    } else if (strcmp(key, "instance") == 0) {
        add_instance(card, value);
    } else if (strcmp(key, "process") == 0) {
        add_process(card, value);
    } else if (strcmp(key, "busy") == 0) {
        add_busy(card, value);
    } else if (strcmp(key, "fail") == 0 || strcmp(key, "hang") == 0) {
        add_fault(card->faults, &card->fault_count, value, *key == 'h');
    }
}

static void set_machine(struct machine *machine, const char *key, const char *value)
{
    if (strcmp(key, "process-bytes") == 0) {
        machine->process_bytes = (int)strtol(value, NULL, 10);
    } else if (strcmp(key, "nvml-count") == 0) {
        machine->claimed_count = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(key, "fail") == 0 || strcmp(key, "hang") == 0) {
        add_fault(machine->faults, &machine->fault_count, value, *key == 'h');
    }
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        text[--size] = '\0';
    }
    return text;
}

/* [domain:bus:device.function] */
static struct card *add_card(struct machine *machine, const char *address)
{
    char *end = NULL;
    if (machine->count == CARDS) {
        return NULL;
    }
    struct card *card = &machine->cards[machine->count++];
    card->index = -1;
    card->domain = (unsigned)strtoul(address, &end, 16);
    card->bus = (unsigned)strtoul(end + 1, &end, 16);
    card->device = (unsigned)strtoul(end + 1, NULL, 16);
    return card;
}

static void take_line(struct machine *machine, struct card **card, char *line)
{
    line[strcspn(line, "#")] = '\0';
    char *key = trimmed(line);
    char *value = strchr(key, '=');
    if (*key == '[') {
        *card = add_card(machine, key + 1);
    } else if (value) {
        *value++ = '\0';
        key = trimmed(key);
        if (*card) {
            set_card(*card, key, trimmed(value));
        } else {
            set_machine(machine, key, trimmed(value));
        }
    }
}

static struct machine *look(void)
{
    static struct machine machine;
    char line[1024];
    struct card *card = NULL;
    const char *path = getenv("DBLEND_FAKE_GPU");
    FILE *file = path ? fopen(path, "re") : NULL;
    memset(&machine, 0, sizeof machine);
    machine.process_bytes = FAKE_NVML == 2 ? 24 : 16;
    while (file && fgets(line, sizeof line, file)) {
        take_line(&machine, &card, line);
    }
    if (file) {
        (void)fclose(file);
    }
    return &machine;
}

/* A fault of this function, when the file has one: its code. A hang does not come back. */
static int fault_in(const struct fault *list, int count, const char *function)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(list[i].function, function) == 0) {
            while (list[i].code < 0) {
                pause();
            }
            return list[i].code;
        }
    }
    return OK;
}

/* A handle is the address of a byte of this table: one a card and one an instance. */
static char handles[CARDS][INSTANCES + 1];

static int find(void *handle, const char *function, struct card **card, struct instance **instance)
{
    struct machine *machine = look();
    ptrdiff_t at = (char *)handle - &handles[0][0];
    int code = fault_in(machine->faults, machine->fault_count, function);
    if (!started || code) {
        return code ? code : UNINITIALIZED;
    }
    if (at < 0 || at >= (ptrdiff_t)sizeof handles) {
        return INVALID_ARGUMENT;
    }
    long number = at / (INSTANCES + 1);
    long part = at % (INSTANCES + 1);
    if (number >= machine->count) {
        return GPU_IS_LOST;
    }
    *card = &machine->cards[number];
    *instance = NULL;
    code = fault_in((*card)->faults, (*card)->fault_count, function);
    if (code || (*card)->lost) {
        return code ? code : GPU_IS_LOST;
    }
    if (part > (*card)->instance_count) {
        return NOT_FOUND;
    }
    *instance = part > 0 ? &(*card)->instances[part - 1] : NULL;
    return OK;
}

static int start(const char *function)
{
    struct machine *machine = look();
    int code = fault_in(machine->faults, machine->fault_count, function);
    started = code == OK;
    return code;
}

/* As the driver does: text and NUL, or an error when there is no room. */
static int put(char *out, unsigned size, const char *text)
{
    if (strlen(text) >= size) {
        return INSUFFICIENT_SIZE;
    }
    memcpy(out, text, strlen(text) + 1);
    return OK;
}

int nvmlInit(void);
int nvmlShutdown(void);
const char *nvmlErrorString(int code);
int nvmlDeviceGetUUID(void *device, char *out, unsigned size);

int nvmlInit(void)
{
    return start("nvmlInit");
}

int nvmlShutdown(void)
{
    started = 0;
    return OK;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case NOT_SUPPORTED:
        return "Not Supported";
    case NO_PERMISSION:
        return "Insufficient Permissions";
    case 9:
        return "Driver Not Loaded";
    case GPU_IS_LOST:
        return "GPU is lost";
    case 18:
        return "Driver/library version mismatch";
    default:
        return "Unknown Error";
    }
}

int nvmlDeviceGetUUID(void *device, char *out, unsigned size)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    return code ? code : put(out, size, instance ? instance->uuid : card->uuid);
}

#if FAKE_NVML >= 1

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

struct memory {
    unsigned long long total, free, used;
};

struct utilization {
    unsigned gpu, memory;
};

int nvmlDeviceGetCount_v2(unsigned *out);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out);
int nvmlDeviceGetPciInfo_v2(void *device, struct pci_info *out);
int nvmlDeviceGetName(void *device, char *out, unsigned size);
int nvmlDeviceGetMemoryInfo(void *device, struct memory *out);
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *out);
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *out);
int nvmlDeviceGetPowerUsage(void *device, unsigned *out);
int nvmlDeviceGetDisplayActive(void *device, int *out);
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor);
int nvmlDeviceGetComputeRunningProcesses(void *device, unsigned *count, void *out);
int nvmlDeviceGetGraphicsRunningProcesses(void *device, unsigned *count, void *out);

int nvmlDeviceGetCount_v2(unsigned *out)
{
    struct machine *machine = look();
    int code = fault_in(machine->faults, machine->fault_count, __func__);
    unsigned count = 0;
    for (int i = 0; i < machine->count; i++) {
        count += machine->cards[i].is_nvidia && machine->cards[i].index >= 0;
    }
    *out = machine->claimed_count ? machine->claimed_count : count;
    return started ? code : UNINITIALIZED;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out)
{
    struct machine *machine = look();
    int code = fault_in(machine->faults, machine->fault_count, __func__);
    if (code || !started) {
        return code ? code : UNINITIALIZED;
    }
    for (int i = 0; i < machine->count; i++) {
        const struct card *card = &machine->cards[i];
        if (card->is_nvidia && card->index == (int)index) {
            code = fault_in(card->faults, card->fault_count, __func__);
            *out = &handles[i][0];
            return card->hidden ? NO_PERMISSION : card->lost ? GPU_IS_LOST : code;
        }
    }
    return INVALID_ARGUMENT;
}

int nvmlDeviceGetPciInfo_v2(void *device, struct pci_info *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK) {
        out->domain = card->domain;
        out->bus = card->bus;
        out->device = card->device;
    }
    return code;
}

int nvmlDeviceGetName(void *device, char *out, unsigned size)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    return code ? code : put(out, size, instance ? instance->name : card->name);
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK) {
        out->total = instance ? instance->memory * MIB : card->memory;
        out->used = instance ? instance->used * MIB : card->used;
        out->free = out->total - out->used;
    }
    return code;
}

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK && (instance || card->mig)) {
        return NOT_SUPPORTED;
    }
    if (code == OK) {
        *out = (struct utilization){ card->load, 0 };
    }
    return code;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK && (instance || sensor != 0)) {
        return instance ? NOT_SUPPORTED : INVALID_ARGUMENT;
    }
    if (code == OK) {
        *out = card->temperature;
    }
    return code;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK && instance) {
        return NOT_SUPPORTED;
    }
    if (code == OK) {
        *out = card->power;
    }
    return code;
}

int nvmlDeviceGetDisplayActive(void *device, int *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK) {
        *out = card->display;
    }
    return code;
}

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK && card->major == 0) {
        return NOT_SUPPORTED;
    }
    if (code == OK) {
        *major = card->major;
        *minor = card->minor;
    }
    return code;
}

/* An entry as long as the driver's of the day: pid, memory, then what came later. */
static int list(void *device, int drawing, const char *function, unsigned *count, char *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, function, &card, &instance);
    int stride = look()->process_bytes;
    unsigned room = *count;
    unsigned found = 0;
    for (int i = 0; code == OK && i < card->process_count; i++) {
        const struct process *process = &card->processes[i];
        int other = instance && process->instance != (int)(instance - card->instances);
        if (process->drawing == drawing && !other && found < room) {
            char *entry = out + (size_t)found++ * (size_t)stride;
            memset(entry, 0, (size_t)stride);
            memcpy(entry, &process->pid, sizeof process->pid);
            memcpy(entry + 8, &process->bytes, sizeof process->bytes);
        }
    }
    *count = found;
    return code;
}

int nvmlDeviceGetComputeRunningProcesses(void *device, unsigned *count, void *out)
{
    return list(device, 0, __func__, count, out);
}

int nvmlDeviceGetGraphicsRunningProcesses(void *device, unsigned *count, void *out)
{
    return list(device, 1, __func__, count, out);
}

#endif

#if FAKE_NVML >= 2

struct process_load {
    unsigned pid;
    unsigned long long at_us;
    unsigned sm, memory, encoder, decoder;
};

struct temperature {
    unsigned version, sensor;
    int celsius;
};

int nvmlInit_v2(void);
int nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *out);
int nvmlDeviceGetTemperatureV(void *device, struct temperature *out);
int nvmlDeviceGetDisplayMode(void *device, int *out);
int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending);
int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *out);
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **out);
int nvmlDeviceGetProcessUtilization(void *device, struct process_load *out, unsigned *count,
                                    unsigned long long since_us);
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *out);
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, void *out);

int nvmlInit_v2(void)
{
    return start(__func__);
}

int nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    return code ? code : nvmlDeviceGetPciInfo_v2(device, out);
}

int nvmlDeviceGetTemperatureV(void *device, struct temperature *out)
{
    unsigned celsius = 0;
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code) {
        return code;
    }
    if (out->version != (sizeof *out | 1U << 24)) {
        return 25; /* argument version mismatch */
    }
    code = nvmlDeviceGetTemperature(device, (int)out->sensor, &celsius);
    out->celsius = (int)celsius;
    return code;
}

int nvmlDeviceGetDisplayMode(void *device, int *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    *out = 0;
    return code ? code : 26; /* deprecated, as by the newest drivers */
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK) {
        *current = *pending = (unsigned)card->mig;
    }
    return code;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    *out = code == OK && card->mig ? 7 : 0;
    return code;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **out)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    if (code == OK && (int)index >= card->instance_count) {
        return NOT_FOUND;
    }
    *out = (char *)device + index + 1;
    return code;
}

/* The last second's; NOT_FOUND when nobody did anything, as the driver says it. */
int nvmlDeviceGetProcessUtilization(void *device, struct process_load *out, unsigned *count,
                                    unsigned long long since_us)
{
    struct card *card = NULL;
    struct instance *instance = NULL;
    int code = find(device, __func__, &card, &instance);
    unsigned long long now_us = (unsigned long long)time(NULL) * 1000000;
    if (code || instance || card->mig) {
        return code ? code : NOT_SUPPORTED;
    }
    if ((int)*count < card->busy_count) {
        return INSUFFICIENT_SIZE;
    }
    *count = (unsigned)card->busy_count;
    for (int i = 0; i < card->busy_count; i++) {
        out[i] = (struct process_load){ card->busy[i].pid, now_us, card->busy[i].percent, 0, 0, 0 };
    }
    return card->busy_count == 0 || now_us < since_us ? NOT_FOUND : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *out)
{
    return list(device, 0, __func__, count, out);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, void *out)
{
    return list(device, 1, __func__, count, out);
}

#endif
