#ifndef SUBMIT_SUMMARY_H
#define SUBMIT_SUMMARY_H

/*
 * summary - a job in a line, and what is left to know when it has ended
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The one line after inspection: frames, size, engine, Blender, absolute output folder, number of
 * warnings. detail is the SHOW answer. The caller frees it.
 */
char *summary_line(const json_t *job, const json_t *detail);

/* Each warning of a job on a line of standard error. */
void summary_warnings(const json_t *job);

/*
 * Tell if the file has other bytes by now than those that were rendered, unless a warning of the
 * job says so already.
 */
void summary_saved_again(const json_t *job, const json_t *detail);

/* The absolute folder of a job's output, NULL while it is not known. The caller frees it. */
char *summary_folder(const json_t *job);

/*
 * The ffmpeg command that makes the movie that the scene would have written, ready to paste; NULL
 * if the scene writes pictures. The caller frees it.
 */
char *summary_movie(const json_t *detail);

/*
 * Print for people how a job ended: folder on standard output, failures on standard error.
 * frames: its failed frames, or NULL.
 */
void summary_print(const json_t *job, const json_t *detail, const json_t *frames);

/* Has the job that frame? True also while its frames are not known. */
bool summary_has_frame(const json_t *detail, int64_t frame);

/* "1-24", "1-24x2 (12)": the frames of a job as found, from spec and found. Owned. */
char *summary_frames(const json_t *job, const json_t *detail);

#endif
