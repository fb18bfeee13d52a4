/* ConfigMap kube-public/cluster-info, made once: a kubeconfig without credentials, from which a
 * machine that only has a bootstrap token learns where the cluster is and whom to trust; and what
 * lets anybody read it. Names and form are those that kubeadm uses. What is there stays as it is:
 * its address may have been put right by a person, and whoever takes the RoleBinding away hides it.
 */
#include "controllers/control.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "kube-public"
#define NAME      "cluster-info"
#define READER    "kubeadm:bootstrap-signer-clusterinfo"

struct info_loop {
    struct control *control;
    struct informer *namespaces, *maps;
    struct informer_handler handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static void *decoded(struct round *round, const struct api_kind *kind, const char *json)
{
    void *message = NULL;
    int status =
        api_decode_json(round->arena, kind->message, slice_text(json), NULL, &message, NULL);
    assert(status == 0); /* It is our own text. */
    return message;
}

static const char *kubeconfig(struct round *round, const struct controllers_config *config)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    buffer_append_text(&out, "apiVersion: v1\nclusters:\n- cluster:\n"
                             "    certificate-authority-data: ");
    base64_encode(slice_text(config->ca_pem), &out);
    buffer_printf(&out,
                  "\n    server: %s\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\n"
                  "kind: Config\npreferences: {}\nusers: null\n",
                  config->server_url);
    return arena_text(round->arena, buffer_text(&out));
}

/* --- One after the other; the ConfigMap last: while it is missing, the rest may be, too ---------
 */

static bool is_there(struct round *round, const struct client_reply *reply)
{
    bool there = client_succeeded(reply) || client_already_exists(reply);
    if (!there) {
        round_fail(round, reply->message);
    }
    return there;
}

static void create(struct round *round, const struct api_kind *kind, const void *body,
                   round_done *done, void *data)
{
    struct client_request request = {
        .verb = CLIENT_CREATE, .kind = kind, .namespace_ = NAMESPACE, .body = body};
    round_call(round, &request, done, data);
}

static void map_made(struct round *round, const struct client_reply *reply, void *data)
{
    (void)data;
    (void)is_there(round, reply);
}

static void binding_made(struct round *round, const struct client_reply *reply, void *data)
{
    struct info_loop *loop = data;
    const struct api_kind *kind = control_kind("", "v1", "configmaps");
    if (!is_there(round, reply)) {
        return;
    }
    Core__V1__ConfigMap *map = decoded(
        round, kind, "{\"metadata\":{\"name\":\"" NAME "\"},\"data\":{\"kubeconfig\":\"\"}}");
    map->data[0]->value = arena_text(round->arena, kubeconfig(round, loop->control->config));
    create(round, kind, map, map_made, loop);
}

static void role_made(struct round *round, const struct client_reply *reply, void *data)
{
    const struct api_kind *kind = control_kind("rbac.authorization.k8s.io", "v1", "rolebindings");
    if (is_there(round, reply)) {
        create(
            round, kind,
            decoded(round, kind,
                    "{\"metadata\":{\"name\":\"" READER "\"},\"roleRef\":{\"apiGroup\":"
                    "\"rbac.authorization.k8s.io\",\"kind\":\"Role\",\"name\":\"" READER "\"},"
                    "\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"User\","
                    "\"name\":\"system:anonymous\"}]}"),
            binding_made, data);
    }
}

static void reconcile(void *data, struct round *round)
{
    struct info_loop *loop = data;
    const struct controllers_config *config = loop->control->config;
    const struct api_kind *kind = control_kind("rbac.authorization.k8s.io", "v1", "roles");
    if (!control_ready(loop->control, round) || config->ca_pem == NULL ||
        config->server_url == NULL || informer_get(loop->maps, NAMESPACE, NAME) != NULL) {
        return;
    }
    create(round, kind,
           decoded(round, kind,
                   "{\"metadata\":{\"name\":\"" READER "\"},\"rules\":[{\"apiGroups\":[\"\"],"
                   "\"resources\":[\"configmaps\"],\"resourceNames\":[\"" NAME "\"],"
                   "\"verbs\":[\"get\"]}]}"),
           role_made, loop);
}

static void namespace_changed(void *data, const struct client_object *old_object,
                              const struct client_object *new_object)
{
    struct info_loop *loop = data;
    if (old_object == NULL && strcmp(client_object_name(new_object), NAMESPACE) == 0) {
        reconciler_add_name(loop->reconciler, NAMESPACE, NAME);
    }
}

static void *info_open(struct control *control)
{
    struct info_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->namespaces = informers_get(control->informers, control_kind("", "v1", "namespaces"));
    loop->maps = informers_get(control->informers, control_kind("", "v1", "configmaps"));
    loop->reconciler = control_reconciler(control, "cluster-info", NULL, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = namespace_changed, .data = loop};
    informer_add_handler(loop->namespaces, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct info_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void info_close(void *part, void (*closed)(void *data), void *data)
{
    struct info_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_cluster_info = {
    .name = "cluster-info", .open = info_open, .close = info_close};
