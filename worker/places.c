#include "worker/places.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"

/* "$HOME" stands before those that begin with "~". */
static const char *const patterns[] = {
    "/opt/blender",
    "/opt/*/blender",
    "/opt/*/*/blender",
    "/usr/local/*/blender",
    "/snap/bin/blender",
    "~/blender",
    "~/*/blender",
    "~/*/blender*/blender",
    "~/.local/bin/blender",
    "~/.local/*/blender*/blender",
    "~/.local/share/*/blender*/blender",
};

static bool is_program(const char *path, struct stat *out)
{
    return stat(path, out) == 0 && S_ISREG(out->st_mode) && access(path, X_OK) == 0;
}

static void add_unseen(struct places *self, const char *path, const struct stat *st)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->seen[i].device == st->st_dev && self->seen[i].inode == st->st_ino) {
            return;
        }
    }
    if (self->count < PLACES_MAX) {
        self->paths[self->count] = alloc_text(path);
        self->seen[self->count].device = st->st_dev;
        self->seen[self->count++].inode = st->st_ino;
    }
}

static void add_path(struct places *self, const char *path)
{
    struct stat st;
    if (is_program(path, &st)) {
        add_unseen(self, path, &st);
    }
}

void places_add_program(struct places *self, const char *name)
{
    CLEANUP(cleanup_free) char *found = NULL;
    char *absolute = NULL;
    struct stat st = { .st_dev = 0 };
    (void)child_find_program(name, &found); /* not there: said when it is asked */
    const char *path = found ? found : name;
    if (path[0] != '/') {
        CLEANUP(cleanup_free) char *folder = getcwd(NULL, 0);
        absolute = alloc_format("%s/%s", folder ? folder : "", path);
        path = absolute;
    }
    if (stat(path, &st) != 0) {
        st.st_dev = 0;
        st.st_ino = (ino_t)self->count + 1; /* equal to no file and to no other of these */
    }
    add_unseen(self, path, &st);
    free(absolute);
}

static void add_glob(struct places *self, const char *pattern)
{
    glob_t found = { .gl_pathc = 0 };
    CLEANUP(cleanup_free) char *full = NULL;
    const char *home = getenv("HOME");
    if (pattern[0] == '~') {
        if (!home || home[0] != '/') {
            return;
        }
        full = alloc_format("%s%s", home, pattern + 1);
    }
    if (glob(full ? full : pattern, 0, NULL, &found) == 0) {
        for (size_t i = found.gl_pathc; i-- > 0;) { /* the highest number first */
            add_path(self, found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

/* The program of an "Exec=" line: its first word, quotes taken off. */
static void add_exec(struct places *self, const char *value)
{
    CLEANUP(cleanup_free) char *word = NULL;
    if (value[0] == '"') {
        word = alloc_bytes(value + 1, strcspn(value + 1, "\"\n"));
    } else {
        word = alloc_bytes(value, strcspn(value, " \t\r\n"));
    }
    CLEANUP(cleanup_free) char *path = NULL;
    const char *name = strrchr(word, '/');
    name = name ? name + 1 : word;
    if (strncasecmp(name, "blender", strlen("blender")) == 0 &&
        child_find_program(word, &path) == 0) {
        add_path(self, path);
    }
}

static void add_entry(struct places *self, const char *path)
{
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    char line[4096];
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "Exec=", 5) == 0) {
            add_exec(self, line + 5);
        }
    }
}

void places_add_entries(struct places *self, const char *folder)
{
    CLEANUP(cleanup_free) char *pattern = alloc_format("%s/*[Bb]lender*.desktop", folder);
    glob_t found = { .gl_pathc = 0 };
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            add_entry(self, found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

/* Call add for each folder of a colon list, with something after it. */
static void for_each(struct places *self, const char *list, const char *tail,
                     void (*handle)(struct places *, const char *))
{
    while (*list) {
        size_t length = strcspn(list, ":");
        if (length > 0) {
            CLEANUP(cleanup_free) char *folder = alloc_bytes(list, length);
            CLEANUP(cleanup_free) char *path = alloc_format("%s%s", folder, tail);
            handle(self, path);
        }
        list += length + (list[length] == ':');
    }
}

void places_search(struct places *self)
{
    const char *path = getenv("PATH");
    const char *home = getenv("HOME");
    const char *data = getenv("XDG_DATA_HOME");
    const char *shared = getenv("XDG_DATA_DIRS");
    for_each(self, path ? path : "/usr/local/bin:/usr/bin:/bin", "/blender", add_path);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        add_glob(self, patterns[i]);
    }
    if (data && *data) {
        for_each(self, data, "/applications", places_add_entries);
    } else if (home && *home) {
        for_each(self, home, "/.local/share/applications", places_add_entries);
    }
    for_each(self, shared && *shared ? shared : "/usr/local/share:/usr/share", "/applications",
             places_add_entries);
}

void places_clear(struct places *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->paths[i]);
    }
    self->count = 0;
}
