#include "worker/reports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/messages.h"
#include "worker/output.h"

struct report {
    json_t *body;
    char *log; /* NULL: none */
    size_t log_size;
    struct report *next;
};

struct reports {
    struct report *first;
};

reports_t *reports_new(void)
{
    return alloc_zero(1, sizeof(reports_t));
}

static void remove_at(struct report **at)
{
    struct report *gone = *at;
    *at = gone->next;
    json_decref(gone->body);
    free(gone->log);
    free(gone);
}

void reports_destroy(reports_t **self_p)
{
    if (*self_p) {
        while ((*self_p)->first) {
            remove_at(&(*self_p)->first);
        }
        free(*self_p);
        *self_p = NULL;
    }
}

json_t *report_new(int64_t claim, const char *what)
{
    return json_pack("{s:I, s:s}", "claim", (json_int_t)claim, "what", what);
}

static json_t *clean_text(const char *text)
{
    char copy[REPORTS_TEXT_BYTES + 1];
    size_t size = strnlen(text ? text : "", REPORTS_TEXT_BYTES);
    if (size > 0) {
        memcpy(copy, text, size);
    }
    bool cut = size == REPORTS_TEXT_BYTES;
    while (cut && size > 0 && ((unsigned char)copy[size - 1] & 0xC0) == 0x80) {
        size--; /* do not cut through a character */
    }
    size = output_clean(copy, size);
    return json_stringn(copy, size);
}

json_t *report_error(int64_t claim, const char *code, const char *text, const char *hint,
                     bool fatal)
{
    json_t *self = report_new(claim, "error");
    json_object_set_new(self, "code", json_string(code));
    json_object_set_new(self, "text", clean_text(text));
    json_object_set_new(self, "hint", clean_text(hint));
    json_object_set_new(self, "fatal", json_boolean(fatal));
    return self;
}

/* Would a message with this report pass the broker's checks? A message that does not is never
 * answered, and it would be sent for ever. */
static bool fits(json_t *report, struct message_fault *fault)
{
    struct wire_limits limits = wire_worker_limits;
    CLEANUP(cleanup_json)
    json_t *body = json_pack("{s:i, s:s, s:i, s:i, s:i, s:[], s:[O], s:i, s:s}", "v", 1, "t",
                             "SYNC", "session", 1, "seq", 1, "seen", 0, "holding", "reports",
                             report, "want", 0, "state", "idle");
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    limits.body_bytes = REPORTS_BYTES;
    *fault = (struct message_fault){ .text = "it is larger than a message" };
    return body && message_check(MESSAGE_FROM_WORKER, body, fault) == MESSAGE_OK &&
           wire_encode(body, &data, &size) == 0 && wire_check(data, size, &limits) == WIRE_OK;
}

static void replace_unfit(json_t **report_p)
{
    struct message_fault fault;
    char text[256];
    if (!fits(*report_p, &fault)) {
        int64_t claim = json_integer_value(json_object_get(*report_p, "claim"));
        (void)snprintf(text, sizeof text, "what it came to cannot be told: %s", fault.text);
        json_decref(*report_p);
        *report_p = report_error(claim, "script-error", text, "", false);
    }
}

void reports_add(reports_t *self, json_t **report_p, char **log_p, size_t log_size)
{
    struct report *new = alloc_zero(1, sizeof *new);
    replace_unfit(report_p);
    new->body = *report_p;
    new->log = *log_p;
    new->log_size = log_size;
    *report_p = NULL;
    *log_p = NULL;
    struct report **at = &self->first;
    while (*at) {
        at = &(*at)->next;
    }
    *at = new;
}

static int64_t claim_of(const struct report *report)
{
    return json_integer_value(json_object_get(report->body, "claim"));
}

static const char *what_of(const struct report *report)
{
    return json_string_value(json_object_get(report->body, "what"));
}

bool reports_settle(reports_t *self, int64_t claim, const char *what)
{
    for (struct report **at = &self->first; *at; at = &(*at)->next) {
        if (claim_of(*at) == claim && strcmp(what_of(*at), what) == 0) {
            remove_at(at);
            return true;
        }
    }
    return false;
}

void reports_forget(reports_t *self, int64_t claim)
{
    struct report **at = &self->first;
    while (*at) {
        if (claim_of(*at) == claim) {
            remove_at(at);
        } else {
            at = &(*at)->next;
        }
    }
}

bool reports_ended(const reports_t *self, int64_t claim)
{
    for (const struct report *at = self->first; at; at = at->next) {
        if (claim_of(at) == claim && strcmp(what_of(at), "started") != 0) {
            return true;
        }
    }
    return false;
}

size_t reports_count(const reports_t *self)
{
    size_t count = 0;
    for (const struct report *at = self->first; at; at = at->next) {
        count++;
    }
    return count;
}

json_t *reports_message(const reports_t *self, struct reports_log logs[REPORTS_LOGS_A_MESSAGE],
                        size_t *log_count)
{
    json_t *out = json_array();
    *log_count = 0;
    for (const struct report *at = self->first; at; at = at->next) {
        if (json_array_size(out) == REPORTS_A_MESSAGE) {
            break;
        }
        json_t *body = json_copy(at->body);
        /* A fifth log is lost rather than the report delayed: what a claim came to must be said. */
        if (at->log && *log_count < REPORTS_LOGS_A_MESSAGE) {
            json_object_set_new(body, "log", json_true());
            logs[*log_count] = (struct reports_log){ at->log, at->log_size };
            (*log_count)++;
        }
        json_array_append_new(out, body);
    }
    return out;
}
