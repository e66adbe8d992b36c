#ifndef WORKER_PROBE_H
#define WORKER_PROBE_H

/*
 * probe - ask one Blender what it is, by running it for a moment
 */

#include "worker/blenders.h"

enum probe_outcome {
    PROBE_OK,
    PROBE_NOT_BLENDER, /* it ended, or time ran out, without an answer */
};

/* Run the program at path (out->module: a Python) and fill in all of *out but those two. Takes at
 * most timeout_ms; -EINTR when stop_fd (-1: none) becomes readable first. */
int probe_blender(const char *path, int timeout_ms, int stop_fd, struct blender_info *out);

/* Read the line that a probed Blender prints; false for any other line. */
bool probe_parse(const char *line, struct blender_info *out);

#endif
