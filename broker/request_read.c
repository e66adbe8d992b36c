#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/objects.h"
#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

enum {
    LIST_LIMIT = 1000,
    BLOCKED_SHOWN = 1000,
    EVENT_LIMIT = 5000,
    DAY_MS = 24 * 60 * 60 * 1000,
};

static json_t *no_such_job(int64_t job)
{
    CLEANUP(cleanup_free) char *text = alloc_format("job %" PRId64 ": no such job", job);
    return requests_error("no-such-job", text, "dblend list --all shows all jobs", job);
}

static int limit_of(const struct request *request, int most)
{
    int64_t limit = msg_int_or(request->body, "limit", most);
    return limit < 1 || limit > most ? most : (int)limit;
}

/* Without `all`: what is not ended, and what ended within a day. */
static bool is_listed(const struct request *request, const struct job_view *view)
{
    return msg_bool_or(request->body, "all", false) || !job_state_ended(view->row->state) ||
           request->now.wall_ms - view->row->finished_at < DAY_MS;
}

json_t *request_list(const struct request *request)
{
    queue_t *queue = request->broker->queue;
    size_t limit = (size_t)limit_of(request, LIST_LIMIT);
    struct objects_page page = { 0 };
    json_t *jobs = json_array();
    bool more = false;
    int64_t job = msg_int_or(request->body, "after", 0);
    while (!more && (job = queue_job_next(queue, job)) != 0) {
        struct job_view view;
        if (queue_job(queue, request->now, job, &view) == 0 && is_listed(request, &view)) {
            more = json_array_size(jobs) == limit ||
                   !objects_page_add(&page, jobs, objects_job(&view));
        }
    }
    json_t *answer = requests_ok();
    msg_set(answer, "jobs", jobs);
    msg_set_bool(answer, "more", more);
    return answer;
}

/* The first page is the one that a person waits for. */
json_t *request_list_files(const struct request *request)
{
    struct broker *broker = request->broker;
    return msg_int_or(request->body, "after", 0) > 0
               ? NULL
               : saved_tasks(broker->saved, broker->queue, request->now, 0);
}

json_t *request_show_files(const struct request *request)
{
    struct broker *broker = request->broker;
    int64_t job = msg_int_or(request->body, "job", 0);
    return job > 0 ? saved_tasks(broker->saved, broker->queue, request->now, job) : NULL;
}

static json_t *shared(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

/* The answer holds only so much: of thousands of workers the first say enough. */
static void add_blocked(void *arg, const struct blocked_view *view)
{
    json_t *blocked = arg;
    if (json_array_size(blocked) < BLOCKED_SHOWN) {
        json_array_append_new(blocked, objects_blocked(view));
    }
}

json_t *request_show(const struct request *request)
{
    int64_t job = msg_int_or(request->body, "job", 0);
    struct job_view view;
    if (queue_job(request->broker->queue, request->now, job, &view) != 0) {
        return no_such_job(job);
    }
    json_t *answer = requests_ok();
    msg_set(answer, "job", objects_job(&view));
    msg_set(answer, "spec", shared(view.row->spec));
    msg_set(answer, "found", shared(view.row->found));
    msg_set(answer, "questions", view.open ? json_incref(view.open) : json_array());
    json_t *blocked = json_array();
    (void)queue_blocked(request->broker->queue, request->now, job, add_blocked, blocked);
    msg_set(answer, "blocked", blocked);
    return answer;
}

/* The proofs of frames are in the ledger alone. */
static int read_proof(store_t *store, const struct frame_row *row, json_t **out)
{
    if (row->state != FRAME_DONE && row->state != FRAME_KEPT) {
        return 0;
    }
    int rc = store_proof(store, row->job, row->frame, out);
    return rc < 0 ? rc : 0;
}

json_t *request_frames(const struct request *request)
{
    struct broker *broker = request->broker;
    int64_t job = msg_int_or(request->body, "job", 0);
    int32_t after = (int32_t)msg_int_or(request->body, "after", INT32_MIN);
    size_t limit = (size_t)limit_of(request, LIST_LIMIT);
    struct objects_page page = { 0 };
    CLEANUP(cleanup_json) json_t *frames = json_array();
    struct frame_row row;
    bool more = false;
    int rc = 0;
    while (!more && (rc = queue_frame_next(broker->queue, job, after, &row)) == 0) {
        CLEANUP(cleanup_json) json_t *proof = NULL;
        int fault = read_proof(broker->store, &row, &proof);
        if (fault < 0) {
            return requests_fault(fault);
        }
        after = row.frame;
        more = json_array_size(frames) == limit ||
               !objects_page_add(&page, frames, objects_frame(&row, proof));
    }
    if (rc == QUEUE_NO_JOB) {
        return no_such_job(job);
    }
    json_t *answer = requests_ok();
    msg_set(answer, "frames", json_incref(frames));
    msg_set_bool(answer, "more", more);
    return answer;
}

struct event_list {
    json_t *events;
    struct objects_page page;
    int64_t last;
};

static bool add_event(void *arg, const struct store_event *event)
{
    struct event_list *list = arg;
    if (!objects_page_add(&list->page, list->events, objects_event(event))) {
        return false;
    }
    list->last = event->id;
    return true;
}

json_t *request_log(const struct request *request)
{
    store_t *store = request->broker->store;
    struct store_filter filter = {
        .after = msg_int_or(request->body, "after", 0),
        .job = msg_int_or(request->body, "job", 0),
        .frame = (int32_t)msg_int_or(request->body, "frame", EVENT_NO_FRAME),
        .limit = limit_of(request, EVENT_LIMIT),
    };
    filter.one_frame = filter.frame != EVENT_NO_FRAME;
    bool only_end = filter.after < 0;
    filter.after = only_end ? store_last_event(store) : filter.after;

    struct event_list list = { .events = json_array(), .last = filter.after };
    int rc = 0;
    if (filter.after < store_last_event(store)) {
        rc = store_events(store, &filter, add_event, &list);
    }
    if (rc < 0) {
        json_decref(list.events);
        return requests_fault(rc);
    }
    if (json_array_size(list.events) == 0 && !request->last && !only_end) {
        json_decref(list.events);
        return NULL;
    }
    json_t *answer = requests_ok();
    msg_set(answer, "events", list.events);
    msg_set_int(answer, "last", list.last);
    return answer;
}

/* Nothing more happens to it until a person decides: it is held, or paused by itself. */
static bool needs_person(const struct job_view *view)
{
    const struct job_row *row = view->row;
    return row->state == JOB_HELD || (row->state == JOB_PAUSED && row->error);
}

json_t *request_wait(const struct request *request)
{
    queue_t *queue = request->broker->queue;
    const json_t *asked = msg_array_or_null(request->body, "jobs");
    CLEANUP(cleanup_json) json_t *jobs = json_array();
    struct objects_page page = { 0 };
    bool all_ended = true;
    bool any_held = false;
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(asked, index, item)
    {
        struct job_view view;
        if (queue_job(queue, request->now, json_integer_value(item), &view) != 0) {
            return no_such_job(json_integer_value(item));
        }
        all_ended = all_ended && job_state_ended(view.row->state);
        any_held = any_held || needs_person(&view);
        (void)objects_page_add(&page, jobs, objects_job(&view)); /* more than fit are not shown */
    }
    if (!all_ended && !any_held && !request->last) {
        return NULL;
    }
    json_t *answer = requests_ok();
    msg_set(answer, "jobs", json_incref(jobs));
    return answer;
}
