/* The words of the ledger and of the wire for the enums of frame.h, job.h, change.h, session.h. */

#include <errno.h>
#include <string.h>

#include "broker/queue/change.h"
#include "broker/queue/frame.h"
#include "broker/queue/job.h"
#include "broker/queue/session.h"

static const char *const frame_states[] = {
    "waiting", "claimed", "done", "kept", "taken", "failed", "cancelled",
};
_Static_assert(sizeof frame_states / sizeof *frame_states == FRAME_STATES, "a word a state");

static const char *const outcomes[] = {
    "none", "live", "finished", "kept", "taken", "error", "returned", "lost", "inspected", "swept",
};
_Static_assert(sizeof outcomes / sizeof *outcomes == OUTCOMES, "a word an outcome");

static const char *const job_states[] = {
    "queued", "inspecting", "held", "active", "paused", "done", "failed", "cancelled",
};
_Static_assert(sizeof job_states / sizeof *job_states == JOB_STATES, "a word a state");

static const char *const claim_kinds[] = { "none", "render", "inspect", "sweep" };
_Static_assert(sizeof claim_kinds / sizeof *claim_kinds == CLAIM_KINDS, "a word a kind");

static const char *const device_kinds[] = { "none", "cpu", "gpu" };
_Static_assert(sizeof device_kinds / sizeof *device_kinds == DEVICE_KINDS, "a word a kind");

static const char *const phases[] = { "ahead", "rendering", "proof", "inspecting", "sweeping" };
_Static_assert(sizeof phases / sizeof *phases == PHASES, "a word a phase");

static const char *const reports[] = {
    "started", "finished", "kept", "taken", "error", "returned", "inspected", "swept",
};
_Static_assert(sizeof reports / sizeof *reports == REPORT_WHATS, "a word a report");

static const char *const worker_states[] = {
    "starting", "idle", "opening", "rendering", "draining", "paused", "resting", "lost",
};
_Static_assert(sizeof worker_states / sizeof *worker_states == WORKER_STATES, "a word a state");

static const char *const drains[] = { "", "soft", "now" };

static const char *const events[] = {
    "job-added",     "job-inspected",  "job-held",         "job-accepted",   "job-paused",
    "job-resumed",   "job-retried",    "job-cancelled",    "job-removed",    "job-done",
    "job-failed",    "broker-started", "broker-stopped",   "farm-started",   "farm-stopped",
    "farm-notice",   "worker-started", "worker-stopped",   "worker-lost",    "worker-resting",
    "worker-woken",  "worker-blocked", "worker-unblocked", "render-started", "render-returned",
    "frame-started", "frame-done",     "frame-kept",       "frame-taken",    "frame-returned",
    "frame-error",   "frame-failed",   "frame-cancelled",  "frame-wrong",    "job-verified",
};
_Static_assert(sizeof events / sizeof *events == EVENT_WORDS, "a word an event");

static const char *name_of(const char *const *words, int count, int value)
{
    return value >= 0 && value < count ? words[value] : "?";
}

static int parse(const char *const *words, int count, const char *name, int *out)
{
    for (int i = 0; name && i < count; i++) {
        if (words[i][0] == name[0] && strcmp(words[i], name) == 0) {
            *out = i;
            return 0;
        }
    }
    return -EINVAL;
}

/* The two functions of one enum. */
/* NOLINTBEGIN(bugprone-macro-parentheses): the name of a type cannot stand in parentheses */
#define WORDS(noun, type, words, count)                                                            \
    const char *noun##_name(enum type value)                                                       \
    {                                                                                              \
        return name_of(words, count, (int)value);                                                  \
    }                                                                                              \
    int noun##_parse(const char *name, enum type *out)                                             \
    {                                                                                              \
        int value = 0;                                                                             \
        int rc = parse(words, count, name, &value);                                                \
        if (rc == 0) {                                                                             \
            *out = (enum type)value;                                                               \
        }                                                                                          \
        return rc;                                                                                 \
    }

WORDS(frame_state, frame_state, frame_states, FRAME_STATES)
WORDS(claim_outcome, claim_outcome, outcomes, OUTCOMES)
WORDS(job_state, job_state, job_states, JOB_STATES)
WORDS(claim_kind, claim_kind, claim_kinds, CLAIM_KINDS)
WORDS(device_kind, device_kind, device_kinds, DEVICE_KINDS)
WORDS(claim_phase, claim_phase, phases, PHASES)
WORDS(report_what, report_what, reports, REPORT_WHATS)
WORDS(worker_state, worker_state, worker_states, WORKER_STATES)
/* NOLINTEND(bugprone-macro-parentheses) */

const char *drain_order_name(enum drain_order drain)
{
    return name_of(drains, DRAIN_NOW + 1, (int)drain);
}

const char *event_word_name(enum event_word word)
{
    return name_of(events, EVENT_WORDS, (int)word);
}
