#include "submit/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "proto/messages.h"
#include "proto/ranges.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/text.h"

static const json_t *options_of(const json_t *detail)
{
    return json_object_get(json_object_get(detail, "spec"), "options");
}

/* The frame list of a job with its words resolved; false while it is not inspected. */
static bool frames_of(const json_t *detail, struct ranges *out)
{
    const json_t *found = json_object_get(detail, "found");
    const json_t *options = options_of(detail);
    struct ranges given = { 0 };
    struct ranges_scene scene = {
        (int32_t)objects_int(found, "frame_current"),
        (int32_t)objects_int(found, "frame_start"),
        (int32_t)objects_int(found, "frame_end"),
        (int32_t)objects_int(found, "frame_step"),
    };
    bool known = json_is_object(found) &&
                 ranges_from_json(json_object_get(options, "frames"),
                                  json_object_get(options, "frame_words"), &given) == RANGES_OK &&
                 ranges_resolve(&given, &scene, out) == RANGES_OK;
    ranges_clear(&given);
    return known;
}

bool summary_has_frame(const json_t *detail, int64_t frame)
{
    struct ranges frames = { 0 };
    bool has = !frames_of(detail, &frames) || ranges_rank(&frames, (int32_t)frame) >= 0;
    ranges_clear(&frames);
    return has;
}

char *summary_frames(const json_t *job, const json_t *detail)
{
    struct ranges frames = { 0 };
    int64_t total = objects_frames(job, "total");
    char *out = NULL;
    if (frames_of(detail, &frames)) {
        CLEANUP(cleanup_free) char *list = ranges_format(&frames);
        CLEANUP(cleanup_free) char *cut = text_fit(list, 40, false);
        bool is_long = text_width(list) > 40;
        out = alloc_format("%lld frame%s (%s)", (long long)ranges_count(&frames),
                           ranges_count(&frames) == 1 ? "" : "s", is_long ? cut : list);
    } else if (total >= 0) {
        out = alloc_format("%lld frame%s", (long long)total, total == 1 ? "" : "s");
    } else {
        out = alloc_text("frames not known yet");
    }
    ranges_clear(&frames);
    return out;
}

char *summary_folder(const json_t *job)
{
    const char *output = objects_str(job, "output");
    const char *slash = strrchr(output, '/');
    return slash && slash != output ? alloc_bytes(output, (size_t)(slash - output)) : NULL;
}

char *summary_line(const json_t *job, const json_t *detail)
{
    const json_t *found = json_object_get(detail, "found");
    CLEANUP(cleanup_free) char *frames = summary_frames(job, detail);
    CLEANUP(cleanup_free) char *folder = summary_folder(job);
    CLEANUP(cleanup_free) char *scene = NULL;
    size_t warnings = json_array_size(json_object_get(job, "warnings"));
    if (json_is_object(found)) {
        scene = alloc_format(", %lldx%lld, %s, Blender %s", (long long)objects_int(found, "width"),
                             (long long)objects_int(found, "height"), objects_str(found, "engine"),
                             objects_str(found, "blender"));
    }
    CLEANUP(cleanup_free)
    char *trouble = warnings == 0
                        ? alloc_text("")
                        : alloc_format(", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    return alloc_format("job %lld: %s: %s%s%s%s%s", (long long)objects_int(job, "job"),
                        objects_str(job, "name"), frames, scene ? scene : "", folder ? ", to " : "",
                        folder ? folder : "", trouble);
}

void summary_warnings(const json_t *job)
{
    const json_t *warnings = json_object_get(job, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *warning = json_array_get(warnings, i);
        const char *hint = objects_str(warning, "hint");
        say_note("  warning: %s%s%s", objects_str(warning, "text"), *hint ? "; " : "", hint);
    }
}

void summary_saved_again(const json_t *job, const json_t *detail)
{
    const json_t *spec = json_object_get(detail, "spec");
    const json_t *warnings = json_object_get(job, "warnings");
    const char *path = objects_str(spec, "file");
    struct filehash_facts now = { 0 };
    char hash[FILEHASH_DIGITS + 1] = "";
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        if (strstr(objects_str(json_array_get(warnings, i), "text"), "saved again")) {
            return;
        }
    }
    if (!*path || filehash_stat(path, &now) != FILEHASH_OK ||
        (now.size == objects_int(spec, "size") && now.mtime_ns == objects_int(spec, "mtime_ns"))) {
        return;
    }
    bool same = now.size == objects_int(spec, "size") && filehash(path, hash) == FILEHASH_OK &&
                strcmp(hash, objects_str(spec, "hash")) == 0;
    if (!same) {
        say_note("%s: saved again since; add it again to render the new version", path);
    }
}

/* The names as printf and ffmpeg want them: number is the conversion, %% a per cent sign. */
static char *name_pattern(const json_t *output, const char *number)
{
    const char *parts[] = { objects_str(output, "head"), objects_str(output, "tail") };
    char *escaped[2] = { NULL, NULL };
    for (int i = 0; i < 2; i++) {
        escaped[i] = alloc_zero(strlen(parts[i]) * 2 + 1, 1);
        char *to = escaped[i];
        for (const char *from = parts[i]; *from; from++) {
            *to++ = *from;
            if (*from == '%') {
                *to++ = '%';
            }
        }
    }
    CLEANUP(cleanup_free) char *name = alloc_format("%s%s%s", escaped[0], number, escaped[1]);
    free(escaped[0]);
    free(escaped[1]);
    return text_shell(name);
}

/* `seq' of every range, one after the other. */
static char *numbers_of(const struct ranges *frames)
{
    char *out = alloc_text("");
    for (size_t i = 0; i < frames->count; i++) {
        const struct ranges_item *item = &frames->items[i];
        CLEANUP(cleanup_free) char *before = out;
        out = alloc_format("%s%sseq %d %d %d", before, i > 0 ? "; " : "", item->first, item->step,
                           item->last);
    }
    return out;
}

/*
 * The beginning of the command, up to what ffmpeg reads: exactly the frames of the job, whatever
 * else lies in the folder. A sequence that leaves numbers out comes through a pipe.
 */
static char *ffmpeg_input(const json_t *output, const struct ranges *frames, const char *fps)
{
    int32_t first = 0;
    int32_t last = 0;
    int64_t count = ranges_count(frames);
    long long digits = (long long)objects_int(output, "digits");
    if (!ranges_at(frames, 0, &first) || !ranges_at(frames, count - 1, &last)) {
        return NULL;
    }
    if ((int64_t)last - first + 1 == count) {
        CLEANUP(cleanup_free) char *number = alloc_format("%%0%lldd", digits);
        CLEANUP(cleanup_free) char *names = name_pattern(output, number);
        return alloc_format("ffmpeg -framerate %s -start_number %d -i %s -frames:v %lld", fps,
                            first, names, (long long)count);
    }
    CLEANUP(cleanup_free) char *number = alloc_format("%%.%lldd", digits);
    CLEANUP(cleanup_free) char *names = name_pattern(output, number);
    CLEANUP(cleanup_free) char *numbers = numbers_of(frames);
    return alloc_format(
        "for n in $(%s); do cat \"$(printf %s $n)\"; done | "
        "ffmpeg -framerate %s -f image2pipe -i -",
        numbers, names, fps);
}

char *summary_movie(const json_t *detail)
{
    const json_t *found = json_object_get(detail, "found");
    const json_t *output = json_array_get(json_object_get(found, "outputs"), 0);
    const char *movie = objects_str(found, "movie");
    struct ranges frames = { 0 };
    CLEANUP(cleanup_free) char *input = NULL;
    if (*movie && output && frames_of(detail, &frames)) {
        input = ffmpeg_input(output, &frames, objects_str(found, "fps"));
    }
    ranges_clear(&frames);
    if (!input) {
        return NULL;
    }
    bool odd = objects_int(found, "width") % 2 != 0 || objects_int(found, "height") % 2 != 0;
    CLEANUP(cleanup_free) char *to = text_shell(movie);
    return alloc_format("%s%s -c:v libx264 -pix_fmt yuv420p -crf 18 %s", input,
                        odd ? " -vf 'pad=ceil(iw/2)*2:ceil(ih/2)*2'" : "", to);
}

static void print_failures(const json_t *frames)
{
    for (size_t i = 0; i < json_array_size(frames); i++) {
        const json_t *frame = json_array_get(frames, i);
        const json_t *error = json_object_get(frame, "error");
        const char *hint = objects_str(error, "hint");
        say_note("  frame %lld: %s%s%s", (long long)objects_int(frame, "frame"),
                 *objects_str(error, "text") ? objects_str(error, "text") : "failed",
                 *hint ? "; " : "", hint);
    }
}

void summary_print(const json_t *job, const json_t *detail, const json_t *frames)
{
    CLEANUP(cleanup_free) char *folder = summary_folder(job);
    CLEANUP(cleanup_free) char *movie = summary_movie(detail);
    const json_t *error = json_object_get(job, "error");
    int64_t done = objects_frames(job, "done");
    int64_t kept = objects_frames(job, "kept");
    int64_t failed = objects_frames(job, "failed");
    const char *state = objects_str(job, "state");
    CLEANUP(cleanup_free)
    char *was_there =
        kept > 0 ? alloc_format(", %lld were there", (long long)kept) : alloc_text("");
    CLEANUP(cleanup_free)
    char *broken = failed > 0 ? alloc_format(", %lld failed", (long long)failed) : alloc_text("");
    if (done + kept > 0 && folder) {
        say_data("%s: %s, %lld frame%s rendered%s%s, in %s", objects_str(job, "name"), state,
                 (long long)done, done == 1 ? "" : "s", was_there, broken, folder);
    } else {
        say_note("%s: %s%s", objects_str(job, "name"), state, broken);
    }
    if (json_is_object(error)) {
        say_trouble(false, objects_str(job, "file"), objects_int(job, "job"), error);
    }
    print_failures(frames);
    if (movie && failed <= 0 && done + kept > 0) {
        say_data("  to make the movie: %s", movie);
    }
}
