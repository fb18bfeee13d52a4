#include "scheduler/pod_info.h"

#include "lib/api/object.h"
#include "lib/api/quantity.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { SCORING_CPU_MILLI = 100 };
#define SCORING_MEMORY (INT64_C(200) * 1024 * 1024)

static int64_t *extended_slot(struct resources *to, const char *name)
{
    for (size_t i = 0; i < to->extended_count; i++) {
        if (strcmp(to->extended[i].name, name) == 0) {
            return &to->extended[i].amount;
        }
    }
    if (to->extended_count == SCHEDULER_EXTENDED_MAX) {
        to->overflow = true;
        return NULL;
    }
    to->extended[to->extended_count] = (struct extended_amount){.name = name};
    return &to->extended[to->extended_count++].amount;
}

static void set_amount(struct resources *to, const char *name, const Quantity__Quantity *quantity)
{
    struct quantity value = quantity_read(quantity);
    if (strcmp(name, "cpu") == 0) {
        to->cpu_milli = quantity_milli_value(value);
    } else if (strcmp(name, "memory") == 0) {
        to->memory = quantity_value(value);
    } else if (strcmp(name, "ephemeral-storage") == 0) {
        to->ephemeral = quantity_value(value);
    } else {
        int64_t *slot = extended_slot(to, name);
        if (slot != NULL) {
            *slot = quantity_value(value);
        }
    }
}

static void add(struct resources *to, const struct resources *more)
{
    to->cpu_milli += more->cpu_milli;
    to->memory += more->memory;
    to->ephemeral += more->ephemeral;
    for (size_t i = 0; i < more->extended_count; i++) {
        int64_t *slot = extended_slot(to, more->extended[i].name);
        if (slot != NULL) {
            *slot += more->extended[i].amount;
        }
    }
    to->overflow = to->overflow || more->overflow;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void raise(struct resources *to, const struct resources *other)
{
    to->cpu_milli = larger(to->cpu_milli, other->cpu_milli);
    to->memory = larger(to->memory, other->memory);
    to->ephemeral = larger(to->ephemeral, other->ephemeral);
    for (size_t i = 0; i < other->extended_count; i++) {
        int64_t *slot = extended_slot(to, other->extended[i].name);
        if (slot != NULL) {
            *slot = larger(*slot, other->extended[i].amount);
        }
    }
    to->overflow = to->overflow || other->overflow;
}

/* `scoring` puts in the amounts assumed of containers that ask for none. */
static struct resources container_requests(const Core__V1__Container *container, bool scoring)
{
    struct resources requests = {0};
    bool has_cpu = false, has_memory = false;
    const Core__V1__ResourceRequirements *from = container->resources;
    for (size_t i = 0; from != NULL && i < from->n_requests; i++) {
        set_amount(&requests, from->requests[i]->key, from->requests[i]->value);
        has_cpu = has_cpu || strcmp(from->requests[i]->key, "cpu") == 0;
        has_memory = has_memory || strcmp(from->requests[i]->key, "memory") == 0;
    }
    if (scoring && !has_cpu) {
        requests.cpu_milli = SCORING_CPU_MILLI;
    }
    if (scoring && !has_memory) {
        requests.memory = SCORING_MEMORY;
    }
    return requests;
}

/* The most that the pod needs at any time: its containers and sidecars together, or an init
 * container with the sidecars started before it (KEP-753). */
static struct resources pod_requests(const Core__V1__PodSpec *spec, bool scoring)
{
    struct resources sum = {0}, sidecars = {0}, peak = {0};
    for (size_t i = 0; i < spec->n_containers; i++) {
        struct resources one = container_requests(spec->containers[i], scoring);
        add(&sum, &one);
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        const Core__V1__Container *init = spec->init_containers[i];
        struct resources one = container_requests(init, scoring);
        if (init->restart_policy != NULL && strcmp(init->restart_policy, "Always") == 0) {
            add(&sidecars, &one);
            add(&sum, &one);
            one = sidecars;
        } else {
            add(&one, &sidecars);
        }
        raise(&peak, &one);
    }
    raise(&sum, &peak);
    struct resources overhead = {0};
    for (size_t i = 0; i < spec->n_overhead; i++) {
        set_amount(&overhead, spec->overhead[i]->key, spec->overhead[i]->value);
    }
    add(&sum, &overhead);
    return sum;
}

static void collect_ports(struct pod_info *info)
{
    const Core__V1__PodSpec *spec = info->pod->spec;
    size_t most = 0;
    for (size_t i = 0; i < spec->n_containers; i++) {
        most += spec->containers[i]->n_ports;
    }
    info->ports = alloc_array(most + 1, sizeof(*info->ports));
    for (size_t i = 0; i < spec->n_containers; i++) {
        for (size_t j = 0; j < spec->containers[i]->n_ports; j++) {
            const Core__V1__ContainerPort *port = spec->containers[i]->ports[j];
            if (port->host_port <= 0) {
                continue;
            }
            bool any = port->host_ip == NULL || port->host_ip[0] == '\0';
            info->ports[info->port_count++] = (struct host_port){
                .ip = any ? "0.0.0.0" : port->host_ip,
                .protocol =
                    port->protocol == NULL || port->protocol[0] == '\0' ? "TCP" : port->protocol,
                .port = port->host_port,
            };
        }
    }
}

void pod_info_init(struct pod_info *info, const Core__V1__Pod *pod)
{
    *info = (struct pod_info){.pod = pod};
    info->requests = pod_requests(pod->spec, /* scoring= */ false);
    struct resources scoring = pod_requests(pod->spec, /* scoring= */ true);
    info->scoring_cpu_milli = scoring.cpu_milli;
    info->scoring_memory = scoring.memory;
    const Meta__V1__OwnerReference *owner = api_meta_controller(pod->metadata);
    info->owner_uid = owner == NULL ? NULL : owner->uid;
    collect_ports(info);
}

void pod_info_release(struct pod_info *info)
{
    free(info->ports);
    info->ports = NULL;
    info->port_count = 0;
}

int64_t resources_extended(const struct resources *resources, const char *name)
{
    for (size_t i = 0; i < resources->extended_count; i++) {
        if (strcmp(resources->extended[i].name, name) == 0) {
            return resources->extended[i].amount;
        }
    }
    return 0;
}

bool host_ports_conflict(const struct host_port *a, const struct host_port *b)
{
    if (a->port != b->port || strcmp(a->protocol, b->protocol) != 0) {
        return false;
    }
    return strcmp(a->ip, "0.0.0.0") == 0 || strcmp(b->ip, "0.0.0.0") == 0 ||
           strcmp(a->ip, b->ip) == 0;
}
