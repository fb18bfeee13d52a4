/* The APIServices of the groups and versions that this server answers for itself. Pure; any thread.
 */
#ifndef APISERVER_API_SERVICE_DEFAULTS_H
#define APISERVER_API_SERVICE_DEFAULTS_H
#include "apiserver/default_object.h"

#define API_SERVICE_MANAGED_LABEL "kube-aggregator.kubernetes.io/automanaged"

/* One for each built-in group version, as struct default_objects has it. */
size_t api_service_default_count(void);
struct default_object api_service_default_at(size_t index, struct arena *arena);
enum default_repair api_service_default_repair(const struct default_object *wanted,
                                               const void *present, struct arena *arena,
                                               void **ret_message);

/* A local one; `managed` is the value of its label: "onstart" or "true". */
struct default_object api_service_local(struct arena *arena,
                                        const struct api_group_version *version,
                                        const char *managed);
#endif
