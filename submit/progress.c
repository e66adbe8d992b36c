#include "submit/progress.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "submit/gauge.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/target.h"
#include "submit/term.h"
#include "submit/text.h"

enum {
    SAMPLES = 64,
    WINDOW_MS = 120000, /* the rate is that of the last two minutes */
    NAME_WIDTH = 24,
    BAR_MIN = 10,
    BAR_MAX = 40,
    MINUTE_MS = 60000,
};

struct sample {
    int64_t at_ms;
    int64_t done;
};

/* What has been seen of one job: a ring of counts, the oldest first. */
struct history {
    int64_t job;
    struct sample samples[SAMPLES];
    size_t count;
};

struct progress {
    bool in_place;
    int64_t interval_ms;
    int64_t printed_ms; /* plain lines: when the last came out, -1 before */
    char *note;         /* owned */
    char *screen;       /* what is drawn, owned; NULL: nothing */
    size_t rows;        /* of it */
    struct history *histories;
    size_t history_count;
};

static void erase(void *arg)
{
    struct progress *self = arg;
    if (self->rows > 0) {
        fprintf(stderr, "\r\033[%zuA\033[J", self->rows);
        self->rows = 0;
    }
}

static size_t rows_of(const char *text)
{
    size_t rows = 0;
    for (; (text = strchr(text, '\n')); text++) {
        rows++;
    }
    return rows;
}

static void draw(void *arg)
{
    struct progress *self = arg;
    if (self->in_place && self->screen) {
        fputs(self->screen, stderr);
        fflush(stderr);
        self->rows = rows_of(self->screen);
    }
}

progress_t *progress_new(int64_t interval_ms)
{
    progress_t *self = alloc_zero(1, sizeof *self);
    const char *term = getenv("TERM");
    self->in_place = term_is(stderr) && term && strcmp(term, "dumb") != 0;
    self->interval_ms = interval_ms;
    self->printed_ms = -1;
    if (self->in_place) {
        say_around(erase, draw, self);
    }
    return self;
}

void progress_destroy(progress_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        say_around(NULL, NULL, NULL);
        free((*self_p)->note);
        free((*self_p)->screen);
        free((*self_p)->histories);
        free(*self_p);
        *self_p = NULL;
    }
}

static struct history *history_of(struct progress *self, int64_t job)
{
    for (size_t i = 0; i < self->history_count; i++) {
        if (self->histories[i].job == job) {
            return &self->histories[i];
        }
    }
    self->histories =
        alloc_resize(self->histories, self->history_count + 1, sizeof *self->histories);
    struct history *fresh = &self->histories[self->history_count++];
    *fresh = (struct history){ .job = job };
    return fresh;
}

static void drop_oldest(struct history *history)
{
    history->count--;
    memmove(history->samples, history->samples + 1, history->count * sizeof *history->samples);
}

/*
 * Remember a count: one sample each time it rises, so that the ring holds what the rate needs
 * however often it is shown. The first is taken when something starts to render.
 */
static void remember(struct history *history, int64_t done, bool busy, int64_t now_ms)
{
    struct sample *last = history->count ? &history->samples[history->count - 1] : NULL;
    if (!last && !busy) {
        return;
    }
    if (last && done == last->done) {
        return;
    }
    if (last && done < last->done) {
        history->count = 0; /* frames were put back */
    }
    if (history->count == SAMPLES) {
        drop_oldest(history);
    }
    history->samples[history->count++] = (struct sample){ now_ms, done };
    while (history->count > 2 && now_ms - history->samples[0].at_ms > WINDOW_MS) {
        drop_oldest(history);
    }
}

struct progress_rate progress_rate_of(progress_t *self, const json_t *job, int64_t now_ms)
{
    struct progress_rate rate = { 0, -1 };
    struct history *history = history_of(self, objects_int(job, "job"));
    int64_t done = objects_frames(job, "done");
    int64_t total = objects_frames(job, "total");
    remember(history, done, objects_frames(job, "claimed") > 0 || done > 0, now_ms);
    if (history->count < 2) {
        return rate;
    }
    const struct sample *first = &history->samples[0];
    const struct sample *last = &history->samples[history->count - 1];
    int64_t time_ms = last->at_ms - first->at_ms;
    int64_t frames = last->done - first->done;
    if (time_ms <= 0 || frames <= 0) {
        return rate;
    }
    double per_frame_ms = (double)time_ms / (double)frames;
    int64_t left = total - done - objects_frames(job, "kept") - objects_frames(job, "failed") -
                   objects_frames(job, "cancelled") - objects_frames(job, "taken");
    int64_t since_ms = now_ms - last->at_ms; /* a part of the next frame is rendered already */
    rate.per_minute = MINUTE_MS / per_frame_ms;
    rate.left_ms = (int64_t)((double)left * per_frame_ms) - since_ms;
    rate.left_ms = rate.left_ms < 0 ? 0 : rate.left_ms; /* slower than the others: unknown */
    return rate;
}

/* What is said of a job of which no time left is known. */
static const char *plain_state(const json_t *job)
{
    const char *state = objects_str(job, "state");
    const char *why = objects_str(json_object_get(job, "error"), "text");
    if (strcmp(state, "active") != 0) {
        return state;
    }
    if (*why) {
        return why;
    }
    bool first = objects_frames(job, "done") + objects_frames(job, "kept") <= 0;
    return objects_frames(job, "claimed") > 0 ? first ? "first frame" : "rendering" : "waiting";
}

char *progress_taken(const json_t *job)
{
    int64_t taken = objects_frames(job, "taken");
    return taken > 0 ? alloc_format("%lld taken by somebody else", (long long)taken)
                     : alloc_text("");
}

/* ", 2 failed", ", 2 taken by somebody else": what is not as usual. */
static char *aside(const json_t *job)
{
    int64_t failed = objects_frames(job, "failed");
    CLEANUP(cleanup_free) char *taken = progress_taken(job);
    CLEANUP(cleanup_free)
    char *broken = failed > 0 ? alloc_format(", %lld failed", (long long)failed) : alloc_text("");
    return alloc_format("%s%s%s", broken, *taken ? ", " : "", taken);
}

/* "34.2 frames/min, 3m 48s left", or what else is to be said of its state. */
static char *state_text(const json_t *job, const struct progress_rate *rate)
{
    CLEANUP(cleanup_free) char *broken = aside(job);
    bool waits =
        *objects_str(json_object_get(job, "error"), "text") && objects_frames(job, "claimed") <= 0;
    if (strcmp(objects_str(job, "state"), "active") != 0 || rate->left_ms < 0 || waits) {
        return alloc_format("%s%s", plain_state(job), broken);
    }
    CLEANUP(cleanup_free) char *duration = text_duration(rate->left_ms);
    CLEANUP(cleanup_free)
    char *left = rate->left_ms > 0 ? alloc_format(", %s left", duration) : alloc_text("");
    return alloc_format("%.*f frames/min%s%s", rate->per_minute < 100 ? 1 : 0, rate->per_minute,
                        left, broken);
}

char *progress_job_line(const json_t *job, const struct progress_rate *rate, size_t width)
{
    int64_t total = objects_frames(job, "total");
    int64_t ready = objects_frames(job, "done") + objects_frames(job, "kept");
    double part = total > 0 ? (double)ready / (double)total : 0;
    CLEANUP(cleanup_free) char *state = state_text(job, rate);
    CLEANUP(cleanup_free) char *name = text_fit(objects_str(job, "name"), NAME_WIDTH, false);
    CLEANUP(cleanup_free)
    char *counts = total >= 0 ? alloc_format("%lld/%lld", (long long)ready, (long long)total)
                              : alloc_text("?/?");
    size_t other = NAME_WIDTH + text_width(counts) + text_width(state) + 12;
    size_t room = width > other + BAR_MIN ? width - other : BAR_MIN;
    CLEANUP(cleanup_free) char *bar = text_bar(part, room > BAR_MAX ? BAR_MAX : room);
    CLEANUP(cleanup_free)
    char *line = alloc_format("%s %s %3d %%  %s  %s", name, bar, (int)(part * 100), counts, state);
    return text_width(line) > width ? text_fit(line, width, false) : alloc_text(line);
}

char *progress_worker_phase(const json_t *worker)
{
    const char *why = objects_str(json_object_get(worker, "error"), "text");
    const char *until = objects_str(worker, "rests_until");
    const char *state = objects_str(worker, "state");
    if (strcmp(state, "resting") != 0) {
        bool told = strcmp(state, "idle") == 0 && *why;
        return alloc_text(told ? why : objects_str(worker, "phase"));
    }
    CLEANUP(cleanup_free) char *when = text_time(until, false);
    return alloc_format("%s%s%s%s", *until ? "until " : "", when, *until && *why ? ": " : "", why);
}

char *progress_worker_line(const json_t *worker)
{
    CLEANUP(cleanup_free) char *phase = progress_worker_phase(worker);
    const char *state = objects_str(worker, "state");
    bool named = strcmp(state, "resting") == 0 || strcmp(state, "idle") == 0;
    const json_t *frames = json_object_get(worker, "frames");
    CLEANUP(cleanup_free)
    char *frame =
        json_array_size(frames) > 0
            ? alloc_format("frame %lld", (long long)json_integer_value(json_array_get(frames, 0)))
            : alloc_text("");
    CLEANUP(cleanup_free) char *name = text_fit(objects_str(worker, "worker"), NAME_WIDTH, false);
    CLEANUP(cleanup_free) char *card = gauge_text(worker);
    return alloc_format("  %s %-12s %s%s%s%s%s", name, frame, card, *card ? "  " : "",
                        named || !*phase ? state : "", named && *phase ? " " : "", phase);
}

void progress_note(progress_t *self, const char *text)
{
    free(self->note);
    self->note = alloc_text(text);
}

/* The lines of all workers that are on a job. */
static void add_workers(FILE *out, const json_t *workers, int64_t job, size_t width)
{
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        if (objects_int(worker, "job") == job) {
            CLEANUP(cleanup_free) char *line = progress_worker_line(worker);
            CLEANUP(cleanup_free) char *cut = text_fit(line, width, false);
            bool is_long = text_width(line) > width;
            fprintf(out, "%s%s%s\n", term_code(stderr, TERM_DIM), is_long ? cut : line,
                    term_code(stderr, TERM_PLAIN));
        }
    }
}

static char *compose(struct progress *self, const json_t *jobs, const json_t *workers,
                     int64_t now_ms)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        abort();
    }
    size_t width = term_width(stderr) - 1; /* the last column would wrap on some terminals */
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        struct progress_rate rate = progress_rate_of(self, job, now_ms);
        CLEANUP(cleanup_free) char *line = progress_job_line(job, &rate, width);
        enum term_colour colour = term_state_colour(objects_str(job, "state"));
        fprintf(out, "%s%s%s\n", term_code(stderr, colour), line, term_code(stderr, TERM_PLAIN));
        if (!target_has_ended(objects_str(job, "state"))) {
            add_workers(out, workers, objects_int(job, "job"), width);
        }
    }
    if (self->note) {
        fprintf(out, "%s%s%s\n", term_code(stderr, TERM_YELLOW), self->note,
                term_code(stderr, TERM_PLAIN));
    }
    (void)fclose(out); /* memory: aborts or works */
    return text;
}

/* What does not fit on the screen cannot be drawn over: the first rows stay. */
static void cut_rows(char *text, size_t rows)
{
    char *end = text;
    for (size_t i = 0; i < rows && end; i++) {
        end = strchr(end, '\n');
        end = end ? end + 1 : NULL;
    }
    if (end) {
        *end = '\0';
    }
}

static void print_plain(struct progress *self, const json_t *jobs, int64_t now_ms)
{
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        struct progress_rate rate = progress_rate_of(self, job, now_ms);
        if (self->printed_ms < 0 || now_ms - self->printed_ms >= self->interval_ms) {
            CLEANUP(cleanup_free) char *state = state_text(job, &rate);
            int64_t total = objects_frames(job, "total");
            int64_t ready = objects_frames(job, "done") + objects_frames(job, "kept");
            CLEANUP(cleanup_free)
            char *counts = total < 0 ? alloc_text("")
                                     : alloc_format("%lld of %lld frames, ", (long long)ready,
                                                    (long long)total);
            say_note("%s: %s%s", objects_str(job, "name"), counts, state);
        }
    }
    if (self->printed_ms < 0 || now_ms - self->printed_ms >= self->interval_ms) {
        self->printed_ms = now_ms;
    }
}

void progress_show(progress_t *self, const json_t *jobs, const json_t *workers, int64_t now_ms)
{
    if (!self->in_place) {
        print_plain(self, jobs, now_ms);
        return;
    }
    char *screen = compose(self, jobs, workers, now_ms);
    cut_rows(screen, term_rows(stderr) - 1);
    if (self->rows > 0 && self->screen && strcmp(self->screen, screen) == 0) {
        free(screen);
        return;
    }
    erase(self);
    free(self->screen);
    self->screen = screen;
    draw(self);
}
