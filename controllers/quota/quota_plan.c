#include "controllers/quota/quota_plan.h"

static const char status_message[] = "k8s.io.api.core.v1.ResourceQuotaStatus";

/* What so many objects take of the limits that are only counted. */
static void add_counted(struct resource_list *used, const Core__V1__ResourceQuota *quota,
                        const struct resource_list *hard, const struct quota_objects *objects)
{
    const struct quota_traits traits = quota_traits_of(objects->kind, NULL);
    if (objects->count == 0 || !quota_covers(quota, &traits)) {
        return;
    }
    struct resource_list each = quota_usage(used->arena, objects->kind, NULL, 0);
    for (size_t i = 0; i < each.count; i++) {
        if (resource_list_get(hard, each.items[i].name) != NULL) {
            resource_list_set(used, each.items[i].name,
                              quantity_of((int64_t)objects->count, QUANTITY_DECIMAL_SI));
        }
    }
}

static bool is_counted(const struct quota_objects *objects, size_t kind_count, const char *name)
{
    for (size_t i = 0; i < kind_count; i++) {
        if (quota_counts(objects[i].kind, name)) {
            return true;
        }
    }
    return false;
}

/* In the order of the limits. What nobody counts keeps what it had, and so does what is as much as
 * before: however it is written. */
static struct resource_list in_order(const struct resource_list *used,
                                     const struct resource_list *hard,
                                     const struct resource_list *before,
                                     const struct quota_objects *objects, size_t kind_count)
{
    struct resource_list result = resource_list_empty(used->arena);
    for (size_t i = 0; i < hard->count; i++) {
        const char *name = hard->items[i].name;
        const struct quantity *value = resource_list_get(used, name);
        const struct quantity *old = resource_list_get(before, name);
        if (value != NULL) {
            bool same = old != NULL && quantity_compare(*old, *value) == 0;
            resource_list_set(&result, name, same ? *old : *value);
        } else if (is_counted(objects, kind_count, name)) {
            resource_list_set(&result, name, quantity_of(0, QUANTITY_DECIMAL_SI));
        } else if (old != NULL) {
            resource_list_set(&result, name, *old);
        }
    }
    return result;
}

bool quota_plan(struct arena *arena, const Core__V1__ResourceQuota *quota,
                const struct quota_objects *objects, size_t kind_count, int64_t now_s,
                Core__V1__ResourceQuotaStatus **ret_status)
{
    const struct api_message *schema = api_message_find(status_message);
    struct resource_list hard = RESOURCE_LIST(arena, quota->spec, hard);
    struct resource_list before = RESOURCE_LIST(arena, quota->status, used);
    struct resource_list used = resource_list_empty(arena);
    for (size_t i = 0; i < kind_count; i++) {
        if (quota_only_counts(objects[i].kind)) {
            add_counted(&used, quota, &hard, &objects[i]);
        } else if (objects[i].tally != NULL) {
            quota_tally_count(objects[i].tally, quota, &hard, now_s, &used);
        }
    }
    used = in_order(&used, &hard, &before, objects, kind_count);
    Core__V1__ResourceQuotaStatus *status = api_message_new(arena, schema);
    status->hard = resource_list_entries(&hard, schema, "hard");
    status->n_hard = hard.count;
    status->used = resource_list_entries(&used, schema, "used");
    status->n_used = used.count;
    if (api_message_equal(schema, status, quota->status)) {
        return false;
    }
    *ret_status = status;
    return true;
}
