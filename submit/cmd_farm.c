/*
 * dblend farm - keep a farm running: a broker, an inspector and a worker on each device
 */

#include <argp.h>
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/device_types.h"
#include "submit/command.h"
#include "submit/crew.h"
#include "submit/lock.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/steward.h"
#include "submit/supervise.h"
#include "submit/talk.h"
#include "submit/vigil.h"
#include "submit/windows.h"

enum {
    KEY_DETACH = COMMAND_KEY_OWN,
    KEY_WINDOWS,
    KEY_DEVICE_TYPE,
    KEY_STALL,
    STALL_MOST_S = 31536000
};

struct arguments {
    struct crew crew;
    bool windows;
    bool detach;
};

static void check_device_type(struct argp_state *state, const char *text)
{
    CLEANUP(cleanup_free) char *why = NULL;
    struct device_types types;
    if (device_types_parse(text, &types, &why) != DEVICE_TYPES_OK) {
        argp_error(state, "--device-type %s", why);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->crew;
        return 0;
    case KEY_DETACH:
        arguments->detach = true;
        return 0;
    case KEY_DEVICE_TYPE:
        check_device_type(state, arg);
        crew_tell_workers(&arguments->crew, state, "--device-type", arg);
        return 0;
    case KEY_STALL:
        (void)command_number(state, "--stall", arg, 1, STALL_MOST_S);
        crew_tell_workers(&arguments->crew, state, "--stall", arg);
        return 0;
    case KEY_WINDOWS:
        arguments->windows = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "farm takes no file; `dblend render FILE' or `dblend add FILE' do");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void tell_stopping(enum supervise_level level)
{
    say_note(level == SUPERVISE_NOW
                 ? "stopping at once"
                 : "stopping: what renders is finished first; once more gives it back at once");
}

/* What was asked for. */
struct plan {
    struct crew *crew;
    json_t *devices;
    bool windows;
};

/* From start to stop; ready: told with one byte once all is at work, or -1. */
static void work(talk_t *talk, supervise_t *supervise, const struct plan *plan, int ready)
{
    size_t count = json_array_size(plan->devices);
    CLEANUP(vigil_destroy) vigil_t *vigil = vigil_new(talk, supervise, plan->crew->when_done);
    vigil_set_acting(vigil);
    supervise_await_workers(supervise);
    if (ready >= 0 && supervise_level(supervise) == SUPERVISE_RUN) {
        (void)!write(ready, "r", 1); /* who waited for it is gone: no matter */
    } else if (supervise_level(supervise) == SUPERVISE_RUN) {
        say_note("the farm runs on %zu device%s; `dblend add FILE' gives it work, Ctrl-C stops it",
                 count, count == 1 ? "" : "s");
    }
    supervise_stay(supervise);
    tell_stopping(supervise_level(supervise));
    supervise_stop(supervise); /* what renders is finished first: the machine stays awake for it */
}

/* Stay until stopped; the exit status. */
static int stay(talk_t *talk, const struct plan *plan, int ready)
{
    CLEANUP(supervise_destroy)
    supervise_t *supervise = supervise_new(talk, "farm", plan->crew, !plan->windows);
    if (!supervise) {
        return COMMAND_FAILED;
    }
    if (!plan->windows && crew_shares_out(plan->crew, plan->devices)) {
        supervise_set_cards(supervise, plan->devices); /* a pane shows one and the same worker */
    }
    steward_t *steward = steward_new(talk_paths(talk), supervise, "farm", true);
    int status = supervise_start(supervise, plan->devices, false);
    if (status == COMMAND_DONE && plan->windows) {
        status = windows_open(talk_paths(talk), plan->devices);
    }
    if (status == COMMAND_DONE) {
        work(talk, supervise, plan, ready);
    } else {
        supervise_stop(supervise);
    }
    steward_end(&steward, talk, supervise_level(supervise) == SUPERVISE_NOW);
    int number = supervise_signal(supervise);
    return number ? 128 + number : status;
}

/* The detached one: a session of its own, what it says goes to the log. */
static int run_detached(const struct paths *paths, int ready)
{
    CLEANUP(cleanup_free) char *log = program_log(paths, "farm");
    CLEANUP(cleanup_fd) int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CLEANUP(cleanup_fd) int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (setsid() < 0 || out < 0 || in < 0 || dup2(in, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) {
        say_error("%s cannot be used: %s", log, strerror(errno));
        return COMMAND_FAILED;
    }
    (void)fcntl(ready, F_SETFD, FD_CLOEXEC); /* no program that we start is to hold it */
    return COMMAND_DONE;
}

static int await_ready(const struct paths *paths, int ready, pid_t pid)
{
    CLEANUP(cleanup_free) char *log = program_log(paths, "farm");
    char byte = 0;
    ssize_t size = 0;
    do {
        size = read(ready, &byte, 1);
    } while (size < 0 && errno == EINTR);
    if (size == 1) {
        say_note("the farm runs in the background, pid %d; `dblend stop' ends it; log: %s",
                 (int)pid, log);
        return COMMAND_DONE;
    }
    CLEANUP(cleanup_free) char *words = program_last_words(log, 0);
    say_error("the farm does not start: %s", words ? words : log);
    return COMMAND_FAILED;
}

static int run_farm(const struct plan *plan)
{
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    CLEANUP(cleanup_fd) int lock = talk ? lock_take(talk_paths(talk)) : -1;
    if (lock < 0) {
        return COMMAND_FAILED;
    }
    lock_sign(lock);
    return stay(talk, plan, -1);
}

static int detach_farm(const struct plan *plan)
{
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *why = NULL;
    int ends[2] = { -1, -1 };
    if (paths_find(&paths, &why) != PATHS_OK) {
        say_error("%s", why ? why : "the folders of the farm cannot be made");
        return COMMAND_FAILED;
    }
    CLEANUP(cleanup_fd) int lock = lock_take(&paths);
    int status = COMMAND_FAILED;
    zsys_shutdown(); /* CZMQ forgets in a child what it made before the fork, and that would leak */
    pid_t pid = lock >= 0 && pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0) { /* it has the lock with us, and alone when we are gone */
        close(ends[0]);
        zsys_handler_set(NULL);
        zsys_set_logstream(stderr);
        lock_sign(lock);
        CLEANUP(talk_destroy) talk_t *talk = talk_new();
        status = talk ? run_detached(&paths, ends[1]) : COMMAND_FAILED;
        status = status == COMMAND_DONE ? stay(talk, plan, ends[1]) : status;
    } else if (pid > 0) {
        close(ends[1]);
        status = await_ready(&paths, ends[0], pid);
        close(ends[0]);
    } else if (lock >= 0) {
        say_error("no process can be started: %s", strerror(errno));
    }
    paths_free(&paths);
    return status;
}

int cmd_farm(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "device-type", KEY_DEVICE_TYPE, "TYPES", 0,
          "How Cycles may use a GPU, the first that it can: optix, cuda, hip, oneapi (optix,cuda)",
          0 },
        { "stall", KEY_STALL, "SECONDS", 0,
          "A Blender without any sign of life for so long is hung, where a job does not say it; "
          "300",
          0 },
        { "windows", KEY_WINDOWS, NULL, 0,
          "Show what each worker says in a pane of tmux, or a terminal, of its own", 0 },
        { "detach", KEY_DETACH, NULL, 0, "Run in the background; return when it is ready", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &crew_argp, 0, NULL, 1 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc =
            "Keep a farm running until `dblend stop': a broker, an inspector and one worker on "
            "each device. What dies is started again.",
    };
    struct arguments arguments = { 0 };
    struct plan plan = { .crew = &arguments.crew };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    int status = crew_choose(&arguments.crew, &plan.devices);
    if (status != COMMAND_DONE) {
        return status;
    }
    plan.windows = arguments.windows;
    status = arguments.detach ? detach_farm(&plan) : run_farm(&plan);
    json_decref(plan.devices);
    return status;
}
