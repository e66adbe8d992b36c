/*
 * dblend render - render files now; the farm runs for as long as needed
 */

#include <argp.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/crew.h"
#include "submit/devices.h"
#include "submit/files.h"
#include "submit/intake.h"
#include "submit/objects.h"
#include "submit/options.h"
#include "submit/program.h"
#include "submit/progress.h"
#include "submit/results.h"
#include "submit/say.h"
#include "submit/steward.h"
#include "submit/summary.h"
#include "submit/supervise.h"
#include "submit/target.h"
#include "submit/term.h"
#include "submit/vigil.h"

enum {
    KEY_FROM = COMMAND_KEY_OWN,
    SHOW_MS = 250,
    PLAIN_MS = 10000,
    HELLO_MS = 2000,
    FAILED_FRAMES_MAX = 20, /* told in the summary */
};

struct arguments {
    struct options options;
    struct files files;
    struct crew crew;
    bool json;
};

/* One run: what all steps of it need. */
struct run {
    struct arguments *arguments;
    talk_t *talk;
    supervise_t *supervise;
    json_t *groupable; /* devices that wait until it is known how many frames there are, or NULL */
    progress_t *progress;
    json_t *numbers; /* of the jobs that are rendered, owned */
    json_t *jobs;    /* their last state, owned */
    json_t *warned;  /* texts of the warnings that were told, owned */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    int rc = 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->crew;
        state->child_inputs[1] = &arguments->options;
        return 0;
    case KEY_FROM:
        rc = files_add_list(&arguments->files, arg);
        if (rc != 0) {
            argp_failure(state, COMMAND_USAGE, -rc, "--from %s", arg);
        }
        return 0;
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        files_add(&arguments->files, arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->files.count == 0 && !term_can_ask()) {
            argp_error(state, "which .blend file?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Warnings that came since (saved again ...) are told once. */
static void tell_warnings(struct run *run)
{
    for (size_t i = 0; i < json_array_size(run->jobs); i++) {
        const json_t *job = json_array_get(run->jobs, i);
        const json_t *warnings = json_object_get(job, "warnings");
        for (size_t w = 0; w < json_array_size(warnings); w++) {
            const char *text = objects_str(json_array_get(warnings, w), "text");
            CLEANUP(cleanup_free)
            char *key = alloc_format("%lld %s", (long long)objects_int(job, "job"), text);
            if (!json_object_get(run->warned, key)) {
                json_object_set_new(run->warned, key, json_true());
                say_note("%s: warning: %s", objects_str(job, "name"), text);
            }
        }
    }
}

/* The jobs of run that have not ended and do not wait for a person. */
static json_t *unfinished(const struct run *run)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(run->jobs); i++) {
        const json_t *job = json_array_get(run->jobs, i);
        if (!target_has_ended(objects_str(job, "state")) && !target_is_stuck(job)) {
            json_array_append(out, json_object_get(job, "job"));
        }
    }
    return out;
}

/* Put the new states over the old ones, by number. */
static void take_states(struct run *run, const json_t *fresh)
{
    for (size_t i = 0; i < json_array_size(fresh); i++) {
        json_t *job = json_array_get(fresh, i);
        size_t at = 0;
        while (at < json_array_size(run->jobs) &&
               objects_int(json_array_get(run->jobs, at), "job") != objects_int(job, "job")) {
            at++;
        }
        if (at < json_array_size(run->jobs)) {
            json_array_set(run->jobs, at, job);
        } else {
            json_array_append(run->jobs, job);
        }
    }
}

/* One look at the jobs that still run; waits a moment for something to change. */
static int look(struct run *run, int64_t wait_ms)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    CLEANUP(cleanup_json) json_t *workers = NULL;
    json_t *request = msg_new("WAIT");
    msg_set(request, "jobs", run->jobs ? unfinished(run) : json_deep_copy(run->numbers));
    msg_set_int(request, "wait_ms", wait_ms);
    int rc = talk_ask(run->talk, request, -1, &answer);
    if (rc == CLIENT_OK) {
        run->jobs = run->jobs ? run->jobs : json_array(); /* before that all are unfinished */
        take_states(run, json_object_get(answer, "jobs"));
        rc = talk_workers(run->talk, &workers);
    }
    if (rc == CLIENT_OK) {
        tell_warnings(run);
        progress_show(run->progress, run->jobs, workers, clock_mono_ms());
    }
    return rc;
}

/* Until every job has ended or is held; false: told to stop, or no broker any more. */
static bool watch_jobs(struct run *run)
{
    size_t left = 1;
    for (int64_t wait_ms = 0; left > 0; wait_ms = SHOW_MS) {
        int rc = look(run, wait_ms);
        if (rc == CLIENT_INTERRUPTED || supervise_level(run->supervise) != SUPERVISE_RUN) {
            return false;
        }
        if (rc != CLIENT_OK) {
            (void)talk_complain(run->talk, run->arguments->json); /* the status says it too */
            return false;
        }
        CLEANUP(cleanup_json) json_t *open = unfinished(run);
        left = json_array_size(open);
    }
    return true;
}

static int64_t claimed(const struct run *run)
{
    int64_t sum = 0;
    for (size_t i = 0; i < json_array_size(run->jobs); i++) {
        int64_t count = objects_frames(json_array_get(run->jobs, i), "claimed");
        sum += count > 0 ? count : 0;
    }
    return sum;
}

/* First Ctrl-C: the jobs pause, what renders is finished and published. */
static void pause_jobs(struct run *run)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("PAUSE");
    json_t *open = run->jobs ? unfinished(run) : json_deep_copy(run->numbers);
    if (json_array_size(open) == 0) { /* an empty list would pause the whole farm */
        json_decref(open);
        json_decref(request);
        return;
    }
    msg_set(request, "jobs", open);
    if (talk_change(run->talk, request, &answer) != CLIENT_OK) {
        return;
    }
    progress_note(run->progress, "finishing what renders; Ctrl-C again gives it back at once");
    int rc = CLIENT_OK;
    for (int64_t wait_ms = 0; rc == CLIENT_OK; wait_ms = SHOW_MS) {
        rc = look(run, wait_ms);
        if (claimed(run) == 0 || supervise_level(run->supervise) == SUPERVISE_NOW) {
            break;
        }
    }
    progress_note(run->progress, NULL);
}

static json_t *failed_frames(talk_t *talk, int64_t job)
{
    json_t *out = json_array();
    bool more = true;
    bool first = true;
    for (int64_t after = 0; more && json_array_size(out) < FAILED_FRAMES_MAX; first = false) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("FRAMES");
        msg_set_int(request, "job", job);
        if (!first) {
            msg_set_int(request, "after", after);
        }
        if (talk_ask(talk, request, -1, &answer) != CLIENT_OK) {
            return out;
        }
        const json_t *frames = json_object_get(answer, "frames");
        for (size_t i = 0; i < json_array_size(frames); i++) {
            json_t *frame = json_array_get(frames, i);
            after = objects_int(frame, "frame");
            if (strcmp(objects_str(frame, "state"), "failed") == 0) {
                json_array_append(out, frame);
            }
        }
        more = msg_bool_or(answer, "more", false) && json_array_size(frames) > 0;
    }
    return out;
}

/* What came of each job; the exit status. */
static int summarise(struct run *run)
{
    int status = COMMAND_DONE;
    for (size_t i = 0; i < json_array_size(run->jobs); i++) {
        const json_t *job = json_array_get(run->jobs, i);
        CLEANUP(cleanup_json) json_t *again = NULL;
        CLEANUP(cleanup_json) json_t *detail = NULL;
        CLEANUP(cleanup_json) json_t *frames = NULL;
        int64_t number = objects_int(job, "job");
        if (talk_job(run->talk, number, &again, &detail) == CLIENT_OK) {
            job = again;
        }
        if (objects_frames(job, "failed") > 0) {
            frames = failed_frames(run->talk, number);
        }
        if (run->arguments->json) {
            CLEANUP(cleanup_json) json_t *line = objects_job(job);
            say_json(line);
        } else {
            summary_print(job, detail, frames);
        }
        summary_saved_again(job, detail);
        if (strcmp(objects_str(job, "state"), "done") != 0) {
            status = COMMAND_FAILED;
        }
    }
    return status;
}

/* Frames that are still to be rendered. */
static int64_t frames_left(const struct run *run)
{
    int64_t left = 0;
    for (size_t i = 0; i < json_array_size(run->numbers); i++) {
        CLEANUP(cleanup_json) json_t *job = NULL;
        int64_t number = json_integer_value(json_array_get(run->numbers, i));
        if (talk_job(run->talk, number, &job, NULL) == CLIENT_OK) {
            int64_t waiting = objects_frames(job, "waiting");
            int64_t claimed = objects_frames(job, "claimed");
            left += (waiting > 0 ? waiting : 0) + (claimed > 0 ? claimed : 0);
        }
    }
    return left;
}

/* Fewer frames than cards, a still perhaps: several cards render a frame together. */
static void start_groups(struct run *run)
{
    if (!run->groupable) {
        return;
    }
    CLEANUP(cleanup_json) json_t *groups = devices_group(run->groupable, frames_left(run));
    size_t size = json_array_size(run->groupable) / json_array_size(groups);
    if (size > 1) {
        say_note("fewer frames than cards: groups of %zu", size);
    }
    supervise_release_workers(run->supervise, groups);
}

/* Everything between the start of the farm and its end; the exit status. */
static int render_jobs(struct run *run, intake_t *intake)
{
    int status = intake_run(intake, run->talk);
    run->numbers = intake_jobs(intake);
    if (json_array_size(run->numbers) == 0) {
        return COMMAND_FAILED;
    }
    run->warned = json_object();
    start_groups(run);
    talk_tell_pause(run->talk);
    run->progress = progress_new(PLAIN_MS);
    bool finished = supervise_level(run->supervise) == SUPERVISE_RUN && watch_jobs(run);
    if (!finished) {
        pause_jobs(run);
    }
    progress_destroy(&run->progress);
    if (!finished) {
        return COMMAND_FAILED;
    }
    int rendered = summarise(run);
    return status == COMMAND_DONE ? rendered : status;
}

/* Our workers leave: jobs that somebody added stay, and may be thought to be rendered. */
static void tell_others(const struct run *run)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    size_t count = 0;
    int64_t ours = (int64_t)supervise_workers(run->supervise);
    if (ours == 0 || talk_hello(run->talk, HELLO_MS, &hello) != CLIENT_OK ||
        msg_int_or(hello, "workers", 0) > ours || msg_int_or(hello, "attendants", 0) > 1 ||
        talk_work_left(run->talk, &count) !=
            CLIENT_OK) { /* ours have ended, or wait for a person */
        return;          /* other workers stay, or another render starts its own */
    }
    if (count > 0) {
        say_note("%zu other job%s on the list without a worker; `dblend farm' renders %s", count,
                 count == 1 ? " stays" : "s stay", count == 1 ? "it" : "them");
    }
}

static int run_all(struct run *run, intake_t *intake, const json_t *devices)
{
    const struct crew *crew = &run->arguments->crew;
    if (crew_shares_out(&run->arguments->crew, devices)) {
        run->groupable = json_deep_copy(devices);
        supervise_set_cards(run->supervise, devices);
        supervise_hold_workers(run->supervise);
    }
    steward_t *steward = steward_new(talk_paths(run->talk), run->supervise, "render", false);
    int status = supervise_start(run->supervise, devices, !crew->devices);
    CLEANUP(vigil_destroy)
    vigil_t *vigil = vigil_new(run->talk, run->supervise, crew->when_done);
    bool act = false;
    if (status == COMMAND_DONE) {
        status = render_jobs(run, intake);
        act = supervise_level(run->supervise) == SUPERVISE_RUN && vigil_await(vigil);
    }
    enum supervise_level level = supervise_level(run->supervise);
    if (level < SUPERVISE_NOW) {
        tell_others(run);
    }
    supervise_stop(run->supervise);
    steward_end(&steward, run->talk, level == SUPERVISE_NOW);
    if (act) {
        vigil_act(vigil);
    }
    if (level != SUPERVISE_RUN) {
        say_note("stopped; the same command goes on where it was");
        int number = supervise_signal(run->supervise);
        return number ? 128 + number : COMMAND_FAILED;
    }
    return status;
}

static int render(struct arguments *arguments)
{
    struct intake_how how = {
        .options = &arguments->options,
        .go_on = true,
        .wait = true,
        .supervised = true,
        .print = arguments->json ? INTAKE_JSON_ERRORS : INTAKE_NOTES,
    };
    CLEANUP(intake_destroy) intake_t *intake = intake_new(&arguments->files, &how);
    CLEANUP(cleanup_json) json_t *devices = NULL;
    if (intake_count(intake) == 0) {
        intake_tell(intake);
        return COMMAND_FAILED;
    }
    int status = crew_choose(&arguments->crew, &devices);
    if (status != COMMAND_DONE) {
        return status;
    }
    struct run run = { .arguments = arguments };
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    CLEANUP(supervise_destroy)
    supervise_t *supervise = talk ? supervise_new(talk, "render", &arguments->crew, false) : NULL;
    if (!supervise) {
        return COMMAND_FAILED;
    }
    run.talk = talk;
    run.supervise = supervise;
    status = run_all(&run, intake, devices);
    json_decref(run.numbers);
    json_decref(run.jobs);
    json_decref(run.warned);
    json_decref(run.groupable);
    return status;
}

int cmd_render(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "from", KEY_FROM, "LIST", 0, "Read files from LIST too, one a line; - is standard input",
          0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp_child children[] = { { &crew_argp, 0, NULL, 1 },
                                                  { &options_argp, 0, NULL, 2 },
                                                  { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE...",
        .doc =
            "Render .blend files with every device of this machine. What is missing of the farm "
            "is started, and stopped again at the end. Run again it goes on.",
        .children = children,
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    int status = COMMAND_FAILED;
    if (arguments.files.count > 0 || files_ask(&arguments.files) == 0) {
        status = render(&arguments);
    }
    files_clear(&arguments.files);
    options_clear(&arguments.options);
    return status;
}
