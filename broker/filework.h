#ifndef BROKER_FILEWORK_H
#define BROKER_FILEWORK_H

/*
 * filework - looks at .blend files in a child process, because a network disk can hang
 *
 * A task is {job, file} and wants the file as it is now (old: a kept file that goes then), or {job,
 * file, hash} and wants those bytes kept; with kept, the path of a kept file, they may be there,
 * too. With same_mtime_ns a task only asks whether the file is still the submitted one. Its result
 * is {job, is, ...}:
 *
 *     now       size, mtime_ns, hash of the file as it is, and kept where one could be made
 *     kept      kept: the path of the kept file, which has the bytes
 *     changed   neither has those bytes any more
 *     missing   no such file, and no kept one with those bytes
 *     same      the file has the submitted bytes, mtime_ns: at that time
 *     saved     it was saved again
 *     failed    text: why it could not be read, or kept
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    FILEWORK_MOST_MS = 120000, /* a disk that takes longer counts as hanging */
    FILEWORK_TASK_FD = 3,      /* in the child */
    FILEWORK_RESULT_FD = 4,
};

typedef struct filework filework_t;

/* Start the child on an array of tasks. The caller owns *out. A negative errno: it cannot. */
int filework_start(const json_t *tasks, const char *farm_id, filework_t **out);

/* Kills a child that still runs. Safe on NULL. */
void filework_destroy(filework_t **self_p);

/* Readable once the child has ended. Borrowed. */
int filework_fd(const filework_t *self);

/* Has it ended, one way or the other? Otherwise nothing happens. */
bool filework_ended(filework_t *self);

/* The results: an array, without those that the child did not get to. The caller's. */
json_t *filework_results(filework_t *self);

/* The child's main: tasks are in the file task_fd, results go to the file result_fd. */
int filework_main(int task_fd, int result_fd, const char *farm_id);

#endif
