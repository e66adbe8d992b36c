#include "submit/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/device_types.h"
#include "proto/order.h"
#include "proto/ranges.h"
#include "submit/command.h"

enum {
    SECONDS_MAX = 31536000,
    LIMIT_MAX_S = 604800, /* of one frame: a week */
    SHORTEST_MAX_MS = 86400000,
    SAMPLES_MAX = 16777216,
};

enum key {
    KEY_RENDER_FOLDER = COMMAND_KEY_OPTIONS,
    KEY_SAMPLES,
    KEY_PERCENTAGE,
    KEY_FORMAT,
    KEY_NO_DENOISE,
    KEY_OVERWRITE,
    KEY_TRUST_SCRIPTS,
    KEY_ORDER,
    KEY_ATTEMPTS,
    KEY_PLACEHOLDER_TIMEOUT,
    KEY_KEEP,
    KEY_STRICT,
    KEY_ALLOW_MISSING,
    KEY_NO_SCRIPTS,
    KEY_UNBAKED,
    KEY_MIX,
    KEY_AGAIN,
    KEY_STALL,
    KEY_MAX_FRAME_TIME,
    KEY_MIN_FRAME_TIME,
    KEY_DEVICE_TYPE,
    KEY_ALLOW_CPU,
};

#define OPTION_OUTPUT                                                                              \
    {                                                                                              \
        "output", 'o', "PATTERN", 0,                                                               \
            "Where the frames go, as Blender names them (#### is the"                              \
            " number); without: the scene's own",                                                  \
            0                                                                                      \
    }
#define OPTION_ENGINE                                                                              \
    {                                                                                              \
        "engine", 'E', "ENGINE", 0, "Render engine: CYCLES, BLENDER_EEVEE, BLENDER_WORKBENCH ...", \
            0                                                                                      \
    }
#define OPTION_OVERWRITE                                                                           \
    {                                                                                              \
        "overwrite", KEY_OVERWRITE, NULL, 0, "Render over the pictures that are there", 0          \
    }
#define OPTION_KEEP                                                                                \
    {                                                                                              \
        "keep", KEY_KEEP, NULL, 0, "Keep old pictures of unknown origin", 0                        \
    }
#define OPTION_TRUST                                                                               \
    {                                                                                              \
        "trust-scripts", KEY_TRUST_SCRIPTS, NULL, 0, "Run the scripts and drivers of the file", 0  \
    }
#define OPTION_NO_SCRIPTS                                                                          \
    {                                                                                              \
        "no-scripts", KEY_NO_SCRIPTS, NULL, 0, "Render without them, even if they matter", 0       \
    }
#define OPTION_MISSING                                                                             \
    {                                                                                              \
        "allow-missing", KEY_ALLOW_MISSING, NULL, 0,                                               \
            "Render although files or add-ons are missing", 0                                      \
    }
#define OPTION_UNBAKED                                                                             \
    {                                                                                              \
        "unbaked", KEY_UNBAKED, "HOW", 0,                                                          \
            "Physics that is not baked: order (in order on one"                                    \
            " worker, the default), refuse, allow",                                                \
            0                                                                                      \
    }

static const struct argp_option job_options[] = {
    { NULL, 0, NULL, 0, "What to render:", 1 },
    { "frames", 'f', "LIST", 0,
      "Frames: 1-250, 1-250x5, 7,9, current, start, end;"
      " --frames=-5--1 for negative ones; without: the scene's own",
      0 },
    { "scene", 'S', "SCENE", 0, "Another scene of the file than the active one", 0 },
    { "name", 'n', "NAME", 0, "What the job is called; without: as the file", 0 },
    { "priority", 'p', "N", 0, "0 to 100, higher goes first; 50", 0 },
    { "order", KEY_ORDER, "ORDER", 0, "Of the frames: first, last, middle, every:N", 0 },
    { "again", KEY_AGAIN, NULL, 0, "Although the same is queued already", 0 },
    { NULL, 0, NULL, 0, "Where to:", 2 },
    OPTION_OUTPUT,
    { "render-folder", KEY_RENDER_FOLDER, "DIR", 0,
      "Into DIR/<folder of the file>/<file>_<time>/"
      "<file>-####",
      0 },
    OPTION_OVERWRITE,
    OPTION_KEEP,
    { "placeholder-timeout", KEY_PLACEHOLDER_TIMEOUT, "SECONDS", 0,
      "When somebody else's file in"
      " progress counts as abandoned; 600 or 4 frames",
      0 },
    { NULL, 0, NULL, 0, "Over the scene's own settings:", 3 },
    OPTION_ENGINE,
    { "samples", KEY_SAMPLES, "N", 0, "Samples a pixel", 0 },
    { "percentage", KEY_PERCENTAGE, "N", 0, "Size in percent of the full size", 0 },
    { "format", KEY_FORMAT, "FORMAT", 0, "Picture format: PNG, JPEG, OPEN_EXR ...", 0 },
    { "no-denoise", KEY_NO_DENOISE, NULL, 0, "Without the denoiser", 0 },
    { NULL, 0, NULL, 0, "When something is not as it should be:", 4 },
    OPTION_TRUST,
    OPTION_NO_SCRIPTS,
    OPTION_MISSING,
    OPTION_UNBAKED,
    { "strict", KEY_STRICT, NULL, 0, "Warnings hold the job", 0 },
    { "attempts", KEY_ATTEMPTS, "N", 0, "How often a frame may fail; 3", 0 },
    { "stall", KEY_STALL, "SECONDS", 0,
      "A frame without any sign of life for so long is given up and tried again; 300 or 4 frames",
      0 },
    { "max-frame-time", KEY_MAX_FRAME_TIME, "SECONDS", 0,
      "A frame that takes longer is given up and tried again; without: none is", 0 },
    { "min-frame-time", KEY_MIN_FRAME_TIME, "SECONDS", 0,
      "A frame that takes less gets a warning (0.5 is a number)", 0 },
    { "mix", KEY_MIX, NULL, 0, "Allow several Blender versions and kinds of device", 0 },
    { "device-type", KEY_DEVICE_TYPE, "TYPES", 0,
      "How Cycles may use a GPU, the first that it can: optix, cuda, hip, oneapi (optix,cuda)", 0 },
    { "allow-cpu", KEY_ALLOW_CPU, NULL, 0,
      "On the CPU where the GPU cannot; without: a GPU's frame is never rendered there", 0 },
    { 0 },
};

static const struct argp_option answer_options[] = {
    OPTION_ENGINE, OPTION_MISSING, OPTION_TRUST, OPTION_NO_SCRIPTS, OPTION_KEEP, OPTION_OVERWRITE,
    OPTION_OUTPUT, OPTION_UNBAKED, { 0 },
};

char *options_absolute(const char *path, const char *folder)
{
    if (path[0] == '/') { /* `//` too: relative to the .blend, Blender's own way */
        return alloc_text(path);
    }
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    while (strncmp(path, "./", 2) == 0) {
        path += 2;
    }
    return alloc_format("%s%s%s", folder, slash, path);
}

/* The option that sets key: no unit (_s, _ms), and dashes. The caller frees it. */
static char *option_of(const char *key)
{
    size_t size = strlen(key);
    size_t unit = size > 3 && strcmp(key + size - 3, "_ms") == 0  ? 3
                  : size > 2 && strcmp(key + size - 2, "_s") == 0 ? 2
                                                                  : 0;
    CLEANUP(cleanup_free) char *name = alloc_bytes(key, size - unit);
    for (char *c = name; (c = strchr(c, '_')); *c = '-') {
    }
    return alloc_format("--%s", name);
}

static void set_path(struct argp_state *state, json_t *map, const char *key, const char *arg)
{
    CLEANUP(cleanup_free) char *folder = getcwd(NULL, 0);
    CLEANUP(cleanup_free) char *option = option_of(key);
    command_check_text(state, option, arg);
    if (!folder) {
        argp_error(state, "the working directory is gone; go to another one");
        return;
    }
    CLEANUP(cleanup_free) char *path = options_absolute(arg, folder);
    command_check_text(state, option, path); /* with the folder it may be too long, or no UTF-8 */
    json_object_set_new(map, key, json_string(path));
}

static void set_text(struct argp_state *state, json_t *map, const char *key, const char *arg)
{
    CLEANUP(cleanup_free) char *option = option_of(key);
    command_check_text(state, option, arg);
    json_object_set_new(map, key, json_string(arg));
}

static void set_number(struct argp_state *state, json_t *map, const char *key, const char *arg,
                       long long most)
{
    long long least = strcmp(key, "priority") == 0 ? 0 : 1;
    CLEANUP(cleanup_free) char *option = option_of(key);
    long long value = command_number(state, option, arg, least, most);
    json_object_set_new(map, key, json_integer(value));
}

/* Seconds with decimals, stored as milliseconds. */
static void set_millis(struct argp_state *state, json_t *map, const char *key, const char *arg,
                       long long most)
{
    char *end = NULL;
    double seconds = strtod(arg, &end);
    bool plain = *arg && arg[strspn(arg, "0123456789.")] == '\0' && *end == '\0';
    if (!plain || seconds * 1000 > (double)most) {
        CLEANUP(cleanup_free) char *option = option_of(key);
        argp_error(state, "%s: seconds from 0 to %lld, as 0.5, not '%s'", option, most / 1000, arg);
    }
    json_object_set_new(map, key, json_integer((json_int_t)(seconds * 1000 + 0.5)));
}

/* An option may be given twice; the last one counts, as everywhere. */
static void set_frames(struct argp_state *state, json_t *map, const char *arg)
{
    struct ranges ranges = { 0 };
    CLEANUP(cleanup_free) char *why = NULL;
    if (ranges_parse(arg, &ranges, &why) != RANGES_OK) {
        argp_error(state, "--%s", why ? why : "frames: not a list");
        return;
    }
    json_object_del(map, "frames");
    json_object_del(map, "frame_words");
    if (ranges.count > 0) {
        json_object_set_new(map, "frames", ranges_to_json(&ranges));
    }
    if (ranges.words) {
        json_object_set_new(map, "frame_words", ranges_words_to_json(&ranges));
    }
    ranges_clear(&ranges);
}

static void set_order(struct argp_state *state, json_t *map, const char *arg)
{
    struct order order = { 0 };
    if (order_parse(arg, &order) != ORDER_OK) {
        argp_error(state, "--order: first, last, middle or every:N, not '%s'", arg);
    }
    set_text(state, map, "order", arg);
}

static void set_unbaked(struct argp_state *state, json_t *map, const char *arg)
{
    if (strcmp(arg, "order") != 0 && strcmp(arg, "refuse") != 0 && strcmp(arg, "allow") != 0) {
        argp_error(state, "--unbaked: order, refuse or allow, not '%s'", arg);
    }
    set_text(state, map, "unbaked", arg);
}

static void set_device_type(struct argp_state *state, json_t *map, const char *arg)
{
    CLEANUP(cleanup_free) char *why = NULL;
    struct device_types types;
    if (device_types_parse(arg, &types, &why) != DEVICE_TYPES_OK) {
        argp_error(state, "--device-type %s", why);
    }
    set_text(state, map, "device_type", arg);
}

static void set_upper(struct argp_state *state, json_t *map, const char *key, const char *arg)
{
    CLEANUP(cleanup_free) char *upper = alloc_text(arg);
    for (char *c = upper; *c; c++) {
        if (*c >= 'a' && *c <= 'z') {
            *c = (char)(*c - 'a' + 'A');
        }
    }
    set_text(state, map, key, upper);
}

static void refuse_both(struct argp_state *state, const json_t *map, const char *a, const char *b)
{
    if (json_object_get(map, a) && json_object_get(map, b)) {
        CLEANUP(cleanup_free) char *one = option_of(a);
        CLEANUP(cleanup_free) char *other = option_of(b);
        argp_error(state, "%s and %s contradict each other", one, other);
    }
}

static void check(struct argp_state *state, const json_t *map)
{
    refuse_both(state, map, "keep", "overwrite");
    refuse_both(state, map, "trust_scripts", "no_scripts");
    refuse_both(state, map, "render_folder", "output");
}

/* Options without an argument: the key of the map and what is stored under it. */
static bool set_flag(int key, json_t *map)
{
    static const struct {
        int key;
        const char *name;
        bool value;
    } flags[] = {
        { KEY_NO_DENOISE, "denoise", false },
        { KEY_OVERWRITE, "overwrite", true },
        { KEY_TRUST_SCRIPTS, "trust_scripts", true },
        { KEY_KEEP, "keep", true },
        { KEY_STRICT, "strict", true },
        { KEY_ALLOW_MISSING, "allow_missing", true },
        { KEY_NO_SCRIPTS, "no_scripts", true },
        { KEY_MIX, "mix", true },
        { KEY_ALLOW_CPU, "allow_cpu", true },
        { KEY_AGAIN, "again", true },
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].key == key) {
            json_object_set_new(map, flags[i].name, json_boolean(flags[i].value));
            return true;
        }
    }
    return false;
}

static error_t set_value(int key, char *arg, struct argp_state *state, struct options *self)
{
    json_t *map = self->map;
    switch (key) {
    case 'f':
        set_frames(state, map, arg);
        return 0;
    case 'S':
        set_text(state, map, "scene", arg);
        return 0;
    case 'E':
        set_upper(state, map, "engine", arg);
        return 0;
    case KEY_FORMAT:
        set_upper(state, map, "format", arg);
        return 0;
    case 'o':
        set_path(state, map, "output", arg);
        return 0;
    case KEY_RENDER_FOLDER:
        set_path(state, map, "render_folder", arg);
        return 0;
    case 'p':
        set_number(state, map, "priority", arg, 100);
        return 0;
    case KEY_SAMPLES:
        set_number(state, map, "samples", arg, SAMPLES_MAX);
        return 0;
    case KEY_PERCENTAGE:
        set_number(state, map, "percentage", arg, 1000);
        return 0;
    case KEY_ATTEMPTS:
        set_number(state, map, "attempts", arg, 1000);
        return 0;
    case KEY_PLACEHOLDER_TIMEOUT:
        set_number(state, map, "placeholder_timeout_s", arg, SECONDS_MAX);
        return 0;
    case KEY_STALL:
        set_number(state, map, "stall_s", arg, LIMIT_MAX_S);
        return 0;
    case KEY_MAX_FRAME_TIME:
        set_number(state, map, "max_frame_time_s", arg, LIMIT_MAX_S);
        return 0;
    case KEY_MIN_FRAME_TIME:
        set_millis(state, map, "min_frame_time_ms", arg, SHORTEST_MAX_MS);
        return 0;
    case KEY_ORDER:
        set_order(state, map, arg);
        return 0;
    case KEY_DEVICE_TYPE:
        set_device_type(state, map, arg);
        return 0;
    case KEY_UNBAKED:
        set_unbaked(state, map, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        self->map = self->map ? self->map : json_object();
        return 0;
    case 'n':
        command_check_text(state, "--name", arg);
        free(self->name);
        self->name = alloc_text(arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        check(state, self->map);
        return 0;
    default:
        return set_flag(key, self->map) ? 0 : set_value(key, arg, state, self);
    }
}

const struct argp options_argp = { .options = job_options, .parser = parse };
const struct argp options_answer_argp = { .options = answer_options, .parser = parse };

void options_clear(struct options *self)
{
    json_decref(self->map);
    self->map = NULL;
    free(self->name);
    self->name = NULL;
}

json_t *options_answers(const json_t *map)
{
    static const char *const keys[] = { "engine", "allow_missing", "trust_scripts", "no_scripts",
                                        "keep",   "overwrite",     "output",        "unbaked" };
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(map, keys[i]);
        if (value) {
            json_object_set(out, keys[i], value);
        }
    }
    return out;
}

/* What a question may be answered with. A NULL flag takes the text that a person types. */
static const struct answer {
    const char *code;
    const char *flag; /* without the two dashes */
    const char *key;  /* of the options map */
    const char *text; /* value: NULL is true */
} answers[] = {
    { "engine-missing", NULL, "engine", NULL },
    { "add-on-missing", "allow-missing", "allow_missing", NULL },
    { "files-missing", "allow-missing", "allow_missing", NULL },
    { "scripts-blocked", "trust-scripts", "trust_scripts", NULL },
    { "scripts-blocked", "no-scripts", "no_scripts", NULL },
    { "pictures", "keep", "keep", NULL },
    { "pictures", "overwrite", "overwrite", NULL },
    { "output-in-use", NULL, "output", NULL },
    { "unbaked", "order", "unbaked", "order" },
    { "unbaked", "allow", "unbaked", "allow" },
};

bool options_answer(const char *code, const char *text, json_t *map)
{
    text += strspn(text, "-");
    if (strcmp(code, "warnings") == 0) {
        return *text && strncmp("yes", text, strlen(text)) == 0;
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer *answer = &answers[i];
        if (!*text || strcmp(answer->code, code) != 0) {
            continue;
        }
        if (!answer->flag) {
            CLEANUP(cleanup_free) char *folder = getcwd(NULL, 0);
            CLEANUP(cleanup_free) char *path = options_absolute(text, folder ? folder : "/");
            const char *value = strcmp(answer->key, "output") == 0 ? path : text;
            return json_object_set_new(map, answer->key, json_string(value)) == 0;
        }
        if (strncmp(answer->flag, text, strlen(text)) == 0) {
            json_t *value = answer->text ? json_string(answer->text) : json_true();
            return json_object_set_new(map, answer->key, value) == 0;
        }
    }
    return false;
}

bool options_has_answer(const char *code, const json_t *map)
{
    if (strcmp(code, "warnings") == 0) {
        return true; /* by being accepted at all */
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].code, code) == 0 && json_object_get(map, answers[i].key)) {
            return true;
        }
    }
    return false;
}

const char *options_flags_of(const char *code)
{
    static const struct {
        const char *code;
        const char *flags;
    } table[] = {
        { "engine-missing", "-E ENGINE" },
        { "add-on-missing", "--allow-missing" },
        { "files-missing", "--allow-missing" },
        { "scripts-blocked", "--trust-scripts or --no-scripts" },
        { "pictures", "--keep or --overwrite" },
        { "output-in-use", "-o PATTERN" },
        { "unbaked", "--unbaked=order or --unbaked=allow" },
        { "warnings", "dblend accept JOB" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].code, code) == 0) {
            return table[i].flags;
        }
    }
    return "";
}
