#include "tests/sim/picture.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

struct picture {
    bool whole;
    int64_t temporary;                /* claim whose temporary file is there; 0: none */
    int64_t taken_until_ms;           /* somebody else writes it until then */
    bool left;                        /* and leaves it as it is */
    int64_t looked_step[ORACLE_JOBS]; /* the last look of that job at it; a step of the world */
    int64_t damaged_step;
    enum picture_poison poison;
};

struct shape {
    int32_t start, end;
    bool ordered;
};

int64_t picture_twice;
int64_t picture_published;

static const char *const files[PICTURE_FILES] = { "/files/a.blend", "/files/b.blend",
                                                  "/files/c.blend" };
static struct picture pictures[PICTURE_FILES][ORACLE_FRAMES];
static struct shape shapes[PICTURE_FILES][2];
static const char *troubles[PICTURE_FILES];

void picture_open(void)
{
    memset(pictures, 0, sizeof pictures);
    for (int file = 0; file < PICTURE_FILES; file++) {
        int32_t start = 1 + (int32_t)world_below(5);
        int32_t count = 1 + (int32_t)world_below(world_chance(100) ? 40 : 9);
        bool ordered = world_chance(120);
        troubles[file] = world.faults.err > 0 && world_chance(60) ? "no-camera" : NULL;
        shapes[file][0] = (struct shape){ start, start + count - 1, ordered };
        shapes[file][1] = (struct shape){ start + (int32_t)world_below(2), start + count, ordered };
        for (int frame = 0; frame < ORACLE_FRAMES; frame++) {
            struct picture *picture = &pictures[file][frame];
            if (world_chance(world.faults.err) && world_chance(300)) {
                picture->poison = world_chance(300) ? POISON_KILLS : POISON_ERROR;
            }
            if (world_chance(40)) {
                picture->whole = world_chance(300);
                picture->left = world_chance(300);
                picture->taken_until_ms = world.now_ms + world_below(20000);
            }
        }
    }
}

enum picture_look picture_look(int file, int32_t frame, bool again, int64_t *sighting)
{
    const struct picture *picture = &pictures[file][frame];
    if (picture->whole) {
        return again ? LOOK_RENDER : LOOK_KEPT;
    }
    if (picture->taken_until_ms > world.now_ms || (picture->left && picture->taken_until_ms > 0)) {
        *sighting = picture->left ? 1 : world.now_ms / 4000;
        return LOOK_TAKEN;
    }
    return LOOK_RENDER;
}

bool picture_take(int file, int32_t frame, int64_t claim)
{
    struct picture *picture = &pictures[file][frame];
    if (picture->temporary > claim) {
        return false;
    }
    picture->temporary = claim;
    picture->left = false; /* abandoned, or we would not be here */
    return true;
}

bool picture_publish(int file, int32_t frame, int64_t claim)
{
    struct picture *picture = &pictures[file][frame];
    if (picture->temporary != claim) {
        return false;
    }
    picture_published++;
    picture_twice += picture->whole;
    picture->temporary = 0;
    picture->whole = true;
    return true;
}

void picture_give_up(int file, int32_t frame, int64_t claim)
{
    struct picture *picture = &pictures[file][frame];
    if (picture->temporary == claim) {
        picture->temporary = 0;
    }
}

bool picture_look_again(int64_t job, int file, int32_t frame)
{
    pictures[file][frame].looked_step[job % ORACLE_JOBS] = world.steps;
    return pictures[file][frame].whole;
}

static void harm(int file, int frame)
{
    TRACE("the picture of %s frame %d is harmed", files[file], frame);
    pictures[file][frame].whole = false;
    pictures[file][frame].damaged_step = world.steps;
}

void picture_damage(void)
{
    int file = (int)world_below(PICTURE_FILES);
    for (int frame = 0; frame < ORACLE_FRAMES; frame++) {
        if (pictures[file][frame].whole && world_chance(300)) {
            harm(file, frame);
        }
    }
}

bool picture_is_promised(int64_t job, int file, int32_t frame)
{
    const struct picture *picture = &pictures[file][frame];
    int64_t looked_step = picture->looked_step[job % ORACLE_JOBS];
    return picture->whole || (looked_step > 0 && picture->damaged_step >= looked_step);
}

const char *picture_trouble(int file)
{
    return troubles[file];
}

enum picture_poison picture_poison(int file, int32_t frame)
{
    return pictures[file][frame].poison;
}

const char *picture_file(int file)
{
    return files[file];
}

int picture_file_of(const char *path)
{
    return path[7] - 'a';
}

json_t *picture_found(int file, bool other)
{
    const struct shape *shape = &shapes[file][other];
    char head[32];
    (void)snprintf(head, sizeof head, "/out/%c_", 'a' + file);
    return json_pack(
        "{s:s, s:[s], s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:s, s:s, s:s, s:[{s:s, s:s, s:i, s:s}],"
        " s:b, s:s, s:s, s:i, s:b, s:b, s:b}",
        "scene", "Scene", "scenes", "Scene", "frame_start", (int)shape->start, "frame_end",
        (int)shape->end, "frame_step", 1, "frame_current", (int)shape->start, "fps", "24", "width",
        64, "height", 64, "engine", "CYCLES", "format", "PNG", "camera", "Camera", "outputs",
        "view", "", "head", head, "digits", 4, "tail", ".png", "stamped", file != 2, "digest",
        "0123456789abcdef0123456789abcdef", "blender", "3.4.1", "file_version", 304, "ordered",
        shape->ordered, "denoise", 0, "engine_cpu_only", 0);
}
