/* What the world does in a scenario. */
#include "lib/api/defaults.h"
#include "tests/scenarios/driver.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *printed(struct world *world, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX);
    json_print(value, /* sorted= */ false, &out);
    return arena_text(world->arena, buffer_text(&out));
}

/* --- Objects -----------------------------------------------------------------------------------
 */

static void add_object(struct world *world, const struct json_value *object)
{
    CLEANUP(buffer_release) struct buffer out;
    CLEANUP(error_release) struct error error = {0};
    const char *version = world_text(world, object, "apiVersion");
    const char *name = world_text(world, object, "kind");
    const struct api_kind *kind = api_kind_by_api_version(version, name);
    void *message = NULL;
    if (kind == NULL ||
        api_message_from_json(world->arena, kind->message, object, NULL, &message, &error) != 0) {
        world_fail(world, "%s %s: %s", version, name, error_message(&error));
        return;
    }
    api_default_object(world->arena, kind, message);
    buffer_init(&out, SIZE_MAX);
    api_encode_json(kind->message, message, NULL, &out);
    (void)fake_client_add(world->cluster.api, version, name, buffer_text(&out));
}

static void act_given(struct world *world, const struct json_value *step,
                      const struct json_value *value)
{
    (void)step;
    if (value->type != JSON_ARRAY) {
        add_object(world, value);
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        add_object(world, value->items[i]);
    }
}

static void act_change(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)value;
    fake_client_patch(world->cluster.api, world_need(world, world_text(world, step, "change")),
                      printed(world, json_get_text(step, "with")));
}

static void act_remove(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)value;
    fake_client_remove(world->cluster.api, world_need(world, world_text(world, step, "remove")));
}

static void deleted(void *data, const struct client_reply *reply)
{
    (void)data;
    ck_assert(client_succeeded(reply));
}

static void act_delete(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    const struct client_object *object = world_need(world, world_text(world, step, "delete"));
    const char *propagation = world_text(world, step, "propagation");
    const struct client_request request = {.verb = CLIENT_DELETE,
                                           .kind = object->kind,
                                           .namespace_ = client_object_namespace(object),
                                           .name = client_object_name(object),
                                           .propagation =
                                               *propagation == '\0' ? NULL : propagation};
    (void)value;
    client_call(fake_client_client(world->cluster.api), &request, deleted, NULL);
}

/* --- Time, nodes, members ----------------------------------------------------------------------
 */

static void act_wait(struct world *world, const struct json_value *step,
                     const struct json_value *value)
{
    char *unit = NULL;
    double amount = strtod(world_text(world, step, "wait"), &unit);
    double ms = strcmp(unit, "ms") == 0  ? amount
                : strcmp(unit, "s") == 0 ? amount * 1000
                : strcmp(unit, "m") == 0 ? amount * 60 * 1000
                                         : -1;
    (void)value;
    if (ms < 0) {
        world_fail(world, "a wait is 200ms, 3s or 2m");
    }
    cluster_run_ms(&world->cluster, (uint64_t)ms);
}

static void act_agents(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)step, (void)value;
    cluster_agents(&world->cluster);
}

static void act_settle(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)step, (void)value;
    cluster_settle(&world->cluster);
}

static void act_silent(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)step, (void)value;
    world->cluster.silent_since_ns = world->cluster.env.now_ns;
}

static void act_heard(struct world *world, const struct json_value *step,
                      const struct json_value *value)
{
    (void)step, (void)value;
    world->cluster.silent_since_ns = 0;
}

static void act_members(struct world *world, const struct json_value *step,
                        const struct json_value *value)
{
    (void)step;
    world->cluster.member_count = 0;
    for (size_t i = 0; i < value->count && i < ARRAY_LEN(world->cluster.members); i++) {
        const struct slice text = value->items[i]->text;
        world->cluster.members[world->cluster.member_count++] =
            arena_text_n(world->arena, (const char *)text.data, text.len);
    }
}

/* --- Crashes -----------------------------------------------------------------------------------
 */

static void act_crash(struct world *world, const struct json_value *step,
                      const struct json_value *value)
{
    (void)step, (void)value;
    fake_client_fail_after(world->cluster.api, world->crash);
}

static void act_crash_after(struct world *world, const struct json_value *step,
                            const struct json_value *value)
{
    int64_t count = 0;
    (void)step;
    ck_assert_int_eq(json_int64(value, &count), 0);
    fake_client_fail_after(world->cluster.api, (size_t)count);
}

static void act_restart(struct world *world, const struct json_value *step,
                        const struct json_value *value)
{
    (void)step, (void)value;
    world_restart(world);
}

static void act_forget(struct world *world, const struct json_value *step,
                       const struct json_value *value)
{
    (void)step, (void)value;
    fake_client_trace_clear(world->cluster.api);
}

bool step_act(struct world *world, const struct json_value *step)
{
    static const struct {
        const char *name;
        void (*act)(struct world *world, const struct json_value *step,
                    const struct json_value *value);
    } acts[] = {
        {"given", act_given},     {"change", act_change},
        {"remove", act_remove},   {"delete", act_delete},
        {"wait", act_wait},       {"agents", act_agents},
        {"settle", act_settle},   {"silent", act_silent},
        {"heard", act_heard},     {"members", act_members},
        {"crash", act_crash},     {"crash after", act_crash_after},
        {"restart", act_restart}, {"forget writes", act_forget},
    };
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        const struct json_value *value = json_get_text(step, acts[i].name);
        if (value != NULL) {
            acts[i].act(world, step, value);
            return true;
        }
    }
    return false;
}
