#include "controllers/node/node_health.h"

#include "controllers/pod_state.h"
#include "lib/api/time.h"
#include "lib/base/compiler.h"
#include <string.h>

static const struct taint_row {
    const char *key;
    const char *effect;
} rows[] = {
    {"node.kubernetes.io/not-ready", "NoSchedule"},
    {"node.kubernetes.io/unreachable", "NoSchedule"},
    {"node.kubernetes.io/memory-pressure", "NoSchedule"},
    {"node.kubernetes.io/disk-pressure", "NoSchedule"},
    {"node.kubernetes.io/pid-pressure", "NoSchedule"},
    {"node.kubernetes.io/network-unavailable", "NoSchedule"},
    {"node.kubernetes.io/unschedulable", "NoSchedule"},
    {"node.kubernetes.io/not-ready", "NoExecute"},
    {"node.kubernetes.io/unreachable", "NoExecute"},
};

/* The row of a taint, or ARRAY_LEN(rows) for somebody else's. */
static size_t row_of(const Core__V1__Taint *taint)
{
    size_t at = 0;
    while (at < ARRAY_LEN(rows) &&
           !(text_is(taint->key, rows[at].key) && text_is(taint->effect, rows[at].effect))) {
        at++;
    }
    return at;
}

uint32_t node_taints_present(const Core__V1__Node *node)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < node->spec->n_taints; i++) {
        size_t row = row_of(node->spec->taints[i]);
        if (row < ARRAY_LEN(rows)) {
            mask |= UINT32_C(1) << row;
        }
    }
    return mask;
}

static Core__V1__NodeCondition *condition_of(const Core__V1__Node *node, const char *type)
{
    for (size_t i = 0; i < node->status->n_conditions; i++) {
        if (text_is(node->status->conditions[i]->type, type)) {
            return node->status->conditions[i];
        }
    }
    return NULL;
}

bool node_ready(const Core__V1__Node *node)
{
    const Core__V1__NodeCondition *ready = condition_of(node, "Ready");
    return ready != NULL && text_is(ready->status, "True");
}

bool node_reported(const Core__V1__Node *node)
{
    return condition_of(node, "Ready") != NULL;
}

bool node_spoke(const Core__V1__Node *before, const Core__V1__Node *after)
{
    const Core__V1__NodeCondition *old = condition_of(before, "Ready");
    const Core__V1__NodeCondition *new = condition_of(after, "Ready");
    if (new == NULL || text_is(new->status, "Unknown")) {
        return false;
    }
    return old == NULL || !text_is(old->status, new->status) ||
           api_time_seconds(old->last_heartbeat_time) < api_time_seconds(new->last_heartbeat_time);
}

uint32_t node_taints_wanted(const Core__V1__Node *node)
{
    static const struct {
        const char *type;
        enum node_taint taint;
    } by_condition[] = {
        {"MemoryPressure", NODE_TAINT_MEMORY},
        {"DiskPressure", NODE_TAINT_DISK},
        {"PIDPressure", NODE_TAINT_PID},
        {"NetworkUnavailable", NODE_TAINT_NETWORK},
    };
    uint32_t mask = node->spec->unschedulable ? NODE_TAINT_UNSCHEDULABLE : 0;
    for (size_t i = 0; i < ARRAY_LEN(by_condition); i++) {
        const Core__V1__NodeCondition *condition = condition_of(node, by_condition[i].type);
        if (condition != NULL && text_is(condition->status, "True")) {
            mask |= by_condition[i].taint;
        }
    }
    const Core__V1__NodeCondition *ready = condition_of(node, "Ready");
    if (ready == NULL) {
        return mask | NODE_TAINT_NOT_READY;
    }
    if (text_is(ready->status, "False")) {
        mask |= (uint32_t)NODE_TAINT_NOT_READY | (uint32_t)NODE_TAINT_NOT_READY_EXECUTE;
    } else if (text_is(ready->status, "Unknown")) {
        mask |= (uint32_t)NODE_TAINT_UNREACHABLE | (uint32_t)NODE_TAINT_UNREACHABLE_EXECUTE;
    }
    return mask;
}

void node_set_taints(struct arena *arena, Core__V1__Node *node, uint32_t wanted, int64_t now_s)
{
    uint32_t present = node_taints_present(node);
    Core__V1__Taint **taints =
        arena_array(arena, node->spec->n_taints + ARRAY_LEN(rows), sizeof(*taints));
    size_t count = 0;
    for (size_t i = 0; i < node->spec->n_taints; i++) {
        size_t row = row_of(node->spec->taints[i]);
        if (row == ARRAY_LEN(rows) || (wanted >> row & 1) != 0) {
            taints[count++] = node->spec->taints[i];
        }
    }
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        if ((wanted >> row & 1) == 0 || (present >> row & 1) != 0) {
            continue;
        }
        Core__V1__Taint *taint = arena_alloc(arena, sizeof(*taint));
        core__v1__taint__init(taint);
        taint->key = arena_text(arena, rows[row].key);
        taint->effect = arena_text(arena, rows[row].effect);
        taint->time_added = api_time_new(arena, now_s);
        taints[count++] = taint;
    }
    node->spec->taints = taints;
    node->spec->n_taints = count;
}

static Core__V1__NodeCondition *add_condition(struct arena *arena, Core__V1__Node *node,
                                              const char *type)
{
    Core__V1__NodeCondition **all =
        arena_array(arena, node->status->n_conditions + 1, sizeof(*all));
    for (size_t i = 0; i < node->status->n_conditions; i++) {
        all[i] = node->status->conditions[i];
    }
    Core__V1__NodeCondition *condition = arena_alloc(arena, sizeof(*condition));
    core__v1__node_condition__init(condition);
    condition->type = arena_text(arena, type);
    all[node->status->n_conditions++] = condition;
    node->status->conditions = all;
    return condition;
}

bool node_mark_unknown(struct arena *arena, Core__V1__Node *node, int64_t now_s)
{
    static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    bool changed = false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        Core__V1__NodeCondition *condition = condition_of(node, types[i]);
        if (condition != NULL && text_is(condition->status, "Unknown")) {
            continue;
        }
        changed = true;
        if (arena == NULL) {
            return true;
        }
        bool never = condition == NULL;
        if (never) {
            condition = add_condition(arena, node, types[i]);
        }
        condition->status = arena_text(arena, "Unknown");
        condition->reason =
            arena_text(arena, never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown");
        condition->message = arena_text(arena, never ? "Kubelet never posted node status."
                                                     : "Kubelet stopped posting node status.");
        condition->last_transition_time = api_time_new(arena, now_s);
    }
    return changed;
}

static bool tolerates(const Core__V1__Toleration *toleration, const Core__V1__Taint *taint)
{
    if (!text_empty(toleration->effect) && !text_is(toleration->effect, "NoExecute")) {
        return false;
    }
    if (!text_empty(toleration->key) && !text_is(toleration->key, taint->key)) {
        return false;
    }
    if (text_is(toleration->operator_, "Exists")) {
        return true;
    }
    return (text_empty(toleration->operator_) || text_is(toleration->operator_, "Equal")) &&
           text_is(toleration->value, taint->value == NULL ? "" : taint->value);
}

/* How long the pod may stay with the taint: 0 at once, EVICT_NEVER for ever. */
static int64_t tolerated_s(const Core__V1__Pod *pod, const Core__V1__Taint *taint)
{
    int64_t least = EVICT_NEVER;
    bool any = false;
    for (size_t i = 0; i < pod->spec->n_tolerations; i++) {
        const Core__V1__Toleration *toleration = pod->spec->tolerations[i];
        if (!tolerates(toleration, taint)) {
            continue;
        }
        any = true;
        if (toleration->has_toleration_seconds) {
            int64_t seconds =
                toleration->toleration_seconds < 0 ? 0 : toleration->toleration_seconds;
            least = seconds < least ? seconds : least;
        }
    }
    return any ? least : 0;
}

int64_t pod_eviction_time_s(const Core__V1__Pod *pod, const Core__V1__Node *node, int64_t seen_s)
{
    int64_t first = EVICT_NEVER;
    int64_t made_s = api_time_seconds(pod->metadata->creation_timestamp);
    for (size_t i = 0; i < node->spec->n_taints; i++) {
        const Core__V1__Taint *taint = node->spec->taints[i];
        if (!text_is(taint->effect, "NoExecute")) {
            continue;
        }
        int64_t stay = tolerated_s(pod, taint);
        if (stay == EVICT_NEVER) {
            continue;
        }
        int64_t since =
            api_time_is_zero(taint->time_added) ? seen_s : api_time_seconds(taint->time_added);
        since = since < made_s ? made_s : since;
        first = since + stay < first ? since + stay : first;
    }
    return first;
}
