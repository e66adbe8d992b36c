#include "proto/messages_table.h"

#include "proto/json_wire.h"
#include "proto/ranges.h"

#define TEXT_MAX WIRE_STRING_BYTES
#define CARDS_MAX 1024               /* of one machine */
#define BYTES_MAX ((int64_t)1 << 50) /* of memory */
#define FLAT_MAX ((int64_t)3 * RANGES_MAX)

#define INT(k, lo, hi)                                                                             \
    {                                                                                              \
        .key = (k), .type = FIELD_INT, .min = (lo), .max = (hi)                                    \
    }
#define INT_OPT(k, lo, hi)                                                                         \
    {                                                                                              \
        .key = (k), .type = FIELD_INT, .min = (lo), .max = (hi), .optional = true                  \
    }
#define COUNT(k) INT(k, 0, INT64_MAX)
#define BYTES_OPT(k) INT_OPT(k, 0, BYTES_MAX)
#define ANY_INT(k) INT(k, INT64_MIN, INT64_MAX)
#define ID(k) INT(k, 1, INT64_MAX)
#define ID_OPT(k) INT_OPT(k, 1, INT64_MAX)
#define FRAME(k) INT(k, -RANGES_FRAME_MAX, RANGES_FRAME_MAX)
#define FRAME_OPT(k) INT_OPT(k, -RANGES_FRAME_MAX, RANGES_FRAME_MAX)
#define FIELD(k, t, hi)                                                                            \
    {                                                                                              \
        .key = (k), .type = (t), .max = (hi)                                                       \
    }
#define FIELD_OPT(k, t, hi)                                                                        \
    {                                                                                              \
        .key = (k), .type = (t), .max = (hi), .optional = true                                     \
    }
#define BOOL(k) FIELD(k, FIELD_BOOL, 0)
#define BOOL_OPT(k) FIELD_OPT(k, FIELD_BOOL, 0)
#define STR(k) FIELD(k, FIELD_STR, TEXT_MAX)
#define STR_OPT(k) FIELD_OPT(k, FIELD_STR, TEXT_MAX)
#define PATH(k) FIELD(k, FIELD_PATH, TEXT_MAX)
#define PATH_OPT(k) FIELD_OPT(k, FIELD_PATH, TEXT_MAX)
#define HEX(k, digits) FIELD(k, FIELD_HEX, digits)
#define INTS(k, most) FIELD(k, FIELD_INTS, most)
#define STRS(k, most) FIELD(k, FIELD_STRS, most)
#define STRS_OPT(k, most) FIELD_OPT(k, FIELD_STRS, most)
#define WORD(k, w)                                                                                 \
    {                                                                                              \
        .key = (k), .type = FIELD_WORD, .words = (w)                                               \
    }
#define WORD_OPT(k, w)                                                                             \
    {                                                                                              \
        .key = (k), .type = FIELD_WORD, .words = (w), .optional = true                             \
    }
#define WORDS(k, w, most)                                                                          \
    {                                                                                              \
        .key = (k), .type = FIELD_WORDS, .words = (w), .max = (most)                               \
    }
#define MAP(k, s)                                                                                  \
    {                                                                                              \
        .key = (k), .type = FIELD_MAP, .shape = &(s)                                               \
    }
#define MAP_OPT(k, s)                                                                              \
    {                                                                                              \
        .key = (k), .type = FIELD_MAP, .shape = &(s), .optional = true                             \
    }
#define MAPS(k, s, most)                                                                           \
    {                                                                                              \
        .key = (k), .type = FIELD_MAPS, .shape = &(s), .max = (most)                               \
    }
#define INTS_OPT(k, most) FIELD_OPT(k, FIELD_INTS, most)
#define MAPS_OPT(k, s, most)                                                                       \
    {                                                                                              \
        .key = (k), .type = FIELD_MAPS, .shape = &(s), .max = (most), .optional = true             \
    }
#define KEY                                                                                        \
    {                                                                                              \
        .key = "key", .type = FIELD_STR, .min = 1, .max = 128                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

#define SHAPE(name, ...)                                                                           \
    static const struct message_field name##_fields[] = { __VA_ARGS__, END };                      \
    static const struct message_shape name = { .fields = name##_fields }

/* Limits of PROTOCOL.md that are not of the wire. */
enum {
    BLENDERS_MAX = 32,
    HOLDING_MAX = 8,
    REPORTS_MAX = 8,
    SETTLED_MAX = 2 * REPORTS_MAX,
    WANT_MAX = 4,
    GRANTS_MAX = 4,
    FILES_MAX = 64,
    TROUBLES_MAX = 1024,
    SCENES_MAX = 1024,
    PIXELS_MAX = 1000000,
    SUBMIT_MAX = 256,
    JOBS_MAX = 4096,
    PAGE_MAX = 4000,
    LOOK_MAX = 256,
    LIVE_MAX = 4096,
    RESTS_MAX = 256,
    DEVICE_TYPES_MAX = 16,
    PARK_MAX_MS = 10000,
};

static const char *const device_kinds[] = { "cpu", "gpu", "none", NULL };
static const char *const claim_kinds[] = { "render", "inspect", "sweep", NULL };
static const char *const phases[] = {
    "ahead", "rendering", "proof", "inspecting", "sweeping", NULL
};
static const char *const worker_states[] = { "starting", "idle",    "opening", "rendering",
                                             "draining", "resting", NULL };
static const char *const reports_whats[] = { "started",  "finished",  "kept",  "taken", "error",
                                             "returned", "inspected", "swept", NULL };
static const char *const drains[] = { "", "soft", "now", NULL };
static const char *const settlements[] = { "accepted", "stale", NULL };
static const char *const roles[] = { "farm", "render", NULL };
static const char *const unbaked_words[] = { "order", "refuse", "allow", NULL };
static const char *const wrong_codes[] = { "gone", "broken", "changed", NULL };
static const char *const frame_words[] = { "current", "start", "end", NULL };

/* PROTOCOL.md 3.1 */

SHAPE(file_shape, PATH("path"), COUNT("bytes"), INT("width", 0, PIXELS_MAX),
      INT("height", 0, PIXELS_MAX), STR("view"), ANY_INT("mtime_ns"), ANY_INT("inode"));

SHAPE(trouble_shape, FIELD("code", FIELD_STR, 64), STR("text"), STR_OPT("hint"));

SHAPE(output_shape, STR("view"), PATH("head"), INT("digits", 0, 255), STR("tail"));

SHAPE(found_shape, STR("scene"), STRS("scenes", SCENES_MAX), FRAME("frame_start"),
      FRAME("frame_end"), INT("frame_step", 1, RANGES_FRAME_MAX), FRAME("frame_current"),
      STR("fps"), INT("width", 1, PIXELS_MAX), INT("height", 1, PIXELS_MAX), STR("engine"),
      STR("format"), STR("camera"), MAPS("outputs", output_shape, FILES_MAX), BOOL("stamped"),
      HEX("digest", 32), STR("blender"), INT("file_version", 0, 100000), STR_OPT("movie"),
      BOOL("ordered"), BOOL("denoise"), BOOL("engine_cpu_only"));

static const struct message_field started_fields[] = { STR("blender"), END };
static const struct message_field finished_fields[] = { COUNT("ms"),
                                                        MAPS("files", file_shape, FILES_MAX),
                                                        STR("digest"),
                                                        MAPS_OPT("warnings", trouble_shape,
                                                                 TROUBLES_MAX),
                                                        BYTES_OPT("gpu_peak_bytes"),
                                                        BYTES_OPT("rss_peak_bytes"),
                                                        END };
static const struct message_field kept_fields[] = { MAPS("files", file_shape, FILES_MAX), END };
static const struct message_field taken_fields[] = { COUNT("size"), ANY_INT("mtime_ns"),
                                                     ANY_INT("inode"), END };
static const struct message_field error_fields[] = { FIELD("code", FIELD_STR, 64),
                                                     STR("text"),
                                                     STR_OPT("hint"),
                                                     BOOL_OPT("fatal"),
                                                     BYTES_OPT("gpu_had_bytes"),
                                                     FIELD_OPT("held_by", FIELD_STR, 512),
                                                     END };
static const struct message_field returned_fields[] = { BOOL_OPT("charge"), END };
static const struct message_field inspected_fields[] = {
    MAP("found", found_shape), MAPS("questions", trouble_shape, TROUBLES_MAX),
    MAPS("warnings", trouble_shape, TROUBLES_MAX), END
};
SHAPE(wrong_shape, FRAME("frame"), WORD("code", wrong_codes), STR("text"));
static const struct message_field swept_fields[] = { MAPS_OPT("wrong", wrong_shape, LOOK_MAX),
                                                     FRAME_OPT("last"), END };
static const struct message_choice report_choices[] = {
    { "started", started_fields },
    { "finished", finished_fields },
    { "kept", kept_fields },
    { "taken", taken_fields },
    { "error", error_fields },
    { "returned", returned_fields },
    { "inspected", inspected_fields },
    { "swept", swept_fields },
    { NULL, NULL },
};
static const struct message_field report_fields[] = { ID("claim"), WORD("what", reports_whats),
                                                      BOOL_OPT("log"), END };
static const struct message_shape report_shape = { .fields = report_fields,
                                                   .chosen_by = "what",
                                                   .choices = report_choices };

/* PROTOCOL.md 4.1 */

static const struct message_field options_fields[] = {
    FIELD_OPT("frames", FIELD_FRAMES, FLAT_MAX),
    { .key = "frame_words", .type = FIELD_WORDS, .words = frame_words, .max = 3, .optional = true },
    STR_OPT("output"),
    STR_OPT("render_folder"),
    STR_OPT("scene"),
    STR_OPT("engine"),
    STR_OPT("format"),
    INT_OPT("samples", 1, 16777216),
    INT_OPT("percentage", 1, 1000),
    BOOL_OPT("denoise"),
    INT_OPT("priority", 0, 100),
    BOOL_OPT("overwrite"),
    BOOL_OPT("keep"),
    BOOL_OPT("trust_scripts"),
    BOOL_OPT("no_scripts"),
    BOOL_OPT("strict"),
    BOOL_OPT("allow_missing"),
    BOOL_OPT("mix"),
    BOOL_OPT("allow_cpu"),
    FIELD_OPT("device_type", FIELD_DEVICE_TYPES, 0),
    BOOL_OPT("again"),
    FIELD_OPT("order", FIELD_ORDER, 0),
    INT_OPT("attempts", 1, 1000),
    INT_OPT("placeholder_timeout_s", 1, 31536000),
    INT_OPT("stall_s", 1, 604800),
    INT_OPT("max_frame_time_s", 1, 604800),
    INT_OPT("min_frame_time_ms", 0, 86400000),
    WORD_OPT("unbaked", unbaked_words),
    END,
};
const struct message_shape message_options_shape = { .fields = options_fields };

static const struct message_field spec_fields[] = {
    PATH("file"),
    COUNT("size"),
    ANY_INT("mtime_ns"),
    HEX("hash", 64),
    PATH_OPT("kept"),
    STR("name"),
    PATH("cwd"),
    ANY_INT("submitted_at"),
    MAP("options", message_options_shape),
    BOOL_OPT("go_on"),
    { .key = "key", .type = FIELD_STR, .min = 1, .max = 128, .optional = true },
    END,
};
const struct message_shape message_spec_shape = { .fields = spec_fields };

/* PROTOCOL.md 2.1 and 2.2 */

SHAPE(blender_shape, STR("version"), PATH("path"), BOOL("denoiser"));

SHAPE(holding_shape, ID("claim"), WORD("phase", phases));

SHAPE(ready_shape, ID("seq"), HEX("worker", 32), FIELD("name", FIELD_STR, 512),
      FIELD("host", FIELD_STR, 256), INT("pid", 1, INT32_MAX), FIELD("device", FIELD_STR, 512),
      WORD("device_kind", device_kinds), WORDS("kinds", claim_kinds, 3),
      MAPS("blenders", blender_shape, BLENDERS_MAX), ID_OPT("job"),
      MAPS("holding", holding_shape, HOLDING_MAX), MAPS("reports", report_shape, REPORTS_MAX),
      BYTES_OPT("memory_bytes"), STRS_OPT("device_types", DEVICE_TYPES_MAX),
      FIELD_OPT("device_name", FIELD_STR, 512), BOOL_OPT("draws_shared"),
      INT_OPT("cards", 0, CARDS_MAX), INT_OPT("regroups", 0, CARDS_MAX),
      BYTES_OPT("largest_bytes"));

SHAPE(progress_shape, ID("claim"), STR("text"), COUNT("done"), COUNT("total"));

SHAPE(sync_shape, ID("session"), ID("seq"), COUNT("seen"), ID_OPT("job"),
      MAPS("holding", holding_shape, HOLDING_MAX), MAPS("reports", report_shape, REPORTS_MAX),
      INT("want", 0, WANT_MAX), BOOL_OPT("leave"), WORD("state", worker_states),
      MAP_OPT("progress", progress_shape), FIELD_OPT("telemetry", FIELD_GAUGES, 0),
      MAP_OPT("rest", trouble_shape));

/* PROTOCOL.md 2.3 and 2.4 */

SHAPE(orders_shape, COUNT("n"), BOOL("pause"), WORD("drain", drains), WORD_OPT("rest", drains),
      BOOL("return"), INTS("stop", HOLDING_MAX));

SHAPE(settled_shape, ID("claim"), WORD("what", reports_whats), WORD("st", settlements));

SHAPE(sighting_shape, COUNT("size"), ANY_INT("mtime_ns"), ANY_INT("inode"), BOOL("abandoned"));

SHAPE(description_shape, ID("job"), PATH("file"), COUNT("size"), ANY_INT("mtime_ns"),
      HEX("hash", 64), PATH_OPT("kept"), STR("name"), MAP("options", message_options_shape),
      MAP_OPT("found", found_shape), STR_OPT("blender"), INT_OPT("median_ms", 0, INT64_MAX));

static const struct message_field grant_fields[] = {
    ID("claim"),   WORD("kind", claim_kinds),           ID("job"),
    ID("attempt"), MAP_OPT("sighting", sighting_shape), END
};
static const struct message_field grant_render_fields[] = { FRAME("frame"), BOOL("again"),
                                                            BOOL_OPT("fresh"), END };
static const struct message_field grant_about_fields[] = { MAP("about", description_shape), END };
SHAPE(look_shape, FRAME("frame"), MAPS("files", file_shape, FILES_MAX));
static const struct message_field grant_sweep_fields[] = { MAP("about", description_shape),
                                                           INTS_OPT("live", LIVE_MAX),
                                                           MAPS_OPT("look", look_shape, LOOK_MAX),
                                                           BOOL_OPT("ends"), END };
static const struct message_choice grant_choices[] = {
    { "render", grant_render_fields },
    { "inspect", grant_about_fields },
    { "sweep", grant_sweep_fields },
    { NULL, NULL },
};
static const struct message_shape grant_shape = { .fields = grant_fields,
                                                  .chosen_by = "kind",
                                                  .choices = grant_choices };

SHAPE(answer_shape, ID("seq"), ID("session"), HEX("farm", 16), INT("park_ms", 0, 600000),
      MAP("orders", orders_shape), MAPS("settled", settled_shape, SETTLED_MAX),
      INTS("stale", HOLDING_MAX + REPORTS_MAX), MAPS("grants", grant_shape, GRANTS_MAX),
      MAP_OPT("job", description_shape));

SHAPE(ready_again_shape, ID("seq"));

SHAPE(refused_shape, INT_OPT("seq", 0, INT64_MAX), FIELD("code", FIELD_STR, 64), STR("text"),
      STR_OPT("hint"));

/* PROTOCOL.md 4 */

static const struct message_field no_fields[] = { END };
static const struct message_shape empty_shape = { .fields = no_fields };

SHAPE(attend_shape, WORD("role", roles), INT("pid", 1, INT32_MAX), BOOL_OPT("leave"),
      STR_OPT("notice"), BOOL_OPT("groups"));
SHAPE(submit_shape, KEY, MAPS("jobs", message_spec_shape, SUBMIT_MAX));
SHAPE(list_shape, BOOL("all"), INT_OPT("after", 0, INT64_MAX), INT_OPT("limit", 1, PAGE_MAX));
SHAPE(show_shape, ID("job"));
SHAPE(frames_shape, ID("job"), FRAME_OPT("after"), INT_OPT("limit", 1, PAGE_MAX));
SHAPE(log_shape, INT("after", -1, INT64_MAX), ID_OPT("job"), FRAME_OPT("frame"),
      INT_OPT("limit", 1, PAGE_MAX), INT_OPT("wait_ms", 0, PARK_MAX_MS));
SHAPE(output_request_shape, ID("job"), FRAME("frame"), INT_OPT("offset", 0, INT64_MAX));
SHAPE(wait_shape, INTS("jobs", JOBS_MAX), INT("wait_ms", 0, PARK_MAX_MS));
SHAPE(pause_shape, KEY, INTS("jobs", JOBS_MAX), STR_OPT("owner"));
SHAPE(resume_shape, KEY, INTS("jobs", JOBS_MAX), BOOL_OPT("accept_change"), STR_OPT("owner"));
SHAPE(jobs_shape, KEY, INTS("jobs", JOBS_MAX));
SHAPE(retry_shape, KEY, INTS("jobs", JOBS_MAX), BOOL_OPT("all"));
SHAPE(verify_shape, KEY, INTS("jobs", JOBS_MAX), BOOL_OPT("requeue"));
SHAPE(priority_shape, KEY, ID("job"), INT("priority", 0, 100));
SHAPE(accept_shape, KEY, ID("job"), MAP("options", message_options_shape));
SHAPE(clear_shape, KEY);
SHAPE(drain_shape, KEY, FIELD("worker", FIELD_STR, 512));
SHAPE(rest_shape, KEY, STRS("workers", RESTS_MAX), BOOL("rest"), BOOL_OPT("now"));
SHAPE(stop_shape, KEY, BOOL("now"));

SHAPE(error_shape, FIELD("code", FIELD_STR, 64), STR("text"), STR_OPT("hint"), ID_OPT("job"));

const struct message_type message_types[] = {
    { MESSAGE_FROM_WORKER, "READY", &ready_shape },
    { MESSAGE_FROM_WORKER, "SYNC", &sync_shape },
    { MESSAGE_TO_WORKER, "ANSWER", &answer_shape },
    { MESSAGE_TO_WORKER, "READY-AGAIN", &ready_again_shape },
    { MESSAGE_TO_WORKER, "REFUSED", &refused_shape },
    { MESSAGE_FROM_SUBMITTER, "HELLO", &empty_shape },
    { MESSAGE_FROM_SUBMITTER, "ATTEND", &attend_shape },
    { MESSAGE_FROM_SUBMITTER, "SUBMIT", &submit_shape },
    { MESSAGE_FROM_SUBMITTER, "LIST", &list_shape },
    { MESSAGE_FROM_SUBMITTER, "SHOW", &show_shape },
    { MESSAGE_FROM_SUBMITTER, "FRAMES", &frames_shape },
    { MESSAGE_FROM_SUBMITTER, "WORKERS", &empty_shape },
    { MESSAGE_FROM_SUBMITTER, "LOG", &log_shape },
    { MESSAGE_FROM_SUBMITTER, "OUTPUT", &output_request_shape },
    { MESSAGE_FROM_SUBMITTER, "WAIT", &wait_shape },
    { MESSAGE_FROM_SUBMITTER, "PAUSE", &pause_shape },
    { MESSAGE_FROM_SUBMITTER, "RESUME", &resume_shape },
    { MESSAGE_FROM_SUBMITTER, "CANCEL", &jobs_shape },
    { MESSAGE_FROM_SUBMITTER, "REMOVE", &jobs_shape },
    { MESSAGE_FROM_SUBMITTER, "RETRY", &retry_shape },
    { MESSAGE_FROM_SUBMITTER, "VERIFY", &verify_shape },
    { MESSAGE_FROM_SUBMITTER, "PRIORITY", &priority_shape },
    { MESSAGE_FROM_SUBMITTER, "ACCEPT", &accept_shape },
    { MESSAGE_FROM_SUBMITTER, "CLEAR", &clear_shape },
    { MESSAGE_FROM_SUBMITTER, "DRAIN", &drain_shape },
    { MESSAGE_FROM_SUBMITTER, "REST", &rest_shape },
    { MESSAGE_FROM_SUBMITTER, "STOP", &stop_shape },
    { MESSAGE_TO_SUBMITTER, "OK", &empty_shape },
    { MESSAGE_TO_SUBMITTER, "ERROR", &error_shape },
    { 0, NULL, NULL },
};
