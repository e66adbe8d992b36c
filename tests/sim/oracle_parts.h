#ifndef TESTS_SIM_ORACLE_PARTS_H
#define TESTS_SIM_ORACLE_PARTS_H

/*
 * oracle_parts - what stands between the broker's modules, and the modules behind it
 *
 * For each name in the list of --wrap (CMakeLists.txt) the product calls __wrap_NAME, and
 * __real_NAME is the product's own.
 */

#include "broker/queue/queue.h"
#include "broker/store.h"

enum { ID_SIZE = 33, NAME_SIZE = 32 };

int __wrap_store_apply(store_t *self, const struct change *changes, size_t change_count,
                       const struct store_request *requests, size_t request_count);
int __real_store_apply(store_t *self, const struct change *changes, size_t change_count,
                       const struct store_request *requests, size_t request_count);
queue_t *__wrap_queue_new(const struct queue_config *config);
queue_t *__real_queue_new(const struct queue_config *config);
void __wrap_queue_destroy(queue_t **self_p);
void __real_queue_destroy(queue_t **self_p);
int __wrap_queue_load_meta(queue_t *self, const char *key, int64_t value);
int __real_queue_load_meta(queue_t *self, const char *key, int64_t value);
int __wrap_queue_load_job(queue_t *self, const struct job_row *row, const char **text);
int __real_queue_load_job(queue_t *self, const struct job_row *row, const char **text);
int __wrap_queue_load_frame(queue_t *self, const struct frame_row *row, const char **text);
int __real_queue_load_frame(queue_t *self, const struct frame_row *row, const char **text);
void __wrap_queue_loaded(queue_t *self, struct queue_now now);
void __real_queue_loaded(queue_t *self, struct queue_now now);

/* What the oracle calls in the place of the product's, see mutation.h. */
int mutation_store_apply(store_t *self, const struct change *changes, size_t change_count,
                         const struct store_request *requests, size_t request_count);
int mutation_load_meta(queue_t *self, const char *key, int64_t value);
int mutation_load_frame(queue_t *self, const struct frame_row *row, const char **text);

/* The queue ends, and with it the names in its changes. */
void mutation_queue_ends(void);

/* A worker says that every frame of the job would fail; what the broker makes of it. */
void oracle_verdict(int64_t job, const char *name, const char *code, bool agreed);
void oracle_forget_verdicts(int64_t job);
void oracle_forget_all_verdicts(void);

/* Nobody rests: a new history, or a new broker. */
void oracle_rest_open(void);
void oracle_rest_forget(void);

/* The broker has heard a worker; or found its connection closed. */
void oracle_heard(const char *worker_id);
void oracle_gone(const char *worker_id);

#endif
