#ifndef SUBMIT_FILES_H
#define SUBMIT_FILES_H

/*
 * files - the FILEs of a command line: collected, cleaned, checked
 *
 * A FILE comes from the command line, from a list (--from) or from a question at the terminal.
 * Terminals add quotes and a blank when a file is dropped into them; those go. Whether a Blender
 * can open it is the broker's and the worker's to say; here: is it there, is it a .blend?
 */

#include <jansson.h>
#include <stddef.h>

struct files {
    char **names; /* as the person gave them, cleaned; owned */
    size_t count;
};

void files_clear(struct files *self);

/* Add one; quotes, blanks at the ends and the backslashes of drag and drop are taken off. */
void files_add(struct files *self, const char *text);

/*
 * Add the lines of a list, `-` is standard input; empty lines and those that begin with `#` are
 * left out. 0, or a negative errno.
 */
int files_add_list(struct files *self, const char *path);

/* Ask for one at the terminal (which must be there): 0, or -ENODATA at the end of input. */
int files_ask(struct files *self);

/*
 * Check one name: its real path in *path (the caller's) and NULL, or NULL in *path and an owned
 * {code, text, hint} of why it is refused.
 */
json_t *files_check(const char *name, char **path);

/* What is given as text by drag and drop, cleaned. The caller frees it. */
char *files_clean(const char *text);

#endif
