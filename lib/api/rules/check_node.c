/* Checks of nodes. Who updates a node's status is held to all rules of an update. */
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

static const char *taint_text(struct arena *arena, const Core__V1__Taint *taint)
{
    return arena_printf(arena,
                        "core.Taint{Key:\"%s\", Value:\"%s\", Effect:\"%s\", "
                        "TimeAdded:(*v1.Time)(%s)}: taints must be unique by key and effect pair",
                        text_or_empty(taint->key), text_or_empty(taint->value),
                        text_or_empty(taint->effect), taint->time_added == NULL ? "nil" : "set");
}

/* Of a list of them, what must be there once. */
static const char *key_and_effect(struct arena *arena, const void *list, const void *of,
                                  size_t index)
{
    const Core__V1__Taint *const *taints = list;
    (void)of;
    return arena_printf(arena, "%s\n%s", text_or_empty(taints[index]->key),
                        text_or_empty(taints[index]->effect));
}

bool rules_taint(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Taint *taint = frame->message;
    const Core__V1__NodeSpec *node = frame->parent->message;
    if (api_seen_before(causes, key_and_effect, node->taints, NULL, frame->index)) {
        api_cause_duplicate(causes, frame->at, api_shown_raw(taint_text(causes->arena, taint)));
    }
    return true;
}

/* v1.32 looks for them where they once were, in an annotation. */
bool rules_taint_paths(struct api_causes *causes, const struct api_frame *frame)
{
    static const char prefix[] = "spec.taints[";
    (void)frame;
    for (size_t i = 0; i < causes->count; i++) {
        struct api_cause *cause = &causes->items[i];
        if (strncmp(cause->field, prefix, sizeof(prefix) - 1) == 0) {
            cause->field =
                arena_printf(causes->arena, "metadata.%s", cause->field + strlen("spec."));
        }
    }
    return true;
}

bool rules_pod_cidrs(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__NodeSpec *node = frame->message;
    struct api_path list = api_path_field(frame->at, "podCIDRs");
    size_t v4 = 0, v6 = 0;
    for (size_t i = 0; i < node->n_pod_cidrs; i++) {
        const char *text = text_or_empty(node->pod_cidrs[i]);
        if (api_syntax_cidr(text).count == 0) {
            v6 += strchr(text, ':') != NULL;
            v4 += strchr(text, ':') == NULL;
        }
    }
    if (v4 > 1 || v6 > 1 || node->n_pod_cidrs > 2) {
        rules_invalid(causes, frame->at, "podCIDRs",
                      api_shown_texts(causes->arena, node->pod_cidrs, node->n_pod_cidrs),
                      "may specify no more than one CIDR for each IP family");
    }
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < node->n_pod_cidrs; i++) {
        const char *text = text_or_empty(node->pod_cidrs[i]);
        struct api_path at = api_path_index(&list, i);
        if (!text_set_add(&seen, text)) {
            api_cause_duplicate(causes, &at, api_shown_text(text));
        }
    }
    return true;
}

/* --- Updates ----------------------------------------------------------------------------------
 */

static void check_amounts(struct api_causes *causes, const struct api_path *status,
                          const char *member, struct rules_quantities map)
{
    struct api_path list = api_path_field(status, member);
    for (size_t i = 0; i < map.count; i++) {
        const char *name = rules_quantity_key(map, i);
        struct api_path at = api_path_field(&list, name);
        rules_check_resource_amount(causes, &at, name, rules_quantity_at(map, i));
    }
}

static const char *type_and_address(struct arena *arena, const void *list, const void *of,
                                    size_t index)
{
    const Core__V1__NodeAddress *const *addresses = list;
    (void)of;
    return arena_printf(arena, "%s\n%s", text_or_empty(addresses[index]->type),
                        text_or_empty(addresses[index]->address));
}

static void check_addresses(struct api_causes *causes, const struct api_path *status,
                            const Core__V1__NodeStatus *node)
{
    struct api_path list = api_path_field(status, "addresses");
    for (size_t i = 0; i < node->n_addresses; i++) {
        const char *type = text_or_empty(node->addresses[i]->type);
        const char *address = text_or_empty(node->addresses[i]->address);
        if (api_seen_before(causes, type_and_address, node->addresses, NULL, i)) {
            struct api_path at = api_path_index(&list, i);
            api_cause_duplicate(causes, &at,
                                api_shown_raw(arena_printf(
                                    causes->arena, "core.NodeAddress{Type:\"%s\", Address:\"%s\"}",
                                    type, address)));
        }
    }
}

static void check_all_amounts(struct api_causes *causes, const Core__V1__NodeStatus *node)
{
    struct api_path status = api_path_field(NULL, "status");
    if (node != NULL) {
        check_amounts(causes, &status, "capacity", RULES_QUANTITIES(node, capacity));
        check_amounts(causes, &status, "allocatable", RULES_QUANTITIES(node, allocatable));
    }
}

/* Of a new node, who may come with a status. */
bool rules_node_amounts(struct api_causes *causes, const struct api_frame *frame)
{
    check_all_amounts(causes, ((const Core__V1__Node *)frame->parent->message)->status);
    return true;
}

static void check_ranges_kept(struct api_causes *causes, const struct api_path *spec,
                              const Core__V1__NodeSpec *before, const Core__V1__NodeSpec *after)
{
    bool as_many = before->n_pod_cidrs == after->n_pod_cidrs;
    for (size_t i = 0; i < before->n_pod_cidrs; i++) {
        if (!as_many || !rules_is(before->pod_cidrs[i], text_or_empty(after->pod_cidrs[i]))) {
            rules_forbidden(causes, spec, "podCIDRs",
                            "node updates may not change podCIDR except from \"\" to valid");
        }
        if (!as_many) {
            break; /* Said once. */
        }
    }
}

/* v1.32 does not look at what the ranges are. */
void rules_update_node(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Node *node = after;
    const Core__V1__NodeSpec *old_spec = ((const Core__V1__Node *)before)->spec;
    struct api_path status = api_path_field(NULL, "status");
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_frame frame = {
        .table = &core__v1__node_spec__schema, .message = node->spec, .at = &spec};
    check_all_amounts(causes, node->status);
    check_addresses(causes, &status, node->status);
    check_ranges_kept(causes, &spec, old_spec, node->spec);
    if (!rules_empty(old_spec->provider_id) &&
        !rules_is(old_spec->provider_id, text_or_empty(node->spec->provider_id))) {
        rules_forbidden(causes, &spec, "providerID",
                        "node updates may not change providerID except from \"\" to valid");
    }
    api_check_member(causes, &frame, "taints");
    (void)rules_taint_paths(causes, &frame);
    if (!rules_is(old_spec->external_id, text_or_empty(node->spec->external_id))) {
        rules_forbidden(causes, &spec, "externalID", "may not be updated");
    }
}
