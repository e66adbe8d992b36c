/*
 * Blocks: a worker that fails a job leaves it to others, as long as there are any.
 *
 * While one is on, the job has a pause running. When that is over and nobody is left who would
 * take the job, all may try again, and the next pause is longer.
 */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

static struct blocks *blocks_of(struct job *job)
{
    if (!job->blocks) {
        job->blocks = alloc_zero(1, sizeof *job->blocks);
        job->blocks->job = job;
        link_init(&job->blocks->list);
    }
    return job->blocks;
}

static struct block *find(const struct job *job, const char *name)
{
    return job->blocks ? map_get(&job->blocks->by_name, words_key(name)) : NULL;
}

bool block_on(const struct job *job, const char *name)
{
    const struct block *block = find(job, name);
    return block && block->on;
}

const struct block *block_last(const struct job *job)
{
    const struct block *last = NULL;
    for (struct link *at = job->blocks ? job->blocks->list.prev : NULL;
         at && at != &job->blocks->list && !last; at = at->prev) {
        const struct block *block = LINK_ITEM(at, struct block, link);
        last = block->on ? block : NULL;
    }
    return last;
}

static struct block *make(struct job *job, const char *name)
{
    struct block *block = find(job, name);
    if (!block) {
        block = alloc_zero(1, sizeof *block);
        block->name = name;
        map_put(&blocks_of(job)->by_name, words_key(name), block);
        link_append(&job->blocks->list, &block->link);
    }
    return block;
}

static void forget_one(struct blocks *blocks, struct block *block)
{
    blocks->on -= block->on;
    if (blocks->on == 0) {
        link_remove(&blocks->pause.link);
    }
    map_remove(&blocks->by_name, words_key(block->name));
    link_remove(&block->link);
    free(block->code);
    free(block);
}

static void forget_verdicts(struct blocks *blocks)
{
    while (blocks->verdict_count > 0) {
        free(blocks->verdicts[--blocks->verdict_count].code);
    }
}

void block_free(struct job *job)
{
    struct blocks *blocks = job->blocks;
    if (blocks) {
        while (!link_empty(&blocks->list)) {
            forget_one(blocks, LINK_ITEM(blocks->list.next, struct block, link));
        }
        forget_verdicts(blocks);
        map_clear(&blocks->by_name);
        free(blocks);
        job->blocks = NULL;
    }
}

bool block_forget(queue_t *self, struct job *job)
{
    bool any = job->blocks && job->blocks->on > 0;
    block_free(job);
    if (any) {
        self->work = true;
        job_touch_workers(self, job);
    }
    return any;
}

static void put_on(queue_t *self, struct queue_now now, struct job *job, struct block *block,
                   const char *code, char *text)
{
    struct blocks *blocks = job->blocks;
    block->on = true;
    block->code = alloc_text(code);
    blocks->on++;
    change_event(self, now, EVENT_WORKER_BLOCKED, event_of(job, block->name), text);
    if (blocks->on == 1 || !fit_other(self, job, NULL, FIT_UNBLOCKED)) {
        pause_begin(&self->block_pauses, &blocks->pause, now.ms);
    }
}

void block_fail(queue_t *self, struct queue_now now, struct job *job, const char *name,
                const char *code)
{
    struct block *block = make(job, name);
    block->failures++;
    if (!block->on && block->failures >= BLOCK_FAILURES) {
        put_on(self, now, job, block, code,
               alloc_format("%s: failed %d times running", code, block->failures));
    }
}

enum said { SAID_NEW, SAID_AGAIN, SAID_BY_ANOTHER };

/* Was that said before? Remembers it. */
static enum said said(struct blocks *blocks, const char *name, const char *code)
{
    for (size_t i = 0; i < blocks->verdict_count; i++) {
        if (strcmp(blocks->verdicts[i].code, code) == 0) {
            return blocks->verdicts[i].name == name ? SAID_AGAIN : SAID_BY_ANOTHER;
        }
    }
    if (blocks->verdict_count < VERDICTS_MAX) {
        blocks->verdicts[blocks->verdict_count++] =
            (struct verdict){ .code = alloc_text(code), .name = name };
    }
    return SAID_NEW;
}

/* One that rests is waited for, once: who was let in again meanwhile has the last word. */
bool block_agree(queue_t *self, struct queue_now now, struct job *job, const char *name,
                 const char *code)
{
    enum said before = said(blocks_of(job), name, code);
    if (before == SAID_BY_ANOTHER) {
        return true;
    }
    if (block_on(job, name)) {
        return false; /* another frame that it held goes the same way */
    }
    if (!fit_other(self, job, name, before == SAID_AGAIN ? FIT_UNBLOCKED : FIT_LATER)) {
        return true;
    }
    struct block *block = make(job, name);
    block->failures++;
    put_on(self, now, job, block, code,
           alloc_format("%s: every frame would fail; another worker tries", code));
    return false;
}

static void take_off(queue_t *self, struct queue_now now, struct job *job, struct block *block)
{
    if (block->on) {
        change_event(self, now, EVENT_WORKER_UNBLOCKED, event_of(job, block->name), NULL);
        self->work = true;
    }
    forget_one(job->blocks, block);
}

void block_done(queue_t *self, struct queue_now now, struct job *job, const char *name)
{
    struct block *block = find(job, name);
    if (block) {
        take_off(self, now, job, block);
    }
    if (job->blocks) {
        job->blocks->pause.level = 0;
        forget_verdicts(job->blocks);
    }
}

static void take_all_off(queue_t *self, struct queue_now now, struct job *job)
{
    struct link *next;
    for (struct link *at = job->blocks->list.next; at != &job->blocks->list; at = next) {
        struct block *block = LINK_ITEM(at, struct block, link);
        next = at->next;
        if (block->on) {
            take_off(self, now, job, block);
        }
    }
    job_touch_workers(self, job);
}

void block_turn(queue_t *self, struct queue_now now)
{
    struct pause *pause;
    while ((pause = pauses_due(&self->block_pauses, now.ms)) != NULL) {
        struct blocks *blocks = LINK_ITEM(pause, struct blocks, pause);
        if (fit_other(self, blocks->job, NULL, FIT_WILLING)) {
            pause_begin(&self->block_pauses, pause, now.ms);
        } else {
            take_all_off(self, now, blocks->job);
            pause_grow(pause);
        }
    }
}
