#ifndef WORKER_PLACES_H
#define WORKER_PLACES_H

/*
 * places - where a Blender may lie: PATH, /opt, the home folder, desktop entries
 *
 * The same file found twice, by whatever names, is one place.
 */

#include <stddef.h>
#include <sys/types.h>

enum { PLACES_MAX = 64 };

struct places {
    char *paths[PLACES_MAX];
    struct {
        dev_t device;
        ino_t inode;
    } seen[PLACES_MAX];
    size_t count;
};

/* Add all that can be found, those of PATH first. */
void places_search(struct places *self);

/* Add one that a person named: a path, or a name looked up in PATH; one that is not there too. */
void places_add_program(struct places *self, const char *name);

/* Add the programs named in the desktop entries of a folder. */
void places_add_entries(struct places *self, const char *folder);

void places_clear(struct places *self);

#endif
