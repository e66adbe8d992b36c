#include "proto/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"

/* sun_path has 108 bytes; the rest is for libzmq and for a NUL */
#define SOCKET_PATH_MAX 100

#define HASH_BYTES 8

static int refuse(char **error_text, char *text)
{
    *error_text = text;
    return PATHS_REFUSED;
}

static bool is_folder_of_ours(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* An environment variable that holds an absolute path, else NULL. */
static const char *absolute_env(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

static char *home_folder(void)
{
    const char *home = absolute_env("HOME");
    if (home) {
        return alloc_text(home);
    }
    struct passwd *entry = getpwuid(geteuid());
    return alloc_text(entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : "/");
}

/* $NAME/dblend or ~/fallback/dblend. */
static char *xdg_folder(const char *name, const char *fallback)
{
    const char *value = absolute_env(name);
    if (value) {
        return alloc_format("%s/dblend", value);
    }
    CLEANUP(cleanup_free) char *home = home_folder();
    return alloc_format("%s/%s/dblend", strcmp(home, "/") == 0 ? "" : home, fallback);
}

/* Make path and what is missing above it. 0 or an errno. */
static int make_folders(const char *path, mode_t mode)
{
    CLEANUP(cleanup_free) char *copy = alloc_text(path);
    for (char *at = strchr(copy + 1, '/');; at = strchr(at + 1, '/')) {
        if (at) {
            *at = '\0';
        }
        struct stat st;
        bool is_there = stat(copy, &st) == 0 && S_ISDIR(st.st_mode);
        if (!is_there && mkdir(copy, mode) != 0 && errno != EEXIST) {
            return errno;
        }
        if (!at) {
            break;
        }
        *at = '/';
    }
    struct stat st;
    if (stat(path, &st) != 0) {
        return errno;
    }
    return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

static int require_folder(const char *path, mode_t mode, char **error_text)
{
    int rc = make_folders(path, mode);
    if (rc != 0) {
        return refuse(error_text,
                      alloc_format("cannot make the folder %s: %s: make it, or set DBLEND_HOME "
                                   "to a folder that you can write to",
                                   path, strerror(rc)));
    }
    return PATHS_OK;
}

/* No symlink, ours, 0700: looked at through a descriptor, so that nothing changes in between. */
static int require_private(const char *path, char **error_text)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return refuse(error_text,
                      alloc_format("cannot make the folder %s: %s", path, strerror(errno)));
    }
    CLEANUP(cleanup_fd)
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
        return refuse(error_text, alloc_format("%s is not a folder but a symlink or a file: "
                                               "whoever made it could take over the farm; "
                                               "remove it",
                                               path));
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return refuse(error_text, alloc_format("cannot open the folder %s: %s: it must be yours "
                                               "and have mode 0700 (chmod 700 it)",
                                               path, strerror(errno)));
    }
    if (st.st_uid != geteuid()) {
        return refuse(error_text,
                      alloc_format("the folder %s belongs to user %u, not to you: remove it, or "
                                   "set DBLEND_HOME to a folder of your own",
                                   path, (unsigned)st.st_uid));
    }
    if ((st.st_mode & 07777) != 0700) {
        return refuse(error_text, alloc_format("the folder %s is not private: mode %04o instead "
                                               "of 0700: chmod 700 '%s'",
                                               path, (unsigned)st.st_mode & 07777, path));
    }
    return PATHS_OK;
}

static bool socket_fits(const char *folder, const char *name)
{
    return strlen(folder) + 1 + strlen(name) <= SOCKET_PATH_MAX;
}

/* Where run is without DBLEND_HOME. */
static char *runtime_folder(void)
{
    const char *xdg = absolute_env("XDG_RUNTIME_DIR");
    /* the longest name that a socket can get in it, see socket_path */
    static const char longest[] = "dblend/0123456789abcdef-submitters.sock";
    if (xdg && is_folder_of_ours(xdg) && socket_fits(xdg, longest)) {
        return alloc_format("%s/dblend", xdg);
    }
    return alloc_format("/tmp/dblend-%u", (unsigned)geteuid());
}

/* run/name, or, where that is too long for a socket, runtime/<hash of run>-name. */
static char *socket_path(const struct paths *self, const char *name)
{
    if (socket_fits(self->run, name)) {
        return alloc_format("%s/%s", self->run, name);
    }
    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * HASH_BYTES + 1];
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)self->run, strlen(self->run),
                             NULL, 0); /* only fails for wrong sizes */
    sodium_bin2hex(hex, sizeof hex, hash, HASH_BYTES);
    return alloc_format("%s/%s-%s", self->runtime, hex, name);
}

/* DBLEND_HOME, made and absolute: through realpath, so that all ways to write it are one farm. */
static int find_home(const char *home, struct paths *self, char **error_text)
{
    int rc = require_folder(home, 0777, error_text);
    if (rc != PATHS_OK) {
        return rc;
    }
    self->home = realpath(home, NULL);
    if (!self->home) {
        return refuse(error_text, alloc_format("cannot find the folder DBLEND_HOME=%s: %s", home,
                                               strerror(errno)));
    }
    self->run = alloc_format("%s/run", self->home);
    self->state = alloc_text(self->home);
    self->config = alloc_format("%s/config", self->home);
    return PATHS_OK;
}

static void find_xdg(struct paths *self)
{
    self->run = alloc_text(self->runtime);
    self->state = xdg_folder("XDG_STATE_HOME", ".local/state");
    self->config = xdg_folder("XDG_CONFIG_HOME", ".config");
}

static int make_all(const struct paths *self, char **error_text)
{
    mode_t mode = self->home ? 0777 : 0700; /* the XDG specification asks for 0700 */
    int rc = require_folder(self->state, mode, error_text);
    if (rc == PATHS_OK) {
        rc = require_folder(self->config, mode, error_text);
    }
    if (rc == PATHS_OK) {
        rc = require_folder(self->output_dir, mode, error_text);
    }
    if (rc == PATHS_OK) {
        rc = require_private(self->run, error_text);
    }
    bool moved = strncmp(self->workers_sock, self->run, strlen(self->run)) != 0 ||
                 strncmp(self->submitters_sock, self->run, strlen(self->run)) != 0;
    if (rc == PATHS_OK && moved) {
        rc = paths_runtime(self, error_text);
    }
    return rc;
}

static int find_all(struct paths *self, char **error_text)
{
    self->runtime = runtime_folder();
    const char *home = getenv("DBLEND_HOME");
    if (home && home[0]) {
        int rc = find_home(home, self, error_text);
        if (rc != PATHS_OK) {
            return rc;
        }
    } else {
        find_xdg(self);
    }
    self->ledger = alloc_format("%s/ledger.db", self->state);
    self->log = alloc_format("%s/log", self->state);
    self->output_dir = alloc_format("%s/blender", self->state);
    self->workers_sock = socket_path(self, "workers.sock");
    self->submitters_sock = socket_path(self, "submitters.sock");
    self->workers_endpoint = alloc_format("ipc://%s", self->workers_sock);
    self->submitters_endpoint = alloc_format("ipc://%s", self->submitters_sock);
    return make_all(self, error_text);
}

int paths_find(struct paths *out, char **error_text)
{
    struct paths found = { 0 };
    int rc = find_all(&found, error_text);
    if (rc != PATHS_OK) {
        paths_free(&found);
        return rc;
    }
    *out = found;
    return PATHS_OK;
}

int paths_runtime(const struct paths *self, char **error_text)
{
    return require_private(self->runtime, error_text);
}

void paths_free(struct paths *self)
{
    cleanup_free(&self->home);
    cleanup_free(&self->run);
    cleanup_free(&self->runtime);
    cleanup_free(&self->state);
    cleanup_free(&self->config);
    cleanup_free(&self->ledger);
    cleanup_free(&self->log);
    cleanup_free(&self->output_dir);
    cleanup_free(&self->workers_sock);
    cleanup_free(&self->submitters_sock);
    cleanup_free(&self->workers_endpoint);
    cleanup_free(&self->submitters_endpoint);
}

/* The folder of the running program, or NULL. */
static char *program_folder(void)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0) {
        return NULL;
    }
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) {
        return NULL;
    }
    *slash = '\0';
    return alloc_text(path);
}

/* Takes path: *out is its real path when it is a file that can be read as asked. */
static bool is_usable(char *path, int access_mode, char **out)
{
    CLEANUP(cleanup_free) char *candidate = path;
    struct stat st;
    if (stat(candidate, &st) != 0 || !S_ISREG(st.st_mode) || access(candidate, access_mode) != 0) {
        return false;
    }
    *out = realpath(candidate, NULL);
    return *out != NULL;
}

int paths_data(const char *name, char **out)
{
    const char *folder = getenv("DBLEND_DATA");
    if (folder && folder[0]) {
        return is_usable(alloc_format("%s/%s", folder, name), R_OK, out) ? 0 : -ENOENT;
    }
    CLEANUP(cleanup_free) char *bin = program_folder();
    static const char *const places[] = { "../share/dblend", "../../python" };
    for (size_t i = 0; bin && i < sizeof places / sizeof places[0]; i++) {
        if (is_usable(alloc_format("%s/%s/%s", bin, places[i], name), R_OK, out)) {
            return 0;
        }
    }
    return -ENOENT;
}

int paths_program(const char *name, char **out)
{
    CLEANUP(cleanup_free) char *bin = program_folder();
    if (bin && is_usable(alloc_format("%s/%s", bin, name), X_OK, out)) {
        return 0;
    }
    return child_find_program(name, out);
}
