/* wire: the scan, the decoder and the message tables, for bytes of any sender */

#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"

/* What was decoded encodes, and that decodes to the same; the second encoding is the first. */
static void check_round_trip(const json_t *body)
{
    CLEANUP(cleanup_free) void *bytes = NULL;
    CLEANUP(cleanup_free) void *again = NULL;
    CLEANUP(cleanup_json) json_t *decoded = NULL;
    size_t size = 0;
    size_t size_again = 0;
    FUZZ_CHECK(wire_encode(body, &bytes, &size) == 0, "what was decoded cannot be encoded");
    int rc = wire_decode(bytes, size, &wire_answer_limits, &decoded);
    FUZZ_CHECK(rc == WIRE_OK, "our own bytes are %s", wire_outcome_name(rc));
    FUZZ_CHECK(json_equal(body, decoded), "encoding changed the body");
    FUZZ_CHECK(wire_encode(decoded, &again, &size_again) == 0, "it encodes only once");
    FUZZ_CHECK(size == size_again && memcmp(bytes, again, size) == 0, "two encodings of one body");
}

static void check_tables(const json_t *body)
{
    for (int side = MESSAGE_FROM_WORKER; side <= MESSAGE_TO_SUBMITTER; side++) {
        struct message_fault fault = { "" };
        int rc = message_check((enum message_side)side, body, &fault);
        FUZZ_CHECK(rc == MESSAGE_OK || fault.text[0], "%s without a reason",
                   message_outcome_name(rc));
        FUZZ_CHECK(memchr(fault.text, '\0', sizeof fault.text), "a reason without an end");
        FUZZ_CHECK(rc != MESSAGE_OK || msg_type(body)[0], "a good message has a type");
        FUZZ_CHECK(message_check((enum message_side)side, body, NULL) == rc, "two outcomes");
    }
    (void)message_check_spec(body, NULL);
    (void)message_check_options(body, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wire_limits *const limits[] = { &wire_worker_limits, &wire_submitter_limits,
                                                        &wire_answer_limits };
    int first = -1;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        CLEANUP(cleanup_json) json_t *body = NULL;
        int checked = wire_check(data, size, limits[i]);
        int decoded = wire_decode(data, size, limits[i], &body);
        FUZZ_CHECK(checked == decoded, "scan says %s, decoder %s", wire_outcome_name(checked),
                   wire_outcome_name(decoded));
        FUZZ_CHECK((decoded == WIRE_OK) == json_is_object(body), "a body only with ok");
        /* inputs are shorter than the smallest limit, so only many may differ */
        FUZZ_CHECK(first < 0 || first == checked || size > WIRE_VALUES, "limits differ for %zu",
                   size);
        if (first < 0 && decoded == WIRE_OK) {
            check_round_trip(body);
            check_tables(body);
        }
        first = checked;
    }
    return 0;
}
