/* Runs one scenario: steps of a YAML file over the API in memory. A step that fails ends the test
 * with the scenario's name, the step and what was found. */
#ifndef TESTS_SCENARIOS_DRIVER_H
#define TESTS_SCENARIOS_DRIVER_H
#include "lib/api/json_value.h"
#include "scheduler/scheduler.h"
#include "tests/unit/controllers/cluster.h"

struct world {
    struct cluster cluster;
    struct scheduler *scheduler; /* NULL: the controllers run. */
    struct arena *arena;
    const char *scenario;
    size_t step;
    size_t crash; /* Writes before the crash of this run. */
};

/* Ends the test, with the scenario and the step. */
void world_fail(const struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* "Kind namespace/name": the object, or NULL when there is none. */
const struct client_object *world_find(struct world *world, const char *name);
const struct client_object *world_need(struct world *world, const char *name);
const struct api_kind *world_kind(struct world *world, const char *kind);
const char *world_text(struct world *world, const struct json_value *step, const char *member);
void world_restart(struct world *world);

/* One step; false when the first member of it is not known. */
bool step_act(struct world *world, const struct json_value *step);
bool step_expect(struct world *world, const struct json_value *step);

/* How often the scenario is to be run. */
size_t scenario_runs(const struct json_value *scenario);
void scenario_run(const struct json_value *scenario, size_t crash);
#endif
