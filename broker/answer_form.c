#include "broker/answer_form.h"

#include <string.h>

#include "proto/messages.h"

/* Values of the map are borrowed from it. */
struct body {
    json_t *map;
    json_t *farm, *seq, *session, *park_ms, *orders, *settled, *stale, *grants;
    size_t keys;
};

struct settled {
    json_t *map;
    json_t *claim;
};

struct grant {
    json_t *map;
    json_t *claim, *job, *frame, *attempt;
};

enum { SETTLED_ALIKE = 2 }; /* that one message has: hardly any more */

static struct body body;
static struct settled settled[REPORT_WHATS][2][SETTLED_ALIKE];
static struct grant grants[QUEUE_GRANTS];

/* May it be written over? */
static bool is_ours(const json_t *value)
{
    return value && value->refcount == 1;
}

static bool is_held(const json_t *value)
{
    return value && value->refcount > 1;
}

/* Takes value, and borrows it. */
static json_t *add(json_t *map, const char *key, json_t *value)
{
    msg_set(map, key, value);
    return value;
}

static json_t *add_int(json_t *map, const char *key)
{
    return add(map, key, json_integer(0));
}

static void make_body(const char *farm)
{
    json_decref(body.map);
    json_t *map = msg_new("ANSWER");
    body.map = map;
    body.seq = add_int(map, "seq");
    body.session = add_int(map, "session");
    body.farm = add(map, "farm", json_string(farm));
    body.park_ms = add_int(map, "park_ms");
    body.orders = add(map, "orders", json_null());
    body.settled = add(map, "settled", json_array());
    body.stale = add(map, "stale", json_array());
    body.grants = add(map, "grants", json_array());
    body.keys = json_object_size(map);
}

static void make_settled(struct settled *form, const struct queue_settled *one)
{
    json_decref(form->map);
    form->map = json_object();
    form->claim = add_int(form->map, "claim");
    msg_set_str(form->map, "what", report_what_name(one->what));
    msg_set_str(form->map, "st", one->accepted ? "accepted" : "stale");
}

static json_t *write_settled(const struct queue_settled *one)
{
    struct settled *alike = settled[one->what][one->accepted];
    struct settled *form = is_held(alike[0].map) ? &alike[1] : &alike[0];
    if (!is_ours(form->map)) {
        make_settled(form, one);
    }
    json_integer_set(form->claim, one->claim);
    return json_incref(form->map);
}

static void make_grant(struct grant *form)
{
    json_decref(form->map);
    json_t *map = json_object();
    form->map = map;
    form->claim = add_int(map, "claim");
    msg_set_str(map, "kind", claim_kind_name(CLAIM_RENDER));
    form->job = add_int(map, "job");
    form->frame = add_int(map, "frame");
    msg_set_bool(map, "again", false);
    form->attempt = add_int(map, "attempt");
}

json_t *answer_form_grant(const struct queue_grant *grant)
{
    struct grant *form = &grants[0];
    while (is_held(form->map) && form < &grants[QUEUE_GRANTS - 1]) {
        form++;
    }
    if (!is_ours(form->map)) {
        make_grant(form);
    }
    json_integer_set(form->claim, grant->claim);
    json_integer_set(form->job, grant->job);
    json_integer_set(form->frame, grant->frame);
    json_integer_set(form->attempt, grant->attempt);
    return json_incref(form->map);
}

/* An empty array: the one of the last answer, or a new one where that is held. */
static json_t *renew_array(const char *key, json_t *array)
{
    if (!is_ours(array)) {
        return add(body.map, key, json_array());
    }
    json_array_clear(array);
    return array;
}

static void empty_body(void)
{
    if (json_object_size(body.map) > body.keys) {
        (void)json_object_del(body.map, "job");
    }
    body.settled = renew_array("settled", body.settled);
    body.stale = renew_array("stale", body.stale);
    body.grants = renew_array("grants", body.grants);
}

/* Takes orders. Of many answers one after the other they are the same. */
static void set_orders(json_t *orders)
{
    if (orders == body.orders) {
        json_decref(orders);
    } else {
        body.orders = add(body.map, "orders", orders);
    }
}

json_t *answer_form_body(const struct queue_answer *answer, const char *farm, json_t *orders)
{
    if (!is_ours(body.map) || strcmp(json_string_value(body.farm), farm) != 0) {
        make_body(farm);
    }
    empty_body();
    json_integer_set(body.seq, answer->seq);
    json_integer_set(body.session, answer->session);
    json_integer_set(body.park_ms, answer->park_ms);
    set_orders(orders);
    for (size_t i = 0; i < answer->settled_count; i++) {
        json_array_append_new(body.settled, write_settled(&answer->settled[i]));
    }
    for (size_t i = 0; i < answer->stale_count; i++) {
        json_array_append_new(body.stale, json_integer(answer->stale[i]));
    }
    return json_incref(body.map);
}
