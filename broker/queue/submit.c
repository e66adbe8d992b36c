/* Jobs come in: a new one, one that goes on, or the answer to a held one. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/keyed.h"
#include "broker/queue/same.h"
#include "broker/queue/state.h"
#include "proto/alloc.h"

/* Options that answer questions; those that change what inspection finds want another one. */
static const struct {
    const char *key;
    const char *against; /* cannot be together with it */
    bool inspect;
} answers[] = {
    { "engine", NULL, true },
    { "output", NULL, true },
    { "trust_scripts", "no_scripts", true },
    { "no_scripts", "trust_scripts", true },
    { "allow_missing", NULL, true },
    { "keep", "overwrite", false },
    { "overwrite", "keep", false },
    { "unbaked", NULL, true },
};
enum { ANSWERS = sizeof answers / sizeof *answers };

int queue_say_no(struct queue_error *error, const char *code, const char *text, const char *hint)
{
    *error = (struct queue_error){ 0 };
    (void)snprintf(error->code, sizeof error->code, "%s", code);
    (void)snprintf(error->text, sizeof error->text, "%s", text);
    (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
    return QUEUE_REFUSED;
}

static int answer_place(const char *key)
{
    for (int i = 0; i < ANSWERS; i++) {
        if (strcmp(answers[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

/* Merge into a copy of the options: changes that wait for the store hold the old map. */
static bool merge(struct job *job, const json_t *options)
{
    bool inspect = false;
    json_t *spec = json_copy(job->row.spec);
    json_t *had = json_object_get(spec, "options");
    json_t *merged = had ? json_copy(had) : json_object();
    if (!json_object_get(spec, "given")) {
        json_object_set_new(spec, "given", had ? json_copy(had) : json_object());
    }
    for (int i = 0; i < ANSWERS; i++) {
        json_t *value = json_object_get(options, answers[i].key);
        if (!value || json_is_null(value)) {
            continue;
        }
        if (answers[i].against && json_is_true(value)) {
            json_object_del(merged, answers[i].against);
        }
        inspect = inspect || (answers[i].inspect &&
                              !json_equal(value, json_object_get(merged, answers[i].key)));
        json_object_set(merged, answers[i].key, value);
    }
    json_object_set_new(spec, "options", merged);
    json_decref(job->row.spec);
    job->row.spec = spec;
    return inspect;
}

/* The plain members anew from the rows' JSON; both were read before, so this cannot fail. */
void job_reread(queue_t *self, struct job *job)
{
    const char *text;
    (void)job_from_spec(job, &text);
    if (job->row.found) {
        (void)job_set_found(self, job, job->row.found, &text);
    }
}

static int first_question(queue_t *self, struct job *job, struct queue_error *error)
{
    json_t *first = json_array_get(questions_open(self, job), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *text = json_string_value(json_object_get(first, "text"));
    const char *hint = json_string_value(json_object_get(first, "hint"));
    (void)queue_say_no(error, code ? code : "held", text ? text : "", hint ? hint : "");
    error->job = job->row.job;
    return QUEUE_REFUSED;
}

static bool all_answers(const json_t *options)
{
    const char *key;
    json_t *value;
    json_t *map = json_incref((json_t *)(uintptr_t)options);
    bool yes = true;
    json_object_foreach(map, key, value)
    {
        yes = yes && answer_place(key) >= 0;
    }
    json_decref(map);
    return yes;
}

int queue_accept(queue_t *self, struct queue_now now, int64_t number, json_t *options,
                 struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (job->row.state != JOB_HELD) {
        return queue_say_no(error, "not-held", "the job asks nothing", "");
    }
    if (!all_answers(options)) {
        return queue_say_no(error, "usage", "an option that answers no question", "");
    }
    if (!questions_answered_by(self, job, options)) {
        return first_question(self, job, error);
    }
    bool inspect = merge(job, options);
    if (json_object_size(options) == 0) {
        job->row.warnings_accepted = true;
    }
    job_reread(self, job);
    if (inspect) {
        job->row.attempts = 0;
        job_drop_found(self, now, job);
        job_move(self, now, job, JOB_QUEUED);
        change_event(self, now, EVENT_JOB_ACCEPTED, event_of(job, NULL), NULL);
        return QUEUE_OK;
    }
    questions_settle(self, now, job);
    return job->row.state == JOB_HELD ? first_question(self, job, error) : QUEUE_OK;
}

/* The answering options of spec that the job does not have yet. */
static json_t *new_answers(const struct job *job, const json_t *spec)
{
    json_t *options = json_object_get(spec, "options");
    json_t *found = json_object();
    for (int i = 0; i < ANSWERS; i++) {
        json_t *value = json_object_get(options, answers[i].key);
        if (value && !json_equal(value, job_option(job, answers[i].key))) {
            json_object_set(found, answers[i].key, value);
        }
    }
    return found;
}

static int answer_held(queue_t *self, struct queue_now now, struct job *job, json_t *spec,
                       struct queue_submitted *out, struct queue_error *error)
{
    json_t *options = new_answers(job, spec);
    int rc = QUEUE_SAME;
    if (json_object_size(options) > 0) {
        rc = queue_accept(self, now, job->row.job, options, error);
        *out = (struct queue_submitted){ .job = job->row.job, .answered = rc == QUEUE_OK };
    }
    json_decref(options);
    return rc;
}

static void take_kept(queue_t *self, struct job *job, const json_t *spec)
{
    const char *kept = json_string_value(json_object_get(spec, "kept"));
    if (kept) {
        job_set_kept(job, kept);
        job_changed(self, job);
    }
}

/*
 * A person who says anew how a job is to be gone about means it from now on. What is not said
 * stays as it was.
 */
static void take_terms(queue_t *self, struct queue_now now, struct job *job, const json_t *spec)
{
    static const char *const terms[] = {
        "order",       "attempts",         "placeholder_timeout_s",
        "stall_s",     "max_frame_time_s", "min_frame_time_ms",
        "mix",         "strict",           "allow_cpu",
        "device_type",
    };
    json_t *given = json_object_get(spec, "options");
    json_t *options = json_copy(json_object_get(job->row.spec, "options"));
    options = options ? options : json_object();
    bool changed = false;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        json_t *value = json_object_get(given, terms[i]);
        if (value && !json_equal(value, json_object_get(options, terms[i]))) {
            json_object_set(options, terms[i], value);
            changed = true;
        }
    }
    if (changed) {
        json_t *merged = json_copy(job->row.spec); /* changes not yet written hold the old one */
        json_object_set(merged, "options", options);
        json_decref(job->row.spec);
        job->row.spec = merged;
        job->row.attempts = 0; /* its inspection begins anew, by the new limit */
        job_reread(self, job);
        job_changed(self, job);
    }
    json_decref(options);
    json_t *priority = json_object_get(given, "priority");
    if (json_is_integer(priority)) {
        struct queue_error ignored; /* it was checked with the spec */
        (void)queue_priority(self, now, job->row.job, (int32_t)json_integer_value(priority),
                             &ignored);
    }
}

static int go_on(queue_t *self, struct queue_now now, struct job *job, json_t *spec,
                 struct queue_submitted *out, struct queue_error *error)
{
    int64_t number = job->row.job;
    take_terms(self, now, job, spec);
    if (job->row.state == JOB_HELD) {
        int rc = answer_held(self, now, job, spec, out, error);
        if (rc != QUEUE_SAME) {
            return rc;
        }
    } else if (job_state_ended(job->row.state)) {
        json_t *options = new_answers(job, spec);
        job->reinspect = merge(job, options);
        json_decref(options);
        job_reread(self, job);
        take_kept(self, job, spec);
        (void)queue_retry(self, now, number, RETRY_LOOK, error);
    } else {
        if (job->row.state == JOB_PAUSED) {
            take_kept(self, job, spec); /* its own may be what it was paused for */
            (void)queue_resume(self, now, number, NULL, error);
        }
        (void)queue_retry(self, now, number, RETRY_FAILED, error);
    }
    *out = (struct queue_submitted){ .job = number, .went_on = true };
    return QUEUE_OK;
}

static bool flag(const json_t *spec, const char *key)
{
    return json_is_true(json_object_get(spec, key)) ||
           json_is_true(json_object_get(json_object_get(spec, "options"), key));
}

static int already_queued(const struct job *job, struct queue_error *error)
{
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("\"%s\" is already queued as job %lld", job->file, (long long)job->row.job);
    (void)queue_say_no(error, "already-queued", text, "--again queues it all the same");
    error->job = job->row.job;
    return QUEUE_REFUSED;
}

static bool in_the_way(const struct job *job, const json_t *spec)
{
    return !job_state_ended(job->row.state) && same_some_frames(job, spec);
}

/* QUEUE_SAME: no job of ours is meant, make a new one. */
static int meet(queue_t *self, struct queue_now now, json_t *spec, struct queue_submitted *out,
                struct queue_error *error)
{
    if (flag(spec, "again")) {
        return QUEUE_SAME;
    }
    struct job *same = flag(spec, "go_on") ? job_find(self, queue_same(self, spec, false)) : NULL;
    if (same) {
        return go_on(self, now, same, spec, out, error);
    }
    struct job *job = same_newest(self, spec, in_the_way);
    if (!job) {
        return QUEUE_SAME;
    }
    int rc =
        job->row.state == JOB_HELD ? answer_held(self, now, job, spec, out, error) : QUEUE_SAME;
    return rc == QUEUE_SAME ? already_queued(job, error) : rc;
}

int queue_submit(queue_t *self, struct queue_now now, json_t *spec, struct queue_submitted *out,
                 struct queue_error *error)
{
    const char *text = "?";
    json_t *at = json_object_get(spec, "submitted_at");
    struct job_row row = {
        .state = JOB_QUEUED,
        .spec = spec,
        .submitted_at = json_is_integer(at) ? (int64_t)json_integer_value(at) : now.wall_ms,
    };
    struct job *job = job_new(&row);
    if (job_from_spec(job, &text) != 0) {
        job_free(&job);
        return queue_say_no(error, "usage", text, "");
    }
    int rc = keyed_meet(self, spec, out, error);
    if (rc == QUEUE_SAME) {
        rc = meet(self, now, spec, out, error);
        if (rc == QUEUE_OK) {
            keyed_give(self, out->job, spec);
        }
    }
    if (rc != QUEUE_SAME) {
        job_free(&job);
        return rc;
    }
    job->row.job = change_next_job(self);
    map_put(&self->jobs, job->row.job, job);
    keyed_add(self, job);
    same_add(self, job);
    owner_add(self, job);
    list_add(&self->all, job);
    job_changed(self, job);
    change_event(self, now, EVENT_JOB_ADDED, event_of(job, NULL), alloc_text(job->file));
    job_review(self, now, job);
    *out = (struct queue_submitted){ .job = job->row.job };
    return QUEUE_OK;
}
