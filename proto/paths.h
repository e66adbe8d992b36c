#ifndef PROTO_PATHS_H
#define PROTO_PATHS_H

/*
 * paths - where the farm of this user lies
 *
 * With DBLEND_HOME everything is in that one folder; without it in the XDG folders:
 *
 *     run      DBLEND_HOME/run        $XDG_RUNTIME_DIR/dblend, else /tmp/dblend-<uid>
 *     state    DBLEND_HOME            $XDG_STATE_HOME/dblend, else ~/.local/state/dblend
 *     config   DBLEND_HOME/config     $XDG_CONFIG_HOME/dblend, else ~/.config/dblend
 *
 * run must be private, for whoever can open the sockets in it owns the farm: mode 0700, ours,
 * no symlink. XDG variables that are relative, and an XDG_RUNTIME_DIR that is not a folder of
 * ours, count as not set.
 */

struct paths {
    char *home;         /* DBLEND_HOME, absolute, or NULL */
    char *run;          /* private folder of sockets and locks */
    char *runtime;      /* what run is without DBLEND_HOME: locks of GPUs; see below */
    char *state;        /* folder of ledger, log and blender/ */
    char *config;       /* folder of the config files */
    char *ledger;       /* state/ledger.db */
    char *log;          /* state/log */
    char *output_dir;   /* state/blender: Blender's output, a file per job */
    char *workers_sock; /* socket files */
    char *submitters_sock;
    char *workers_endpoint; /* "ipc://" and the socket file */
    char *submitters_endpoint;
};

enum paths_outcome {
    PATHS_OK,
    PATHS_REFUSED, /* a folder is not private, or cannot be made: see the text */
};

/*
 * Find all of them and make the folders that are missing (except runtime where run is another:
 * paths_runtime makes that). A socket path over 100 bytes moves to the runtime folder, under a
 * hash of run. On PATHS_REFUSED *error_text is one line that names the folder and says what to
 * do; the caller frees it.
 */
int paths_find(struct paths *out, char **error_text);

/* Make the runtime folder and check that it is private. Outcomes as of paths_find. */
int paths_runtime(const struct paths *self, char **error_text);

/* Release what paths_find filled in; safe on a zeroed struct and twice. */
void paths_free(struct paths *self);

/*
 * Find a data file that belongs to the program, such as "autorender.py": in $DBLEND_DATA, in
 * ../share/dblend and in ../../python, seen from the folder of /proc/self/exe. The path is
 * absolute and the caller's. -ENOENT when it is nowhere.
 */
int paths_data(const char *name, char **out);

/* Find a program of ours: in the folder of /proc/self/exe, then in PATH. -ENOENT. */
int paths_program(const char *name, char **out);

#endif
