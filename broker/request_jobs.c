#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "proto/kept.h"
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

static json_t *submit_one(const struct request *request, json_t *spec)
{
    struct message_fault fault;
    if (message_check_spec(spec, &fault) != MESSAGE_OK) {
        return submit_error("bad-option", fault.text, "", 0);
    }
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

static void refuse(struct queue_error *error, const char *code, const char *file, int rc)
{
    *error = (struct queue_error){ 0 };
    (void)snprintf(error->code, sizeof error->code, "%s", code);
    (void)snprintf(error->text, sizeof error->text, "%s: %s", file, strerror(-rc));
}

/* The file as it is now, and a kept copy of it; without one when none can be made there. */
static int look_at_file(const struct request *request, const char *file, json_t **out,
                        struct queue_error *error)
{
    struct filehash_facts facts;
    int rc = filehash_facts(file, &facts);
    if (rc != 0) {
        refuse(error, rc == -ENOENT ? "file-missing" : "file-unreadable", file,
               rc < 0 ? rc : -EAGAIN);
        return QUEUE_REFUSED;
    }
    json_t *now = json_object();
    msg_set_int(now, "size", facts.size);
    msg_set_int(now, "mtime_ns", facts.mtime_ns);
    msg_set_str(now, "hash", facts.hash);
    CLEANUP(cleanup_free) char *kept = NULL;
    if (kept_make(file, &facts, store_farm(request->broker->store), &kept) == KEPT_OK) {
        msg_set_str(now, "kept", kept);
    }
    *out = now;
    return QUEUE_OK;
}

static int resume_job(const struct request *request, int64_t job, struct queue_error *error)
{
    queue_t *queue = request->broker->queue;
    CLEANUP(cleanup_json) json_t *file = NULL;
    struct job_view view;
    if (job && msg_bool_or(request->body, "accept_change", false)) {
        if (queue_job(queue, request->now, job, &view) != 0) {
            return QUEUE_NO_JOB;
        }
        int rc = look_at_file(request, view.file, &file, error);
        if (rc != QUEUE_OK) {
            return rc;
        }
    }
    return queue_resume(queue, request->now, job, file, error);
}

/* The kept file went with the job's end; the original may still be what was submitted. */
static int keep_again(const struct request *request, int64_t job)
{
    queue_t *queue = request->broker->queue;
    struct job_view view;
    if (!queue_kept_gone(queue, job) || queue_job(queue, request->now, job, &view) != 0) {
        return QUEUE_OK;
    }
    const json_t *spec = view.row->spec;
    struct filehash_facts facts = {
        .size = msg_int_or(spec, "size", 0),
        .mtime_ns = msg_int_or(spec, "mtime_ns", 0),
    };
    (void)snprintf(facts.hash, sizeof facts.hash, "%s", msg_str_or(spec, "hash", ""));
    CLEANUP(cleanup_free) char *kept = NULL;
    int rc = kept_make(view.file, &facts, store_farm(request->broker->store), &kept);
    if (rc == KEPT_OK) {
        return queue_set_kept(queue, request->now, job, kept);
    }
    if (rc == KEPT_CHANGED || rc == -ENOENT) {
        CLEANUP(cleanup_free)
        char *text = alloc_format(
            "%s: changed since it was submitted, and the submitted bytes "
            "are gone",
            view.file);
        (void)queue_pause_for(queue, request->now, job, "file-changed", text,
                              "dblend resume --accept-change renders it as it is now");
    }
    return QUEUE_OK; /* where none can be made the job does without */
}

static int retry_job(const struct request *request, int64_t job, struct queue_error *error)
{
    enum queue_retry what = msg_bool_or(request->body, "all", false) ? RETRY_ALL : RETRY_FAILED;
    int rc = queue_retry(request->broker->queue, request->now, job, what, error);
    if (rc == QUEUE_OK) {
        (void)keep_again(request, job);
    }
    return rc;
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
