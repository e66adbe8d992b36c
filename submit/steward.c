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

enum { END_MS = 60000 }; /* for the last hooks */

struct steward {
    child_t *child;
    int owner; /* write end of the pipe */
};

steward_t *steward_new(const struct paths *paths, const char *role, bool in_front)
{
    const char *arguments[] = { "hooks", role, NULL };
    CLEANUP(cleanup_fd) int theirs = -1;
    int ends[2] = { -1, -1 };
    if (!hooks_any(paths->config)) {
        return NULL;
    }
    CLEANUP(cleanup_free) char *log = in_front ? NULL : program_log(paths, "hooks");
    steward_t *self = alloc_zero(1, sizeof *self);
    int rc = pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
    theirs = ends[0];
    self->owner = ends[1];
    if (rc == 0) {
        struct program_spec spec = { "dblend", arguments, log, theirs };
        rc = program_start(&spec, &self->child);
    }
    if (rc != 0) {
        say_error("the hooks in %s are not run: %s", paths->config, strerror(-rc));
        cleanup_fd(&self->owner);
        free(self);
        return NULL;
    }
    return self;
}

void steward_end(steward_t **self_p, talk_t *talk, bool at_once)
{
    steward_t *self = *self_p;
    struct child_end end;
    if (!self) {
        return;
    }
    (void)!write(self->owner, "e", 1); /* it has ended already: then nobody needs to know */
    cleanup_fd(&self->owner);
    (void)talk_wait_fd(talk, child_pidfd(self->child), at_once ? 0 : END_MS);
    (void)child_reap(self->child, &end); /* else it goes on alone */
    child_release(&self->child);
    free(self);
    *self_p = NULL;
}
