#include "agent/pod_worker_internal.h"

static const char *const probe_names[PROBE_KINDS] = {
    [PROBE_STARTUP] = "Startup",
    [PROBE_LIVENESS] = "Liveness",
    [PROBE_READINESS] = "Readiness",
};

void worker_probes_reset(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    const struct container_plan *plan = &step->worker->plan->containers[i];
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        const struct probe_plan *probe = &plan->probes[kind];
        run->probes[kind] = (struct probe_run){
            /* A container found running has had its delay, and has been ready as far as is known.
             */
            .next_ms = run->started_ms + (run->adopted ? 0 : probe->initial_delay_ms),
            .passing = run->adopted || kind == PROBE_LIVENESS,
            .known = run->adopted,
        };
    }
}

void worker_probes_run(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    const struct container_plan *plan = &step->worker->plan->containers[i];
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        struct probe_run *probe = &run->probes[kind];
        if (!plan->probes[kind].present || probe->in_flight || !run->post_started) {
            continue;
        }
        /* The startup probe runs until it has passed once; the others only after that. */
        bool starting = plan->probes[PROBE_STARTUP].present && !run->probes[PROBE_STARTUP].passing;
        if (starting != (kind == PROBE_STARTUP)) {
            continue;
        }
        if (step->clock.now_ms < probe->next_ms) {
            step_wake(step, probe->next_ms);
            continue;
        }
        probe->in_flight = true;
        probe->next_ms = step->clock.now_ms + plan->probes[kind].period_ms;
        step_effect(step, EFFECT_RUN_PROBE, i)->probe = (enum probe_kind)kind;
    }
}

static void probe_failed_for_good(struct step *step, size_t i, enum probe_kind kind)
{
    struct pod_worker *worker = step->worker;
    const struct container_plan *plan = &worker->plan->containers[i];
    if (kind == PROBE_READINESS) {
        return;
    }
    step_record(step, /* warning= */ false, i, "Killing",
                "Container %s failed %s probe, will be restarted", plan->name,
                kind == PROBE_LIVENESS ? "liveness" : "startup");
    int64_t grace = plan->probes[kind].grace_seconds;
    worker_stop_container(step, i, grace >= 0 ? grace : worker->plan->grace_seconds);
}

void worker_probe_result(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    struct container_run *run = &step->worker->containers[i];
    const struct probe_plan *plan = &step->worker->plan->containers[i].probes[event->probe];
    struct probe_run *probe = &run->probes[event->probe];
    probe->in_flight = false;
    if (run->state != CONTAINER_RUNNING || !plan->present) {
        return;
    }
    if (!event->ok) {
        step_record(step, /* warning= */ true, i, "Unhealthy", "%s probe failed: %s",
                    probe_names[event->probe], event->message == NULL ? "" : event->message);
    }
    probe->successes = event->ok ? probe->successes + 1 : 0;
    probe->failures = event->ok ? 0 : probe->failures + 1;
    if (event->ok && probe->successes >= plan->success_threshold) {
        step->status_dirty |= !probe->passing || !probe->known;
        probe->passing = true;
        probe->known = true;
    }
    if (!event->ok && probe->failures >= plan->failure_threshold) {
        step->status_dirty |= probe->passing || !probe->known;
        probe->passing = false;
        probe->known = true;
        probe->failures = 0;
        probe_failed_for_good(step, i, event->probe);
    }
}
