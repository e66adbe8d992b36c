#ifndef TESTS_WORKER_TEMP_FOLDER_H
#define TESTS_WORKER_TEMP_FOLDER_H

/*
 * temp_folder - a folder for one test, with a space in its name
 */

#include <sys/stat.h>

struct temp_folder {
    char path[64];
};

/* Setup and teardown of cmocka; *state is a struct temp_folder *. */
int temp_folder_make(void **state);
int temp_folder_remove(void **state);

/* Write a file, executable; its path is the caller's. */
char *temp_folder_file(const struct temp_folder *folder, const char *name, const char *text);

#endif
