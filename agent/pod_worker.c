#include "agent/pod_worker_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void worker_text_set(char **slot, const char *text)
{
    char *copy = text == NULL ? NULL : alloc_text(text);
    free(*slot);
    *slot = copy;
}

void container_end_release(struct container_end *end)
{
    free(end->id);
    free(end->reason);
    free(end->message);
    *end = (struct container_end){.present = false};
}

void pod_effects_init(struct pod_effects *effects)
{
    *effects = (struct pod_effects){.arena = arena_new(SIZE_MAX)};
}

void pod_effects_release(struct pod_effects *effects)
{
    arena_free(effects->arena);
    free(effects->items);
    *effects = (struct pod_effects){.arena = NULL};
}

void pod_effects_clear(struct pod_effects *effects)
{
    arena_reset(effects->arena);
    effects->count = 0;
}

struct pod_effect *step_effect(struct step *step, enum pod_effect_kind kind, size_t container)
{
    struct pod_effects *effects = step->effects;
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : 2 * effects->capacity;
        effects->items = alloc_resize(effects->items, effects->capacity, sizeof(*effects->items));
    }
    struct pod_effect *effect = &effects->items[effects->count++];
    *effect = (struct pod_effect){.kind = kind, .container = container};
    return effect;
}

void step_record(struct step *step, bool warning, size_t container, const char *reason,
                 const char *format, ...)
{
    char text[1024]; /* The event's message limit of the API. */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* Cut off on purpose. */
    va_end(args);
    struct pod_effect *effect = step_effect(step, EFFECT_RECORD, container);
    effect->warning = warning;
    effect->reason = reason;
    effect->message = arena_text(step->effects->arena, text);
}

void step_wake(struct step *step, uint64_t when_ms)
{
    if (when_ms < step->worker->wake_ms) {
        step->worker->wake_ms = when_ms;
    }
}

void step_waiting(struct step *step, size_t container, const char *reason, const char *message)
{
    struct container_run *run = &step->worker->containers[container];
    worker_text_set(&run->waiting_reason, reason);
    worker_text_set(&run->waiting_message, message);
    step->status_dirty = true;
}

struct pod_worker *pod_worker_new(struct pod_plan *plan, struct arena *arena_consume,
                                  struct worker_clock clock)
{
    assert(plan->container_count <= AGENT_CONTAINERS_PER_POD_MAX);
    struct pod_worker *worker = alloc_zeroed(sizeof(*worker));
    worker->plan = plan;
    worker->arena = arena_consume;
    worker->containers = alloc_array(plan->container_count + 1, sizeof(*worker->containers));
    worker->start_ns = clock.wall_ns;
    worker->start_ms = clock.now_ms;
    worker->wake_ms = clock.now_ms;
    return worker;
}

static void container_run_release(struct container_run *run)
{
    free(run->id);
    free(run->image_ref);
    free(run->waiting_reason);
    free(run->waiting_message);
    container_end_release(&run->end);
    container_end_release(&run->last);
}

void pod_worker_free(struct pod_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        container_run_release(&worker->containers[i]);
    }
    free(worker->containers);
    free(worker->sandbox_id);
    free(worker->ip);
    free(worker->fail_reason);
    free(worker->fail_message);
    arena_free(worker->arena);
    free(worker);
}

size_t pod_worker_find(const struct pod_worker *worker, const char *name)
{
    for (size_t i = 0; i < worker->plan->container_count; i++) {
        if (strcmp(worker->plan->containers[i].name, name) == 0) {
            return i;
        }
    }
    return POD_EFFECT_NO_CONTAINER;
}

bool pod_worker_container_started(const struct pod_worker *worker, size_t container)
{
    const struct container_run *run = &worker->containers[container];
    const struct container_plan *plan = &worker->plan->containers[container];
    return run->state == CONTAINER_RUNNING && run->post_started &&
           (!plan->probes[PROBE_STARTUP].present || run->probes[PROBE_STARTUP].passing);
}

bool pod_worker_container_ready(const struct pod_worker *worker, size_t container)
{
    const struct container_run *run = &worker->containers[container];
    const struct container_plan *plan = &worker->plan->containers[container];
    if (plan->kind == CONTAINER_INIT) {
        return (run->state == CONTAINER_EXITED && run->end.exit_code == 0) ||
               (worker->initialized && run->state == CONTAINER_WAITING);
    }
    return pod_worker_container_started(worker, container) &&
           (!plan->probes[PROBE_READINESS].present || run->probes[PROBE_READINESS].passing);
}

bool pod_worker_initialized(const struct pod_worker *worker)
{
    return worker->initialized;
}

/* A changed spec. Containers are matched by place: the API forbids adding and removing them. */
static void take_plan(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    if (event->plan->container_count != worker->plan->container_count) {
        arena_free(event->arena);
        return;
    }
    arena_free(worker->arena);
    worker->plan = event->plan;
    worker->arena = event->arena;
    step->status_dirty = true;
}

static void fail_pod(struct step *step, const char *reason, const char *message)
{
    worker_text_set(&step->worker->fail_reason, reason);
    worker_text_set(&step->worker->fail_message, message);
    step->status_dirty = true;
    worker_begin_termination(step, step->worker->plan->grace_seconds);
}

static void sandbox_ready(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    if (worker->sandbox_id != NULL && strcmp(worker->sandbox_id, event->id) == 0 &&
        worker->sandbox == SANDBOX_STOPPING) {
        return; /* An old listing: it is being stopped. */
    }
    worker->sandbox = SANDBOX_READY;
    worker->sandbox_attempt = event->attempt;
    worker_text_set(&worker->sandbox_id, event->id);
    worker_text_set(&worker->ip, event->ip);
    step->status_dirty = true;
}

static void sandbox_gone(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    step->status_dirty = true;
    if (worker->sandbox_id == NULL && event->id != NULL) {
        worker_text_set(&worker->sandbox_id, event->id); /* Found dead at the start. */
        worker->sandbox_attempt = event->attempt;
    }
    if (worker->sandbox == SANDBOX_READY && worker->state == POD_SYNCING) {
        /* It died by itself. Stopping it once more ends what still runs inside. */
        step_record(step, /* warning= */ false, POD_EFFECT_NO_CONTAINER, "SandboxChanged",
                    "Pod sandbox changed, it will be killed and re-created.");
        worker->sandbox = SANDBOX_STOPPING;
        step_effect(step, EFFECT_STOP_SANDBOX, POD_EFFECT_NO_CONTAINER)->id =
            arena_text(step->effects->arena, worker->sandbox_id);
        return;
    }
    worker->sandbox = SANDBOX_STOPPED;
}

static void take_lifecycle(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    if (event->kind == EVENT_REJECT) {
        fail_pod(step, event->reason, event->message);
        return;
    }
    if (event->kind == EVENT_FORGET) {
        worker->forgotten = true;
        worker_begin_termination(step, worker->plan->grace_seconds);
        return;
    }
    assert(event->kind == EVENT_DELETE);
    worker->deleted = true;
    worker_begin_termination(step, event->grace_seconds);
}

static void take_volumes_or_sandbox(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    if (event->kind == EVENT_VOLUMES_READY) {
        worker->volumes = VOLUMES_READY;
    } else if (event->kind == EVENT_VOLUMES_FAILED) {
        worker->volumes = VOLUMES_NONE;
        worker->volumes_retry_ms = step->clock.now_ms + AGENT_SYNC_RETRY_MS;
        step_record(step, /* warning= */ true, POD_EFFECT_NO_CONTAINER, "FailedMount", "%s",
                    event->message);
    } else if (event->kind == EVENT_SANDBOX_FAILED) {
        worker->sandbox = SANDBOX_STOPPED;
        worker->sandbox_retry_ms = step->clock.now_ms + AGENT_SYNC_RETRY_MS;
        step_record(step, /* warning= */ true, POD_EFFECT_NO_CONTAINER, "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: %s", event->message);
    } else if (event->kind == EVENT_SANDBOX_READY) {
        sandbox_ready(step, event);
    } else {
        sandbox_gone(step, event);
    }
}

static void take_stop_failed(struct step *step, const struct pod_event *event)
{
    struct container_run *run = &step->worker->containers[event->container];
    if (run->state == CONTAINER_STOPPING) {
        run->stop_sent = false;
        run->stop_retry_ms = step->clock.now_ms + AGENT_SYNC_RETRY_MS;
        step_record(step, /* warning= */ true, event->container, "FailedKillPod",
                    "error killing pod: %s", event->message);
    }
}

static void take_cleaned(struct step *step, const struct pod_event *event)
{
    struct pod_worker *worker = step->worker;
    worker->cleaning = false;
    worker->cleaned = event->ok;
    worker->clean_retry_ms = step->clock.now_ms + AGENT_SYNC_RETRY_MS;
}

static void take_event(struct step *step, const struct pod_event *event)
{
    switch (event->kind) {
    case EVENT_TICK:
        return;
    case EVENT_PLAN:
        take_plan(step, event);
        return;
    case EVENT_DELETE:
    case EVENT_FORGET:
    case EVENT_REJECT:
        take_lifecycle(step, event);
        return;
    case EVENT_VOLUMES_READY:
    case EVENT_VOLUMES_FAILED:
    case EVENT_SANDBOX_READY:
    case EVENT_SANDBOX_FAILED:
    case EVENT_SANDBOX_GONE:
        take_volumes_or_sandbox(step, event);
        return;
    case EVENT_IMAGE_CHECKED:
        worker_image_checked(step, event);
        return;
    case EVENT_IMAGE_PULLED:
        worker_image_pulled(step, event);
        return;
    case EVENT_IMAGE_FAILED:
        worker_image_failed(step, event);
        return;
    case EVENT_CONTAINER_STARTED:
        worker_container_started(step, event);
        return;
    case EVENT_CONTAINER_FAILED:
        worker_container_failed(step, event);
        return;
    case EVENT_CONTAINER_EXITED:
        worker_container_exited(step, event);
        return;
    case EVENT_STOP_FAILED:
        take_stop_failed(step, event);
        return;
    case EVENT_PROBE:
        worker_probe_result(step, event);
        return;
    case EVENT_HOOK_DONE:
        worker_hook_done(step, event);
        return;
    case EVENT_CLEANED:
        take_cleaned(step, event);
        return;
    }
}

void pod_worker_step(struct pod_worker *worker, struct worker_clock clock,
                     const struct pod_event *event, struct pod_effects *effects)
{
    assert(event->container < worker->plan->container_count || event->container == 0 ||
           event->container == POD_EFFECT_NO_CONTAINER);
    struct step step = {.worker = worker, .clock = clock, .effects = effects};
    worker->wake_ms = UINT64_MAX;
    take_event(&step, event);
    worker_reconcile(&step);
    if (step.status_dirty) {
        step_effect(&step, EFFECT_STATUS, POD_EFFECT_NO_CONTAINER);
    }
}
