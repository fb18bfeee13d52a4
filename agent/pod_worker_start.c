#include "agent/pod_worker_internal.h"

#include "agent/limits.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How long an error is shown as itself (ErrImagePull) before it becomes a back-off. */
#define SHOW_ERROR_MS 1000

static bool waiting_is(const struct container_run *run, const char *reason)
{
    return run->waiting_reason != NULL && strcmp(run->waiting_reason, reason) == 0;
}

static void back_to_waiting(struct container_run *run)
{
    run->state = run->end.present ? CONTAINER_EXITED : CONTAINER_WAITING;
}

static uint64_t backoff_next(uint64_t backoff_ms)
{
    if (backoff_ms == 0) {
        return AGENT_BACKOFF_MS_MIN;
    }
    return backoff_ms >= AGENT_BACKOFF_MS_MAX / 2 ? AGENT_BACKOFF_MS_MAX : 2 * backoff_ms;
}

/* "10s", "1m20s", "5m0s": as Go prints a duration. */
static const char *duration_text(uint64_t ms, char buffer[static 32])
{
    uint64_t seconds = ms / 1000;
    if (seconds >= 60) {
        (void)snprintf(buffer, 32, "%" PRIu64 "m%" PRIu64 "s", seconds / 60, seconds % 60);
    } else {
        (void)snprintf(buffer, 32, "%" PRIu64 "s", seconds);
    }
    return buffer;
}

static void show_crash_loop(struct step *step, size_t i)
{
    const struct pod_plan *plan = step->worker->plan;
    struct container_run *run = &step->worker->containers[i];
    if (waiting_is(run, "CrashLoopBackOff")) {
        return;
    }
    char duration[32];
    char text[1024];
    (void)snprintf(text, sizeof(text), "back-off %s restarting failed container=%s pod=%s_%s(%s)",
                   duration_text(run->backoff_ms, duration), plan->containers[i].name, plan->name,
                   plan->namespace_name, plan->uid);
    step_waiting(step, i, "CrashLoopBackOff", text);
    step_record(step, /* warning= */ true, i, "BackOff",
                "Back-off restarting failed container %s in pod %s_%s(%s)",
                plan->containers[i].name, plan->name, plan->namespace_name, plan->uid);
}

static void show_image_backoff(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    const char *image = step->worker->plan->containers[i].image;
    if (!waiting_is(run, "ErrImagePull")) {
        return;
    }
    uint64_t show_ms = run->failed_ms + SHOW_ERROR_MS;
    if (step->clock.now_ms < show_ms) {
        step_wake(step, show_ms);
        return;
    }
    char text[1024];
    (void)snprintf(text, sizeof(text), "Back-off pulling image \"%s\": ErrImagePull: %s", image,
                   run->waiting_message == NULL ? "" : run->waiting_message);
    step_waiting(step, i, "ImagePullBackOff", text);
    step_record(step, /* warning= */ false, i, "BackOff", "Back-off pulling image \"%s\"", image);
    step_record(step, /* warning= */ true, i, "Failed", "Error: ImagePullBackOff");
}

void worker_start_if_due(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    uint64_t now = step->clock.now_ms;
    if (now < run->retry_ms) {
        show_image_backoff(step, i);
        step_wake(step, run->retry_ms);
        return;
    }
    uint64_t due_ms = run->exited_ms + run->backoff_ms;
    if (run->end.present && run->backoff_ms > 0 && now < due_ms) {
        show_crash_loop(step, i);
        step_wake(step, due_ms);
        return;
    }
    run->state = CONTAINER_CHECKING;
    step_effect(step, EFFECT_CHECK_IMAGE, i);
}

static void start(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    run->state = CONTAINER_STARTING;
    run->image_backoff_ms = 0;
    /* A container that ended before counts as restarted; the first one has attempt 0. */
    step_effect(step, EFFECT_START_CONTAINER, i)->attempt =
        run->restart_count + (run->end.present ? 1 : 0);
}

/* The answer to a question of a life that is over (the pod is terminating) is dropped. */
static bool expected(struct step *step, size_t i, enum container_state state)
{
    struct container_run *run = &step->worker->containers[i];
    if (run->state != state) {
        return false;
    }
    if (step->worker->state != POD_SYNCING) {
        back_to_waiting(run);
        return false;
    }
    return true;
}

void worker_image_checked(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    if (!expected(step, i, CONTAINER_CHECKING)) {
        return;
    }
    const struct container_plan *plan = &step->worker->plan->containers[i];
    struct container_run *run = &step->worker->containers[i];
    if (event->ok && plan->pull_policy != PULL_ALWAYS) {
        worker_text_set(&run->image_ref, event->id);
        step_record(step, /* warning= */ false, i, "Pulled",
                    "Container image \"%s\" already present on machine", plan->image);
        start(step, i);
        return;
    }
    if (plan->pull_policy == PULL_NEVER) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "Container image \"%s\" is not present with pull policy of Never",
                       plan->image);
        back_to_waiting(run);
        run->retry_ms = step->clock.now_ms + AGENT_BACKOFF_MS_MIN;
        step_waiting(step, i, "ErrImageNeverPull", text);
        step_record(step, /* warning= */ true, i, "ErrImageNeverPull", "%s", text);
        step_record(step, /* warning= */ true, i, "Failed", "Error: ErrImageNeverPull");
        return;
    }
    run->state = CONTAINER_PULLING;
    step_record(step, /* warning= */ false, i, "Pulling", "Pulling image \"%s\"", plan->image);
    step_effect(step, EFFECT_PULL_IMAGE, i);
}

void worker_image_pulled(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    if (!expected(step, i, CONTAINER_PULLING)) {
        return;
    }
    worker_text_set(&step->worker->containers[i].image_ref, event->id);
    char elapsed[32];
    if (event->elapsed_ms < 1000) {
        (void)snprintf(elapsed, sizeof(elapsed), "%" PRIu64 "ms", event->elapsed_ms);
    } else {
        (void)snprintf(elapsed, sizeof(elapsed), "%" PRIu64 ".%03" PRIu64 "s",
                       event->elapsed_ms / 1000, event->elapsed_ms % 1000);
    }
    step_record(step, /* warning= */ false, i, "Pulled",
                "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: "
                "%" PRIu64 " bytes.",
                step->worker->plan->containers[i].image, elapsed, elapsed, event->size_bytes);
    start(step, i);
}

void worker_image_failed(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    if (!expected(step, i, CONTAINER_PULLING) && !expected(step, i, CONTAINER_CHECKING)) {
        return;
    }
    const struct container_plan *plan = &step->worker->plan->containers[i];
    struct container_run *run = &step->worker->containers[i];
    const char *reason = event->reason == NULL ? "ErrImagePull" : event->reason;
    back_to_waiting(run);
    run->image_backoff_ms = backoff_next(run->image_backoff_ms);
    run->failed_ms = step->clock.now_ms;
    run->retry_ms = step->clock.now_ms + run->image_backoff_ms;
    step_waiting(step, i, reason, event->message);
    if (strcmp(reason, "ErrImagePull") == 0) {
        step_record(step, /* warning= */ true, i, "Failed", "Failed to pull image \"%s\": %s",
                    plan->image, event->message);
    } else {
        step_record(step, /* warning= */ true, i, "InspectFailed", "%s", event->message);
    }
    step_record(step, /* warning= */ true, i, "Failed", "Error: %s", reason);
}

/* The end of the run before moves back one place; what was two runs ago is removed. */
static void retire_end(struct step *step, size_t i)
{
    struct container_run *run = &step->worker->containers[i];
    if (!run->end.present) {
        return;
    }
    if (run->last.present && run->last.id != NULL) {
        step_effect(step, EFFECT_REMOVE_CONTAINER, i)->id =
            arena_text(step->effects->arena, run->last.id);
    }
    container_end_release(&run->last);
    run->last = run->end;
    run->end = (struct container_end){.present = false};
}

static void grow_backoff(struct container_run *run, uint64_t now_ms)
{
    run->backoff_ms = backoff_next(run->backoff_ms);
    run->backoff_set_ms = now_ms;
}

void worker_container_started(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    struct pod_worker *worker = step->worker;
    struct container_run *run = &worker->containers[i];
    const struct container_plan *plan = &worker->plan->containers[i];
    bool same = run->id != NULL && strcmp(run->id, event->id) == 0;
    if (same && (run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING)) {
        return; /* A listing repeats what is known. */
    }
    if (event->ok && (same || run->state == CONTAINER_STARTING)) {
        return; /* Found running before the answer to the start: wait for that. */
    }
    bool restarted = run->end.present;
    retire_end(step, i);
    if (restarted) {
        grow_backoff(run, step->clock.now_ms);
    } else if (run->backoff_ms == 0) {
        run->backoff_set_ms = step->clock.now_ms;
    }
    worker_text_set(&run->id, event->id);
    run->hash = event->hash;
    run->state = CONTAINER_RUNNING;
    run->restart_count = event->attempt;
    run->started_ns = event->started_ns;
    run->started_ms = step->clock.now_ms;
    run->adopted = event->ok;
    run->hook_running = false;
    run->post_started = event->ok || !plan->post_start;
    run->pre_stopped = false;
    run->stop_sent = false;
    worker_text_set(&run->waiting_reason, NULL);
    worker_text_set(&run->waiting_message, NULL);
    worker_probes_reset(step, i);
    step->status_dirty = true;
    if (!event->ok) {
        step_record(step, /* warning= */ false, i, "Created", "Created container: %s", plan->name);
        step_record(step, /* warning= */ false, i, "Started", "Started container %s", plan->name);
        if (plan->post_start) {
            run->hook_running = true;
            step_effect(step, EFFECT_RUN_HOOK, i)->ok = true;
        }
    } else if (plan->kind == CONTAINER_MAIN) {
        worker->initialized = true;
    }
}

void worker_container_failed(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    struct container_run *run = &step->worker->containers[i];
    if (run->state != CONTAINER_STARTING) {
        return;
    }
    const char *reason = event->reason == NULL ? "CreateContainerError" : event->reason;
    back_to_waiting(run);
    run->failed_ms = step->clock.now_ms;
    if (strcmp(reason, "CreateContainerConfigError") == 0) {
        run->retry_ms = step->clock.now_ms + AGENT_SYNC_RETRY_MS;
    } else {
        grow_backoff(run, step->clock.now_ms);
        run->retry_ms = step->clock.now_ms + run->backoff_ms;
    }
    bool repeated = waiting_is(run, reason);
    step_waiting(step, i, reason, event->message);
    if (!repeated) {
        step_record(step, /* warning= */ true, i, "Failed", "Error: %s", event->message);
    }
}

static void fill_end(struct container_end *end, const struct pod_event *event)
{
    container_end_release(end);
    end->present = true;
    end->exit_code = event->exit_code;
    end->started_ns = event->started_ns;
    end->finished_ns = event->finished_ns;
    worker_text_set(&end->id, event->id);
    worker_text_set(&end->reason, event->reason);
    worker_text_set(&end->message, event->message);
}

void worker_container_exited(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    struct pod_worker *worker = step->worker;
    struct container_run *run = &worker->containers[i];
    bool known = run->id != NULL && strcmp(run->id, event->id) == 0;
    if (known && run->end.present) {
        return; /* A listing repeats what is known. */
    }
    if (!known && run->id != NULL) {
        if (event->attempt < run->restart_count && !run->last.present) {
            fill_end(&run->last, event); /* Found: the run before the present one. */
        }
        if (event->attempt <= run->restart_count || run->state == CONTAINER_STARTING) {
            return;
        }
        retire_end(step, i);
    }
    if (!known && run->state == CONTAINER_STARTING) {
        return; /* It ended before the answer to its start: the next listing tells again. */
    }
    fill_end(&run->end, event);
    worker_text_set(&run->id, event->id);
    run->restart_count = event->attempt;
    run->state = CONTAINER_EXITED;
    run->exited_ms = step->clock.now_ms;
    if (run->exited_ms - run->backoff_set_ms > AGENT_BACKOFF_RESET_MS) {
        run->backoff_ms = 0; /* It had run well for a while. */
    }
    run->hook_running = false;
    run->stop_sent = false;
    run->retry_ms = 0;
    if (!known && worker->plan->containers[i].kind == CONTAINER_MAIN) {
        worker->initialized = true; /* Found: it had been started by an agent before this one. */
    }
    step->status_dirty = true;
}

void worker_hook_done(struct step *step, const struct pod_event *event)
{
    size_t i = event->container;
    struct pod_worker *worker = step->worker;
    struct container_run *run = &worker->containers[i];
    if (!run->hook_running) {
        return;
    }
    run->hook_running = false;
    if (run->state == CONTAINER_RUNNING) {
        if (event->ok) {
            run->post_started = true;
            step->status_dirty = true;
            return;
        }
        step_record(step, /* warning= */ true, i, "FailedPostStartHook", "PostStartHook failed");
        run->pre_stopped = true; /* It never became ready: preStop is not for it. */
        step_record(step, /* warning= */ false, i, "Killing", "FailedPostStartHook");
        worker_stop_container(step, i, worker->plan->grace_seconds);
        return;
    }
    run->pre_stopped = true;
    if (!event->ok) {
        step_record(step, /* warning= */ true, i, "FailedPreStopHook", "PreStopHook failed");
    }
}
