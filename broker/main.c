/*
 * dblend-broker - owns the ledger and gives work out
 */

#include <argp.h>
#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/broker.h"
#include "broker/check.h"
#include "broker/descriptors.h"
#include "broker/filework.h"
#include "broker/ledger_log.h"
#include "broker/loop.h"
#include "broker/recover.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/config.h"
#include "proto/log.h"
#include "proto/paths.h"
#include "proto/process.h"
#include "proto/random.h"

enum { EXIT_USAGE = 2, EXIT_HELD = 3, LISTEN_MOST = 8, KEEP_DAYS = 30 };

enum {
    OPT_LISTEN = 1000,
    OPT_INSECURE,
    OPT_IDLE_EXIT,
    OPT_OWNER_FD,
    OPT_CHECK,
    OPT_RECOVER,
    OPT_FILEWORK
};

static const int64_t day_ms = 24LL * 3600 * 1000;

const char *argp_program_version = "dblend-broker " DBLEND_VERSION;

static const char doc[] =
    "Owns the ledger of a render farm and gives its frames to workers.\v"
    "In the foreground, log on standard error, TERM ends it. When it serves it prints one line, "
    "`ready workers=ENDPOINT submitters=ENDPOINT'. Ledger, log and sockets are those of the user, "
    "or all in the folder DBLEND_HOME.\n\n"
    "Exit status: 0 stopped, 1 fault, 2 usage, 3 another broker has this ledger.";

static const struct argp_option options[] = {
    { "listen", OPT_LISTEN, "ADDRESS", 0, "Listen there, too (refused: keys do not exist yet)", 0 },
    { "insecure-listen", OPT_INSECURE, "ADDRESS", 0,
      "Listen for workers on tcp://127.0.0.1:PORT without keys; for tests", 0 },
    { "idle-exit", OPT_IDLE_EXIT, "SECONDS", 0,
      "Leave when nothing was rendered and nobody asked for so long", 0 },
    { "owner-fd", OPT_OWNER_FD, "N", 0,
      "Stop when this descriptor comes to its end; belong to nobody once `d' was read from it", 0 },
    { "check", OPT_CHECK, NULL, 0, "Verify the ledger, print what is in it, and leave", 0 },
    { "recover", OPT_RECOVER, NULL, 0,
      "Save what can be read of a damaged ledger into a new one, and leave", 0 },
    { "filework", OPT_FILEWORK, "FARM", OPTION_HIDDEN, "The broker's own child (filework.h)", 0 },
    { "verbose", 'v', NULL, 0, "Log each message", 0 },
    { 0 },
};

struct arguments {
    const char *tcp[LISTEN_MOST + 1];
    size_t tcp_count;
    int64_t idle_exit_ms;
    int owner_fd;
    const char *filework; /* farm id */
    bool check;
    bool recover;
    bool verbose;
};

static long parse_number(struct argp_state *state, const char *name, const char *text, long least,
                         long most)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || value < least || value > most) {
        argp_error(state, "--%s: not a number from %ld to %ld: '%s'", name, least, most, text);
    }
    return value;
}

/* Without keys whoever reaches the port owns the farm, so it is never more than this machine. */
static void add_insecure(struct argp_state *state, struct arguments *arguments, const char *text)
{
    static const char *const loopback[] = { "tcp://127.0.0.1:", "tcp://[::1]:",
                                            "tcp://localhost:" };
    bool is_loopback = false;
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        is_loopback = is_loopback || strncmp(text, loopback[i], strlen(loopback[i])) == 0;
    }
    if (!is_loopback) {
        argp_error(state, "--insecure-listen: only tcp://127.0.0.1:PORT is allowed: '%s'", text);
    }
    if (arguments->tcp_count == LISTEN_MOST) {
        argp_error(state, "--insecure-listen: at most %d of them", LISTEN_MOST);
    }
    arguments->tcp[arguments->tcp_count++] = text;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPT_LISTEN:
        argp_error(state,
                   "--listen %s: refused, a farm is not opened to the network without "
                   "keys, and this version has none yet",
                   text);
        return 0;
    case OPT_INSECURE:
        add_insecure(state, arguments, text);
        return 0;
    case OPT_IDLE_EXIT:
        arguments->idle_exit_ms = 1000 * parse_number(state, "idle-exit", text, 1, 10000000);
        return 0;
    case OPT_OWNER_FD:
        arguments->owner_fd = (int)parse_number(state, "owner-fd", text, 0, 1000000);
        return 0;
    case OPT_FILEWORK:
        arguments->filework = text;
        return 0;
    case OPT_CHECK:
        arguments->check = true;
        return 0;
    case OPT_RECOVER:
        arguments->recover = true;
        return 0;
    case 'v':
        arguments->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument expected: '%s'", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Before any socket: libzmq's threads inherit the mask. */
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* whoever read our `ready` line may be gone */
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int64_t random_session(void)
{
    char digits[16];
    random_hex(digits, 15); /* 60 bits */
    return (int64_t)strtoull(digits, NULL, 16) + 1;
}

static int64_t read_keep_ms(const struct paths *paths)
{
    CLEANUP(config_close) config_t *config = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    if (config_open(paths->config, &config, &text) != CONFIG_OK) {
        log_warning("%s", text ? text : "the config cannot be read");
        return KEEP_DAYS * day_ms;
    }
    return config_int(config, "keep", KEEP_DAYS, 1, 36500) * day_ms;
}

/* Returns an exit code; 0: *out and *queue are there. */
static int open_ledger(const struct paths *paths, int64_t keep_ms, store_t **out, queue_t **queue)
{
    if (store_on_network(paths->state)) {
        log_warning(
            "%s: on a network file system, where locks and fsync cannot be trusted: set "
            "DBLEND_HOME to a folder on a local disk",
            paths->state);
    }
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(store_close) store_t *store = NULL;
    int rc = store_open(paths->ledger, STORE_SERVE, &store, &text);
    if (rc != 0) {
        log_error("%s%s%s", rc < 0 ? paths->ledger : text, rc < 0 ? ": " : "",
                  rc < 0 ? strerror(-rc) : "");
        return rc == STORE_HELD ? EXIT_HELD : EXIT_FAILURE;
    }
    struct queue_config config = { .first_session = random_session(), .keep_ms = keep_ms };
    memcpy(config.farm, store_farm(store), sizeof config.farm);
    *queue = queue_new(&config);
    rc = store_load(store, *queue, &text);
    if (rc != 0) {
        log_error("%s: the ledger is damaged: %s; dblend-broker --recover saves what can be read",
                  paths->ledger, rc < 0 ? strerror(-rc) : text);
        return EXIT_FAILURE;
    }
    *out = store;
    store = NULL; /* handed to the caller */
    return 0;
}

static int open_logs(const struct paths *paths, struct broker *broker)
{
    int rc = eventlog_open(paths->log, &broker->log);
    if (rc < 0) {
        log_error("%s: cannot write the event log: %s", paths->log, strerror(-rc));
        return rc;
    }
    if (mkdir(paths->output_dir, 0700) != 0 && errno != EEXIST) {
        rc = -errno;
    }
    rc = rc == 0 ? output_open(paths->output_dir, &broker->output) : rc;
    if (rc < 0) {
        log_error("%s: cannot keep Blender's output there: %s", paths->output_dir, strerror(-rc));
    }
    return rc;
}

static int serve(struct broker *broker, const struct paths *paths,
                 const struct arguments *arguments, int signal_fd)
{
    struct loop_options loop_options = {
        .workers_endpoint = paths->workers_endpoint,
        .submitters_endpoint = paths->submitters_endpoint,
        .tcp_endpoints = arguments->tcp,
        .idle_exit_ms = arguments->idle_exit_ms,
        .owner_fd = arguments->owner_fd,
        .signal_fd = signal_fd,
    };
    CLEANUP(loop_close) loop_t *loop = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    int rc = loop_open(broker, &loop_options, &loop, &text);
    if (rc < 0) {
        log_error("%s", text);
        return EXIT_FAILURE;
    }
    CLEANUP(cleanup_free) char *where = loop_where(loop);
    log_info("ready %s farm=%s home=%s", where, store_farm(broker->store), paths->state);
    printf("ready %s\n", where);
    (void)fflush(stdout); /* nobody may be reading it */
    rc = loop_run(loop);
    if (rc < 0) {
        log_error("the loop ended: %s", strerror(-rc));
    }
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The event of the start is on disk before anybody is served. */
static int write_start(struct broker *broker)
{
    struct queue_now now = { .ms = clock_mono_ms(), .wall_ms = broker->started_at };
    queue_loaded(broker->queue, now);
    CLEANUP(cleanup_free)
    char *text = alloc_format("version %s process %d", DBLEND_VERSION, (int)getpid());
    queue_event(broker->queue, now, EVENT_BROKER_STARTED, text);
    size_t count = 0;
    const struct change *changes = queue_changes(broker->queue, &count);
    int rc = store_apply(broker->store, changes, count, NULL, 0);
    if (rc < 0) {
        log_error("write ledger: %s (%s)", strerror(-rc), store_why(broker->store));
        return rc;
    }
    ledger_log_changes(broker->log, changes, count);
    queue_changes_clear(broker->queue);
    return 0;
}

static int run(const struct paths *paths, const struct arguments *arguments, int signal_fd)
{
    struct broker broker = {
        .home = paths->state,
        .started_at = clock_wall_ms(),
        .boot = process_boot(),
        .keep_ms = read_keep_ms(paths),
        .idle_exit = arguments->idle_exit_ms > 0,
    };
    int code = open_ledger(paths, broker.keep_ms, &broker.store, &broker.queue);
    if (code == 0 && open_logs(paths, &broker) < 0) {
        code = EXIT_FAILURE;
    }
    if (code == 0 && write_start(&broker) < 0) {
        code = EXIT_FAILURE;
    }
    if (code == 0) {
        broker.attend = attend_new();
        broker.saved = saved_new();
        code = serve(&broker, paths, arguments, signal_fd);
    }
    /* libzmq leaves its socket files, and ours go before the ledger is the next broker's. */
    zsys_shutdown();
    if (broker.attend) {
        (void)unlink(paths->workers_sock);
        (void)unlink(paths->submitters_sock);
    }
    attend_destroy(&broker.attend);
    saved_destroy(&broker.saved);
    queue_destroy(&broker.queue);
    store_close(&broker.store);
    output_close(&broker.output);
    eventlog_close(&broker.log);
    return code;
}

int main(int argc, char **argv)
{
    argp_err_exit_status = EXIT_USAGE;
    struct arguments arguments = { .owner_fd = -1 };
    static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    umask(077);
    log_open("dblend-broker", arguments.verbose);
    if (arguments.filework) {
        return filework_main(FILEWORK_TASK_FD, FILEWORK_RESULT_FD, arguments.filework);
    }
    CLEANUP(cleanup_fd) int signal_fd = open_signals();
    if (signal_fd < 0 || sodium_init() < 0) {
        log_error("start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    descriptors_init();

    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *text = NULL;
    if (paths_find(&paths, &text) != PATHS_OK) {
        log_error("%s", text);
        return EXIT_FAILURE;
    }
    int code = arguments.check     ? check_ledger(paths.ledger, stdout)
               : arguments.recover ? recover_ledger(paths.ledger, stdout)
                                   : run(&paths, &arguments, signal_fd);
    paths_free(&paths);
    return code;
}
