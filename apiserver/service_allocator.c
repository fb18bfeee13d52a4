#include "apiserver/service_allocator.h"

#include "apiserver/service_families.h"
#include "lib/api/syntax.h"
#include "lib/base/hash_map.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

enum { ALLOCATE_TRIES = 128, NODE_PORT_COUNT = NODE_PORT_LAST - NODE_PORT_FIRST + 1 };

int service_allocator_init(struct service_allocator *allocator, const char *cidr)
{
    char text[INET_ADDRSTRLEN];
    const char *slash = strchr(cidr, '/');
    if (slash == NULL || (size_t)(slash - cidr) >= sizeof(text)) {
        return -EINVAL;
    }
    memcpy(text, cidr, (size_t)(slash - cidr));
    text[slash - cidr] = 0;
    struct in_addr address;
    char *end = NULL;
    long bits = strtol(slash + 1, &end, 10);
    if (inet_pton(AF_INET, text, &address) != 1 || *end != 0 || bits < 8 || bits > 30) {
        return -EINVAL;
    }
    uint32_t count = UINT32_C(1) << (32 - bits);
    allocator->first_ip = ntohl(address.s_addr) & ~(count - 1);
    allocator->ip_count = count;
    return 0;
}

static const char *ip_text(struct arena *arena, uint32_t ip)
{
    return arena_printf(arena, "%u.%u.%u.%u", ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255,
                        ip & 255);
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

static bool has_ip(const Core__V1__Service *service)
{
    return !service_is_type(service, "ExternalName") && !service_is_headless(service);
}

static bool has_node_ports(const Core__V1__Service *service)
{
    if (service_is_type(service, "NodePort")) {
        return true;
    }
    const Core__V1__ServiceSpec *spec = service->spec;
    return service_is_type(service, "LoadBalancer") &&
           (!spec->has_allocate_load_balancer_node_ports ||
            spec->allocate_load_balancer_node_ports);
}

static bool needs_health_port(const Core__V1__Service *service)
{
    const char *policy = service->spec->external_traffic_policy;
    return service_is_type(service, "LoadBalancer") && policy != NULL &&
           strcmp(policy, "Local") == 0;
}

static bool parse_ip(const char *text, uint32_t *ret_ip)
{
    struct in_addr address = {0};
    bool parsed = api_ipv4_parse(text, &address);
    *ret_ip = ntohl(address.s_addr);
    return parsed;
}

/* One text for each address, however it is written. */
static const char *canonical_ip(struct arena *arena, const char *text)
{
    uint32_t ip = 0;
    return parse_ip(text, &ip) ? ip_text(arena, ip) : text;
}

static const char *ip_key(struct arena *arena, const char *ip)
{
    return arena_printf(arena, "/coracle/services/ips/%s", canonical_ip(arena, ip));
}

static const char *port_key(struct arena *arena, int32_t port)
{
    return arena_printf(arena, "/coracle/services/nodeports/%d", port);
}

/* What the Services in the cache hold. */
struct taken {
    struct arena *arena;
    struct hash_map *ips;
    bool ports[NODE_PORT_COUNT];
};

static void take_port(struct taken *taken, int32_t port)
{
    if (port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST) {
        taken->ports[port - NODE_PORT_FIRST] = true;
    }
}

static bool take(void *data, const struct cached_object *object)
{
    struct taken *taken = data;
    const Core__V1__Service *service = cached_object_message(object);
    if (service == NULL) {
        return true;
    }
    for (size_t i = 0; i < service->spec->n_cluster_ips; i++) {
        const char *ip = canonical_ip(taken->arena, service->spec->cluster_ips[i]);
        (void)hash_map_set(taken->ips, slice_text(ip), taken);
    }
    for (size_t i = 0; i < service->spec->n_ports; i++) {
        take_port(taken, service->spec->ports[i]->node_port);
    }
    take_port(taken, service->spec->health_check_node_port);
    return true;
}

static struct taken *read_taken(struct operation *operation)
{
    struct taken *taken = arena_zeroed(operation->arena, sizeof(*taken));
    taken->arena = operation->arena;
    taken->ips = hash_map_new(operation_random(operation));
    struct cache_view *view =
        watch_cache_view(operation->registry->config.cache, operation->registry->service_kind);
    cache_view_each(view, "", slice_text(""), take, taken);
    cache_view_free(view);
    return taken;
}

static const struct api_status *refuse(struct operation *operation,
                                       const Core__V1__Service *service,
                                       const struct api_path *path, struct api_shown value,
                                       const char *detail)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    api_cause_invalid(&causes, path, value, detail);
    const char *name = service->metadata->name == NULL ? "" : service->metadata->name;
    return api_status_invalid(operation->arena, operation->registry->service_kind, name, &causes);
}

static const char *owner(struct operation *operation, const Core__V1__Service *service)
{
    return arena_printf(operation->arena, "%s/%s", operation_namespace(operation),
                        service->metadata->name == NULL ? "" : service->metadata->name);
}

static const char *pick_ip(struct operation *operation, const struct taken *taken)
{
    const struct service_allocator *allocator = operation->registry->config.services;
    /* The lower part is left to addresses that people choose, as v1.32 does. */
    uint32_t usable = allocator->ip_count - 2;
    uint32_t reserved = usable / 16 < 16 ? usable / 16 : usable / 16 > 256 ? 256 : usable / 16;
    for (int i = 0; i < ALLOCATE_TRIES; i++) {
        uint32_t at = (uint32_t)(operation_random(operation) % (usable - reserved)) + reserved + 1;
        const char *ip = ip_text(operation->arena, allocator->first_ip + at);
        if (hash_map_get(taken->ips, slice_text(ip)) == NULL) {
            return ip;
        }
    }
    for (uint32_t at = 1; at <= usable; at++) {
        const char *ip = ip_text(operation->arena, allocator->first_ip + at);
        if (hash_map_get(taken->ips, slice_text(ip)) == NULL) {
            return ip;
        }
    }
    return NULL;
}

static const struct api_status *check_wanted_ip(struct operation *operation,
                                                const Core__V1__Service *service,
                                                const struct taken *taken)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path ips = api_path_field(&spec, "clusterIPs");
    const char *wanted = service->spec->cluster_ip;
    uint32_t ip = 0;
    if (!parse_ip(wanted, &ip)) {
        return NULL; /* Validation words it. */
    }
    const struct service_allocator *allocator = operation->registry->config.services;
    const char *first = ip_text(operation->arena, allocator->first_ip);
    const char *cause = NULL;
    if (ip < allocator->first_ip || ip - allocator->first_ip >= allocator->ip_count) {
        int bits = 32 - __builtin_ctz(allocator->ip_count);
        cause = arena_printf(operation->arena,
                             "failed to allocate IP %s: the provided network does not match the "
                             "current range %s/%d: provided IP is not in the valid range",
                             wanted, first, bits);
    } else if (hash_map_get(taken->ips, slice_text(ip_text(operation->arena, ip))) != NULL) {
        cause = arena_printf(operation->arena,
                             "failed to allocate IP %s: provided IP is already allocated", wanted);
    }
    return cause == NULL
               ? NULL
               : refuse(operation, service, &ips,
                        api_shown_raw(arena_printf(operation->arena, "[]string{\"%s\"}", wanted)),
                        cause);
}

static void set_ip(struct arena *arena, Core__V1__ServiceSpec *spec, const char *ip)
{
    spec->cluster_ip = arena_text(arena, ip);
    spec->cluster_ips = arena_array(arena, 1, sizeof(char *));
    spec->cluster_ips[0] = spec->cluster_ip;
    spec->n_cluster_ips = 1;
}

/* An address that stays is not in `taken`. */
static const struct api_status *allocate_ip(struct operation *operation, Core__V1__Service *service,
                                            const struct taken *taken)
{
    Core__V1__ServiceSpec *spec = service->spec;
    service_families_set(operation->arena, service);
    if (service_is_headless(service)) {
        set_ip(operation->arena, spec, "None");
        return NULL;
    }
    if (!has_ip(service)) {
        return NULL;
    }
    if (is_empty(spec->cluster_ip) && spec->n_cluster_ips > 0) {
        spec->cluster_ip = spec->cluster_ips[0];
    }
    if (!is_empty(spec->cluster_ip)) {
        const struct api_status *refusal = check_wanted_ip(operation, service, taken);
        if (refusal != NULL) {
            return refusal;
        }
    } else {
        const char *ip = pick_ip(operation, taken);
        if (ip == NULL) {
            return api_status_internal(operation->arena,
                                       "failed to allocate a serviceIP: range is full");
        }
        spec->cluster_ip = arena_text(operation->arena, ip);
    }
    if (spec->n_cluster_ips == 0) {
        set_ip(operation->arena, spec, spec->cluster_ip);
    }
    plan_claim(operation, ip_key(operation->arena, spec->cluster_ip), owner(operation, service));
    return NULL;
}

static int32_t pick_port(struct operation *operation, const struct taken *taken)
{
    /* The first 86 are left to ports that people choose, as v1.32 does. */
    uint32_t reserved = NODE_PORT_COUNT / 32 < 16 ? 16 : NODE_PORT_COUNT / 32;
    for (int i = 0; i < ALLOCATE_TRIES; i++) {
        uint64_t at = reserved + operation_random(operation) % (NODE_PORT_COUNT - reserved);
        if (!taken->ports[at]) {
            return NODE_PORT_FIRST + (int32_t)at;
        }
    }
    for (int32_t at = 0; at < NODE_PORT_COUNT; at++) {
        if (!taken->ports[at]) {
            return NODE_PORT_FIRST + at;
        }
    }
    return 0;
}

static bool earlier_port(const Core__V1__ServiceSpec *spec, size_t before, int32_t node_port)
{
    for (size_t i = 0; i < before; i++) {
        if (spec->ports[i]->node_port == node_port) {
            return true;
        }
    }
    return false;
}

static const struct api_status *allocate_port(struct operation *operation,
                                              Core__V1__Service *service, struct taken *taken,
                                              size_t index)
{
    Core__V1__ServicePort *port = service->spec->ports[index];
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path ports = api_path_field(&spec, "ports");
    struct api_path item = api_path_index(&ports, index);
    struct api_path path = api_path_field(&item, "nodePort");
    if (port->node_port == 0) {
        port->node_port = pick_port(operation, taken);
        if (port->node_port == 0) {
            return api_status_internal(operation->arena,
                                       "failed to allocate a nodePort: range is full");
        }
    } else if (earlier_port(service->spec, index, port->node_port)) {
        return NULL; /* The same port for another protocol. */
    } else if (port->node_port < NODE_PORT_FIRST || port->node_port > NODE_PORT_LAST) {
        return refuse(operation, service, &path, api_shown_int(port->node_port),
                      "provided port is not in the valid range. The range of valid ports is "
                      "30000-32767");
    } else if (taken->ports[port->node_port - NODE_PORT_FIRST]) {
        return refuse(operation, service, &path, api_shown_int(port->node_port),
                      "provided port is already allocated");
    }
    take_port(taken, port->node_port);
    plan_claim(operation, port_key(operation->arena, port->node_port), owner(operation, service));
    return NULL;
}

static const struct api_status *allocate_health_port(struct operation *operation,
                                                     Core__V1__ServiceSpec *spec,
                                                     const struct taken *taken)
{
    int32_t wanted = spec->health_check_node_port;
    const char *why = NULL;
    if (wanted == 0) {
        spec->health_check_node_port = pick_port(operation, taken);
        why = spec->health_check_node_port == 0 ? "range is full" : NULL;
    } else if (wanted < NODE_PORT_FIRST || wanted > NODE_PORT_LAST) {
        why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
    } else if (taken->ports[wanted - NODE_PORT_FIRST]) {
        why = "provided port is already allocated";
    }
    return why == NULL ? NULL
           : wanted == 0
               ? api_status_internal(operation->arena,
                                     "failed to allocate a HealthCheck NodePort : %s", why)
               : api_status_internal(operation->arena,
                                     "failed to allocate requested HealthCheck NodePort "
                                     "%d: %s",
                                     wanted, why);
}

static const struct api_status *allocate_ports(struct operation *operation,
                                               Core__V1__Service *service, struct taken *taken)
{
    Core__V1__ServiceSpec *spec = service->spec;
    bool node_ports = has_node_ports(service);
    if (node_ports && spec->n_ports > PLAN_CLAIMS_MAX / 3) {
        return api_status_bad_request(
            operation->arena, "a Service may have at most %d ports of nodes", PLAN_CLAIMS_MAX / 3);
    }
    for (size_t i = 0; i < spec->n_ports && node_ports; i++) {
        const struct api_status *refusal = allocate_port(operation, service, taken, i);
        if (refusal != NULL) {
            return refusal;
        }
    }
    if (needs_health_port(service)) {
        const struct api_status *refusal = allocate_health_port(operation, spec, taken);
        if (refusal != NULL) {
            return refusal;
        }
        take_port(taken, spec->health_check_node_port);
        plan_claim(operation, port_key(operation->arena, spec->health_check_node_port),
                   owner(operation, service));
    }
    return NULL;
}

const struct api_status *service_plan_create(struct operation *operation,
                                             Core__V1__Service *service)
{
    if (operation->registry->config.services == NULL ||
        !service_families_are_sound(service->spec)) {
        return NULL;
    }
    const struct api_status *refusal = service_families_check(operation, service);
    if (refusal != NULL) {
        return refusal;
    }
    struct taken *taken = read_taken(operation);
    refusal = allocate_ip(operation, service, taken);
    if (refusal == NULL) {
        refusal = allocate_ports(operation, service, taken);
    }
    hash_map_free(taken->ips);
    return refusal;
}

/* --- Update: what the client left out stays, what is new is claimed, what is gone given up --- */

static const Core__V1__ServicePort *same_port(const Core__V1__ServiceSpec *before,
                                              const Core__V1__ServicePort *port)
{
    for (size_t i = 0; i < before->n_ports; i++) {
        const Core__V1__ServicePort *each = before->ports[i];
        const char *protocol = each->protocol == NULL ? "TCP" : each->protocol;
        if (each->port == port->port &&
            strcmp(protocol, port->protocol == NULL ? "TCP" : port->protocol) == 0) {
            return each;
        }
    }
    return NULL;
}

static void keep_allocated(struct operation *operation, const Core__V1__Service *before,
                           Core__V1__Service *after)
{
    Core__V1__ServiceSpec *spec = after->spec;
    if (has_ip(before) && has_ip(after) && is_empty(spec->cluster_ip) && spec->n_cluster_ips == 0 &&
        !is_empty(before->spec->cluster_ip)) {
        set_ip(operation->arena, spec, before->spec->cluster_ip);
    }
    if (has_node_ports(before) && has_node_ports(after)) {
        for (size_t i = 0; i < spec->n_ports; i++) {
            const Core__V1__ServicePort *old = same_port(before->spec, spec->ports[i]);
            if (spec->ports[i]->node_port == 0 && old != NULL &&
                !earlier_port(spec, spec->n_ports, old->node_port)) {
                spec->ports[i]->node_port = old->node_port;
            }
        }
    }
    if (needs_health_port(before) && needs_health_port(after) &&
        spec->health_check_node_port == 0) {
        spec->health_check_node_port = before->spec->health_check_node_port;
    }
}

/* Fields that only the type before had, and the client merely sent back. */
static void drop_unused(const Core__V1__Service *before, Core__V1__Service *after)
{
    Core__V1__ServiceSpec *spec = after->spec;
    bool same_ip = !is_empty(spec->cluster_ip) && before->spec->cluster_ip != NULL &&
                   strcmp(spec->cluster_ip, before->spec->cluster_ip) == 0;
    if (service_is_type(after, "ExternalName") && !service_is_type(before, "ExternalName") &&
        same_ip) {
        spec->cluster_ip = NULL;
        spec->n_cluster_ips = 0;
        spec->n_ip_families = 0;
        spec->ip_family_policy = NULL;
    }
    if (has_node_ports(before) && !has_node_ports(after) &&
        !service_is_type(after, "LoadBalancer")) {
        for (size_t i = 0; i < spec->n_ports; i++) {
            if (earlier_port(before->spec, before->spec->n_ports, spec->ports[i]->node_port)) {
                spec->ports[i]->node_port = 0;
            }
        }
    }
    if (needs_health_port(before) && !needs_health_port(after) &&
        spec->health_check_node_port == before->spec->health_check_node_port) {
        spec->health_check_node_port = 0;
    }
}

/* The claims of `before` and of `after` as one plan: those in both are left alone. */
static void settle_claims(struct operation *operation, size_t first,
                          const Core__V1__Service *before)
{
    struct plan *plan = &operation->plan;
    size_t claims_end = plan->extra_count;
    service_plan_remove(operation, before);
    size_t kept = first;
    bool marked[PLAN_EXTRAS_MAX] = {false};
    for (size_t i = first; i < plan->extra_count; i++) {
        bool in_both = false;
        for (size_t j = first; j < plan->extra_count; j++) {
            bool other_half = (i < claims_end) != (j < claims_end);
            in_both =
                in_both || (other_half && strcmp(plan->extras[i].key, plan->extras[j].key) == 0);
        }
        marked[i] = in_both;
    }
    for (size_t i = first; i < plan->extra_count; i++) {
        if (!marked[i]) {
            plan->extras[kept++] = plan->extras[i];
        }
    }
    plan->extra_count = kept;
}

static void forget_own(struct taken *taken, const Core__V1__Service *before)
{
    for (size_t i = 0; i < before->spec->n_cluster_ips; i++) {
        (void)hash_map_remove(taken->ips, slice_text(before->spec->cluster_ips[i]));
    }
    for (size_t i = 0; i < before->spec->n_ports; i++) {
        int32_t port = before->spec->ports[i]->node_port;
        if (port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST) {
            taken->ports[port - NODE_PORT_FIRST] = false;
        }
    }
}

const struct api_status *service_plan_update(struct operation *operation,
                                             const Core__V1__Service *before,
                                             Core__V1__Service *after)
{
    if (operation->registry->config.services == NULL) {
        return NULL;
    }
    keep_allocated(operation, before, after);
    drop_unused(before, after);
    bool sound =
        service_families_are_sound(after->spec) && service_families_fit_addresses(after->spec);
    const struct api_status *refusal = sound ? service_families_check(operation, after) : NULL;
    if (refusal != NULL) {
        return refusal;
    }
    struct taken *taken = read_taken(operation);
    forget_own(taken, before);
    size_t first = operation->plan.extra_count;
    refusal = allocate_ip(operation, after, taken);
    if (refusal == NULL) {
        refusal = allocate_ports(operation, after, taken);
    }
    hash_map_free(taken->ips);
    if (refusal == NULL) {
        settle_claims(operation, first, before);
    }
    return refusal;
}

void service_plan_remove(struct operation *operation, const Core__V1__Service *service)
{
    if (operation->registry->config.services == NULL) {
        return;
    }
    const Core__V1__ServiceSpec *spec = service->spec;
    if (has_ip(service) && !is_empty(spec->cluster_ip)) {
        plan_unclaim(operation, ip_key(operation->arena, spec->cluster_ip));
    }
    for (size_t i = 0; i < spec->n_ports && i < PLAN_CLAIMS_MAX / 3; i++) {
        int32_t port = spec->ports[i]->node_port;
        if (port != 0 && !earlier_port(spec, i, port)) {
            plan_unclaim(operation, port_key(operation->arena, port));
        }
    }
    if (spec->health_check_node_port != 0) {
        plan_unclaim(operation, port_key(operation->arena, spec->health_check_node_port));
    }
}
