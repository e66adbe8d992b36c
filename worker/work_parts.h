#ifndef WORKER_WORK_PARTS_H
#define WORKER_WORK_PARTS_H

/*
 * work_parts - what the parts of worker/work share: work.c (claims, what next), work_told.c (what
 * the broker is told), work_open.c (the file of a job), work_frame.c (a frame), work_inspect.c
 * (inspections), work_sweep.c (sweeps), work_prover.c (what the prover answers, and its death),
 * work_limits.c (how long things may take), work_rest.c (the device is given back), work_device.c
 * (what the open job renders on)
 */

#include "worker/task.h"
#include "worker/work.h"

/* How far the file that is wanted in Blender has come. */
enum opening {
    OPENING_NONE,
    OPENING_LOOKING,  /* which file: a thread looks */
    OPENING_WAITING,  /* for the right Blender to be idle */
    OPENING_RUNNING,  /* Blender opens (or inspects) */
    OPENING_CHECKING, /* was it still the same file? */
    OPENING_DONE,     /* open, as submitted: frames can be rendered */
};

struct work {
    struct work_setup setup;
    struct work_ports ports;
    reports_t *reports;
    char farm[17];
    struct task *tasks; /* in the order of their grants */
    int64_t job;        /* assignment, 0: none */
    json_t *about;      /* its description */
    bool asked_idle;    /* the last message said that nothing of the job is left to render */
    bool pause, give_back, draining;
    bool resting, rested; /* the device is its owner's; the broker knows that it is free */
    bool blender_fails;   /* it could not be started: no claims until it can */
    const char *dirty;    /* why Blender must be a new one before its next work; NULL: need not */
    int frames;           /* rendered by this process of Blender */
    int64_t rss_first;    /* its memory after the first frame of the open job */
    int64_t busy_ms;
    int64_t recent_job; /* whose frames took so long: a ring */
    int64_t recent_ms[WORK_RECENT_MAX];
    size_t recent_count;
    int64_t requests; /* ids of requests to the prover and of looks at files */

    enum opening opening;
    int64_t opening_claim; /* the task it is done for */
    int64_t opening_look;  /* id of the look that is under way */
    json_t *opened;        /* description of the job whose file is (being) opened */
    char *use;
    struct filehash_facts facts;
    bool from_kept;
    bool fresh;          /* nothing was rendered since: what it printed belongs to the next frame */
    int64_t fresh_claim; /* for which the file is open in a Blender of its own; 0: it is not so */
    bool scripts;        /* scripts of the open file ran: no other job in this Blender */
    json_t *result;      /* Blender's answer, while the file is checked */
    char *remark;        /* on the choice of Blender, for people */
    json_t *device;      /* that autorender was asked for */
    bool on_card;        /* Cycles renders the open job on the device's cards */
    json_t *device_warnings; /* of its answer: they go with every frame; NULL for none */
    const struct blender_info *chosen;
};

/* work_told.c */
int work_count(const work_t *self, bool (*is)(const struct task *));

/* work.c */
struct task *work_task(const work_t *self, int64_t claim);
void work_tell_start(work_t *self, struct task *task);

/* End a claim with a report (taken; NULL: none) and its log; the task is gone. */
void work_end(work_t *self, struct task *task, json_t *report);

/* Give up what lies in the output folder for it, then end it with the report (taken, may be NULL).
 */
void work_give_up(work_t *self, struct task *task, json_t *report, int64_t now_ms);

/* End it with an error of these words; fatal: every frame of the job would fail so. */
void work_fail(work_t *self, struct task *task, const struct blender_end *why, bool fatal,
               int64_t now_ms);

void work_move(work_t *self, struct task *task, enum task_state to, int64_t now_ms);

/* Lies something in the output folder for it? */
bool work_has_files(const struct task *task);

/* Keep what Blender printed since the last mark as the task's log. */
void work_take_log(work_t *self, struct task *task);

/* Which Blender would render (or inspect) this task's job? False: it is ended with an error. */
bool work_choose(work_t *self, struct task *task, int file_version, const struct blender_info **out,
                 int64_t now_ms);

/* "dblend:<digest>:3.4" for a job and a Blender; the caller's. */
char *work_digest(const json_t *found, const struct blender_info *info);

/* Return claims that nothing was begun for; all: not only frames. */
void work_return_ahead(work_t *self, bool all, int64_t now_ms);

/* Is scripts running in the job's file allowed? */
bool work_option(const json_t *about, const char *key);

/* work_prover.c: ask the prover about a task; adds id and claim. Takes request. */
void work_ask(work_t *self, struct task *task, json_t *request);

/* work_open.c: bring the task's file into Blender. True when it is there already. */
bool open_for(work_t *self, struct task *task, int64_t now_ms);
void open_step(work_t *self);
void open_forget(work_t *self); /* Blender is another one, or the file not open any more */
void open_answer(work_t *self, const json_t *answer);
void open_looked(work_t *self, const struct source_answer *answer, int64_t now_ms);
void open_failed(work_t *self, const struct blender_end *end, int64_t now_ms);
bool open_same(const json_t *left, const json_t *right);

/* work_frame.c */
void frame_look(work_t *self, struct task *task, int64_t now_ms);
void frame_take(work_t *self, struct task *task, int64_t now_ms);
void frame_prove(work_t *self, struct task *task);
void frame_prover_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms);
void frame_blender_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms);

/* work_limits.c: when does a Blender hang, or take too long? */
struct pulse_limits limits_of(const work_t *self, const struct task *task);
void limits_note(work_t *self, const struct task *task); /* it was rendered */
json_t *limits_too_fast(const struct task *task);        /* a warning, NULL: it was not */

/* work_rest.c: end Blender when it is not needed any more */
void rest_step(work_t *self);

/* work_inspect.c */
void inspect_found(work_t *self, struct task *task, const json_t *answer, int64_t now_ms);
void inspect_survey(work_t *self, struct task *task);
void inspect_prover_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms);

/* work_device.c */
json_t *device_request(work_t *self, const struct task *task); /* of `open`; the caller's */

/* Is the open job rendered where it was asked to be? Else the task is ended with an error. */
bool device_agrees(work_t *self, struct task *task, const json_t *answer, int64_t now_ms);
void device_add_warnings(const work_t *self, const struct task *task, json_t *warnings);
void device_watch_begin(work_t *self);                  /* a frame begins to render */
void device_watch_end(work_t *self, struct task *task); /* it is rendered */
void device_forget(work_t *self);

/* work_sweep.c */
void sweep_begin(work_t *self, struct task *task, int64_t now_ms);
void sweep_answer(work_t *self, struct task *task, const json_t *answer);

#endif
