/* The FlowSchemas and PriorityLevelConfigurations "exempt" and "catch-all", which are what they
 * are: without them the server could not be reached by those who would mend it. Pure; any thread.
 */
#ifndef LIB_API_FLOW_FIXED_H
#define LIB_API_FLOW_FIXED_H
#include "lib/base/arena.h"
#include <stddef.h>

enum { API_FLOW_FIXED_COUNT = 2 };

/* Names, the same of both kinds. */
extern const char *const api_flow_fixed_names[API_FLOW_FIXED_COUNT];

/* What the spec of that name must be, in `arena`: a Flowcontrol__V1__FlowSchemaSpec and a
 * Flowcontrol__V1__PriorityLevelConfigurationSpec; NULL when it is nobody's of these. The level
 * "exempt" comes without its member "exempt", which is the cluster's to say. */
void *api_flow_schema_fixed(const char *name, struct arena *arena);
void *api_priority_level_fixed(const char *name, struct arena *arena);
#endif
