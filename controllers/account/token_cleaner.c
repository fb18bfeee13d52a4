/* Bootstrap tokens that are over: their Secrets in kube-system are deleted when their time comes.
 * They are of no use before that, too; this keeps them from piling up. */
#include "controllers/control.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_S = 24 * 3600 }; /* The wall clock may be set meanwhile. */

struct cleaner_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *secrets;
    struct informer_handler handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static bool is_token(const struct client_object *object)
{
    const Core__V1__Secret *secret = object->message;
    return strcmp(client_object_namespace(object), "kube-system") == 0 &&
           strcmp(text_or_empty(secret->type), "bootstrap.kubernetes.io/token") == 0;
}

/* When the token is over; INT64_MAX for one that has no end, or says none that can be read: that is
 * no reason to take it away. */
static int64_t end_s_of(const Core__V1__Secret *secret)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        const Core__V1__Secret__DataEntry *entry = secret->data[i];
        int64_t end_s = 0;
        int32_t nanos = 0;
        if (strcmp(entry->key, "expiration") == 0 &&
            api_time_parse(slice_of(entry->value.data, entry->value.len), &end_s, &nanos) == 0) {
            return end_s;
        }
    }
    return INT64_MAX;
}

static void reconcile(void *data, struct round *round)
{
    struct cleaner_loop *loop = data;
    const struct client_object *object =
        control_ready(loop->control, round)
            ? informer_get(loop->secrets, round->namespace_, round->name)
            : NULL;
    if (object == NULL || !is_token(object) || object->meta->deletion_timestamp != NULL) {
        return;
    }
    int64_t end_s = end_s_of(object->message), now_s = control_now_s(loop->control);
    if (end_s <= now_s) {
        control_delete(round, loop->kind, object->meta, NULL, NULL);
    } else if (end_s != INT64_MAX) {
        int64_t wait_s = end_s - now_s < LOOK_AGAIN_S ? end_s - now_s : LOOK_AGAIN_S;
        round_again_after(round, (uint64_t)wait_s * NS_PER_S);
    }
}

static void secret_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct cleaner_loop *loop = data;
    (void)old_object;
    if (new_object != NULL && is_token(new_object)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

static void *cleaner_open(struct control *control)
{
    struct cleaner_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "secrets");
    loop->secrets = informers_get(control->informers, loop->kind);
    loop->reconciler =
        control_reconciler(control, "token-cleaner", &control_as.token_cleaner, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = secret_changed, .data = loop};
    informer_add_handler(loop->secrets, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct cleaner_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void cleaner_close(void *part, void (*closed)(void *data), void *data)
{
    struct cleaner_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_token_cleaner = {
    .name = "token-cleaner", .open = cleaner_open, .close = cleaner_close};
