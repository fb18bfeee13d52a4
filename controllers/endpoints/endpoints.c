/* Endpoints controller: carries out endpoints_plan() for every Service with a selector: the
 * Endpoints object of old and the EndpointSlices that node proxies follow. */
#include "controllers/control.h"
#include "controllers/endpoints/endpoints_plan.h"
#include "controllers/endpoints/endpoints_ports.h"
#include "controllers/pod_state.h"
#include "lib/api/selector.h"
#include "lib/base/alloc.h"
#include "lib/client/expectations.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct endpoints_loop {
    struct control *control;
    const struct api_kind *endpoints_kind;
    const struct api_kind *slice_kind;
    struct informer *services, *pods, *nodes, *slices, *endpoints;
    struct informer_handler service_handler, pod_handler, slice_handler, endpoints_handler;
    struct reconciler *reconciler;
    struct expectations *expectations; /* Slices made, not seen yet. */
    void (*closed)(void *data);
    void *closed_data;
};

static void service_changed(void *data, const struct client_object *old_object,
                            const struct client_object *new_object)
{
    struct endpoints_loop *loop = data;
    reconciler_add_object(loop->reconciler, new_object == NULL ? old_object : new_object);
}

/* Only their loss: Endpoints without a Service may be somebody's on the way to one. */
static void endpoints_changed(void *data, const struct client_object *old_object,
                              const struct client_object *new_object)
{
    struct endpoints_loop *loop = data;
    if (new_object == NULL) {
        reconciler_add_object(loop->reconciler, old_object);
    }
}

static bool selects(const Core__V1__Service *service, const Meta__V1__ObjectMeta *pod)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    for (size_t i = 0; i < spec->n_selector; i++) {
        const char *value = api_meta_label(pod, spec->selector[i]->key);
        if (value == NULL || !text_is(spec->selector[i]->value, value)) {
            return false;
        }
    }
    return spec->n_selector > 0;
}

static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct endpoints_loop *loop = data;
    const struct client_object *pod = new_object == NULL ? old_object : new_object;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list services =
        informer_select(loop->services, arena, INFORMER_BY_NAMESPACE, client_object_namespace(pod));
    for (size_t i = 0; i < services.count; i++) {
        const Core__V1__Service *service = services.items[i]->message;
        if ((old_object != NULL && selects(service, old_object->meta)) ||
            (new_object != NULL && selects(service, new_object->meta))) {
            reconciler_add_object(loop->reconciler, services.items[i]);
        }
    }
}

static void slice_changed(void *data, const struct client_object *old_object,
                          const struct client_object *new_object)
{
    struct endpoints_loop *loop = data;
    const struct client_object *slice = new_object == NULL ? old_object : new_object;
    assert(slice != NULL); /* An event has an object, before or after. */
    const char *service = api_meta_label(slice->meta, "kubernetes.io/service-name");
    if (service == NULL) {
        return;
    }
    char key[512];
    int len = snprintf(key, sizeof(key), "%s/%s", client_object_namespace(slice), service);
    if (len <= 0 || (size_t)len >= sizeof(key)) {
        return;
    }
    if (old_object == NULL) {
        expectations_saw_creation(loop->expectations, key);
    }
    reconciler_add(loop->reconciler, key);
}

static const char *zone_of(void *data, const char *node)
{
    struct endpoints_loop *loop = data;
    const struct client_object *object = informer_get(loop->nodes, "", node);
    return object == NULL ? NULL : api_meta_label(object->meta, "topology.kubernetes.io/zone");
}

/* The service's slices that this controller manages. */
static const Discovery__V1__EndpointSlice **slices_of(struct endpoints_loop *loop,
                                                      struct round *round, size_t *ret_count)
{
    struct informer_list all =
        informer_select(loop->slices, round->arena, INFORMER_BY_NAMESPACE, round->namespace_);
    const Discovery__V1__EndpointSlice **slices =
        arena_array(round->arena, all.count + 1, sizeof(*slices));
    for (size_t i = 0; i < all.count; i++) {
        const Meta__V1__ObjectMeta *meta = all.items[i]->meta;
        const char *service = api_meta_label(meta, "kubernetes.io/service-name");
        const char *manager = api_meta_label(meta, "endpointslice.kubernetes.io/managed-by");
        if (service != NULL && strcmp(service, round->name) == 0 && manager != NULL &&
            strcmp(manager, "endpointslice-controller.k8s.io") == 0 &&
            meta->deletion_timestamp == NULL) {
            slices[(*ret_count)++] = all.items[i]->message;
        }
    }
    return slices;
}

static void create_done(struct round *round, const struct client_reply *reply, void *data)
{
    struct endpoints_loop *loop = data;
    if (!client_succeeded(reply)) {
        expectations_saw_creation(loop->expectations, round->key);
        if (strstr(reply->message, "because it is being terminated") == NULL) {
            round_fail(round, reply->message);
        }
    }
}

static void carry_out(struct endpoints_loop *loop, struct round *round,
                      const struct endpoints_plan *plan, bool endpoints_exist)
{
    if (plan->create_count > 0) {
        expectations_add_creations(loop->expectations, round->key, plan->create_count,
                                   env_now_ns(loop->control->env));
    }
    for (size_t i = 0; i < plan->create_count; i++) {
        struct client_request request = {.verb = CLIENT_CREATE,
                                         .kind = loop->slice_kind,
                                         .namespace_ = round->namespace_,
                                         .body = plan->create[i]};
        round_call(round, &request, create_done, loop);
    }
    for (size_t i = 0; i < plan->update_count; i++) {
        control_update(round, loop->slice_kind, NULL, plan->update[i]->metadata, plan->update[i],
                       NULL, NULL);
    }
    for (size_t i = 0; i < plan->remove_count; i++) {
        control_delete(round, loop->slice_kind, plan->remove[i]->metadata, NULL, NULL);
    }
    if (plan->endpoints != NULL) {
        struct client_request request = {
            .verb = endpoints_exist ? CLIENT_UPDATE : CLIENT_CREATE,
            .as = &control_as.endpoint,
            .kind = loop->endpoints_kind,
            .namespace_ = round->namespace_,
            .name = round->name,
            .body = plan->endpoints,
        };
        round_call(round, &request, NULL, NULL);
    }
}

/* Services that select nothing leave their endpoints to others; one that is gone takes its
 * Endpoints along (its slices are the garbage collector's). */
static void service_gone(struct endpoints_loop *loop, struct round *round)
{
    expectations_forget(loop->expectations, round->key);
    const struct client_object *endpoints =
        informer_get(loop->endpoints, round->namespace_, round->name);
    if (endpoints != NULL) {
        const struct client_request request = {.verb = CLIENT_DELETE,
                                               .as = &control_as.endpoint,
                                               .kind = loop->endpoints_kind,
                                               .namespace_ = round->namespace_,
                                               .name = round->name,
                                               .expect_uid = endpoints->meta->uid};
        round_call(round, &request, NULL, NULL);
    }
}

static void reconcile(void *data, struct round *round)
{
    struct endpoints_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object =
        informer_get(loop->services, round->namespace_, round->name);
    if (object == NULL) {
        service_gone(loop, round);
        return;
    }
    const Core__V1__Service *service = object->message;
    if (service->spec->n_selector == 0 || text_is(service->spec->type, "ExternalName") ||
        service->metadata->deletion_timestamp != NULL) {
        return;
    }
    if (!expectations_fulfilled(loop->expectations, round->key, env_now_ns(loop->control->env))) {
        return; /* The slice that comes wakes us. */
    }
    struct informer_list all = informer_select_labelled(
        loop->pods, round->arena, round->namespace_,
        API_STRING_MAP(service->spec->selector, service->spec->n_selector));
    const Core__V1__Pod **pods = arena_array(round->arena, all.count + 1, sizeof(*pods));
    size_t pod_count = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (selects(service, all.items[i]->meta)) {
            pods[pod_count++] = all.items[i]->message;
        }
    }
    const struct client_object *endpoints =
        informer_get(loop->endpoints, round->namespace_, round->name);
    struct endpoints_view view = {
        .service = service,
        .pods = pods,
        .pod_count = pod_count,
        .endpoints = endpoints == NULL ? NULL : endpoints->message,
        .zone_of = zone_of,
        .zone_data = loop,
    };
    view.slices = slices_of(loop, round, &view.slice_count);
    struct endpoints_plan plan = endpoints_plan(round->arena, &view);
    carry_out(loop, round, &plan, endpoints != NULL);
}

static void *endpoints_open(struct control *control)
{
    struct endpoints_loop *loop = alloc_zeroed(sizeof(*loop));
    struct informers *informers = control->informers;
    loop->control = control;
    loop->endpoints_kind = control_kind("", "v1", "endpoints");
    loop->slice_kind = control_kind("discovery.k8s.io", "v1", "endpointslices");
    loop->services = informers_get(informers, control_kind("", "v1", "services"));
    loop->pods = informers_get(informers, control_kind("", "v1", "pods"));
    loop->nodes = informers_get(informers, control_kind("", "v1", "nodes"));
    loop->slices = informers_get(informers, loop->slice_kind);
    loop->endpoints = informers_get(informers, loop->endpoints_kind);
    loop->expectations = expectations_new();
    loop->reconciler =
        control_reconciler(control, "endpoints", &control_as.endpoint_slice, 5, reconcile, loop);
    loop->service_handler = (struct informer_handler){.changed = service_changed, .data = loop};
    loop->pod_handler = (struct informer_handler){.changed = pod_changed, .data = loop};
    loop->slice_handler = (struct informer_handler){.changed = slice_changed, .data = loop};
    loop->endpoints_handler = (struct informer_handler){.changed = endpoints_changed, .data = loop};
    informer_add_handler(loop->services, &loop->service_handler);
    informer_add_handler(loop->pods, &loop->pod_handler);
    informer_add_handler(loop->slices, &loop->slice_handler);
    informer_add_handler(loop->endpoints, &loop->endpoints_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct endpoints_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    expectations_free(loop->expectations);
    free(loop);
    closed(closed_data);
}

static void endpoints_close(void *part, void (*closed)(void *data), void *data)
{
    struct endpoints_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->service_handler);
    informer_remove_handler(&loop->pod_handler);
    informer_remove_handler(&loop->slice_handler);
    informer_remove_handler(&loop->endpoints_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_endpoints = {
    .name = "endpoints", .open = endpoints_open, .close = endpoints_close};
