#include "lib/base/alloc.h"
#include "scheduler/cycle.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCORE_MAX = 100,
    WEIGHT_TAINT = 3,
    WEIGHT_AFFINITY = 2,
    WEIGHT_SPREAD = 2,
    WEIGHT_LEAST_ALLOCATED = 1,
    WEIGHT_BALANCED = 1,
    WEIGHT_IMAGE = 1,
    HOST_SKEW = 3, /* Default constraints of PodTopologySpread. */
    ZONE_SKEW = 5,
};
#define IMAGE_MIN (INT64_C(23) * 1024 * 1024)
#define IMAGE_MAX (INT64_C(1000) * 1024 * 1024)

static int64_t unused_share(int64_t used, int64_t allocatable)
{
    if (allocatable <= 0 || used > allocatable) {
        return 0;
    }
    return (allocatable - used) * SCORE_MAX / allocatable;
}

static int64_t least_allocated(const struct pod_info *pod, const struct snapshot_node *node)
{
    return (unused_share(node->scoring_cpu_milli + pod->scoring_cpu_milli, node->cpu_milli) +
            unused_share(node->scoring_memory + pod->scoring_memory, node->memory)) /
           2;
}

static double share(int64_t used, int64_t allocatable)
{
    double value = allocatable <= 0 ? 1.0 : (double)used / (double)allocatable;
    return value > 1.0 ? 1.0 : value;
}

static int64_t balanced(const struct pod_info *pod, const struct snapshot_node *node)
{
    if (pod->requests.cpu_milli == 0 && pod->requests.memory == 0) {
        return 0; /* Best effort balances nothing. */
    }
    double cpu = share(node->used_cpu_milli + pod->requests.cpu_milli, node->cpu_milli);
    double memory = share(node->used_memory + pod->requests.memory, node->memory);
    double deviation = cpu > memory ? (cpu - memory) / 2 : (memory - cpu) / 2;
    return (int64_t)((1.0 - deviation) * SCORE_MAX);
}

static int64_t image_score(const struct snapshot *snapshot, const struct pod_info *pod,
                           const struct snapshot_node *node)
{
    const Core__V1__PodSpec *spec = pod->pod->spec;
    int64_t sum = 0;
    for (size_t i = 0; i < spec->n_containers; i++) {
        char name[512];
        image_name(spec->containers[i]->image == NULL ? "" : spec->containers[i]->image, name,
                   sizeof(name));
        const int64_t *size = hash_map_get(node->images, slice_text(name));
        const size_t *nodes = hash_map_get(snapshot->image_nodes, slice_text(name));
        if (size != NULL && nodes != NULL && snapshot->count > 0) {
            sum += (int64_t)((double)*size * (double)*nodes / (double)snapshot->count);
        }
    }
    int64_t most = IMAGE_MAX * (int64_t)(spec->n_containers == 0 ? 1 : spec->n_containers);
    if (sum < IMAGE_MIN) {
        return 0;
    }
    sum = sum > most ? most : sum;
    return SCORE_MAX * (sum - IMAGE_MIN) / (most - IMAGE_MIN);
}

static int64_t preferred_affinity(const struct pod_info *pod, const struct snapshot_node *node)
{
    const Core__V1__Affinity *affinity = pod->pod->spec->affinity;
    if (affinity == NULL || affinity->node_affinity == NULL) {
        return 0;
    }
    const Core__V1__NodeAffinity *from = affinity->node_affinity;
    int64_t sum = 0;
    for (size_t i = 0; i < from->n_preferred_during_scheduling_ignored_during_execution; i++) {
        const Core__V1__PreferredSchedulingTerm *term =
            from->preferred_during_scheduling_ignored_during_execution[i];
        if (term->weight != 0 && term->preference != NULL &&
            node_matches_term(node->node, term->preference)) {
            sum += term->weight;
        }
    }
    return sum;
}

static int64_t avoided_taints(const struct pod_info *pod, const struct snapshot_node *node)
{
    const Core__V1__NodeSpec *spec = node->node->spec;
    int64_t count = 0;
    for (size_t i = 0; i < spec->n_taints; i++) {
        const Core__V1__Taint *taint = spec->taints[i];
        if (taint->effect != NULL && strcmp(taint->effect, "PreferNoSchedule") == 0 &&
            !taint_tolerated(taint, pod->pod->spec->tolerations, pod->pod->spec->n_tolerations)) {
            count++;
        }
    }
    return count;
}

/* Scales to 0..100 by the largest; `reverse` makes the least the best. */
static void normalize(int64_t *values, size_t count, bool reverse)
{
    int64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t scaled = most == 0 ? 0 : values[i] * SCORE_MAX / most;
        values[i] = reverse ? SCORE_MAX - scaled : scaled;
    }
}

static size_t siblings_on(const struct pod_info *pod, const struct snapshot_node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < node->pod_count; i++) {
        const struct pod_info *other = node->pods[i];
        count += other->owner_uid != NULL && other->pod->metadata->deletion_timestamp == NULL &&
                 strcmp(other->owner_uid, pod->owner_uid) == 0;
    }
    return count;
}

/* Fewer pods of the same owner on the node and in its zone are better: the two default constraints
 * of PodTopologySpread, weighed by the number of places there are. */
static void spread(const struct pod_info *pod, struct snapshot_node *const *nodes, size_t count,
                   int64_t *ret_values)
{
    struct hash_map *zones = hash_map_new(/* seed= */ 0x7a6f6e65);
    size_t *on_node = alloc_array(count, sizeof(*on_node));
    size_t *in_zone = alloc_array(count, sizeof(*in_zone));
    size_t zone_count = 0;
    for (size_t i = 0; i < count; i++) {
        on_node[i] = siblings_on(pod, nodes[i]);
        if (nodes[i]->zone[0] == '\0') {
            continue;
        }
        size_t *sum = hash_map_get(zones, slice_text(nodes[i]->zone));
        if (sum == NULL) {
            sum = &in_zone[zone_count++];
            hash_map_set(zones, slice_text(nodes[i]->zone), sum);
        }
        *sum += on_node[i];
    }
    double host_weight = log((double)count + 2);
    double zone_weight = log((double)zone_count + 2);
    int64_t most = 0, least = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        double cost = (double)on_node[i] * host_weight + (HOST_SKEW - 1);
        const size_t *sum = hash_map_get(zones, slice_text(nodes[i]->zone));
        if (sum != NULL) {
            cost += (double)*sum * zone_weight + (ZONE_SKEW - 1);
        }
        ret_values[i] = (int64_t)(cost + 0.5);
        most = ret_values[i] > most ? ret_values[i] : most;
        least = ret_values[i] < least ? ret_values[i] : least;
    }
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = most == 0 ? SCORE_MAX : SCORE_MAX * (most + least - ret_values[i]) / most;
    }
    free(on_node);
    free(in_zone);
    hash_map_free(zones);
}

static void add_weighted(int64_t *scores, const int64_t *values, size_t count, int64_t weight)
{
    for (size_t i = 0; i < count; i++) {
        scores[i] += values[i] * weight;
    }
}

void score_nodes(const struct snapshot *snapshot, const struct pod_info *pod,
                 struct snapshot_node *const *nodes, size_t count, int64_t *ret_scores)
{
    int64_t *values = alloc_array(count + 1, sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        ret_scores[i] = least_allocated(pod, nodes[i]) * WEIGHT_LEAST_ALLOCATED +
                        balanced(pod, nodes[i]) * WEIGHT_BALANCED +
                        image_score(snapshot, pod, nodes[i]) * WEIGHT_IMAGE;
        values[i] = avoided_taints(pod, nodes[i]);
    }
    normalize(values, count, /* reverse= */ true);
    add_weighted(ret_scores, values, count, WEIGHT_TAINT);
    for (size_t i = 0; i < count; i++) {
        values[i] = preferred_affinity(pod, nodes[i]);
    }
    normalize(values, count, /* reverse= */ false);
    add_weighted(ret_scores, values, count, WEIGHT_AFFINITY);
    if (pod->owner_uid != NULL) {
        spread(pod, nodes, count, values);
        add_weighted(ret_scores, values, count, WEIGHT_SPREAD);
    }
    free(values);
}
