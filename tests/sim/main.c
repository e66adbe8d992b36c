/*
 * sim - many random histories of the real broker in a simulated world; see run
 *
 * Each child process runs every JOBS-th seed. What it is at and what it found stands in memory
 * that all share, so that a crash of the product is reported like any other failure.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "proto/alloc.h"
#include "tests/sim/history.h"
#include "tests/sim/mutation.h"
#include "tests/sim/world.h"

enum {
    JOBS_MOST = 64,
    FAILURES_MOST = 20,
    HANG_S = 60,
    MUTATION_SEEDS = 3000,
    SEEDS_MOST = 4096,
};

/* What a child is at; in shared memory. */
struct slot {
    uint64_t seed;
    uint64_t next; /* index of the next of its seeds */
    char text[1000];
    struct history_figures figures;
};

struct options {
    uint64_t first, count;
    uint64_t *seeds; /* instead of first and count; NULL: none */
    long jobs;
    bool trace, one, mutations;
    enum mutation mutation;
};

static struct slot *slots;
static struct slot *own;

static double now_s(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void on_failure(const char *text)
{
    (void)snprintf(own->text, sizeof own->text, "%s", text);
    _exit(1);
}

static uint64_t seed_of(const struct options *options, uint64_t index)
{
    return options->seeds ? options->seeds[index] : options->first + index;
}

/* In a child: every jobs-th seed from its next one on. */
static _Noreturn void run_child(const struct options *options, size_t job)
{
    own = &slots[job];
    own->text[0] = '\0';
    world_on_failure = on_failure;
    mutation = options->mutation;
    history_prepare();
    for (uint64_t i = own->next; i < options->count; i += (uint64_t)options->jobs) {
        own->seed = seed_of(options, i);
        own->next = i + (uint64_t)options->jobs;
        (void)alarm(HANG_S);
        history_run(own->seed, false, &own->figures);
    }
    exit(0); /* and not _exit: sanitizers look for leaks then */
}

static pid_t start_child(const struct options *options, size_t job)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        run_child(options, job);
    }
    return pid;
}

static const char *death(int status)
{
    if (!WIFSIGNALED(status)) {
        return "the process ended";
    }
    return WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status));
}

/* Say what a child died of. */
static void say_failure(const struct options *options, const struct slot *slot, int status)
{
    printf("seed %" PRIu64 " FAILED: %s\n", slot->seed, slot->text[0] ? slot->text : death(status));
    if (options->mutation == MUTATION_NONE) {
        printf("    replay: tests/sim/run --seed %" PRIu64 " --trace\n", slot->seed);
    } else {
        printf("    replay: tests/sim/run --seed %" PRIu64 " --trace --mutation %s\n", slot->seed,
               mutation_name(options->mutation));
    }
}

static struct history_figures sum(long jobs)
{
    struct history_figures all = { 0 };
    for (long i = 0; i < jobs; i++) {
        history_add(&all, &slots[i].figures);
    }
    return all;
}

/* All seeds; how many failed. The children that fail are started again behind their failure. */
static int run_all(const struct options *options, int failures_most, bool quiet)
{
    pid_t pids[JOBS_MOST] = { 0 };
    int failures = 0;
    long running = 0;
    for (long i = 0; i < options->jobs; i++) {
        slots[i] = (struct slot){ .next = (uint64_t)i };
        pids[i] = start_child(options, (size_t)i);
        running++;
    }
    while (running > 0) {
        int status = 0;
        pid_t pid = wait(&status);
        long job = 0;
        while (job < options->jobs && pids[job] != pid) {
            job++;
        }
        if (job == options->jobs) {
            continue;
        }
        running--;
        if (status == 0) {
            continue;
        }
        if (!quiet) {
            say_failure(options, &slots[job], status);
        }
        if (++failures < failures_most) {
            pids[job] = start_child(options, (size_t)job);
            running++;
        }
    }
    return failures;
}

static int run_many(const struct options *options)
{
    double begun_s = now_s();
    int failures = run_all(options, FAILURES_MOST, false);
    struct history_figures all = sum(options->jobs);
    double took_s = now_s() - begun_s;
    if (!options->seeds) {
        printf("seeds %" PRIu64 " to %" PRIu64 "\n", options->first,
               options->first + options->count - 1);
    }
    printf("%" PRId64 " histories, %" PRId64
           " steps, %.1f s on %ld processes (%.0f a second), "
           "%d failures\n",
           all.histories, all.steps, took_s, options->jobs, (double)all.histories / took_s,
           failures);
    history_say(&all);
    return failures == 0 ? 0 : 1;
}

/* ---- mutations ---- */

/* One process: the seeds one after the other until one catches it. */
static pid_t start_mutation(const struct options *options, size_t slot, enum mutation which)
{
    struct options one = *options;
    one.jobs = 1;
    one.mutation = which;
    one.first = 1;
    one.count = MUTATION_SEEDS;
    slots[slot] = (struct slot){ 0 };
    return start_child(&one, slot);
}

static bool say_caught(size_t slot, enum mutation which, int status)
{
    const struct slot *at = &slots[slot];
    if (status == 0) {
        printf("%-32s NOT CAUGHT by %d seeds\n", mutation_name(which), MUTATION_SEEDS);
        return false;
    }
    printf("%-32s caught after %4" PRIu64 " seeds: %.80s\n", mutation_name(which), at->seed,
           at->text[0] ? at->text : death(status));
    return true;
}

static int run_mutations(const struct options *options)
{
    pid_t pids[MUTATIONS] = { 0 };
    int next = MUTATION_NONE + 1;
    int running = 0;
    int missed = 0;
    double begun_s = now_s();
    while (next < MUTATIONS || running > 0) {
        if (next < MUTATIONS && running < options->jobs) {
            pids[next] = start_mutation(options, (size_t)next, (enum mutation)next);
            next++;
            running++;
            continue;
        }
        int status = 0;
        pid_t pid = wait(&status);
        for (int i = 1; i < MUTATIONS; i++) {
            if (pids[i] == pid) {
                missed += !say_caught((size_t)i, (enum mutation)i, status);
                running--;
            }
        }
    }
    printf("%d mutations, %d not caught, %.1f s\n", MUTATIONS - 1, missed, now_s() - begun_s);
    return missed == 0 ? 0 : 1;
}

/* ---- arguments ---- */

static const char usage[] =
    "usage: tests/sim/run --seeds N [--first S]   N histories, the first of seed S (1)\n"
    "       tests/sim/run --seed S [--trace]      one of them, with what happens in it\n"
    "       tests/sim/run --stored                those that failed once (tests/sim/seeds)\n"
    "       tests/sim/run --mutations             faults built in on purpose: all are caught\n"
    "       --jobs N          processes (all cores)\n"
    "       --mutation NAME   one of these faults, for --seed and --seeds\n";

static _Noreturn void fail_usage(void)
{
    (void)fputs(usage, stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end) {
        fail_usage();
    }
    return value;
}

/* Lines of a seed and why it is kept. */
static void read_seeds(struct options *options, const char *path)
{
    char line[1000];
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    options->seeds = alloc_zero(SEEDS_MOST, sizeof *options->seeds);
    while (fgets(line, sizeof line, file) && options->count < SEEDS_MOST) {
        if (line[0] >= '0' && line[0] <= '9') {
            options->seeds[options->count++] = strtoull(line, NULL, 10);
        }
    }
    (void)fclose(file);
}

static void parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "seeds", required_argument, NULL, 'n' },
        { "first", required_argument, NULL, 'f' },
        { "seed", required_argument, NULL, 's' },
        { "jobs", required_argument, NULL, 'j' },
        { "mutation", required_argument, NULL, 'm' },
        { "stored", required_argument, NULL, 'o' },
        { "trace", no_argument, NULL, 't' },
        { "mutations", no_argument, NULL, 'M' },
        { NULL, 0, NULL, 0 },
    };
    int key = 0;
    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == 'n') {
            options->count = number(optarg);
        } else if (key == 'f') {
            options->first = number(optarg);
        } else if (key == 's') {
            options->first = number(optarg);
            options->count = 1;
            options->one = true;
        } else if (key == 'j') {
            options->jobs = (long)number(optarg);
        } else if (key == 'o') {
            read_seeds(options, optarg);
        } else if (key == 't') {
            options->trace = true;
        } else if (key == 'M') {
            options->mutations = true;
        } else if (key != 'm' || mutation_parse(optarg, &options->mutation) != 0) {
            fail_usage();
        }
    }
    bool something = options->count > 0 || options->mutations || options->seeds;
    if (optind != argc || !something || options->jobs < 1 || options->jobs > JOBS_MOST) {
        fail_usage();
    }
}

static int run_one(const struct options *options)
{
    struct history_figures figures = { 0 };
    mutation = options->mutation;
    history_prepare();
    history_run(options->first, options->trace, &figures);
    printf("seed %" PRIu64 ": %" PRId64 " steps, all holds\n", options->first, figures.steps);
    return 0;
}

static void say_one_failure(const char *text)
{
    printf("seed %" PRIu64 " FAILED: %s\n", world.seed, text);
    (void)fflush(stdout);
    _exit(1);
}

int main(int argc, char **argv)
{
    struct options options = { .first = 1, .jobs = sysconf(_SC_NPROCESSORS_ONLN) };
    parse(argc, argv, &options);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* the queue's big table stays untouched memory */
    json_object_seed(1);
    slots = mmap(NULL, sizeof *slots * JOBS_MOST, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (options.one) {
        world_on_failure = say_one_failure;
        return run_one(&options);
    }
    int rc = options.mutations ? run_mutations(&options) : run_many(&options);
    free(options.seeds);
    return rc;
}
