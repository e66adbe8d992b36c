#include "submit/windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/program.h"
#include "submit/say.h"

enum { TIMEOUT_MS = 10000, NAME_BYTES = 64 };

/* What runs in a pane: the end of the log and what comes, until we are gone. */
struct view {
    char *log;
    char pid[32];
};

static void view_make(struct view *self, const struct paths *paths, const char *device)
{
    self->log = program_log(paths, device);
    (void)snprintf(self->pid, sizeof self->pid, "--pid=%d", (int)getpid());
}

/* Run tmux; *out, its answer without the line's end, is the caller's. */
static int tmux(const char *const *words, char **out)
{
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(cleanup_free) char *trouble = NULL;
    int rc = program_capture("tmux", words, TIMEOUT_MS, &text, &trouble);
    if (rc != 0) {
        say_error("--windows: tmux: %s", rc < 0 ? strerror(-rc) : trouble ? trouble : "it failed");
        return COMMAND_FAILED;
    }
    text[strcspn(text, "\n")] = '\0';
    *out = text;
    text = NULL;
    return COMMAND_DONE;
}

/* A pane with its device over it; target: where to split, NULL: the first one of all. */
static int open_pane(const struct view *view, const char *device, const char *session,
                     char **target)
{
    const char *const fresh[] = { "new-session", "-d",         "-s",   session, "-P",
                                  "-F",          "#{pane_id}", "tail", "-n40",  "-F",
                                  view->pid,     view->log,    NULL };
    const char *const window[] = { "new-window", "-d",         "-n",   "dblend", "-P",
                                   "-F",         "#{pane_id}", "tail", "-n40",   "-F",
                                   view->pid,    view->log,    NULL };
    const char *const split[] = { "split-window",
                                  "-d",
                                  "-t",
                                  *target ? *target : "",
                                  "-P",
                                  "-F",
                                  "#{pane_id}",
                                  "tail",
                                  "-n40",
                                  "-F",
                                  view->pid,
                                  view->log,
                                  NULL };
    CLEANUP(cleanup_free) char *pane = NULL;
    CLEANUP(cleanup_free) char *said = NULL;
    int status = tmux(*target ? split : session ? fresh : window, &pane);
    if (status != COMMAND_DONE) {
        return status;
    }
    const char *const title[] = { "select-pane", "-t", pane, "-T", device, NULL };
    const char *const border[] = {
        "set-option", "-w", "-t", pane, "pane-border-status", "top", NULL
    };
    const char *const layout[] = { "select-layout", "-t", pane, "tiled", NULL };
    status = tmux(title, &said);
    cleanup_free(&said);
    status = status == COMMAND_DONE ? tmux(border, &said) : status;
    cleanup_free(&said);
    status = status == COMMAND_DONE ? tmux(layout, &said) : status;
    free(*target);
    *target = pane;
    pane = NULL;
    return status;
}

static int open_panes(const struct paths *paths, const json_t *devices)
{
    CLEANUP(cleanup_free) char *target = NULL;
    bool inside = getenv("TMUX") != NULL;
    char name[NAME_BYTES];
    int status = COMMAND_DONE;
    (void)snprintf(name, sizeof name, "dblend-%d", (int)getpid());
    for (size_t i = 0; i < json_array_size(devices) && status == COMMAND_DONE; i++) {
        const char *device = json_string_value(json_array_get(devices, i));
        struct view view;
        view_make(&view, paths, device);
        status = open_pane(&view, device, inside ? NULL : name, &target);
        free(view.log);
    }
    if (status == COMMAND_DONE && !inside) {
        say_note("`tmux attach -t %s' shows the workers", name);
    }
    return status;
}

static int open_terminals(const char *program, const struct paths *paths, const json_t *devices)
{
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const char *device = json_string_value(json_array_get(devices, i));
        CLEANUP(cleanup_free) char *title = alloc_format("dblend %s", device);
        struct view view;
        view_make(&view, paths, device);
        const char *const argv[] = { program, "-T", title,    "-e",     "tail",
                                     "-n40",  "-F", view.pid, view.log, NULL };
        struct child_spec spec = { .argv = argv, .own_session = true };
        child_t *child = NULL;
        int rc = child_spawn(&spec, &child);
        free(view.log);
        if (rc != 0) {
            say_error("--windows: %s: %s", program, strerror(-rc));
            return COMMAND_FAILED;
        }
        child_release(&child); /* it ends when its `tail' does, or when the person closes it */
    }
    return COMMAND_DONE;
}

int windows_open(const struct paths *paths, const json_t *devices)
{
    CLEANUP(cleanup_free) char *found = NULL;
    if (child_find_program("tmux", &found) == 0) {
        return open_panes(paths, devices);
    }
    if (child_find_program("x-terminal-emulator", &found) == 0) {
        return open_terminals(found, paths, devices);
    }
    say_error("--windows: neither tmux nor x-terminal-emulator is installed");
    return COMMAND_FAILED;
}
