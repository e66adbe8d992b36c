#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store.h"
#include "place.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

/* Opening is refused with a text that holds words. */
static void refused_with(struct place *place, int outcome, const char *words)
{
    CLEANUP(cleanup_free) char *text = NULL;
    assert_int_equal(store_open(place->ledger, STORE_SERVE, &place->store, &text), outcome);
    assert_null(place->store);
    assert_non_null(text);
    assert_non_null(strstr(text, place->ledger));
    assert_non_null(strstr(text, words));
}

static void count_fault(void *arg, const char *text)
{
    (void)text;
    *(int *)arg += 1;
}

/* How many faults a look at the ledger, as of --check, finds. */
static int faults_of(struct place *place)
{
    CLEANUP(store_close) store_t *store = NULL;
    char *text = NULL;
    int faults = 0;
    assert_int_equal(store_open(place->ledger, STORE_LOOK, &store, &text), 0);
    assert_int_equal(store_verify(store, count_fault, &faults), 0);
    return faults;
}

static void a_newer_ledger_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;
    place_open(place);
    store_close(&place->store);
    place_sql(place, "PRAGMA user_version = 99; CREATE TABLE of_that_version(id)");
    refused_with(place, STORE_REFUSED, "newer dblend");
    place_sql(place, "DROP TABLE of_that_version");
}

/* As version 1 left it: brought up to date by serving, and only by that. */
static void an_older_ledger_is_brought_up_to_date(void **state)
{
    struct place *place = *state;
    CLEANUP(cleanup_free) char *text = NULL;
    place_open(place);
    place_put_frame(place->store, FRAME_WAITING, NULL);
    store_close(&place->store);
    place_sql(place, "DROP TABLE worker; PRAGMA user_version = 1");
    assert_int_equal(store_open(place->ledger, STORE_LOOK, &place->store, &text), STORE_REFUSED);
    assert_non_null(strstr(text, "older dblend"));
    place_open(place);
    assert_int_equal(place_rows(place->store, "frame"), 1);
    struct change change = { .kind = CHANGE_WORKER_PUT, .as.worker.id = "w" };
    place_apply(place->store, &change);
    place_open(place);
    int64_t workers = 0;
    assert_int_equal(store_count(place->store, "worker", &workers), 0);
    assert_int_equal(workers, 1);
    change.kind = CHANGE_WORKER_DELETE;
    place_apply(place->store, &change);
    assert_int_equal(store_count(place->store, "worker", &workers), 0);
    assert_int_equal(workers, 0);
}

/* We write without asking the schema, but a row that breaks it is not taken for one of ours. */
static void a_row_that_the_schema_forbids_is_damage(void **state)
{
    static const char *const odd[] = {
        "UPDATE frame SET state = 'odd'",
        "UPDATE frame SET outcome = 'odd'",
        "UPDATE frame SET proof = '[1'",
        "UPDATE frame SET error = 'x'",
    };
    struct place *place = *state;
    place_open(place);
    place_put_frame(place->store, FRAME_WAITING, NULL);
    store_close(&place->store);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CLEANUP(cleanup_free)
        char *text = alloc_format("PRAGMA ignore_check_constraints = ON; %s", odd[i]);
        place_sql(place, text);
        refused_with(place, STORE_REFUSED, "CHECK constraint failed in frame");
        assert_int_equal(faults_of(place), 1);
        place_sql(place,
                  "PRAGMA ignore_check_constraints = ON;"
                  "UPDATE frame SET state = 'waiting', outcome = 'none', proof = NULL,"
                  " error = NULL");
        place_open(place);
        store_close(&place->store);
    }
}

static void another_database_is_refused(void **state)
{
    struct place *place = *state;
    place_sql(place, "CREATE TABLE recipe(name TEXT)");
    refused_with(place, STORE_REFUSED, "no dblend ledger");
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct place *place = *state;
    FILE *file = fopen(place->ledger, "w");
    for (int i = 0; i < 1000; i++) {
        fputs("this is a text that somebody saved there\n", file);
    }
    fclose(file);
    refused_with(place, STORE_REFUSED, "damaged");
}

static void a_damaged_ledger_is_refused(void **state)
{
    struct place *place = *state;
    place_open(place);
    struct change change = { .kind = CHANGE_EVENT,
                             .as.event = { .word = EVENT_JOB_ADDED, .frame = EVENT_NO_FRAME } };
    for (int i = 0; i < 500; i++) {
        place_apply(place->store, &change);
    }
    store_close(&place->store);
    int fd = open(place->ledger, O_RDWR);
    assert_true(fd >= 0);
    char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    for (off_t page = 2; page < 12; page++) {
        assert_int_equal(pwrite(fd, junk, sizeof junk, page * 4096), sizeof junk);
    }
    close(fd);
    refused_with(place, STORE_REFUSED, "damaged");
}

static void a_ledger_that_another_process_has_is_refused(void **state)
{
    struct place *place = *state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail before it kills us */
        place_open(place);
        (void)!write(pipes[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    char words[64];
    (void)snprintf(words, sizeof words, "process %d", (int)child);
    refused_with(place, STORE_HELD, words);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    place_open(place); /* kill -9 frees it at once */
    close(pipes[0]);
    close(pipes[1]);
}

static void looking_makes_no_ledger(void **state)
{
    struct place *place = *state;
    char *text = NULL;
    assert_true(store_open(place->ledger, STORE_LOOK, &place->store, &text) < 0);
    assert_int_not_equal(access(place->ledger, F_OK), 0);
}

static void the_farm_id_is_made_once_and_the_file_is_private(void **state)
{
    struct place *place = *state;
    mode_t old = umask(077); /* as main does */
    place_open(place);
    umask(old);
    char first[17];
    (void)snprintf(first, sizeof first, "%s", store_farm(place->store));
    assert_int_equal(strlen(first), 16);
    place_open(place);
    assert_string_equal(store_farm(place->store), first);
    struct stat info;
    assert_int_equal(stat(place->ledger, &info), 0);
    assert_int_equal(info.st_mode & 077, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_new, place_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_farm_id_is_made_once_and_the_file_is_private),
        TEST(a_newer_ledger_is_refused_and_left_alone),
        TEST(an_older_ledger_is_brought_up_to_date),
        TEST(a_row_that_the_schema_forbids_is_damage),
        TEST(another_database_is_refused),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_damaged_ledger_is_refused),
        TEST(a_ledger_that_another_process_has_is_refused),
        TEST(looking_makes_no_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
