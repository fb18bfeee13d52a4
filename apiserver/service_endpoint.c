#include "apiserver/service_endpoint.h"

#include "apiserver/watch_cache.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/syntax.h"
#include <stdio.h>

struct search {
    struct watch_cache *cache;
    const struct service_question *question;
    const char *port_name;
    size_t pick;  /* Which of the ready ones. */
    size_t ready; /* Seen. */
    size_t slices;
    struct net_address found;
    const char *found_pod;
    struct arena *arena;
};

static bool is_of(const Discovery__V1__EndpointSlice *slice, const char *service)
{
    const char *label = api_meta_label(slice->metadata, "kubernetes.io/service-name");
    return label != NULL && strcmp(label, service) == 0;
}

static int32_t slice_port(const Discovery__V1__EndpointSlice *slice, const char *name)
{
    for (size_t i = 0; i < slice->n_ports; i++) {
        const Discovery__V1__EndpointPort *port = slice->ports[i];
        if (strcmp(text_or_empty(port->name), name) == 0) {
            return port->port;
        }
    }
    return 0;
}

static bool is_ready(const Discovery__V1__Endpoint *endpoint)
{
    const Discovery__V1__EndpointConditions *conditions = endpoint->conditions;
    return endpoint->n_addresses > 0 &&
           (conditions == NULL || !conditions->has_ready || conditions->ready);
}

static bool has_address(const Core__V1__PodStatus *status, const char *address)
{
    for (size_t i = 0; i < status->n_pod_ips; i++) {
        if (strcmp(text_or_empty(status->pod_ips[i]->ip), address) == 0) {
            return true;
        }
    }
    return strcmp(text_or_empty(status->pod_ip), address) == 0;
}

/* The pod of the namespace that an endpoint says it is; "" for none. */
static const char *pod_of(const struct search *search, const Discovery__V1__Endpoint *endpoint)
{
    const Core__V1__ObjectReference *target = endpoint->target_ref;
    bool named = target != NULL && strcmp(text_or_empty(target->kind), "Pod") == 0 &&
                 strcmp(text_or_empty(target->namespace_), search->question->namespace) == 0;
    return named ? text_or_empty(target->name) : "";
}

/* Who writes an EndpointSlice could otherwise send us anywhere. */
static bool is_pod(const struct search *search, const Discovery__V1__Endpoint *endpoint)
{
    const struct cached_object *object =
        watch_cache_get(search->cache, api_kind_find("", "v1", "pods"), search->question->namespace,
                        pod_of(search, endpoint));
    const Core__V1__Pod *pod = object == NULL ? NULL : cached_object_message(object);
    bool good = pod != NULL && has_address(pod->status, endpoint->addresses[0]);
    cached_object_unref(object);
    return good;
}

/* With "010.0.0.1" as the 10.0.0.1 that it is: what looks names up reads it in octal. */
static void write_host(char ret_host[NET_HOST_MAX], const char *address)
{
    uint8_t ip[16];
    bool is_v6 = false;
    (void)snprintf(ret_host, NET_HOST_MAX, "%s", address);
    if (api_ip_parse(address, ip, &is_v6)) {
        api_ip_print(ip, is_v6, ret_host);
    }
}

static bool look_at_slice(void *data, const struct cached_object *object)
{
    struct search *search = data;
    const Discovery__V1__EndpointSlice *slice = cached_object_message(object);
    if (slice == NULL || !is_of(slice, search->question->name)) {
        return true;
    }
    int32_t port = slice_port(slice, search->port_name);
    search->slices++;
    for (size_t i = 0; port > 0 && i < slice->n_endpoints; i++) {
        const Discovery__V1__Endpoint *endpoint = slice->endpoints[i];
        if (!is_ready(endpoint) || strlen(endpoint->addresses[0]) >= sizeof(search->found.host) ||
            (search->question->pods_only && !is_pod(search, endpoint))) {
            continue;
        }
        if (search->ready == search->pick) {
            write_host(search->found.host, endpoint->addresses[0]);
            search->found.port = (uint16_t)port;
            search->found_pod =
                is_pod(search, endpoint) ? arena_text(search->arena, pod_of(search, endpoint)) : "";
        }
        search->ready++;
    }
    return true;
}

static void look_at_slices(struct search *search)
{
    const struct api_kind *kind = api_kind_find("discovery.k8s.io", "v1", "endpointslices");
    struct cache_view *view = watch_cache_view(search->cache, kind);
    const char *namespace = search->question->namespace;
    cache_view_each(view, namespace, slice_text(""), look_at_slice, search);
    if (search->ready > 0) { /* All get their turn. */
        search->pick = search->question->turn % search->ready;
        search->ready = search->slices = 0;
        cache_view_each(view, namespace, slice_text(""), look_at_slice, search);
    }
    cache_view_free(view);
}

/* The Service's port that is asked for; NULL when it has none such. */
static const Core__V1__ServicePort *find_port(const Core__V1__Service *service,
                                              const struct service_question *question)
{
    for (size_t i = 0; i < service->spec->n_ports; i++) {
        const Core__V1__ServicePort *port = service->spec->ports[i];
        if (question->port != 0
                ? port->port == question->port
                : strcmp(text_or_empty(port->name), text_or_empty(question->port_name)) == 0) {
            return port;
        }
    }
    return NULL;
}

static enum service_finding own_address(const struct search *search,
                                        const Core__V1__Service *service, int32_t port,
                                        struct net_address *ret_address)
{
    bool external = strcmp(text_or_empty(service->spec->type), "ExternalName") == 0;
    const char *host =
        text_or_empty(external ? service->spec->external_name : service->spec->cluster_ip);
    if (search->question->pods_only || (search->question->endpoints_only && !external) ||
        host[0] == 0 || strcmp(host, "None") == 0 || strlen(host) >= sizeof(ret_address->host)) {
        return SERVICE_WITHOUT_ENDPOINTS;
    }
    write_host(ret_address->host, host);
    ret_address->port = (uint16_t)port;
    return SERVICE_FOUND;
}

static enum service_finding find(struct search *search, struct arena *arena,
                                 const Core__V1__Service *service,
                                 struct service_answer *ret_answer)
{
    const struct service_question *question = search->question;
    const Core__V1__ServicePort *port = find_port(service, question);
    bool external = strcmp(text_or_empty(service->spec->type), "ExternalName") == 0;
    if (port == NULL && !(external && question->port != 0)) {
        return SERVICE_WITHOUT_PORT;
    }
    int32_t number = port == NULL ? question->port : port->port;
    search->port_name = port == NULL ? "" : text_or_empty(port->name);
    ret_answer->port_name = arena_text(arena, search->port_name);
    if (external) {
        return own_address(search, service, number, &ret_answer->address);
    }
    look_at_slices(search);
    if (search->ready > 0) {
        ret_answer->address = search->found;
        ret_answer->pod = search->found_pod;
        return SERVICE_FOUND;
    }
    return search->slices > 0 ? SERVICE_WITHOUT_READY
                              : own_address(search, service, number, &ret_answer->address);
}

enum service_finding service_endpoint_find(struct watch_cache *cache, struct arena *arena,
                                           const struct service_question *question,
                                           struct service_answer *ret_answer)
{
    struct search search = {.cache = cache, .question = question, .arena = arena};
    ret_answer->pod = "";
    const struct cached_object *object = watch_cache_get(cache, api_kind_find("", "v1", "services"),
                                                         question->namespace, question->name);
    const Core__V1__Service *service = object == NULL ? NULL : cached_object_message(object);
    enum service_finding finding =
        service == NULL ? SERVICE_ABSENT : find(&search, arena, service, ret_answer);
    cached_object_unref(object);
    return finding;
}

const char *service_finding_words(struct arena *arena, enum service_finding finding,
                                  const struct service_question *question)
{
    switch (finding) {
    case SERVICE_ABSENT:
        return arena_printf(arena, "service \"%s\" not found", question->name);
    case SERVICE_WITHOUT_PORT:
        return question->port != 0
                   ? arena_printf(arena, "no service port %d found for service \"%s\"",
                                  question->port, question->name)
                   : arena_printf(arena, "no endpoints available for service \"%s\"",
                                  question->name);
    case SERVICE_WITHOUT_ENDPOINTS:
    case SERVICE_WITHOUT_READY:
        return arena_printf(arena, "no endpoints available for service \"%s\"", question->name);
    case SERVICE_FOUND:
        break;
    }
    return "";
}
