/* Node CIDR allocation: gives every node a /24 of the cluster's range, once. What is taken is read
 * from the nodes, so a new leader knows it at once. */
#include "controllers/control.h"
#include "controllers/limits.h"
#include "controllers/node/cidr_set.h"
#include "controllers/pod_state.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

struct ipam_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *nodes;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct event_recorder *events;
    struct cidr_set set;
    bool usable; /* The cluster has a range. */
    void (*closed)(void *data);
    void *closed_data;
};

static void node_changed(void *data, const struct client_object *old_object,
                         const struct client_object *new_object)
{
    struct ipam_loop *loop = data;
    if (!loop->usable) {
        return;
    }
    const Core__V1__Node *node = (new_object == NULL ? old_object : new_object)->message;
    if (!text_empty(node->spec->pod_cidr)) {
        cidr_set_mark(&loop->set, node->spec->pod_cidr, /* taken= */ new_object != NULL);
    } else if (new_object != NULL) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

static void assign_done(struct round *round, const struct client_reply *reply, void *data)
{
    struct ipam_loop *loop = data;
    const char *cidr = round->state;
    if (!client_succeeded(reply)) {
        cidr_set_mark(&loop->set, cidr, /* taken= */ false);
        if (!client_not_found(reply)) {
            round_fail(round, reply->message);
        }
    }
}

static void reconcile(void *data, struct round *round)
{
    struct ipam_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object = informer_get(loop->nodes, "", round->name);
    if (object == NULL || !loop->usable) {
        return;
    }
    Core__V1__Node *node = api_message_copy(round->arena, loop->kind->message, object->message);
    if (!text_empty(node->spec->pod_cidr)) {
        return;
    }
    char cidr[CIDR_TEXT_SIZE];
    if (cidr_set_take(&loop->set, cidr) != 0) {
        event_record(loop->events, loop->kind, object->meta, false, "CIDRNotAvailable", NULL,
                     "Node %s status is now: CIDRNotAvailable", round->name);
        round_fail(round, "no range is left for the node");
        return;
    }
    round->state = arena_text(round->arena, cidr);
    node->spec->pod_cidr = arena_text(round->arena, cidr);
    node->spec->pod_cidrs = arena_array(round->arena, 1, sizeof(char *));
    node->spec->pod_cidrs[0] = arena_text(round->arena, cidr);
    node->spec->n_pod_cidrs = 1;
    control_update(round, loop->kind, NULL, node->metadata, node, assign_done, loop);
}

static void *ipam_open(struct control *control)
{
    struct ipam_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "nodes");
    loop->nodes = informers_get(control->informers, loop->kind);
    loop->usable = control->config->cluster_cidr != NULL &&
                   cidr_set_init(&loop->set, control->config->cluster_cidr) == 0;
    loop->events = event_recorder_new(control->env, control->client, &control_as.node,
                                      "cidrAllocator", /* instance= */ NULL);
    /* One at a time: the set is shared. */
    loop->reconciler =
        control_reconciler(control, "node-ipam", &control_as.node, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = node_changed, .data = loop};
    informer_add_handler(loop->nodes, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct ipam_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    event_recorder_free(loop->events);
    free(loop);
    closed(closed_data);
}

static void ipam_close(void *part, void (*closed)(void *data), void *data)
{
    struct ipam_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_node_ipam = {
    .name = "node-ipam", .open = ipam_open, .close = ipam_close};
