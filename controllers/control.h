/* What every control loop is given, and how controllers.c holds them. One thread. */
#ifndef CONTROLLERS_CONTROL_H
#define CONTROLLERS_CONTROL_H
#include "controllers/controllers.h"
#include "controllers/identities.h"
#include "lib/client/event_recorder.h"
#include "lib/client/informer.h"
#include "lib/client/reconciler.h"

struct contents;

struct control {
    const struct controllers_config *config;
    struct env *env;
    struct client *client;
    struct informers *informers;
    struct contents *contents;
    void (*failed)(void *data, const char *name, const char *key, const char *why);
    void *failed_data;
};

/* One loop. `close` ends with `closed`, at once or later; the part is gone then. */
struct control_part {
    const char *name;
    void *(*open)(struct control *control);
    void (*close)(void *part, void (*closed)(void *data), void *data);
};

extern const struct control_part control_replicaset;
extern const struct control_part control_replication_controller;
extern const struct control_part control_deployment;
extern const struct control_part control_endpoints;
extern const struct control_part control_node_lifecycle;
extern const struct control_part control_taint_eviction;
extern const struct control_part control_node_ipam;
extern const struct control_part control_service_account;
extern const struct control_part control_root_ca;
extern const struct control_part control_kubernetes_service;
extern const struct control_part control_namespace;
extern const struct control_part control_garbage;
extern const struct control_part control_pod_gc;
extern const struct control_part control_cluster_role_aggregation;
extern const struct control_part control_resource_quota;
extern const struct control_part control_flow_schema_status;
extern const struct control_part control_policy_status;
extern const struct control_part control_account_tokens;
extern const struct control_part control_token_cleaner;
extern const struct control_part control_legacy_token_cleaner;
extern const struct control_part control_cluster_info;
extern const struct control_part control_bootstrap_signer;
extern const struct control_part control_request_approval;
extern const struct control_part control_request_signature;
extern const struct control_part control_request_cleaning;
extern const struct control_part control_claim_protection;
extern const struct control_part control_volume_protection;

/* The kind, which must be in the table. */
const struct api_kind *control_kind(const char *group, const char *version, const char *plural);
/* `as` is who its calls are made by; NULL for the API server itself. */
struct reconciler *control_reconciler(struct control *control, const char *name,
                                      const struct client_identity *as, uint32_t concurrency,
                                      void (*reconcile)(void *data, struct round *round),
                                      void *data);
/* False, with the round put off, until all caches have been filled once. */
bool control_ready(struct control *control, struct round *round);
/* The same for those who look at all contents. */
bool control_ready_for_all(struct control *control, struct round *round);
int64_t control_now_s(const struct control *control); /* Wall clock, for timestamps. */
/* Writes back a changed copy through `subresource` (NULL for the object itself). */
void control_update(struct round *round, const struct api_kind *kind, const char *subresource,
                    const Meta__V1__ObjectMeta *meta, const void *message, round_done *done,
                    void *data);
/* Replaces one list of the object's metadata by that of `meta` (a changed copy, which says of what
 * version), and nothing else: whatever form the object is stored in by then. */
void control_patch_metadata(struct round *round, const struct api_kind *kind,
                            const Meta__V1__ObjectMeta *meta, const char *list, round_done *done,
                            void *data);
void control_delete(struct round *round, const struct api_kind *kind,
                    const Meta__V1__ObjectMeta *meta, round_done *done, void *data);
#endif
