#ifndef WORKER_REPORTS_H
#define WORKER_REPORTS_H

/*
 * reports - what happened and is not settled yet, oldest first
 *
 * A report goes into every message to the broker until an answer settles it. A report may own the
 * text of Blender's output; it travels as a further frame of the message, at most four a message.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REPORTS_A_MESSAGE = 8,
    REPORTS_LOGS_A_MESSAGE = 4,
    REPORTS_BYTES = 100000,    /* of one on the wire; a message takes 131,072 */
    REPORTS_TEXT_BYTES = 3000, /* of one text in a report; the wire takes 4,096 */
};

typedef struct reports reports_t;

/* A log that goes with a message; borrowed until the next call that changes the reports. */
struct reports_log {
    const char *text;
    size_t size;
};

reports_t *reports_new(void);
void reports_destroy(reports_t **self_p);

/* A report of that kind about that claim, to be filled with further keys. The caller owns it. */
json_t *report_new(int64_t claim, const char *what);

/* The same for an error; text and hint are cut and cleaned. NULL stands for "". */
json_t *report_error(int64_t claim, const char *code, const char *text, const char *hint,
                     bool fatal);

/* Take over *report_p and *log_p (NULL: none); both are set to NULL. A report that the broker
 * would not take (too large, not as PROTOCOL.md has it) becomes an error that says so. */
void reports_add(reports_t *self, json_t **report_p, char **log_p, size_t log_size);

/* An answer settled it. False when there is no such report. */
bool reports_settle(reports_t *self, int64_t claim, const char *what);

/* Forget all about a claim: it is not ours. */
void reports_forget(reports_t *self, int64_t claim);

/* Is a report under way that ends the claim? */
bool reports_ended(const reports_t *self, int64_t claim);

size_t reports_count(const reports_t *self);

/* The oldest reports as an array for a message (the caller owns it), and the logs that go with it.
 * Reports beyond the limit stay for the next message; a log beyond its limit is not sent. */
json_t *reports_message(const reports_t *self, struct reports_log logs[REPORTS_LOGS_A_MESSAGE],
                        size_t *log_count);

#endif
