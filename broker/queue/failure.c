/* What an attempt that ended badly means for the frame, the job and the worker. */

#include <stdio.h>
#include <string.h>

#include "broker/queue/state.h"

static const struct {
    const char *code;
    enum failure_scope scope;
} scopes[] = {
    { "no-camera", FAILURE_JOB },          { "file-unreadable", FAILURE_JOB },
    { "file-truncated", FAILURE_JOB },     { "file-too-new", FAILURE_JOB },
    { "not-blend", FAILURE_JOB },          { "scene-missing", FAILURE_JOB },
    { "script-error", FAILURE_JOB },       { "denoiser-missing", FAILURE_JOB },
    { "engine-missing", FAILURE_JOB },     { "format-missing", FAILURE_JOB },
    { "output-unwritable", FAILURE_JOB },  { "disk-full", FAILURE_MACHINE },
    { "device-lost", FAILURE_MACHINE },    { "blender-missing", FAILURE_MACHINE },
    { "prover-missing", FAILURE_MACHINE }, { "device-mismatch", FAILURE_MACHINE },
    { "cpu-only", FAILURE_JOB },           { "device-type", FAILURE_JOB },
    { "file-changed", FAILURE_FILE },
};

enum failure_scope failure_scope(const char *code, bool fatal)
{
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        if (strcmp(scopes[i].code, code) == 0) {
            return scopes[i].scope;
        }
    }
    return fatal ? FAILURE_JOB : FAILURE_FRAME;
}

bool failure_of_memory(const char *code)
{
    return strcmp(code, "out-of-memory") == 0 || strcmp(code, "out-of-gpu-memory") == 0;
}

/* One that fails whatever it is given is in trouble itself. */
static void count(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                  const char *code)
{
    struct standing *standing = worker->standing;
    standing->several =
        standing->several || (standing->failures > 0 && standing->failed_job != job->row.job);
    standing->failed_job = job->row.job;
    standing->failures++;
    if (standing->failures >= FAILING_FAILURES && standing->several) {
        char text[160];
        (void)snprintf(text, sizeof text, "failed %d times running, over several jobs: %.64s",
                       standing->failures, code);
        rest_begin(self, now, worker,
                   &(struct queue_report){
                       .code = REST_FAILING, .text = text, .hint = "look at the worker's log" });
    }
    block_fail(self, now, job, standing->name, code);
}

/* Of a job that has ended, or is to be inspected again, nothing is held against anybody. */
static bool matters(const struct job *job)
{
    return job->row.state == JOB_ACTIVE || job->row.state == JOB_PAUSED;
}

bool failure_judge(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                   const struct queue_report *report)
{
    enum failure_scope scope = failure_scope(report->code, report->fatal);
    if (scope == FAILURE_MACHINE) {
        rest_begin(self, now, worker, report);
    } else if (scope == FAILURE_FRAME && matters(job)) {
        count(self, now, worker, job, report->code);
    } else if (scope == FAILURE_JOB && matters(job)) {
        return block_agree(self, now, job, worker->name, report->code) &&
               job->row.state == JOB_ACTIVE;
    }
    return false;
}

void failure_too_large(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                       const struct queue_report *report)
{
    if (matters(job)) {
        block_fail(self, now, job, worker->name, report->code);
    }
}

void failure_lost(queue_t *self, struct queue_now now, struct worker *worker, struct job *job)
{
    if (matters(job)) {
        count(self, now, worker, job, "lost");
    }
}

void failure_over(queue_t *self, struct queue_now now, struct worker *worker, struct job *job)
{
    struct standing *standing = worker->standing;
    standing->failures = 0;
    standing->several = false;
    rest_done(self, worker);
    block_done(self, now, job, worker->name);
}
