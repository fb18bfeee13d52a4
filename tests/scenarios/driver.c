#include "tests/scenarios/driver.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void world_fail(const struct world *world, const char *format, ...)
{
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ck_abort_msg("%s (crash after %zu writes), step %zu: %s", world->scenario, world->crash,
                 world->step + 1, text);
}

const struct api_kind *world_kind(struct world *world, const char *kind)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            return &kinds[i];
        }
    }
    world_fail(world, "no kind %s", kind);
    return NULL;
}

const struct client_object *world_find(struct world *world, const char *name)
{
    char kind[64] = "", place[256] = "";
    (void)sscanf(name, "%63s %255s", kind, place);
    char *slash = strchr(place, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    return fake_client_get(world->cluster.api, world_kind(world, kind), slash == NULL ? "" : place,
                           slash == NULL ? place : slash + 1);
}

const struct client_object *world_need(struct world *world, const char *name)
{
    const struct client_object *object = world_find(world, name);
    if (object == NULL) {
        world_fail(world, "there is no %s", name);
    }
    return object;
}

const char *world_text(struct world *world, const struct json_value *step, const char *member)
{
    const struct json_value *value = json_get_text(step, member);
    return value == NULL || value->type != JSON_STRING
               ? ""
               : arena_text_n(world->arena, (const char *)value->text.data, value->text.len);
}

/* --- Life --------------------------------------------------------------------------------------
 */

static void start_scheduler(struct world *world)
{
    const struct scheduler_config config = {.env = &world->cluster.env.env,
                                            .client = fake_client_client(world->cluster.api)};
    world->scheduler = scheduler_open(&config);
    scheduler_set_leader(world->scheduler, true);
}

static void note_closed(void *data)
{
    *(bool *)data = true;
}

static void stop_scheduler(struct world *world)
{
    bool closed = false;
    scheduler_close(world->scheduler, note_closed, &closed);
    cluster_run_ms(&world->cluster, 30 * 1000);
    ck_assert(closed);
}

void world_restart(struct world *world)
{
    if (world->scheduler == NULL) {
        cluster_restart(&world->cluster);
        return;
    }
    stop_scheduler(world);
    fake_client_fail_after(world->cluster.api, SIZE_MAX);
    start_scheduler(world);
}

size_t scenario_runs(const struct json_value *scenario)
{
    const struct json_value *crashes = json_get_text(scenario, "crashes");
    int64_t count = 0;
    return crashes == NULL || json_int64(crashes, &count) != 0 ? 1 : (size_t)count + 1;
}

void scenario_run(const struct json_value *scenario, size_t crash)
{
    struct world world = {.arena = arena_new(SIZE_MAX), .crash = crash};
    world.scenario = world_text(&world, scenario, "scenario");
    if (strcmp(world_text(&world, scenario, "runs"), "scheduler") == 0) {
        cluster_open_bare(&world.cluster);
        start_scheduler(&world);
    } else {
        cluster_open(&world.cluster);
    }
    const struct json_value *steps = json_get_text(scenario, "steps");
    ck_assert_msg(steps != NULL && steps->type == JSON_ARRAY, "%s: no steps", world.scenario);
    for (world.step = 0; world.step < steps->count; world.step++) {
        const struct json_value *step = steps->items[world.step];
        if (!step_act(&world, step) && !step_expect(&world, step)) {
            world_fail(&world, "no such step");
        }
    }
    if (world.scheduler != NULL) {
        stop_scheduler(&world);
    }
    cluster_close(&world.cluster);
    arena_free(world.arena);
}
