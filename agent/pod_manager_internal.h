/* What the files of the pod manager share. Not for other modules. */
#ifndef AGENT_POD_MANAGER_INTERNAL_H
#define AGENT_POD_MANAGER_INTERNAL_H
#include "agent/container_config.h"
#include "agent/pod_manager.h"
#include "agent/pod_worker.h"
#include "agent/volumes.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include "lib/net/loop.h"

/* A config map or secret that a pod refers to. */
struct pod_object {
    struct list node;
    char *resource;
    char *name;
    struct arena *arena;
    const void *message; /* NULL: there is none. */
};

struct pod_token {
    struct list node;
    char *volume;
    size_t source;
    char *token;
    uint64_t refresh_ms;
};

struct image_info {
    char *ref;
    int64_t uid;
    uint64_t size_bytes;
};

struct pod_entry {
    struct pod_manager *manager;
    size_t references; /* The table's, and one for each operation under way. */
    bool dropped;      /* Out of the table. */
    bool marked;
    bool adopted;  /* What the runtime had of it has been taken in. */
    bool adopting; /* ... is being taken in: adopt_pending answers are missing. */
    size_t adopt_pending;
    char *found_sandbox; /* The newest sandbox that was found, or NULL. */
    uint32_t found_attempt;
    bool found_ready;
    bool reported;
    struct arena *arena; /* Of `pod`. */
    Core__V1__Pod *pod;
    struct slice pod_bytes; /* In the arena. */
    struct pod_worker *worker;
    struct loop_timer wake;
    struct list objects;
    struct list tokens;
    bool objects_fetched;
    bool was_running; /* Volumes of an earlier agent are still there. */
    uint64_t refresh_ms;
    struct image_info *images;
    struct arena *status_arena;
    Core__V1__PodStatus *status;
    struct buffer status_bytes;
    bool stepping;
    struct list queued; /* Events that came from inside a step. */
};

struct pod_manager {
    struct probe_tools tools;
    struct pod_manager_hooks hooks;
    struct hash_map *pods; /* By UID. */
    char *node_name, *node_ip, *data_dir, *pods_dir, *logs_dir;
    char *cluster_dns, *cluster_domain;
    char **nameservers, **searches;
    size_t nameserver_count, search_count;
    int64_t memory_bytes, cpu_milli;
    uint32_t max_pods;
    struct list ops;
    struct loop_timer relist_timer;
    struct loop_timer refresh_timer;
    bool relisting;
    bool listed; /* The runtime has been listed once: pods may start. */
    bool swept;  /* The server has told all pods: orphans may go. */
    bool runtime_ready;
    bool closing;
    ProtobufCMessage *sandboxes; /* Of the listing under way. */
};

/* One operation on a pod; keeps the entry alive. */
struct pod_op {
    struct list node;
    struct pod_entry *entry;
    size_t container;
    enum probe_kind probe;
    uint32_t attempt;
    bool flag;
    char *id;
    uint64_t started_ms;
    uint64_t hash;
    int64_t grace_seconds;
    size_t pending; /* Answers still to come. */
    char *message;  /* The first failure. */
    void (*next)(struct pod_op *op);
    struct loop_timer timer;
};

struct pod_op *pod_op_new(struct pod_entry *entry, size_t container);
void pod_op_free(struct pod_op *op); /* Drops its reference. */
void pod_entry_unref(struct pod_entry *entry);

struct worker_clock pod_manager_clock(struct pod_manager *manager);
/* Feeds the worker and carries out its effects. Safe from inside effects: it is queued then. */
void pod_entry_step(struct pod_entry *entry, const struct pod_event *event);
void pod_entry_inputs(struct pod_entry *entry, struct pod_inputs *ret_inputs);
void pod_manager_relist_soon(struct pod_manager *manager, uint64_t delay_ms);

/* pod_effects.c */
void pod_effect_run(struct pod_entry *entry, const struct pod_effect *effect);
struct runtime *pod_op_runtime(struct pod_op *op);
/* NULL when the pod has no such container. */
const Core__V1__Container *pod_op_container(struct pod_op *op);
/* Ends the operation with what the worker is to know. */
void pod_op_answer(struct pod_op *op, const struct pod_event *event);
/* pod_containers.c: the first two are operations. */
void pod_container_start(struct pod_op *op);
void pod_container_stop(struct pod_op *op);
void pod_container_remove(struct runtime *runtime, const char *id);
/* Asks the runtime how a container ended and tells the worker. */
void pod_container_ended(struct pod_entry *entry, size_t container, const char *id,
                         uint32_t attempt);
/* pod_objects.c: fetches what the pod refers to, then runs op->next; op->message is set when
 * something could not be had. `again`: also what has been fetched before. */
void pod_objects_fetch(struct pod_op *op, bool again, void (*next)(struct pod_op *op));
const void *pod_objects_find(void *data, const char *resource, const char *name);
const char *pod_tokens_find(void *data, const char *volume, size_t source);
void pod_objects_free(struct pod_entry *entry);
/* pod_listing.c */
void pod_manager_relist(struct pod_manager *manager);
/* One more answer about what was found has come. */
void pod_adoption_progress(struct pod_entry *entry);
/* pod_clean.c: removes everything of a pod that has ended. */
void pod_clean(struct pod_entry *entry);
void pod_remove_sandbox(struct pod_manager *manager, const char *sandbox_id);
/* pod_checkpoint.c */
void pod_checkpoint_write(struct pod_entry *entry);
#endif
