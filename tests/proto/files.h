#ifndef TESTS_PROTO_FILES_H
#define TESTS_PROTO_FILES_H

/*
 * files - a folder for a test, and files in it
 */

#include <stddef.h>

/* cmocka's setup and teardown: a fresh folder, removed with all that is in it. */
int files_set_up(void **state);
int files_tear_down(void **state);

/* The path of name in the folder; valid until the eighth call after it. */
const char *files_path(const char *name);

/* Write a file, and read one: the text is the caller's and has a NUL after it. */
void files_write(const char *name, const void *bytes, size_t size);
char *files_read(const char *path, size_t *size);

#endif
