/* What the expressions of these tests can see: variables of every kind, with values. */
#ifndef TESTS_UNIT_CEL_WORLD_H
#define TESTS_UNIT_CEL_WORLD_H
#include "lib/cel/cel.h"

struct cel_world {
    struct arena *arena;
    struct cel_functions *functions;
    struct cel_env env;
    struct cel_value *values;
};

void cel_world_init(struct cel_world *world);
void cel_world_release(struct cel_world *world);
#endif
