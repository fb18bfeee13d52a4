#include "apiserver/service_families.h"

#include "apiserver/registry.h"
#include <string.h>

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

bool service_is_type(const Core__V1__Service *service, const char *type)
{
    const char *actual = is_empty(service->spec->type) ? "ClusterIP" : service->spec->type;
    return strcmp(actual, type) == 0;
}

bool service_is_headless(const Core__V1__Service *service)
{
    const char *ip = service->spec->cluster_ip;
    return ip != NULL && strcmp(ip, "None") == 0;
}

void service_families_set(struct arena *arena, Core__V1__Service *service)
{
    Core__V1__ServiceSpec *spec = service->spec;
    if (service_is_type(service, "ExternalName")) {
        return;
    }
    /* A headless Service without selector may have endpoints of any family. */
    bool free_choice = service_is_headless(service) && spec->n_selector == 0;
    if (is_empty(spec->ip_family_policy)) {
        spec->ip_family_policy =
            arena_text(arena, free_choice ? "RequireDualStack" : "SingleStack");
    }
    bool single = strcmp(spec->ip_family_policy, "SingleStack") == 0;
    if (spec->n_ip_families == 0 || (spec->n_ip_families == 1 && free_choice && !single)) {
        const char *first = spec->n_ip_families == 1 ? spec->ip_families[0] : "IPv4";
        spec->ip_families = arena_array(arena, 2, sizeof(char *));
        spec->ip_families[0] = arena_text(arena, first);
        spec->n_ip_families = 1;
        if (free_choice && !single) {
            spec->ip_families[spec->n_ip_families++] =
                arena_text(arena, strcmp(first, "IPv6") == 0 ? "IPv4" : "IPv6");
        }
    }
}

static bool is_v6(const char *ip)
{
    return strchr(ip, ':') != NULL;
}

/* Two of anything are asked for by the policy. */
static void check_single_stack(struct api_causes *causes, const struct api_path *policy,
                               const Core__V1__ServiceSpec *spec)
{
    if (!is_empty(spec->ip_family_policy) && strcmp(spec->ip_family_policy, "SingleStack") != 0) {
        return;
    }
    struct api_shown shown = api_shown_text("SingleStack");
    if (spec->n_cluster_ips == 2) {
        api_cause_invalid(causes, policy, shown,
                          "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster "
                          "IPs are specified");
    }
    if (spec->n_ip_families == 2) {
        api_cause_invalid(causes, policy, shown,
                          "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP "
                          "families are specified");
    }
}

/* There is one family of addresses; a headless Service may still have endpoints of both. */
const struct api_status *service_families_check(struct operation *operation,
                                                const Core__V1__Service *service)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path policy = api_path_field(&at, "ipFamilyPolicy");
    struct api_path families = api_path_field(&at, "ipFamilies");
    if (service_is_type(service, "ExternalName") ||
        (service_is_headless(service) && spec->n_selector == 0)) {
        return NULL;
    }
    check_single_stack(&causes, &policy, spec);
    for (size_t i = 0; i < spec->n_ip_families; i++) {
        struct api_path item = api_path_index(&families, i);
        if (spec->ip_families[i] != NULL && strcmp(spec->ip_families[i], "IPv6") == 0) {
            api_cause_invalid(&causes, &item, api_shown_text("IPv6"),
                              "not configured on this cluster");
        }
    }
    if (spec->n_cluster_ips > spec->n_ip_families && spec->n_cluster_ips == 2) {
        struct api_path item = api_path_index(&families, is_v6(spec->cluster_ips[0]) ? 0 : 1);
        api_cause_invalid(&causes, &item, api_shown_text("IPv6"), "not configured on this cluster");
    }
    if (spec->ip_family_policy != NULL && strcmp(spec->ip_family_policy, "RequireDualStack") == 0) {
        api_cause_invalid(&causes, &policy, api_shown_text("RequireDualStack"),
                          "this cluster is not configured for dual-stack services");
    }
    return causes.count == 0
               ? NULL
               : api_status_invalid(operation->arena, operation->registry->service_kind,
                                    service->metadata->name, &causes);
}

/* What is wrong with the addresses alone is for validation to say. */
bool service_families_are_sound(const Core__V1__ServiceSpec *spec)
{
    for (size_t i = 0; i < spec->n_ip_families; i++) {
        const char *family = spec->ip_families[i] == NULL ? "" : spec->ip_families[i];
        if ((strcmp(family, "IPv4") != 0 && strcmp(family, "IPv6") != 0) ||
            (i > 0 && strcmp(family, spec->ip_families[0]) == 0) || i > 1) {
            return false;
        }
    }
    if (spec->n_cluster_ips == 0 || is_empty(spec->cluster_ip)) {
        return spec->n_cluster_ips == 0 && is_empty(spec->cluster_ip);
    }
    if (strcmp(spec->cluster_ips[0], spec->cluster_ip) != 0) {
        return false;
    }
    return spec->n_cluster_ips == 1 ||
           (spec->n_cluster_ips == 2 && is_v6(spec->cluster_ips[0]) != is_v6(spec->cluster_ips[1]));
}

bool service_families_fit_addresses(const Core__V1__ServiceSpec *spec)
{
    for (size_t i = 0; i < spec->n_cluster_ips && i < spec->n_ip_families; i++) {
        const char *ip = spec->cluster_ips[i];
        if (strcmp(ip, "None") != 0 &&
            strcmp(spec->ip_families[i], is_v6(ip) ? "IPv6" : "IPv4") != 0) {
            return false;
        }
    }
    return true;
}
