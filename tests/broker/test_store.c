#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "temp_folder.h"

struct place {
    char *folder;
    char *ledger;
    store_t *store;
};

static int set_up(void **state)
{
    struct place *place = alloc_zero(1, sizeof *place);
    place->folder = temp_folder_new();
    place->ledger = temp_folder_path(place->folder, "ledger.db");
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    store_close(&place->store);
    temp_folder_remove(&place->folder);
    free(place->ledger);
    free(place);
    return 0;
}

static void open_again(struct place *place)
{
    store_close(&place->store);
    char *text = NULL;
    assert_int_equal(store_open(place->ledger, STORE_SERVE, &place->store, &text), 0);
    assert_null(text);
}

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

static void run_sql(struct place *place, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->ledger, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static json_t *spec(void)
{
    return json_pack("{s:s, s:{}}", "file", "/scenes/shot.blend", "options");
}

static void apply(store_t *store, struct change *change)
{
    assert_int_equal(store_apply(store, change, 1, NULL, 0), 0);
}

static void put_frame(store_t *store, enum frame_state state, json_t *proof)
{
    struct change change = {
        .kind = CHANGE_FRAME_PUT,
        .as.frame = { .job = 1, .frame = 7, .state = state, .ms = -1, .bytes = -1, .proof = proof },
    };
    apply(store, &change);
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

static void count_row(void *arg, const char *state, int64_t count)
{
    (void)state;
    *(int64_t *)arg += count;
}

static int64_t rows_of(store_t *store, const char *table)
{
    int64_t rows = 0;
    assert_int_equal(store_count_states(store, table, count_row, &rows), 0);
    return rows;
}

static void the_farm_id_is_made_once_and_the_file_is_private(void **state)
{
    struct place *place = *state;
    mode_t old = umask(077); /* as main does */
    open_again(place);
    umask(old);
    char first[17];
    (void)snprintf(first, sizeof first, "%s", store_farm(place->store));
    assert_int_equal(strlen(first), 16);
    open_again(place);
    assert_string_equal(store_farm(place->store), first);
    struct stat info;
    assert_int_equal(stat(place->ledger, &info), 0);
    assert_int_equal(info.st_mode & 077, 0);
}

static void every_word_of_a_life_cycle_can_be_written(void **state)
{
    struct place *place = *state;
    open_again(place);
    CLEANUP(cleanup_json) json_t *shot = spec();
    for (int i = 0; i < JOB_STATES; i++) {
        struct change change = { .kind = CHANGE_JOB_PUT,
                                 .as.job = { .job = i + 1,
                                             .state = (enum job_state)i,
                                             .spec = shot,
                                             .claim_kind = i % 2 ? CLAIM_INSPECT : CLAIM_SWEEP,
                                             .bound_kind = (enum device_kind)(i % 3) } };
        apply(place->store, &change);
    }
    int32_t number = 0;
    for (int i = 0; i < FRAME_STATES; i++) {
        for (int k = 0; k < OUTCOME_INSPECTED; k++) {
            struct change change = { .kind = CHANGE_FRAME_PUT,
                                     .as.frame = { .job = 1,
                                                   .frame = number++,
                                                   .state = (enum frame_state)i,
                                                   .outcome = (enum claim_outcome)k } };
            apply(place->store, &change);
        }
    }
    assert_int_equal(rows_of(place->store, "job"), JOB_STATES);
    assert_int_equal(rows_of(place->store, "frame"), number);
    struct change gone = { .kind = CHANGE_JOB_DELETE, .as.job_id = 1 };
    apply(place->store, &gone);
    assert_int_equal(rows_of(place->store, "frame"), 0);
}

/* What the queue loads, of a job with the frames 1 to 9. */
static void put_active(store_t *store, const struct job_memory *memory)
{
    CLEANUP(cleanup_json) json_t *shot = spec();
    CLEANUP(cleanup_json)
    json_t *found =
        json_pack("{s:i, s:i, s:[{s:s, s:s, s:i, s:s}]}", "frame_start", 1, "frame_end", 9,
                  "outputs", "view", "", "head", "/r/a", "digits", 4, "tail", ".png");
    struct change change = {
        .kind = CHANGE_JOB_PUT,
        .as.job = { .job = 1, .state = JOB_ACTIVE, .spec = shot, .found = found, .memory = *memory }
    };
    apply(store, &change);
}

/* Into the queue that the store loads; the row as the queue has it. */
static void memory_is_kept_of_job_and_frame(void **state)
{
    struct place *place = *state;
    open_again(place);
    const struct job_memory memory = {
        .gpu_peak = (int64_t)20 << 30,
        .rss_peak = { [DEVICE_CPU] = (int64_t)3 << 30, [DEVICE_GPU] = (int64_t)5 << 30 },
        .too_small = (int64_t)8 << 30,
        .enough = (int64_t)24 << 30,
    };
    struct change frame = { .kind = CHANGE_FRAME_PUT,
                            .as.frame = { .job = 1,
                                          .frame = 7,
                                          .ms = -1,
                                          .bytes = -1,
                                          .short_bytes = (int64_t)12 << 30,
                                          .fresh = true } };
    put_active(place->store, &memory);
    apply(place->store, &frame);
    open_again(place);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(cleanup_free) char *text = NULL;
    struct job_view view;
    struct frame_row row;
    assert_int_equal(store_load(place->store, queue, &text), 0);
    assert_int_equal(queue_job(queue, (struct queue_now){ 1, 1 }, 1, &view), QUEUE_OK);
    assert_memory_equal(&view.row->memory, &memory, sizeof memory);
    assert_int_equal(queue_frame(queue, 1, 7, &row), QUEUE_OK);
    assert_int_equal(row.short_bytes, (int64_t)12 << 30);
    assert_true(row.fresh);
}

static void a_frame_that_is_done_is_loaded_as_it_was_written(void **state)
{
    struct place *place = *state;
    open_again(place);
    struct change change = { .kind = CHANGE_FRAME_PUT,
                             .as.frame = { .job = 1,
                                           .frame = 7,
                                           .state = FRAME_DONE,
                                           .outcome = OUTCOME_FINISHED,
                                           .again = true,
                                           .attempts = 2,
                                           .losses = 1,
                                           .claim = 31,
                                           .worker = "host/gpu0",
                                           .started_at = 1000,
                                           .finished_at = 1500,
                                           .ms = 450,
                                           .bytes = -1 } };
    put_active(place->store, &(struct job_memory){ 0 });
    apply(place->store, &change);
    open_again(place);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(cleanup_free) char *text = NULL;
    struct frame_row row;
    assert_int_equal(store_load(place->store, queue, &text), 0);
    assert_int_equal(queue_frame(queue, 1, 7, &row), QUEUE_OK);
    assert_string_equal(row.worker, "host/gpu0");
    assert_int_equal(row.state, FRAME_DONE);
    assert_int_equal(row.outcome, OUTCOME_FINISHED);
    assert_true(row.again);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(row.losses, 1);
    assert_int_equal(row.claim, 31);
    assert_int_equal(row.started_at, 1000);
    assert_int_equal(row.finished_at, 1500);
    assert_int_equal(row.ms, 450);
    assert_int_equal(row.bytes, -1);
}

static void a_frame_that_cannot_be_is_named(void **state)
{
    struct place *place = *state;
    open_again(place);
    struct change change = { .kind = CHANGE_FRAME_PUT,
                             .as.frame = { .job = 1, .frame = 10, .state = FRAME_DONE } };
    put_active(place->store, &(struct job_memory){ 0 });
    apply(place->store, &change);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(cleanup_free) char *text = NULL;
    assert_int_equal(store_load(place->store, queue, &text), STORE_REFUSED);
    assert_non_null(strstr(text, "job 1 frame 10: a frame of no job, outside its frames"));
    assert_int_equal(store_refused(place->store).frame, 10);
}

static void a_proof_stays_until_the_frame_is_not_done_any_more(void **state)
{
    struct place *place = *state;
    open_again(place);
    CLEANUP(cleanup_json) json_t *proof = json_pack("[{s:s}]", "path", "/r/a.png");
    put_frame(place->store, FRAME_DONE, proof);
    put_frame(place->store, FRAME_DONE, NULL);
    open_again(place);
    CLEANUP(cleanup_json) json_t *read = NULL;
    assert_int_equal(store_proof(place->store, 1, 7, &read), 0);
    assert_true(json_equal(read, proof));

    json_t *none = NULL;
    put_frame(place->store, FRAME_WAITING, NULL);
    assert_int_equal(store_proof(place->store, 1, 7, &none), STORE_NONE);
    assert_int_equal(store_proof(place->store, 1, 8, &none), STORE_NONE);
}

struct seen {
    int64_t ids[8];
    int32_t frames[8];
    size_t count;
};

static bool see(void *arg, const struct store_event *event)
{
    struct seen *seen = arg;
    seen->ids[seen->count] = event->id;
    seen->frames[seen->count++] = event->frame;
    return true;
}

static struct seen events_of(store_t *store, struct store_filter filter)
{
    struct seen seen = { 0 };
    filter.limit = filter.limit ? filter.limit : 8;
    assert_int_equal(store_events(store, &filter, see, &seen), 0);
    return seen;
}

static void events_are_numbered_and_found_by_job_and_frame(void **state)
{
    struct place *place = *state;
    open_again(place);
    struct change changes[4];
    for (int i = 0; i < 4; i++) {
        changes[i] = (struct change){ .kind = CHANGE_EVENT,
                                      .as.event = { .word = EVENT_FRAME_DONE,
                                                    .at = 1000 + i,
                                                    .job = 1 + i / 2,
                                                    .frame = i % 2 ? i : EVENT_NO_FRAME } };
    }
    assert_int_equal(store_apply(place->store, changes, 4, NULL, 0), 0);
    assert_int_equal(store_last_event(place->store), 4);
    open_again(place);
    assert_int_equal(store_last_event(place->store), 4);

    struct seen all = events_of(place->store, (struct store_filter){ 0 });
    assert_int_equal(all.count, 4);
    assert_int_equal(all.frames[0], EVENT_NO_FRAME);
    assert_int_equal(events_of(place->store, (struct store_filter){ .after = 3 }).ids[0], 4);
    assert_int_equal(events_of(place->store, (struct store_filter){ .limit = 2 }).count, 2);
    assert_int_equal(events_of(place->store, (struct store_filter){ .job = 2 }).ids[0], 3);
    struct store_filter frame = { .job = 2, .one_frame = true, .frame = 3 };
    assert_int_equal(events_of(place->store, frame).count, 1);
}

static void answered_requests_are_found_again(void **state)
{
    struct place *place = *state;
    open_again(place);
    CLEANUP(cleanup_json) json_t *body = json_pack("{s:i}", "job", 12);
    struct store_request request = { .key = "k", .hash = "h", .answer = body, .at_ms = 5 };
    assert_int_equal(store_apply(place->store, NULL, 0, &request, 1), 0);
    open_again(place);
    CLEANUP(cleanup_free) char *hash = NULL;
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(store_request(place->store, "k", &hash, &answer), 0);
    assert_string_equal(hash, "h");
    assert_true(json_equal(answer, body));
    assert_int_equal(store_request(place->store, "other", &hash, &answer), STORE_NONE);

    bool more = true;
    assert_int_equal(store_prune(place->store, 6, 0, &more), 0);
    assert_false(more);
    char *no_hash = NULL;
    json_t *no_answer = NULL;
    assert_int_equal(store_request(place->store, "k", &no_hash, &no_answer), STORE_NONE);
}

static void old_events_are_forgotten_a_piece_at_a_time(void **state)
{
    struct place *place = *state;
    open_again(place);
    enum { OLD = STORE_PRUNE_ROWS + 10, ALL = OLD + 5 };
    struct change *changes = alloc_zero(ALL, sizeof *changes);
    for (int i = 0; i < ALL; i++) {
        changes[i].kind = CHANGE_EVENT;
        changes[i].as.event = (struct change_event){ .word = EVENT_JOB_ADDED,
                                                     .at = i < OLD ? 1 : 100,
                                                     .frame = EVENT_NO_FRAME };
    }
    assert_int_equal(store_apply(place->store, changes, ALL, NULL, 0), 0);
    free(changes);
    bool more = false;
    assert_int_equal(store_prune(place->store, 0, 50, &more), 0);
    assert_true(more);
    assert_int_equal(store_prune(place->store, 0, 50, &more), 0);
    assert_false(more);
    int64_t left = 0;
    assert_int_equal(store_count(place->store, "event", &left), 0);
    assert_int_equal(left, 5);
}

static void pictures_of_formats_without_a_stamp_are_remembered(void **state)
{
    struct place *place = *state;
    open_again(place);
    CLEANUP(cleanup_json) json_t *shot = spec();
    CLEANUP(cleanup_json) json_t *found = json_pack("{s:s, s:b}", "digest", "abc", "stamped", 0);
    struct change job = { .kind = CHANGE_JOB_PUT,
                          .as.job = { .job = 1,
                                      .spec = shot,
                                      .found = found,
                                      .claim_kind = CLAIM_INSPECT,
                                      .claim_outcome = OUTCOME_INSPECTED,
                                      .bound_blender = 304 } };
    apply(place->store, &job);
    CLEANUP(cleanup_json)
    json_t *proof = json_pack("[{s:s, s:i, s:I, s:i}]", "path", "/r/a.bmp", "bytes", 10, "mtime_ns",
                              (json_int_t)1700000000000000001, "inode", 3);
    put_frame(place->store, FRAME_DONE, proof);
    CLEANUP(cleanup_json) json_t *picture = NULL;
    assert_int_equal(store_picture(place->store, "/r/a.bmp", &picture), 0);
    assert_string_equal(json_string_value(json_object_get(picture, "digest")), "dblend:abc:3.4");
    assert_true(json_integer_value(json_object_get(picture, "mtime_ns")) == 1700000000000000001);

    json_object_set_new(found, "stamped", json_true());
    apply(place->store, &job);
    json_object_set_new(json_array_get(proof, 0), "path", json_string("/r/b.png"));
    put_frame(place->store, FRAME_DONE, proof);
    json_t *none = NULL;
    assert_int_equal(store_picture(place->store, "/r/b.png", &none), STORE_NONE);
}

static void a_newer_ledger_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;
    open_again(place);
    store_close(&place->store);
    run_sql(place, "PRAGMA user_version = 99; CREATE TABLE of_that_version(id)");
    refused_with(place, STORE_REFUSED, "newer dblend");
    run_sql(place, "DROP TABLE of_that_version");
}

/* A counter rises many times in a turn; what counts is where it stands at the end. */
static void the_last_value_of_a_counter_is_the_one(void **state)
{
    struct place *place = *state;
    struct change changes[3] = {
        { .kind = CHANGE_META, .as.meta = { "claim", 5 } },
        { .kind = CHANGE_META, .as.meta = { "job", 2 } },
        { .kind = CHANGE_META, .as.meta = { "claim", 9 } },
    };
    open_again(place);
    assert_int_equal(store_apply(place->store, changes, 3, NULL, 0), 0);
    store_close(&place->store);
    run_sql(place,
            "CREATE TEMP TABLE wrong(x CHECK(x));"
            "INSERT INTO wrong SELECT value = 9 FROM meta WHERE key = 'claim';"
            "INSERT INTO wrong SELECT value = 2 FROM meta WHERE key = 'job'");
}

/* A row that cannot be takes its whole turn along, and leaves no transaction open. */
static void a_refused_row_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct change changes[2] = {
        { .kind = CHANGE_EVENT, .as.event = { .word = EVENT_JOB_ADDED, .frame = EVENT_NO_FRAME } },
        { .kind = CHANGE_JOB_PUT, .as.job = { .job = 1 } }, /* without a spec */
    };
    open_again(place);
    assert_true(store_apply(place->store, changes, 2, NULL, 0) < 0);
    assert_int_equal(store_last_event(place->store), 0);
    apply(place->store, &changes[0]);
    open_again(place);
    assert_int_equal(store_last_event(place->store), 1);
    assert_int_equal(rows_of(place->store, "job"), 0);
}

/* As version 1 left it: brought up to date by serving, and only by that. */
static void an_older_ledger_is_brought_up_to_date(void **state)
{
    struct place *place = *state;
    CLEANUP(cleanup_free) char *text = NULL;
    open_again(place);
    put_frame(place->store, FRAME_WAITING, NULL);
    store_close(&place->store);
    run_sql(place, "DROP TABLE worker; PRAGMA user_version = 1");
    assert_int_equal(store_open(place->ledger, STORE_LOOK, &place->store, &text), STORE_REFUSED);
    assert_non_null(strstr(text, "older dblend"));
    open_again(place);
    assert_int_equal(rows_of(place->store, "frame"), 1);
    struct change change = { .kind = CHANGE_WORKER_PUT, .as.worker.id = "w" };
    apply(place->store, &change);
    open_again(place);
    int64_t workers = 0;
    assert_int_equal(store_count(place->store, "worker", &workers), 0);
    assert_int_equal(workers, 1);
    change.kind = CHANGE_WORKER_DELETE;
    apply(place->store, &change);
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
    open_again(place);
    put_frame(place->store, FRAME_WAITING, NULL);
    store_close(&place->store);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CLEANUP(cleanup_free)
        char *text = alloc_format("PRAGMA ignore_check_constraints = ON; %s", odd[i]);
        run_sql(place, text);
        refused_with(place, STORE_REFUSED, "CHECK constraint failed in frame");
        assert_int_equal(faults_of(place), 1);
        run_sql(place,
                "PRAGMA ignore_check_constraints = ON;"
                "UPDATE frame SET state = 'waiting', outcome = 'none', proof = NULL,"
                " error = NULL");
        open_again(place);
        store_close(&place->store);
    }
}

static void another_database_is_refused(void **state)
{
    struct place *place = *state;
    run_sql(place, "CREATE TABLE recipe(name TEXT)");
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
    open_again(place);
    struct change change = { .kind = CHANGE_EVENT,
                             .as.event = { .word = EVENT_JOB_ADDED, .frame = EVENT_NO_FRAME } };
    for (int i = 0; i < 500; i++) {
        apply(place->store, &change);
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
        open_again(place);
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
    open_again(place); /* kill -9 frees it at once */
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

/* A limit on the size of files stands for a full disk: writes fail, all of them, until it goes. */
static void a_failed_transaction_leaves_nothing_and_may_be_repeated(void **state)
{
    struct place *place = *state;
    open_again(place);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit tight = { .rlim_cur = 1, .rlim_max = old.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct change change = { .kind = CHANGE_EVENT,
                             .as.event = { .word = EVENT_JOB_ADDED, .frame = EVENT_NO_FRAME } };

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int rc = store_apply(place->store, &change, 1, NULL, 0);
    int again = store_apply(place->store, &change, 1, NULL, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_true(rc < 0);
    assert_true(again < 0);

    assert_int_equal(store_last_event(place->store), 0);
    apply(place->store, &change);
    open_again(place);
    assert_int_equal(store_last_event(place->store), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_farm_id_is_made_once_and_the_file_is_private),
        TEST(every_word_of_a_life_cycle_can_be_written),
        TEST(memory_is_kept_of_job_and_frame),
        TEST(a_frame_that_is_done_is_loaded_as_it_was_written),
        TEST(a_frame_that_cannot_be_is_named),
        TEST(a_proof_stays_until_the_frame_is_not_done_any_more),
        TEST(events_are_numbered_and_found_by_job_and_frame),
        TEST(answered_requests_are_found_again),
        TEST(old_events_are_forgotten_a_piece_at_a_time),
        TEST(pictures_of_formats_without_a_stamp_are_remembered),
        TEST(a_newer_ledger_is_refused_and_left_alone),
        TEST(the_last_value_of_a_counter_is_the_one),
        TEST(a_refused_row_leaves_nothing),
        TEST(an_older_ledger_is_brought_up_to_date),
        TEST(a_row_that_the_schema_forbids_is_damage),
        TEST(another_database_is_refused),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_damaged_ledger_is_refused),
        TEST(a_ledger_that_another_process_has_is_refused),
        TEST(looking_makes_no_ledger),
        TEST(a_failed_transaction_leaves_nothing_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
