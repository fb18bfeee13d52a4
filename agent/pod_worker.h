/* The life of one pod on a node, as a state machine: syncing -> terminating -> terminated, never
 * back. An event and the time go in, effects come out; it never calls out. Level-triggered: after
 * each event it compares what the plan wants with what the runtime has, so an event may come late,
 * twice or not at all (the relist repeats it). One thread. */
#ifndef AGENT_POD_WORKER_H
#define AGENT_POD_WORKER_H
#include "agent/pod_plan.h"
#include "lib/base/arena.h"

enum pod_state { POD_SYNCING, POD_TERMINATING, POD_TERMINATED };
enum pod_phase { PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED };

enum container_state {
    CONTAINER_WAITING,  /* Nothing runs, and nothing is under way. */
    CONTAINER_CHECKING, /* Is the image here? */
    CONTAINER_PULLING,
    CONTAINER_STARTING, /* Being created and started. */
    CONTAINER_RUNNING,
    CONTAINER_STOPPING, /* preStop or the runtime's stop is under way. */
    CONTAINER_EXITED,
};

enum sandbox_state {
    SANDBOX_NONE,
    SANDBOX_CREATING,
    SANDBOX_READY,
    SANDBOX_STOPPING,
    SANDBOX_STOPPED
};
enum volumes_state { VOLUMES_NONE, VOLUMES_PREPARING, VOLUMES_READY };

/* Time: now_ms is monotonic and decides; wall_ns is Unix time and is only shown. */
struct worker_clock {
    uint64_t now_ms;
    int64_t wall_ns;
};

/* How a container ended. Strings are owned. */
struct container_end {
    bool present;
    char *id;
    int32_t exit_code;
    char *reason;
    char *message;
    int64_t started_ns;
    int64_t finished_ns;
};

struct probe_run {
    bool in_flight;
    bool known; /* A result has crossed its threshold. */
    bool passing;
    uint64_t next_ms;
    uint32_t successes;
    uint32_t failures;
};

struct container_run {
    enum container_state state;
    char *id;        /* Of the running or ended container; NULL before the first. */
    char *image_ref; /* Digest or id as the runtime tells it. */
    uint64_t hash;   /* Of the plan it was started with; 0: unknown (adopted). */
    uint32_t restart_count;
    int64_t created_ns;
    int64_t started_ns;
    uint64_t started_ms;
    struct container_end end;  /* Of the last run, when EXITED or waiting to be restarted. */
    struct container_end last; /* Of the run before that one. */
    char *waiting_reason;
    char *waiting_message;
    uint64_t backoff_ms;
    uint64_t backoff_set_ms;
    uint64_t exited_ms;
    uint64_t image_backoff_ms;
    uint64_t retry_ms;  /* Not before this (image, create and configuration errors). */
    uint64_t failed_ms; /* When the last image or create error came. */
    bool hook_running;  /* postStart or preStop. */
    bool post_started;  /* postStart has succeeded, or there is none. */
    bool pre_stopped;
    bool stop_sent;
    bool adopted; /* Found running: ready until a probe says otherwise. */
    uint64_t stop_deadline_ms;
    uint64_t stop_retry_ms;
    struct probe_run probes[PROBE_KINDS];
};

struct pod_worker {
    struct pod_plan *plan;
    struct arena *arena; /* Of the plan. */
    enum pod_state state;
    enum volumes_state volumes;
    enum sandbox_state sandbox;
    char *sandbox_id;
    char *ip;
    uint32_t sandbox_attempt;
    uint64_t sandbox_retry_ms;
    uint64_t volumes_retry_ms;
    int64_t start_ns; /* status.startTime */
    uint64_t start_ms;
    bool initialized; /* Every init container of this sandbox has done its part. */
    bool deleted;     /* The API object is marked for deletion. */
    bool forgotten;   /* The API object is gone. */
    bool cleaned;     /* Nothing of it is left on the node. */
    bool cleaning;
    bool done_sent;
    uint64_t clean_retry_ms;
    uint64_t kill_deadline_ms;
    char *fail_reason; /* status.reason, such as DeadlineExceeded. */
    char *fail_message;
    enum pod_phase phase;
    struct container_run *containers;
    uint64_t
        wake_ms; /* When pod_worker_step() wants to be called with EVENT_TICK; UINT64_MAX: never. */
};

enum pod_event_kind {
    EVENT_TICK,
    EVENT_PLAN,   /* plan, arena: the spec changed. Both are taken over. */
    EVENT_DELETE, /* grace_seconds */
    EVENT_FORGET, /* The API object is gone. */
    EVENT_REJECT, /* reason, message: the node does not admit the pod. */
    EVENT_VOLUMES_READY,
    EVENT_VOLUMES_FAILED,    /* message */
    EVENT_SANDBOX_READY,     /* id, ip, attempt; also for one that was found */
    EVENT_SANDBOX_FAILED,    /* message */
    EVENT_SANDBOX_GONE,      /* id, attempt: found not ready, or stopped as asked. */
    EVENT_IMAGE_CHECKED,     /* container, ok = present, id = image ref, message on failure */
    EVENT_IMAGE_PULLED,      /* container, id = image ref, size_bytes, elapsed_ms */
    EVENT_IMAGE_FAILED,      /* container, reason (or NULL), message */
    EVENT_CONTAINER_STARTED, /* container, id, started_ns, attempt, hash; ok = was found running */
    EVENT_CONTAINER_FAILED,  /* container, reason, message: could not be created or started */
    EVENT_CONTAINER_EXITED,  /* container, id, exit_code, reason, message, started_ns, finished_ns,
                                attempt */
    EVENT_STOP_FAILED,       /* container, message */
    EVENT_PROBE,             /* container, probe, ok, message */
    EVENT_HOOK_DONE,         /* container, ok, message */
    EVENT_CLEANED,           /* ok */
};

struct pod_event {
    enum pod_event_kind kind;
    size_t container;
    enum probe_kind probe;
    bool ok;
    const char *id;
    const char *ip;
    const char *reason;
    const char *message;
    int32_t exit_code;
    uint32_t attempt;
    int64_t started_ns;
    int64_t finished_ns;
    int64_t grace_seconds;
    uint64_t size_bytes;
    uint64_t elapsed_ms;
    uint64_t hash;
    struct pod_plan *plan;
    struct arena *arena;
};

enum pod_effect_kind {
    EFFECT_STATUS, /* The status changed: report the latest. At most one a step. */
    EFFECT_RECORD, /* warning, reason, message, container or POD_EFFECT_NO_CONTAINER */
    EFFECT_PREPARE_VOLUMES,
    EFFECT_CREATE_SANDBOX,   /* attempt */
    EFFECT_STOP_SANDBOX,     /* id */
    EFFECT_CHECK_IMAGE,      /* container */
    EFFECT_PULL_IMAGE,       /* container */
    EFFECT_START_CONTAINER,  /* container, attempt */
    EFFECT_STOP_CONTAINER,   /* container, id, grace_seconds */
    EFFECT_REMOVE_CONTAINER, /* id */
    EFFECT_RUN_HOOK,         /* container, ok = postStart, timeout in grace_seconds for preStop */
    EFFECT_RUN_PROBE,        /* container, probe */
    EFFECT_CLEAN,            /* Remove sandbox, containers, volumes, logs; answer EVENT_CLEANED. */
    EFFECT_POD_DELETED,      /* Tell the server that the object may go. */
    EFFECT_DROP,             /* The worker itself may be freed. */
};

#define POD_EFFECT_NO_CONTAINER SIZE_MAX

struct pod_effect {
    enum pod_effect_kind kind;
    size_t container;
    enum probe_kind probe;
    bool ok;
    bool warning;
    uint32_t attempt;
    int64_t grace_seconds;
    const char *id; /* Strings live in the list's arena. */
    const char *reason;
    const char *message;
};

/* Effects of one step, in order. */
struct pod_effects {
    struct arena *arena;
    struct pod_effect *items;
    size_t count;
    size_t capacity;
};

void pod_effects_init(struct pod_effects *effects);
void pod_effects_release(struct pod_effects *effects);
void pod_effects_clear(struct pod_effects *effects);

/* Takes over `plan` and the arena it lives in. */
MUST_USE struct pod_worker *pod_worker_new(struct pod_plan *plan, struct arena *arena_consume,
                                           struct worker_clock clock);
void pod_worker_free(struct pod_worker *worker); /* NULL is a no-op. */
/* Takes `event` in and appends what is to be done to `effects`. Afterwards wake_ms is set. */
void pod_worker_step(struct pod_worker *worker, struct worker_clock clock,
                     const struct pod_event *event, struct pod_effects *effects);

/* Derived state, for status. */
bool pod_worker_container_started(const struct pod_worker *worker, size_t container);
bool pod_worker_container_ready(const struct pod_worker *worker, size_t container);
bool pod_worker_initialized(const struct pod_worker *worker);
/* The container of that name, or POD_EFFECT_NO_CONTAINER. */
size_t pod_worker_find(const struct pod_worker *worker, const char *name);
#endif
