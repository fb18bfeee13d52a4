/* The row of a pod: what its containers say, in one word. */
#include "lib/api/rules/rules.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"

struct pod_view {
    const struct table_row *row;
    const Core__V1__Pod *pod;
    const char *reason;
    size_t total, ready;
    int64_t restarts, init_restarts, sidecar_restarts;
    int64_t last_s, last_sidecar_s; /* Of the latest termination; 0 for none. */
    bool initializing, running;
};

static bool condition_is(const Core__V1__Pod *pod, const char *type, const char *status)
{
    for (size_t i = 0; i < pod->status->n_conditions; i++) {
        const Core__V1__PodCondition *condition = pod->status->conditions[i];
        if (rules_is(condition->type, type)) {
            return rules_is(condition->status, status);
        }
    }
    return false;
}

static const Core__V1__ContainerStateTerminated *terminated(const Core__V1__ContainerStatus *status)
{
    return status->state == NULL ? NULL : status->state->terminated;
}

static const char *waiting_reason(const Core__V1__ContainerStatus *status)
{
    bool waiting = status->state != NULL && status->state->waiting != NULL;
    return waiting ? text_or_empty(status->state->waiting->reason) : "";
}

static void note_last(int64_t *last_s, const Core__V1__ContainerStatus *status)
{
    if (status->last_state != NULL && status->last_state->terminated != NULL) {
        int64_t finished_s = api_time_seconds(status->last_state->terminated->finished_at);
        *last_s = finished_s > *last_s ? finished_s : *last_s;
    }
}

static const char *exit_text(const struct pod_view *view, const char *prefix,
                             const Core__V1__ContainerStateTerminated *state)
{
    if (!rules_empty(state->reason)) {
        return arena_printf(view->row->arena, "%s%s", prefix, state->reason);
    }
    return state->signal != 0
               ? arena_printf(view->row->arena, "%sSignal:%d", prefix, state->signal)
               : arena_printf(view->row->arena, "%sExitCode:%d", prefix, state->exit_code);
}

static bool is_sidecar(const Core__V1__PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        if (rules_is(spec->init_containers[i]->name, text_or_empty(name))) {
            return rules_is(spec->init_containers[i]->restart_policy, "Always");
        }
    }
    return false;
}

/* Whether initialization has come past this container. */
static bool init_done(struct pod_view *view, const Core__V1__ContainerStatus *status, bool sidecar,
                      size_t index)
{
    const Core__V1__ContainerStateTerminated *ended = terminated(status);
    const char *waiting = waiting_reason(status);
    if (ended != NULL && ended->exit_code == 0) {
        return true;
    }
    if (sidecar && status->has_started && status->started) {
        view->ready += status->ready ? 1 : 0;
        return true;
    }
    if (ended != NULL) {
        view->reason = exit_text(view, "Init:", ended);
    } else if (*waiting != '\0' && strcmp(waiting, "PodInitializing") != 0) {
        view->reason = arena_printf(view->row->arena, "Init:%s", waiting);
    } else {
        view->reason = arena_printf(view->row->arena, "Init:%zu/%zu", index,
                                    view->pod->spec->n_init_containers);
    }
    return false;
}

static void look_at_init(struct pod_view *view)
{
    const Core__V1__PodStatus *status = view->pod->status;
    for (size_t i = 0; i < status->n_init_container_statuses; i++) {
        const Core__V1__ContainerStatus *container = status->init_container_statuses[i];
        bool sidecar = is_sidecar(view->pod->spec, container->name);
        view->init_restarts += container->restart_count;
        note_last(&view->last_s, container);
        if (sidecar) {
            view->sidecar_restarts += container->restart_count;
            note_last(&view->last_sidecar_s, container);
        }
        if (!init_done(view, container, sidecar, i)) {
            view->initializing = true;
            return;
        }
    }
}

static void look_at_containers(struct pod_view *view)
{
    const Core__V1__PodStatus *status = view->pod->status;
    view->restarts = view->sidecar_restarts;
    view->last_s = view->last_sidecar_s;
    for (size_t i = status->n_container_statuses; i > 0; i--) {
        const Core__V1__ContainerStatus *container = status->container_statuses[i - 1];
        const char *waiting = waiting_reason(container);
        const Core__V1__ContainerStateTerminated *ended = terminated(container);
        view->restarts += container->restart_count;
        note_last(&view->last_s, container);
        if (*waiting != '\0') {
            view->reason = waiting;
        } else if (ended != NULL) {
            view->reason = exit_text(view, "", ended);
        } else if (container->ready && container->state != NULL &&
                   container->state->running != NULL) {
            view->running = true;
            view->ready++;
        }
    }
    if (view->running && rules_is(view->reason, "Completed")) {
        view->reason = condition_is(view->pod, "Ready", "True") ? "Running" : "NotReady";
    }
}

static void look_at_phase(struct pod_view *view)
{
    const Core__V1__PodStatus *status = view->pod->status;
    view->reason = rules_empty(status->reason) ? text_or_empty(status->phase) : status->reason;
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (rules_is(status->conditions[i]->type, "PodScheduled") &&
            rules_is(status->conditions[i]->reason, "SchedulingGated")) {
            view->reason = "SchedulingGated";
        }
    }
}

static bool is_final(const Core__V1__Pod *pod)
{
    return rules_is(pod->status->phase, "Succeeded") || rules_is(pod->status->phase, "Failed");
}

static struct pod_view view_of(const struct table_row *row, const Core__V1__Pod *pod)
{
    struct pod_view view = {.row = row, .pod = pod, .total = pod->spec->n_containers};
    for (size_t i = 0; i < pod->spec->n_init_containers; i++) {
        view.total += rules_is(pod->spec->init_containers[i]->restart_policy, "Always") ? 1 : 0;
    }
    look_at_phase(&view);
    look_at_init(&view);
    view.restarts = view.init_restarts;
    if (!view.initializing || condition_is(pod, "Initialized", "True")) {
        look_at_containers(&view);
    }
    if (pod->metadata->deletion_timestamp != NULL) {
        if (rules_is(pod->status->reason, "NodeLost")) {
            view.reason = "Unknown";
        } else if (!is_final(pod)) {
            view.reason = "Terminating";
        }
    }
    return view;
}

static void readiness_gates(struct table_row *row, const Core__V1__Pod *pod)
{
    size_t total = pod->spec->n_readiness_gates, held = 0;
    for (size_t i = 0; i < total; i++) {
        held +=
            condition_is(pod, text_or_empty(pod->spec->readiness_gates[i]->condition_type), "True");
    }
    table_text(row, total == 0 ? "<none>" : arena_printf(row->arena, "%zu/%zu", held, total));
}

void table_pod(struct table_row *row, const void *message)
{
    const Core__V1__Pod *pod = message;
    struct pod_view view = view_of(row, pod);
    if (rules_is(pod->status->phase, "Succeeded")) {
        *row->condition = (struct api_table_condition){"Completed", "True", "Succeeded",
                                                       "The pod has completed successfully."};
    } else if (rules_is(pod->status->phase, "Failed")) {
        *row->condition =
            (struct api_table_condition){"Completed", "True", "Failed", "The pod failed."};
    }
    table_text(row, pod->metadata->name);
    table_text(row, arena_printf(row->arena, "%zu/%zu", view.ready, view.total));
    table_text(row, view.reason);
    if (view.restarts != 0 && view.last_s != 0) {
        table_text(row, arena_printf(row->arena, "%lld (%s ago)", (long long)view.restarts,
                                     api_human_duration(row->arena, row->now_s - view.last_s)));
    } else {
        table_text(row, arena_printf(row->arena, "%lld", (long long)view.restarts));
    }
    table_age(row, pod->metadata);
    table_text_or(row, pod->status->n_pod_ips > 0 ? pod->status->pod_ips[0]->ip : "", "<none>");
    table_text_or(row, pod->spec->node_name, "<none>");
    table_text_or(row, pod->status->nominated_node_name, "<none>");
    readiness_gates(row, pod);
}
