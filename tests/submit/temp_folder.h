#ifndef TESTS_SUBMIT_TEMP_FOLDER_H
#define TESTS_SUBMIT_TEMP_FOLDER_H

/*
 * temp_folder - a folder of its own for each test; fixtures for cmocka
 */

int temp_folder_make(void **state); /* *state: its real path */
int temp_folder_remove(void **state);

/* Writes text into folder/name and returns the path, the caller's. */
char *temp_folder_file(const char *folder, const char *name, const char *text);

#endif
