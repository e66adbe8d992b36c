#include "submit/intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/ask.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/spec.h"
#include "submit/summary.h"
#include "submit/target.h"
#include "submit/term.h"

enum {
    BATCH_VALUES = 12000, /* of the 16,384 that the wire takes */
    BATCH_JOBS = 256,
    LOOK_MS = 2000,
    PATIENCE_MS = 4000, /* then say what it waits for */
    SILENT_MS = 600000, /* nothing happened to a job for so long: do not wait on */
    NOBODY_MS = 60000,  /* nobody there who could inspect */
};

struct intake {
    struct intake_how how;
    struct intake_entry *entries; /* owned, in the order of the FILEs */
    size_t count;
    int64_t events;      /* number of the last event seen */
    int64_t somebody_ms; /* when somebody who could inspect was last there */
    bool gone;           /* the broker is: stop */
};

/* For --json, also of a file that is not there. */
static char *absolute_of(const struct intake_entry *entry)
{
    CLEANUP(cleanup_free) char *real = realpath(entry->name, NULL);
    CLEANUP(cleanup_free) char *folder = getcwd(NULL, 0);
    return real ? alloc_text(real) : options_absolute(entry->name, folder ? folder : "/");
}

intake_t *intake_new(const struct files *files, const struct intake_how *how)
{
    intake_t *self = alloc_zero(1, sizeof *self);
    self->how = *how;
    self->count = files->count;
    self->entries = alloc_zero(files->count + 1, sizeof *self->entries);
    for (size_t i = 0; i < files->count; i++) {
        struct intake_entry *entry = &self->entries[i];
        entry->name = files->names[i];
        entry->error = files_check(entry->name, &entry->path);
        entry->absolute = absolute_of(entry);
    }
    return self;
}

void intake_destroy(intake_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        for (size_t i = 0; i < (*self_p)->count; i++) {
            struct intake_entry *entry = &(*self_p)->entries[i];
            free(entry->path);
            free(entry->absolute);
            json_decref(entry->spec);
            json_decref(entry->error);
        }
        free((*self_p)->entries);
        free(*self_p);
        *self_p = NULL;
    }
}

size_t intake_count(const intake_t *self)
{
    size_t fine = 0;
    for (size_t i = 0; i < self->count; i++) {
        fine += self->entries[i].error == NULL;
    }
    return fine;
}

static bool is_json(const intake_t *self)
{
    return self->how.print == INTAKE_JSON || self->how.print == INTAKE_JSON_ERRORS;
}

static void tell_refusal(const intake_t *self, const struct intake_entry *entry)
{
    say_trouble(is_json(self), is_json(self) ? entry->absolute : entry->name, entry->job,
                entry->error);
}

void intake_tell(const intake_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->entries[i].error) {
            tell_refusal(self, &self->entries[i]);
        }
    }
}

static void make_specs(intake_t *self, const char *farm)
{
    struct spec_how how = { farm, self->how.options->map, self->how.options->name, clock_wall_ms(),
                            self->how.go_on };
    for (size_t i = 0; i < self->count; i++) {
        struct intake_entry *entry = &self->entries[i];
        CLEANUP(cleanup_free) char *note = NULL;
        if (!entry->error) {
            entry->error = spec_make(entry->path, &how, &entry->spec, &note);
        }
        if (note) {
            say_note("%s", note);
        }
    }
}

static void take_result(struct intake_entry *entry, const json_t *result)
{
    json_t *error = json_object_get(result, "error");
    json_decref(entry->spec);
    entry->spec = NULL;
    entry->job = objects_int(result, "job");
    entry->went_on = msg_bool_or(result, "went_on", false);
    entry->answered = msg_bool_or(result, "answered", false);
    if (json_is_object(error)) {
        entry->error = json_incref(error);
    } else if (entry->job <= 0) {
        entry->error = msg_error("version", "the broker gave no job for it",
                                 "broker and dblend may be of two versions");
    }
}

/* Send the entries first..end in one request. */
static int send_batch(intake_t *self, talk_t *talk, size_t first, size_t end)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("SUBMIT");
    json_t *jobs = json_array();
    for (size_t i = first; i < end; i++) {
        if (self->entries[i].spec) {
            json_array_append(jobs, self->entries[i].spec);
        }
    }
    msg_set(request, "jobs", jobs);
    int rc = talk_change(talk, request, &answer);
    if (rc != CLIENT_OK) {
        return rc;
    }
    const json_t *results = json_object_get(answer, "jobs");
    size_t taken = 0;
    for (size_t i = first; i < end; i++) {
        if (self->entries[i].spec) {
            take_result(&self->entries[i], json_array_get(results, taken++));
        }
    }
    return CLIENT_OK;
}

static int send_all(intake_t *self, talk_t *talk)
{
    size_t first = 0;
    while (first < self->count) {
        size_t values = 16;
        size_t end = first;
        while (end < self->count && end - first < BATCH_JOBS) {
            size_t more = self->entries[end].spec ? spec_values(self->entries[end].spec) : 0;
            if (end > first && values + more > BATCH_VALUES) {
                break;
            }
            values += more;
            end++;
        }
        int rc = send_batch(self, talk, first, end);
        if (rc != CLIENT_OK) {
            return rc;
        }
        first = end;
    }
    return CLIENT_OK;
}

static bool is_inspected(const json_t *job)
{
    const char *state = objects_str(job, "state");
    return strcmp(state, "queued") != 0 && strcmp(state, "inspecting") != 0;
}

/* Somebody who inspects, or a farm or render that sees to it that there is one. */
static bool is_attended(const json_t *hello)
{
    return msg_int_or(hello, "inspectors", 0) + msg_int_or(hello, "workers", 0) +
               msg_int_or(hello, "attendants", 0) >
           0;
}

/* Is there anybody who could inspect? Starts an inspector if it may. */
static bool somebody_inspects(intake_t *self, talk_t *talk, bool may_start)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(talk, -1, &hello) != CLIENT_OK) {
        return false;
    }
    if (is_attended(hello)) {
        return true;
    }
    if (may_start && !self->how.supervised) {
        (void)program_start_inspector(talk_paths(talk)); /* has told; the wait ends by itself */
    }
    return false;
}

/* Wait for the next event of a job; true if there was one. */
static int await_event(intake_t *self, talk_t *talk, int64_t job, bool *happened)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("LOG");
    msg_set_int(request, "after", self->events);
    msg_set_int(request, "job", job);
    msg_set_int(request, "limit", 1);
    msg_set_int(request, "wait_ms", LOOK_MS);
    int rc = talk_ask(talk, request, -1, &answer);
    *happened = rc == CLIENT_OK && json_array_size(json_object_get(answer, "events")) > 0;
    if (*happened) {
        self->events = msg_int_or(answer, "last", self->events);
    }
    return rc;
}

/*
 * Wait until a job is inspected (or held, ended, paused); *job and *detail are its last state.
 * CLIENT_TIMEOUT: nobody inspects it.
 */
static int await_inspection(intake_t *self, talk_t *talk, const struct intake_entry *entry,
                            json_t **job, json_t **detail)
{
    int64_t number = entry->job;
    int64_t event_ms = clock_mono_ms();
    self->somebody_ms = self->somebody_ms ? self->somebody_ms : event_ms;
    int64_t tell_ms = event_ms + PATIENCE_MS;
    int64_t after = self->events; /* each job's events are looked for from the submit on */
    int rc = CLIENT_OK;
    while ((rc = talk_job(talk, number, job, detail)) == CLIENT_OK && !is_inspected(*job)) {
        bool happened = false;
        json_decref(*job);
        json_decref(*detail);
        rc = await_event(self, talk, number, &happened);
        int64_t now_ms = clock_mono_ms();
        if (rc == CLIENT_OK && now_ms > tell_ms && self->how.print != INTAKE_NUMBERS) {
            say_note("%s: job %lld is being inspected ...", entry->name, (long long)number);
            tell_ms = INT64_MAX;
        }
        event_ms = happened ? now_ms : event_ms;
        if (rc == CLIENT_OK && !happened && somebody_inspects(self, talk, true)) {
            self->somebody_ms = now_ms;
        }
        if (rc == CLIENT_OK &&
            (now_ms - event_ms > SILENT_MS || now_ms - self->somebody_ms > NOBODY_MS)) {
            rc = CLIENT_TIMEOUT;
        }
        if (rc != CLIENT_OK) {
            break;
        }
    }
    self->events = after;
    return rc;
}

/*
 * Did the inspection fail? A job of fast frames may have been rendered, and have failed, before we
 * look at it: that is no refusal.
 */
static bool is_refused(const json_t *job, const json_t *detail)
{
    return strcmp(objects_str(job, "state"), "failed") == 0 &&
           !json_is_object(json_object_get(detail, "found"));
}

static void print_job(const intake_t *self, const struct intake_entry *entry, const json_t *job,
                      const json_t *detail)
{
    if (self->how.print == INTAKE_NUMBERS) {
        say_data("%lld", (long long)entry->job);
        return;
    }
    if (is_json(self)) {
        CLEANUP(cleanup_json) json_t *line = objects_job(job);
        if (self->how.print == INTAKE_JSON) {
            say_json(line);
        }
        return;
    }
    if (is_refused(job, detail)) {
        return; /* why it failed is the line */
    }
    CLEANUP(cleanup_free) char *line = summary_line(job, detail);
    const char *went_on = entry->went_on ? " (goes on)" : entry->answered ? " (answered)" : "";
    if (self->how.print == INTAKE_NOTES) {
        say_note("%s%s", line, went_on);
    } else {
        say_data("%s%s", line, went_on);
    }
    summary_warnings(job);
}

/* The questions of a held job; where the broker lists none, its error is the one. */
static json_t *questions_of(const json_t *job, const json_t *detail)
{
    json_t *questions = json_object_get(detail, "questions");
    if (json_array_size(questions) > 0) {
        return json_incref(questions);
    }
    json_t *out = json_array();
    json_t *error = json_object_get(job, "error");
    if (json_is_object(error)) {
        json_array_append(out, error);
    }
    return out;
}

/* A held job: ask, or tell. True if it has been answered. */
static bool settle_held(intake_t *self, talk_t *talk, struct intake_entry *entry, const json_t *job,
                        const json_t *detail)
{
    CLEANUP(cleanup_json) json_t *questions = questions_of(job, detail);
    json_t *options = NULL;
    bool may_ask = term_can_ask() && !is_json(self) && self->how.print != INTAKE_NUMBERS;
    int rc = may_ask ? ask_questions(talk, entry->job, entry->name, questions, &options) : ASK_LEFT;
    if (rc == ASK_ANSWERED) {
        return ask_accept(talk, entry->job, options, false) == CLIENT_OK;
    }
    if (rc == ASK_MOVED_ON) {
        return true;
    }
    ask_tell(is_json(self), entry->job, is_json(self) ? entry->absolute : entry->name, questions);
    entry->held = true;
    return false;
}

/* Tell why a wait has given no job; the exit status. */
static int tell_unsettled(intake_t *self, talk_t *talk, const struct intake_entry *entry, int rc)
{
    if (rc == CLIENT_TIMEOUT) {
        say_error(
            "%s: job %lld is queued, but nobody inspects it; `dblend farm' does, "
            "`dblend show %lld' tells",
            entry->name, (long long)entry->job, (long long)entry->job);
        return COMMAND_FAILED;
    }
    self->gone = true;
    return rc == CLIENT_INTERRUPTED ? COMMAND_FAILED : talk_complain(talk, is_json(self));
}

/* One inspection, told. *again: it was held and is answered, and may be inspected anew. */
static int settle_once(intake_t *self, talk_t *talk, struct intake_entry *entry, bool *again)
{
    json_t *waited_job = NULL;
    json_t *waited_detail = NULL;
    *again = false;
    int rc = await_inspection(self, talk, entry, &waited_job, &waited_detail);
    if (rc != CLIENT_OK) {
        return tell_unsettled(self, talk, entry, rc);
    }
    CLEANUP(cleanup_json) json_t *job = waited_job;
    CLEANUP(cleanup_json) json_t *detail = waited_detail;
    const char *state = objects_str(job, "state");
    print_job(self, entry, job, detail);
    if (strcmp(state, "held") == 0) {
        *again = settle_held(self, talk, entry, job, detail);
        return *again ? COMMAND_DONE : COMMAND_FAILED;
    }
    if (is_refused(job, detail) || strcmp(state, "cancelled") == 0) {
        if (json_is_object(json_object_get(job, "error"))) {
            say_trouble(is_json(self), is_json(self) ? entry->absolute : entry->name, entry->job,
                        json_object_get(job, "error"));
        }
        entry->ended = true;
        return COMMAND_FAILED;
    }
    return COMMAND_DONE;
}

/* Until nothing is asked any more: an answer may raise the next question. The exit status. */
static int settle(intake_t *self, talk_t *talk, struct intake_entry *entry)
{
    bool again = true;
    int status = COMMAND_DONE;
    while (again) {
        status = settle_once(self, talk, entry, &again);
    }
    return status;
}

static int settle_unwaited(const intake_t *self, talk_t *talk, const struct intake_entry *entry)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    CLEANUP(cleanup_json) json_t *detail = NULL;
    if (self->how.print == INTAKE_NUMBERS) {
        say_data("%lld", (long long)entry->job);
        return COMMAND_DONE;
    }
    if (talk_job(talk, entry->job, &job, &detail) != CLIENT_OK) {
        return talk_complain(talk, is_json(self));
    }
    if (is_json(self)) {
        CLEANUP(cleanup_json) json_t *line = objects_job(job);
        say_json(line);
    } else {
        say_data("job %lld: %s: %s", (long long)entry->job, objects_str(job, "name"),
                 objects_str(job, "state"));
    }
    return COMMAND_DONE;
}

/* The same is queued already and waits for an answer: --again is not the way out. */
static void tell_held(const intake_t *self, talk_t *talk, const struct intake_entry *entry)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    CLEANUP(cleanup_json) json_t *detail = NULL;
    if (!is_json(self) && entry->job > 0 &&
        talk_job(talk, entry->job, &job, &detail) == CLIENT_OK &&
        strcmp(objects_str(job, "state"), "held") == 0) {
        CLEANUP(cleanup_json) json_t *questions = questions_of(job, detail);
        ask_tell(false, entry->job, NULL, questions);
    }
}

static int settle_all(intake_t *self, talk_t *talk)
{
    int status = COMMAND_DONE;
    for (size_t i = 0; i < self->count && !self->gone; i++) {
        struct intake_entry *entry = &self->entries[i];
        int one = COMMAND_FAILED;
        if (entry->error) {
            tell_refusal(self, entry);
            tell_held(self, talk, entry);
        } else {
            one = self->how.wait ? settle(self, talk, entry) : settle_unwaited(self, talk, entry);
        }
        status = one == COMMAND_DONE ? status : one;
    }
    return status;
}

int intake_run(intake_t *self, talk_t *talk)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    int rc = talk_hello(talk, -1, &hello);
    if (rc == CLIENT_OK) {
        rc = talk_log_end(talk, &self->events);
    }
    if (rc == CLIENT_OK) {
        make_specs(self, msg_str_or(hello, "farm", ""));
        rc = send_all(self, talk);
    }
    if (rc != CLIENT_OK) {
        return rc == CLIENT_INTERRUPTED ? COMMAND_FAILED : talk_complain(talk, is_json(self));
    }
    if (!is_attended(hello) && !self->how.supervised && intake_count(self) > 0) {
        (void)program_start_inspector(talk_paths(talk)); /* has told; the jobs are queued */
    }
    return settle_all(self, talk);
}

json_t *intake_jobs(const intake_t *self)
{
    json_t *out = json_array();
    for (size_t i = 0; i < self->count; i++) {
        const struct intake_entry *entry = &self->entries[i];
        if (!entry->error && entry->job > 0 && !entry->held && !entry->ended) {
            json_array_append_new(out, json_integer(entry->job));
        }
    }
    return out;
}
