#ifndef TESTS_SIM_PICTURE_H
#define TESTS_SIM_PICTURE_H

/*
 * picture - the output folder: what lies under the names of the frames of each .blend file
 *
 * As far as the broker's promises need it: whose temporary file there is (the fencing of DESIGN.md,
 * Publish), whether the picture is whole, and files that somebody else writes. Some frames are
 * poisoned: whoever renders them fails, or dies of it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { PICTURE_FILES = 3 };

enum picture_look { LOOK_RENDER, LOOK_KEPT, LOOK_TAKEN };
enum picture_poison { POISON_NONE, POISON_ERROR, POISON_KILLS };

void picture_open(void);

/* A look before rendering; on LOOK_TAKEN *sighting is what was seen. */
enum picture_look picture_look(int file, int32_t frame, bool again, int64_t *sighting);

/* false: a higher claim is there. */
bool picture_take(int file, int32_t frame, int64_t claim);

/* false: fenced, nothing was published. */
bool picture_publish(int file, int32_t frame, int64_t claim);
void picture_give_up(int file, int32_t frame, int64_t claim);

/* A last look at what was published. false: it is not there, or not whole. */
bool picture_look_again(int64_t job, int file, int32_t frame);

/* Somebody deletes or truncates a picture. */
void picture_damage(void);

/* Is it whole, or was it harmed only after that job had looked at it? */
bool picture_is_promised(int64_t job, int file, int32_t frame);
enum picture_poison picture_poison(int file, int32_t frame);

/* Why every frame of the file fails; NULL: they do not. */
const char *picture_trouble(int file);

/* What an inspection finds of the file; shared, a new reference. other: of the file as saved since.
 */
json_t *picture_found(int file, bool other);
const char *picture_file(int file);
int picture_file_of(const char *path);

/* How often a frame was rendered that was whole already. */
extern int64_t picture_twice;
extern int64_t picture_published;

#endif
