/* Admission by classes: the default class of claims and ingresses, what a RuntimeClass adds to a
 * pod, and whether the class of a claim lets it grow. */
#include "apiserver/admission.h"

#include "k8s/networking_v1.pb-c.h"
#include "k8s/node_v1.pb-c.h"
#include "k8s/scheduling_v1.pb-c.h"
#include "k8s/storage_v1.pb-c.h"
#include "lib/api/resource_list.h"
#include "lib/api/time.h"

/* --- The default class of a kind --- */

struct class_choice {
    struct arena *arena;
    const struct api_kind *kind;
    const char *const *annotations; /* Each marks a default; NULL ends the list. */
    const char *name;               /* Or NULL: there is none. */
    int64_t created_s;
};

static bool is_marked(const Meta__V1__ObjectMeta *meta, const char *const *annotations)
{
    for (; *annotations != NULL; annotations++) {
        const char *value = api_meta_annotation(meta, *annotations);
        if (value != NULL && strcmp(value, "true") == 0) {
            return true;
        }
    }
    return false;
}

/* Of several, the newest is meant; views go by name, so that of equals the first stays. */
static bool choose_class(void *data, const struct cached_object *object)
{
    struct class_choice *choice = data;
    const void *message = cached_object_message(object);
    const Meta__V1__ObjectMeta *meta = message == NULL ? NULL : message_meta(choice->kind, message);
    if (meta == NULL || !is_marked(meta, choice->annotations)) {
        return true;
    }
    int64_t created_s = api_time_seconds(meta->creation_timestamp);
    if (choice->name == NULL || created_s > choice->created_s) {
        choice->name = arena_text(choice->arena, meta->name);
        choice->created_s = created_s;
    }
    return true;
}

/* In the arena, or NULL. */
static char *default_class(struct admission *admission, const struct api_kind *kind,
                           const char *const *annotations)
{
    struct operation *operation = admission->operation;
    struct class_choice choice = {
        .arena = operation->arena, .kind = kind, .annotations = annotations};
    struct cache_view *view = watch_cache_view(operation->registry->config.cache, kind);
    cache_view_each(view, "", slice_text(""), choose_class, &choice);
    cache_view_free(view);
    return choice.name == NULL ? NULL : arena_text(operation->arena, choice.name);
}

static bool is_new(const struct admission *admission, const struct api_kind *kind)
{
    return admission->verb == ADMIT_CREATE && admission->subresource[0] == 0 &&
           admission->kind == kind;
}

const struct api_status *admit_default_storage_class(struct admission *admission)
{
    static const char *const marks[] = {"storageclass.kubernetes.io/is-default-class",
                                        "storageclass.beta.kubernetes.io/is-default-class", NULL};
    const struct registry *registry = admission->operation->registry;
    if (!is_new(admission, registry->claim_kind)) {
        return NULL;
    }
    Core__V1__PersistentVolumeClaim *claim = admission->message;
    bool chosen =
        claim->spec->storage_class_name != NULL ||
        api_meta_annotation(claim->metadata, "volume.beta.kubernetes.io/storage-class") != NULL;
    if (!chosen) {
        claim->spec->storage_class_name =
            default_class(admission, registry->storage_class_kind, marks);
    }
    return NULL;
}

const struct api_status *admit_default_ingress_class(struct admission *admission)
{
    static const char *const marks[] = {"ingressclass.kubernetes.io/is-default-class", NULL};
    const struct registry *registry = admission->operation->registry;
    if (!is_new(admission, registry->ingress_kind)) {
        return NULL;
    }
    Networking__V1__Ingress *ingress = admission->message;
    bool chosen = ingress->spec->ingress_class_name != NULL ||
                  api_meta_annotation(ingress->metadata, "kubernetes.io/ingress.class") != NULL;
    if (!chosen) {
        ingress->spec->ingress_class_name =
            default_class(admission, registry->ingress_class_kind, marks);
    }
    return NULL;
}

/* --- RuntimeClass --- */

static const struct api_status *refuse(struct admission *admission, const char *why)
{
    return api_status_forbidden(admission->operation->arena, admission->kind, admission->name, why);
}

static bool same_amounts(const struct resource_list *a, const struct resource_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const struct quantity *other = resource_list_get(b, a->items[i].name);
        same = other != NULL && quantity_compare(a->items[i].value, *other) == 0;
    }
    return same;
}

static const struct api_status *set_overhead(struct admission *admission, Core__V1__PodSpec *spec,
                                             const Node__V1__RuntimeClass *class)
{
    struct arena *arena = admission->operation->arena;
    struct resource_list given = RESOURCE_LIST(arena, spec, overhead);
    if (class == NULL || class->overhead == NULL) {
        return given.count == 0 ? NULL
                                : refuse(admission, "pod rejected: Pod Overhead set without "
                                                    "corresponding RuntimeClass defined Overhead");
    }
    struct resource_list wanted = RESOURCE_LIST(arena, class->overhead, pod_fixed);
    if (given.count > 0 && !same_amounts(&given, &wanted)) {
        return refuse(admission,
                      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    }
    spec->overhead =
        resource_list_entries(&wanted, api_message_find("k8s.io.api.core.v1.PodSpec"), "overhead");
    spec->n_overhead = wanted.count;
    return NULL;
}

static const char *pod_selector(const Core__V1__PodSpec *spec, const char *key)
{
    for (size_t i = 0; i < spec->n_node_selector; i++) {
        if (strcmp(spec->node_selector[i]->key, key) == 0) {
            return spec->node_selector[i]->value;
        }
    }
    return NULL;
}

static const struct api_status *merge_selector(struct admission *admission, Core__V1__PodSpec *spec,
                                               const Node__V1__Scheduling *scheduling)
{
    struct arena *arena = admission->operation->arena;
    const struct api_member *member =
        api_message_member_text(api_message_find("k8s.io.api.core.v1.PodSpec"), "nodeSelector");
    size_t count = spec->n_node_selector;
    Core__V1__PodSpec__NodeSelectorEntry **merged =
        arena_array(arena, count + scheduling->n_node_selector, sizeof(*merged));
    if (count > 0) {
        memcpy(merged, spec->node_selector, count * sizeof(*merged));
    }
    for (size_t i = 0; i < scheduling->n_node_selector; i++) {
        const char *key = scheduling->node_selector[i]->key;
        const char *value = scheduling->node_selector[i]->value;
        const char *own = pod_selector(spec, key);
        if (own != NULL && strcmp(own, value) != 0) {
            return refuse(admission,
                          arena_printf(arena,
                                       "conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; "
                                       "pod.spec.nodeSelector[%s] = %s",
                                       key, value, key, own));
        }
        if (own == NULL) {
            merged[count] = api_message_new(arena, member->field->entry);
            merged[count]->key = arena_text(arena, key);
            merged[count]->value = arena_text(arena, value);
            count++;
        }
    }
    spec->node_selector = merged;
    spec->n_node_selector = count;
    return NULL;
}

static void merge_tolerations(struct arena *arena, Core__V1__PodSpec *spec,
                              const Node__V1__Scheduling *scheduling)
{
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.Toleration");
    size_t count = spec->n_tolerations;
    Core__V1__Toleration **merged =
        arena_array(arena, count + scheduling->n_tolerations, sizeof(*merged));
    if (count > 0) {
        memcpy(merged, spec->tolerations, count * sizeof(*merged));
    }
    for (size_t i = 0; i < scheduling->n_tolerations; i++) {
        bool known = false;
        for (size_t j = 0; j < count && !known; j++) {
            known = api_message_equal(schema, merged[j], scheduling->tolerations[i]);
        }
        if (!known) {
            merged[count++] = api_message_copy(arena, schema, scheduling->tolerations[i]);
        }
    }
    spec->tolerations = merged;
    spec->n_tolerations = count;
}

const struct api_status *admit_runtime_class(struct admission *admission)
{
    struct operation *operation = admission->operation;
    const struct registry *registry = operation->registry;
    if (!is_new(admission, registry->pod_kind)) {
        return NULL;
    }
    Core__V1__PodSpec *spec = ((Core__V1__Pod *)admission->message)->spec;
    const char *name = spec->runtime_class_name;
    if (name == NULL || name[0] == 0) {
        return set_overhead(admission, spec, NULL);
    }
    const struct cached_object *cached =
        operation_lookup(operation, registry->runtime_class_kind, "", name);
    const Node__V1__RuntimeClass *class = cached == NULL ? NULL : cached_object_message(cached);
    if (class == NULL) {
        return refuse(admission, arena_printf(operation->arena,
                                              "pod rejected: RuntimeClass \"%s\" not found", name));
    }
    const struct api_status *refusal = set_overhead(admission, spec, class);
    if (refusal == NULL && class->scheduling != NULL) {
        refusal = merge_selector(admission, spec, class->scheduling);
        merge_tolerations(operation->arena, spec, class->scheduling);
    }
    return refusal;
}

/* --- Claims that grow --- */

static struct quantity storage_of(struct arena *arena, const Core__V1__PersistentVolumeClaim *claim)
{
    if (claim->spec == NULL || claim->spec->resources == NULL) {
        return quantity_of(0, QUANTITY_DECIMAL_SI);
    }
    struct resource_list requests = RESOURCE_LIST(arena, claim->spec->resources, requests);
    const struct quantity *storage = resource_list_get(&requests, "storage");
    return storage == NULL ? quantity_of(0, QUANTITY_DECIMAL_SI) : *storage;
}

static bool may_grow(struct admission *admission, const Core__V1__PersistentVolumeClaim *claim)
{
    struct operation *operation = admission->operation;
    const char *name =
        api_meta_annotation(claim->metadata, "volume.beta.kubernetes.io/storage-class");
    name = name != NULL ? name : claim->spec->storage_class_name;
    if (name == NULL || name[0] == 0) {
        return false;
    }
    const struct cached_object *cached =
        operation_lookup(operation, operation->registry->storage_class_kind, "", name);
    const Storage__V1__StorageClass *class = cached == NULL ? NULL : cached_object_message(cached);
    return class != NULL && class->has_allow_volume_expansion && class->allow_volume_expansion;
}

const struct api_status *admit_claim_resize(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    struct arena *arena = admission->operation->arena;
    if (admission->verb != ADMIT_UPDATE || admission->subresource[0] != 0 ||
        admission->kind != registry->claim_kind) {
        return NULL;
    }
    const Core__V1__PersistentVolumeClaim *claim = admission->message;
    const Core__V1__PersistentVolumeClaim *before = admission->before;
    if (quantity_compare(storage_of(arena, claim), storage_of(arena, before)) <= 0) {
        return NULL;
    }
    const char *phase = before->status == NULL ? NULL : before->status->phase;
    if (phase == NULL || strcmp(phase, "Bound") != 0) {
        return refuse(admission, "Only bound persistent volume claims can be expanded");
    }
    return may_grow(admission, before)
               ? NULL
               : refuse(admission,
                        "only dynamically provisioned pvc can be resized and the storageclass that "
                        "provisions the pvc must support resize");
}

struct other_default {
    const char *name; /* Of the one that is written. */
    const char *found;
    struct arena *arena;
};

static bool find_other_default(void *data, const struct cached_object *object)
{
    struct other_default *other = data;
    const Scheduling__V1__PriorityClass *class = cached_object_message(object);
    if (class != NULL && class->global_default &&
        strcmp(cached_object_name(object), other->name) != 0) {
        other->found = arena_text(other->arena, cached_object_name(object));
    }
    return other->found == NULL;
}

const struct api_status *admit_priority_class(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    const Scheduling__V1__PriorityClass *class = admission->message;
    if (admission->kind != registry->priority_class_kind || class == NULL ||
        !class->global_default) {
        return NULL;
    }
    struct other_default other = {.name = admission->name, .arena = admission->operation->arena};
    struct cache_view *view =
        watch_cache_view(registry->config.cache, registry->priority_class_kind);
    cache_view_each(view, "", slice_text(""), find_other_default, &other);
    cache_view_free(view);
    return other.found == NULL
               ? NULL
               : refuse(admission, arena_printf(other.arena,
                                                "PriorityClass %s is already marked as default. "
                                                "Only one default can exist",
                                                other.found));
}
