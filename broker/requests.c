#include "broker/requests.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

static const struct request_type types[] = {
    { "HELLO", REQUEST_READ, 0, NULL, request_hello, NULL },
    { "ATTEND", REQUEST_WAIT, 1000, NULL, request_attend, NULL },
    { "SUBMIT", REQUEST_CHANGE, 0, NULL, request_submit, NULL },
    { "LIST", REQUEST_READ, 0, NULL, request_list, request_list_files },
    { "SHOW", REQUEST_READ, 0, NULL, request_show, request_show_files },
    { "FRAMES", REQUEST_READ, 0, NULL, request_frames, NULL },
    { "WORKERS", REQUEST_READ, 0, NULL, request_workers, NULL },
    { "LOG", REQUEST_WAIT, 10000, "wait_ms", request_log, NULL },
    { "OUTPUT", REQUEST_READ, 0, NULL, request_output, NULL },
    { "WAIT", REQUEST_WAIT, 10000, "wait_ms", request_wait, NULL },
    { "PAUSE", REQUEST_CHANGE, 0, NULL, request_pause, NULL },
    { "RESUME", REQUEST_CHANGE, 0, NULL, request_resume, request_resume_files },
    { "CANCEL", REQUEST_CHANGE, 0, NULL, request_cancel, NULL },
    { "REMOVE", REQUEST_CHANGE, 0, NULL, request_remove, NULL },
    { "RETRY", REQUEST_CHANGE, 0, NULL, request_retry, request_retry_files },
    { "VERIFY", REQUEST_CHANGE, 0, NULL, request_verify, request_verify_files },
    { "PRIORITY", REQUEST_CHANGE, 0, NULL, request_priority, NULL },
    { "ACCEPT", REQUEST_CHANGE, 0, NULL, request_accept, NULL },
    { "CLEAR", REQUEST_CHANGE, 0, NULL, request_clear, NULL },
    { "DRAIN", REQUEST_CHANGE, 0, NULL, request_drain, NULL },
    { "REST", REQUEST_CHANGE, 0, NULL, request_rest, NULL },
    { "STOP", REQUEST_CHANGE, 0, NULL, request_stop, NULL },
};

const struct request_type *requests_find(const char *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].type, type) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

int64_t requests_wait_ms(const struct request_type *type, const json_t *body)
{
    int64_t most = type->most_wait_ms;
    int64_t asked = type->wait_key ? msg_int_or(body, type->wait_key, 0) : most;
    if (asked < 0) {
        return 0;
    }
    return asked < most ? asked : most;
}

void requests_hash(const json_t *body, char out[REQUESTS_HASH_SIZE])
{
    CLEANUP(cleanup_free) char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned char hash[32];
    const char *bytes = text ? text : "";
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes, strlen(bytes), NULL,
                             0);
    (void)sodium_bin2hex(out, REQUESTS_HASH_SIZE, hash, sizeof hash);
}

json_t *requests_ok(void)
{
    return msg_new("OK");
}

json_t *requests_error(const char *code, const char *text, const char *hint, int64_t job)
{
    json_t *body = msg_new("ERROR");
    msg_set_str(body, "code", code);
    msg_set_str(body, "text", text);
    msg_set_str(body, "hint", hint ? hint : "");
    if (job) {
        msg_set_int(body, "job", job);
    }
    return body;
}

json_t *requests_fault(int rc)
{
    CLEANUP(cleanup_free)
    char *text = alloc_format("the ledger cannot be read: %s", strerror(-rc));
    return requests_error("ledger", text, "look at the broker's messages", 0);
}
