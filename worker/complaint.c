#include "worker/complaint.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *words;
    struct complaint complaint;
} known[] = {
    { "No space left on device", { "disk-full", "make room on the disk, then retry the job" } },
    { "Disk quota exceeded", { "disk-full", "make room within the quota, then retry the job" } },
    { "Build without OpenImageDenoiser",
      { "denoiser-missing", "render with --no-denoise, or with an official build of Blender" } },
    { "Cannot render, no camera", { "no-camera", "add a camera to the scene" } },
    { "No camera found in scene", { "no-camera", "add a camera to the scene" } },
    { "Cannot open file for writing", { "output-unwritable", "check the output folder" } },
    { "Render error: cannot save", { "output-unwritable", "check the output folder" } },
    { "System is out of GPU memory",
      { "out-of-memory", "the scene needs more memory than the device has" } },
    { "Out of memory in CUDA", { "out-of-memory", "the scene needs more memory than there is" } },
    { "Malloc returns null", { "out-of-memory", "the scene needs more memory than there is" } },
    { "Calloc returns null", { "out-of-memory", "the scene needs more memory than there is" } },
    { "std::bad_alloc", { "out-of-memory", "the scene needs more memory than there is" } },
    { "Missing DNA block", { "file-truncated", "save the file again" } },
    { "File format is not supported", { "not-blend", "" } },
};

int complaint_find(const char *text, struct complaint *out)
{
    const char *last = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        for (const char *at = strstr(text, known[i].words); at;
             at = strstr(at + 1, known[i].words)) {
            if (!last || at > last) {
                last = at;
                *out = known[i].complaint;
            }
        }
    }
    return last ? COMPLAINT_OK : COMPLAINT_NONE;
}
