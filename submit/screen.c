#include "submit/screen.h"

#include <assert.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/objects.h"
#include "submit/options.h"
#include "submit/progress.h"
#include "submit/term.h"
#include "submit/text.h"

enum { NUMBER_WIDTH = 6, PRIORITY_WIDTH = 4, TIME_SIZE = 16, EVENTS_MIN = 5, SECTION_ROWS = 2 };

struct screen {
    SCREEN *terminal;
    progress_t *progress; /* rates of the jobs */
    int row;              /* where the next line goes */
    int width;
};

/* Can this terminal put the cursor anywhere? One that cannot (dumb) shows no screen. */
static bool can_draw(void)
{
    int why = 0;
    if (setupterm(NULL, STDOUT_FILENO, &why) != OK) {
        return false;
    }
    char name[] = "cup";
    const char *capability = tigetstr(name);
    bool can = capability && capability != (const char *)-1; /* -1: not a string at all */
    (void)del_curterm(cur_term);
    return can;
}

screen_t *screen_new(void)
{
    if (!can_draw()) {
        return NULL;
    }
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        return NULL;
    }
    screen_t *self = alloc_zero(1, sizeof *self);
    self->terminal = terminal;
    self->progress = progress_new(0);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    (void)curs_set(0); /* some terminals cannot hide it */
    if (has_colors()) {
        start_color();
        use_default_colors();
        for (int colour = TERM_RED; colour <= TERM_CYAN; colour++) {
            static const short codes[] = { [TERM_RED] = COLOR_RED,
                                           [TERM_GREEN] = COLOR_GREEN,
                                           [TERM_YELLOW] = COLOR_YELLOW,
                                           [TERM_BLUE] = COLOR_BLUE,
                                           [TERM_CYAN] = COLOR_CYAN };
            init_pair((short)colour, codes[colour], -1);
        }
    }
    return self;
}

void screen_destroy(screen_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        endwin();
        delscreen((*self_p)->terminal);
        progress_destroy(&(*self_p)->progress);
        free(*self_p);
        *self_p = NULL;
    }
}

/*
 * The rest of a key that ncurses does not know for this terminal (ESC [ ... and a letter): its
 * bytes are no keys of their own. An ESC alone has no rest.
 */
static bool swallow_sequence(void)
{
    int next = getch();
    if (next != '[' && next != 'O') {
        return next != ERR;
    }
    while ((next = getch()) != ERR && (next < '@' || next > '~')) {
    }
    return true;
}

int screen_key(screen_t *self)
{
    (void)self; /* ncurses knows its own terminal */
    int key = getch();
    if (key == SCREEN_ESCAPE && swallow_sequence()) {
        return SCREEN_OTHER;
    }
    return key == ERR ? -1 : key;
}

static attr_t attribute_of(enum term_colour colour)
{
    if (colour == TERM_DIM || colour == TERM_BOLD) {
        return colour == TERM_DIM ? A_DIM : A_BOLD;
    }
    return colour == TERM_PLAIN || !has_colors() ? A_NORMAL : (attr_t)COLOR_PAIR(colour);
}

/* One line over the whole width; past the last row but one nothing is drawn. */
static void put_line(screen_t *self, attr_t attribute, const char *text)
{
    if (self->row >= LINES - 1) {
        return;
    }
    CLEANUP(cleanup_free) char *line = text_fit(text, (size_t)self->width, false);
    attrset(attribute);
    mvaddstr(self->row++, 0, line);
    attrset(A_NORMAL);
}

static void put_title(screen_t *self, const struct screen_view *view)
{
    size_t busy = 0;
    for (size_t i = 0; i < json_array_size(view->workers); i++) {
        busy += objects_int(json_array_get(view->workers, i), "job") > 0;
    }
    time_t now = time(NULL);
    struct tm local = { 0 };
    char clock[TIME_SIZE] = "";
    (void)localtime_r(&now, &local); /* the present year is in its range */
    (void)strftime(clock, sizeof clock, "%H:%M:%S", &local);
    size_t jobs = json_array_size(view->jobs);
    size_t workers = json_array_size(view->workers);
    CLEANUP(cleanup_free)
    char *left = alloc_format(" dblend   %zu job%s   %zu of %zu worker%s busy", jobs,
                              jobs == 1 ? "" : "s", busy, workers, workers == 1 ? "" : "s");
    CLEANUP(cleanup_free)
    char *right = text_fit(clock, self->width > 60 ? (size_t)self->width - 51 : 9, true);
    CLEANUP(cleanup_free) char *fitted = text_fit(left, 50, false);
    CLEANUP(cleanup_free) char *line = alloc_format("%s%s", fitted, right);
    put_line(self, A_REVERSE, line);
}

static size_t index_of(const json_t *jobs, int64_t number)
{
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        if (objects_int(json_array_get(jobs, i), "job") == number) {
            return i;
        }
    }
    return 0;
}

static void put_jobs(screen_t *self, const struct screen_view *view, size_t rows)
{
    size_t count = json_array_size(view->jobs);
    size_t selected = index_of(view->jobs, view->selected);
    size_t first = selected >= rows ? selected - rows + 1 : 0;
    put_line(self, A_BOLD, "   JOB PRIO  NAME");
    if (count == 0) {
        put_line(self, A_DIM, "  no jobs; `dblend add FILE.blend' puts one on the list");
    }
    for (size_t i = 0; i < count; i++) { /* also those out of sight, for their rates */
        const json_t *job = json_array_get(view->jobs, i);
        struct progress_rate rate = progress_rate_of(self->progress, job, view->now_ms);
        if (i < first || i >= first + rows) {
            continue;
        }
        int before = NUMBER_WIDTH + PRIORITY_WIDTH + 3;
        size_t width = self->width > before ? (size_t)(self->width - before) : 1;
        CLEANUP(cleanup_free) char *line = progress_job_line(job, &rate, width);
        CLEANUP(cleanup_free)
        char *numbered =
            alloc_format("%*lld %*lld  %s", NUMBER_WIDTH, (long long)objects_int(job, "job"),
                         PRIORITY_WIDTH, (long long)objects_int(job, "priority"), line);
        attr_t attribute = attribute_of(term_state_colour(objects_str(job, "state")));
        put_line(self, i == selected ? attribute | A_REVERSE : attribute, numbered);
    }
}

/* What there is to say of the selected job. */
static void put_detail(screen_t *self, const struct screen_view *view)
{
    const json_t *job = json_array_get(view->jobs, index_of(view->jobs, view->selected));
    const json_t *error = json_object_get(job, "error");
    const json_t *warnings = json_object_get(job, "warnings");
    const char *output = objects_str(job, "output");
    CLEANUP(cleanup_free) char *line = NULL;
    if (*objects_str(error, "text")) {
        const char *flags = options_flags_of(objects_str(error, "code"));
        bool held = strcmp(objects_str(job, "state"), "held") == 0;
        line = alloc_format("        %s%s%s", objects_str(error, "text"),
                            held ? "; answer with `dblend accept': " : "", held ? flags : "");
        put_line(self, attribute_of(TERM_YELLOW), line);
        return;
    }
    size_t count = json_array_size(warnings);
    line = count > 0 ? alloc_format("        warning: %s",
                                    objects_str(json_array_get(warnings, count - 1), "text"))
                     : alloc_format("        %s", output);
    put_line(self, count > 0 ? attribute_of(TERM_YELLOW) : A_DIM, line);
}

static void put_workers(screen_t *self, const struct screen_view *view, size_t rows)
{
    put_line(self, A_NORMAL, "");
    put_line(self, A_BOLD, "  WORKER                   FRAME        PHASE");
    for (size_t i = 0; i < json_array_size(view->workers) && i < rows; i++) {
        const json_t *worker = json_array_get(view->workers, i);
        CLEANUP(cleanup_free) char *line = progress_worker_line(worker);
        put_line(self, attribute_of(term_state_colour(objects_str(worker, "state"))), line);
    }
    if (json_array_size(view->workers) == 0) {
        put_line(self, A_DIM, "  no worker; `dblend farm' starts one on each device");
    }
}

static void put_events(screen_t *self, const struct screen_view *view)
{
    size_t count = json_array_size(view->events);
    put_line(self, A_NORMAL, "");
    put_line(self, A_BOLD, "  WHAT HAPPENED");
    size_t rows = self->row < LINES - 1 ? (size_t)(LINES - 1 - self->row) : 0;
    for (size_t i = count > rows ? count - rows : 0; i < count; i++) {
        const json_t *event = json_array_get(view->events, i);
        const json_t *frame = json_object_get(event, "frame");
        const json_t *job = json_object_get(event, "job");
        CLEANUP(cleanup_free) char *when = text_time(objects_str(event, "time"), false);
        CLEANUP(cleanup_free)
        char *of_job = json_is_integer(job)
                           ? alloc_format(" job %lld", (long long)json_integer_value(job))
                           : alloc_text("");
        CLEANUP(cleanup_free)
        char *of_frame = json_is_integer(frame)
                             ? alloc_format(" frame %lld", (long long)json_integer_value(frame))
                             : alloc_text("");
        CLEANUP(cleanup_free)
        char *line =
            alloc_format("  %s  %-16s%s%s %s %s", when, objects_str(event, "event"), of_job,
                         of_frame, objects_str(event, "worker"), objects_str(event, "text"));
        put_line(self, A_DIM, line);
    }
}

static void put_bottom(screen_t *self, const char *message)
{
    static const char keys[] =
        " q quit   up/down select   p pause/resume   r retry   c cancel   "
        "+/- priority";
    self->row = LINES - 1;
    CLEANUP(cleanup_free)
    char *line = text_fit(message ? message : keys, (size_t)self->width - 1, false);
    attrset(message ? A_REVERSE | attribute_of(TERM_YELLOW) : A_REVERSE);
    mvaddstr(self->row, 0, line);
    attrset(A_NORMAL);
}

void screen_draw(screen_t *self, const struct screen_view *view)
{
    erase();
    self->row = 0;
    self->width = COLS;
    size_t jobs = json_array_size(view->jobs);
    size_t workers = json_array_size(view->workers);
    size_t room = LINES > 8 ? (size_t)LINES - 8 : 1;
    size_t for_workers = workers < room / 3 ? workers : room / 3;
    size_t for_jobs = room > for_workers + EVENTS_MIN ? room - for_workers - EVENTS_MIN : 1;
    put_title(self, view);
    put_jobs(self, view, jobs < for_jobs ? jobs : for_jobs);
    if (jobs > 0) {
        put_detail(self, view);
    }
    put_workers(self, view, for_workers > 0 ? for_workers : 1);
    put_events(self, view);
    put_bottom(self, view->message);
    refresh();
}
