#include "lib/api/flow_fixed.h"

#include "lib/api/codec.h"
#include "lib/api/object.h"
#include <assert.h>
#include <string.h>

const char *const api_flow_fixed_names[API_FLOW_FIXED_COUNT] = {"exempt", "catch-all"};

#define EVERYTHING                                                                                 \
    "\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"],"           \
    "\"clusterScope\":true,\"namespaces\":[\"*\"]}],\"nonResourceRules\":[{\"verbs\":[\"*\"],"     \
    "\"nonResourceURLs\":[\"*\"]}]"

static const char *const schemas[API_FLOW_FIXED_COUNT] = {
    "{\"priorityLevelConfiguration\":{\"name\":\"exempt\"},\"matchingPrecedence\":1,"
    "\"rules\":[{\"subjects\":[{\"kind\":\"Group\",\"group\":{\"name\":"
    "\"system:masters\"}}]," EVERYTHING "}]}",
    "{\"priorityLevelConfiguration\":{\"name\":\"catch-all\"},\"matchingPrecedence\":10000,"
    "\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":["
    "{\"kind\":\"Group\",\"group\":{\"name\":\"system:unauthenticated\"}},"
    "{\"kind\":\"Group\",\"group\":{\"name\":\"system:authenticated\"}}]," EVERYTHING "}]}",
};

static const char *const levels[API_FLOW_FIXED_COUNT] = {
    "{\"type\":\"Exempt\"}",
    "{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":5,"
    "\"limitResponse\":{\"type\":\"Reject\"},\"lendablePercent\":0}}",
};

static void *read_fixed(const char *const *specs, const char *name, const char *type,
                        struct arena *arena)
{
    for (size_t i = 0; i < API_FLOW_FIXED_COUNT; i++) {
        if (strcmp(api_flow_fixed_names[i], name) == 0) {
            void *spec = NULL;
            int status = api_decode_json(arena, api_message_find(type), slice_text(specs[i]), NULL,
                                         &spec, NULL);
            assert(status == 0); /* The text is ours. */
            return status == 0 ? spec : NULL;
        }
    }
    return NULL;
}

void *api_flow_schema_fixed(const char *name, struct arena *arena)
{
    return read_fixed(schemas, name, "k8s.io.api.flowcontrol.v1.FlowSchemaSpec", arena);
}

void *api_priority_level_fixed(const char *name, struct arena *arena)
{
    return read_fixed(levels, name, "k8s.io.api.flowcontrol.v1.PriorityLevelConfigurationSpec",
                      arena);
}
