/*
 * dblend watch - look at the farm at work, full screen
 */

#include <argp.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/screen.h"
#include "submit/talk.h"
#include "submit/term.h"

enum {
    LOOK_MS = 500,
    ASK_MS = 2000,
    SILENT_MS = 600000,
    EVENTS_MAX = 200,
    MESSAGE_MS = 3000,
    PRIORITY_MAX = 100,
    PRIORITY_STEP = 5,
};

struct watch {
    talk_t *talk;
    screen_t *screen;
    int signals;
    int epoll;  /* signals and keys */
    int signal; /* that ended it, 0 */
    bool quit;
    json_t *jobs;
    json_t *workers;
    json_t *events;
    int64_t last; /* event */
    int64_t selected;
    int64_t confirm; /* job to be cancelled, waiting for y */
    char *message;   /* owned */
    int64_t message_ms;
    int64_t answered_ms; /* when the broker last answered */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg; /* there are no arguments */
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "watch takes no argument");
    }
    return key == ARGP_KEY_ARG ? 0 : ARGP_ERR_UNKNOWN;
}

static void set_message(struct watch *self, char *text)
{
    free(self->message);
    self->message = text;
    self->message_ms = clock_mono_ms();
}

/* Every signal or key ends a wait. */
static bool wake(void *arg)
{
    struct watch *self = arg;
    struct signalfd_siginfo info;
    while (read(self->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        self->signal = (int)info.ssi_signo;
        self->quit = true;
    }
    return false;
}

static bool open_descriptors(struct watch *self)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* valid by construction */
    self->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN };
    return self->signals >= 0 && self->epoll >= 0 &&
           epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->signals, &event) == 0 &&
           epoll_ctl(self->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0;
}

static void replace(json_t **target, json_t *fresh)
{
    json_decref(*target);
    *target = fresh;
}

static void take_events(struct watch *self, const json_t *answer)
{
    const json_t *events = json_object_get(answer, "events");
    json_array_extend(self->events, json_object_get(answer, "events"));
    while (json_array_size(self->events) > EVENTS_MAX) {
        json_array_remove(self->events, 0);
    }
    size_t count = json_array_size(events);
    self->last = count > 0 ? objects_int(json_array_get(events, count - 1), "id") : self->last;
}

static int look_at_events(struct watch *self)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("LOG");
    msg_set_int(request, "after", self->last);
    msg_set_int(request, "limit", EVENTS_MAX);
    int rc = talk_ask(self->talk, request, ASK_MS, &answer);
    if (rc == CLIENT_OK) {
        take_events(self, answer);
    }
    return rc;
}

/* Everything anew; an outcome of the talk. */
static int look(struct watch *self)
{
    json_t *jobs = NULL;
    json_t *workers = NULL;
    int rc = talk_list(self->talk, false, &jobs);
    if (rc == CLIENT_OK) {
        replace(&self->jobs, jobs);
        rc = talk_workers(self->talk, &workers);
    }
    if (rc == CLIENT_OK) {
        replace(&self->workers, workers);
        rc = look_at_events(self);
    }
    if (rc == CLIENT_OK) {
        self->answered_ms = clock_mono_ms();
    }
    return rc;
}

static void change(struct watch *self, const char *type, int64_t job, int64_t priority)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new(type);
    if (priority >= 0) {
        msg_set_int(request, "job", job);
        msg_set_int(request, "priority", priority);
    } else {
        json_t *jobs = json_array();
        json_array_append_new(jobs, json_integer(job));
        msg_set(request, "jobs", jobs);
    }
    client_add_key(request);
    if (talk_ask(self->talk, request, ASK_MS, &answer) != CLIENT_OK) {
        set_message(self, alloc_format(" %s", talk_error(self->talk)->text));
        return;
    }
    const json_t *result = json_array_get(json_object_get(answer, "results"), 0);
    if (json_is_object(result) && !json_is_true(json_object_get(result, "ok"))) {
        CLEANUP(cleanup_free)
        char *text = say_trouble_text(NULL, job, json_object_get(result, "error"));
        set_message(self, alloc_format(" %s", text));
    }
}

static json_t *selected_job(struct watch *self, size_t *index)
{
    for (size_t i = 0; i < json_array_size(self->jobs); i++) {
        json_t *job = json_array_get(self->jobs, i);
        if (objects_int(job, "job") == self->selected) {
            *index = i;
            return job;
        }
    }
    *index = 0;
    json_t *first = json_array_get(self->jobs, 0);
    self->selected = first ? objects_int(first, "job") : 0;
    return first;
}

static void move_selection(struct watch *self, int step)
{
    size_t index = 0;
    if (!selected_job(self, &index)) {
        return;
    }
    size_t count = json_array_size(self->jobs);
    if ((step < 0 && index > 0) || (step > 0 && index + 1 < count)) {
        index = step < 0 ? index - 1 : index + 1;
        self->selected = objects_int(json_array_get(self->jobs, index), "job");
    }
}

/* The next key may come before the next look, so what is known of the job changes at once. */
static void change_priority(struct watch *self, json_t *job, int64_t step)
{
    int64_t priority = objects_int(job, "priority") + step;
    priority = priority < 0 ? 0 : priority > PRIORITY_MAX ? PRIORITY_MAX : priority;
    change(self, "PRIORITY", objects_int(job, "job"), priority);
    json_object_set_new(job, "priority", json_integer(priority));
}

static void change_selected(struct watch *self, int key)
{
    size_t index = 0;
    json_t *job = selected_job(self, &index);
    if (!job) {
        return;
    }
    int64_t number = objects_int(job, "job");
    bool paused = strcmp(objects_str(job, "state"), "paused") == 0;
    switch (key) {
    case 'p':
        change(self, paused ? "RESUME" : "PAUSE", number, -1);
        break;
    case 'r':
        change(self, "RETRY", number, -1);
        break;
    case '+':
        change_priority(self, job, PRIORITY_STEP);
        break;
    case '-':
        change_priority(self, job, -PRIORITY_STEP);
        break;
    default:
        self->confirm = number;
        set_message(self, alloc_format(" cancel job %lld? y/n", (long long)number));
        break;
    }
}

static void take_key(struct watch *self, int key)
{
    if (self->confirm > 0) {
        set_message(self, NULL);
        if (key == 'y' || key == 'Y') {
            change(self, "CANCEL", self->confirm, -1);
        }
        self->confirm = 0;
        return;
    }
    switch (key) {
    case 'q':
    case 'Q':
    case SCREEN_ESCAPE:
        self->quit = true;
        break;
    case KEY_UP:
    case 'k':
        move_selection(self, -1);
        break;
    case KEY_DOWN:
    case 'j':
        move_selection(self, 1);
        break;
    case 'p':
    case 'r':
    case '+':
    case '-':
    case 'c':
        change_selected(self, key);
        break;
    default:
        break; /* KEY_RESIZE too: the next picture fits */
    }
}

static void draw(struct watch *self)
{
    size_t index = 0;
    (void)selected_job(self, &index); /* selects the first one if there is none */
    int64_t now_ms = clock_mono_ms();
    if (self->message && self->confirm == 0 && now_ms - self->message_ms > MESSAGE_MS) {
        set_message(self, NULL);
    }
    struct screen_view view = { self->jobs,     self->workers, self->events,
                                self->selected, self->message, now_ms };
    screen_draw(self->screen, &view);
}

/* Until the person leaves; the exit status. */
static int run(struct watch *self)
{
    while (!self->quit) {
        int key = -1;
        int rc = look(self);
        if (rc == CLIENT_LOST || clock_mono_ms() - self->answered_ms > SILENT_MS) {
            return COMMAND_FAILED;
        }
        if (rc == CLIENT_TIMEOUT) {
            set_message(self, alloc_text(" the broker does not answer; asking again"));
        }
        draw(self);
        (void)talk_wait_fd(self->talk, -1, LOOK_MS); /* a key ends the pause */
        while ((key = screen_key(self->screen)) >= 0) {
            take_key(self, key);
        }
    }
    return self->signal ? 128 + self->signal : COMMAND_DONE;
}

static void release(struct watch *self)
{
    screen_destroy(&self->screen);
    talk_set_wake(self->talk, -1, NULL, NULL);
    json_decref(self->jobs);
    json_decref(self->workers);
    json_decref(self->events);
    free(self->message);
    cleanup_fd(&self->epoll);
    cleanup_fd(&self->signals);
}

int cmd_watch(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .doc = "Look at jobs and workers, full screen, until `q'.",
    };
    (void)argp_parse(&argp, argc, argv, 0, NULL, NULL); /* ends the program on an error */
    if (!term_is(stdin) || !term_is(stdout)) {
        say_error("watch needs a terminal; `dblend list' and `dblend log --follow' do not");
        return COMMAND_FAILED;
    }
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    struct watch watch = { .talk = talk, .signals = -1, .epoll = -1 };
    if (!talk) {
        return COMMAND_FAILED;
    }
    watch.events = json_array();
    int rc = talk_log_end(talk, &watch.last); /* before the screen: no broker is said plainly */
    if (rc != CLIENT_OK) {
        json_decref(watch.events);
        return talk_complain(talk, false);
    }
    watch.last = watch.last > EVENTS_MAX ? watch.last - EVENTS_MAX : 0;
    watch.answered_ms = clock_mono_ms();
    talk_set_quiet(talk, true);
    talk_set_patience(talk, ASK_MS);
    watch.screen = open_descriptors(&watch) ? screen_new() : NULL;
    if (!watch.screen) {
        say_error("this terminal cannot show it: TERM=%s", getenv("TERM") ? getenv("TERM") : "");
        release(&watch);
        return COMMAND_FAILED;
    }
    talk_set_wake(talk, watch.epoll, wake, &watch);
    int status = run(&watch);
    release(&watch);
    if (status == COMMAND_FAILED) {
        say_error("the broker has not answered for 10 minutes; `dblend farm' starts one");
    }
    return status;
}
