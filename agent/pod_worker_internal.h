/* What the files of the pod worker share. Not for other modules. No I/O. */
#ifndef AGENT_POD_WORKER_INTERNAL_H
#define AGENT_POD_WORKER_INTERNAL_H
#include "agent/pod_worker.h"

/* One step under way. */
struct step {
    struct pod_worker *worker;
    struct worker_clock clock;
    struct pod_effects *effects;
    bool status_dirty;
};

/* Owned text: replaces *slot with a copy of `text` (may be NULL). */
void worker_text_set(char **slot, const char *text);
void container_end_release(struct container_end *end);

/* Appends an effect; the caller fills in the rest. */
struct pod_effect *step_effect(struct step *step, enum pod_effect_kind kind, size_t container);
void step_record(struct step *step, bool warning, size_t container, const char *reason,
                 const char *format, ...) PRINTF_LIKE(5, 6);
/* pod_worker_step() is to be called again at `when_ms` or earlier. */
void step_wake(struct step *step, uint64_t when_ms);
void step_waiting(struct step *step, size_t container, const char *reason, const char *message);

/* pod_worker_sync.c: brings the runtime nearer to the plan. */
void worker_reconcile(struct step *step);
void worker_begin_termination(struct step *step, int64_t grace_seconds);
/* Starts to stop one running container. */
void worker_stop_container(struct step *step, size_t container, int64_t grace_seconds);
bool worker_container_restarts(const struct pod_worker *worker, size_t container);

/* pod_worker_probe.c */
void worker_probes_reset(struct step *step, size_t container);
void worker_probes_run(struct step *step, size_t container);
void worker_probe_result(struct step *step, const struct pod_event *event);

/* pod_worker_start.c: images, creation, starts and ends of containers. */
void worker_start_if_due(struct step *step, size_t container);
void worker_image_checked(struct step *step, const struct pod_event *event);
void worker_image_pulled(struct step *step, const struct pod_event *event);
void worker_image_failed(struct step *step, const struct pod_event *event);
void worker_container_started(struct step *step, const struct pod_event *event);
void worker_container_failed(struct step *step, const struct pod_event *event);
void worker_container_exited(struct step *step, const struct pod_event *event);
void worker_hook_done(struct step *step, const struct pod_event *event);
#endif
