/* Which FlowSchema a request belongs to, and which flow of it (KEP-1040, "Request Categorization").
 * Pure; any thread. */
#ifndef APISERVER_FLOW_MATCH_H
#define APISERVER_FLOW_MATCH_H
#include "apiserver/access.h"
#include "apiserver/user.h"
#include "k8s/flowcontrol_v1.pb-c.h"
#include <stdint.h>

/* Some rule names the user and what is asked for. */
bool flow_schema_matches(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                         const struct access *access);
/* < 0 when `first` is asked before `second`: the smaller precedence, then the smaller name. */
int flow_schema_compare(const Flowcontrol__V1__FlowSchema *first,
                        const Flowcontrol__V1__FlowSchema *second);
/* What tells the flow from others of the schema: a user, a namespace, or "". Borrowed of these. */
const char *flow_distinguisher(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                               const struct access *access);
/* Names the flow within the schema; the same for requests that share a flow. */
uint64_t flow_hash(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                   const struct access *access);
#endif
