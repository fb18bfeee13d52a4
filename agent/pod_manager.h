/* The pods of one node: drives a pod worker each, carries out its effects through the runtime,
 * volumes and probes, and finds again what ran before a restart. One loop. */
#ifndef AGENT_POD_MANAGER_H
#define AGENT_POD_MANAGER_H
#include "agent/probe.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/slice.h"

struct pod_manager; /* Opaque. */

/* The answer to a question to the API server: code 200 with the object's protobuf, 404, or another
 * code (0: no session) with a message. */
typedef void (*object_done)(void *data, int code, const char *message, struct slice object);

struct pod_event_note {
    const Core__V1__Pod *pod;
    const char *field_path; /* "spec.containers{web}", or "". */
    bool warning;
    const char *reason;
    const char *message;
};

/* What the manager tells and asks the API server; all of these may be called at any time after
 * pod_manager_new(), never from inside it. Objects are lent for the call. */
struct pod_manager_hooks {
    void *data;
    void (*status)(void *data, const Core__V1__Pod *pod, struct slice status);
    bool (*status_waits)(void *data, const char *uid); /* What was said last is not known there. */
    void (*event)(void *data, const struct pod_event_note *note);
    void (*deleted)(void *data, const Core__V1__Pod *pod);
    void (*dropped)(void *data, const char *uid); /* Nothing more will be said of this pod. */
    void (*get)(void *data, const char *resource, const char *namespace_name, const char *name,
                object_done done, void *done_data);
    void (*token)(void *data, const Core__V1__Pod *pod,
                  const Core__V1__ServiceAccountTokenProjection *projection, object_done done,
                  void *done_data);
    /* Services of all namespaces, lent until the next turn of the loop. */
    const Core__V1__Service *const *(*services)(void *data, size_t *ret_count);
};

struct pod_manager_config {
    struct probe_tools tools; /* Loop and runtime; borrowed for the manager's life. */
    struct pod_manager_hooks hooks;
    const char *node_name;
    const char *node_ip;
    const char *data_dir; /* Absolute. */
    int64_t memory_bytes;
    int64_t cpu_milli;
    uint32_t max_pods;
    const char *const *nameservers; /* Of the node. */
    size_t nameserver_count;
    const char *const *searches;
    size_t search_count;
};

/* Reads the checkpoints below data_dir. Everything is copied. 0 or a negative errno. */
MUST_USE int pod_manager_new(const struct pod_manager_config *config,
                             struct pod_manager **ret_manager, struct error *reterr);
/* Nothing is started any more; answers still come in and are dropped. */
void pod_manager_stop(struct pod_manager *manager);
/* After runtime_close(), so that nothing is under way. Containers go on running. NULL: no-op. */
void pod_manager_free(struct pod_manager *manager);

/* The pod as the API server has it now (protobuf bytes). Pods of other nodes are ignored. */
void pod_manager_upsert(struct pod_manager *manager, struct slice pod);
/* The object is gone. */
void pod_manager_remove(struct pod_manager *manager, const char *uid);
/* All pods of the node have been upserted since pod_manager_mark(): those that were not named no
 * longer exist, and sandboxes of unknown pods are removed. */
void pod_manager_mark(struct pod_manager *manager);
void pod_manager_sweep(struct pod_manager *manager);
void pod_manager_set_cluster(struct pod_manager *manager, const char *cluster_dns,
                             const char *cluster_domain);
/* Reports every pod's status again (after a new session). */
void pod_manager_report_all(struct pod_manager *manager);
size_t pod_manager_count(const struct pod_manager *manager);

/* For the node's server. Texts live until the next turn of the loop. */
struct pod_view {
    const Core__V1__Pod *pod;
    const char *sandbox_id; /* NULL while there is none. */
    const char *ip;
};
/* -ENOENT when there is no such pod here; `uid` may be NULL. */
MUST_USE int pod_manager_find(struct pod_manager *manager, const char *namespace_name,
                              const char *name, const char *uid, struct pod_view *ret_view);
struct container_view {
    const char *id;
    bool running;
    uint32_t attempt; /* Of the newest run; its log is <attempt>.log. */
    bool has_previous;
    uint32_t previous_attempt;
    char log_dir[4096]; /* Of the container. */
    bool waiting;       /* Never started. */
    const char *waiting_reason;
};
/* -ENOENT: no such pod; -ESRCH: no such container in it. */
MUST_USE int pod_manager_container(struct pod_manager *manager, const char *namespace_name,
                                   const char *name, const char *uid, const char *container,
                                   struct container_view *ret_view);
/* Calls `each` for every container that runs, with its log file; for rotation. */
void pod_manager_each_log(struct pod_manager *manager,
                          void (*each)(void *data, const char *container_id, const char *path),
                          void *data);
#endif
