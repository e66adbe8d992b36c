#ifndef PROTO_DEVICE_NAME_H
#define PROTO_DEVICE_NAME_H

/*
 * device_name - what people write for devices
 *
 *     cpu              all cores               cpu/2        two workers, half the cores each
 *     cpu:0-3          these kernel CPUs       cpu:0-1+8-9  joined
 *     gpu              every GPU, one worker each
 *     gpu:0            one GPU                 gpu:0+1      a group, one worker
 *     GPU-1a2b...      a UUID (also MIG-...)   pci:0000:65:00.0
 *     gpu+cpu          GPU and CPU together: after any form of a GPU, as in gpu:0+1+cpu
 *     none             no device: the inspector; only for one worker
 *
 * A comma separates devices; an item of digits only continues the prefix before it: "gpu:0,2"
 * are two. Grammar only: which of them exist is the worker's to say.
 */

#include <stdbool.h>
#include <stddef.h>

#include "proto/ranges.h"

#define DEVICE_NAME_GROUP_MAX 64  /* members of a group of GPUs */
#define DEVICE_NAME_CPU_MAX 8191  /* highest CPU number */
#define DEVICE_NAME_LIST_MAX 1024 /* devices in a list */
#define DEVICE_NAME_BYTES 4096    /* of the whole text */

enum device_kind {
    DEVICE_NONE,
    DEVICE_CPU,
    DEVICE_GPU,
};

enum device_form {
    DEVICE_ALL,     /* none, cpu, gpu */
    DEVICE_SHARE,   /* cpu/N */
    DEVICE_NUMBERS, /* cpu:LIST, gpu:LIST */
    DEVICE_NAMES,   /* UUIDs or PCI addresses */
};

struct device_spec {
    enum device_kind kind;
    enum device_form form;
    int share;             /* DEVICE_SHARE: how many workers, >= 1 */
    struct ranges numbers; /* DEVICE_NUMBERS: normalised */
    bool with_cpu;         /* DEVICE_GPU: and the CPU beside it */
    char **names;          /* DEVICE_NAMES: NULL-terminated; "GPU-..." or "pci:0000:65:00.0" */
};

enum device_name_outcome {
    DEVICE_NAME_OK,
    DEVICE_NAME_WRONG,
};

/* One device, as for --device: cpu/N is wrong there. *error_text is the caller's. */
int device_name_parse(const char *text, struct device_spec *out, char **error_text);

/* A list, as for --devices: *out is an array of *count, released by device_name_list_free. */
int device_name_parse_list(const char *text, struct device_spec **out, size_t *count,
                           char **error_text);

/* The one text of a device: parsing it gives the device again. The caller frees it. */
char *device_name_format(const struct device_spec *self);

void device_name_clear(struct device_spec *self);
void device_name_list_free(struct device_spec **list_p, size_t count);

#endif
