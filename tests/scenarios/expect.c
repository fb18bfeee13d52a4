/* What must hold in a scenario. */
#include "tests/scenarios/driver.h"

#include <check.h>
#include <string.h>

/* Whether `actual` (NULL: absent) has all that `wanted` says. */
static bool has(const struct json_value *actual, const struct json_value *wanted)
{
    if (wanted->type == JSON_NULL) {
        return actual == NULL || actual->type == JSON_NULL;
    }
    if (actual == NULL || actual->type != wanted->type) {
        return false;
    }
    if (wanted->type == JSON_OBJECT) {
        for (size_t i = 0; i < wanted->count; i++) {
            if (!has(json_get(actual, wanted->members[i].name), wanted->members[i].value)) {
                return false;
            }
        }
        return true;
    }
    if (wanted->type == JSON_ARRAY) {
        for (size_t i = 0; i < wanted->count; i++) {
            bool found = false;
            for (size_t j = 0; j < actual->count && !found; j++) {
                found = has(actual->items[j], wanted->items[i]);
            }
            if (!found) {
                return false;
            }
        }
        return true;
    }
    return (wanted->type == JSON_STRING && slice_is(wanted->text, "*")) ||
           json_equal(actual, wanted);
}

static bool object_has(struct world *world, const struct client_object *object,
                       const struct json_value *wanted)
{
    return has(api_message_to_json(world->arena, object->kind->message, object->message, NULL),
               wanted);
}

static const char *printed(struct world *world, const struct client_object *object)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX);
    api_encode_json(object->kind->message, object->message, NULL, &out);
    return arena_text(world->arena, buffer_text(&out));
}

static void expect_object(struct world *world, const struct json_value *step,
                          const struct json_value *value)
{
    const char *name = world_text(world, step, "expect");
    const struct json_value *wanted = json_get_text(step, "has");
    (void)value;
    if (wanted == NULL) {
        const struct client_object *object = world_find(world, name);
        if (object != NULL) {
            world_fail(world, "%s should be gone: %s", name, printed(world, object));
        }
        return;
    }
    const struct client_object *object = world_need(world, name);
    if (!object_has(world, object, wanted)) {
        world_fail(world, "%s is %s", name, printed(world, object));
    }
}

static void expect_count(struct world *world, const struct json_value *step,
                         const struct json_value *value)
{
    static struct fake_list list;
    const struct json_value *like = json_get_text(step, "like");
    const char *namespace_ = world_text(world, step, "in");
    const char *kind = world_text(world, step, "count");
    int64_t wanted = -1, count = 0;
    const char *found = "";
    (void)value;
    ck_assert_int_eq(json_int64(json_get_text(step, "is"), &wanted), 0);
    fake_client_list(world->cluster.api, world_kind(world, kind), &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct client_object *object = list.items[i];
        bool counts =
            (*namespace_ == '\0' || strcmp(client_object_namespace(object), namespace_) == 0) &&
            (like == NULL || object_has(world, object, like));
        count += counts;
        found = arena_printf(world->arena, "%s %s%s", found, client_object_name(object),
                             counts ? "" : " (not like it)");
    }
    if (count != wanted) {
        world_fail(world, "%lld %s instead of %lld:%s", (long long)count, kind, (long long)wanted,
                   found);
    }
}

static void expect_writes(struct world *world, const struct json_value *step,
                          const struct json_value *value)
{
    const char *wanted = "";
    (void)step;
    for (size_t i = 0; i < value->count; i++) {
        wanted = arena_printf(world->arena, "%s%.*s\n", wanted, (int)value->items[i]->text.len,
                              (const char *)value->items[i]->text.data);
    }
    if (strcmp(wanted, fake_client_trace(world->cluster.api)) != 0) {
        world_fail(world, "the writes were\n%s", fake_client_trace(world->cluster.api));
    }
}

static void expect_wrote(struct world *world, const struct json_value *step,
                         const struct json_value *value)
{
    const char *line = arena_printf(world->arena, "%s\n", world_text(world, step, "wrote"));
    (void)value;
    if (strstr(fake_client_trace(world->cluster.api), line) == NULL) {
        world_fail(world, "the writes were\n%s", fake_client_trace(world->cluster.api));
    }
}

static void expect_event(struct world *world, const struct json_value *step,
                         const struct json_value *value)
{
    (void)value;
    if (!fake_client_saw_event(world->cluster.api, world_text(world, step, "event"),
                               world_text(world, step, "message"))) {
        world_fail(world, "no such event: %s: %s", world_text(world, step, "event"),
                   world_text(world, step, "message"));
    }
}

bool step_expect(struct world *world, const struct json_value *step)
{
    static const struct {
        const char *name;
        void (*check)(struct world *world, const struct json_value *step,
                      const struct json_value *value);
    } checks[] = {
        {"expect", expect_object}, {"count", expect_count}, {"writes", expect_writes},
        {"wrote", expect_wrote},   {"event", expect_event},
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const struct json_value *value = json_get_text(step, checks[i].name);
        if (value != NULL) {
            checks[i].check(world, step, value);
            return true;
        }
    }
    return false;
}
