#include "submit/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/client.h"
#include "proto/clock.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"

enum {
    ARGUMENTS_MAX = 16,
    LOG_KEEP_BYTES = 1048576,
    WORDS_BYTES = 8192,
    CAPTURE_BYTES = 4194304,
    LIST_TIMEOUT_MS = 60000,
    BROKER_START_MS = 15000,
    LISTEN_LOOK_MS = 20,
};

int program_start(const struct program_spec *spec, child_t **out)
{
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(cleanup_fd) int log = -1;
    const char *argv[ARGUMENTS_MAX + 2] = { 0 };
    struct child_pass pass[3] = { 0 };
    size_t passed = 0;
    int rc = paths_program(spec->program, &path);
    if (rc != 0) {
        return rc;
    }
    argv[0] = path;
    for (size_t i = 0; i < ARGUMENTS_MAX && spec->arguments[i]; i++) {
        argv[i + 1] = spec->arguments[i];
    }
    if (spec->log) {
        log = open(spec->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0) {
            return -errno;
        }
        pass[passed++] = (struct child_pass){ log, STDERR_FILENO };
    }
    /* nothing is to come between our own data on standard output */
    pass[passed++] = (struct child_pass){ spec->log ? log : STDERR_FILENO, STDOUT_FILENO };
    if (spec->owner >= 0) {
        pass[passed++] = (struct child_pass){ spec->owner, PROGRAM_OWNER_FD };
    }
    struct child_spec how = {
        .argv = argv, .pass = pass, .pass_count = passed, .own_session = true
    };
    return child_spawn(&how, out);
}

char *program_log(const struct paths *paths, const char *part)
{
    CLEANUP(cleanup_free) char *folder = alloc_format("%s/programs", paths->state);
    CLEANUP(cleanup_free) char *name = alloc_text(part);
    for (char *slash = name; (slash = strchr(slash, '/')); *slash = '_') {
    }
    (void)mkdir(folder, 0700); /* there already, or opening the log says why not */
    char *path = alloc_format("%s/%s.log", folder, name);
    if (program_log_end(path) > LOG_KEEP_BYTES) {
        CLEANUP(cleanup_free) char *older = alloc_format("%s.1", path);
        (void)rename(path, older); /* the log goes on growing, no more */
    }
    return path;
}

off_t program_log_end(const char *log)
{
    struct stat about;
    return stat(log, &about) == 0 ? about.st_size : 0;
}

/* What a line of proto/log says behind time, program and level. */
static const char *message_of(const char *line)
{
    static const char *const levels[] = { " error ", " warning " };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const char *level = strstr(line, levels[i]);
        if (level) {
            return level + strlen(levels[i]);
        }
    }
    return NULL;
}

/* The last line of an error; else the last warning, or line that is not of proto/log. */
static char *last_words(char *text)
{
    const char *best = NULL;
    bool best_is_error = false;
    char *rest = text;
    for (char *line = NULL; (line = strsep(&rest, "\n"));) {
        const char *message = message_of(line);
        bool is_error = message && strstr(line, " error ");
        bool is_line = *line && !strstr(line, " info ") && !strstr(line, " debug ");
        if (is_error || (is_line && !best_is_error)) {
            best = message ? message : line;
            best_is_error = is_error;
        }
    }
    return alloc_text(best);
}

char *program_last_words(const char *log, off_t from)
{
    CLEANUP(cleanup_fd) int fd = open(log, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    off_t end = program_log_end(log);
    off_t start = end - from > WORDS_BYTES ? end - WORDS_BYTES : from;
    CLEANUP(cleanup_free) char *text = alloc_zero(WORDS_BYTES + 1, 1);
    ssize_t size = pread(fd, text, WORDS_BYTES, start);
    return size > 0 ? last_words(text) : NULL;
}

static char *read_all(int fd)
{
    struct stat about = { 0 };
    if (fstat(fd, &about) != 0 || about.st_size > CAPTURE_BYTES) {
        return alloc_text("");
    }
    char *text = alloc_zero((size_t)about.st_size + 1, 1);
    ssize_t size = pread(fd, text, (size_t)about.st_size, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

int program_capture(const char *program, const char *const *arguments, int timeout_ms, char **out,
                    char **trouble)
{
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(cleanup_fd) int data = memfd_create("out", MFD_CLOEXEC);
    CLEANUP(cleanup_fd) int errors = memfd_create("err", MFD_CLOEXEC);
    CLEANUP(child_destroy) child_t *child = NULL;
    const char *argv[ARGUMENTS_MAX + 2] = { 0 };
    int rc = data < 0 || errors < 0 ? -errno : paths_program(program, &path);
    if (rc != 0) {
        return rc;
    }
    argv[0] = path;
    for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++) {
        argv[i + 1] = arguments[i];
    }
    const struct child_pass pass[] = { { data, STDOUT_FILENO }, { errors, STDERR_FILENO } };
    struct child_spec how = { .argv = argv, .pass = pass, .pass_count = 2, .own_group = true };
    struct child_end end = { 0 };
    rc = child_spawn(&how, &child);
    if (rc != 0) {
        return rc;
    }
    if (child_wait(child, timeout_ms, &end) != CHILD_OK) {
        return -ETIMEDOUT;
    }
    CLEANUP(cleanup_free) char *said = read_all(errors);
    *out = read_all(data);
    *trouble = last_words(said);
    return end.signalled ? 128 + end.code : end.code;
}

json_t *program_lines(const char *text)
{
    CLEANUP(cleanup_free) char *copy = alloc_text(text);
    json_t *out = json_array();
    char *rest = copy;
    for (char *line = NULL; (line = strsep(&rest, "\n"));) {
        json_t *value = *line ? json_loads(line, 0, NULL) : NULL;
        if (value) {
            json_array_append_new(out, value);
        }
    }
    return out;
}

int program_list(const char *what, int timeout_ms, json_t **out)
{
    const char *const arguments[] = { "--list", what, NULL };
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(cleanup_free) char *trouble = NULL;
    int rc = program_capture("dblend-worker", arguments, timeout_ms, &text, &trouble);
    if (rc != 0) {
        say_error("dblend-worker does not tell: %s", rc < 0    ? strerror(-rc)
                                                     : trouble ? trouble
                                                               : "it failed");
        return COMMAND_FAILED;
    }
    *out = program_lines(text);
    return COMMAND_DONE;
}

static json_t *device_names(const json_t *lines)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *device = json_object_get(json_array_get(lines, i), "device");
        if (json_is_string(device)) {
            json_array_append(out, device);
        }
    }
    return out;
}

int program_devices(const char *list, json_t **out)
{
    const char *arguments[] = { "--list", "devices", list, NULL };
    if (list && !*list) {
        say_error("--devices: it is empty; without it every device is used");
        return COMMAND_USAGE;
    }
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(cleanup_free) char *trouble = NULL;
    int rc = program_capture("dblend-worker", arguments, LIST_TIMEOUT_MS, &text, &trouble);
    if (rc < 0) {
        say_error("dblend-worker cannot be asked for the devices: %s", strerror(-rc));
        return COMMAND_FAILED;
    }
    if (rc != 0) {
        say_error("--devices: %s", trouble ? trouble : "no such device");
        return rc == COMMAND_USAGE ? COMMAND_USAGE : COMMAND_FAILED;
    }
    CLEANUP(cleanup_json) json_t *lines = program_lines(text);
    json_t *names = device_names(lines);
    if (json_array_size(names) == 0) {
        say_error("dblend-worker found no device to render on");
        json_decref(names);
        return COMMAND_FAILED;
    }
    *out = names;
    return 0;
}

static void tell_start(const char *program, const char *log, off_t from, int rc)
{
    CLEANUP(cleanup_free) char *words = rc < 0 ? NULL : program_last_words(log, from);
    const char *why = rc < 0 ? strerror(-rc) : words ? words : "it ended at once";
    say_error("%s does not start: %s (see %s)", program, why, log);
}

int program_start_broker(const struct paths *paths)
{
    static const char *const arguments[] = { "--idle-exit", "600", NULL };
    CLEANUP(cleanup_free) char *log = program_log(paths, "broker");
    struct program_spec spec = { "dblend-broker", arguments, log, -1 };
    off_t from = program_log_end(log);
    child_t *child = NULL;
    int rc = program_start(&spec, &child);
    if (rc != 0) {
        tell_start("dblend-broker", log, from, rc);
        return COMMAND_FAILED;
    }
    int64_t deadline_ms = clock_mono_ms() + BROKER_START_MS;
    while (!client_is_listening(paths->submitters_endpoint)) {
        struct pollfd ended = { child_pidfd(child), POLLIN, 0 };
        /* ended: another one may have been quicker, then that one is as good */
        if ((poll(&ended, 1, LISTEN_LOOK_MS) > 0 || clock_mono_ms() > deadline_ms) &&
            !client_is_listening(paths->submitters_endpoint)) {
            tell_start("dblend-broker", log, from, 0);
            child_destroy(&child);
            return COMMAND_FAILED;
        }
    }
    child_release(&child);
    return COMMAND_DONE;
}

int program_start_inspector(const struct paths *paths)
{
    static const char *const arguments[] = { "--device", "none", NULL };
    CLEANUP(cleanup_free) char *log = program_log(paths, "inspector");
    struct program_spec spec = { "dblend-worker", arguments, log, -1 };
    off_t from = program_log_end(log);
    child_t *child = NULL;
    int rc = program_start(&spec, &child);
    if (rc != 0) {
        tell_start("dblend-worker", log, from, rc);
        return COMMAND_FAILED;
    }
    child_release(&child);
    return COMMAND_DONE;
}
