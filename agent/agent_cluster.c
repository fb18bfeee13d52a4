#include "agent/agent_internal.h"

#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <stdlib.h>
#include <string.h>

#define COMPONENT "agent"

static const struct {
    const char *resource;
    const char *schema;
} kinds[FOLLOW_COUNT] = {
    [FOLLOW_SERVICES] = {"services", "k8s.io.api.core.v1.Service"},
    [FOLLOW_SLICES] = {"endpointslices", "k8s.io.api.discovery.v1.EndpointSlice"},
    [FOLLOW_NODES] = {"nodes", "k8s.io.api.core.v1.Node"},
};

static const Meta__V1__ObjectMeta *meta_of(enum follow kind, const void *message)
{
    const struct api_message *schema = api_message_find(kinds[kind].schema);
    return api_message_meta(schema, message);
}

static const char *internal_ip(const Core__V1__Node *node)
{
    for (size_t i = 0; node->status != NULL && i < node->status->n_addresses; i++) {
        const Core__V1__NodeAddress *address = node->status->addresses[i];
        if (address->type != NULL && strcmp(address->type, "InternalIP") == 0) {
            return address->address;
        }
    }
    return "";
}

/* The node lifecycle controller sets a silent node's conditions to Unknown, and its pods' Ready to
 * False, and never sets them back: who is alive says so when it sees that. */
static bool said_to_be_lost(const Core__V1__Node *node)
{
    for (size_t i = 0; node->status != NULL && i < node->status->n_conditions; i++) {
        const Core__V1__NodeCondition *condition = node->status->conditions[i];
        if (condition->type != NULL && strcmp(condition->type, "Ready") == 0) {
            return condition->status != NULL && strcmp(condition->status, "Unknown") == 0;
        }
    }
    return false;
}

static void node_changed(struct agent *agent, const Core__V1__Node *node)
{
    const char *cidr =
        node->spec == NULL || node->spec->pod_cidr == NULL ? "" : node->spec->pod_cidr;
    if (strcmp(node->metadata->name, agent->node_name) == 0) {
        if (cidr[0] != '\0' && (agent->pod_cidr == NULL || strcmp(agent->pod_cidr, cidr) != 0)) {
            free(agent->pod_cidr);
            agent->pod_cidr = alloc_text(cidr);
            if (agent->network.pod_cidr != NULL) {
                agent->network.pod_cidr(agent->network.data, cidr);
            }
            loop_timer_start(agent->loop, &agent->status_timer, 100); /* Ready may follow. */
        }
        if (said_to_be_lost(node) && agent->status_bytes.len > 0) {
            agent_session_node_status(agent->session, buffer_slice(&agent->status_bytes));
            pod_manager_report_all(agent->pods);
        }
    } else if (agent->network.node_upsert != NULL) {
        agent->network.node_upsert(agent->network.data, node->metadata->name, internal_ip(node),
                                   cidr);
    }
}

static void tell_upsert(struct agent *agent, enum follow kind, const void *message)
{
    if (kind == FOLLOW_NODES) {
        node_changed(agent, message);
    } else if (kind == FOLLOW_SERVICES && agent->network.service_upsert != NULL) {
        agent->network.service_upsert(agent->network.data, message);
    } else if (kind == FOLLOW_SLICES && agent->network.slice_upsert != NULL) {
        agent->network.slice_upsert(agent->network.data, message);
    }
}

static void tell_remove(struct agent *agent, enum follow kind, const void *message)
{
    const Core__V1__Node *node = message;
    if (kind == FOLLOW_NODES && agent->network.node_remove != NULL) {
        agent->network.node_remove(agent->network.data, node->metadata->name);
    } else if (kind == FOLLOW_SERVICES && agent->network.service_remove != NULL) {
        agent->network.service_remove(agent->network.data, message);
    } else if (kind == FOLLOW_SLICES && agent->network.slice_remove != NULL) {
        agent->network.slice_remove(agent->network.data, message);
    }
}

static void followed_free(struct followed *followed)
{
    arena_free(followed->arena);
    free(followed->key);
    free(followed);
}

static void forget_services(struct agent *agent, enum follow kind)
{
    if (kind == FOLLOW_SERVICES) {
        free(TAKE(agent->services));
    }
}

static void upsert(struct agent *agent, enum follow kind, struct arena *arena_consume,
                   const void *message, char *key_consume)
{
    struct followed *followed = alloc_zeroed(sizeof(*followed));
    *followed = (struct followed){
        .arena = arena_consume,
        .message = message,
        .key = key_consume,
        .marked = true,
    };
    struct followed *before =
        hash_map_set(agent->followed[kind], slice_text(followed->key), followed);
    forget_services(agent, kind);
    tell_upsert(agent, kind, message);
    if (before != NULL) {
        followed_free(before);
    }
}

static void drop(struct agent *agent, enum follow kind, const char *key)
{
    struct followed *followed = hash_map_remove(agent->followed[kind], slice_text(key));
    if (followed != NULL) {
        forget_services(agent, kind);
        tell_remove(agent, kind, followed->message);
        followed_free(followed);
    }
}

static void take_pod(struct agent *agent, const Session__V1__ObjectEvent *event)
{
    struct slice bytes = slice_of(event->object.data, event->object.len);
    if (event->type != SESSION__V1__OBJECT_EVENT__TYPE__DELETED) {
        pod_manager_upsert(agent->pods, bytes);
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *message = NULL;
    struct error error = {0};
    if (api_decode_protobuf(arena, api_message_find("k8s.io.api.core.v1.Pod"), bytes, &message,
                            &error) < 0) {
        LOG_WARN(COMPONENT, "ignored a deletion that cannot be read",
                 KV_TEXT("error", error_message(&error)));
        error_release(&error);
        return;
    }
    const Core__V1__Pod *pod = message;
    pod_manager_remove(agent->pods, pod->metadata->uid == NULL ? "" : pod->metadata->uid);
}

void agent_take_object(struct agent *agent, const Session__V1__ObjectEvent *event)
{
    if (event->type == SESSION__V1__OBJECT_EVENT__TYPE__BOOKMARK) {
        return;
    }
    if (strcmp(event->resource, "pods") == 0) {
        take_pod(agent, event);
        return;
    }
    for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
        if (strcmp(event->resource, kinds[kind].resource) != 0) {
            continue;
        }
        struct arena *arena = arena_new(SIZE_MAX);
        void *message = NULL;
        struct error error = {0};
        if (api_decode_protobuf(arena, api_message_find(kinds[kind].schema),
                                slice_of(event->object.data, event->object.len), &message,
                                &error) < 0) {
            LOG_WARN(COMPONENT, "ignored an object that cannot be read",
                     KV_TEXT("resource", event->resource), KV_TEXT("error", error_message(&error)));
            error_release(&error);
            arena_free(arena);
            return;
        }
        const Meta__V1__ObjectMeta *meta = meta_of((enum follow)kind, message);
        char *key = alloc_printf("%s/%s", meta->namespace_ == NULL ? "" : meta->namespace_,
                                 meta->name == NULL ? "" : meta->name);
        if (event->type == SESSION__V1__OBJECT_EVENT__TYPE__DELETED) {
            drop(agent, (enum follow)kind, key);
            free(key);
            arena_free(arena);
        } else {
            upsert(agent, (enum follow)kind, arena, message, key);
        }
    }
}

void agent_take_gone(struct agent *agent, const char *resource)
{
    if (strcmp(resource, "pods") == 0) {
        agent->pods_resync = true;
        pod_manager_mark(agent->pods);
    }
    for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
        if (strcmp(resource, kinds[kind].resource) == 0) {
            void *value;
            agent->resync[kind] = true;
            for (size_t at = 0; hash_map_next(agent->followed[kind], &at, NULL, &value);) {
                ((struct followed *)value)->marked = false;
            }
        }
    }
}

static void sweep(struct agent *agent, enum follow kind)
{
    void *value;
    for (size_t at = 0; hash_map_next(agent->followed[kind], &at, NULL, &value);) {
        struct followed *followed = value;
        if (!followed->marked) { /* Taking out the entry just returned is allowed. */
            CLEANUP(alloc_freep) char *key = alloc_text(followed->key);
            drop(agent, kind, key);
        }
    }
}

void agent_take_synced(struct agent *agent, const char *resource)
{
    bool was_complete = agent_ready(agent);
    if (strcmp(resource, "pods") == 0) {
        if (agent->pods_resync) {
            pod_manager_sweep(agent->pods);
        }
        agent->pods_resync = false;
        agent->pods_synced = true;
    }
    for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
        if (strcmp(resource, kinds[kind].resource) == 0) {
            if (agent->resync[kind]) {
                sweep(agent, (enum follow)kind);
            }
            agent->resync[kind] = false;
            agent->synced[kind] = true;
        }
    }
    if (!was_complete && agent_ready(agent) && agent->network.synced != NULL) {
        agent->network.synced(agent->network.data);
    }
}

const Core__V1__Service *const *agent_services(void *data, size_t *ret_count)
{
    struct agent *agent = data;
    if (agent->services == NULL) {
        struct hash_map *map = agent->followed[FOLLOW_SERVICES];
        agent->services = alloc_array(hash_map_count(map) + 1, sizeof(void *));
        agent->service_count = 0;
        void *value;
        for (size_t at = 0; hash_map_next(map, &at, NULL, &value);) {
            agent->services[agent->service_count++] = ((struct followed *)value)->message;
        }
    }
    *ret_count = agent->service_count;
    return agent->services;
}

void agent_cluster_release(struct agent *agent)
{
    for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
        void *value;
        if (agent->followed[kind] == NULL) {
            continue;
        }
        for (size_t at = 0; hash_map_next(agent->followed[kind], &at, NULL, &value);) {
            followed_free(value);
        }
        hash_map_free(agent->followed[kind]);
    }
    free(agent->services);
}
