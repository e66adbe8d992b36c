#ifndef PROTO_KEPT_H
#define PROTO_KEPT_H

/*
 * kept - the kept file: the submitted bytes of a .blend, beside it, under another name
 *
 * .<file without .blend>.<farm id>.<hash>.blend, made as a reflink, else a hard link, else a
 * copy; and where there is a folder blendcache_<file>, a symlink to it under the kept file's
 * name, without which Blender would lose the disk cache. Blender saves by rename, so a link
 * keeps the old bytes; a program that writes in place changes it too, so whoever opens the kept
 * file compares it with the submitted facts first.
 */

#include "proto/filehash.h"

enum kept_outcome {
    KEPT_OK,
    KEPT_CHANGED, /* the file has not (or not any more) the size and mtime of facts */
};

/*
 * Make it, or find it made. file is the real path. *kept_path is the caller's. A negative errno:
 * it cannot be made there (-EACCES, -EROFS, -ENOSPC); the job can do without.
 */
int kept_make(const char *file, const struct filehash_facts *facts, const char *farm_id,
              char **kept_path);

/* The path that kept_make would use. The caller frees it. */
char *kept_path_of(const char *file, const char *hash, const char *farm_id);

/* The path under which this process makes it, ".dblend-<host>-<pid>-<start time of pid>.blend": a
 * prover's sweep removes what a process that is gone has left there. The caller frees it. */
char *kept_making_path(const char *file);

/* The path of the symlink of its blendcache_ folder, there or not. The caller frees it. */
char *kept_cache_link(const char *kept_path);

/* Remove the kept file and its symlink; what is not there is no fault. */
int kept_remove(const char *kept_path);

#endif
