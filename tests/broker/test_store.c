#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "broker/store.h"
#include "place.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

static json_t *spec(void)
{
    return json_pack("{s:s, s:{}}", "file", "/scenes/shot.blend", "options");
}

static void every_word_of_a_life_cycle_can_be_written(void **state)
{
    struct place *place = *state;
    place_open(place);
    CLEANUP(cleanup_json) json_t *shot = spec();
    for (int i = 0; i < JOB_STATES; i++) {
        struct change change = { .kind = CHANGE_JOB_PUT,
                                 .as.job = { .job = i + 1,
                                             .state = (enum job_state)i,
                                             .spec = shot,
                                             .claim_kind = i % 2 ? CLAIM_INSPECT : CLAIM_SWEEP,
                                             .bound_kind = (enum device_kind)(i % 3) } };
        place_apply(place->store, &change);
    }
    int32_t number = 0;
    for (int i = 0; i < FRAME_STATES; i++) {
        for (int k = 0; k < OUTCOME_INSPECTED; k++) {
            struct change change = { .kind = CHANGE_FRAME_PUT,
                                     .as.frame = { .job = 1,
                                                   .frame = number++,
                                                   .state = (enum frame_state)i,
                                                   .outcome = (enum claim_outcome)k } };
            place_apply(place->store, &change);
        }
    }
    assert_int_equal(place_rows(place->store, "job"), JOB_STATES);
    assert_int_equal(place_rows(place->store, "frame"), number);
    struct change gone = { .kind = CHANGE_JOB_DELETE, .as.job_id = 1 };
    place_apply(place->store, &gone);
    assert_int_equal(place_rows(place->store, "frame"), 0);
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
    place_apply(store, &change);
}

/* Into the queue that the store loads; the row as the queue has it. */
static void memory_is_kept_of_job_and_frame(void **state)
{
    struct place *place = *state;
    place_open(place);
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
    place_apply(place->store, &frame);
    place_open(place);
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
    place_open(place);
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
    place_apply(place->store, &change);
    place_open(place);
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
    place_open(place);
    struct change change = { .kind = CHANGE_FRAME_PUT,
                             .as.frame = { .job = 1, .frame = 10, .state = FRAME_DONE } };
    put_active(place->store, &(struct job_memory){ 0 });
    place_apply(place->store, &change);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&(struct queue_config){ .farm = "" });
    CLEANUP(cleanup_free) char *text = NULL;
    assert_int_equal(store_load(place->store, queue, &text), STORE_REFUSED);
    assert_non_null(strstr(text, "job 1 frame 10: a frame of no job, outside its frames"));
    assert_int_equal(store_refused(place->store).frame, 10);
}

static void a_proof_stays_until_the_frame_is_not_done_any_more(void **state)
{
    struct place *place = *state;
    place_open(place);
    CLEANUP(cleanup_json) json_t *proof = json_pack("[{s:s}]", "path", "/r/a.png");
    place_put_frame(place->store, FRAME_DONE, proof);
    place_put_frame(place->store, FRAME_DONE, NULL);
    place_open(place);
    CLEANUP(cleanup_json) json_t *read = NULL;
    assert_int_equal(store_proof(place->store, 1, 7, &read), 0);
    assert_true(json_equal(read, proof));

    json_t *none = NULL;
    place_put_frame(place->store, FRAME_WAITING, NULL);
    assert_int_equal(store_proof(place->store, 1, 7, &none), STORE_NONE);
    assert_int_equal(store_proof(place->store, 1, 8, &none), STORE_NONE);
}

enum { SEEN_MOST = 32 };

struct seen {
    int64_t ids[SEEN_MOST];
    int32_t frames[SEEN_MOST];
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
    filter.limit = filter.limit ? filter.limit : SEEN_MOST;
    assert_int_equal(store_events(store, &filter, see, &seen), 0);
    return seen;
}

static void events_are_numbered_and_found_by_job_and_frame(void **state)
{
    struct place *place = *state;
    place_open(place);
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
    place_open(place);
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

/* Rows go several a statement, and what is left over one by one: none is lost, none moves. */
static void a_turn_of_any_size_is_written_whole(void **state)
{
    enum { MOST = 20 };
    struct place *place = *state;
    int64_t events = 0;
    for (int count = 1; count <= MOST; count++) {
        struct change changes[2 * MOST];
        for (int i = 0; i < count; i++) {
            struct change *pair = changes + (ptrdiff_t)2 * i;
            pair[0] = (struct change){ .kind = CHANGE_FRAME_PUT,
                                       .as.frame = { .job = count,
                                                     .frame = i,
                                                     .state = FRAME_CLAIMED,
                                                     .outcome = OUTCOME_LIVE } };
            pair[1] = (struct change){
                .kind = CHANGE_EVENT,
                .as.event = { .word = EVENT_FRAME_STARTED, .job = count, .frame = i }
            };
        }
        place_open(place);
        assert_int_equal(store_apply(place->store, changes, 2 * (size_t)count, NULL, 0), 0);
        struct seen seen = events_of(place->store, (struct store_filter){ .job = count });
        assert_int_equal(seen.count, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(seen.ids[i], ++events);
            assert_int_equal(seen.frames[i], i);
        }
    }
    assert_int_equal(store_last_event(place->store), events);
    assert_int_equal(place_rows(place->store, "frame"), events);
}

/* Frames that wait for others to go with are written before what comes after them. */
static void a_row_is_as_its_last_change_left_it(void **state)
{
    struct place *place = *state;
    CLEANUP(cleanup_json) json_t *proof = json_pack("[{s:s}]", "path", "/r/a.png");
    CLEANUP(cleanup_json) json_t *shot = spec();
    struct change gone = { .kind = CHANGE_FRAME_DELETE, .as.frame = { .job = 1, .frame = 7 } };
    struct change job_gone = { .kind = CHANGE_JOB_DELETE, .as.job_id = 1 };
    struct change job = { .kind = CHANGE_JOB_PUT, .as.job = { .job = 1, .spec = shot } };
    struct change claimed = { .kind = CHANGE_FRAME_PUT,
                              .as.frame = { .job = 1, .frame = 7, .state = FRAME_CLAIMED } };
    struct change done = { .kind = CHANGE_FRAME_PUT,
                           .as.frame = {
                               .job = 1, .frame = 7, .state = FRAME_DONE, .proof = proof } };
    struct change kept = { .kind = CHANGE_FRAME_PUT,
                           .as.frame = { .job = 1, .frame = 7, .state = FRAME_KEPT } };
    place_open(place);

    struct change ends[] = { job, claimed, done, claimed, done, kept };
    assert_int_equal(store_apply(place->store, ends, 6, NULL, 0), 0);
    CLEANUP(cleanup_json) json_t *read = NULL;
    assert_int_equal(store_proof(place->store, 1, 7, &read), 0);
    assert_true(json_equal(read, proof));

    struct change dies[] = { claimed, gone };
    assert_int_equal(store_apply(place->store, dies, 2, NULL, 0), 0);
    assert_int_equal(place_rows(place->store, "frame"), 0);

    struct change lives[] = { done, gone, claimed, job_gone, claimed };
    assert_int_equal(store_apply(place->store, lives, 5, NULL, 0), 0);
    assert_int_equal(place_rows(place->store, "frame"), 1);
    json_t *none = NULL;
    assert_int_equal(store_proof(place->store, 1, 7, &none), STORE_NONE);
}

static void answered_requests_are_found_again(void **state)
{
    struct place *place = *state;
    place_open(place);
    CLEANUP(cleanup_json) json_t *body = json_pack("{s:i}", "job", 12);
    struct store_request request = { .key = "k", .hash = "h", .answer = body, .at_ms = 5 };
    assert_int_equal(store_apply(place->store, NULL, 0, &request, 1), 0);
    place_open(place);
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
    place_open(place);
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
    place_open(place);
    CLEANUP(cleanup_json) json_t *shot = spec();
    CLEANUP(cleanup_json) json_t *found = json_pack("{s:s, s:b}", "digest", "abc", "stamped", 0);
    struct change job = { .kind = CHANGE_JOB_PUT,
                          .as.job = { .job = 1,
                                      .spec = shot,
                                      .found = found,
                                      .claim_kind = CLAIM_INSPECT,
                                      .claim_outcome = OUTCOME_INSPECTED,
                                      .bound_blender = 304 } };
    place_apply(place->store, &job);
    CLEANUP(cleanup_json)
    json_t *proof = json_pack("[{s:s, s:i, s:I, s:i}]", "path", "/r/a.bmp", "bytes", 10, "mtime_ns",
                              (json_int_t)1700000000000000001, "inode", 3);
    place_put_frame(place->store, FRAME_DONE, proof);
    CLEANUP(cleanup_json) json_t *picture = NULL;
    assert_int_equal(store_picture(place->store, "/r/a.bmp", &picture), 0);
    assert_string_equal(json_string_value(json_object_get(picture, "digest")), "dblend:abc:3.4");
    assert_true(json_integer_value(json_object_get(picture, "mtime_ns")) == 1700000000000000001);

    json_object_set_new(found, "stamped", json_true());
    place_apply(place->store, &job);
    json_object_set_new(json_array_get(proof, 0), "path", json_string("/r/b.png"));
    place_put_frame(place->store, FRAME_DONE, proof);
    json_t *none = NULL;
    assert_int_equal(store_picture(place->store, "/r/b.png", &none), STORE_NONE);
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
    place_open(place);
    assert_int_equal(store_apply(place->store, changes, 3, NULL, 0), 0);
    store_close(&place->store);
    place_sql(place,
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
    place_open(place);
    assert_true(store_apply(place->store, changes, 2, NULL, 0) < 0);
    assert_int_equal(store_last_event(place->store), 0);
    place_apply(place->store, &changes[0]);
    place_open(place);
    assert_int_equal(store_last_event(place->store), 1);
    assert_int_equal(place_rows(place->store, "job"), 0);
}

/* A limit on the size of files stands for a full disk: writes fail, all of them, until it goes. */
static void a_failed_transaction_leaves_nothing_and_may_be_repeated(void **state)
{
    struct place *place = *state;
    place_open(place);
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
    place_apply(place->store, &change);
    place_open(place);
    assert_int_equal(store_last_event(place->store), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_new, place_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_word_of_a_life_cycle_can_be_written),
        TEST(memory_is_kept_of_job_and_frame),
        TEST(a_frame_that_is_done_is_loaded_as_it_was_written),
        TEST(a_frame_that_cannot_be_is_named),
        TEST(a_proof_stays_until_the_frame_is_not_done_any_more),
        TEST(events_are_numbered_and_found_by_job_and_frame),
        TEST(a_turn_of_any_size_is_written_whole),
        TEST(a_row_is_as_its_last_change_left_it),
        TEST(answered_requests_are_found_again),
        TEST(old_events_are_forgotten_a_piece_at_a_time),
        TEST(pictures_of_formats_without_a_stamp_are_remembered),
        TEST(the_last_value_of_a_counter_is_the_one),
        TEST(a_refused_row_leaves_nothing),
        TEST(a_failed_transaction_leaves_nothing_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
