#include "broker/sweep_talk.h"

#include "proto/cleanup.h"
#include "proto/frame_name.h"
#include "proto/messages.h"

/*
 * Where the ledger has no proof, or fails to give it: the names alone. Nothing equals their stats,
 * so that the pictures are decoded.
 */
static json_t *files_by_name(const json_t *found, int32_t frame)
{
    json_t *files = json_array();
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(msg_array_or_null(found, "outputs"), index, item)
    {
        struct frame_name pattern = {
            .head = msg_str_or(item, "head", ""),
            .digits = (int)msg_int_or(item, "digits", 0),
            .tail = msg_str_or(item, "tail", ""),
        };
        CLEANUP(cleanup_free) char *path = frame_name(&pattern, frame);
        json_t *file = json_object();
        msg_set_str(file, "path", path);
        msg_set_int(file, "bytes", 0);
        msg_set_int(file, "width", msg_int_or(found, "width", 0));
        msg_set_int(file, "height", msg_int_or(found, "height", 0));
        msg_set_str(file, "view", msg_str_or(item, "view", ""));
        msg_set_int(file, "mtime_ns", 0);
        msg_set_int(file, "inode", 0);
        json_array_append_new(files, file);
    }
    return files;
}

static json_t *look_at(const struct queue_sweep *sweep, int64_t job, const json_t *found,
                       store_t *store)
{
    json_t *look = json_array();
    for (size_t i = 0; i < sweep->frame_count; i++) {
        json_t *files = NULL;
        if (store_proof(store, job, sweep->frames[i], &files) != 0 || json_array_size(files) == 0) {
            json_decref(files);
            files = files_by_name(found, sweep->frames[i]);
        }
        json_t *item = json_object();
        msg_set_int(item, "frame", sweep->frames[i]);
        msg_set(item, "files", files);
        json_array_append_new(look, item);
    }
    return look;
}

void sweep_talk_grant(json_t *grant, int64_t claim, queue_t *queue, store_t *store)
{
    struct queue_sweep sweep;
    if (queue_sweep(queue, claim, &sweep) != QUEUE_OK) {
        return;
    }
    json_t *live = json_array();
    for (size_t i = 0; i < sweep.live_count; i++) {
        json_array_append_new(live, json_integer(sweep.live[i]));
    }
    msg_set(grant, "live", live);
    msg_set(grant, "look",
            look_at(&sweep, msg_int_or(grant, "job", 0),
                    msg_map_or_null(msg_map_or_null(grant, "about"), "found"), store));
    msg_set_bool(grant, "ends", sweep.ends);
}

void sweep_talk_report(const json_t *item, struct queue_report *out)
{
    json_t *wrong = json_object_get(item, "wrong");
    const json_t *last = json_object_get(item, "last");
    out->wrong = json_is_array(wrong) ? wrong : NULL;
    out->partly = json_is_integer(last);
    out->last = (int32_t)msg_int_or(item, "last", 0);
}
