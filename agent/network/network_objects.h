/* From API objects to what the service table holds. Pure. What cannot be read (an address that is
 * none, IPv6) is left out: validation is the API server's, and one bad object must not stop others.
 */
#ifndef AGENT_NETWORK_NETWORK_OBJECTS_H
#define AGENT_NETWORK_NETWORK_OBJECTS_H
#include "agent/network/service_table.h"

/* `message` is a Core__V1__Service. The result is the caller's, with its arena. */
MUST_USE struct service_spec *service_spec_from(const void *message);
/* `message` is a Discovery__V1__EndpointSlice; NULL when it belongs to no Service or is not IPv4.
 */
MUST_USE struct slice_spec *slice_spec_from(const void *message);
/* Namespace and name of either; borrowed from the message. */
void network_object_name(const void *service_message, const char **ret_namespace,
                         const char **ret_name);
void network_slice_name(const void *slice_message, const char **ret_namespace,
                        const char **ret_name);
#endif
