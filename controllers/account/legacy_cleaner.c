/* Tokens in Secrets that were made for an account, before v1.24, and that nobody has used for a
 * year: they are marked as invalid, and after one more year in which nobody has missed them they
 * are deleted. Those that a person made, and those that a pod refers to, stay. */
#include "controllers/control.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/tables.h"
#include "lib/api/legacy_token.h"
#include "lib/api/pod_references.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_NAME "kubernetes.io/service-account.name"
#define ACCOUNT_UID  "kubernetes.io/service-account.uid"

static const int64_t day_s = INT64_C(24) * 3600;

struct legacy_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *secrets, *accounts, *pods, *maps;
    struct informer_handler handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

/* What is before is long ago. As a day, it is compared with the days of labels. */
struct horizon {
    int64_t seconds;
    char date[TIME_TEXT_SIZE];
};

static bool is_token(const Core__V1__Secret *secret)
{
    return strcmp(text_or_empty(secret->type), LEGACY_TOKEN_TYPE) == 0;
}

/* Whether uses have been noted for so long that a token without one has had none. */
static bool is_tracked(const struct legacy_loop *loop, const struct horizon *horizon)
{
    const struct client_object *object =
        informer_get(loop->maps, "kube-system", LEGACY_TOKEN_TRACKING);
    const Core__V1__ConfigMap *map = object == NULL ? NULL : object->message;
    const char *since = map == NULL ? NULL
                                    : api_string_map_get(API_STRING_MAP(map->data, map->n_data),
                                                         LEGACY_TOKEN_SINCE);
    int64_t since_s = 0;
    return legacy_token_parse_date(text_or_empty(since), &since_s) == 0 &&
           since_s + day_s <= horizon->seconds;
}

static bool was_used(const Core__V1__Secret *secret, const struct horizon *horizon)
{
    const char *last = api_meta_label(secret->metadata, LEGACY_TOKEN_LAST_USED);
    int64_t last_s = 0;
    return api_time_seconds(secret->metadata->creation_timestamp) >= horizon->seconds ||
           (last != NULL && (legacy_token_parse_date(last, &last_s) < 0 || /* Who knows. */
                             strcmp(last, horizon->date) >= 0));
}

static bool is_generated(const struct legacy_loop *loop, const Core__V1__Secret *secret)
{
    const Meta__V1__ObjectMeta *meta = secret->metadata;
    const char *name = text_or_empty(api_meta_annotation(meta, ACCOUNT_NAME));
    const char *uid = text_or_empty(api_meta_annotation(meta, ACCOUNT_UID));
    const struct client_object *account =
        name[0] == '\0' ? NULL : informer_get(loop->accounts, meta->namespace_, name);
    return account != NULL && (uid[0] == '\0' || strcmp(uid, account->meta->uid) == 0) &&
           legacy_token_is_generated(account->message, meta->name);
}

static bool is_in_a_pod(const struct legacy_loop *loop, struct arena *arena,
                        const Meta__V1__ObjectMeta *secret)
{
    struct informer_list pods =
        informer_select(loop->pods, arena, INFORMER_BY_NAMESPACE, secret->namespace_);
    for (size_t i = 0; i < pods.count; i++) {
        const Core__V1__Pod *pod = pods.items[i]->message;
        if (pod->spec != NULL && pod_refers(pod, "secrets", secret->name)) {
            return true;
        }
    }
    return false;
}

static void mark(struct legacy_loop *loop, struct round *round, const Meta__V1__ObjectMeta *secret)
{
    struct arena *arena = round->arena;
    Meta__V1__ObjectMeta *meta = api_message_copy(arena, &meta__v1__object_meta__schema, secret);
    char today[TIME_TEXT_SIZE];
    legacy_token_date(control_now_s(loop->control), today);
    api_meta_set_label(arena, meta, LEGACY_TOKEN_INVALID_SINCE, arena_text(arena, today));
    control_patch_metadata(round, loop->kind, meta, "labels", NULL, NULL);
}

static void judge(struct legacy_loop *loop, struct round *round, const struct client_object *object)
{
    const Core__V1__Secret *secret = object->message;
    struct horizon horizon = {.seconds = control_now_s(loop->control) -
                                         loop->control->config->grace.legacy_token_s};
    legacy_token_date(horizon.seconds, horizon.date);
    if (!is_tracked(loop, &horizon) || was_used(secret, &horizon) || !is_generated(loop, secret) ||
        is_in_a_pod(loop, round->arena, object->meta)) {
        return;
    }
    const char *since = text_or_empty(api_meta_label(object->meta, LEGACY_TOKEN_INVALID_SINCE));
    int64_t since_s = 0;
    if (legacy_token_parse_date(since, &since_s) < 0) {
        mark(loop, round, object->meta);
    } else if (strcmp(since, horizon.date) < 0) {
        struct client_request request = {.verb = CLIENT_DELETE,
                                         .kind = loop->kind,
                                         .namespace_ = object->meta->namespace_,
                                         .name = object->meta->name,
                                         .expect_uid = object->meta->uid,
                                         .expect_version = object->meta->resource_version};
        round_call(round, &request, NULL, NULL); /* Not if somebody has used it meanwhile. */
    }
}

static void reconcile(void *data, struct round *round)
{
    struct legacy_loop *loop = data;
    const struct client_object *object =
        control_ready(loop->control, round)
            ? informer_get(loop->secrets, round->namespace_, round->name)
            : NULL;
    if (object == NULL || !is_token(object->message) || object->meta->deletion_timestamp != NULL) {
        return;
    }
    round_again_after(round, (uint64_t)day_s * NS_PER_S);
    judge(loop, round, object);
}

static void secret_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct legacy_loop *loop = data;
    (void)old_object;
    if (new_object != NULL && is_token(new_object->message)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

static void *legacy_open(struct control *control)
{
    struct legacy_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "secrets");
    loop->secrets = informers_get(control->informers, loop->kind);
    loop->accounts = informers_get(control->informers, control_kind("", "v1", "serviceaccounts"));
    loop->pods = informers_get(control->informers, control_kind("", "v1", "pods"));
    loop->maps = informers_get(control->informers, control_kind("", "v1", "configmaps"));
    loop->reconciler = control_reconciler(control, "legacy-serviceaccount-token-cleaner",
                                          &control_as.legacy_token_cleaner, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = secret_changed, .data = loop};
    informer_add_handler(loop->secrets, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct legacy_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void legacy_close(void *part, void (*closed)(void *data), void *data)
{
    struct legacy_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_legacy_token_cleaner = {
    .name = "legacy-serviceaccount-token-cleaner", .open = legacy_open, .close = legacy_close};
