#include "submit/steward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "submit/hooks.h"
#include "submit/program.h"
#include "submit/say.h"

enum {
    END_MS = 60000, /* for the last hooks */
    DEATHS_MAX = 5, /* then it is the hooks, or a fault of ours */
};

struct steward {
    const struct paths *paths; /* borrowed, as is supervise */
    supervise_t *supervise;
    const char *role;
    char *log;      /* NULL: our standard error */
    child_t *child; /* NULL: it died too often */
    int owner;      /* write end of the pipe */
    int deaths;
};

static void start(steward_t *self)
{
    const char *arguments[] = { "hooks", self->role, NULL };
    CLEANUP(cleanup_fd) int theirs = -1;
    int ends[2] = { -1, -1 };
    int rc = pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
    theirs = ends[0];
    self->owner = ends[1];
    if (rc == 0) {
        struct program_spec spec = { "dblend", arguments, self->log, theirs };
        rc = program_start(&spec, &self->child);
    }
    if (rc != 0) {
        say_error("the hooks in %s are not run: %s", self->paths->config, strerror(-rc));
        cleanup_fd(&self->owner);
    }
}

/* It has ended: unless it did so by itself, another one goes on. */
static void succeed(steward_t *self)
{
    struct child_end end;
    char how[64];
    if (child_reap(self->child, &end) != CHILD_OK) {
        return;
    }
    child_destroy(&self->child);
    cleanup_fd(&self->owner);
    if (!end.signalled) {
        return; /* its log says why */
    }
    child_end_text(&end, how, sizeof how);
    bool again = ++self->deaths < DEATHS_MAX;
    say_error("what runs the hooks has died: %s; %s", how,
              again ? "another one goes on" : "they are not run any more");
    if (again) {
        start(self);
    }
}

static void on_end(void *arg);

static void watch(steward_t *self)
{
    if (self->child) {
        supervise_watch(self->supervise, child_pidfd(self->child), on_end, self);
    }
}

static void on_end(void *arg)
{
    steward_t *self = arg;
    supervise_watch(self->supervise, -1, NULL, NULL); /* succeed closes its pidfd */
    succeed(self);
    watch(self);
}

static void destroy(steward_t **self_p)
{
    cleanup_fd(&(*self_p)->owner);
    child_release(&(*self_p)->child);
    free((*self_p)->log);
    free(*self_p);
    *self_p = NULL;
}

steward_t *steward_new(const struct paths *paths, supervise_t *supervise, const char *role,
                       bool in_front)
{
    if (!hooks_any(paths->config)) {
        return NULL;
    }
    steward_t *self = alloc_zero(1, sizeof *self);
    self->paths = paths;
    self->supervise = supervise;
    self->role = role;
    self->owner = -1;
    self->log = in_front ? NULL : program_log(paths, "hooks");
    start(self);
    if (!self->child) {
        destroy(&self);
        return NULL;
    }
    watch(self);
    return self;
}

void steward_end(steward_t **self_p, talk_t *talk, bool at_once)
{
    steward_t *self = *self_p;
    if (!self) {
        return;
    }
    supervise_watch(self->supervise, -1, NULL, NULL);
    for (bool died = true; died && self->child;) {
        int deaths = self->deaths;
        (void)!write(self->owner, "e", 1); /* it has ended already: then that is seen now */
        cleanup_fd(&self->owner);
        (void)talk_wait_fd(talk, child_pidfd(self->child), at_once ? 0 : END_MS);
        succeed(self); /* one that runs still goes on alone */
        died = self->deaths > deaths;
    }
    destroy(self_p);
}
