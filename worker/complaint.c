#include "worker/complaint.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

enum { SCRIPT_EXIT = 9 }; /* --python-exit-code: autorender itself has failed */

static const char look_hint[] = "look at the output of the attempt: dblend log JOB --frame N";
static const char memory_hint[] = "the scene needs more memory than there is";
static const char gpu_hint[] = "the scene needs more memory than the device has";
static const char device_hint[] = "look at the device and its driver: the kernel's log says more";

struct entry {
    const char *words;
    struct complaint complaint;
};

static const struct entry plain[] = {
    { "No space left on device", { "disk-full", "make room on the disk, then retry the job" } },
    { "Disk quota exceeded", { "disk-full", "make room within the quota, then retry the job" } },
    { "Build without OpenImageDenoiser",
      { "denoiser-missing", "render with --no-denoise, or with an official build of Blender" } },
    { "Cannot render, no camera", { "no-camera", "add a camera to the scene" } },
    { "No camera found in scene", { "no-camera", "add a camera to the scene" } },
    { "Cannot open file for writing", { "output-unwritable", "check the output folder" } },
    { "Render error: cannot save", { "output-unwritable", "check the output folder" } },
    { "Malloc returns null", { "out-of-memory", memory_hint } },
    { "Calloc returns null", { "out-of-memory", memory_hint } },
    { "std::bad_alloc", { "out-of-memory", memory_hint } },
    { "Missing DNA block", { "file-truncated", "save the file again" } },
    { "File format is not supported", { "not-blend", "" } },
};

/* Cycles' words: intern/cycles/device of Blender 3.x and 4.x. Its own allocator says "System is out
 * of GPU memory"; a failed call "<error> in <call>", with the driver's name of the error: "Out of
 * memory in cuMemAlloc_v2(...)", "Illegal address in CUDA queue synchronize (...)". */
static const struct entry spoiling[] = {
    { "System is out of GPU", { "out-of-gpu-memory", gpu_hint } },
    { "Out of memory in CUDA", { "out-of-gpu-memory", gpu_hint } },
    { "Out of memory in cu", { "out-of-gpu-memory", gpu_hint } },
    { "Out of memory in HIP", { "out-of-gpu-memory", gpu_hint } },
    { "Out of memory in hip", { "out-of-gpu-memory", gpu_hint } },
    { " context (Out of memory)", { "out-of-gpu-memory", gpu_hint } }, /* none can be made */
    { "CUDA_ERROR_OUT_OF_MEMORY", { "out-of-gpu-memory", gpu_hint } },
    { "OUT_OF_DEVICE_MEMORY", { "out-of-gpu-memory", gpu_hint } }, /* OptiX, oneAPI */
    { "DEVICE_OUT_OF_MEMORY", { "out-of-gpu-memory", gpu_hint } },
    { "GPU is lost", { "device-lost", device_hint } },
    { "fallen off the bus", { "device-lost", device_hint } },
    { "DEVICE_LOST", { "device-lost", device_hint } }, /* oneAPI, Vulkan */
    { "DEVICE_UNAVAILABLE", { "device-lost", device_hint } },
    { "CUDA_ERROR_NO_DEVICE", { "device-lost", device_hint } },
    { "No CUDA-capable device", { "device-lost", device_hint } },
    { "hipErrorNoDevice", { "device-lost", device_hint } },
    { "Uncorrectable ECC error", { "device-lost", device_hint } },
    { "Illegal address in ", { "crashed", look_hint } }, /* of a kernel: the device lives */
    { "Launch failed in ", { "crashed", look_hint } },
    { "Launch exceeded timeout in ", { "crashed", look_hint } },
};

/* The last of a table's words after *last_p, where they are. */
static void find_last(const char *text, const struct entry *table, size_t count,
                      const char **last_p, struct complaint *out)
{
    for (size_t i = 0; i < count; i++) {
        for (const char *at = strstr(text, table[i].words); at;
             at = strstr(at + 1, table[i].words)) {
            if (!*last_p || at > *last_p) {
                *last_p = at;
                *out = table[i].complaint;
            }
        }
    }
}

int complaint_spoiling(const char *text, struct complaint *out)
{
    const char *last = NULL;
    find_last(text, spoiling, sizeof spoiling / sizeof *spoiling, &last, out);
    return last ? COMPLAINT_OK : COMPLAINT_NONE;
}

int complaint_find(const char *text, struct complaint *out)
{
    const char *last = NULL;
    find_last(text, plain, sizeof plain / sizeof *plain, &last, out);
    find_last(text, spoiling, sizeof spoiling / sizeof *spoiling, &last, out);
    return last ? COMPLAINT_OK : COMPLAINT_NONE;
}

void complaint_of_end(const struct child_end *end, bool oom, const char *last,
                      struct complaint *out)
{
    bool killed = end->signalled && end->code == SIGKILL;
    *out = (struct complaint){ .code = "crashed", .hint = look_hint };
    if (killed && oom) {
        *out = (struct complaint){ .code = "out-of-memory", .hint = memory_hint };
    } else if (complaint_find(last, out) == COMPLAINT_OK) {
        return;
    } else if (killed) {
        out->hint = "somebody killed it; often the kernel, when memory runs out";
    } else if (!end->signalled && end->code == SCRIPT_EXIT) {
        out->code = "script-error";
    }
}
