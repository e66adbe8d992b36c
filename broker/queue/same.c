/* When two jobs are the same (PROTOCOL.md, Job spec), and whether their frames meet. */

#include <string.h>

#include "broker/queue/state.h"

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

/* FNV-1a */
uint64_t same_key(const json_t *spec)
{
    static const char *const keys[] = { "file", "hash" };
    uint64_t key = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *at = json_string_value(json_object_get(spec, keys[i]));
        for (; at && *at; at++) {
            key = (key ^ (unsigned char)*at) * 0x100000001b3u;
        }
    }
    return key;
}

bool same_job(const struct job *job, const json_t *spec)
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

bool same_frames(const struct job *job, const json_t *spec)
{
    const json_t *options = json_object_get(spec, "options");
    return equal_or_absent(job_option(job, "frames"), json_object_get(options, "frames")) &&
           equal_or_absent(job_option(job, "frame_words"), json_object_get(options, "frame_words"));
}

/* What is not numbers on both sides meets everything. */
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

int64_t queue_same(const queue_t *self, const json_t *spec, bool any_frames)
{
    uint64_t key = same_key(spec);
    for (size_t i = self->all.count; i-- > 0;) {
        const struct job *job = self->all.items[i];
        if (job->same_key == key && !job->row.removing && same_job(job, spec) &&
            (any_frames || same_frames(job, spec))) {
            return job->row.job;
        }
    }
    return 0;
}
