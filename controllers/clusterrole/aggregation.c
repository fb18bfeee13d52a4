/* ClusterRole aggregation: keeps the rules of each aggregating ClusterRole those of the roles that
 * it selects. Whatever changes, all that aggregate are looked at: they are few. */
#include "controllers/clusterrole/aggregation_plan.h"
#include "controllers/control.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

struct aggregation_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *roles;
    struct informer_handler handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static void role_changed(void *data, const struct client_object *old_object,
                         const struct client_object *new_object)
{
    struct aggregation_loop *loop = data;
    (void)old_object;
    (void)new_object;
    reconciler_add(loop->reconciler, "all");
}

static void aggregate(struct aggregation_loop *loop, struct round *round,
                      const Rbac__V1__ClusterRole *role, const Rbac__V1__ClusterRole *const *all,
                      size_t count)
{
    Rbac__V1__PolicyRule **rules = NULL;
    size_t rule_count = 0;
    if (role->aggregation_rule == NULL || role->metadata->deletion_timestamp != NULL ||
        !aggregation_plan(round->arena, role, all, count, &rules, &rule_count)) {
        return;
    }
    Rbac__V1__ClusterRole *changed = api_message_copy(round->arena, loop->kind->message, role);
    changed->rules = rules;
    changed->n_rules = rule_count;
    control_update(round, loop->kind, NULL, changed->metadata, changed, NULL, NULL);
}

static void reconcile(void *data, struct round *round)
{
    struct aggregation_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    struct informer_list list = informer_all(loop->roles, round->arena);
    const Rbac__V1__ClusterRole **all = arena_array(round->arena, list.count + 1, sizeof(*all));
    for (size_t i = 0; i < list.count; i++) {
        all[i] = list.items[i]->message;
    }
    for (size_t i = 0; i < list.count; i++) {
        aggregate(loop, round, all[i], all, list.count);
    }
}

static void *aggregation_open(struct control *control)
{
    struct aggregation_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("rbac.authorization.k8s.io", "v1", "clusterroles");
    loop->roles = informers_get(control->informers, loop->kind);
    loop->reconciler = control_reconciler(control, "clusterrole-aggregation",
                                          &control_as.cluster_role_aggregation, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = role_changed, .data = loop};
    informer_add_handler(loop->roles, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct aggregation_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void aggregation_close(void *part, void (*closed)(void *data), void *data)
{
    struct aggregation_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_cluster_role_aggregation = {
    .name = "clusterrole-aggregation", .open = aggregation_open, .close = aggregation_close};
