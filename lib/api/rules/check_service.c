/* Checks of Service. Addresses and node ports are allocated, and their ranges checked, by the API
 * server; here is what needs no cluster. */
#include "lib/api/intstr.h"
#include "lib/api/rules/rules.h"

static const char *const TYPES[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort", NULL};
static const char *const POLICIES[] = {"Cluster", "Local", NULL};

static bool is_headless(const Core__V1__ServiceSpec *spec)
{
    return spec->n_cluster_ips > 0 ? rules_is(spec->cluster_ips[0], "None")
                                   : rules_is(spec->cluster_ip, "None");
}

static bool needs_node_ports(const Core__V1__ServiceSpec *spec)
{
    return rules_is(spec->type, "NodePort") || rules_is(spec->type, "LoadBalancer");
}

/* --- Ports -------------------------------------------------------------------------------------
 */

static void check_port_name(struct api_causes *causes, const struct api_path *at,
                            const Core__V1__ServiceSpec *spec, size_t index)
{
    const char *name = rules_text(spec->ports[index]->name);
    struct api_path name_at = api_path_field(at, "name");
    if (*name == '\0') {
        if (spec->n_ports > 1) {
            api_cause_required(causes, &name_at, "");
        }
        return;
    }
    rules_check_text(causes, at, "name", name, api_syntax_dns1123_label);
    for (size_t i = 0; i < index; i++) {
        if (rules_is(spec->ports[i]->name, name)) {
            api_cause_duplicate(causes, &name_at, api_shown_text(name));
            return;
        }
    }
}

static void check_target_port(struct api_causes *causes, const struct api_path *at,
                              const Intstr__IntOrString *target)
{
    if (intstr_is_text(target)) {
        rules_check_text(causes, at, "targetPort", intstr_text(target), api_syntax_port_name);
    } else {
        rules_check_number(causes, at, "targetPort", intstr_int(target), api_syntax_port_number);
    }
}

static void check_port_clash(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__ServiceSpec *spec, size_t index)
{
    const Core__V1__ServicePort *port = spec->ports[index];
    struct api_path node_port = api_path_field(at, "nodePort");
    for (size_t i = 0; i < index; i++) {
        const Core__V1__ServicePort *other = spec->ports[i];
        if (!rules_is(other->protocol, rules_text(port->protocol))) {
            continue;
        }
        if (other->port == port->port) {
            api_cause_duplicate(
                causes, at,
                api_shown_raw(arena_printf(causes->arena,
                                           "core.ServicePort{Name:\"\", Protocol:\"%s\", "
                                           "Port:%d}",
                                           rules_text(port->protocol), port->port)));
        }
        if (port->node_port != 0 && other->node_port == port->node_port) {
            api_cause_duplicate(causes, &node_port, api_shown_int(port->node_port));
        }
    }
}

static void check_port(struct api_causes *causes, const struct api_path *ports,
                       const Core__V1__ServiceSpec *spec, size_t index)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    const Core__V1__ServicePort *port = spec->ports[index];
    struct api_path at = api_path_index(ports, index);
    struct api_path protocol = api_path_field(&at, "protocol");
    check_port_name(causes, &at, spec, index);
    rules_check_number(causes, &at, "port", port->port, api_syntax_port_number);
    rules_enum(causes, &protocol, port->protocol, protocols);
    check_target_port(causes, &at, port->target_port);
    if (port->app_protocol != NULL) {
        rules_check_text(causes, &at, "appProtocol", port->app_protocol, api_syntax_qualified_name);
    }
    if (port->node_port != 0 && !needs_node_ports(spec)) {
        rules_forbidden(causes, &at, "nodePort",
                        rules_is(spec->type, "ClusterIP")
                            ? "may not be used when `type` is 'ClusterIP'"
                            : "may not be used when `type` is 'ExternalName'");
    }
    check_port_clash(causes, &at, spec, index);
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

static void check_cluster_ip(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__ServiceSpec *spec, size_t index)
{
    const char *ip = rules_text(spec->cluster_ips[index]);
    struct api_path item = api_path_index(at, index);
    bool is_v6 = false;
    uint8_t bytes[16];
    if (index > 0 && strcmp(ip, "None") == 0) {
        api_cause_invalid(causes, &item, api_shown_text(ip),
                          "must be empty, 'None', or a valid IP address");
    } else if (strcmp(ip, "None") != 0 && !api_ip_parse(ip, bytes, &is_v6)) {
        rules_invalid_each(causes, &item, api_shown_text(ip), api_syntax_ip(ip));
    }
}

static void check_cluster_ips(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ServiceSpec *spec)
{
    struct api_path ips = api_path_field(at, "clusterIPs");
    if (rules_is(spec->type, "ExternalName")) {
        if (spec->n_cluster_ips > 0) {
            api_cause_forbidden(causes, &ips, "may not be set for ExternalName services");
        }
        return;
    }
    if (spec->n_cluster_ips > 2) {
        api_cause_invalid(causes, &ips, api_shown_raw("[]string"), "may only hold up to 2 values");
    }
    for (size_t i = 0; i < spec->n_cluster_ips; i++) {
        check_cluster_ip(causes, &ips, spec, i);
    }
    if (spec->n_cluster_ips > 0 && !rules_is(spec->cluster_ip, rules_text(spec->cluster_ips[0]))) {
        rules_invalid(causes, at, "clusterIP", api_shown_text(spec->cluster_ip),
                      "first value of `clusterIPs` must match this field");
    }
}

static void check_ip_families(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ServiceSpec *spec)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    static const char *const policies[] = {"SingleStack", "PreferDualStack", "RequireDualStack",
                                           NULL};
    struct api_path list = api_path_field(at, "ipFamilies");
    for (size_t i = 0; i < spec->n_ip_families; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *family = rules_text(spec->ip_families[i]);
        if (!rules_one_of(family, families)) {
            api_cause_not_supported(causes, &item, api_shown_text(family), families);
        }
        for (size_t j = 0; j < i; j++) {
            if (rules_is(spec->ip_families[j], family)) {
                api_cause_duplicate(causes, &item, api_shown_text(family));
                break;
            }
        }
    }
    if (spec->ip_family_policy != NULL && !rules_one_of(spec->ip_family_policy, policies)) {
        rules_not_supported(causes, at, "ipFamilyPolicy", spec->ip_family_policy, policies);
    }
}

/* Each address is of the family in the same place. */
static void check_families_of_ips(struct api_causes *causes, const struct api_path *at,
                                  const Core__V1__ServiceSpec *spec)
{
    struct api_path list = api_path_field(at, "clusterIPs");
    for (size_t i = 0; i < spec->n_cluster_ips && i < spec->n_ip_families; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *ip = rules_text(spec->cluster_ips[i]);
        bool is_v6 = false;
        uint8_t bytes[16];
        if (api_ip_parse(ip, bytes, &is_v6) &&
            rules_is(spec->ip_families[i], is_v6 ? "IPv4" : "IPv6")) {
            api_cause_invalid(causes, &item, api_shown_text(ip),
                              arena_printf(causes->arena,
                                           "expected an %s value as indicated by `ipFamilies[%zu]`",
                                           rules_text(spec->ip_families[i]), i));
        }
    }
}

/* What allocation looks at before anything else is checked: when this is wrong, nothing else is
 * said. Returns whether it is right. */
static bool check_addressing(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__ServiceSpec *spec)
{
    size_t before = causes->count;
    check_cluster_ips(causes, at, spec);
    check_ip_families(causes, at, spec);
    check_families_of_ips(causes, at, spec);
    return causes->count == before;
}

/* Addresses that services and endpoints may not have. */
static void check_external_ips(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__ServiceSpec *spec)
{
    struct api_path list = api_path_field(at, "externalIPs");
    for (size_t i = 0; i < spec->n_external_ips; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *ip = rules_text(spec->external_ips[i]);
        struct api_syntax syntax = api_syntax_ip(ip);
        rules_invalid_each(causes, &item, api_shown_text(ip), syntax);
        if (syntax.count == 0) {
            rules_non_special_ip(causes, &item, ip);
        }
    }
}

/* --- Types and policies ------------------------------------------------------------------------
 */

static void check_affinity(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__ServiceSpec *spec)
{
    enum { TIMEOUT_MAX_S = 86400 };
    static const char *const affinities[] = {"ClientIP", "None", NULL};
    struct api_path affinity = api_path_field(at, "sessionAffinity");
    struct api_path config = api_path_field(at, "sessionAffinityConfig");
    struct api_path client = api_path_field(&config, "clientIP");
    rules_enum(causes, &affinity, spec->session_affinity, affinities);
    if (!rules_is(spec->session_affinity, "ClientIP")) {
        if (spec->session_affinity_config != NULL) {
            api_cause_forbidden(causes, &config, "must not be set when session affinity is None");
        }
        return;
    }
    const Core__V1__ClientIPConfig *client_ip =
        spec->session_affinity_config == NULL ? NULL : spec->session_affinity_config->client_ip;
    if (client_ip == NULL || !client_ip->has_timeout_seconds) {
        rules_required(causes, &client, "timeoutSeconds", "when session affinity type is ClientIP");
    } else if (client_ip->timeout_seconds <= 0 || client_ip->timeout_seconds > TIMEOUT_MAX_S) {
        rules_invalid(causes, &client, "timeoutSeconds", api_shown_int(client_ip->timeout_seconds),
                      "must be greater than 0 and less than 86400");
    }
}

static void check_traffic(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__ServiceSpec *spec)
{
    const char *external = rules_text(spec->external_traffic_policy);
    bool exposed =
        needs_node_ports(spec) || (rules_is(spec->type, "ClusterIP") && spec->n_external_ips > 0);
    if (*external != '\0') {
        if (!exposed) {
            rules_invalid(causes, at, "externalTrafficPolicy", api_shown_text(external),
                          "may only be set for externally-accessible services");
        } else if (!rules_one_of(external, POLICIES)) {
            rules_not_supported(causes, at, "externalTrafficPolicy", external, POLICIES);
        }
    } else if (exposed) {
        rules_required(causes, at, "externalTrafficPolicy", "");
    }
    if (spec->internal_traffic_policy != NULL &&
        !rules_one_of(spec->internal_traffic_policy, POLICIES)) {
        rules_not_supported(causes, at, "internalTrafficPolicy", spec->internal_traffic_policy,
                            POLICIES);
    }
    if (spec->health_check_node_port != 0 &&
        !(rules_is(spec->type, "LoadBalancer") && strcmp(external, "Local") == 0)) {
        rules_invalid(causes, at, "healthCheckNodePort",
                      api_shown_int(spec->health_check_node_port),
                      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` "
                      "is 'Local'");
    }
}

static void check_balancer(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__ServiceSpec *spec)
{
    bool balancer = rules_is(spec->type, "LoadBalancer");
    struct api_path ranges = api_path_field(at, "loadBalancerSourceRanges");
    if (spec->n_load_balancer_source_ranges > 0 && !balancer) {
        api_cause_forbidden(causes, &ranges, "may only be used when `type` is 'LoadBalancer'");
    }
    for (size_t i = 0; balancer && i < spec->n_load_balancer_source_ranges; i++) {
        struct api_path item = api_path_index(&ranges, i);
        const char *range = rules_text(spec->load_balancer_source_ranges[i]);
        rules_invalid_each(causes, &item, api_shown_text(range), api_syntax_cidr(range));
    }
    if (!balancer && spec->has_allocate_load_balancer_node_ports) {
        rules_forbidden(causes, at, "allocateLoadBalancerNodePorts",
                        "may only be used when `type` is 'LoadBalancer'");
    }
    if (spec->load_balancer_class != NULL) {
        if (!balancer) {
            rules_forbidden(causes, at, "loadBalancerClass",
                            "may only be used when `type` is 'LoadBalancer'");
        } else {
            rules_check_text(causes, at, "loadBalancerClass", spec->load_balancer_class,
                             api_syntax_qualified_name);
        }
    }
    for (size_t i = 0; balancer && i < spec->n_ports; i++) {
        enum { KUBELET_PORT = 10250 };
        struct api_path ports = api_path_field(at, "ports");
        struct api_path item = api_path_index(&ports, i);
        if (spec->ports[i]->port == KUBELET_PORT) {
            rules_invalid(causes, &item, "port", api_shown_int(KUBELET_PORT),
                          "may not expose port 10250 externally since it is used by kubelet");
        }
    }
}

static void check_external_name(struct api_causes *causes, const struct api_path *at,
                                const Core__V1__ServiceSpec *spec)
{
    if (!rules_is(spec->type, "ExternalName")) {
        return;
    }
    char *name = arena_text(causes->arena, rules_text(spec->external_name));
    size_t len = strlen(name);
    if (len == 0) {
        rules_required(causes, at, "externalName", "");
        return;
    }
    if (name[len - 1] == '.') { /* A fully qualified name may end so. */
        name[len - 1] = '\0';
    }
    rules_check_text(causes, at, "externalName", name, api_syntax_dns1123_subdomain);
}

static void check_ports(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__ServiceSpec *spec)
{
    struct api_path ports = api_path_field(at, "ports");
    if (spec->n_ports == 0 && !is_headless(spec) && !rules_is(spec->type, "ExternalName")) {
        api_cause_required(causes, &ports, "");
    }
    for (size_t i = 0; i < spec->n_ports; i++) {
        check_port(causes, &ports, spec, i);
    }
}

static void check_spec(struct api_causes *causes, const Core__V1__ServiceSpec *spec)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path type = api_path_field(&at, "type");
    struct api_path selector = api_path_field(&at, "selector");
    check_ports(causes, &at, spec);
    rules_enum(causes, &type, spec->type, TYPES);
    if (needs_node_ports(spec) && is_headless(spec)) {
        struct api_path ips = api_path_field(&at, "clusterIPs");
        struct api_path first = api_path_index(&ips, 0);
        api_cause_invalid(
            causes, &first, api_shown_text("None"),
            arena_printf(causes->arena, "may not be set to 'None' for %s services", spec->type));
    }
    check_affinity(causes, &at, spec);
    rules_labels(causes, &selector, API_STRING_MAP(spec->selector, spec->n_selector));
    check_external_ips(causes, &at, spec);
    check_external_name(causes, &at, spec);
    check_traffic(causes, &at, spec);
    check_balancer(causes, &at, spec);
}

void rules_check_service(struct api_causes *causes, const void *message)
{
    const Core__V1__Service *service = message;
    struct api_path at = api_path_field(NULL, "spec");
    if (check_addressing(causes, &at, service->spec)) {
        check_spec(causes, service->spec);
    }
}

/* --- Changes -----------------------------------------------------------------------------------
 */

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
        if (!rules_is(before->cluster_ips[i], rules_text(after->cluster_ips[i]))) {
            struct api_path item = api_path_index(&ips, i);
            api_cause_invalid(causes, &item, api_shown_text(after->cluster_ips[i]),
                              "may not change once set");
        }
    }
    if (after->n_cluster_ips < before->n_cluster_ips &&
        !rules_is(after->ip_family_policy, "SingleStack")) {
        rules_invalid(causes, &at, "ipFamilyPolicy", api_shown_text(after->ip_family_policy),
                      "must be set to 'SingleStack' when releasing the secondary clusterIP");
    }
}

static void check_family_kept(struct api_causes *causes, const Core__V1__ServiceSpec *before,
                              const Core__V1__ServiceSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&at, "ipFamilies");
    struct api_path first = api_path_index(&list, 0);
    if (is_headless(before) || is_headless(after) || rules_is(before->type, "ExternalName") ||
        rules_is(after->type, "ExternalName")) {
        return;
    }
    if (before->n_ip_families > 0 && after->n_ip_families > 0 &&
        !rules_is(before->ip_families[0], rules_text(after->ip_families[0]))) {
        api_cause_invalid(causes, &first, api_shown_text(after->ip_families[0]),
                          "may not change once set");
    }
}

void rules_update_service(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Service *old_object = before, *object = after;
    const Core__V1__ServiceSpec *old_spec = old_object->spec, *spec = object->spec;
    struct api_path at = api_path_field(NULL, "spec");
    bool balancers =
        rules_is(old_spec->type, "LoadBalancer") && rules_is(spec->type, "LoadBalancer");
    if (!check_addressing(causes, &at, spec)) {
        return;
    }
    check_spec(causes, spec);
    check_address_kept(causes, old_spec, spec);
    check_family_kept(causes, old_spec, spec);
    if (balancers &&
        !rules_is(old_spec->load_balancer_class, rules_text(spec->load_balancer_class))) {
        rules_invalid(causes, &at, "loadBalancerClass", api_shown_text(spec->load_balancer_class),
                      "may not change once set");
    }
    if (balancers && rules_is(old_spec->external_traffic_policy, "Local") &&
        rules_is(spec->external_traffic_policy, "Local") &&
        old_spec->health_check_node_port != spec->health_check_node_port) {
        rules_forbidden(causes, &at, "healthCheckNodePort", "field is immutable");
    }
}

void rules_update_service_status(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const modes[] = {"Proxy", "VIP", NULL};
    const Core__V1__Service *service = after;
    struct api_path status = api_path_field(NULL, "status");
    struct api_path balancer = api_path_field(&status, "loadBalancer");
    struct api_path list = api_path_field(&balancer, "ingress");
    const Core__V1__LoadBalancerStatus *state = service->status->load_balancer;
    (void)before; /* What counts is the new state. */
    if (state != NULL && state->n_ingress > 0 && !rules_is(service->spec->type, "LoadBalancer")) {
        api_cause_forbidden(causes, &list, "may only be used when `spec.type` is \"LoadBalancer\"");
    }
    for (size_t i = 0; state != NULL && i < state->n_ingress; i++) {
        const Core__V1__LoadBalancerIngress *ingress = state->ingress[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path mode = api_path_field(&item, "ipMode");
        if (!rules_empty(ingress->ip)) {
            rules_check_text(causes, &item, "ip", ingress->ip, api_syntax_ip);
            if (ingress->ip_mode == NULL) {
                api_cause_required(causes, &mode, "must be specified when `ip` is set");
            }
        } else if (ingress->ip_mode != NULL) {
            api_cause_forbidden(causes, &mode, "may not be specified when `ip` is not set");
        }
        if (ingress->ip_mode != NULL && !rules_one_of(ingress->ip_mode, modes)) {
            api_cause_not_supported(causes, &mode, api_shown_text(ingress->ip_mode), modes);
        }
        if (!rules_empty(ingress->hostname)) {
            rules_check_text(causes, &item, "hostname", ingress->hostname,
                             api_syntax_dns1123_subdomain);
        }
    }
}
