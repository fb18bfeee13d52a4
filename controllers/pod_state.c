#include "controllers/pod_state.h"

#include "lib/api/time.h"
#include <string.h>

bool text_is(const char *text, const char *expected)
{
    return strcmp(text == NULL ? "" : text, expected) == 0;
}

bool text_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

bool pod_terminating(const Core__V1__Pod *pod)
{
    return !api_time_is_zero(pod->metadata->deletion_timestamp);
}

bool pod_finished(const Core__V1__Pod *pod)
{
    return text_is(pod->status->phase, "Succeeded") || text_is(pod->status->phase, "Failed");
}

bool pod_active(const Core__V1__Pod *pod)
{
    return !pod_terminating(pod) && !pod_finished(pod);
}

bool pod_bound(const Core__V1__Pod *pod)
{
    return !text_empty(pod->spec->node_name);
}

const Core__V1__PodCondition *pod_condition(const Core__V1__Pod *pod, const char *type)
{
    for (size_t i = 0; i < pod->status->n_conditions; i++) {
        if (text_is(pod->status->conditions[i]->type, type)) {
            return pod->status->conditions[i];
        }
    }
    return NULL;
}

bool pod_ready(const Core__V1__Pod *pod)
{
    const Core__V1__PodCondition *ready = pod_condition(pod, "Ready");
    return ready != NULL && text_is(ready->status, "True");
}

int64_t pod_ready_since_s(const Core__V1__Pod *pod)
{
    return pod_ready(pod) ? api_time_seconds(pod_condition(pod, "Ready")->last_transition_time) : 0;
}

bool pod_available(const Core__V1__Pod *pod, int32_t min_ready_s, int64_t now_s)
{
    return pod_ready(pod) && (min_ready_s == 0 || pod_ready_since_s(pod) + min_ready_s <= now_s);
}

int32_t pod_restarts(const Core__V1__Pod *pod)
{
    int32_t most = 0;
    for (size_t i = 0; i < pod->status->n_container_statuses; i++) {
        int32_t count = pod->status->container_statuses[i]->restart_count;
        most = count > most ? count : most;
    }
    return most;
}
