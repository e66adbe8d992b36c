#include "worker/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/lines.h"

#define MARK "DBLEND-PROBE "

/* A build without _cycles has no denoiser of Cycles either. */
static const char expression[] =
    "import bpy, json\n"
    "try:\n"
    "    import _cycles\n"
    "    denoiser = bool(getattr(_cycles, 'with_openimagedenoise', False))\n"
    "except ImportError:\n"
    "    denoiser = False\n"
    "print('\\n" MARK
    "' + json.dumps({'version': '%d.%d.%d' % bpy.app.version,"
    " 'denoiser': denoiser}), flush=True)\n";

bool probe_parse(const char *line, struct blender_info *out)
{
    if (strncmp(line, MARK, strlen(MARK)) != 0) {
        return false;
    }
    CLEANUP(cleanup_json) json_t *answer = json_loads(line + strlen(MARK), 0, NULL);
    const char *version = json_string_value(json_object_get(answer, "version"));
    struct blender_info found = { .path = NULL };
    if (!version || !blenders_parse_version(version, &found.series, &found.patch)) {
        return false;
    }
    (void)snprintf(found.version, sizeof found.version, "%s", version);
    found.denoiser = json_is_true(json_object_get(answer, "denoiser"));
    found.path = out->path;
    found.module = out->module;
    *out = found;
    return true;
}

/* Read lines until the answer, the end or the deadline. */
static int read_answer(int fd, int64_t deadline_ms, int stop_fd, struct blender_info *out)
{
    CLEANUP(lines_destroy) lines_t *lines = lines_new(fd, 65536);
    for (;;) {
        struct lines_line line;
        int rc = lines_next(lines, &line);
        if (rc == LINES_OK) {
            if (probe_parse(line.text, out)) {
                return 0;
            }
            continue;
        }
        int64_t left = deadline_ms - clock_mono_ms();
        if (rc != LINES_AGAIN || left <= 0) {
            return rc < 0 ? rc : PROBE_NOT_BLENDER;
        }
        struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                                { .fd = stop_fd, .events = POLLIN } };
        if (poll(fds, 2, (int)left) < 0 && errno != EINTR) {
            return -errno;
        }
        if (fds[1].revents) {
            return -EINTR;
        }
    }
}

int probe_blender(const char *path, int timeout_ms, int stop_fd, struct blender_info *out)
{
    const char *program[] = { path, "--background",  "--factory-startup", "--python-exit-code",
                              "9",  "--python-expr", expression,          NULL };
    const char *python[] = { path, "-c", expression, NULL };
    struct child_spec spec = { .argv = out->module ? python : program,
                               .output = true,
                               .keeper = true };
    CLEANUP(child_destroy) child_t *child = NULL;
    int rc = child_spawn(&spec, &child);
    if (rc != 0) {
        return rc;
    }
    return read_answer(child_output(child), clock_mono_ms() + timeout_ms, stop_fd, out);
}
