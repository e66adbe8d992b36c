/* What is asked of people: which questions of a job are open, and what follows when none is. */

#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

/* Options that answer a question as it stands. Others need another inspection. */
static bool answered(const struct job *job, const char *code)
{
    const char *unbaked = json_string_value(job_option(job, "unbaked"));
    if (strcmp(code, "add-on-missing") == 0 || strcmp(code, "files-missing") == 0) {
        return json_is_true(job_option(job, "allow_missing"));
    }
    if (strcmp(code, "scripts-blocked") == 0) {
        return json_is_true(job_option(job, "trust_scripts")) ||
               json_is_true(job_option(job, "no_scripts"));
    }
    if (strcmp(code, "pictures") == 0) {
        return json_is_true(job_option(job, "keep")) || job->overwrite;
    }
    if (strcmp(code, "unbaked") == 0) {
        return unbaked && strcmp(unbaked, "refuse") != 0;
    }
    return false;
}

/* DESIGN.md, "What is asked": which flags speak to which question. */
static const struct {
    const char *code;
    const char *keys[3];
} flags[] = {
    { "engine-missing", { "engine" } },
    { "add-on-missing", { "allow_missing" } },
    { "files-missing", { "allow_missing" } },
    { "scripts-blocked", { "trust_scripts", "no_scripts" } },
    { "pictures", { "keep", "overwrite", "output" } }, /* another output is a way out, too */
    { "output-in-use", { "output" } },
    { "unbaked", { "unbaked" } },
};

static bool speaks_to(const json_t *options, const char *code)
{
    if (strcmp(code, "warnings") == 0) {
        return json_object_size(options) == 0;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].code, code) == 0) {
            bool speaks = false;
            for (size_t k = 0; k < 3 && flags[i].keys[k]; k++) {
                speaks = speaks || json_object_get(options, flags[i].keys[k]);
            }
            return speaks;
        }
    }
    return false;
}

bool questions_answered_by(queue_t *self, struct job *job, const json_t *options)
{
    const json_t *open = questions_open(self, job);
    for (size_t i = 0; i < json_array_size(open); i++) {
        const char *code = json_string_value(json_object_get(json_array_get(open, i), "code"));
        if (code && speaks_to(options, code)) {
            return true;
        }
    }
    return false;
}

static json_t *question(const char *code, char *text, const char *hint)
{
    json_t *item = json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "hint", hint);
    free(text);
    return item;
}

void questions_forget(struct job *job)
{
    json_decref(job->open);
    job->open = NULL;
}

static bool is_code(const json_t *item, const char *wanted)
{
    const char *code = json_string_value(json_object_get(item, "code"));
    return code && strcmp(code, wanted) == 0;
}

/*
 * Whose output it is. A held job goes on waiting for the one it was held for until that has ended,
 * also while that is paused: a person who stops a render does not mean that another one shall
 * write over its names.
 */
static struct job *in_its_way(queue_t *self, struct job *job)
{
    struct job *other = owner_other(self, job);
    for (size_t i = 0;
         !other && job->row.state == JOB_HELD && i < json_array_size(job->row.questions); i++) {
        const json_t *item = json_array_get(job->row.questions, i);
        json_t *number = json_object_get(item, "job");
        struct job *named = is_code(item, "output-in-use") && json_is_integer(number)
                                ? map_get(&self->jobs, json_integer_value(number))
                                : NULL;
        if (named && named != job && !job_state_ended(named->row.state) &&
            owner_overlap(job, named)) {
            other = named;
        }
    }
    return other;
}

static json_t *ask_output(const struct job *other)
{
    char *text =
        alloc_format("job %lld (%s) renders to the same files: %s", (long long)other->row.job,
                     other->name, other->output ? other->output : "?");
    return question("output-in-use", text,
                    "-o PATTERN, or wait: it goes on by itself when that job has ended");
}

/* For whom it is held is in the row, so that a restart knows it too. */
static void keep_output_question(struct job *job, const struct job *other)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(job->row.questions); i++) {
        json_t *item = json_array_get(job->row.questions, i);
        if (!is_code(item, "output-in-use")) {
            json_array_append(kept, item);
        }
    }
    if (other) {
        json_t *item = ask_output(other);
        json_object_set_new(item, "job", json_integer(other->row.job));
        json_array_append_new(kept, item);
    }
    json_decref(job->row.questions);
    job->row.questions = kept;
}

json_t *questions_open(queue_t *self, struct job *job)
{
    questions_forget(job);
    job->open = json_array();
    for (size_t i = 0; i < json_array_size(job->row.questions); i++) {
        json_t *item = json_array_get(job->row.questions, i);
        const char *code = json_string_value(json_object_get(item, "code"));
        /* these two are asked below, as things are now */
        bool of_now = is_code(item, "output-in-use") || is_code(item, "warnings");
        if (code && !of_now && !answered(job, code)) {
            json_array_append(job->open, item);
        }
    }
    struct job *other = in_its_way(self, job);
    if (other) {
        json_array_append_new(job->open, ask_output(other));
    }
    size_t warnings = json_array_size(job->row.warnings);
    if (job->strict && warnings > 0 && !job->row.warnings_accepted) {
        json_t *first = json_array_get(job->row.warnings, 0);
        const char *text = json_string_value(json_object_get(first, "text"));
        CLEANUP(cleanup_free)
        char *hint = alloc_format("dblend accept %lld", (long long)job->row.job);
        json_array_append_new(
            job->open, question("warnings",
                                alloc_format("%zu warning%s, and --strict was given: %s", warnings,
                                             warnings == 1 ? "" : "s", text ? text : "?"),
                                hint));
    }
    return job->open;
}

void questions_settle(queue_t *self, struct queue_now now, struct job *job)
{
    json_t *open = questions_open(self, job);
    keep_output_question(job, in_its_way(self, job));
    if (json_array_size(open) == 0) {
        bool held = job->row.state == JOB_HELD;
        job_move(self, now, job, JOB_ACTIVE);
        if (held) {
            change_event(self, now, EVENT_JOB_ACCEPTED, event_of(job, NULL), NULL);
        }
        return;
    }
    json_t *first = json_array_get(open, 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *text = json_string_value(json_object_get(first, "text"));
    char *line = alloc_format("%s: %s", code ? code : "?", text ? text : "?");
    if (job->row.state == JOB_HELD) {
        job_changed(self, job);
        free(line);
        return;
    }
    job_move(self, now, job, JOB_HELD);
    change_event(self, now, EVENT_JOB_HELD, event_of(job, NULL), line);
}
