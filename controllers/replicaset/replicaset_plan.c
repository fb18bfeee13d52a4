#include "controllers/replicaset/replicaset_plan.h"

#include "controllers/limits.h"
#include "controllers/pod_state.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct api_string_map pod_labels(const Core__V1__Pod *pod)
{
    return API_STRING_MAP(pod->metadata->labels, pod->metadata->n_labels);
}

/* A pod and what its rank depends on, computed once. */
struct candidate {
    const Core__V1__Pod *pod;
    int phase; /* Pending 0, Unknown 1, Running 2 */
    int64_t cost;
    size_t neighbours; /* Related active pods on its node. */
};

static int phase_rank(const Core__V1__Pod *pod)
{
    return text_is(pod->status->phase, "Running") ? 2 : text_is(pod->status->phase, "Unknown");
}

static int64_t deletion_cost(const Core__V1__Pod *pod)
{
    const char *text =
        api_meta_annotation(pod->metadata, "controller.kubernetes.io/pod-deletion-cost");
    if (text_empty(text)) {
        return 0;
    }
    char *end = NULL;
    errno = 0;
    long cost = strtol(text, &end, 10);
    return errno != 0 || *end != '\0' ? 0 : cost;
}

static int order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Younger than a second counts as 0, then powers of two: near-equal ages tie, so that what falls
 * is spread (KEP-2185). */
static int age_bucket(int64_t since_s, int64_t now_s)
{
    int bucket = 0;
    for (int64_t age = now_s - since_s; age > 0; age >>= 1) {
        bucket++;
    }
    return bucket;
}

struct ranking {
    struct candidate *items;
    int64_t now_s;
};

/* Negative when `a` is to go before `b`. Source: kubernetes ActivePodsWithRanks. */
static int candidate_order(const struct candidate *a, const struct candidate *b, int64_t now_s)
{
    int by;
    if ((by = order(pod_bound(a->pod), pod_bound(b->pod))) != 0 ||
        (by = order(a->phase, b->phase)) != 0 ||
        (by = order(pod_ready(a->pod), pod_ready(b->pod))) != 0 ||
        (by = order(a->cost, b->cost)) != 0 ||
        (by = -order((int64_t)a->neighbours, (int64_t)b->neighbours)) != 0) {
        return by;
    }
    if (pod_ready(a->pod)) {
        by = order(age_bucket(pod_ready_since_s(a->pod), now_s),
                   age_bucket(pod_ready_since_s(b->pod), now_s));
        if (by != 0) {
            return by;
        }
    }
    if ((by = -order(pod_restarts(a->pod), pod_restarts(b->pod))) != 0) {
        return by;
    }
    by = order(age_bucket(api_time_seconds(a->pod->metadata->creation_timestamp), now_s),
               age_bucket(api_time_seconds(b->pod->metadata->creation_timestamp), now_s));
    return by != 0 ? by : strcmp(a->pod->metadata->uid, b->pod->metadata->uid);
}

static int ranking_compare(const void *a, const void *b, void *now_s)
{
    return candidate_order(a, b, *(const int64_t *)now_s);
}

static size_t neighbours_of(struct hash_map *per_node, const Core__V1__Pod *pod)
{
    const size_t *count = hash_map_get(
        per_node, slice_text(pod->spec->node_name == NULL ? "" : pod->spec->node_name));
    return count == NULL ? 0 : *count;
}

static void pick_removals(struct arena *arena, const struct replicaset_view *view,
                          const Core__V1__Pod *const *active, size_t active_count,
                          struct replicaset_plan *plan)
{
    struct hash_map *per_node = hash_map_new(/* seed= */ 1);
    for (size_t i = 0; i < view->related_count; i++) {
        const Core__V1__Pod *pod = view->related[i];
        if (!pod_active(pod) || !pod_bound(pod)) {
            continue;
        }
        size_t *count = hash_map_get(per_node, slice_text(pod->spec->node_name));
        if (count == NULL) {
            count = arena_zeroed(arena, sizeof(*count));
            hash_map_set(per_node, slice_text(pod->spec->node_name), count);
        }
        (*count)++;
    }
    struct candidate *candidates = arena_array(arena, active_count, sizeof(*candidates));
    for (size_t i = 0; i < active_count; i++) {
        candidates[i] = (struct candidate){.pod = active[i],
                                           .phase = phase_rank(active[i]),
                                           .cost = deletion_cost(active[i]),
                                           .neighbours = neighbours_of(per_node, active[i])};
    }
    hash_map_free(per_node);
    int64_t now_s = view->now_s;
    qsort_r(candidates, active_count, sizeof(*candidates), ranking_compare, &now_s);
    for (size_t i = 0; i < plan->remove_count; i++) {
        plan->remove[i] = candidates[i].pod;
    }
}

static void count_status(struct arena *arena, const struct replicaset_view *view,
                         const Core__V1__Pod *const *active, size_t active_count,
                         struct replicaset_plan *plan)
{
    const Meta__V1__ObjectMeta *wanted = view->set->spec->template_->metadata;
    struct api_label_selector labels =
        api_label_selector_from_map(arena, API_STRING_MAP(wanted->labels, wanted->n_labels));
    int32_t min_ready = view->set->spec->min_ready_seconds;
    plan->replicas = (int32_t)active_count;
    for (size_t i = 0; i < active_count; i++) {
        const Core__V1__Pod *pod = active[i];
        plan->fully_labeled += api_label_selector_matches(&labels, pod_labels(pod));
        if (!pod_ready(pod)) {
            continue;
        }
        plan->ready++;
        if (pod_available(pod, min_ready, view->now_s)) {
            plan->available++;
            continue;
        }
        int64_t wait = pod_ready_since_s(pod) + min_ready - view->now_s;
        if (plan->again_after_s == 0 || wait < plan->again_after_s) {
            plan->again_after_s = wait;
        }
    }
}

struct replicaset_plan replicaset_plan(struct arena *arena, const struct replicaset_view *view)
{
    const Apps__V1__ReplicaSet *set = view->set;
    bool deleting = !api_time_is_zero(set->metadata->deletion_timestamp);
    struct replicaset_plan plan = {0};
    size_t all = view->owned_count + view->orphan_count + 1;
    const Core__V1__Pod **active = arena_array(arena, all, sizeof(*active));
    size_t active_count = 0;
    plan.adopt = arena_array(arena, all, sizeof(*plan.adopt));
    plan.release = arena_array(arena, all, sizeof(*plan.release));
    for (size_t i = 0; i < view->owned_count; i++) {
        const Core__V1__Pod *pod = view->owned[i];
        if (!api_label_selector_matches(view->selector, pod_labels(pod))) {
            if (!deleting) {
                plan.release[plan.release_count++] = pod;
            }
        } else if (pod_active(pod)) {
            active[active_count++] = pod;
        }
    }
    for (size_t i = 0; i < view->orphan_count && !deleting; i++) {
        const Core__V1__Pod *pod = view->orphans[i];
        if (pod_active(pod) && api_label_selector_matches(view->selector, pod_labels(pod))) {
            plan.adopt[plan.adopt_count++] = pod;
            active[active_count++] = pod;
        }
    }
    count_status(arena, view, active, active_count, &plan);
    if (deleting || !view->settled) {
        return plan;
    }
    size_t wanted = set->spec->replicas < 0 ? 0 : (size_t)set->spec->replicas;
    if (active_count < wanted) {
        size_t missing = wanted - active_count;
        plan.create = missing < CONTROLLERS_BURST ? missing : CONTROLLERS_BURST;
    } else if (active_count > wanted) {
        size_t excess = active_count - wanted;
        plan.remove_count = excess < CONTROLLERS_BURST ? excess : CONTROLLERS_BURST;
        plan.remove = arena_array(arena, plan.remove_count, sizeof(*plan.remove));
        pick_removals(arena, view, active, active_count, &plan);
    }
    return plan;
}

Meta__V1__OwnerReference *replicaset_owner(struct arena *arena, const struct api_kind *kind,
                                           const Apps__V1__ReplicaSet *set)
{
    Meta__V1__OwnerReference *owner = arena_alloc(arena, sizeof(*owner));
    meta__v1__owner_reference__init(owner);
    owner->api_version = arena_text(arena, kind->api_version);
    owner->kind = arena_text(arena, kind->kind);
    owner->name = arena_text(arena, set->metadata->name);
    owner->uid = arena_text(arena, set->metadata->uid);
    owner->has_controller = owner->controller = 1;
    owner->has_block_owner_deletion = owner->block_owner_deletion = 1;
    return owner;
}

Core__V1__Pod *replicaset_pod(struct arena *arena, const struct api_kind *set_kind,
                              const Apps__V1__ReplicaSet *set)
{
    const struct api_kind *kind = api_kind_find("", "v1", "pods");
    assert(kind != NULL);
    Core__V1__Pod *pod = api_message_new(arena, kind->message);
    const Core__V1__PodTemplateSpec *from = set->spec->template_;
    pod->metadata = api_message_copy(
        arena, api_message_member_text(kind->message, "metadata")->field->message, from->metadata);
    pod->spec = api_message_copy(
        arena, api_message_member_text(kind->message, "spec")->field->message, from->spec);
    pod->metadata->name = NULL;
    pod->metadata->generate_name = arena_printf(arena, "%s-", set->metadata->name);
    pod->metadata->namespace_ = arena_text(arena, set->metadata->namespace_);
    pod->metadata->owner_references =
        arena_array(arena, 1, sizeof(*pod->metadata->owner_references));
    pod->metadata->owner_references[0] = replicaset_owner(arena, set_kind, set);
    pod->metadata->n_owner_references = 1;
    return pod;
}
