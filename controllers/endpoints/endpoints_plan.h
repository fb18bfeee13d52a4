/* What the Endpoints and EndpointSlices of a Service shall be, and what to write to get there: as
 * few slices as may be are touched. Pure. */
#ifndef CONTROLLERS_ENDPOINTS_ENDPOINTS_PLAN_H
#define CONTROLLERS_ENDPOINTS_ENDPOINTS_PLAN_H
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include <stdbool.h>

struct endpoints_view {
    const Core__V1__Service *service; /* With a selector. */
    const Core__V1__Pod *const *pods; /* Those that it selects. */
    size_t pod_count;
    const Discovery__V1__EndpointSlice *const *slices; /* Of the service, managed by us. */
    size_t slice_count;
    const Core__V1__Endpoints *endpoints; /* NULL when there are none. */
    /* The zone of a node, or NULL. */
    const char *(*zone_of)(void *data, const char *node);
    void *zone_data;
};

struct endpoints_plan {
    Discovery__V1__EndpointSlice **create;
    size_t create_count;
    Discovery__V1__EndpointSlice **update;
    size_t update_count;
    const Discovery__V1__EndpointSlice **remove;
    size_t remove_count;
    Core__V1__Endpoints *endpoints; /* As they shall be; NULL when they are so already. */
};

struct endpoints_plan endpoints_plan(struct arena *arena, const struct endpoints_view *view);
#endif
