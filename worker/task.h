#ifndef WORKER_TASK_H
#define WORKER_TASK_H

/*
 * task - one claim that this worker holds, from its grant to its last report
 *
 * Its life is an enum, a table of allowed moves and one function that moves. A task owns a
 * reference to its job's description, so that it outlives the assignment (a proof does).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct blender_info;

enum task_kind {
    TASK_RENDER,
    TASK_INSPECT,
    TASK_SWEEP,
};

enum task_state {
    TASK_NEW,        /* granted, nothing done yet */
    TASK_LOOKING,    /* render: the prover looks at what is there */
    TASK_LOOKED,     /* render: has to be rendered; waits for Blender */
    TASK_TAKING,     /* render: the prover makes temporary file and placeholder */
    TASK_TAKEN,      /* render: ours; Blender gets it next */
    TASK_RENDERING,  /* render: Blender renders it */
    TASK_PROVING,    /* render: the prover proves and publishes */
    TASK_INSPECTING, /* inspect: Blender inspects */
    TASK_SURVEYING,  /* inspect: the prover looks over the output */
    TASK_SWEEPING,   /* sweep: the prover removes what is to be removed */
    TASK_GIVING_UP,  /* the prover removes our temporary file and placeholder */
    TASK_ENDED,      /* not held any more; its report, if any, is under way */
    TASK_STATES
};

struct task {
    int64_t claim;
    enum task_kind kind;
    enum task_state state;
    int64_t job;
    int32_t frame;
    int attempt;
    bool again;          /* render over what is there */
    bool fresh;          /* it ran out of memory: in a Blender started anew */
    int64_t since_ms;    /* when it came into its state, monotonic */
    json_t *about;       /* owned reference: the job's description */
    json_t *sighting;    /* owned reference or NULL */
    json_t *known;       /* owned reference or NULL: ledger rows of the names */
    json_t *live, *look; /* sweep: owned references or NULL, as granted */
    bool ends;           /* sweep: the kept file goes, too */
    json_t *last_report; /* owned or NULL: sent when giving up is through */
    json_t *paths;       /* owned reference or NULL: temporary files, one a view */
    int64_t request;     /* id of the request to the prover that is under way; 0: none */
    int64_t proof;       /* id of its `prove`, which may answer while it is given up */
    int deaths;          /* of provers that were asked about it and did not answer */
    bool without_prover; /* giving up: the prover that held it is dead */
    bool stopping;       /* giving up: Blender has to be stopped first */
    char *path;          /* owned or NULL: the temporary file */
    json_t *found;       /* inspect: the answer of Blender, kept over the survey */
    json_t *elsewhere;   /* a warning: Blender was seen on another card; NULL: it was not */
    char *log;           /* owned or NULL: Blender's output of the attempt */
    size_t log_size;
    int64_t render_ms;
    int64_t gpu_peak_bytes, rss_peak_bytes; /* 0: not known */
    char *digest;                           /* owned or NULL: what its pictures are stamped with */
    const struct blender_info *chosen;      /* borrowed: the Blender that renders it */
    char blender[16];                       /* version that renders it, "3.4.1" */
    int opens;                              /* how often its file was opened for it in vain */
    bool need_denoiser; /* inspect: asked again with a Blender that can denoise */
    struct task *next;
};

struct task *task_new(int64_t claim, enum task_kind kind, int64_t now_ms);
void task_destroy(struct task **self_p);

/* Move to another state. False, and nothing changed, when the table does not allow it. */
bool task_move(struct task *self, enum task_state to, int64_t now_ms);

/* Is the work not yet with the proof, so that it counts as rendering or ahead? */
bool task_unproven(const struct task *self);

/* Is Blender through with the frame, or the frame given up? */
bool task_in_proof(const struct task *self);

/* Does it need Blender, now or later? */
bool task_for_blender(const struct task *self);

/* Does it wait for Blender, without anything in the output folder that is ours? */
bool task_ahead(const struct task *self);

/* The phase on the wire: ahead, rendering, proof, inspecting, sweeping. */
const char *task_phase(const struct task *self);

const char *task_state_name(enum task_state state);

/* "render", "inspect", "sweep" -> kind; false for another word. */
bool task_kind_parse(const char *word, enum task_kind *out);
const char *task_kind_name(enum task_kind kind);

#endif
