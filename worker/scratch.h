#ifndef WORKER_SCRATCH_H
#define WORKER_SCRATCH_H

/*
 * scratch - a temporary folder for one Blender: it leaves files there when it is killed
 */

/* Make one, in $TMPDIR or /tmp; *out is the caller's. A negative errno. */
int scratch_make(char **out);

/* Remove it with all that is in it; frees *path_p. Safe on NULL. */
void scratch_remove(char **path_p);

/* Remove what workers of this user left that were killed. */
void scratch_sweep(void);

#endif
