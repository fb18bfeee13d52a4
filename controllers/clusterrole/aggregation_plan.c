#include "controllers/clusterrole/aggregation_plan.h"

#include "lib/api/object.h"
#include "lib/api/selector.h"
#include <stdlib.h>
#include <string.h>

struct rules {
    Rbac__V1__PolicyRule **items;
    size_t count, room;
};

static int by_name(const void *a, const void *b)
{
    const Rbac__V1__ClusterRole *const *one = a, *const *other = b;
    return strcmp((*one)->metadata->name, (*other)->metadata->name);
}

static void add(struct arena *arena, struct rules *rules, Rbac__V1__PolicyRule *rule)
{
    const struct api_message *table = api_message_find("k8s.io.api.rbac.v1.PolicyRule");
    for (size_t i = 0; i < rules->count; i++) {
        if (api_message_equal(table, rules->items[i], rule)) {
            return;
        }
    }
    if (rules->count == rules->room) {
        rules->room = rules->room == 0 ? 32 : rules->room * 2;
        Rbac__V1__PolicyRule **items = arena_array(arena, rules->room, sizeof(*items));
        if (rules->count > 0) {
            memcpy(items, rules->items, rules->count * sizeof(*items));
        }
        rules->items = items;
    }
    rules->items[rules->count++] = rule;
}

static bool same(const struct rules *rules, const Rbac__V1__ClusterRole *role)
{
    const struct api_message *table = api_message_find("k8s.io.api.rbac.v1.PolicyRule");
    bool equal = rules->count == role->n_rules;
    for (size_t i = 0; equal && i < rules->count; i++) {
        equal = api_message_equal(table, rules->items[i], role->rules[i]);
    }
    return equal;
}

bool aggregation_plan(struct arena *arena, const Rbac__V1__ClusterRole *role,
                      const Rbac__V1__ClusterRole *const *all, size_t count,
                      Rbac__V1__PolicyRule ***ret_rules, size_t *ret_rule_count)
{
    const Rbac__V1__AggregationRule *aggregation = role->aggregation_rule;
    const Rbac__V1__ClusterRole **sorted = arena_array(arena, count + 1, sizeof(*sorted));
    struct rules rules = {0};
    if (count > 0) {
        memcpy(sorted, all, count * sizeof(*sorted));
    }
    qsort(sorted, count, sizeof(*sorted), by_name);
    for (size_t i = 0; i < aggregation->n_cluster_role_selectors; i++) {
        struct api_label_selector selector;
        if (api_label_selector_from_message(arena, aggregation->cluster_role_selectors[i],
                                            &selector, NULL) < 0) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            const Meta__V1__ObjectMeta *meta = sorted[j]->metadata;
            bool other = strcmp(meta->name, role->metadata->name) != 0;
            bool named =
                api_label_selector_matches(&selector, API_STRING_MAP(meta->labels, meta->n_labels));
            for (size_t k = 0; other && named && k < sorted[j]->n_rules; k++) {
                add(arena, &rules, sorted[j]->rules[k]);
            }
        }
    }
    if (same(&rules, role)) {
        return false;
    }
    *ret_rules = rules.items;
    *ret_rule_count = rules.count;
    return true;
}
