#include "agent/network/dns_names.h"

#include "agent/network/limits.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

enum { LABELS_MAX = 128, NAME_BYTES_MAX = 1024 };

/* The labels of a name, the last one (nearest to the root) first, in lower case. */
struct labels {
    const char *items[LABELS_MAX];
    size_t count;
};

struct lookup {
    const struct service_table *table;
    const char *domain;
    enum dns_wanted wanted;
    const char *name; /* Absolute, lower case. */
    struct arena *arena;
    struct dns_result *result;
};

static char *lower_copy(struct arena *arena, const char *name)
{
    char *copy = arena_text(arena, name);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'Z') {
            *at = (char)(*at - 'A' + 'a');
        }
    }
    return copy;
}

/* Splits `name` without `suffix`; false when it does not end in it. */
static bool split(struct arena *arena, const char *name, const char *suffix, struct labels *labels)
{
    size_t name_len = strlen(name);
    size_t suffix_len = strlen(suffix);
    if (name_len < suffix_len || name_len > NAME_BYTES_MAX ||
        strcmp(name + name_len - suffix_len, suffix) != 0) {
        return false;
    }
    labels->count = 0;
    size_t end = name_len - suffix_len;
    if (end == 0) {
        return true;
    }
    if (name[end - 1] != '.') {
        return false;
    }
    end--;
    for (;;) {
        size_t start = end;
        while (start > 0 && name[start - 1] != '.') {
            start--;
        }
        if (labels->count == LABELS_MAX) {
            return false;
        }
        labels->items[labels->count++] = arena_text_n(arena, name + start, end - start);
        if (start == 0) {
            return true;
        }
        end = start - 1;
    }
}

static bool wants(const struct lookup *lookup, enum dns_wanted type)
{
    return lookup->wanted == type || lookup->wanted == DNS_WANT_ANY;
}

static void add(struct lookup *lookup, struct dns_record record)
{
    struct dns_result *result = lookup->result;
    result->exists = true;
    if (result->records == NULL) {
        result->records = arena_array(lookup->arena, DNS_ANSWERS_MAX, sizeof(*result->records));
    }
    if (result->count < DNS_ANSWERS_MAX) {
        result->records[result->count++] = record;
    }
}

static const char *dashed(struct arena *arena, struct in_addr address)
{
    char text[INET_ADDRSTRLEN];
    (void)inet_ntop(AF_INET, &address, text, sizeof(text));
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '.') {
            *at = '-';
        }
    }
    return arena_text(arena, text);
}

static bool parse_dashed(const char *label, struct in_addr *ret_address)
{
    char text[INET_ADDRSTRLEN];
    size_t len = strlen(label);
    if (len >= sizeof(text)) {
        return false;
    }
    for (size_t i = 0; i <= len; i++) {
        text[i] = label[i] == '-' ? '.' : label[i];
    }
    return inet_pton(AF_INET, text, ret_address) == 1;
}

/* ---- endpoints of headless Services ---- */

struct endpoint_visit {
    struct lookup *lookup;
    const struct service_entry *entry;
    const char *host;      /* Only this hostname or dashed address; NULL for all. */
    const char *port_name; /* For SRV; NULL for A. */
    const char *port_protocol;
};

static const char *endpoint_name(const struct endpoint_visit *visit,
                                 const struct endpoint *endpoint, struct in_addr address)
{
    struct arena *arena = visit->lookup->arena;
    const char *host = endpoint->hostname[0] != '\0' ? endpoint->hostname : dashed(arena, address);
    const struct service_spec *spec = visit->entry->spec;
    return arena_printf(arena, "%s.%s.%s.svc.%s.", host, spec->name, spec->namespace_name,
                        visit->lookup->domain);
}

static void add_endpoint_srv(const struct endpoint_visit *visit, const struct slice_spec *slice,
                             const struct endpoint *endpoint, struct in_addr address)
{
    for (size_t i = 0; i < slice->port_count; i++) {
        const struct service_port *port = &slice->ports[i];
        if (strcmp(port->name, visit->port_name) != 0 ||
            strcmp(port->protocol, visit->port_protocol) != 0) {
            continue;
        }
        const char *target = endpoint_name(visit, endpoint, address);
        add(visit->lookup, (struct dns_record){.kind = DNS_RECORD_SRV,
                                               .owner = visit->lookup->name,
                                               .target = target,
                                               .port = port->port,
                                               .weight = 1});
        add(visit->lookup,
            (struct dns_record){
                .kind = DNS_RECORD_A, .owner = target, .address = address, .additional = true});
    }
}

static void visit_endpoint(const struct endpoint_visit *visit, const struct slice_spec *slice,
                           const struct endpoint *endpoint)
{
    if (!endpoint->ready && !visit->entry->spec->publish_not_ready) {
        return;
    }
    for (size_t i = 0; i < endpoint->address_count; i++) {
        struct in_addr address = endpoint->addresses[i];
        if (visit->host != NULL && strcmp(visit->host, endpoint->hostname) != 0 &&
            strcmp(visit->host, dashed(visit->lookup->arena, address)) != 0) {
            continue;
        }
        if (visit->port_name != NULL) {
            add_endpoint_srv(visit, slice, endpoint, address);
            continue;
        }
        visit->lookup->result->exists = true;
        if (wants(visit->lookup, DNS_WANT_A)) {
            add(visit->lookup, (struct dns_record){.kind = DNS_RECORD_A,
                                                   .owner = visit->lookup->name,
                                                   .address = address});
        }
    }
}

static void visit_endpoints(const struct endpoint_visit *visit)
{
    LIST_FOREACH(node, next_node, &visit->entry->slices)
    {
        const struct slice_spec *slice = LIST_ENTRY(node, struct slice_entry, link)->spec;
        for (size_t i = 0; i < slice->endpoint_count; i++) {
            visit_endpoint(visit, slice, &slice->endpoints[i]);
        }
    }
}

/* ---- Services ---- */

static void lookup_service_name(struct lookup *lookup, const struct service_entry *entry)
{
    const struct service_spec *spec = entry->spec;
    lookup->result->exists = true;
    if (spec->kind == SERVICE_EXTERNAL_NAME) {
        add(lookup,
            (struct dns_record){.kind = DNS_RECORD_CNAME,
                                .owner = lookup->name,
                                .target = arena_printf(lookup->arena, "%s.", spec->external_name)});
        return;
    }
    if (spec->kind == SERVICE_HEADLESS) {
        visit_endpoints(&(struct endpoint_visit){.lookup = lookup, .entry = entry});
        return;
    }
    if (wants(lookup, DNS_WANT_A)) {
        add(lookup, (struct dns_record){
                        .kind = DNS_RECORD_A, .owner = lookup->name, .address = spec->cluster_ip});
    }
}

/* _port._protocol.service.namespace.svc.domain */
static void lookup_srv(struct lookup *lookup, const struct service_entry *entry, const char *port,
                       const char *protocol)
{
    const struct service_spec *spec = entry->spec;
    struct endpoint_visit visit = {
        .lookup = lookup, .entry = entry, .port_name = port + 1, .port_protocol = protocol + 1};
    if (spec->kind == SERVICE_HEADLESS) {
        visit_endpoints(&visit);
        return;
    }
    for (size_t i = 0; i < spec->port_count; i++) {
        if (strcmp(spec->ports[i].name, port + 1) != 0 ||
            strcmp(spec->ports[i].protocol, protocol + 1) != 0) {
            continue;
        }
        lookup->result->exists = true;
        if (!wants(lookup, DNS_WANT_SRV)) {
            continue;
        }
        const char *target = arena_printf(lookup->arena, "%s.%s.svc.%s.", spec->name,
                                          spec->namespace_name, lookup->domain);
        add(lookup, (struct dns_record){.kind = DNS_RECORD_SRV,
                                        .owner = lookup->name,
                                        .target = target,
                                        .port = spec->ports[i].port,
                                        .weight = 100});
        add(lookup, (struct dns_record){.kind = DNS_RECORD_A,
                                        .owner = target,
                                        .address = spec->cluster_ip,
                                        .additional = true});
    }
}

static bool namespace_known(const struct service_table *table, const char *name)
{
    void *value;
    for (size_t at = 0; hash_map_next(table->services, &at, NULL, &value);) {
        const struct service_entry *entry = value;
        if (entry->spec != NULL && strcmp(entry->spec->namespace_name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* labels: "svc", namespace, service, … */
static void lookup_svc(struct lookup *lookup, const struct labels *labels)
{
    if (labels->count < 3) { /* Names that only others lie under: they exist and hold nothing. */
        lookup->result->exists =
            labels->count == 1 || namespace_known(lookup->table, labels->items[1]);
        return;
    }
    const struct service_entry *entry =
        service_table_find(lookup->table, labels->items[1], labels->items[2]);
    if (entry == NULL || entry->spec == NULL) {
        return;
    }
    if (labels->count == 3) {
        lookup_service_name(lookup, entry);
    } else if (labels->count == 5 && labels->items[3][0] == '_' && labels->items[4][0] == '_') {
        lookup_srv(lookup, entry, labels->items[4], labels->items[3]);
    } else if (labels->count == 4 && entry->spec->kind == SERVICE_HEADLESS) {
        visit_endpoints(
            &(struct endpoint_visit){.lookup = lookup, .entry = entry, .host = labels->items[3]});
    }
}

/* labels: "pod", namespace, dashed address */
static void lookup_pod(struct lookup *lookup, const struct labels *labels)
{
    struct in_addr address;
    if (labels->count < 3) {
        lookup->result->exists = true;
        return;
    }
    if (labels->count != 3 || !parse_dashed(labels->items[2], &address)) {
        return;
    }
    lookup->result->exists = true;
    if (wants(lookup, DNS_WANT_A)) {
        add(lookup,
            (struct dns_record){.kind = DNS_RECORD_A, .owner = lookup->name, .address = address});
    }
}

/* d.c.b.a.in-addr.arpa. of a Service's address; others are the upstream's to know. */
static bool lookup_reverse(struct lookup *lookup)
{
    struct labels labels;
    if (!split(lookup->arena, lookup->name, "in-addr.arpa.", &labels) || labels.count != 4) {
        return false;
    }
    struct in_addr address;
    const char *text = arena_printf(lookup->arena, "%s.%s.%s.%s", labels.items[0], labels.items[1],
                                    labels.items[2], labels.items[3]);
    if (inet_pton(AF_INET, text, &address) != 1) {
        return false;
    }
    const struct service_entry *entry = service_table_find_address(lookup->table, address);
    if (entry == NULL) {
        return false;
    }
    lookup->result->exists = true;
    if (wants(lookup, DNS_WANT_PTR)) {
        add(lookup, (struct dns_record){
                        .kind = DNS_RECORD_PTR,
                        .owner = lookup->name,
                        .target = arena_printf(lookup->arena, "%s.%s.svc.%s.", entry->spec->name,
                                               entry->spec->namespace_name, lookup->domain)});
    }
    return true;
}

bool dns_names_lookup(const struct service_table *table, const char *domain, const char *name,
                      enum dns_wanted wanted, struct arena *arena, struct dns_result *ret_result)
{
    struct dns_result result = {.exists = false};
    struct lookup lookup = {.table = table,
                            .domain = domain,
                            .wanted = wanted,
                            .arena = arena,
                            .name = lower_copy(arena, name),
                            .result = &result};
    struct labels labels;
    if (!split(arena, lookup.name, arena_printf(arena, "%s.", domain), &labels)) {
        bool ours = lookup_reverse(&lookup);
        if (ours) {
            *ret_result = result;
        }
        return ours;
    }
    if (labels.count == 0) {
        result.exists = true;
    } else if (strcmp(labels.items[0], "svc") == 0) {
        lookup_svc(&lookup, &labels);
    } else if (strcmp(labels.items[0], "pod") == 0) {
        lookup_pod(&lookup, &labels);
    }
    *ret_result = result;
    return true;
}
