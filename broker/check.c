#include "broker/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "broker/store.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"

enum { EXIT_WHOLE = 0, EXIT_FAULT = 1, EXIT_HELD = 3 };

struct faults {
    FILE *out;
    int count;
};

static void print_fault(void *arg, const char *text)
{
    struct faults *faults = arg;
    fprintf(faults->out, "fault: %s\n", text);
    faults->count++;
}

static void print_state(void *arg, const char *state, int64_t count)
{
    FILE *out = arg;
    fprintf(out, "  %-10s %" PRId64 "\n", state ? state : "?", count);
}

static int print_table(store_t *store, const char *table, FILE *out)
{
    int64_t count = 0;
    int rc = store_count(store, table, &count);
    if (rc == 0) {
        fprintf(out, "%ss: %" PRId64 "\n", table, count);
        rc = store_count_states(store, table, print_state, out);
    }
    return rc;
}

static int print_events(store_t *store, FILE *out)
{
    int64_t events = 0;
    int64_t requests = 0;
    int64_t pictures = 0;
    int rc = store_count(store, "event", &events);
    rc = rc == 0 ? store_count(store, "request", &requests) : rc;
    rc = rc == 0 ? store_count(store, "picture", &pictures) : rc;
    if (rc == 0) {
        fprintf(out, "events: %" PRId64 "\nanswered requests: %" PRId64 "\npictures: %" PRId64 "\n",
                events, requests, pictures);
    }
    return rc;
}

/* Loading says whether every row is one that the queue can go on with. */
static int try_load(store_t *store, struct faults *faults)
{
    struct queue_config config = { .first_session = 1 };
    memcpy(config.farm, store_farm(store), sizeof config.farm);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&config);
    CLEANUP(cleanup_free) char *text = NULL;
    int rc = store_load(store, queue, &text);
    if (rc == STORE_REFUSED) {
        print_fault(faults, text);
        return 0;
    }
    return rc;
}

static int print_all(store_t *store, struct faults *faults)
{
    int rc = store_verify(store, print_fault, faults);
    if (rc == 0 && faults->count == 0) {
        rc = try_load(store, faults);
    }
    fprintf(faults->out, "farm: %s\n", store_farm(store));
    if (rc == 0) {
        rc = print_table(store, "job", faults->out);
    }
    if (rc == 0) {
        rc = print_table(store, "frame", faults->out);
    }
    return rc == 0 ? print_events(store, faults->out) : rc;
}

int check_ledger(const char *path, FILE *out)
{
    CLEANUP(store_close) store_t *store = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    int rc = store_open(path, STORE_LOOK, &store, &text);
    if (rc == STORE_HELD || rc == STORE_REFUSED) {
        log_error("%s", text);
        return rc == STORE_HELD ? EXIT_HELD : EXIT_FAULT;
    }
    if (rc < 0) {
        log_error("%s: no ledger that can be read: %s", path, strerror(-rc));
        return EXIT_FAULT;
    }

    fprintf(out, "ledger: %s\n", path);
    struct faults faults = { .out = out };
    rc = print_all(store, &faults);
    if (rc < 0) {
        print_fault(&faults, strerror(-rc));
    }
    fprintf(out, "%s\n", faults.count == 0 ? "whole" : "damaged");
    return faults.count == 0 ? EXIT_WHOLE : EXIT_FAULT;
}
