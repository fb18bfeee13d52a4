/* What controllers ask of a pod's state. Pure. */
#ifndef CONTROLLERS_POD_STATE_H
#define CONTROLLERS_POD_STATE_H
#include "k8s/core_v1.pb-c.h"
#include <stdbool.h>
#include <stdint.h>

bool text_is(const char *text, const char *expected); /* NULL reads as "". */
bool text_empty(const char *text);

bool pod_terminating(const Core__V1__Pod *pod); /* Has a deletionTimestamp. */
bool pod_finished(const Core__V1__Pod *pod);    /* Succeeded or Failed. */
bool pod_active(const Core__V1__Pod *pod);      /* Neither of both. */
bool pod_bound(const Core__V1__Pod *pod);       /* Has a node. */
/* NULL when the pod has no such condition. */
const Core__V1__PodCondition *pod_condition(const Core__V1__Pod *pod, const char *type);
bool pod_ready(const Core__V1__Pod *pod);
/* Ready for at least `min_ready_s`. */
bool pod_available(const Core__V1__Pod *pod, int32_t min_ready_s, int64_t now_s);
int64_t pod_ready_since_s(const Core__V1__Pod *pod); /* 0 when not ready. */
int32_t pod_restarts(const Core__V1__Pod *pod);
#endif
