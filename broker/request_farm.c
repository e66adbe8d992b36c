#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "broker/objects.h"
#include "broker/presence.h"
#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

json_t *request_hello(const struct request *request)
{
    const struct broker *broker = request->broker;
    struct queue_stats stats;
    queue_stats(broker->queue, &stats);
    json_t *answer = requests_ok();
    msg_set_str(answer, "farm", store_farm(broker->store));
    msg_set_str(answer, "version", DBLEND_VERSION);
    msg_set_int(answer, "pid", getpid());
    msg_set_int(answer, "started_at", broker->started_at);
    msg_set_str(answer, "home", broker->home);
    msg_set_bool(answer, "idle_exit", broker->idle_exit);
    msg_set_int(answer, "inspectors", stats.inspectors);
    msg_set_int(answer, "workers", stats.workers);
    msg_set_int(answer, "attendants", (int64_t)attend_count(broker->attend));
    msg_set_int(answer, "jobs", stats.jobs);
    msg_set_int(answer, "work", stats.work);
    msg_set_int(answer, "last_job", stats.last_job);
    msg_set_bool(answer, "paused", stats.paused);
    json_t *dropped = json_object();
    msg_set_int(dropped, "workers", broker->dropped.workers);
    msg_set_int(dropped, "submitters", broker->dropped.submitters);
    msg_set(answer, "dropped", dropped);
    return answer;
}

static json_t *attend_answer(const struct broker *broker)
{
    int64_t group = queue_group_size(broker->queue);
    json_t *answer = requests_ok();
    msg_set_str(answer, "stop", drain_order_name(broker->stop));
    if (group > 0) {
        msg_set_int(answer, "group", group);
    }
    return answer;
}

static json_t *say_goodbye(struct broker *broker, struct queue_now now, int64_t pid,
                           enum attend_role role)
{
    if (attend_leave(broker->attend, pid, role) && role == ATTEND_FARM) {
        CLEANUP(cleanup_free) char *text = alloc_format("process %" PRId64, pid);
        queue_event(broker->queue, now, EVENT_FARM_STOPPED, text);
    }
    return attend_answer(broker);
}

json_t *request_attend(const struct request *request)
{
    struct broker *broker = request->broker;
    bool is_farm = strcmp(msg_str_or(request->body, "role", ""), "farm") == 0;
    enum attend_role role = is_farm ? ATTEND_FARM : ATTEND_RENDER;
    int64_t pid = msg_int_or(request->body, "pid", 0);
    if (msg_bool_or(request->body, "leave", false)) {
        return say_goodbye(broker, request->now, pid, role);
    }
    if (attend_seen(broker->attend, request->now.ms, pid, role) && role == ATTEND_FARM) {
        CLEANUP(cleanup_free) char *text = alloc_format("process %" PRId64, pid);
        queue_event(broker->queue, request->now, EVENT_FARM_STARTED, text);
    }
    if (!msg_bool_or(request->body, "groups", true)) {
        queue_group_refused(broker->queue, request->now);
    }
    const char *notice = msg_str_or(request->body, "notice", NULL);
    if (notice) {
        queue_event(broker->queue, request->now, EVENT_FARM_NOTICE, notice);
        return attend_answer(broker);
    }
    if (broker->stop == DRAIN_NONE && queue_group_size(broker->queue) == 0 && !request->last) {
        return NULL;
    }
    return attend_answer(broker);
}

static void add_worker(void *arg, const struct worker_view *view)
{
    json_t *workers = arg;
    json_array_append_new(workers, objects_worker(view));
}

json_t *request_workers(const struct request *request)
{
    json_t *workers = json_array();
    queue_workers(request->broker->queue, request->now, add_worker, workers);
    json_t *answer = requests_ok();
    msg_set(answer, "workers", workers);
    return answer;
}

/* What came of it for one worker; there: it is a live one. */
static json_t *worker_result(const char *worker, bool there)
{
    json_t *result = json_object();
    msg_set_str(result, "worker", worker);
    msg_set_bool(result, "ok", there);
    if (!there) {
        CLEANUP(cleanup_free) char *text = alloc_format("%s: no live worker of this name", worker);
        msg_set(result, "error",
                msg_error("no-such-worker", text, "dblend workers lists their names"));
    }
    return result;
}

json_t *request_drain(const struct request *request)
{
    const char *worker = msg_str_or(request->body, "worker", "");
    int rc = queue_drain(request->broker->queue, request->now, worker);
    json_t *answer = requests_ok();
    msg_set(answer, "results", json_pack("[o]", worker_result(worker, rc != QUEUE_NO_WORKER)));
    return answer;
}

json_t *request_rest(const struct request *request)
{
    bool at_once = msg_bool_or(request->body, "now", false);
    enum drain_order rest = !msg_bool_or(request->body, "rest", false) ? DRAIN_NONE
                            : at_once                                  ? DRAIN_NOW
                                                                       : DRAIN_SOFT;
    json_t *results = json_array();
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(msg_array_or_null(request->body, "workers"), i, item)
    {
        const char *worker = json_string_value(item);
        int rc = queue_rest(request->broker->queue, request->now, worker, rest);
        json_array_append_new(results, worker_result(worker, rc != QUEUE_NO_WORKER));
    }
    json_t *answer = requests_ok();
    msg_set(answer, "results", results);
    return answer;
}

json_t *request_stop(const struct request *request)
{
    struct broker *broker = request->broker;
    bool now = msg_bool_or(request->body, "now", false);
    struct queue_stats stats;
    queue_stats(broker->queue, &stats);
    presence_stop(broker, request->now, now ? DRAIN_NOW : DRAIN_SOFT);
    json_t *answer = requests_ok();
    msg_set_int(answer, "workers", stats.workers);
    msg_set_int(answer, "attendants", (int64_t)attend_count(broker->attend));
    return answer;
}
