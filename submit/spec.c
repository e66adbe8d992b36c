#include "submit/spec.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "proto/kept.h"
#include "proto/messages.h"

enum { HASH_ATTEMPTS = 3, STAMP_BYTES = 32 };

static char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return alloc_text(slash ? slash + 1 : path);
}

/* "shot1" of /a/b/shot1.blend */
static char *stem_of(const char *path)
{
    char *base = base_of(path);
    char *dot = strrchr(base, '.');
    if (dot && dot != base && strcasecmp(dot, ".blend") == 0) {
        *dot = '\0';
    }
    return base;
}

/* The last part of the folder a file is in; "root" for one in "/". */
static char *parent_of(const char *path)
{
    CLEANUP(cleanup_free) char *folder = alloc_text(path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
    }
    char *base = base_of(folder);
    if (!*base) {
        free(base);
        base = alloc_text("root");
    }
    return base;
}

/* Is name stem_YYYYmmdd-HHMMSS? */
static bool is_stamped(const char *name, const char *stem)
{
    size_t size = strlen(stem);
    const char *stamp = name + size + 1;
    if (strncmp(name, stem, size) != 0 || name[size] != '_' || strlen(stamp) != 15 ||
        stamp[8] != '-') {
        return false;
    }
    return strspn(stamp, "0123456789") == 8 && strspn(stamp + 9, "0123456789") == 6;
}

/* The newest stamped folder of stem in folder, NULL if there is none. */
static char *newest_folder(const char *folder, const char *stem)
{
    CLEANUP(cleanup_folder) DIR *dir = opendir(folder);
    CLEANUP(cleanup_free) char *best = NULL;
    struct dirent *entry = NULL;
    while (dir && (entry = readdir(dir))) {
        if (is_stamped(entry->d_name, stem) && (!best || strcmp(entry->d_name, best) > 0)) {
            free(best);
            best = alloc_text(entry->d_name);
        }
    }
    return best ? alloc_format("%s/%s", folder, best) : NULL;
}

char *spec_render_folder(const char *folder, const char *path, int64_t submitted_ms, bool newest)
{
    CLEANUP(cleanup_free) char *stem = stem_of(path);
    CLEANUP(cleanup_free) char *parent = parent_of(path);
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    CLEANUP(cleanup_free) char *above = alloc_format("%s%s%s", folder, slash, parent);
    CLEANUP(cleanup_free) char *found = newest ? newest_folder(above, stem) : NULL;
    if (!found) {
        char stamp[STAMP_BYTES] = "";
        time_t seconds = (time_t)(submitted_ms / 1000);
        struct tm local = { 0 };
        (void)localtime_r(&seconds, &local); /* fails only for years that no clock shows */
        (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local); /* 15 characters */
        found = alloc_format("%s/%s_%s", above, stem, stamp);
    }
    return alloc_format("%s/%s-####", found, stem);
}

static json_t *take_facts(const char *path, struct filehash_facts *facts)
{
    int rc = FILEHASH_CHANGED;
    for (int i = 0; i < HASH_ATTEMPTS && rc == FILEHASH_CHANGED; i++) {
        rc = filehash_facts(path, facts);
    }
    if (rc == FILEHASH_CHANGED) {
        return msg_error("file-changed", "it is being written just now",
                         "add it again when it is saved");
    }
    if (rc < 0) {
        CLEANUP(cleanup_free) char *text = alloc_format("cannot be read: %s", strerror(-rc));
        return msg_error("file-unreadable", text, "");
    }
    return NULL;
}

/* The kept file; without one the job can do, until the file is saved again. */
static json_t *keep(const char *path, const struct filehash_facts *facts, const char *farm,
                    json_t *spec, char **note)
{
    CLEANUP(cleanup_free) char *kept = NULL;
    int rc = kept_make(path, facts, farm, &kept);
    if (rc == KEPT_CHANGED) {
        return msg_error("file-changed", "it was saved just now", "add it again");
    }
    if (rc == KEPT_OK) {
        msg_set_str(spec, "kept", kept);
    } else {
        *note = alloc_format(
            "%s: its bytes cannot be kept beside it (%s); do not save it until it "
            "is rendered, else the job pauses",
            path, strerror(-rc));
    }
    return NULL;
}

static json_t *options_for(const char *path, const struct spec_how *how)
{
    json_t *options = json_deep_copy(how->options);
    const char *folder = msg_str_or(options, "render_folder", NULL);
    if (folder) {
        bool newest = how->go_on && !msg_bool_or(options, "again", false);
        CLEANUP(cleanup_free)
        char *output = spec_render_folder(folder, path, how->submitted_ms, newest);
        msg_set_str(options, "output", output);
    }
    return options;
}

json_t *spec_make(const char *path, const struct spec_how *how, json_t **out, char **note)
{
    struct filehash_facts facts = { 0 };
    *note = NULL;
    json_t *refusal = take_facts(path, &facts);
    if (refusal) {
        return refusal;
    }
    CLEANUP(cleanup_json) json_t *spec = json_object();
    CLEANUP(cleanup_free) char *stem = stem_of(path);
    CLEANUP(cleanup_free) char *cwd = getcwd(NULL, 0);
    msg_set_str(spec, "file", path);
    msg_set_int(spec, "size", facts.size);
    msg_set_int(spec, "mtime_ns", facts.mtime_ns);
    msg_set_str(spec, "hash", facts.hash);
    msg_set_str(spec, "name", how->name ? how->name : stem);
    msg_set_str(spec, "cwd", cwd ? cwd : "/");
    msg_set_int(spec, "submitted_at", how->submitted_ms);
    msg_set(spec, "options", options_for(path, how));
    if (how->go_on) {
        msg_set_bool(spec, "go_on", true);
    }
    refusal = keep(path, &facts, how->farm, spec, note);
    if (!refusal) {
        *out = spec;
        spec = NULL;
    }
    return refusal;
}

size_t spec_values(const json_t *value)
{
    size_t sum = 1;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            sum += spec_values(json_array_get(value, i));
        }
    }
    if (json_is_object(value)) {
        const char *key = NULL;
        json_t *item = NULL;
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            sum += 1 + spec_values(item);
        }
    }
    return sum;
}
