#ifndef TESTS_BROKER_TEMP_FOLDER_H
#define TESTS_BROKER_TEMP_FOLDER_H

/*
 * temp_folder - a folder of its own for a test, removed after it
 */

/* Make one; the path is the caller's (temp_folder_remove). */
char *temp_folder_new(void);

/* folder/name; the caller frees it. */
char *temp_folder_path(const char *folder, const char *name);

/* The bytes of a file as text; the caller frees it. Fails the test when it cannot be read. */
char *temp_folder_read(const char *path);

/* Remove the folder with all that is in it, free and set NULL. */
void temp_folder_remove(char **folder_p);

#endif
