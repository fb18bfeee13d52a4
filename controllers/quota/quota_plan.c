#include "controllers/quota/quota_plan.h"

#include "lib/api/quota.h"

static const char status_message[] = "k8s.io.api.core.v1.ResourceQuotaStatus";

/* Adds the part of `usage` that the quota limits. */
static void add_limited(struct resource_list *used, const struct resource_list *usage,
                        const struct resource_list *hard)
{
    struct resource_list limited = resource_list_empty(used->arena);
    for (size_t i = 0; i < usage->count; i++) {
        if (resource_list_get(hard, usage->items[i].name) != NULL) {
            resource_list_set(&limited, usage->items[i].name, usage->items[i].value);
        }
    }
    resource_list_add(used, &limited);
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

/* In the order of the limits. What nobody counts keeps what it had. */
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
            resource_list_set(&result, name, *value);
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
        for (size_t j = 0; j < objects[i].count; j++) {
            const void *message = objects[i].messages[j];
            if (quota_has_in_scope(quota, objects[i].kind, message)) {
                struct resource_list usage = quota_usage(arena, objects[i].kind, message, now_s);
                add_limited(&used, &usage, &hard);
            }
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
