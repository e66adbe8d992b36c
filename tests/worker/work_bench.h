#ifndef TESTS_WORKER_WORK_BENCH_H
#define TESTS_WORKER_WORK_BENCH_H

/*
 * work_bench - worker/work without children: what it says to them is noted, what they answer is
 * written by the test
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/work.h"

enum { MEMORY_BYTES = 1000, STALL_MS = 1000 }; /* limits of this worker */

struct bench {
    work_t *work;
    reports_t *reports;
    struct blender_info info;
    struct blenders blenders;
    bool prover_is_ready;
    enum blender_state blender;
    json_t *asked;              /* the last request to the prover, */
    json_t *take;               /* the last `take` */
    json_t *command;            /* the last command to Blender */
    json_t *about;              /* the job */
    struct pulse_limits limits; /* of the last command */
    int64_t stall_ms;           /* of the last request to the prover */
    int64_t look;               /* id of the last look at the file */
    char opened[64];            /* of that look: the file that was opened, "" for a look before */
    int asks, commands, restarts, looks;
    char asks_text[512]; /* "look 1, take 1, ..." */
    int64_t rss;
    struct work_peaks peaks;
    const char *held_by; /* who has the card's memory, and */
    int64_t had_bytes;   /* what is left of it */
    const char *prints;  /* Blender's output of an attempt */
    const char *error_code, *error_text;
    int took_ms;                 /* what a frame takes */
    int marks;                   /* how often an attempt's output began */
    bool scripts;                /* the file that is opened ran some */
    const struct device *device; /* of this worker; NULL: none is told */
    const char *used;            /* what the answer to `open` says of it, JSON */
    json_t *opening;             /* the last `open` */
    const char *elsewhere; /* where the driver saw Blender, a warning as JSON; NULL: nowhere */
    int watches;           /* frames that it was watched in, */
    bool on_card;          /* the last one on a card */
    int unwanted;          /* how often no Blender was wanted any more, */
    int wanted;            /* and how often one was */
    int tells;             /* how often the broker had to hear something at once, */
    int64_t tell_by_ms;    /* and when at the latest, where that was said */
};

/* Setup and teardown. */
int bench_begin(void **state);
int bench_end(void **state);

/* Begin anew as an inspector. */
void bench_make_inspector(struct bench *bench);

/* Begin anew as the worker of a device; it is borrowed. */
void bench_make_device(struct bench *bench, const struct device *device);

/* A frame of the job is granted. */
void bench_grant(struct bench *bench, int64_t claim, int frame);

/* One that ran out of memory is granted again. */
void bench_grant_fresh(struct bench *bench, int64_t claim, int frame);

/* The prover answers a request. */
void bench_prover_answers(struct bench *bench, const json_t *request, const char *is);

/* The prover answers its last request. */
void bench_prover_says(struct bench *bench, const char *is);

/* The look at the file is through. */
void bench_source_says(struct bench *bench, enum source_verdict verdict);

/* Blender answers its command: "opened", "rendered", "error". */
void bench_blender_says(struct bench *bench, const char *event);

/* The file is looked at, opened, and looked at again. */
void bench_open_file(struct bench *bench);

/* From the grant to a Blender that renders it. */
void bench_render_first(struct bench *bench, int64_t claim, int frame);

/* The same for a further frame of the open job. */
void bench_render_next(struct bench *bench, int64_t claim, int frame);

/* What the broker is told of a claim; "": it is not held. */
const char *bench_phase_of(const struct bench *bench, int64_t claim);

/* All reports, as "started 1; finished 1; ". */
void bench_expect_reports(const struct bench *bench, const char *expected);

/* What a claim came to, or its first warning, has this code, and these words in its text; NULL: it
 * has no warning. */
void bench_expect_report(const struct bench *bench, int64_t claim, const char *what,
                         const char *code, const char *words);

/* "" where there is none. */
const char *bench_text_of(const json_t *object, const char *key);

#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_begin, bench_end)

#endif
