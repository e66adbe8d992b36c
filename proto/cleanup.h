#ifndef PROTO_CLEANUP_H
#define PROTO_CLEANUP_H

/*
 * cleanup - locals that release what they own at the end of their block
 *
 *     CLEANUP(cleanup_free) char *text = NULL;
 *     CLEANUP(zsock_destroy) zsock_t *socket = NULL;
 *
 * Hand over by assigning to *out and setting the local to NULL (a descriptor: to -1). Any
 * destructor that takes T ** and accepts NULL works; the functions below are for types that
 * bring none. They set what they release to NULL or -1.
 */

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* pointer_p is the address of any pointer from malloc. */
void cleanup_free(void *pointer_p);

/* Closes descriptors >= 0; errno stays as it is. */
void cleanup_fd(int *fd_p);

/* file_p is a FILE **, folder_p a DIR **, json_p a json_t **, list_p a NULL-terminated char ***. */
void cleanup_file(void *file_p);
void cleanup_folder(void *folder_p);
void cleanup_json(void *json_p);
void cleanup_list(void *list_p);

#endif
