#ifndef SUBMIT_ASK_H
#define SUBMIT_ASK_H

/*
 * ask - putting the questions of a held job to the person at the terminal
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "submit/talk.h"

enum ask_outcome {
    ASK_ANSWERED,
    ASK_LEFT,     /* the person left one unanswered, or a signal ended the wait: it stays held */
    ASK_MOVED_ON, /* meanwhile the job is not held any more */
};

/*
 * Ask the questions (array of {code, text, hint}) of a job one after the other. On ASK_ANSWERED
 * *options is an owned map of the flags that answer all of them, for ACCEPT.
 */
int ask_questions(talk_t *talk, int64_t job, const char *file, const json_t *questions,
                  json_t **options);

/*
 * Tell the questions and the flags that answer them, each on a line of its own, for where nobody
 * can be asked.
 */
void ask_tell(bool json, int64_t job, const char *file, const json_t *questions);

/* Send the answer: CLIENT_OK and the job goes on, or an outcome that has been told. */
int ask_accept(talk_t *talk, int64_t job, json_t *options, bool json);

#endif
