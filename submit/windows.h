#ifndef SUBMIT_WINDOWS_H
#define SUBMIT_WINDOWS_H

/*
 * windows - what each worker says, in a pane or terminal of its own
 *
 * They look at the workers' logs and end when we do; the workers are our children as ever, and
 * closing a pane ends none. Inside tmux: panes of a new window; where tmux is installed: of a new
 * session; else x-terminal-emulator.
 */

#include <jansson.h>

#include "proto/paths.h"

/* devices: array of strings, a worker each. 0, or the exit status 1 after telling why not. */
int windows_open(const struct paths *paths, const json_t *devices);

#endif
