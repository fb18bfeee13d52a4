/* Addresses and node ports of Services. Which are taken is read from the cache; that two members
 * never give out the same one is ensured by a claim key per address and port, created in the same
 * transaction as the Service. No state of its own but the ranges. */
#ifndef APISERVER_SERVICE_ALLOCATOR_H
#define APISERVER_SERVICE_ALLOCATOR_H
#include "apiserver/operation.h"
#include "k8s/core_v1.pb-c.h"

struct service_allocator {
    uint32_t first_ip; /* First address of the range, host byte order; IPv4 only. */
    uint32_t ip_count;
};

/* "10.96.0.0/12". Returns 0, or -EINVAL for anything but an IPv4 network of /8 to /30. */
MUST_USE int service_allocator_init(struct service_allocator *allocator, const char *cidr);

/* Fill in clusterIP(s), ipFamilies, ipFamilyPolicy, nodePorts and add the claims to the plan. NULL,
 * or the refusal. */
const struct api_status *service_plan_create(struct operation *operation,
                                             Core__V1__Service *service);
const struct api_status *service_plan_update(struct operation *operation,
                                             const Core__V1__Service *before,
                                             Core__V1__Service *after);
/* Gives the claims up with the deletion. */
void service_plan_remove(struct operation *operation, const Core__V1__Service *service);
#endif
