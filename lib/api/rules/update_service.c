/* What may change in a Service that exists: addresses and what belongs to them stay, but for a
 * second family. */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

/* The addresses as Go prints them. */
static struct api_shown shown_list(struct arena *arena, const Core__V1__ServiceSpec *spec)
{
    return api_shown_raw(rules_list_shown(arena, spec->cluster_ips, spec->n_cluster_ips));
}

static void check_address_kept(struct api_causes *causes, const Core__V1__ServiceSpec *before,
                               const Core__V1__ServiceSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path ips = api_path_field(&at, "clusterIPs");
    if (rules_is(before->type, "ExternalName") || rules_is(after->type, "ExternalName") ||
        before->n_cluster_ips == 0) {
        return;
    }
    if (after->n_cluster_ips == 0) {
        struct api_path first = api_path_index(&ips, 0);
        api_cause_invalid(causes, &first, api_shown_raw("[]string(nil)"),
                          "primary clusterIP can not be unset");
        return;
    }
    for (size_t i = 0; i < before->n_cluster_ips && i < after->n_cluster_ips; i++) {
        if (!rules_is(before->cluster_ips[i], text_or_empty(after->cluster_ips[i]))) {
            struct api_path item = api_path_index(&ips, i);
            api_cause_invalid(causes, &item, shown_list(causes->arena, after),
                              "may not change once set");
        }
    }
    if (after->n_cluster_ips < before->n_cluster_ips &&
        !rules_is(after->ip_family_policy, "SingleStack")) {
        rules_invalid(causes, &at, "ipFamilyPolicy", api_shown_text(after->ip_family_policy),
                      "must be set to 'SingleStack' when releasing the secondary clusterIP");
    }
}

/* v1.32 names the first family whichever it is, and shows addresses where the numbers differ. */
static void check_family_kept(struct api_causes *causes, const Core__V1__ServiceSpec *before,
                              const Core__V1__ServiceSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&at, "ipFamilies");
    struct api_path first = api_path_index(&list, 0);
    size_t count = after->n_ip_families;
    struct api_shown families =
        api_shown_member(causes->arena, &core__v1__service_spec__schema, "ipFamilies", after);
    if (rules_service_is_headless(before) || rules_service_is_headless(after) ||
        rules_is(before->type, "ExternalName") || rules_is(after->type, "ExternalName")) {
        return;
    }
    if (count < before->n_ip_families && after->n_cluster_ips == 0) {
        api_cause_invalid(causes, &first, families, "primary ipFamily can not be unset");
    }
    for (size_t i = 0; i < before->n_ip_families && i < count; i++) {
        bool same = rules_is(before->ip_families[i], text_or_empty(after->ip_families[i]));
        if (!same && (i == 0 || count == before->n_ip_families)) {
            api_cause_invalid(causes, &first,
                              count == before->n_ip_families ? families
                                                             : shown_list(causes->arena, after),
                              "may not change once set");
        }
    }
    if (count == 1 && before->n_ip_families > 1 &&
        !rules_is(after->ip_family_policy, "SingleStack")) {
        rules_invalid(causes, &at, "ipFamilyPolicy", api_shown_text(after->ip_family_policy),
                      "must be set to 'SingleStack' when releasing the secondary ipFamily");
    }
}

static bool addresses_are_right(struct arena *arena, const Core__V1__ServiceSpec *spec)
{
    struct api_causes causes;
    struct api_frame frame = api_frame_object(&core__v1__service_spec__schema, spec);
    api_causes_init(&causes, arena);
    return rules_service_addresses(&causes, &frame);
}

void rules_update_service(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Service *old_object = before, *object = after;
    const Core__V1__ServiceSpec *old_spec = old_object->spec, *spec = object->spec;
    struct api_path at = api_path_field(NULL, "spec");
    bool balancers =
        rules_is(old_spec->type, "LoadBalancer") && rules_is(spec->type, "LoadBalancer");
    if (!addresses_are_right(causes->arena, spec)) {
        return; /* Said already, and all that is said. */
    }
    check_address_kept(causes, old_spec, spec);
    check_family_kept(causes, old_spec, spec);
    if (balancers &&
        !rules_is(old_spec->load_balancer_class, text_or_empty(spec->load_balancer_class))) {
        rules_invalid(causes, &at, "loadBalancerClass",
                      spec->load_balancer_class == NULL ? api_shown_null()
                                                        : api_shown_text(spec->load_balancer_class),
                      "may not change once set");
    }
    if (balancers && rules_is(old_spec->external_traffic_policy, "Local") &&
        rules_is(spec->external_traffic_policy, "Local") &&
        old_spec->health_check_node_port != spec->health_check_node_port) {
        rules_forbidden(causes, &at, "healthCheckNodePort", "field is immutable");
    }
}
