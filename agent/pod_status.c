#include "agent/pod_status.h"

#include "agent/container_config.h"
#include "agent/pod_worker_internal.h"
#include "lib/api/time.h"
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND INT64_C(1000000000)

static Meta__V1__Time *time_of(struct arena *arena, int64_t unix_ns)
{
    return unix_ns <= 0 ? NULL : api_time_new(arena, unix_ns / NS_PER_SECOND);
}

static char *container_id(struct arena *arena, const char *id)
{
    return id == NULL ? NULL : arena_printf(arena, "containerd://%s", id);
}

static Core__V1__ContainerState *new_state(struct arena *arena)
{
    Core__V1__ContainerState *state = arena_alloc(arena, sizeof(*state));
    core__v1__container_state__init(state);
    return state;
}

static Core__V1__ContainerState *terminated(struct arena *arena, const struct container_end *end)
{
    Core__V1__ContainerState *state = new_state(arena);
    state->terminated = arena_alloc(arena, sizeof(*state->terminated));
    core__v1__container_state_terminated__init(state->terminated);
    state->terminated->exit_code = end->exit_code;
    state->terminated->reason = arena_text(arena, end->reason == NULL ? "" : end->reason);
    state->terminated->message = arena_text(arena, end->message == NULL ? "" : end->message);
    state->terminated->started_at = time_of(arena, end->started_ns);
    state->terminated->finished_at = time_of(arena, end->finished_ns);
    state->terminated->container_id = container_id(arena, end->id);
    return state;
}

static Core__V1__ContainerState *waiting(struct arena *arena, const char *reason,
                                         const char *message)
{
    Core__V1__ContainerState *state = new_state(arena);
    state->waiting = arena_alloc(arena, sizeof(*state->waiting));
    core__v1__container_state_waiting__init(state->waiting);
    state->waiting->reason = arena_text(arena, reason);
    state->waiting->message = arena_text(arena, message == NULL ? "" : message);
    return state;
}

static void fill_states(struct arena *arena, const struct pod_worker *worker, size_t i,
                        Core__V1__ContainerStatus *status)
{
    const struct container_run *run = &worker->containers[i];
    bool has_init = worker->plan->containers[0].kind != CONTAINER_MAIN;
    status->state = NULL;
    status->last_state = run->last.present ? terminated(arena, &run->last) : new_state(arena);
    if (run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING) {
        status->state = new_state(arena);
        status->state->running = arena_alloc(arena, sizeof(*status->state->running));
        core__v1__container_state_running__init(status->state->running);
        status->state->running->started_at = time_of(arena, run->started_ns);
    } else if (run->waiting_reason != NULL && worker->state == POD_SYNCING) {
        status->state = waiting(arena, run->waiting_reason, run->waiting_message);
        if (run->end.present) {
            status->last_state = terminated(arena, &run->end);
        }
    } else if (run->end.present) {
        status->state = terminated(arena, &run->end);
    } else {
        status->state = waiting(
            arena, has_init && !worker->initialized ? "PodInitializing" : "ContainerCreating",
            NULL);
    }
}

static Core__V1__ContainerStatus *container_status(struct arena *arena,
                                                   const struct pod_worker *worker, size_t i)
{
    const struct container_run *run = &worker->containers[i];
    const struct container_plan *plan = &worker->plan->containers[i];
    Core__V1__ContainerStatus *status = arena_alloc(arena, sizeof(*status));
    core__v1__container_status__init(status);
    status->name = arena_text(arena, plan->name);
    status->image = arena_text(arena, plan->image);
    status->image_id = arena_text(arena, run->image_ref == NULL ? "" : run->image_ref);
    status->container_id = container_id(arena, run->id);
    status->restart_count = (int32_t)run->restart_count;
    status->ready = pod_worker_container_ready(worker, i);
    status->has_started = true;
    status->started = pod_worker_container_started(worker, i);
    fill_states(arena, worker, i, status);
    return status;
}

static const Core__V1__PodCondition *find_condition(const Core__V1__PodStatus *status,
                                                    const char *type)
{
    for (size_t i = 0; status != NULL && i < status->n_conditions; i++) {
        if (status->conditions[i]->type != NULL && strcmp(status->conditions[i]->type, type) == 0) {
            return status->conditions[i];
        }
    }
    return NULL;
}

static void add_condition(struct arena *arena, const struct pod_status_context *context,
                          Core__V1__PodStatus *status, const char *type, bool holds,
                          const char *reason, const char *message)
{
    Core__V1__PodCondition *condition = arena_alloc(arena, sizeof(*condition));
    core__v1__pod_condition__init(condition);
    condition->type = arena_text(arena, type);
    condition->status = arena_text(arena, holds ? "True" : "False");
    condition->reason = arena_text(arena, reason);
    condition->message = arena_text(arena, message);
    const Core__V1__PodCondition *before = find_condition(context->before, type);
    bool same = before != NULL && before->status != NULL &&
                strcmp(before->status, condition->status) == 0 &&
                !api_time_is_zero(before->last_transition_time);
    condition->last_transition_time =
        same ? api_time_new(arena, api_time_seconds(before->last_transition_time))
             : time_of(arena, context->wall_ns);
    status->conditions[status->n_conditions++] = condition;
}

/* "containers with unready status: [a b]", or NULL when there is none. */
static char *unready_text(struct arena *arena, const struct pod_worker *worker, const char *wording,
                          bool init)
{
    char *list = NULL;
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        enum container_kind kind = worker->plan->containers[i].kind;
        bool counts = init ? kind != CONTAINER_MAIN : kind != CONTAINER_INIT;
        bool good = init && kind == CONTAINER_SIDECAR ? pod_worker_container_started(worker, i)
                                                      : pod_worker_container_ready(worker, i);
        if (!counts || good) {
            continue;
        }
        const char *name = worker->plan->containers[i].name;
        list = list == NULL ? arena_text(arena, name) : arena_printf(arena, "%s %s", list, name);
    }
    return list == NULL ? NULL
                        : arena_printf(arena, "containers with %s status: [%s]", wording, list);
}

/* The first readiness gate that does not hold, in the kubelet's words, or NULL. */
static char *gate_text(struct arena *arena, const struct pod_status_context *context)
{
    const Core__V1__PodSpec *spec = context->pod->spec;
    for (size_t i = 0; i < spec->n_readiness_gates; i++) {
        const char *type = spec->readiness_gates[i]->condition_type;
        const Core__V1__PodCondition *condition = find_condition(context->pod->status, type);
        if (condition == NULL) {
            return arena_printf(arena,
                                "corresponding condition of pod readiness gate \"%s\" does "
                                "not exist.",
                                type);
        }
        if (condition->status == NULL || strcmp(condition->status, "True") != 0) {
            return arena_printf(arena,
                                "the status of pod readiness gate \"%s\" is not \"True\", but %s",
                                type, condition->status == NULL ? "" : condition->status);
        }
    }
    return NULL;
}

static void add_ready(struct arena *arena, const struct pod_worker *worker,
                      const struct pod_status_context *context, Core__V1__PodStatus *status)
{
    char *unready = unready_text(arena, worker, "unready", /* init= */ false);
    char *gate = gate_text(arena, context);
    if (worker->phase == PHASE_SUCCEEDED || worker->phase == PHASE_FAILED) {
        const char *reason = worker->phase == PHASE_SUCCEEDED ? "PodCompleted" : "PodFailed";
        add_condition(arena, context, status, "Ready", false, reason, "");
        add_condition(arena, context, status, "ContainersReady", false, reason, "");
        return;
    }
    if (unready != NULL) {
        add_condition(arena, context, status, "Ready", false, "ContainersNotReady", unready);
        add_condition(arena, context, status, "ContainersReady", false, "ContainersNotReady",
                      unready);
        return;
    }
    add_condition(arena, context, status, "Ready", gate == NULL,
                  gate == NULL ? "" : "ReadinessGatesNotReady", gate == NULL ? "" : gate);
    add_condition(arena, context, status, "ContainersReady", true, "", "");
}

static char *text_copy(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_text(arena, text);
}

static Meta__V1__Time *time_copy(struct arena *arena, const Meta__V1__Time *time)
{
    return api_time_is_zero(time) ? NULL : api_time_new(arena, api_time_seconds(time));
}

static Core__V1__PodCondition *copy_condition(struct arena *arena,
                                              const Core__V1__PodCondition *condition)
{
    Core__V1__PodCondition *copy = arena_alloc(arena, sizeof(*copy));
    core__v1__pod_condition__init(copy);
    copy->type = text_copy(arena, condition->type);
    copy->status = text_copy(arena, condition->status);
    copy->reason = text_copy(arena, condition->reason);
    copy->message = text_copy(arena, condition->message);
    copy->last_probe_time = time_copy(arena, condition->last_probe_time);
    copy->last_transition_time = time_copy(arena, condition->last_transition_time);
    return copy;
}

static bool is_own_condition(const char *type)
{
    static const char *const own[] = {"PodReadyToStartContainers", "Initialized", "Ready",
                                      "ContainersReady", "PodScheduled"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (strcmp(own[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static void add_conditions(struct arena *arena, const struct pod_worker *worker,
                           const struct pod_status_context *context, Core__V1__PodStatus *status)
{
    size_t others = context->pod->status == NULL ? 0 : context->pod->status->n_conditions;
    status->conditions = arena_array(arena, others + 5, sizeof(*status->conditions));
    add_condition(arena, context, status, "PodReadyToStartContainers",
                  worker->sandbox == SANDBOX_READY, "", "");
    char *incomplete = unready_text(arena, worker, "incomplete", /* init= */ true);
    if (worker->phase == PHASE_SUCCEEDED) {
        add_condition(arena, context, status, "Initialized", true, "PodCompleted", "");
    } else if (incomplete == NULL || worker->initialized) {
        add_condition(arena, context, status, "Initialized", true, "", "");
    } else {
        add_condition(arena, context, status, "Initialized", false, "ContainersNotInitialized",
                      incomplete);
    }
    add_ready(arena, worker, context, status);
    add_condition(arena, context, status, "PodScheduled", true, "", "");
    for (size_t i = 0; i < others; i++) {
        Core__V1__PodCondition *condition = context->pod->status->conditions[i];
        if (condition->type != NULL && !is_own_condition(condition->type)) {
            status->conditions[status->n_conditions++] = copy_condition(arena, condition);
        }
    }
}

static void add_addresses(struct arena *arena, const struct pod_worker *worker,
                          const struct pod_status_context *context, Core__V1__PodStatus *status)
{
    const char *host_ip = context->host_ip;
    status->host_ip = arena_text(arena, host_ip);
    status->host_ips = arena_array(arena, 1, sizeof(*status->host_ips));
    status->host_ips[0] = arena_alloc(arena, sizeof(*status->host_ips[0]));
    core__v1__host_ip__init(status->host_ips[0]);
    status->host_ips[0]->ip = status->host_ip;
    status->n_host_ips = 1;
    const char *pod_ip = context->pod->spec->host_network ? host_ip : worker->ip;
    if (pod_ip == NULL || pod_ip[0] == '\0') {
        return;
    }
    status->pod_ip = arena_text(arena, pod_ip);
    status->pod_ips = arena_array(arena, 1, sizeof(*status->pod_ips));
    status->pod_ips[0] = arena_alloc(arena, sizeof(*status->pod_ips[0]));
    core__v1__pod_ip__init(status->pod_ips[0]);
    status->pod_ips[0]->ip = status->pod_ip;
    status->n_pod_ips = 1;
}

Core__V1__PodStatus *pod_status_build(struct arena *arena, const struct pod_worker *worker,
                                      const struct pod_status_context *context)
{
    static const char *const phases[] = {
        [PHASE_PENDING] = "Pending",
        [PHASE_RUNNING] = "Running",
        [PHASE_SUCCEEDED] = "Succeeded",
        [PHASE_FAILED] = "Failed",
    };
    Core__V1__PodStatus *status = arena_alloc(arena, sizeof(*status));
    core__v1__pod_status__init(status);
    status->phase = arena_text(arena, phases[worker->phase]);
    if (worker->fail_reason != NULL) {
        status->reason = arena_text(arena, worker->fail_reason);
        status->message =
            arena_text(arena, worker->fail_message == NULL ? "" : worker->fail_message);
    }
    status->qos_class = arena_text(arena, pod_qos_name(pod_qos_class(context->pod)));
    status->start_time = time_of(arena, worker->start_ns);
    if (context->pod->status != NULL) {
        status->nominated_node_name = text_copy(arena, context->pod->status->nominated_node_name);
        if (!api_time_is_zero(context->pod->status->start_time)) {
            status->start_time =
                api_time_new(arena, api_time_seconds(context->pod->status->start_time));
        }
    }
    add_addresses(arena, worker, context, status);
    size_t count = worker->plan->container_count;
    status->init_container_statuses = arena_array(arena, count, sizeof(void *));
    status->container_statuses = arena_array(arena, count, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        Core__V1__ContainerStatus *one = container_status(arena, worker, i);
        if (worker->plan->containers[i].kind == CONTAINER_MAIN) {
            status->container_statuses[status->n_container_statuses++] = one;
        } else {
            status->init_container_statuses[status->n_init_container_statuses++] = one;
        }
    }
    add_conditions(arena, worker, context, status);
    return status;
}

static void adopt_container(struct container_run *run, const Core__V1__ContainerStatus *status)
{
    const Core__V1__ContainerStateTerminated *end =
        status->state == NULL ? NULL : status->state->terminated;
    run->restart_count = (uint32_t)status->restart_count;
    worker_text_set(&run->image_ref, status->image_id);
    if (end == NULL) {
        return;
    }
    const char *id = end->container_id == NULL ? "" : end->container_id;
    const char *slashes = strstr(id, "://");
    run->state = CONTAINER_EXITED;
    run->end.present = true;
    run->end.exit_code = end->exit_code;
    run->end.started_ns = api_time_seconds(end->started_at) * NS_PER_SECOND;
    run->end.finished_ns = api_time_seconds(end->finished_at) * NS_PER_SECOND;
    worker_text_set(&run->end.reason, end->reason);
    worker_text_set(&run->end.message, end->message);
    worker_text_set(&run->end.id, slashes == NULL ? id : slashes + 3);
    worker_text_set(&run->id, run->end.id);
}

void pod_status_adopt(struct pod_worker *worker, const Core__V1__PodStatus *status)
{
    const struct {
        Core__V1__ContainerStatus *const *items;
        size_t count;
    } lists[] = {
        {status->init_container_statuses, status->n_init_container_statuses},
        {status->container_statuses, status->n_container_statuses},
    };
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < lists[k].count; i++) {
            const Core__V1__ContainerStatus *one = lists[k].items[i];
            size_t at =
                one->name == NULL ? POD_EFFECT_NO_CONTAINER : pod_worker_find(worker, one->name);
            if (at != POD_EFFECT_NO_CONTAINER) {
                adopt_container(&worker->containers[at], one);
            }
        }
    }
    worker->state = POD_TERMINATED;
    worker->initialized = true;
    if (status->phase != NULL && strcmp(status->phase, "Failed") == 0) {
        worker->phase = PHASE_FAILED;
        worker_text_set(&worker->fail_reason, status->reason);
        worker_text_set(&worker->fail_message, status->message);
    } else {
        worker->phase = PHASE_SUCCEEDED;
    }
    worker_text_set(&worker->ip, status->pod_ip);
}
