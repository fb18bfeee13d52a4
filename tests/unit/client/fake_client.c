#include "tests/unit/client/fake_client.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/patch.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct client_watch {
    const struct api_kind *kind;
    const struct client_watch_ops *ops;
    void *data;
    struct list link;
    bool stopped;
};

enum action_kind { ACTION_REPLY, ACTION_EVENT, ACTION_START };

struct action { /* Something to be delivered, in order. */
    enum action_kind kind;
    struct list link;
    client_done *done;
    void *data;
    int code;
    const char *reason;
    const struct client_object *object;
    struct client_watch *watch;
    enum client_event event;
};

struct fake_client {
    struct client client;
    struct fake_env *env;
    struct hash_map *objects; /* "prefix ns/name" -> client_object */
    struct list watches;
    struct list actions;
    struct env_timer deliver;
    uint64_t version;
    uint64_t uids;
    size_t writes;
    size_t writes_left;
    void (*check)(const struct client_request *request);
    struct buffer trace;
    struct buffer events;
};

static void actions_deliver(void *data);
static void fake_call(struct client *client, const struct client_request *request,
                      client_done *done, void *data);
static struct client_watch *fake_watch(struct client *client, const struct api_kind *kind,
                                       const struct client_watch_ops *ops, void *data);
static void fake_watch_stop(struct client *client, struct client_watch *watch);

static const struct client_ops fake_ops = {
    .call = fake_call, .watch = fake_watch, .watch_stop = fake_watch_stop};

struct fake_client *fake_client_new(struct fake_env *env)
{
    struct fake_client *fake = alloc_zeroed(sizeof(*fake));
    fake->client.ops = &fake_ops;
    fake->env = env;
    fake->objects = hash_map_new(7);
    list_init(&fake->watches);
    list_init(&fake->actions);
    fake->deliver = (struct env_timer){.fire = actions_deliver, .data = fake};
    fake->writes_left = SIZE_MAX;
    buffer_init(&fake->trace, 1 << 24);
    buffer_init(&fake->events, 1 << 24);
    return fake;
}

void fake_client_free(struct fake_client *fake)
{
    env_timer_stop(&fake->env->env, &fake->deliver);
    LIST_FOREACH(link, next, &fake->actions)
    {
        struct action *action = LIST_ENTRY(link, struct action, link);
        client_object_unref(action->object);
        free(action);
    }
    LIST_FOREACH(link, next, &fake->watches)
    {
        free(LIST_ENTRY(link, struct client_watch, link));
    }
    void *object;
    for (size_t at = 0; hash_map_next(fake->objects, &at, NULL, &object);) {
        client_object_unref(object);
    }
    hash_map_free(fake->objects);
    buffer_release(&fake->trace);
    buffer_release(&fake->events);
    free(fake);
}

void fake_client_set_check(struct fake_client *fake,
                           void (*check)(const struct client_request *request))
{
    fake->check = check;
}

struct client *fake_client_client(struct fake_client *fake)
{
    return &fake->client;
}

void fake_client_fail_after(struct fake_client *fake, size_t count)
{
    fake->writes_left = count;
}

size_t fake_client_writes(const struct fake_client *fake)
{
    return fake->writes;
}

const char *fake_client_trace(struct fake_client *fake)
{
    return buffer_text(&fake->trace);
}

void fake_client_trace_clear(struct fake_client *fake)
{
    buffer_clear(&fake->trace);
    buffer_clear(&fake->events);
}

bool fake_client_saw_event(struct fake_client *fake, const char *reason, const char *message)
{
    char line[2048];
    snprintf(line, sizeof(line), "%s: %s\n", reason, message);
    return strstr(buffer_text(&fake->events), line) != NULL;
}

static struct action *action_push(struct fake_client *fake, enum action_kind kind)
{
    struct action *action = alloc_zeroed(sizeof(*action));
    action->kind = kind;
    list_init(&action->link);
    list_push_back(&fake->actions, &action->link);
    if (fake->deliver.position == 0) {
        env_timer_start(&fake->env->env, &fake->deliver, NS_PER_MS);
    }
    return action;
}

static void watch_send_all(struct fake_client *fake, struct client_watch *watch)
{
    watch->ops->restart(watch->data);
    void *value;
    for (size_t at = 0; hash_map_next(fake->objects, &at, NULL, &value);) {
        const struct client_object *object = value;
        if (object->kind == watch->kind) {
            watch->ops->event(watch->data, CLIENT_ADDED, object);
        }
    }
    watch->ops->synced(watch->data);
}

static void actions_deliver(void *data)
{
    struct fake_client *fake = data;
    struct list *link = list_first(&fake->actions);
    if (link == NULL) {
        return;
    }
    struct action *action = LIST_ENTRY(link, struct action, link);
    list_remove(link);
    if (!list_empty(&fake->actions)) {
        env_timer_start(&fake->env->env, &fake->deliver, NS_PER_MS / 100);
    }
    switch (action->kind) {
    case ACTION_REPLY: {
        struct client_reply reply = {.code = action->code,
                                     .reason = action->reason,
                                     .message = action->reason,
                                     .object = action->object};
        action->done(action->data, &reply);
        break;
    }
    case ACTION_EVENT:
        if (!action->watch->stopped) {
            action->watch->ops->event(action->watch->data, action->event, action->object);
        }
        break;
    case ACTION_START:
        if (!action->watch->stopped) {
            watch_send_all(fake, action->watch);
        }
        break;
    }
    client_object_unref(action->object);
    free(action);
}

static struct client_watch *fake_watch(struct client *client, const struct api_kind *kind,
                                       const struct client_watch_ops *ops, void *data)
{
    struct fake_client *fake = CONTAINER_OF(client, struct fake_client, client);
    struct client_watch *watch = alloc_zeroed(sizeof(*watch));
    *watch = (struct client_watch){.kind = kind, .ops = ops, .data = data};
    list_init(&watch->link);
    list_push_back(&fake->watches, &watch->link);
    action_push(fake, ACTION_START)->watch = watch;
    return watch;
}

static void fake_watch_stop(struct client *client, struct client_watch *watch)
{
    (void)client;
    watch->stopped = true; /* Freed with the client: actions may still name it. */
}

static char *store_key(struct arena *arena, const struct api_kind *kind, const char *namespace_,
                       const char *name)
{
    return arena_printf(arena, "%s%s/%s", kind->storage_prefix,
                        namespace_ == NULL ? "" : namespace_, name == NULL ? "" : name);
}

static void note(struct fake_client *fake, const char *verb, const char *subresource,
                 const struct client_object *object)
{
    if (strcmp(object->kind->kind, "Event") == 0) {
        const Core__V1__Event *event = object->message;
        buffer_printf(&fake->events, "%s: %s\n", event->reason, event->message);
        return;
    }
    fake->writes++;
    buffer_printf(&fake->trace, "%s %s%s%s %s%s%s\n", verb, object->kind->plural,
                  subresource == NULL ? "" : "/", subresource == NULL ? "" : subresource,
                  client_object_namespace(object),
                  client_object_namespace(object)[0] == '\0' ? "" : "/",
                  client_object_name(object));
}

/* Puts `message` at a new version; returns the stored object (borrowed). */
static const struct client_object *store_put(struct fake_client *fake, struct arena *arena,
                                             const struct api_kind *kind, void *message,
                                             enum client_event type)
{
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    meta->resource_version = arena_printf(arena, "%llu", (unsigned long long)++fake->version);
    const struct client_object *object = client_object_new(kind, message);
    struct slice key = slice_text(store_key(arena, kind, meta->namespace_, meta->name));
    const struct client_object *old =
        type == CLIENT_DELETED ? hash_map_remove(fake->objects, key)
                               : hash_map_set(fake->objects, key, (void *)(uintptr_t)object);
    client_object_unref(old);
    LIST_FOREACH(link, next, &fake->watches)
    {
        struct client_watch *watch = LIST_ENTRY(link, struct client_watch, link);
        if (watch->kind == kind && !watch->stopped) {
            struct action *action = action_push(fake, ACTION_EVENT);
            action->watch = watch;
            action->event = type;
            action->object = client_object_ref(object);
        }
    }
    if (type == CLIENT_DELETED) {
        client_object_unref(object); /* Kept by the actions, if by any. */
        return NULL;
    }
    return object;
}

static int64_t wall_s(struct fake_client *fake)
{
    return env_wall_ns(&fake->env->env) / (int64_t)NS_PER_S;
}

static void **member_of(const struct api_kind *kind, void *message, const char *name)
{
    const struct api_member *member = api_message_member_text(kind->message, name);
    return member == NULL ? NULL : (void **)api_field_at(member->field, message);
}

static const struct client_object *create(struct fake_client *fake, struct arena *arena,
                                          const struct api_kind *kind, const char *namespace_,
                                          const void *body, const char **ret_reason)
{
    void *message = api_message_copy(arena, kind->message, body);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (kind->namespaced && (meta->namespace_ == NULL || meta->namespace_[0] == '\0')) {
        meta->namespace_ = arena_text(arena, namespace_ == NULL ? "default" : namespace_);
    }
    if ((meta->name == NULL || meta->name[0] == '\0') && meta->generate_name != NULL) {
        meta->name =
            arena_printf(arena, "%s%llu", meta->generate_name, (unsigned long long)++fake->uids);
    }
    if (hash_map_get(fake->objects,
                     slice_text(store_key(arena, kind, meta->namespace_, meta->name))) != NULL) {
        *ret_reason = "AlreadyExists";
        return NULL;
    }
    if (meta->uid == NULL || meta->uid[0] == '\0') {
        meta->uid = arena_printf(arena, "uid-%llu", (unsigned long long)++fake->uids);
    }
    if (api_time_is_zero(meta->creation_timestamp)) {
        meta->creation_timestamp = api_time_new(arena, wall_s(fake));
    }
    meta->generation = 1;
    meta->has_generation = 1;
    return store_put(fake, arena, kind, message, CLIENT_ADDED);
}

static const struct client_object *finish_or_put(struct fake_client *fake, struct arena *arena,
                                                 const struct api_kind *kind, void *message)
{
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    bool pod = strcmp(kind->kind, "Pod") == 0;
    bool namespace_kept = strcmp(kind->kind, "Namespace") == 0 &&
                          ((Core__V1__Namespace *)message)->spec->n_finalizers > 0;
    bool grace =
        pod && meta->has_deletion_grace_period_seconds && meta->deletion_grace_period_seconds > 0;
    if (!api_time_is_zero(meta->deletion_timestamp) && meta->n_finalizers == 0 && !grace &&
        !namespace_kept) {
        return store_put(fake, arena, kind, message, CLIENT_DELETED);
    }
    return store_put(fake, arena, kind, message, CLIENT_MODIFIED);
}

static bool writes_status(const char *subresource)
{
    return subresource != NULL &&
           (strcmp(subresource, "status") == 0 || strcmp(subresource, "approval") == 0);
}

static const struct client_object *update(struct fake_client *fake, struct arena *arena,
                                          const struct client_request *request,
                                          const struct client_object *old, const char **ret_reason)
{
    const struct api_kind *kind = request->kind;
    void *message = api_message_copy(arena, kind->message, request->body);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (meta->resource_version != NULL && meta->resource_version[0] != '\0' &&
        strcmp(meta->resource_version, old->meta->resource_version) != 0) {
        *ret_reason = "Conflict";
        return NULL;
    }
    void *base = api_message_copy(arena, kind->message, old->message);
    void **status_new = member_of(kind, message, "status");
    void **status_old = member_of(kind, base, "status");
    if (writes_status(request->subresource)) {
        *status_old = *status_new;
        Meta__V1__ObjectMeta *kept = api_message_meta(kind->message, base);
        kept->annotations = meta->annotations;
        kept->n_annotations = meta->n_annotations;
        return finish_or_put(fake, arena, kind, base);
    }
    if (status_new != NULL) {
        *status_new = *status_old;
    }
    void **spec_new = member_of(kind, message, "spec");
    void **spec_old = member_of(kind, base, "spec");
    meta->generation = old->meta->generation;
    if (spec_new != NULL &&
        !api_message_equal(api_message_member_text(kind->message, "spec")->field->message,
                           *spec_new, *spec_old)) {
        meta->generation++;
    }
    meta->deletion_timestamp = old->meta->deletion_timestamp;
    if (api_message_equal(kind->message, message, base)) {
        return old;
    }
    return finish_or_put(fake, arena, kind, message);
}

static void merge_into(struct arena *arena, const struct api_kind *kind, const void *old,
                       struct slice patch, void **ret)
{
    struct json_value *document = api_message_to_json(arena, kind->message, old, NULL);
    const struct api_status *status = NULL;
    struct error error = {0};
    int failed = api_patch_merge(arena, document, patch, &document, &status);
    assert(failed == 0);
    failed = api_message_from_json(arena, kind->message, document, NULL, ret, &error);
    assert(failed == 0);
}

static const struct client_object *delete (struct fake_client *fake, struct arena *arena,
                                           const struct client_request *request,
                                           const struct client_object *old, const char **ret_reason)
{
    const struct api_kind *kind = request->kind;
    if (request->expect_uid != NULL && strcmp(request->expect_uid, client_object_uid(old)) != 0) {
        *ret_reason = "Conflict";
        return NULL;
    }
    void *message = api_message_copy(arena, kind->message, old->message);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (api_time_is_zero(meta->deletion_timestamp)) {
        meta->deletion_timestamp = api_time_new(arena, wall_s(fake));
        const char *keep = NULL;
        if (request->propagation != NULL && strcmp(request->propagation, "Foreground") == 0) {
            keep = "foregroundDeletion";
        } else if (request->propagation != NULL && strcmp(request->propagation, "Orphan") == 0) {
            keep = "orphan";
        }
        if (keep != NULL && !api_meta_has_finalizer(meta, keep)) {
            char **finalizers = arena_array(arena, meta->n_finalizers + 1, sizeof(char *));
            for (size_t i = 0; i < meta->n_finalizers; i++) {
                finalizers[i] = meta->finalizers[i];
            }
            finalizers[meta->n_finalizers++] = arena_text(arena, keep);
            meta->finalizers = finalizers;
        }
        if (strcmp(kind->kind, "Pod") == 0) {
            const Core__V1__PodSpec *spec = ((const Core__V1__Pod *)message)->spec;
            bool bound = spec->node_name != NULL && spec->node_name[0] != '\0';
            meta->has_deletion_grace_period_seconds = 1;
            meta->deletion_grace_period_seconds = bound ? 30 : 0;
        }
        if (strcmp(kind->kind, "Namespace") == 0) {
            ((Core__V1__Namespace *)message)->status->phase = arena_text(arena, "Terminating");
        }
    }
    if (request->has_grace_seconds && request->grace_seconds == 0) {
        meta->deletion_grace_period_seconds = 0;
    }
    (void)finish_or_put(fake, arena, kind, message);
    return NULL;
}

static void bind(struct fake_client *fake, struct arena *arena, const struct client_object *old,
                 const Core__V1__Binding *binding, const char **ret_reason)
{
    Core__V1__Pod *pod = api_message_copy(arena, old->kind->message, old->message);
    if (pod->spec->node_name != NULL && pod->spec->node_name[0] != '\0') {
        *ret_reason = "Conflict";
        return;
    }
    pod->spec->node_name = arena_text(arena, binding->target->name);
    (void)store_put(fake, arena, old->kind, pod, CLIENT_MODIFIED);
}

static bool may_write(struct fake_client *fake)
{
    if (fake->writes_left == 0) {
        return false;
    }
    if (fake->writes_left != SIZE_MAX) {
        fake->writes_left--;
    }
    return true;
}

static int code_of(const char *reason)
{
    return reason == NULL                              ? 200
           : strcmp(reason, "NotFound") == 0           ? 404
           : strcmp(reason, "ServiceUnavailable") == 0 ? 503
                                                       : 409;
}

static const char *verb_names[] = {"get", "create", "update", "patch", "delete"};

static void fake_call(struct client *client, const struct client_request *request,
                      client_done *done, void *data)
{
    struct fake_client *fake = CONTAINER_OF(client, struct fake_client, client);
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *reason = NULL;
    const struct client_object *result = NULL;
    const struct api_kind *kind = request->kind;
    if (fake->check != NULL) {
        fake->check(request);
    }
    const struct client_object *old = hash_map_get(
        fake->objects, slice_text(store_key(arena, kind, request->namespace_, request->name)));
    const struct client_object *noted = old == NULL ? NULL : client_object_ref(old);
    bool binding = request->subresource != NULL && strcmp(request->subresource, "binding") == 0;
    if (request->verb != CLIENT_GET && strcmp(kind->kind, "Event") != 0 && !may_write(fake)) {
        reason = "ServiceUnavailable";
    } else if (request->verb == CLIENT_CREATE && !binding) {
        result = create(fake, arena, kind, request->namespace_, request->body, &reason);
        client_object_unref(noted);
        noted = result == NULL ? NULL : client_object_ref(result);
    } else if (old == NULL) {
        reason = "NotFound";
    } else if (binding) {
        bind(fake, arena, old, request->body, &reason);
    } else if (request->verb == CLIENT_UPDATE) {
        result = update(fake, arena, request, old, &reason);
    } else if (request->verb == CLIENT_PATCH) {
        struct client_request merged = *request;
        void *body;
        merge_into(arena, kind, old->message, request->patch, &body);
        merged.body = body;
        result = update(fake, arena, &merged, old, &reason);
    } else if (request->verb == CLIENT_DELETE) {
        result = delete (fake, arena, request, old, &reason);
    } else {
        result = old;
    }
    if (reason == NULL && request->verb != CLIENT_GET && noted != NULL) {
        note(fake, verb_names[request->verb], request->subresource, noted);
    }
    client_object_unref(noted);
    struct action *action = action_push(fake, ACTION_REPLY);
    action->done = done;
    action->data = data;
    action->code = code_of(reason);
    action->reason = reason == NULL ? "" : reason;
    action->object = result == NULL ? NULL : client_object_ref(result);
}

const struct client_object *fake_client_add(struct fake_client *fake, const char *api_version,
                                            const char *kind_name, const char *json)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind = api_kind_by_api_version(api_version, kind_name);
    assert(kind != NULL);
    void *message;
    struct error error = {0};
    int failed = api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error);
    if (failed != 0) {
        fprintf(stderr, "%s in %s\n", error_message(&error), json);
        abort();
    }
    const char *reason = NULL;
    const struct client_object *object = create(fake, arena, kind, NULL, message, &reason);
    assert(object != NULL);
    return object;
}

void fake_client_patch(struct fake_client *fake, const struct client_object *object,
                       const char *json)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind = object->kind;
    const struct client_object *old =
        fake_client_get(fake, kind, client_object_namespace(object), client_object_name(object));
    assert(old != NULL);
    void *message;
    merge_into(arena, kind, old->message, slice_text(json), &message);
    void **spec_new = member_of(kind, message, "spec");
    if (spec_new != NULL) {
        void *base = api_message_copy(arena, kind->message, old->message);
        if (!api_message_equal(api_message_member_text(kind->message, "spec")->field->message,
                               *spec_new, *member_of(kind, base, "spec"))) {
            api_message_meta(kind->message, message)->generation++;
        }
    }
    (void)finish_or_put(fake, arena, kind, message);
}

void fake_client_remove(struct fake_client *fake, const struct client_object *object)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *message = api_message_copy(arena, object->kind->message, object->message);
    (void)store_put(fake, arena, object->kind, message, CLIENT_DELETED);
}

const struct client_object *fake_client_get(struct fake_client *fake, const struct api_kind *kind,
                                            const char *namespace_, const char *name)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    return hash_map_get(fake->objects, slice_text(store_key(arena, kind, namespace_, name)));
}

void fake_client_list(struct fake_client *fake, const struct api_kind *kind, struct fake_list *ret)
{
    ret->count = 0;
    void *value;
    for (size_t at = 0; hash_map_next(fake->objects, &at, NULL, &value);) {
        const struct client_object *object = value;
        if (object->kind == kind && ret->count < 4096) {
            ret->items[ret->count++] = object;
        }
    }
}
