#include "worker/phase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First match counts; in the order of how much each says. */
static const struct {
    const char *begin, *text;
} words[] = {
    { "Loading render kernels", "loading kernels" },
    { "Loading denoising kernels", "loading kernels" },
    { "Building", "building BVH" },
    { "Synchronizing", "synchronising" },
    { "Syncing", "synchronising" },
    { "Initializing", "synchronising" },
    { "Waiting for render to start", "synchronising" },
    { "Updating Scene BVH", "building BVH" },
    { "Updating", "synchronising" },
    { "Copying", "synchronising" },
    { "Compiling", "loading kernels" },
    { "Denoising", "denoising" },
    { "Compositing", "compositing" },
    { "Finished", "finishing" },
    { "Finishing", "finishing" },
};

/* Read "A / B" or "A/B" with 0 <= A <= B; false when text is anything else. */
static bool parse_ratio(const char *text, int *done, int *total)
{
    char *end = NULL;
    long a = strtol(text, &end, 10);
    const char *slash = end + strspn(end, " ");
    if (end == text || *slash != '/') {
        return false;
    }
    long b = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || a < 0 || b <= 0 || a > b || b > 1000000000) {
        return false;
    }
    *done = (int)a;
    *total = (int)b;
    return true;
}

static bool parse_samples(const char *part, struct phase *out)
{
    static const char *const begins[] = { "Sample ", "Rendering ", "Path Tracing Sample " };
    struct phase found = { .done = 0 };
    const char *inner = strstr(part, "Sample ");
    bool ok = inner && parse_ratio(inner + strlen("Sample "), &found.done, &found.total);
    for (size_t i = 0; !ok && i < sizeof begins / sizeof *begins; i++) {
        size_t length = strlen(begins[i]);
        ok = strncmp(part, begins[i], length) == 0 &&
             parse_ratio(part + length, &found.done, &found.total);
    }
    if (!ok) {
        return false;
    }
    (void)snprintf(found.text, sizeof found.text, "sample %d/%d", found.done, found.total);
    *out = found;
    return true;
}

static bool parse_part(const char *part, struct phase *out)
{
    if (parse_samples(part, out)) {
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strncmp(part, words[i].begin, strlen(words[i].begin)) == 0) {
            phase_set(out, words[i].text);
            return true;
        }
    }
    return false;
}

bool phase_parse(const char *line, struct phase *out)
{
    if (strncmp(line, "Fra:", 4) != 0) {
        return false;
    }
    /* From the last part backwards: "Updating Scene BVH | Building BVH 0%" is about the BVH. */
    const char *end = line + strlen(line);
    while (end > line) {
        const char *begin = end;
        while (begin > line && begin[-1] != '|') {
            begin--;
        }
        const char *part = begin + strspn(begin, " ");
        if (begin > line && parse_part(part, out)) {
            return true;
        }
        if (begin == line) {
            break;
        }
        end = begin - 1;
    }
    return false;
}

void phase_set(struct phase *self, const char *text)
{
    *self = (struct phase){ .done = 0 };
    (void)snprintf(self->text, sizeof self->text, "%s", text);
}
