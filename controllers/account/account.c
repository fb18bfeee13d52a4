/* What every namespace is given: the ServiceAccount "default" and the ConfigMap kube-root-ca.crt.
 */
#include "controllers/control.h"
#include "controllers/pod_state.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct account_loop {
    struct control *control;
    const struct api_kind *kind; /* Of what is given. */
    const char *object_name;
    struct informer *namespaces, *objects;
    struct informer_handler namespace_handler, object_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static void namespace_changed(void *data, const struct client_object *old_object,
                              const struct client_object *new_object)
{
    struct account_loop *loop = data;
    (void)old_object;
    if (new_object != NULL) {
        reconciler_add(loop->reconciler, client_object_name(new_object));
    }
}

static void object_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct account_loop *loop = data;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    if (strcmp(client_object_name(object), loop->object_name) == 0 && old_object != NULL) {
        reconciler_add(loop->reconciler, client_object_namespace(object));
    }
}

/* True when the namespace is there to stay. */
static bool namespace_active(const struct account_loop *loop, const char *name)
{
    const struct client_object *object = informer_get(loop->namespaces, "", name);
    if (object == NULL || object->meta->deletion_timestamp != NULL) {
        return false;
    }
    const Core__V1__Namespace *message = object->message;
    return !text_is(message->status->phase, "Terminating");
}

static void create_done(struct round *round, const struct client_reply *reply, void *data)
{
    (void)data;
    bool going = strstr(reply->message, "because it is being terminated") != NULL;
    if (!client_succeeded(reply) && !client_already_exists(reply) && !client_not_found(reply) &&
        !going) {
        round_fail(round, reply->message);
    }
}

static void create(struct account_loop *loop, struct round *round, const void *body)
{
    struct client_request request = {
        .verb = CLIENT_CREATE, .kind = loop->kind, .namespace_ = round->name, .body = body};
    round_call(round, &request, create_done, NULL);
}

static void reconcile_account(void *data, struct round *round)
{
    struct account_loop *loop = data;
    if (!control_ready(loop->control, round) || !namespace_active(loop, round->name) ||
        informer_get(loop->objects, round->name, loop->object_name) != NULL) {
        return;
    }
    Core__V1__ServiceAccount *account = api_message_new(round->arena, loop->kind->message);
    account->metadata->name = arena_text(round->arena, loop->object_name);
    account->metadata->namespace_ = arena_text(round->arena, round->name);
    create(loop, round, account);
}

static void set_ca(struct arena *arena, Core__V1__ConfigMap *map, const char *pem)
{
    Core__V1__ConfigMap__DataEntry *entry = arena_alloc(arena, sizeof(*entry));
    core__v1__config_map__data_entry__init(entry);
    entry->key = arena_text(arena, "ca.crt");
    entry->value = arena_text(arena, pem);
    map->data = arena_array(arena, 1, sizeof(entry));
    map->data[0] = entry;
    map->n_data = 1;
}

static void reconcile_ca(void *data, struct round *round)
{
    struct account_loop *loop = data;
    const char *pem = loop->control->config->ca_pem;
    if (!control_ready(loop->control, round) || pem == NULL ||
        !namespace_active(loop, round->name)) {
        return;
    }
    const struct client_object *present =
        informer_get(loop->objects, round->name, loop->object_name);
    if (present == NULL) {
        Core__V1__ConfigMap *map = api_message_new(round->arena, loop->kind->message);
        map->metadata->name = arena_text(round->arena, loop->object_name);
        map->metadata->namespace_ = arena_text(round->arena, round->name);
        api_meta_set_annotation(
            round->arena, map->metadata, "kubernetes.io/description",
            "Contains a CA bundle that can be used to verify the kube-apiserver when using "
            "internal endpoints such as the internal service IP or kubernetes.default.svc. No "
            "other usage is guaranteed across distributions of Kubernetes clusters.");
        set_ca(round->arena, map, pem);
        create(loop, round, map);
        return;
    }
    const Core__V1__ConfigMap *seen = present->message;
    if (seen->n_data == 1 && text_is(seen->data[0]->key, "ca.crt") &&
        text_is(seen->data[0]->value, pem)) {
        return;
    }
    Core__V1__ConfigMap *map = api_message_copy(round->arena, loop->kind->message, seen);
    set_ca(round->arena, map, pem);
    control_update(round, loop->kind, NULL, map->metadata, map, NULL, NULL);
}

static struct account_loop *loop_new(struct control *control, const char *name,
                                     const struct client_identity *as, const char *plural,
                                     const char *object_name,
                                     void (*reconcile)(void *data, struct round *round))
{
    struct account_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", plural);
    loop->object_name = object_name;
    loop->namespaces = informers_get(control->informers, control_kind("", "v1", "namespaces"));
    loop->objects = informers_get(control->informers, loop->kind);
    loop->reconciler = control_reconciler(control, name, as, 5, reconcile, loop);
    loop->namespace_handler = (struct informer_handler){.changed = namespace_changed, .data = loop};
    loop->object_handler = (struct informer_handler){.changed = object_changed, .data = loop};
    informer_add_handler(loop->namespaces, &loop->namespace_handler);
    informer_add_handler(loop->objects, &loop->object_handler);
    return loop;
}

static void *account_open(struct control *control)
{
    return loop_new(control, "serviceaccount", &control_as.service_account, "serviceaccounts",
                    "default", reconcile_account);
}

static void *ca_open(struct control *control)
{
    return loop_new(control, "root-ca", &control_as.root_ca, "configmaps", "kube-root-ca.crt",
                    reconcile_ca);
}

static void rounds_ended(void *data)
{
    struct account_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void account_close(void *part, void (*closed)(void *data), void *data)
{
    struct account_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->namespace_handler);
    informer_remove_handler(&loop->object_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_service_account = {
    .name = "serviceaccount", .open = account_open, .close = account_close};
const struct control_part control_root_ca = {
    .name = "root-ca", .open = ca_open, .close = account_close};
