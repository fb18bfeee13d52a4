#include "agent/pod_plan.h"

#include "agent/container_config.h"
#include "agent/limits.h"
#include <errno.h>
#include <string.h>

static bool is(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

static uint32_t positive_or(int32_t value, uint32_t otherwise)
{
    return value > 0 ? (uint32_t)value : otherwise;
}

static struct probe_plan plan_probe(const Core__V1__Probe *probe)
{
    if (probe == NULL || probe->handler == NULL) {
        return (struct probe_plan){.present = false};
    }
    return (struct probe_plan){
        .present = true,
        .initial_delay_ms = positive_or(probe->initial_delay_seconds, 0) * 1000,
        .period_ms = positive_or(probe->period_seconds, 10) * 1000,
        .timeout_ms = positive_or(probe->timeout_seconds, 1) * 1000,
        .success_threshold = positive_or(probe->success_threshold, 1),
        .failure_threshold = positive_or(probe->failure_threshold, 3),
        .grace_seconds = probe->has_termination_grace_period_seconds
                             ? probe->termination_grace_period_seconds
                             : -1,
    };
}

/* As the API's default: Always for ":latest" and for images without a tag, when nothing is said. */
static enum pull_policy plan_pull_policy(const Core__V1__Container *container)
{
    if (is(container->image_pull_policy, "Always")) {
        return PULL_ALWAYS;
    }
    return is(container->image_pull_policy, "Never") ? PULL_NEVER : PULL_IF_NOT_PRESENT;
}

static struct container_plan
plan_container(struct arena *arena, const Core__V1__Container *container, enum container_kind kind)
{
    const Core__V1__Lifecycle *lifecycle = container->lifecycle;
    struct container_plan plan = {
        .name = arena_text(arena, container->name == NULL ? "" : container->name),
        .image = arena_text(arena, container->image == NULL ? "" : container->image),
        .kind = kind,
        .pull_policy = plan_pull_policy(container),
        .post_start = lifecycle != NULL && lifecycle->post_start != NULL,
        .pre_stop = lifecycle != NULL && lifecycle->pre_stop != NULL,
        .hash = container_hash(container),
    };
    if (kind != CONTAINER_INIT) {
        plan.probes[PROBE_STARTUP] = plan_probe(container->startup_probe);
        plan.probes[PROBE_LIVENESS] = plan_probe(container->liveness_probe);
        plan.probes[PROBE_READINESS] = plan_probe(container->readiness_probe);
    }
    return plan;
}

int pod_plan_from(struct arena *arena, const Core__V1__Pod *pod, struct pod_plan **ret_plan)
{
    if (pod->metadata == NULL || pod->spec == NULL || pod->metadata->uid == NULL ||
        pod->metadata->uid[0] == '\0' || pod->metadata->name == NULL ||
        pod->metadata->namespace_ == NULL) {
        return -EINVAL;
    }
    const Core__V1__PodSpec *spec = pod->spec;
    size_t count = spec->n_init_containers + spec->n_containers;
    if (count > AGENT_CONTAINERS_PER_POD_MAX || spec->n_containers == 0) {
        return -EINVAL;
    }
    struct pod_plan *plan = arena_zeroed(arena, sizeof(*plan));
    plan->uid = arena_text(arena, pod->metadata->uid);
    plan->name = arena_text(arena, pod->metadata->name);
    plan->namespace_name = arena_text(arena, pod->metadata->namespace_);
    plan->restart_policy = is(spec->restart_policy, "Never")       ? RESTART_NEVER
                           : is(spec->restart_policy, "OnFailure") ? RESTART_ON_FAILURE
                                                                   : RESTART_ALWAYS;
    plan->grace_seconds =
        spec->has_termination_grace_period_seconds ? spec->termination_grace_period_seconds : 30;
    plan->active_deadline_seconds =
        spec->has_active_deadline_seconds ? spec->active_deadline_seconds : -1;
    plan->containers = arena_array(arena, count, sizeof(*plan->containers));
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        bool sidecar = is(spec->init_containers[i]->restart_policy, "Always");
        plan->containers[plan->container_count++] = plan_container(
            arena, spec->init_containers[i], sidecar ? CONTAINER_SIDECAR : CONTAINER_INIT);
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        plan->containers[plan->container_count++] =
            plan_container(arena, spec->containers[i], CONTAINER_MAIN);
    }
    *ret_plan = plan;
    return 0;
}
