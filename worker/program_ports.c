#include <errno.h>
#include <stdlib.h>

#include "proto/clock.h"
#include "worker/program_parts.h"
#include "worker/source.h"

static bool port_prover_ready(void *ctx)
{
    struct program *self = ctx;
    return prover_ready(self->prover, clock_mono_ms());
}

static void port_prover_ask(void *ctx, json_t *request, int64_t stall_ms)
{
    struct program *self = ctx;
    prover_ask(self->prover, &request, stall_ms, clock_mono_ms());
}

static enum blender_state port_blender_state(void *ctx)
{
    struct program *self = ctx;
    return blender_state(self->blender);
}

static const struct blender_info *port_blender_info(void *ctx)
{
    struct program *self = ctx;
    return blender_info(self->blender);
}

static void port_blender_want(void *ctx, const struct blender_info *info)
{
    struct program *self = ctx;
    blender_want(self->blender, info, clock_mono_ms());
}

static void port_blender_restart(void *ctx, const char *reason)
{
    struct program *self = ctx;
    blender_restart(self->blender, reason, clock_mono_ms());
}

static void port_blender_command(void *ctx, json_t *command, const struct pulse_limits *limits)
{
    struct program *self = ctx;
    blender_command(self->blender, &command, limits, clock_mono_ms());
}

static char *port_blender_log(void *ctx, size_t *size)
{
    struct program *self = ctx;
    return output_text(blender_output(self->blender), size);
}

static void port_blender_mark(void *ctx)
{
    struct program *self = ctx;
    blender_mark(self->blender);
}

static void port_blender_praise(void *ctx)
{
    struct program *self = ctx;
    blender_praise(self->blender);
}

static int64_t port_blender_rss(void *ctx)
{
    struct program *self = ctx;
    return blender_rss_bytes(self->blender);
}

static struct work_peaks port_blender_peaks(void *ctx)
{
    struct program *self = ctx;
    struct work_peaks peaks = { .rss_bytes = blender_rss_bytes(self->blender) };
    if (self->telemetry) {
        struct telemetry_peaks seen = telemetry_take_peaks(self->telemetry);
        peaks.gpu_bytes = seen.gpu_bytes;
        peaks.rss_bytes = seen.rss_bytes > peaks.rss_bytes ? seen.rss_bytes : peaks.rss_bytes;
    }
    return peaks;
}

static char *port_held_by(void *ctx, int64_t *had_bytes)
{
    struct program *self = ctx;
    return self->telemetry ? telemetry_held_by(self->telemetry, had_bytes) : NULL;
}

static void port_source_look(void *ctx, struct source_ask *ask)
{
    struct program *self = ctx;
    int64_t id = ask->id;
    int rc = source_start(ask, self->source_pipe[1]);
    if (rc != 0) {
        /* No thread to be had: the answer says so, by the same way. */
        struct source_answer answer = { .id = id, .verdict = SOURCE_UNREADABLE, .error = -rc };
        source_send(&answer, self->source_pipe[1]);
    }
}

static void port_tell(void *ctx)
{
    struct program *self = ctx;
    if (self->session) {
        session_touch(self->session);
    }
}

static void port_tell_by(void *ctx, int64_t at_ms)
{
    struct program *self = ctx;
    if (self->session) {
        session_touch_by(self->session, at_ms);
    }
}

static void port_watch_begin(void *ctx, bool on_card)
{
    struct program *self = ctx;
    if (self->telemetry) {
        (void)telemetry_take_peaks(self->telemetry); /* what came before is not the frame's */
    }
    whereabouts_begin(self->whereabouts, on_card);
}

static json_t *port_watch_end(void *ctx)
{
    struct program *self = ctx;
    return whereabouts_end(self->whereabouts);
}

struct work_ports program_ports(struct program *self)
{
    return (struct work_ports){
        .ctx = self,
        .prover_ready = port_prover_ready,
        .prover_ask = port_prover_ask,
        .blender_state = port_blender_state,
        .blender_info = port_blender_info,
        .blender_want = port_blender_want,
        .blender_restart = port_blender_restart,
        .blender_command = port_blender_command,
        .blender_log = port_blender_log,
        .blender_mark = port_blender_mark,
        .blender_praise = port_blender_praise,
        .blender_rss = port_blender_rss,
        .blender_peaks = port_blender_peaks,
        .held_by = port_held_by,
        .source_look = port_source_look,
        .tell = port_tell,
        .tell_by = port_tell_by,
        .watch_begin = port_watch_begin,
        .watch_end = port_watch_end,
    };
}
