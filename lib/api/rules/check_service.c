/* Checks of Service. Addresses and node ports are allocated, and their ranges checked, by the API
 * server; here is what needs no cluster. */
#include "lib/api/intstr.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

#define TOPOLOGY_HINTS "service.kubernetes.io/topology-aware-hints"
static const char TOPOLOGY_MODE[] = "service.kubernetes.io/topology-mode";
static const char SOURCE_RANGES[] = "service.beta.kubernetes.io/load-balancer-source-ranges";

static const char *const POLICIES[] = {"Cluster", "Local", NULL};

bool rules_service_is_headless(const Core__V1__ServiceSpec *spec)
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

static const char *port_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    (void)arena, (void)of;
    return text_or_empty(((const Core__V1__ServicePort *const *)list)[index]->name);
}

/* No option says that names are unique: one that is no name may be there twice, too. */
bool rules_service_port_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServicePort *port = frame->message;
    const Core__V1__ServiceSpec *spec = frame->parent->message;
    struct api_path at = api_path_field(frame->at, "name");
    if (rules_empty(port->name)) {
        if (spec->n_ports > 1) {
            api_cause_required(causes, &at, "");
        }
    } else if (api_seen_before(causes, port_name, spec->ports, NULL, frame->index)) {
        api_cause_duplicate(causes, &at, api_shown_text(port->name));
    }
    return true;
}

static const char *number_and_protocol(struct arena *arena, const Core__V1__ServicePort *port,
                                       int32_t number)
{
    return arena_printf(arena, "%d/%s", number, text_or_empty(port->protocol));
}

static const char *port_text(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__ServicePort *port = ((const Core__V1__ServicePort *const *)list)[index];
    (void)of;
    return number_and_protocol(arena, port, port->port);
}

static const char *node_port_text(struct arena *arena, const void *list, const void *of,
                                  size_t index)
{
    const Core__V1__ServicePort *port = ((const Core__V1__ServicePort *const *)list)[index];
    (void)of;
    return port->node_port == 0 ? NULL : number_and_protocol(arena, port, port->node_port);
}

static void check_node_ports(struct api_causes *causes, const struct api_path *ports,
                             const Core__V1__ServiceSpec *spec)
{
    for (size_t i = 0; i < spec->n_ports; i++) {
        struct api_path item = api_path_index(ports, i);
        if (spec->ports[i]->node_port != 0 && rules_is(spec->type, "ClusterIP")) {
            rules_forbidden(causes, &item, "nodePort",
                            "may not be used when `type` is 'ClusterIP'");
        }
    }
    for (size_t i = 0; i < spec->n_ports; i++) {
        struct api_path item = api_path_index(ports, i);
        struct api_path at = api_path_field(&item, "nodePort");
        if (api_seen_before(causes, node_port_text, spec->ports, NULL, i)) {
            api_cause_duplicate(causes, &at, api_shown_int(spec->ports[i]->node_port));
        }
    }
}

/* No two of one protocol have one number. */
bool rules_service_ports(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceSpec *spec = frame->message;
    struct api_path ports = api_path_field(frame->at, "ports");
    check_node_ports(causes, &ports, spec);
    for (size_t i = 0; i < spec->n_ports && !api_causes_full(causes); i++) {
        const Core__V1__ServicePort *port = spec->ports[i];
        struct api_path item = api_path_index(&ports, i);
        if (api_seen_before(causes, port_text, spec->ports, NULL, i)) {
            api_cause_duplicate(
                causes, &item,
                api_shown_raw(arena_printf(causes->arena,
                                           "core.ServicePort{Name:\"\", Protocol:\"%s\", "
                                           "AppProtocol:(*string)(nil), Port:%d, "
                                           "TargetPort:intstr.IntOrString{Type:0, IntVal:0, "
                                           "StrVal:\"\"}, NodePort:0}",
                                           text_or_empty(port->protocol), port->port)));
        }
    }
    return true;
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

static void check_cluster_ip(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__ServiceSpec *spec, size_t index)
{
    const char *ip = text_or_empty(spec->cluster_ips[index]);
    struct api_path item = api_path_index(at, index);
    bool is_v6 = false;
    uint8_t bytes[16];
    if (!(index == 0 && strcmp(ip, "None") == 0) && !api_ip_parse(ip, bytes, &is_v6)) {
        rules_invalid_each(causes, &item, api_shown_text(ip), api_syntax_ip(ip));
    }
}

/* The old field for one address and the new one for two say the same. */
static void check_singular(struct api_causes *causes, const struct api_path *ips,
                           const Core__V1__ServiceSpec *spec)
{
    struct api_shown shown = api_shown_texts(causes->arena, spec->cluster_ips, spec->n_cluster_ips);
    if (rules_empty(spec->cluster_ip) && spec->n_cluster_ips > 0) {
        api_cause_invalid(causes, ips, shown, "must be empty when `clusterIP` is not specified");
    } else if (!rules_empty(spec->cluster_ip) && spec->n_cluster_ips == 0) {
        api_cause_required(causes, ips, "");
    } else if (spec->n_cluster_ips > 0 &&
               !rules_is(spec->cluster_ip, text_or_empty(spec->cluster_ips[0]))) {
        api_cause_invalid(causes, ips, shown, "first value must match `clusterIP`");
    }
}

static void check_cluster_ips(struct api_causes *causes, const struct api_path *ips,
                              const Core__V1__ServiceSpec *spec)
{
    struct api_shown shown = api_shown_texts(causes->arena, spec->cluster_ips, spec->n_cluster_ips);
    size_t before = causes->count;
    if (rules_service_is_headless(spec) && spec->n_cluster_ips > 1) {
        api_cause_invalid(causes, ips, shown, "'None' must be the first and only value");
    }
    for (size_t i = 0; i < spec->n_cluster_ips; i++) {
        check_cluster_ip(causes, ips, spec, i);
    }
    bool sound = causes->count == before;
    if (spec->n_cluster_ips > 2) {
        api_cause_invalid(causes, ips, shown, "may only hold up to 2 values");
    }
    bool first_v6 = false, second_v6 = false;
    uint8_t bytes[16];
    if (sound && spec->n_cluster_ips > 1 &&
        (spec->n_cluster_ips > 2 || !api_ip_parse(spec->cluster_ips[0], bytes, &first_v6) ||
         !api_ip_parse(spec->cluster_ips[1], bytes, &second_v6) || first_v6 == second_v6)) {
        api_cause_invalid(causes, ips, shown, "may specify no more than one IP for each IP family");
    }
}

static void check_ip_families(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ServiceSpec *spec)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    struct api_path list = api_path_field(at, "ipFamilies");
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < spec->n_ip_families; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *family = text_or_empty(spec->ip_families[i]);
        if (!rules_one_of(family, families)) {
            api_cause_not_supported(causes, &item, api_shown_text(family), families);
        }
        if (!text_set_add(&seen, family)) {
            api_cause_duplicate(causes, &item, api_shown_text(family));
        }
    }
}

/* Each address is of the family in the same place. */
static void check_families_of_ips(struct api_causes *causes, const struct api_path *at,
                                  const Core__V1__ServiceSpec *spec)
{
    struct api_path list = api_path_field(at, "clusterIPs");
    for (size_t i = 0; i < spec->n_cluster_ips && i < spec->n_ip_families; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *ip = text_or_empty(spec->cluster_ips[i]);
        bool is_v6 = false;
        uint8_t bytes[16];
        if (api_ip_parse(ip, bytes, &is_v6) &&
            rules_is(spec->ip_families[i], is_v6 ? "IPv4" : "IPv6")) {
            api_cause_invalid(causes, &item, api_shown_text(ip),
                              arena_printf(causes->arena,
                                           "expected an %s value as indicated by `ipFamilies[%zu]`",
                                           text_or_empty(spec->ip_families[i]), i));
        }
    }
}

/* A name that stands for another one has no addresses. */
static void check_no_addresses(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__ServiceSpec *spec)
{
    const struct {
        const char *name;
        bool used;
    } members[] = {{"clusterIPs", spec->n_cluster_ips > 0},
                   {"ipFamilies", spec->n_ip_families > 0},
                   {"ipFamilyPolicy", spec->ip_family_policy != NULL}};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].used) {
            rules_forbidden(causes, at, members[i].name,
                            "may not be set for ExternalName services");
        }
    }
}

static void check_addresses(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceSpec *spec = frame->message;
    struct api_path ips = api_path_field(frame->at, "clusterIPs");
    size_t before = causes->count;
    if (rules_is(spec->type, "ExternalName")) {
        check_no_addresses(causes, frame->at, spec);
        return;
    }
    check_singular(causes, &ips, spec);
    check_ip_families(causes, frame->at, spec);
    api_check_member(causes, frame, "ipFamilyPolicy");
    check_cluster_ips(causes, &ips, spec);
    if (causes->count == before && !rules_service_is_headless(spec)) {
        check_families_of_ips(causes, frame->at, spec);
    }
}

/* The ports of a load balancer can be reached from anywhere. */
static void check_balanced_ports(struct api_causes *causes, const struct api_frame *frame)
{
    enum { KUBELET_PORT = 10250 };
    const Core__V1__ServiceSpec *spec = frame->message;
    struct api_path ports = api_path_field(frame->at, "ports");
    bool balancer = rules_is(spec->type, "LoadBalancer");
    for (size_t i = 0; balancer && i < spec->n_ports; i++) {
        struct api_path item = api_path_index(&ports, i);
        if (spec->ports[i]->port == KUBELET_PORT) {
            api_cause_invalid(causes, &item, api_shown_int(KUBELET_PORT),
                              "may not expose port 10250 externally since it is used by kubelet");
        }
    }
}

/* The annotation that was renamed has to say the same under both names. */
bool rules_service_topology(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Service *service = frame->message;
    const char *hints = api_meta_annotation(service->metadata, TOPOLOGY_HINTS);
    const char *mode = api_meta_annotation(service->metadata, TOPOLOGY_MODE);
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    struct api_path at = api_path_key(&annotations, TOPOLOGY_MODE);
    if (hints != NULL && mode != NULL && strcmp(hints, mode) != 0) {
        api_cause_invalid(causes, &at, api_shown_text(mode),
                          "must match annotations[" TOPOLOGY_HINTS "] when both are specified");
    }
    return true;
}

/* What allocation looks at before anything else is checked: when this is wrong, nothing else is
 * said. */
bool rules_service_addresses(struct api_causes *causes, const struct api_frame *frame)
{
    size_t before = causes->count;
    check_addresses(causes, frame);
    return causes->count == before;
}

/* --- Types and policies ------------------------------------------------------------------------
 */

static void check_external_name(struct api_causes *causes, const struct api_path *at,
                                const Core__V1__ServiceSpec *spec)
{
    char *name = arena_text(causes->arena, text_or_empty(spec->external_name));
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '.') { /* A fully qualified name may end so. */
        name[--len] = '\0';
    }
    if (len == 0) {
        rules_required(causes, at, "externalName", "");
    } else {
        rules_check_text(causes, at, "externalName", name, api_syntax_dns1123_subdomain);
    }
}

bool rules_service_type(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceSpec *spec = frame->message;
    bool headless = rules_service_is_headless(spec), named = rules_is(spec->type, "ExternalName");
    if (spec->n_ports == 0 && !headless && !named) {
        rules_required(causes, frame->at, "ports", "");
    }
    check_balanced_ports(causes, frame);
    if (needs_node_ports(spec) && headless) {
        struct api_path ips = api_path_field(frame->at, "clusterIPs");
        struct api_path first = api_path_index(&ips, 0);
        api_cause_invalid(
            causes, &first, api_shown_text("None"),
            arena_printf(causes->arena, "may not be set to 'None' for %s services", spec->type));
    }
    if (named) {
        check_external_name(causes, frame->at, spec);
    }
    return true;
}

bool rules_service_affinity(struct api_causes *causes, const struct api_frame *frame)
{
    enum { TIMEOUT_MAX_S = 86400 };
    const Core__V1__ServiceSpec *spec = frame->message;
    struct api_path config = api_path_field(frame->at, "sessionAffinityConfig");
    struct api_path client = api_path_field(&config, "clientIP");
    if (!rules_is(spec->session_affinity, "ClientIP")) {
        if (spec->session_affinity_config != NULL && rules_is(spec->session_affinity, "None")) {
            api_cause_forbidden(causes, &config, "must not be set when session affinity is None");
        }
        return true;
    }
    const Core__V1__ClientIPConfig *client_ip =
        spec->session_affinity_config == NULL ? NULL : spec->session_affinity_config->client_ip;
    if (client_ip == NULL || !client_ip->has_timeout_seconds) {
        rules_required(causes, &client, "timeoutSeconds", "when session affinity type is ClientIP");
    } else if (client_ip->timeout_seconds <= 0 || client_ip->timeout_seconds > TIMEOUT_MAX_S) {
        rules_invalid(causes, &client, "timeoutSeconds", api_shown_int(client_ip->timeout_seconds),
                      "must be greater than 0 and less than 86400");
    }
    return true;
}

static void check_health_port(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ServiceSpec *spec)
{
    if (spec->health_check_node_port != 0 && !(rules_is(spec->type, "LoadBalancer") &&
                                               rules_is(spec->external_traffic_policy, "Local"))) {
        rules_invalid(causes, at, "healthCheckNodePort",
                      api_shown_int(spec->health_check_node_port),
                      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` "
                      "is 'Local'");
    }
}

bool rules_service_external_policy(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceSpec *spec = frame->message;
    const char *policy = text_or_empty(spec->external_traffic_policy);
    bool exposed =
        needs_node_ports(spec) || (rules_is(spec->type, "ClusterIP") && spec->n_external_ips > 0);
    if (*policy == '\0') {
        if (exposed) {
            rules_required(causes, frame->at, "externalTrafficPolicy", "");
        }
    } else if (!exposed) {
        rules_invalid(causes, frame->at, "externalTrafficPolicy", api_shown_text(policy),
                      "may only be set for externally-accessible services");
    } else if (!rules_one_of(policy, POLICIES)) {
        rules_not_supported(causes, frame->at, "externalTrafficPolicy", policy, POLICIES);
    }
    check_health_port(causes, frame->at, spec);
    return true;
}

bool rules_service_distribution(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const distributions[] = {"PreferClose", NULL};
    const Core__V1__ServiceSpec *spec = frame->message;
    if (spec->traffic_distribution != NULL &&
        !rules_one_of(spec->traffic_distribution, distributions)) {
        rules_not_supported(causes, frame->at, "trafficDistribution", spec->traffic_distribution,
                            distributions);
    }
    return true;
}

/* Spaces around a range do not count. */
static void check_range(struct api_causes *causes, const struct api_path *at, struct slice range)
{
    struct slice words = slice_trimmed(range);
    const char *text = arena_text_n(causes->arena, (const char *)words.data, words.len);
    rules_invalid_each(causes, at, api_shown_text(text), api_syntax_cidr(text));
}

/* What the field was before it was one. */
static void check_annotated_ranges(struct api_causes *causes, const char *value, bool balancer)
{
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    struct api_path at = api_path_key(&annotations, SOURCE_RANGES);
    if (!balancer) {
        api_cause_forbidden(causes, &at, "may only be used when `type` is 'LoadBalancer'");
    }
    if (slice_trimmed(slice_text(value)).len == 0) {
        return;
    }
    for (const char *range = value; range != NULL; range = strchr(range, ',')) {
        range += range != value;
        check_range(causes, &at, slice_of(range, strcspn(range, ",")));
    }
}

/* v1.32 spells the path of the field so. */
static void check_source_ranges(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceSpec *spec = frame->message;
    struct api_path ranges = api_path_field(frame->at, "LoadBalancerSourceRanges");
    const Core__V1__Service *service = frame->parent->message;
    const char *annotation = api_meta_annotation(service->metadata, SOURCE_RANGES);
    bool balancer = rules_is(spec->type, "LoadBalancer");
    if (annotation != NULL && spec->n_load_balancer_source_ranges == 0) {
        check_annotated_ranges(causes, annotation, balancer);
    }
    if (spec->n_load_balancer_source_ranges > 0 && !balancer) {
        api_cause_forbidden(causes, &ranges, "may only be used when `type` is 'LoadBalancer'");
    }
    for (size_t i = 0; i < spec->n_load_balancer_source_ranges; i++) {
        struct api_path item = api_path_index(&ranges, i);
        check_range(causes, &item, slice_text(spec->load_balancer_source_ranges[i]));
    }
}

bool rules_service_balancer(struct api_causes *causes, const struct api_frame *frame)
{
    static const char only[] = "may only be used when `type` is 'LoadBalancer'";
    const Core__V1__ServiceSpec *spec = frame->message;
    bool balancer = rules_is(spec->type, "LoadBalancer");
    check_source_ranges(causes, frame);
    if (!balancer && spec->has_allocate_load_balancer_node_ports) {
        rules_forbidden(causes, frame->at, "allocateLoadBalancerNodePorts", only);
    }
    if (spec->load_balancer_class != NULL && !balancer) {
        rules_forbidden(causes, frame->at, "loadBalancerClass", only);
    } else if (spec->load_balancer_class != NULL) {
        rules_check_text(causes, frame->at, "loadBalancerClass", spec->load_balancer_class,
                         api_syntax_qualified_name);
    }
    return true;
}

/* --- Status ------------------------------------------------------------------------------------
 */

bool rules_balancer_mode(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__LoadBalancerIngress *ingress = frame->message;
    if (!rules_empty(ingress->ip) && ingress->ip_mode == NULL) {
        rules_required(causes, frame->at, "ipMode", "must be specified when `ip` is set");
    } else if (rules_empty(ingress->ip) && ingress->ip_mode != NULL) {
        rules_forbidden(causes, frame->at, "ipMode", "may not be specified when `ip` is not set");
    }
    return true;
}

void rules_update_service_status(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Service *service = after;
    struct api_path status = api_path_field(NULL, "status");
    struct api_path balancer = api_path_field(&status, "loadBalancer");
    const Core__V1__LoadBalancerStatus *state = service->status->load_balancer;
    (void)before; /* What counts is the new state. */
    if (state != NULL && state->n_ingress > 0 && !rules_is(service->spec->type, "LoadBalancer")) {
        rules_forbidden(causes, &balancer, "ingress",
                        "may only be used when `spec.type` is 'LoadBalancer'");
    }
}
