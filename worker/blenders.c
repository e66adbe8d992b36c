#include "worker/blenders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/log.h"
#include "worker/places.h"
#include "worker/probe.h"

void blenders_clear(struct blenders *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->items[i].path);
    }
    free(self->items);
    free(self->too_old);
    *self = (struct blenders){ .items = NULL };
}

bool blenders_parse_version(const char *text, int *series, int *patch)
{
    long parts[3] = { 0 };
    const char *at = text;
    size_t count = 0;
    while (count < 3) {
        char *end = NULL;
        parts[count++] = strtol(at, &end, 10);
        if (end == at || *at == '-' || parts[count - 1] > 9999 || (*end && *end != '.')) {
            return false;
        }
        at = end + (*end == '.');
        if (!*end) {
            break;
        }
    }
    if (count < 2 || parts[0] < 1 || parts[0] > 999 || parts[1] > 99) {
        return false;
    }
    *series = (int)(parts[0] * 100 + parts[1]);
    *patch = (int)parts[2];
    return true;
}

static int newest_first(const void *left, const void *right)
{
    const struct blender_info *a = left;
    const struct blender_info *b = right;
    if (a->series != b->series) {
        return a->series > b->series ? -1 : 1;
    }
    if (a->patch != b->patch) {
        return a->patch > b->patch ? -1 : 1;
    }
    return (int)b->denoiser - (int)a->denoiser;
}

void blenders_order(struct blenders *self)
{
    if (self->count > 0) {
        qsort(self->items, self->count, sizeof *self->items, newest_first);
    }
    while (self->count > 0 && self->items[self->count - 1].series < BLENDERS_OLDEST) {
        struct blender_info *old = &self->items[--self->count];
        log_warning("pass over blender: path=\"%s\" version=%s: too old, 2.93 or newer is needed",
                    old->path, old->version);
        if (!self->too_old) {
            self->too_old = alloc_text(old->version);
        }
        free(old->path);
    }
}

/* The remembered answer for a file of exactly this path, size and mtime. */
static bool remembered(const json_t *cache, const char *path, const struct stat *st,
                       struct blender_info *out)
{
    const json_t *row = json_object_get(cache, path);
    int64_t mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    const char *version = json_string_value(json_object_get(row, "version"));
    if (!version || json_integer_value(json_object_get(row, "size")) != st->st_size ||
        json_integer_value(json_object_get(row, "mtime_ns")) != mtime_ns ||
        !blenders_parse_version(version, &out->series, &out->patch)) {
        return false;
    }
    (void)snprintf(out->version, sizeof out->version, "%s", version);
    out->denoiser = json_is_true(json_object_get(row, "denoiser"));
    return true;
}

static void remember(json_t *cache, const char *path, const struct stat *st,
                     const struct blender_info *info)
{
    int64_t mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    json_t *row =
        json_pack("{s:I, s:I, s:s, s:b}", "size", (json_int_t)st->st_size, "mtime_ns",
                  (json_int_t)mtime_ns, "version", info->version, "denoiser", info->denoiser);
    json_object_set_new(cache, path, row);
}

static void store_cache(const json_t *cache, const char *path)
{
    CLEANUP(cleanup_free) char *beside = alloc_format("%s.%d", path, (int)getpid());
    if (json_dump_file(cache, beside, JSON_INDENT(1)) != 0 || rename(beside, path) != 0) {
        log_warning("remember blenders: path=\"%s\": %s", path, strerror(errno));
        (void)unlink(beside); /* best effort: it may not even be there */
    }
}

static void add(struct blenders *self, const char *path, const struct blender_info *info)
{
    self->items = alloc_resize(self->items, self->count + 1, sizeof *self->items);
    self->items[self->count] = *info;
    self->items[self->count++].path = alloc_text(path);
}

/* Ask one. A positive outcome: it is passed over. */
static int ask(const char *path, bool module, int stop_fd, struct blender_info *out)
{
    out->module = module;
    int rc = probe_blender(path, BLENDERS_PROBE_MS, stop_fd, out);
    if (rc == 0 || rc == -EINTR) {
        return rc;
    }
    log_warning("pass over %s: path=\"%s\": %s", module ? "python" : "blender", path,
                rc < 0   ? strerror(-rc)
                : module ? "it cannot import bpy"
                         : "it does not answer as a Blender does");
    return PROBE_NOT_BLENDER;
}

/* A Python that can import bpy. */
static int add_python(struct blenders *self, const char *name, int stop_fd)
{
    CLEANUP(cleanup_free) char *path = NULL;
    struct blender_info info = { .path = NULL };
    int rc = child_find_program(name, &path);
    if (rc != 0) {
        log_warning("pass over python: path=\"%s\": %s", name, strerror(-rc));
        return 0;
    }
    rc = ask(path, true, stop_fd, &info);
    if (rc == 0) {
        add(self, path, &info);
    }
    return rc < 0 ? rc : 0;
}

/* Ask one, or remember it. Sets *changed when the cache has news. */
static int add_place(struct blenders *self, const char *path, json_t *cache, int stop_fd,
                     bool *changed)
{
    struct stat st;
    struct blender_info info = { .path = NULL };
    if (stat(path, &st) != 0) {
        log_warning("pass over blender: path=\"%s\": %s", path, strerror(errno));
        return 0;
    }
    if (!remembered(cache, path, &st, &info)) {
        int rc = ask(path, false, stop_fd, &info);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        remember(cache, path, &st, &info);
        *changed = true;
    }
    add(self, path, &info);
    return 0;
}

int blenders_find(const struct blenders_given *given, const char *cache_path, int stop_fd,
                  struct blenders *out)
{
    CLEANUP(cleanup_json) json_t *cache = json_load_file(cache_path, 0, NULL);
    CLEANUP(places_clear) struct places places = { .count = 0 };
    struct blenders found = { .items = NULL };
    bool changed = false;
    int rc = 0;
    if (!json_is_object(cache)) {
        json_decref(cache);
        cache = json_object();
    }
    if (given->programs) {
        for (const char *const *at = given->programs; *at; at++) {
            places_add_program(&places, *at);
        }
    } else {
        places_search(&places);
    }
    for (size_t i = 0; rc == 0 && i < places.count && found.count < BLENDERS_MAX; i++) {
        rc = add_place(&found, places.paths[i], cache, stop_fd, &changed);
    }
    for (size_t i = 0; rc == 0 && given->pythons[i] && found.count < BLENDERS_MAX; i++) {
        rc = add_python(&found, given->pythons[i], stop_fd);
    }
    if (changed) {
        store_cache(cache, cache_path);
    }
    if (rc != 0) {
        blenders_clear(&found);
        return rc;
    }
    blenders_order(&found);
    *out = found;
    return 0;
}

json_t *blenders_json(const struct blenders *self)
{
    json_t *out = json_array();
    for (size_t i = 0; i < self->count; i++) {
        const struct blender_info *info = &self->items[i];
        json_array_append_new(out, json_pack("{s:s, s:s, s:b}", "version", info->version, "path",
                                             info->path, "denoiser", info->denoiser));
    }
    return out;
}

/* Items of one series stand together, newest patch first; the next lower series follows. */
static const struct blender_info *pick(const struct blenders *self, int series, bool denoiser,
                                       const struct blender_info **passed)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct blender_info *info = &self->items[i];
        if (info->series != series) {
            continue;
        }
        if (!denoiser || info->denoiser) {
            return info;
        }
        *passed = *passed ? *passed : info;
    }
    return NULL;
}

static const struct blender_info *newest(const struct blenders *self, bool denoiser,
                                         const struct blender_info **passed)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!denoiser || self->items[i].denoiser) {
            return &self->items[i];
        }
        *passed = *passed ? *passed : &self->items[i];
    }
    return NULL;
}

/* The lowest series that is not lower than least; 0 when there is none. */
static int next_series(const struct blenders *self, int least)
{
    int best = 0;
    for (size_t i = 0; i < self->count; i++) {
        int series = self->items[i].series;
        if (series >= least && (best == 0 || series < best)) {
            best = series;
        }
    }
    return best;
}

static char *remark_on(const struct blender_need *need, const struct blender_info *chosen,
                       const struct blender_info *passed)
{
    if (passed) {
        return alloc_format(
            "Blender %s was passed over, its build cannot denoise; Blender %s is "
            "used",
            passed->version, chosen->version);
    }
    if (!need->bound && need->file_version >= BLENDERS_OLDEST &&
        chosen->series != need->file_version) {
        return alloc_format("saved by Blender %d.%d, which is not here; Blender %s is used",
                            need->file_version / 100, need->file_version % 100, chosen->version);
    }
    return NULL;
}

int blenders_choose(const struct blenders *self, const struct blender_need *need,
                    const struct blender_info **out, char **remark)
{
    const struct blender_info *passed = NULL;
    const struct blender_info *chosen = NULL;
    int bound = 0;
    int patch = 0;
    if (self->count == 0) {
        return BLENDERS_NONE;
    }
    if (need->bound && blenders_parse_version(need->bound, &bound, &patch)) {
        chosen = pick(self, bound, need->denoiser, &passed);
        if (!chosen && !passed) {
            return BLENDERS_NONE;
        }
    } else if (need->file_version == 0) {
        chosen = newest(self, need->denoiser, &passed);
    } else {
        int series = next_series(self, need->file_version);
        if (series == 0) {
            return BLENDERS_TOO_OLD;
        }
        for (; !chosen && series != 0; series = next_series(self, series + 1)) {
            chosen = pick(self, series, need->denoiser, &passed);
        }
    }
    if (!chosen) {
        return BLENDERS_NO_DENOISER;
    }
    *out = chosen;
    *remark = remark_on(need, chosen, passed);
    return 0;
}
