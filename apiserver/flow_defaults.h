/* The FlowSchemas and PriorityLevelConfigurations that every cluster starts with, as v1.32 has
 * them: the mandatory ones, which stay what they are, and the suggested ones, which are brought
 * back while their annotation apf.kubernetes.io/autoupdate-spec is "true". Who takes the annotation
 * away gives up what only we have written, and keeps what he has changed. Pure; any thread. */
#ifndef APISERVER_FLOW_DEFAULTS_H
#define APISERVER_FLOW_DEFAULTS_H
#include "apiserver/default_object.h"

#define FLOW_GROUP "flowcontrol.apiserver.k8s.io"

/* As struct default_objects has them: levels first. */
size_t flow_default_count(void);
struct default_object flow_default_at(size_t index, struct arena *arena);
enum default_repair flow_default_repair(const struct default_object *wanted, const void *present,
                                        struct arena *arena, void **ret_message);

/* A schema or level that an earlier version started with, and nobody has made his own. */
bool flow_default_is_obsolete(const struct api_kind *kind, const void *message);

/* "exempt" and "catch-all": what the server goes by even where the objects are missing. */
bool flow_default_is_mandatory(const char *name);
#endif
