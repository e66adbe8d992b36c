#ifndef SUBMIT_OBJECTS_H
#define SUBMIT_OBJECTS_H

/*
 * objects - the lines of --json: job, frame, worker, event, error
 *
 * Each object has exactly the keys that the README lists, in that order, "type" first; what the
 * broker did not say is null, what it said beyond them is left out. So the output is stable even
 * where broker and dblend are of two versions.
 */

#include <jansson.h>
#include <stdint.h>

/* Each returns a new object made from what the broker sent; the caller owns it. */
json_t *objects_job(const json_t *wire);
json_t *objects_frame(const json_t *wire);
json_t *objects_worker(const json_t *wire);
json_t *objects_event(const json_t *wire);

/* Any string may be NULL, job 0: null. */
json_t *objects_error(const char *code, const char *file, int64_t job, const char *text,
                      const char *hint);

/* Accessors that never fail: "" and 0 for what is missing or of another type. */
const char *objects_str(const json_t *object, const char *key);
int64_t objects_int(const json_t *object, const char *key);

/* Frames of a job in one state; -1 while they are not known. */
int64_t objects_frames(const json_t *job, const char *state);

#endif
