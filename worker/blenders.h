#ifndef WORKER_BLENDERS_H
#define WORKER_BLENDERS_H

/*
 * blenders - every Blender of this machine, what each can do, and which one a job takes
 *
 * Each is asked once, by running it for a moment, and remembered by path, size and mtime in the
 * state folder. Newest first everywhere.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    BLENDERS_MAX = 32,     /* as many as READY may name */
    BLENDERS_OLDEST = 293, /* autorender needs 2.93 */
    BLENDERS_PROBE_MS = 60000,
};

struct blender_info {
    char *path;
    char version[16]; /* "3.4.1" */
    int series;       /* major and minor as in a .blend: 304 */
    int patch;
    bool denoiser;
    bool module; /* path is a Python that can `import bpy`, not a Blender program */
};

struct blenders {
    struct blender_info *items;
    size_t count;
    char *too_old; /* a version that was found and is too old, NULL for none */
};

/* What a file needs. */
struct blender_need {
    int file_version;  /* 304; 0: not known */
    const char *bound; /* "3.4": this series and no other; NULL: any */
    bool denoiser;
};

enum blenders_outcome {
    BLENDERS_OK,
    BLENDERS_NONE,        /* there is none, or none of the series that the job is bound to */
    BLENDERS_TOO_OLD,     /* the file was saved by a newer one than all of them */
    BLENDERS_NO_DENOISER, /* those that could open it cannot denoise */
};

/* What somebody named; both NULL-terminated. */
struct blenders_given {
    const char *const *programs; /* NULL: search PATH, /opt, the home folder, desktop entries */
    const char *const *pythons;  /* that can `import bpy` */
};

/*
 * Find and ask them. A Python is asked each time: its bpy may be another one since. cache: path of
 * the memory of earlier answers. Ends early with -EINTR when stop_fd (-1: none) becomes readable.
 * Logs what was found and is of no use.
 */
int blenders_find(const struct blenders_given *given, const char *cache, int stop_fd,
                  struct blenders *out);

void blenders_clear(struct blenders *self);

/*
 * Choose: the newest of the file's own series, else of the nearest newer one. *out is borrowed
 * from self. *remark (on 0; the caller's; NULL for none) says which was passed over or that it is
 * not the file's own.
 */
int blenders_choose(const struct blenders *self, const struct blender_need *need,
                    const struct blender_info **out, char **remark);

/* "3.4.1" -> series 304, patch 1; false for what is no version. */
bool blenders_parse_version(const char *text, int *series, int *patch);

/* Sort, newest first, and drop what is too old. For blenders_find and tests. */
void blenders_order(struct blenders *self);

/* [{version, path, denoiser}], the array of READY; the caller's. */
json_t *blenders_json(const struct blenders *self);

#endif
