/* Which families of addresses a Service has: one, as the cluster has, but for headless Services
 * without selector, whose endpoints may be of any. Pure. */
#ifndef APISERVER_SERVICE_FAMILIES_H
#define APISERVER_SERVICE_FAMILIES_H
#include "apiserver/operation.h"
#include "k8s/core_v1.pb-c.h"

/* Left out, the type is ClusterIP. */
bool service_is_type(const Core__V1__Service *service, const char *type);
bool service_is_headless(const Core__V1__Service *service);

/* Whether addresses and families fit together on their own; if not, validation says so. */
bool service_families_are_sound(const Core__V1__ServiceSpec *spec);
/* Whether each address that it has is of the family in its place. */
bool service_families_fit_addresses(const Core__V1__ServiceSpec *spec);
/* NULL when the cluster can serve them. In the words of v1.32. */
const struct api_status *service_families_check(struct operation *operation,
                                                const Core__V1__Service *service);
/* Fills in what was left out. */
void service_families_set(struct arena *arena, Core__V1__Service *service);
#endif
