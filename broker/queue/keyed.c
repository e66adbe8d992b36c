#include "broker/queue/keyed.h"

#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

static const char *text_of(const json_t *spec, const char *key)
{
    const char *text = json_string_value(json_object_get(spec, key));
    return text ? text : "";
}

static struct job *first_of(const queue_t *self, const char *key)
{
    return *key ? map_get(&self->keyed, words_hash(key)) : NULL;
}

void keyed_add(queue_t *self, struct job *job)
{
    const char *key = text_of(job->row.spec, "key");
    if (*key) {
        job->key_next = first_of(self, key);
        map_put(&self->keyed, words_hash(key), job);
    }
}

void keyed_remove(queue_t *self, struct job *job)
{
    const char *key = text_of(job->row.spec, "key");
    struct job *at = first_of(self, key);
    if (at == job) {
        (void)map_remove(&self->keyed, words_hash(key));
        if (job->key_next) {
            map_put(&self->keyed, words_hash(key), job->key_next);
        }
        return;
    }
    while (at && at->key_next != job) {
        at = at->key_next;
    }
    if (at) {
        at->key_next = job->key_next;
    }
}

int keyed_meet(const queue_t *self, const json_t *spec, struct queue_submitted *out,
               struct queue_error *error)
{
    const char *key = text_of(spec, "key");
    struct job *job = first_of(self, key);
    while (job && (job->row.removing || strcmp(text_of(job->row.spec, "key"), key) != 0)) {
        job = job->key_next;
    }
    if (!job) {
        return QUEUE_SAME;
    }
    if (strcmp(text_of(job->row.spec, "key_content"), text_of(spec, "key_content")) == 0) {
        *out = (struct queue_submitted){ .job = job->row.job, .repeated = true };
        return QUEUE_OK;
    }
    CLEANUP(cleanup_free)
    char *text = alloc_format("the key \"%s\" was used for job %lld, which is another", key,
                              (long long)job->row.job);
    (void)queue_say_no(error, "key-used", text, "choose a new key for each job");
    error->job = job->row.job;
    return QUEUE_REFUSED;
}

void keyed_give(queue_t *self, int64_t number, const json_t *spec)
{
    struct job *job = job_find(self, number);
    if (!job || !*text_of(spec, "key") || *text_of(job->row.spec, "key")) {
        return;
    }
    json_t *named = json_copy(job->row.spec); /* changes not yet written hold the old one */
    json_object_set(named, "key", json_object_get(spec, "key"));
    json_object_set(named, "key_content", json_object_get(spec, "key_content"));
    json_decref(job->row.spec);
    job->row.spec = named;
    job_reread(self, job);
    job_changed(self, job);
    keyed_add(self, job);
}
