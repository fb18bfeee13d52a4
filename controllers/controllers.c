#include "controllers/controllers.h"

#include "controllers/contents.h"
#include "controllers/control.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/client/leader_gate.h"
#include <assert.h>
#include <stdlib.h>

static const struct control_part *const parts[] = {
    &control_namespace,
    &control_garbage,
    &control_replicaset,
    &control_replication_controller,
    &control_deployment,
    &control_endpoints,
    &control_node_ipam,
    &control_node_lifecycle,
    &control_taint_eviction,
    &control_pod_gc,
    &control_service_account,
    &control_root_ca,
    &control_kubernetes_service,
    &control_cluster_role_aggregation,
    &control_resource_quota,
    &control_flow_schema_status,
    &control_policy_status,
    &control_account_tokens,
    &control_token_cleaner,
    &control_request_approval,
    &control_request_signature,
    &control_request_cleaning,
    &control_cluster_info,
    &control_bootstrap_signer,
    &control_claim_protection,
    &control_volume_protection,
    &control_legacy_token_cleaner,
};

struct controllers {
    struct controllers_config config;
    struct control control;
    struct leader_gate gate;
    void *open[ARRAY_LEN(parts)];
    size_t open_count; /* Parts not closed yet. */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
    struct metric *failures;
};

static void round_failed_note(void *data, const char *name, const char *key, const char *why)
{
    struct controllers *controllers = data;
    if (controllers->failures != NULL) {
        metric_add(controllers->failures, 1);
    }
    LOG_DEBUG("controllers", "a round failed and will be repeated", KV_TEXT("controller", name),
              KV_TEXT("key", key), KV_TEXT("why", why));
}

static uint64_t or_default(uint64_t value, uint64_t missing)
{
    return value == 0 ? missing : value;
}

static void fill_defaults(struct controllers_grace *grace)
{
    grace->node_monitor_ms = or_default(grace->node_monitor_ms, 1000);
    grace->node_grace_ms = or_default(grace->node_grace_ms, 40000);
    grace->node_startup_ms = or_default(grace->node_startup_ms, 60000);
    grace->eviction_interval_ms = or_default(grace->eviction_interval_ms, 10000);
    grace->pod_gc_interval_ms = or_default(grace->pod_gc_interval_ms, 20000);
    grace->pod_gc_quarantine_ms = or_default(grace->pod_gc_quarantine_ms, 40000);
    if (grace->legacy_token_s == 0) {
        grace->legacy_token_s = 365 * 24 * 3600;
    }
    if (grace->pod_gc_terminated_max == 0) {
        grace->pod_gc_terminated_max = 12500;
    }
}

static void gate_start(void *data)
{
    struct controllers *controllers = data;
    struct control *control = &controllers->control;
    LOG_INFO("controllers", "starting: this member leads", KV_U64("loops", ARRAY_LEN(parts)));
    control->informers = informers_new(controllers->config.client);
    control->contents = contents_new(controllers->config.client, control->informers);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        controllers->open[i] = parts[i]->open(control);
    }
    controllers->open_count = ARRAY_LEN(parts);
}

static void part_closed(void *data)
{
    struct controllers *controllers = data;
    assert(controllers->open_count > 0);
    if (--controllers->open_count > 0) {
        return;
    }
    contents_free(controllers->control.contents);
    controllers->control.contents = NULL;
    informers_free(controllers->control.informers);
    controllers->control.informers = NULL;
    LOG_INFO("controllers", "stopped", KV_U64("loops", ARRAY_LEN(parts)));
    leader_gate_stopped(&controllers->gate);
    if (controllers->closing) {
        void (*closed)(void *data) = controllers->closed;
        void *closed_data = controllers->closed_data;
        free(controllers);
        closed(closed_data);
    }
}

static void gate_stop(void *data)
{
    struct controllers *controllers = data;
    /* The last part to close may free `controllers`. */
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i]->close(controllers->open[i], part_closed, controllers);
    }
}

struct controllers *controllers_open(const struct controllers_config *config)
{
    struct controllers *controllers = alloc_zeroed(sizeof(*controllers));
    controllers->config = *config;
    fill_defaults(&controllers->config.grace);
    controllers->control = (struct control){
        .config = &controllers->config,
        .env = config->env,
        .client = config->client,
        .failed = round_failed_note,
        .failed_data = controllers,
    };
    if (config->metrics != NULL) {
        controllers->failures =
            metrics_counter(config->metrics, "coracle_controller_round_failures_total",
                            "Rounds of control loops that failed and were repeated.", NULL);
    }
    leader_gate_init(&controllers->gate, gate_start, gate_stop, controllers);
    return controllers;
}

void controllers_set_leader(struct controllers *controllers, bool leader)
{
    if (!controllers->closing) {
        leader_gate_set(&controllers->gate, leader);
    }
}

void controllers_close(struct controllers *controllers, void (*closed)(void *data), void *data)
{
    assert(!controllers->closing);
    controllers->closing = true;
    controllers->closed = closed;
    controllers->closed_data = data;
    if (controllers->gate.state == LEADER_GATE_STOPPED) {
        free(controllers);
        closed(data);
        return;
    }
    leader_gate_set(&controllers->gate, false);
}
