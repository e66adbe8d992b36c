#include "submit/inhibit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/lines.h"
#include "submit/say.h"

enum { LINE_BYTES = 512 };

struct inhibit {
    child_t *child; /* owned; NULL: not held */
    bool told;
};

inhibit_t *inhibit_new(void)
{
    return alloc_zero(1, sizeof(struct inhibit));
}

void inhibit_destroy(inhibit_t **self_p)
{
    if (*self_p) {
        child_destroy(&(*self_p)->child);
        free(*self_p);
        *self_p = NULL;
    }
}

static void tell(inhibit_t *self, const char *why)
{
    if (!self->told) {
        say_note("nothing keeps this machine from going to sleep while it renders: %s", why);
        self->told = true;
    }
}

static void hold(inhibit_t *self)
{
    static const char *const argv[] = { "systemd-inhibit", "--what=sleep:idle",
                                        "--who=dblend",    "--why=frames are being rendered",
                                        "--mode=block",    "sleep",
                                        "infinity",        NULL };
    struct child_spec spec = { .argv = argv, .output = true, .keeper = true };
    int rc = child_spawn(&spec, &self->child);
    if (rc != 0) {
        CLEANUP(cleanup_free) char *why = alloc_format("systemd-inhibit: %s", strerror(-rc));
        tell(self, why);
    }
}

/* It holds as long as it runs: its end, unasked, means that logind would not have it. */
static void check(inhibit_t *self)
{
    struct child_end end;
    struct lines_line line;
    if (child_reap(self->child, &end) != CHILD_OK) {
        return;
    }
    lines_t *lines = lines_new(child_output(self->child), LINE_BYTES);
    bool said = lines_next(lines, &line) == LINES_OK;
    tell(self, said ? line.text : "systemd-inhibit does not run");
    lines_destroy(&lines);
    child_destroy(&self->child);
}

void inhibit_set(inhibit_t *self, bool on)
{
    if (self->child) {
        check(self);
    }
    if (!on) {
        child_destroy(&self->child);
    } else if (!self->child && !self->told) {
        hold(self);
    }
}
