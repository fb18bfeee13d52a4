#include "agent/network/nft_rules.h"

#include "agent/network/limits.h"
#include "lib/base/alloc.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

enum { MASQUERADE_MARK = 0x4000 };

/* What is installed for one Service. Each list holds NUL-terminated texts, one after the other. */
struct service_rules {
    struct buffer add;      /* Commands that install it. */
    struct buffer remove;   /* Commands that undo them, in an order the kernel accepts. */
    struct buffer hairpins; /* Endpoint addresses (struct in_addr), for the shared set. */
};

struct hairpin {
    struct in_addr address;
    size_t users;
};

struct nft_rules {
    struct hash_map *hairpins; /* in_addr -> struct hairpin; the set is shared by Services. */
};

struct target {
    struct in_addr address;
    uint16_t port;
};

struct target_list {
    struct target items[NETWORK_ENDPOINTS_PER_PORT_MAX];
    size_t count;
};

/* What one Service port is made from. */
struct port_context {
    const struct nft_rules_config *config;
    const struct service_entry *entry;
    const struct service_port *port;
    uint64_t id; /* Names its chains. */
    struct service_rules *out;
};

struct nft_rules *nft_rules_new(void)
{
    struct nft_rules *rules = alloc_zeroed(sizeof(*rules));
    rules->hairpins = hash_map_new(/* seed= */ 21);
    return rules;
}

static void service_rules_free(struct service_rules *rules)
{
    if (rules == NULL) {
        return;
    }
    buffer_release(&rules->add);
    buffer_release(&rules->remove);
    buffer_release(&rules->hairpins);
    free(rules);
}

static void forget_hairpins(struct nft_rules *rules)
{
    void *value;
    for (size_t at = 0; hash_map_next(rules->hairpins, &at, NULL, &value);) {
        free(value);
    }
    hash_map_clear(rules->hairpins);
}

static void forget_services(struct service_table *table)
{
    void *value;
    for (size_t at = 0; hash_map_next(table->services, &at, NULL, &value);) {
        struct service_entry *entry = value;
        service_rules_free(entry->rules);
        entry->rules = NULL;
    }
}

void nft_rules_free(struct nft_rules *rules, struct service_table *table)
{
    if (rules == NULL) {
        return;
    }
    forget_services(table);
    forget_hairpins(rules);
    hash_map_free(rules->hairpins);
    free(rules);
}

static const char *address_text(struct in_addr address, char text[INET_ADDRSTRLEN])
{
    return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

/* ---- endpoints of a port ---- */

static bool endpoint_usable(const struct service_spec *spec, const struct endpoint *endpoint,
                            bool serving_ok)
{
    if (spec->publish_not_ready || endpoint->ready) {
        return true;
    }
    /* KEP-1669: terminating endpoints that still serve are used when no ready one is left. */
    return serving_ok && endpoint->serving && endpoint->terminating;
}

static void add_endpoint(const struct endpoint *endpoint, uint16_t port, struct target_list *list)
{
    for (size_t i = 0; i < endpoint->address_count; i++) {
        if (list->count == NETWORK_ENDPOINTS_PER_PORT_MAX) {
            return;
        }
        struct target target = {.address = endpoint->addresses[i], .port = port};
        bool seen = false;
        for (size_t k = 0; k < list->count && !seen; k++) {
            seen = list->items[k].address.s_addr == target.address.s_addr &&
                   list->items[k].port == target.port;
        }
        if (!seen) { /* An endpoint may stand in two slices for a while (KEP-752). */
            list->items[list->count++] = target;
        }
    }
}

static void collect_slice(const struct port_context *context, const struct slice_spec *slice,
                          bool local_only, bool serving_ok, struct target_list *list)
{
    for (size_t p = 0; p < slice->port_count; p++) {
        const struct service_port *port = &slice->ports[p];
        if (strcmp(port->name, context->port->name) != 0 ||
            strcmp(port->protocol, context->port->protocol) != 0) {
            continue;
        }
        for (size_t i = 0; i < slice->endpoint_count; i++) {
            const struct endpoint *endpoint = &slice->endpoints[i];
            bool local = strcmp(endpoint->node_name, context->config->node_name) == 0;
            if ((!local_only || local) &&
                endpoint_usable(context->entry->spec, endpoint, serving_ok)) {
                add_endpoint(endpoint, port->port, list);
            }
        }
    }
}

static void collect(const struct port_context *context, bool local_only, struct target_list *list)
{
    list->count = 0;
    for (int serving_ok = 0; serving_ok < 2 && list->count == 0; serving_ok++) {
        LIST_FOREACH(node, next_node, &context->entry->slices)
        {
            collect_slice(context, LIST_ENTRY(node, struct slice_entry, link)->spec, local_only,
                          serving_ok != 0, list);
        }
    }
}

/* ---- one port ---- */

static void emit_element(struct service_rules *out, const char *set, const char *key,
                         const char *verdict)
{
    buffer_printf(&out->add, "add element ip coracle %s { %s%s%s }\n", set, key,
                  verdict[0] == '\0' ? "" : " : ", verdict);
    buffer_printf(&out->remove, "delete element ip coracle %s { %s }\n", set, key);
}

static void emit_random(const struct port_context *context, const struct target_list *targets,
                        const char *chain)
{
    struct buffer *add = &context->out->add;
    buffer_printf(add,
                  "add rule ip coracle %s meta l4proto %s dnat ip to numgen random mod %zu map {",
                  chain, context->port->protocol, targets->count);
    char text[INET_ADDRSTRLEN];
    for (size_t i = 0; i < targets->count; i++) {
        buffer_printf(add, "%s %zu : %s . %u", i == 0 ? "" : ",", i,
                      address_text(targets->items[i].address, text), targets->items[i].port);
    }
    buffer_append_text(add, " }\n");
}

/* Session affinity needs a chain and a set of clients per endpoint. */
static void emit_affinity(const struct port_context *context, const struct target_list *targets,
                          const char *chain, struct buffer *remove_late)
{
    struct buffer *add = &context->out->add;
    uint32_t seconds = context->entry->spec->affinity_seconds;
    char address[INET_ADDRSTRLEN];
    CLEANUP(buffer_release) struct buffer verdicts;
    buffer_init(&verdicts, NFT_SCRIPT_BYTES_MAX);
    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->items[i];
        (void)address_text(target->address, address);
        char *seed = alloc_printf("%s/%s:%u/%u", chain, address, target->port, seconds);
        unsigned long long id = hash_bytes(/* seed= */ 3, slice_text(seed));
        free(seed);
        buffer_printf(add,
                      "add set ip coracle aff_%016llx { type ipv4_addr; flags dynamic,timeout; "
                      "timeout %us; }\n",
                      id, seconds);
        buffer_printf(add, "add chain ip coracle ep_%016llx\nflush chain ip coracle ep_%016llx\n",
                      id, id);
        buffer_printf(add, "add rule ip coracle ep_%016llx update @aff_%016llx { ip saddr }\n", id,
                      id);
        buffer_printf(add, "add rule ip coracle ep_%016llx meta l4proto %s dnat ip to %s:%u\n", id,
                      context->port->protocol, address, target->port);
        buffer_printf(add, "add rule ip coracle %s ip saddr @aff_%016llx goto ep_%016llx\n", chain,
                      id, id);
        buffer_printf(&verdicts, "%s %zu : goto ep_%016llx", i == 0 ? "" : ",", i, id);
        buffer_printf(remove_late,
                      "flush chain ip coracle ep_%016llx\ndelete chain ip coracle ep_%016llx\n", id,
                      id);
        buffer_printf(remove_late, "delete set ip coracle aff_%016llx\n", id);
    }
    buffer_printf(add, "add rule ip coracle %s numgen random mod %zu vmap {%s }\n", chain,
                  targets->count, buffer_text(&verdicts));
}

static void emit_chain(const struct port_context *context, const struct target_list *targets,
                       const char *chain, bool masquerade, struct buffer *remove_late)
{
    struct buffer *add = &context->out->add;
    buffer_printf(add, "add chain ip coracle %s\nflush chain ip coracle %s\n", chain, chain);
    if (masquerade) {
        buffer_printf(add, "add rule ip coracle %s meta mark set meta mark or 0x%x\n", chain,
                      MASQUERADE_MARK);
    }
    /* Flushed first: its rules refer to the per-endpoint chains and sets. */
    buffer_printf(&context->out->remove, "flush chain ip coracle %s\n", chain);
    if (context->entry->spec->affinity_seconds > 0) {
        emit_affinity(context, targets, chain, remove_late);
    } else {
        emit_random(context, targets, chain);
    }
    buffer_printf(remove_late, "delete chain ip coracle %s\n", chain);
    for (size_t i = 0; i < targets->count; i++) {
        buffer_append(&context->out->hairpins, &targets->items[i].address, sizeof(struct in_addr));
    }
}

static void emit_addresses(const struct port_context *context, const char *set, const char *verdict,
                           bool cluster_ip, bool external)
{
    const struct service_spec *spec = context->entry->spec;
    char address[INET_ADDRSTRLEN];
    size_t count = external ? spec->external_ip_count : 0;
    for (size_t i = cluster_ip ? 0 : 1; i <= count; i++) {
        struct in_addr ip = i == 0 ? spec->cluster_ip : spec->external_ips[i - 1];
        if (ip.s_addr == 0) {
            continue;
        }
        char *key = alloc_printf("%s . %s . %u", context->port->protocol, address_text(ip, address),
                                 context->port->port);
        emit_element(context->out, set, key, verdict);
        free(key);
    }
}

static void emit_node_port(const struct port_context *context, const char *set, const char *verdict)
{
    if (context->port->node_port == 0) {
        return;
    }
    char *key = alloc_printf("%s . %u", context->port->protocol, context->port->node_port);
    emit_element(context->out, set, key, verdict);
    free(key);
}

/* The chain comes before the elements that go to it: the kernel resolves names as it reads. */
static void emit_internal(const struct port_context *context, struct target_list *targets,
                          struct buffer *remove_late)
{
    collect(context, context->entry->spec->internal_local, targets);
    if (targets->count == 0) {
        emit_addresses(context, "no_endpoint_ips", "", /* cluster_ip= */ true,
                       /* external= */ false);
        return;
    }
    char *chain = alloc_printf("svc_%016llx", (unsigned long long)context->id);
    char *verdict = alloc_printf("goto %s", chain);
    emit_chain(context, targets, chain, /* masquerade= */ false, remove_late);
    emit_addresses(context, "service_ips", verdict, /* cluster_ip= */ true, /* external= */ false);
    free(chain);
    free(verdict);
}

/* Node ports and external addresses: with policy Cluster the answer must come back this way, so the
 * source is masqueraded; with policy Local only this node's endpoints count and the source stays.
 */
static void emit_external(const struct port_context *context, struct target_list *targets,
                          struct buffer *remove_late)
{
    const struct service_spec *spec = context->entry->spec;
    if (context->port->node_port == 0 && spec->external_ip_count == 0) {
        return;
    }
    collect(context, spec->external_local, targets);
    if (targets->count == 0) {
        emit_addresses(context, "no_endpoint_ips", "", /* cluster_ip= */ false,
                       /* external= */ true);
        emit_node_port(context, "no_endpoint_nodeports", "");
        return;
    }
    char *chain = alloc_printf("ext_%016llx", (unsigned long long)context->id);
    char *verdict = alloc_printf("goto %s", chain);
    emit_chain(context, targets, chain, /* masquerade= */ !spec->external_local, remove_late);
    emit_addresses(context, "service_ips", verdict, /* cluster_ip= */ false, /* external= */ true);
    emit_node_port(context, "service_nodeports", verdict);
    free(chain);
    free(verdict);
}

static struct service_rules *render(const struct nft_rules_config *config,
                                    const struct service_entry *entry)
{
    if (entry->spec == NULL || entry->spec->cluster_ip.s_addr == 0) {
        return NULL; /* Headless and ExternalName are DNS only. */
    }
    struct service_rules *out = alloc_zeroed(sizeof(*out));
    buffer_init(&out->add, NFT_SCRIPT_BYTES_MAX);
    buffer_init(&out->remove, NFT_SCRIPT_BYTES_MAX);
    buffer_init(&out->hairpins, NFT_SCRIPT_BYTES_MAX);
    CLEANUP(buffer_release) struct buffer remove_late;
    buffer_init(&remove_late, NFT_SCRIPT_BYTES_MAX);
    struct target_list *targets = alloc_bytes(sizeof(*targets));
    for (size_t i = 0; i < entry->spec->port_count; i++) {
        const struct service_port *port = &entry->spec->ports[i];
        char *name = alloc_printf("%s:%u/%s", entry->key, port->port, port->protocol);
        struct port_context context = {
            .config = config,
            .entry = entry,
            .port = port,
            .id = hash_bytes(/* seed= */ 2, slice_text(name)),
            .out = out,
        };
        free(name);
        emit_internal(&context, targets, &remove_late);
        emit_external(&context, targets, &remove_late);
    }
    free(targets);
    buffer_append_slice(&out->remove, buffer_slice(&remove_late));
    return out;
}

/* ---- the shared hairpin set: a pod that reaches itself through its Service ---- */

static void hairpins_change(struct nft_rules *rules, const struct service_rules *service, int delta,
                            struct buffer *script)
{
    if (service == NULL) {
        return;
    }
    const struct in_addr *addresses = (const struct in_addr *)(const void *)service->hairpins.data;
    size_t count = service->hairpins.len / sizeof(*addresses);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_of(&addresses[i], sizeof(addresses[i]));
        struct hairpin *hairpin = hash_map_get(rules->hairpins, key);
        if (hairpin == NULL) {
            assert(delta > 0);
            hairpin = alloc_zeroed(sizeof(*hairpin));
            hairpin->address = addresses[i];
            (void)hash_map_set(rules->hairpins, key, hairpin);
        }
        hairpin->users += delta > 0 ? 1 : (size_t)-1;
        char text[INET_ADDRSTRLEN];
        (void)address_text(addresses[i], text);
        if (delta > 0 && hairpin->users == 1) {
            buffer_printf(script, "add element ip coracle hairpins { %s . %s }\n", text, text);
        } else if (hairpin->users == 0) {
            buffer_printf(script, "delete element ip coracle hairpins { %s . %s }\n", text, text);
            (void)hash_map_remove(rules->hairpins, key);
            free(hairpin);
        }
    }
}

/* ---- transactions ---- */

static bool same_rules(const struct service_rules *a, const struct service_rules *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return slice_equal(buffer_slice(&a->add), buffer_slice(&b->add));
}

static void update_entry(struct nft_rules *rules, const struct nft_rules_config *config,
                         struct service_entry *entry, struct buffer *script)
{
    struct service_rules *before = entry->rules;
    struct service_rules *after = render(config, entry);
    if (same_rules(before, after)) {
        service_rules_free(after);
        return;
    }
    if (before != NULL) {
        buffer_append_slice(script, buffer_slice(&before->remove));
    }
    hairpins_change(rules, after, 1, script);
    hairpins_change(rules, before, -1, script);
    if (after != NULL) {
        buffer_append_slice(script, buffer_slice(&after->add));
    }
    service_rules_free(before);
    entry->rules = after;
}

void nft_rules_update(struct nft_rules *rules, const struct nft_rules_config *config,
                      struct service_table *table, struct buffer *script)
{
    struct service_entry *entry;
    while ((entry = service_table_next_dirty(table)) != NULL) {
        update_entry(rules, config, entry, script);
        service_table_settle(table, entry);
    }
}

static void emit_base(const struct nft_rules_config *config, struct buffer *script)
{
    buffer_append_text(
        script,
        "add table ip coracle\n"
        "delete table ip coracle\n"
        "add table ip coracle { comment \"Services and pod traffic of this node\"; }\n"
        "add map ip coracle service_ips { type inet_proto . ipv4_addr . inet_service : verdict; }\n"
        "add map ip coracle service_nodeports { type inet_proto . inet_service : verdict; }\n"
        "add set ip coracle no_endpoint_ips { type inet_proto . ipv4_addr . inet_service; }\n"
        "add set ip coracle no_endpoint_nodeports { type inet_proto . inet_service; }\n"
        "add set ip coracle hairpins { type ipv4_addr . ipv4_addr; }\n"
        "add chain ip coracle services\n"
        "add rule ip coracle services meta l4proto . ip daddr . th dport vmap @service_ips\n"
        /* 127.0.0.0/8 is left out: answers to a loopback source cannot leave the node. */
        "add rule ip coracle services ip daddr != 127.0.0.0/8 fib daddr type local"
        " meta l4proto . th dport vmap @service_nodeports\n"
        "add chain ip coracle prerouting { type nat hook prerouting priority dstnat; }\n"
        "add rule ip coracle prerouting jump services\n"
        "add chain ip coracle output { type nat hook output priority -100; }\n"
        "add rule ip coracle output jump services\n"
        "add chain ip coracle refuse\n"
        "add rule ip coracle refuse meta l4proto . ip daddr . th dport @no_endpoint_ips reject\n"
        "add rule ip coracle refuse fib daddr type local"
        " meta l4proto . th dport @no_endpoint_nodeports reject\n"
        "add chain ip coracle filter_input { type filter hook input priority filter; }\n"
        "add rule ip coracle filter_input ct state new jump refuse\n"
        "add chain ip coracle filter_forward { type filter hook forward priority filter; }\n"
        "add rule ip coracle filter_forward ct state new jump refuse\n"
        "add chain ip coracle filter_output { type filter hook output priority filter; }\n"
        "add rule ip coracle filter_output ct state new jump refuse\n"
        "add chain ip coracle postrouting { type nat hook postrouting priority srcnat; }\n"
        "add rule ip coracle postrouting ip saddr . ip daddr @hairpins masquerade\n");
    buffer_printf(script,
                  "add rule ip coracle postrouting meta mark and 0x%x == 0x%x meta mark set"
                  " meta mark xor 0x%x masquerade fully-random\n",
                  MASQUERADE_MARK, MASQUERADE_MARK, MASQUERADE_MARK);
    if (config->pod_cidr[0] == '\0') {
        return;
    }
    if (config->masquerade_bridged) {
        buffer_printf(script,
                      "add rule ip coracle postrouting ct status dnat ip saddr %s ip daddr %s"
                      " masquerade\n",
                      config->pod_cidr, config->pod_cidr);
    }
    buffer_printf(script,
                  "add rule ip coracle postrouting ip saddr %s ip daddr != { %s, 224.0.0.0/4 }"
                  " masquerade fully-random\n",
                  config->pod_cidr, config->cluster_cidr);
}

void nft_rules_reset(struct nft_rules *rules, const struct nft_rules_config *config,
                     struct service_table *table, struct buffer *script)
{
    forget_services(table);
    forget_hairpins(rules);
    while (service_table_next_dirty(table) != NULL) {
    }
    emit_base(config, script);
    void *value;
    for (size_t at = 0; hash_map_next(table->services, &at, NULL, &value);) {
        struct service_entry *entry = value;
        update_entry(rules, config, entry, script);
        service_table_settle(table, entry);
    }
}
