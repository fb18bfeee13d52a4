#include "agent/pod_worker_internal.h"

#include "agent/limits.h"
#include <assert.h>

/* The runtime gets at least this long between SIGTERM and SIGKILL, whatever preStop has used up. */
#define GRACE_SECONDS_MIN 2

bool worker_container_restarts(const struct pod_worker *worker, size_t i)
{
    const struct container_run *run = &worker->containers[i];
    assert(run->state == CONTAINER_EXITED);
    if (worker->plan->containers[i].kind == CONTAINER_SIDECAR) {
        return true;
    }
    bool failed = run->end.exit_code != 0;
    if (worker->plan->containers[i].kind == CONTAINER_INIT) {
        return failed && worker->plan->restart_policy != RESTART_NEVER;
    }
    switch (worker->plan->restart_policy) {
    case RESTART_ALWAYS:
        return true;
    case RESTART_ON_FAILURE:
        return failed;
    case RESTART_NEVER:
        return false;
    }
    return false;
}

static bool container_busy(const struct container_run *run)
{
    return run->state == CONTAINER_STARTING || run->state == CONTAINER_RUNNING ||
           run->state == CONTAINER_STOPPING;
}

static int64_t seconds_left(uint64_t deadline_ms, uint64_t now_ms)
{
    return deadline_ms <= now_ms ? 0 : (int64_t)((deadline_ms - now_ms + 999) / 1000);
}

/* preStop first, when there is one; then the runtime's stop with what is left of the time. */
static void drive_stop(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    uint64_t now = step->clock.now_ms;
    if (run->hook_running && now < run->stop_deadline_ms) {
        step_wake(step, run->stop_deadline_ms);
        return;
    }
    if (run->stop_sent) {
        return;
    }
    if (now < run->stop_retry_ms) {
        step_wake(step, run->stop_retry_ms);
        return;
    }
    run->stop_sent = true;
    run->hook_running = false;
    int64_t grace = seconds_left(run->stop_deadline_ms, now);
    if (run->pre_stopped && grace < GRACE_SECONDS_MIN) {
        grace = GRACE_SECONDS_MIN;
    }
    struct pod_effect *effect = step_effect(step, EFFECT_STOP_CONTAINER, i);
    effect->id = arena_text(step->effects->arena, run->id);
    effect->grace_seconds = grace;
}

void worker_stop_container(struct step *step, size_t i, int64_t grace_seconds)
{
    struct container_run *run = &step->worker->containers[i];
    assert(run->state == CONTAINER_RUNNING);
    run->state = CONTAINER_STOPPING;
    run->stop_sent = false;
    run->stop_retry_ms = 0;
    run->hook_running = false;
    run->stop_deadline_ms = step->clock.now_ms + (uint64_t)grace_seconds * 1000;
    step->status_dirty = true;
    if (step->worker->plan->containers[i].pre_stop && !run->pre_stopped && grace_seconds > 0) {
        run->hook_running = true;
        struct pod_effect *effect = step_effect(step, EFFECT_RUN_HOOK, i);
        effect->ok = false;
        effect->grace_seconds = grace_seconds;
    }
    drive_stop(step, i);
}

void worker_begin_termination(struct step *step, int64_t grace_seconds)
{
    struct pod_worker *worker = step->worker;
    uint64_t grace = grace_seconds < 0 ? 0 : (uint64_t)grace_seconds;
    uint64_t deadline_ms = step->clock.now_ms + grace * 1000;
    step->status_dirty = true;
    if (worker->state == POD_SYNCING) {
        worker->state = POD_TERMINATING;
        worker->kill_deadline_ms = deadline_ms;
        return;
    }
    if (worker->state == POD_TERMINATED || deadline_ms >= worker->kill_deadline_ms) {
        return;
    }
    /* Less time than before: those being stopped are stopped again, sooner. */
    worker->kill_deadline_ms = deadline_ms;
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        struct container_run *run = &worker->containers[i];
        if (run->state == CONTAINER_STOPPING && run->stop_deadline_ms > deadline_ms) {
            run->stop_deadline_ms = deadline_ms;
            run->stop_sent = false;
        }
    }
}

/* Whether the pod has come to its end by itself: an init container failed for good, or every main
 * container ended and none is to be restarted. */
static bool pod_completed(const struct pod_worker *worker)
{
    size_t mains = 0;
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        const struct container_run *run = &worker->containers[i];
        bool over = run->state == CONTAINER_EXITED && !worker_container_restarts(worker, i);
        if (worker->plan->containers[i].kind == CONTAINER_INIT) {
            if (over && run->end.exit_code != 0) {
                return true;
            }
        } else if (worker->plan->containers[i].kind == CONTAINER_MAIN) {
            mains++;
            if (!over) {
                return false;
            }
        }
    }
    return mains > 0;
}

static bool sync_volumes(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (worker->volumes == VOLUMES_NONE) {
        if (step->clock.now_ms < worker->volumes_retry_ms) {
            step_wake(step, worker->volumes_retry_ms);
        } else {
            worker->volumes = VOLUMES_PREPARING;
            step_effect(step, EFFECT_PREPARE_VOLUMES, POD_EFFECT_NO_CONTAINER);
        }
    }
    return worker->volumes == VOLUMES_READY;
}

static bool sync_sandbox(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (worker->sandbox == SANDBOX_READY) {
        return true;
    }
    if (worker->sandbox != SANDBOX_NONE && worker->sandbox != SANDBOX_STOPPED) {
        return false;
    }
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        if (container_busy(&worker->containers[i])) {
            return false; /* They go with the old sandbox; the relist tells when. */
        }
    }
    if (step->clock.now_ms < worker->sandbox_retry_ms) {
        step_wake(step, worker->sandbox_retry_ms);
        return false;
    }
    /* A new sandbox starts from the beginning: init containers run again. */
    worker->initialized = false;
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        struct container_run *run = &worker->containers[i];
        if (worker->plan->containers[i].kind == CONTAINER_INIT && run->state == CONTAINER_EXITED &&
            run->end.exit_code == 0) {
            run->state = CONTAINER_WAITING;
        }
    }
    struct pod_effect *effect = step_effect(step, EFFECT_CREATE_SANDBOX, POD_EFFECT_NO_CONTAINER);
    effect->attempt = worker->sandbox_id == NULL ? 0 : worker->sandbox_attempt + 1;
    worker->sandbox = SANDBOX_CREATING;
    return false;
}

static void sync_running(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    const struct container_plan *plan = &step->worker->plan->containers[i];
    if (run->state == CONTAINER_STOPPING) {
        drive_stop(step, i);
        return;
    }
    if (run->state != CONTAINER_RUNNING) {
        return;
    }
    if (run->hash != 0 && run->hash != plan->hash) {
        step_record(step, /* warning= */ false, i, "Killing",
                    "Container %s definition changed, will be restarted", plan->name);
        worker_stop_container(step, i, step->worker->plan->grace_seconds);
        return;
    }
    worker_probes_run(step, i);
}

static void start_if_wanted(struct step *step, size_t i)
{
    const struct container_run *run = &step->worker->containers[i];
    if (run->state == CONTAINER_WAITING ||
        (run->state == CONTAINER_EXITED && worker_container_restarts(step->worker, i))) {
        worker_start_if_due(step, i);
    }
}

static void sync_containers(struct step *step)
{
    struct pod_worker *worker = step->worker;
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        sync_running(step, i);
    }
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        const struct container_run *run = &worker->containers[i];
        enum container_kind kind = worker->plan->containers[i].kind;
        if (kind == CONTAINER_INIT && worker->initialized) {
            continue;
        }
        if (kind == CONTAINER_INIT &&
            !(run->state == CONTAINER_EXITED && run->end.exit_code == 0)) {
            start_if_wanted(step, i);
            return;
        }
        if (kind == CONTAINER_SIDECAR) {
            start_if_wanted(step, i);
            if (!worker->initialized && !pod_worker_container_started(worker, i)) {
                return;
            }
        }
        if (kind == CONTAINER_MAIN) {
            if (!worker->initialized) {
                worker->initialized = true;
                step->status_dirty = true;
            }
            start_if_wanted(step, i);
        }
    }
}

static void sync_pod(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (worker->plan->active_deadline_seconds >= 0) {
        uint64_t deadline_ms =
            worker->start_ms + (uint64_t)worker->plan->active_deadline_seconds * 1000;
        if (step->clock.now_ms >= deadline_ms) {
            worker_text_set(&worker->fail_reason, "DeadlineExceeded");
            worker_text_set(&worker->fail_message,
                            "Pod was active on the node longer than the specified deadline");
            step_record(step, /* warning= */ false, POD_EFFECT_NO_CONTAINER, "DeadlineExceeded",
                        "Pod was active on the node longer than the specified deadline");
            worker_begin_termination(step, worker->plan->grace_seconds);
            return;
        }
        step_wake(step, deadline_ms);
    }
    if (pod_completed(worker)) {
        worker_begin_termination(step, worker->plan->grace_seconds);
        return;
    }
    if (sync_volumes(step) && sync_sandbox(step)) {
        sync_containers(step);
    }
}

/* Stops what runs: main and init containers at once, then sidecars from the last to the first. */
static bool containers_ended(struct step *step)
{
    struct pod_worker *worker = step->worker;
    bool ended = true;
    for (size_t at = worker->plan->container_count; at > 0; at--) {
        size_t i = at - 1;
        struct container_run *run = &worker->containers[i];
        bool sidecar = worker->plan->containers[i].kind == CONTAINER_SIDECAR;
        if (!container_busy(run)) {
            continue;
        }
        if (sidecar && !ended) {
            continue;
        }
        if (run->state == CONTAINER_RUNNING) {
            step_record(step, /* warning= */ false, i, "Killing", "Stopping container %s",
                        worker->plan->containers[i].name);
            worker_stop_container(step, i,
                                  seconds_left(worker->kill_deadline_ms, step->clock.now_ms));
        } else if (run->state == CONTAINER_STOPPING) {
            drive_stop(step, i);
        }
        ended = false;
    }
    return ended;
}

static void terminate_pod(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (!containers_ended(step) || worker->volumes == VOLUMES_PREPARING) {
        return;
    }
    switch (worker->sandbox) {
    case SANDBOX_CREATING:
    case SANDBOX_STOPPING:
        return;
    case SANDBOX_READY:
        worker->sandbox = SANDBOX_STOPPING;
        step_effect(step, EFFECT_STOP_SANDBOX, POD_EFFECT_NO_CONTAINER)->id =
            arena_text(step->effects->arena, worker->sandbox_id);
        return;
    case SANDBOX_NONE:
    case SANDBOX_STOPPED:
        break;
    }
    worker->state = POD_TERMINATED;
    step->status_dirty = true;
}

/* A pod that has ended stays, with its logs, until its object is deleted. */
static void finish_pod(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (!worker->deleted && !worker->forgotten) {
        return;
    }
    if (!worker->cleaned) {
        if (worker->cleaning) {
            return;
        }
        if (step->clock.now_ms < worker->clean_retry_ms) {
            step_wake(step, worker->clean_retry_ms);
            return;
        }
        worker->cleaning = true;
        step_effect(step, EFFECT_CLEAN, POD_EFFECT_NO_CONTAINER);
        return;
    }
    if (worker->forgotten) {
        step_effect(step, EFFECT_DROP, POD_EFFECT_NO_CONTAINER);
    } else if (!worker->done_sent) {
        worker->done_sent = true;
        step_effect(step, EFFECT_POD_DELETED, POD_EFFECT_NO_CONTAINER);
    }
}

/* As the kubelet's getPhase: what containers say, whatever the pod is asked to do. */
static enum pod_phase derive_phase(const struct pod_worker *worker)
{
    size_t waiting = 0, running = 0, stopped = 0, succeeded = 0;
    if (worker->fail_reason != NULL) {
        return PHASE_FAILED;
    }
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        const struct container_run *run = &worker->containers[i];
        if (worker->plan->containers[i].kind == CONTAINER_INIT && run->state == CONTAINER_EXITED &&
            run->end.exit_code != 0 && worker->plan->restart_policy == RESTART_NEVER) {
            return PHASE_FAILED;
        }
        if (worker->plan->containers[i].kind != CONTAINER_MAIN) {
            continue;
        }
        if (run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING) {
            running++;
        } else if (run->end.present) {
            stopped++;
            succeeded += run->end.exit_code == 0;
        } else {
            waiting++;
        }
    }
    if (worker->state == POD_TERMINATED) {
        return succeeded == stopped && waiting == 0 ? PHASE_SUCCEEDED : PHASE_FAILED;
    }
    if (waiting > 0 || !worker->initialized) {
        return PHASE_PENDING;
    }
    if (running > 0 || worker->plan->restart_policy == RESTART_ALWAYS) {
        return PHASE_RUNNING;
    }
    if (stopped == succeeded) {
        return PHASE_SUCCEEDED;
    }
    return worker->plan->restart_policy == RESTART_NEVER ? PHASE_FAILED : PHASE_RUNNING;
}

void worker_reconcile(struct step *step)
{
    struct pod_worker *worker = step->worker;
    if (worker->state == POD_SYNCING) {
        sync_pod(step);
    }
    if (worker->state == POD_TERMINATING) {
        terminate_pod(step);
    }
    if (worker->state == POD_TERMINATED) {
        finish_pod(step);
    }
    enum pod_phase phase = derive_phase(worker);
    step->status_dirty |= phase != worker->phase;
    worker->phase = phase;
}
