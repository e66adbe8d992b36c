#include "broker/ledger_log.h"

#include <inttypes.h>
#include <string.h>

#include "proto/log.h"

static void write_event(eventlog_t *log, const struct change_event *event)
{
    struct eventlog_line line = {
        .at_ms = event->at,
        .event = event_word_name(event->word),
        .job = event->job,
        .frame = event->frame == EVENT_NO_FRAME ? NULL : &event->frame,
        .worker = event->worker,
        .text = event->text,
    };
    eventlog_write(log, &line);
    if (event->word == EVENT_WORKER_RESTING) {
        log_warning("worker rests: worker=%s: %s", event->worker, event->text);
    } else if (event->word == EVENT_FRAME_WRONG) {
        log_warning("picture is wrong: job=%" PRId64 " frame=%" PRId32 ": %s", event->job,
                    event->frame, event->text);
    }
}

/* The ledger has it; a line that cannot be written is no reason to stop, nor to say so each time.
 */
static void flush_events(eventlog_t *log)
{
    static bool failing = false;
    int rc = eventlog_flush(log);
    if (rc < 0 && !failing) {
        log_warning("write the event log: %s", strerror(-rc));
    }
    failing = rc < 0;
}

static void say_frame(const struct change *change)
{
    const struct frame_row *row = &change->as.frame;
    if (change->from == (int)row->state) {
        return;
    }
    const char *from =
        change->from < 0 ? "waiting" : frame_state_name((enum frame_state)change->from);
    log_info("frame %" PRId32 ": %s -> %s job=%" PRId64 " claim=%" PRId64 " worker=%s", row->frame,
             from, frame_state_name(row->state), row->job, row->claim,
             row->worker ? row->worker : "");
}

static void say_job(const struct change *change)
{
    const struct job_row *row = &change->as.job;
    if (change->from == (int)row->state) {
        return;
    }
    const char *from = change->from < 0 ? "new" : job_state_name((enum job_state)change->from);
    log_info("job %" PRId64 ": %s -> %s", row->job, from, job_state_name(row->state));
}

void ledger_log_changes(eventlog_t *log, const struct change *changes, size_t count)
{
    log_hold();
    for (size_t i = 0; i < count; i++) {
        switch (changes[i].kind) {
        case CHANGE_EVENT:
            write_event(log, &changes[i].as.event);
            break;
        case CHANGE_FRAME_PUT:
            say_frame(&changes[i]);
            break;
        case CHANGE_JOB_PUT:
            say_job(&changes[i]);
            break;
        default:
            break;
        }
    }
    log_release();
    flush_events(log);
}
