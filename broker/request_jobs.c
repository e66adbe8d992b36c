#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

typedef int (*job_call)(const struct request *request, int64_t job, struct queue_error *error);

/* ok, or not with the reason; QUEUE_SAME is what was asked for as well. */
static json_t *result_of(int64_t job, int rc, const struct queue_error *error)
{
    json_t *result = json_object();
    msg_set_int(result, "job", job);
    msg_set_bool(result, "ok", rc == QUEUE_OK || rc == QUEUE_SAME);
    if (rc == QUEUE_NO_JOB) {
        CLEANUP(cleanup_free) char *text = alloc_format("job %" PRId64 ": no such job", job);
        msg_set(result, "error",
                msg_error("no-such-job", text, "dblend list --all shows all jobs"));
    } else if (rc == QUEUE_REFUSED) {
        msg_set(result, "error", msg_error(error->code, error->text, error->hint));
    }
    return result;
}

static json_t *one_result(int64_t job, int rc, const struct queue_error *error)
{
    json_t *answer = requests_ok();
    msg_set(answer, "results", json_pack("[o]", result_of(job, rc, error)));
    return answer;
}

static json_t *for_each_job(const struct request *request, job_call call)
{
    const json_t *jobs = msg_array_or_null(request->body, "jobs");
    json_t *results = json_array();
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(jobs, index, item)
    {
        int64_t job = json_integer_value(item);
        struct queue_error error = { 0 };
        int rc = call(request, job, &error);
        json_array_append_new(results, result_of(job, rc, &error));
    }
    json_t *answer = requests_ok();
    msg_set(answer, "results", results);
    return answer;
}

/* Without a job it is the whole farm's. */
static json_t *for_jobs_or_farm(const struct request *request, job_call call)
{
    if (json_array_size(msg_array_or_null(request->body, "jobs")) > 0) {
        return for_each_job(request, call);
    }
    struct queue_error error = { 0 };
    int rc = call(request, 0, &error);
    if (rc == QUEUE_REFUSED) {
        return requests_error(error.code, error.text, error.hint, error.job);
    }
    json_t *answer = requests_ok();
    msg_set(answer, "results", json_array());
    return answer;
}

/* ---- SUBMIT ---- */

static json_t *submit_error(const char *code, const char *text, const char *hint, int64_t job)
{
    json_t *result = json_object();
    msg_set(result, "error", msg_error(code, text, hint));
    if (job) {
        msg_set_int(result, "job", job);
    }
    return result;
}

/* What the key of a spec stands for: all that says what is rendered, and how; not when. */
static void note_content(json_t *spec)
{
    (void)json_object_del(spec, "key_content"); /* ours alone */
    if (!msg_str_or(spec, "key", NULL)) {
        return;
    }
    json_t *options = json_copy(json_object_get(spec, "options"));
    if (msg_str_or(options, "render_folder", NULL)) {
        (void)json_object_del(options, "output"); /* it carries the time of the submit */
    }
    CLEANUP(cleanup_json) json_t *content = json_object();
    msg_set(content, "options", options);
    msg_set_str(content, "file", msg_str_or(spec, "file", ""));
    msg_set_str(content, "hash", msg_str_or(spec, "hash", ""));
    msg_set_str(content, "name", msg_str_or(spec, "name", ""));
    char hash[REQUESTS_HASH_SIZE];
    requests_hash(content, hash);
    msg_set_str(spec, "key_content", hash);
}

static json_t *submit_one(const struct request *request, json_t *spec)
{
    struct message_fault fault;
    if (message_check_spec(spec, &fault) != MESSAGE_OK) {
        return submit_error("bad-option", fault.text, "", 0);
    }
    note_content(spec);
    struct queue_submitted submitted = { 0 };
    struct queue_error error = { 0 };
    int rc = queue_submit(request->broker->queue, request->now, spec, &submitted, &error);
    if (rc == QUEUE_REFUSED) {
        return submit_error(error.code, error.text, error.hint, error.job);
    }
    json_t *result = json_object();
    msg_set_int(result, "job", submitted.job);
    msg_set_bool(result, "went_on", submitted.went_on);
    msg_set_bool(result, "answered", submitted.answered);
    if (submitted.repeated) {
        msg_set_bool(result, "repeated", true);
    }
    return result;
}

json_t *request_submit(const struct request *request)
{
    const json_t *specs = msg_array_or_null(request->body, "jobs");
    json_t *jobs = json_array();
    size_t index = 0;
    json_t *spec = NULL;
    json_array_foreach(specs, index, spec)
    {
        json_array_append_new(jobs, submit_one(request, spec));
    }
    json_t *answer = requests_ok();
    msg_set(answer, "jobs", jobs);
    return answer;
}

/* ---- calls on one job ---- */

static int pause_job(const struct request *request, int64_t job, struct queue_error *error)
{
    return queue_pause(request->broker->queue, request->now, job, error);
}

static int cancel_job(const struct request *request, int64_t job, struct queue_error *error)
{
    return queue_cancel(request->broker->queue, request->now, job, error);
}

static int remove_job(const struct request *request, int64_t job, struct queue_error *error)
{
    return queue_remove(request->broker->queue, request->now, job, error);
}

/* ---- what must look at a file first ---- */

/* What filework found of a job's file; NULL: nothing was asked, or it did not get to it. */
static const json_t *file_result(const struct request *request, int64_t job)
{
    size_t index = 0;
    json_t *result = NULL;
    json_array_foreach(request->files, index, result)
    {
        if (msg_int_or(result, "job", 0) == job) {
            return result;
        }
    }
    return NULL;
}

static bool result_is(const json_t *result, const char *word)
{
    return strcmp(msg_str_or(result, "is", ""), word) == 0;
}

static void add_task(json_t *tasks, const struct job_view *view, bool submitted_bytes)
{
    json_t *task = json_object();
    msg_set_int(task, "job", view->row->job);
    msg_set_str(task, "file", view->file);
    if (submitted_bytes) {
        msg_set_str(task, "hash", msg_str_or(view->row->spec, "hash", ""));
        json_t *kept = json_object_get(view->row->spec, "kept");
        if (kept) {
            msg_set(task, "kept", json_incref(kept));
        }
    }
    json_array_append_new(tasks, task);
}

/* Of a job that takes the file as it is now the kept file is of no more use. */
static void add_old(json_t *tasks, const struct request *request, const struct job_view *view)
{
    json_t *task = json_array_get(tasks, json_array_size(tasks) - 1);
    if (queue_kept_alone(request->broker->queue, view->row->job)) {
        msg_set(task, "old", json_incref(json_object_get(view->row->spec, "kept")));
    }
}

/* Tasks for those of the named jobs that need one. */
static json_t *tasks_for(const struct request *request, bool submitted_bytes,
                         bool (*needs)(const struct request *request, const struct job_view *view))
{
    const json_t *jobs = msg_array_or_null(request->body, "jobs");
    json_t *tasks = json_array();
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(jobs, index, item)
    {
        struct job_view view;
        if (queue_job(request->broker->queue, request->now, json_integer_value(item), &view) == 0 &&
            needs(request, &view)) {
            add_task(tasks, &view, submitted_bytes);
            if (!submitted_bytes) {
                add_old(tasks, request, &view);
            }
        }
    }
    if (json_array_size(tasks) == 0) {
        json_decref(tasks);
        return NULL;
    }
    return tasks;
}

static bool is_changed(const struct job_view *view)
{
    return view->row->state == JOB_PAUSED &&
           strcmp(msg_str_or(view->row->error, "code", ""), "file-changed") == 0;
}

static bool resume_needs(const struct request *request, const struct job_view *view)
{
    bool accept = msg_bool_or(request->body, "accept_change", false);
    return accept ? view->row->state == JOB_PAUSED : is_changed(view);
}

json_t *request_resume_files(const struct request *request)
{
    bool accept = msg_bool_or(request->body, "accept_change", false);
    return tasks_for(request, !accept, resume_needs);
}

static int refuse_file(struct queue_error *error, const char *code, const char *file,
                       const char *why)
{
    *error = (struct queue_error){ 0 };
    (void)snprintf(error->code, sizeof error->code, "%s", code);
    (void)snprintf(error->text, sizeof error->text, "%s: %s", file, why);
    return QUEUE_REFUSED;
}

/* What of a result belongs into the job's spec. */
static json_t *facts_of(const json_t *result)
{
    static const char *const keys[] = { "size", "mtime_ns", "hash", "kept" };
    json_t *facts = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *value = json_object_get(result, keys[i]);
        if (value) {
            msg_set(facts, keys[i], json_incref(value));
        }
    }
    return facts;
}

/* The change was not accepted: fine, if the submitted bytes are there again. */
static int resume_unchanged(const struct request *request, const struct job_view *view,
                            struct queue_error *error)
{
    queue_t *queue = request->broker->queue;
    int64_t job = view->row->job;
    const json_t *result = file_result(request, job);
    if (is_changed(view) && (result_is(result, "changed") || result_is(result, "missing"))) {
        const json_t *why = view->row->error;
        *error = (struct queue_error){ .job = job };
        (void)snprintf(error->code, sizeof error->code, "%s", msg_str_or(why, "code", ""));
        (void)snprintf(error->text, sizeof error->text, "%s", msg_str_or(why, "text", ""));
        (void)snprintf(error->hint, sizeof error->hint, "%s", msg_str_or(why, "hint", ""));
        return QUEUE_REFUSED;
    }
    if (result_is(result, "kept")) {
        (void)queue_set_kept(queue, request->now, job, msg_str_or(result, "kept", ""));
    }
    return queue_resume(queue, request->now, job, NULL, error);
}

static int resume_job(const struct request *request, int64_t job, struct queue_error *error)
{
    queue_t *queue = request->broker->queue;
    struct job_view view;
    const json_t *result = file_result(request, job);
    if (job == 0) {
        return queue_resume(queue, request->now, job, NULL, error);
    }
    if (queue_job(queue, request->now, job, &view) != 0) {
        return QUEUE_NO_JOB;
    }
    bool accept = msg_bool_or(request->body, "accept_change", false);
    if (!accept || view.row->state != JOB_PAUSED) {
        return resume_unchanged(request, &view, error);
    }
    if (result_is(result, "now")) {
        CLEANUP(cleanup_json) json_t *file = facts_of(result);
        return queue_resume(queue, request->now, job, file, error);
    }
    if (result_is(result, "missing")) {
        return refuse_file(error, "file-missing", view.file, "no such file");
    }
    return refuse_file(error, "file-unreadable", view.file,
                       msg_str_or(result, "text", "the disk does not answer"));
}

/* The kept file went with the job's end, so one whose frames come back needs it again. */
static bool retry_needs(const struct request *request, const struct job_view *view)
{
    const int64_t *count = view->counts.by_state;
    bool all = msg_bool_or(request->body, "all", false);
    bool some = !view->counted || count[FRAME_FAILED] + count[FRAME_CANCELLED] > 0;
    return (all || some || view->row->stopped) &&
           queue_kept_gone(request->broker->queue, view->row->job);
}

json_t *request_retry_files(const struct request *request)
{
    return tasks_for(request, true, retry_needs);
}

static int retry_job(const struct request *request, int64_t job, struct queue_error *error)
{
    queue_t *queue = request->broker->queue;
    const json_t *result = queue_kept_gone(queue, job) ? file_result(request, job) : NULL;
    enum queue_retry what = msg_bool_or(request->body, "all", false) ? RETRY_ALL : RETRY_FAILED;
    if (result_is(result, "kept")) {
        (void)queue_set_kept(queue, request->now, job, msg_str_or(result, "kept", ""));
    }
    int rc = queue_retry(queue, request->now, job, what, error);
    if (rc == QUEUE_OK && (result_is(result, "changed") || result_is(result, "missing"))) {
        /* without the submitted bytes it would render something else: a person decides */
        (void)queue_pause_changed(queue, request->now, job);
    }
    return rc; /* where none can be kept the job does without */
}

/* What is put back is rendered as it was submitted: the kept file has to be there again. */
static bool verify_needs(const struct request *request, const struct job_view *view)
{
    return queue_kept_gone(request->broker->queue, view->row->job);
}

json_t *request_verify_files(const struct request *request)
{
    bool requeue = msg_bool_or(request->body, "requeue", false);
    return requeue ? tasks_for(request, true, verify_needs) : NULL;
}

static int verify_job(const struct request *request, int64_t job, struct queue_error *error)
{
    queue_t *queue = request->broker->queue;
    const json_t *result = queue_kept_gone(queue, job) ? file_result(request, job) : NULL;
    struct queue_verify how = {
        .requeue = msg_bool_or(request->body, "requeue", false),
        .kept = result_is(result, "kept") ? msg_str_or(result, "kept", NULL) : NULL,
        .source_changed = result_is(result, "changed") || result_is(result, "missing"),
    };
    return queue_verify(queue, request->now, job, &how, error);
}

json_t *request_pause(const struct request *request)
{
    return for_jobs_or_farm(request, pause_job);
}

json_t *request_resume(const struct request *request)
{
    return for_jobs_or_farm(request, resume_job);
}

json_t *request_cancel(const struct request *request)
{
    return for_each_job(request, cancel_job);
}

json_t *request_remove(const struct request *request)
{
    return for_each_job(request, remove_job);
}

json_t *request_retry(const struct request *request)
{
    return for_each_job(request, retry_job);
}

json_t *request_verify(const struct request *request)
{
    return for_each_job(request, verify_job);
}

json_t *request_priority(const struct request *request)
{
    int64_t job = msg_int_or(request->body, "job", 0);
    int32_t priority = (int32_t)msg_int_or(request->body, "priority", 50);
    struct queue_error error = { 0 };
    int rc = queue_priority(request->broker->queue, request->now, job, priority, &error);
    return one_result(job, rc, &error);
}

json_t *request_accept(const struct request *request)
{
    int64_t job = msg_int_or(request->body, "job", 0);
    json_t *options = json_object_get(request->body, "options");
    struct queue_error error = { 0 };
    int rc = queue_accept(request->broker->queue, request->now, job, options, &error);
    return one_result(job, rc, &error);
}

json_t *request_clear(const struct request *request)
{
    json_t *answer = requests_ok();
    msg_set_int(answer, "cleared", queue_clear(request->broker->queue, request->now));
    return answer;
}
