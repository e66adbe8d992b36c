#include "worker/errand.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/alloc.h"

enum state {
    IDLE,
    ASKED, /* there is a call to make, or being made */
    DONE,  /* its answer is there */
    LEAVE, /* the thread is to end */
};

struct errand {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    enum state state;
    bool late; /* nobody waits for the answer any more */
    errand_call *call;
    _Alignas(max_align_t) unsigned char data[ERRAND_BYTES];
};

static void *run(void *argument)
{
    errand_t *self = argument;
    pthread_mutex_lock(&self->mutex);
    while (self->state != LEAVE) {
        if (self->state != ASKED) {
            pthread_cond_wait(&self->changed, &self->mutex);
            continue;
        }
        pthread_mutex_unlock(&self->mutex);
        self->call(self->data);
        pthread_mutex_lock(&self->mutex);
        self->state = self->late ? IDLE : DONE;
        self->late = false;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static int start_thread(errand_t *self)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

errand_t *errand_new(void)
{
    errand_t *self = alloc_zero(1, sizeof *self);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(self) != 0) {
        pthread_cond_destroy(&self->changed);
        pthread_mutex_destroy(&self->mutex);
        free(self);
        return NULL;
    }
    return self;
}

static struct timespec deadline_in(int timeout_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* it is there on every Linux */
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

/* With the mutex held. */
static int await_answer(errand_t *self, void *data, size_t size, int timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    int rc = 0;
    while (self->state == ASKED && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&self->changed, &self->mutex, &deadline);
    }
    if (self->state == ASKED) {
        self->late = true;
        return -ETIMEDOUT;
    }
    memcpy(data, self->data, size);
    self->state = IDLE;
    return 0;
}

int errand_run(errand_t *self, errand_call *call, void *data, size_t size, int timeout_ms)
{
    assert(size <= ERRAND_BYTES);
    pthread_mutex_lock(&self->mutex);
    int rc = -ETIMEDOUT;
    if (self->state == IDLE) {
        memcpy(self->data, data, size);
        self->call = call;
        self->state = ASKED;
        pthread_cond_broadcast(&self->changed);
        rc = await_answer(self, data, size, timeout_ms);
    }
    pthread_mutex_unlock(&self->mutex);
    return rc;
}

bool errand_is_stuck(errand_t *self)
{
    pthread_mutex_lock(&self->mutex);
    bool stuck = self->state == ASKED;
    pthread_mutex_unlock(&self->mutex);
    return stuck;
}

void errand_destroy(errand_t **self_p)
{
    errand_t *self = *self_p;
    *self_p = NULL;
    if (!self) {
        return;
    }
    pthread_mutex_lock(&self->mutex);
    bool stuck = self->state == ASKED;
    if (!stuck) {
        self->state = LEAVE;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    if (stuck) {
        pthread_detach(self->thread); /* it and this object live as long as the call */
        return;
    }
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}
