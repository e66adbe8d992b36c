#include "broker/queue/same.h"

#include <string.h>

#include "broker/queue/state.h"
#include "proto/cleanup.h"

/*
 * The options that say what is rendered and where to; frames are compared apart. All others say
 * how it is gone about (order, attempts, priority ...) or answer a question.
 */
static const char *const compared[] = {
    "scene", "output", "render_folder", "engine", "samples", "percentage", "format", "denoise",
};

static bool asked(const struct job *job, const char *code)
{
    for (size_t i = 0; i < json_array_size(job->row.questions); i++) {
        json_t *item = json_array_get(job->row.questions, i);
        const char *had = json_string_value(json_object_get(item, "code"));
        if (had && strcmp(had, code) == 0) {
            return true;
        }
    }
    return false;
}

/* Does it matter that the two differ in this one? */
static bool counts(const struct job *job, const json_t *options, const char *key)
{
    bool held = job->row.state == JOB_HELD;
    if (strcmp(key, "output") == 0) {
        /* with a render folder it carries the time of the submit */
        return !json_object_get(options, "render_folder") && !(held && asked(job, "output-in-use"));
    }
    return strcmp(key, "engine") != 0 || !held || !asked(job, "engine-missing");
}

/* nil is the same as absent */
static json_t *option(const json_t *options, const char *key)
{
    json_t *value = json_object_get(options, key);
    return json_is_null(value) ? NULL : value;
}

static bool same_options(const struct job *job, const json_t *mine, const json_t *its)
{
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        json_t *a = option(mine, compared[i]);
        json_t *b = option(its, compared[i]);
        if (a != b && !(a && b && json_equal(a, b)) && counts(job, a ? mine : its, compared[i])) {
            return false;
        }
    }
    return true;
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    const char *x = json_string_value(json_object_get(a, key));
    const char *y = json_string_value(json_object_get(b, key));
    return x && y && strcmp(x, y) == 0;
}

static bool same_job(const struct job *job, const json_t *spec)
{
    const json_t *given = json_object_get(job->row.spec, "given"); /* before answers were merged */
    const json_t *mine = given ? given : json_object_get(job->row.spec, "options");
    const json_t *its = json_object_get(spec, "options");
    return same_text(job->row.spec, spec, "file") && same_text(job->row.spec, spec, "hash") &&
           same_options(job, mine, its);
}

static bool equal_or_absent(const json_t *a, const json_t *b)
{
    bool no_a = !a || json_is_null(a) || json_array_size(a) == 0;
    bool no_b = !b || json_is_null(b) || json_array_size(b) == 0;
    return (no_a && no_b) || (!no_a && !no_b && json_equal(a, b));
}

static bool same_frames(const struct job *job, const json_t *spec)
{
    const json_t *options = json_object_get(spec, "options");
    return equal_or_absent(job_option(job, "frames"), json_object_get(options, "frames")) &&
           equal_or_absent(job_option(job, "frame_words"), json_object_get(options, "frame_words"));
}

bool same_some_frames(const struct job *job, const json_t *spec)
{
    struct ranges mine = { 0 };
    struct ranges its = { 0 };
    const json_t *options = json_object_get(spec, "options");
    bool overlap = true;
    if (ranges_from_json(json_object_get(options, "frames"),
                         json_object_get(options, "frame_words"), &its) == 0 &&
        its.count > 0 && its.words == 0) {
        if (job->counted) {
            overlap = ranges_overlap(&job->frames, &its);
        } else if (ranges_from_json(job_option(job, "frames"), job_option(job, "frame_words"),
                                    &mine) == 0 &&
                   mine.count > 0 && mine.words == 0) {
            overlap = ranges_overlap(&mine, &its);
        }
    }
    ranges_clear(&mine);
    ranges_clear(&its);
    return overlap;
}

/* One text for all that two jobs must have in common, whatever state they are in. */
static int64_t fingerprint(const json_t *spec)
{
    const json_t *given = json_object_get(spec, "given"); /* before answers were merged */
    const json_t *options = given ? given : json_object_get(spec, "options");
    CLEANUP(cleanup_json) json_t *common = json_array();
    json_array_append(common, json_object_get(spec, "file"));
    json_array_append(common, json_object_get(spec, "hash"));
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        bool stamped = strcmp(compared[i], "output") == 0 && option(options, "render_folder");
        json_t *value = stamped ? NULL : option(options, compared[i]);
        json_array_append_new(common, value ? json_incref(value) : json_null());
    }
    CLEANUP(cleanup_free) char *text = json_dumps(common, JSON_COMPACT);
    return words_hash(text ? text : "");
}

void same_add(queue_t *self, struct job *job)
{
    job->fingerprint = fingerprint(job->row.spec);
    job->same_next = map_get(&self->same, job->fingerprint);
    map_put(&self->same, job->fingerprint, job);
    if (job->row.state == JOB_HELD) {
        list_add(&self->held, job);
    }
}

void same_remove(queue_t *self, struct job *job)
{
    struct job *first = map_get(&self->same, job->fingerprint);
    struct job **at = &first;
    while (*at && *at != job) {
        at = &(*at)->same_next;
    }
    if (*at) {
        *at = job->same_next;
        (void)map_remove(&self->same, job->fingerprint);
        if (first) {
            map_put(&self->same, job->fingerprint, first);
        }
    }
    list_remove(&self->held, job);
}

struct job *same_newest(const queue_t *self, const json_t *spec, same_kind *is_meant)
{
    struct job *newest = NULL;
    struct job *job = map_get(&self->same, fingerprint(spec));
    for (; job; job = job->same_next) {
        if ((!newest || job->row.job > newest->row.job) && !job->row.removing &&
            same_job(job, spec) && is_meant(job, spec)) {
            newest = job;
        }
    }
    /* Of a held job less must be the same: the options that answer it may differ. */
    for (size_t i = self->held.count; i-- > 0;) {
        job = self->held.items[i];
        if (newest && job->row.job < newest->row.job) {
            break;
        }
        if (!job->row.removing && same_job(job, spec) && is_meant(job, spec)) {
            return job;
        }
    }
    return newest;
}

static bool any_frames_will_do(const struct job *job, const json_t *spec)
{
    (void)job;
    (void)spec;
    return true;
}

int64_t queue_same(const queue_t *self, const json_t *spec, bool any_frames)
{
    const struct job *job = same_newest(self, spec, any_frames ? any_frames_will_do : same_frames);
    return job ? job->row.job : 0;
}
