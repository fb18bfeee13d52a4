#include "apiserver/api_services.h"

#include "apiserver/cache_follower.h"
#include "apiserver/limits.h"
#include "apiserver/pki.h"
#include "lib/api/kinds.h"
#include "lib/base/alloc.h"
#include "lib/net/chunk.h"
#include "lib/net/tls.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What the store loop knows of one. */
struct entry {
    const struct cached_object *owner; /* Has the message. */
    const api_service_t *object;
    char *server_name;
    struct tls_config *tls;
    char *problem;
    struct chunk *resources;
    char *openapi_hash;
    struct chunk *openapi_v2;
    char *openapi_v2_hash;
    bool fresh;
};

struct api_services {
    const struct pki *pki;
    struct watch_hub *hub;
    struct cache_follower follower;
    struct entry entries[API_SERVICES_MAX];
    size_t count;
    const struct api_group_version *versions; /* Ours. */
    size_t version_count;
    bool *gone; /* As in struct api_service_set. */
    bool changed;
    atomic_size_t published;
    pthread_mutex_t lock; /* Over `set`. */
    struct api_service_set *set;
};

/* --- Sets --- */

static void item_release(struct api_service *item, const struct cached_object *owner)
{
    tls_config_unref(item->tls);
    chunk_unref(item->resources);
    free((void *)(uintptr_t)item->server_name);
    free((void *)(uintptr_t)item->problem);
    free((void *)(uintptr_t)item->openapi_hash);
    chunk_unref(item->openapi_v2);
    free((void *)(uintptr_t)item->openapi_v2_hash);
    cached_object_unref(owner);
}

/* The set and, behind its items, who owns the messages. */
static const struct cached_object **owners_of(struct api_service_set *set)
{
    return (const struct cached_object **)(void *)&set->items[set->count];
}

void api_service_set_unref(struct api_service_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        item_release(&set->items[i], owners_of(set)[i]);
    }
    free(set->gone);
    free(set);
}

struct api_service_set *api_services_set(struct api_services *services)
{
    pthread_mutex_lock(&services->lock);
    struct api_service_set *set = services->set;
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&services->lock);
    return set;
}

bool api_services_any(const struct api_services *services)
{
    return atomic_load_explicit(&services->published, memory_order_acquire) > 0;
}

const struct api_service *api_service_set_find(const struct api_service_set *set, const char *group,
                                               const char *version)
{
    for (size_t i = 0; i < set->count; i++) {
        const Apiregistration__V1__APIServiceSpec *spec = set->items[i].object->spec;
        if (strcmp(text_or_empty(spec->group), group) == 0 &&
            strcmp(text_or_empty(spec->version), version) == 0) {
            return &set->items[i];
        }
    }
    return NULL;
}

bool api_service_set_lacks(const struct api_service_set *set, const char *group,
                           const char *version)
{
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (set->gone[i] && strcmp(versions[i].group, group) == 0 &&
            strcmp(versions[i].version, version) == 0) {
            return true;
        }
    }
    return false;
}

const Apiregistration__V1__APIServiceCondition *api_service_condition(const api_service_t *object)
{
    for (size_t i = 0; i < object->status->n_conditions; i++) {
        if (strcmp(text_or_empty(object->status->conditions[i]->type), "Available") == 0) {
            return object->status->conditions[i];
        }
    }
    return NULL;
}

static bool is_available(const api_service_t *object)
{
    const Apiregistration__V1__APIServiceCondition *condition = api_service_condition(object);
    return condition != NULL && strcmp(text_or_empty(condition->status), "True") == 0;
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : alloc_text(text);
}

static void publish(struct api_services *services)
{
    size_t count = services->count;
    struct api_service_set *set = alloc_zeroed(
        sizeof(*set) + count * (sizeof(struct api_service) + sizeof(struct cached_object *)));
    atomic_init(&set->references, 1);
    set->gone = alloc_array(services->version_count, sizeof(*set->gone));
    memcpy(set->gone, services->gone, services->version_count * sizeof(*set->gone));
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &services->entries[i];
        const Apiregistration__V1__ServiceReference *service = entry->object->spec->service;
        set->items[i] = (struct api_service){
            .object = entry->object,
            .server_name = alloc_text(entry->server_name),
            .port = service->has_port && service->port != 0 ? service->port : 443,
            .available = is_available(entry->object),
            .tls = entry->tls == NULL ? NULL : tls_config_ref(entry->tls),
            .problem = copy_text(entry->problem),
            .resources = entry->resources == NULL ? NULL : chunk_ref(entry->resources),
            .fresh = entry->fresh,
            .openapi_hash = copy_text(entry->openapi_hash),
            .openapi_v2 = entry->openapi_v2 == NULL ? NULL : chunk_ref(entry->openapi_v2),
            .openapi_v2_hash = copy_text(entry->openapi_v2_hash)};
        owners_of(set)[i] = cached_object_ref(entry->owner);
    }
    pthread_mutex_lock(&services->lock);
    struct api_service_set *before = services->set;
    services->set = set;
    pthread_mutex_unlock(&services->lock);
    atomic_store_explicit(&services->published, count, memory_order_release);
    api_service_set_unref(before);
    services->changed = false;
}

/* --- Following --- */

static void entry_release(struct entry *entry)
{
    tls_config_unref(entry->tls);
    chunk_unref(entry->resources);
    free(entry->server_name);
    free(entry->problem);
    free(entry->openapi_hash);
    chunk_unref(entry->openapi_v2);
    free(entry->openapi_v2_hash);
    cached_object_unref(entry->owner);
    *entry = (struct entry){.fresh = false};
}

static struct entry *find(struct api_services *services, const char *name)
{
    for (size_t i = 0; i < services->count; i++) {
        if (strcmp(services->entries[i].object->metadata->name, name) == 0) {
            return &services->entries[i];
        }
    }
    return NULL;
}

static void remove_entry(struct api_services *services, struct entry *entry)
{
    entry_release(entry);
    *entry = services->entries[--services->count];
    services->entries[services->count] = (struct entry){.fresh = false};
}

static bool same_trust(const api_service_t *a, const api_service_t *b)
{
    return a->spec->insecure_skip_tls_verify == b->spec->insecure_skip_tls_verify &&
           slice_equal(slice_of(a->spec->ca_bundle.data, a->spec->ca_bundle.len),
                       slice_of(b->spec->ca_bundle.data, b->spec->ca_bundle.len));
}

static void make_tls(const struct api_services *services, struct entry *entry)
{
    const Apiregistration__V1__APIServiceSpec *spec = entry->object->spec;
    CLEANUP(error_release) struct error error = {0};
    const struct tls_options options = {
        .cert_pem = slice_text(services->pki->front_proxy_cert),
        .key_pem = slice_text(services->pki->front_proxy_key),
        .ca_pem = slice_of(spec->ca_bundle.data, spec->ca_bundle.len),
        .verify = spec->insecure_skip_tls_verify ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED,
        .alpn = TLS_ALPN_HTTP1};
    tls_config_unref(TAKE(entry->tls));
    free(TAKE(entry->problem));
    if (tls_config_new_client(&options, &entry->tls, &error) < 0) {
        entry->tls = NULL;
        entry->problem = alloc_text(error_message(&error));
    }
}

static void set_entry(struct api_services *services, const struct cached_object *owner,
                      const api_service_t *object)
{
    struct entry *entry = find(services, object->metadata->name);
    if (entry == NULL && services->count == API_SERVICES_MAX) {
        return; /* Beyond reason; it is not served. */
    }
    bool is_new = entry == NULL;
    entry = is_new ? &services->entries[services->count++] : entry;
    const struct cached_object *before_owner = entry->owner;
    const api_service_t *before = entry->object;
    bool same = !is_new && same_trust(before, object) &&
                strcmp(before->metadata->uid, object->metadata->uid) == 0;
    entry->owner = cached_object_ref(owner);
    entry->object = object;
    free(entry->server_name);
    entry->server_name = alloc_printf("%s.%s.svc", text_or_empty(object->spec->service->name),
                                      text_or_empty(object->spec->service->namespace_));
    if (!same) { /* Another server, perhaps. */
        make_tls(services, entry);
        chunk_unref(TAKE(entry->resources));
        free(TAKE(entry->openapi_hash));
        chunk_unref(TAKE(entry->openapi_v2));
        free(TAKE(entry->openapi_v2_hash));
        entry->fresh = false;
    }
    cached_object_unref(before_owner);
}

/* "v1.apps" comes or goes. */
static void note_local(struct api_services *services, const char *name, bool gone)
{
    const char *dot = strchr(name, '.');
    size_t len = dot == NULL ? 0 : (size_t)(dot - name);
    for (size_t i = 0; i < services->version_count && dot != NULL; i++) {
        const struct api_group_version *version = &services->versions[i];
        if (strlen(version->version) == len && strncmp(version->version, name, len) == 0 &&
            strcmp(version->group, dot + 1) == 0 && services->gone[i] != gone) {
            services->gone[i] = gone;
            services->changed = true;
        }
    }
}

static void on_changed(void *data, const struct cached_object *object, bool gone)
{
    struct api_services *services = data;
    note_local(services, cached_object_name(object), gone);
    const api_service_t *message = cached_object_message(object);
    struct entry *entry = find(services, cached_object_name(object));
    /* The core group is always ours. */
    bool other = !gone && message != NULL && message->spec->service != NULL &&
                 text_or_empty(message->spec->group)[0] != 0;
    if (other) {
        set_entry(services, object, message);
        services->changed = true;
    } else if (entry != NULL) {
        remove_entry(services, entry);
        services->changed = true;
    }
}

static void on_begin(void *data)
{
    (void)data;
}

static void on_clear(void *data, const struct api_kind *kind)
{
    struct api_services *services = data;
    (void)kind;
    while (services->count > 0) {
        remove_entry(services, &services->entries[services->count - 1]);
    }
    memset(services->gone, 0, services->version_count * sizeof(*services->gone));
    services->changed = true;
}

static void on_end(void *data)
{
    struct api_services *services = data;
    if (services->changed) {
        publish(services);
    }
}

struct api_services *api_services_new(struct watch_cache *cache, const struct pki *pki)
{
    static const struct cache_follower_ops ops = {
        .begin = on_begin, .clear = on_clear, .changed = on_changed, .end = on_end};
    struct api_services *services = alloc_zeroed(sizeof(*services));
    services->pki = pki;
    services->versions = api_group_versions(&services->version_count);
    services->gone = alloc_array(services->version_count, sizeof(*services->gone));
    pthread_mutex_init(&services->lock, NULL);
    services->hub = watch_hub_new(cache, NULL);
    cache_follower_open(&services->follower, cache, services->hub,
                        api_kind_find("apiregistration.k8s.io", "v1", "apiservices"), &ops,
                        services);
    return services;
}

void api_services_free(struct api_services *services)
{
    if (services == NULL) {
        return;
    }
    cache_follower_stop(&services->follower);
    watch_hub_free(services->hub);
    on_clear(services, NULL);
    api_service_set_unref(services->set);
    pthread_mutex_destroy(&services->lock);
    free(services->gone);
    free(services);
}

/* --- What was heard --- */

void api_services_heard(struct api_services *services, const char *name, bool fresh,
                        struct chunk *resources_consume, const char *openapi_hash)
{
    struct entry *entry = find(services, name);
    if (entry == NULL) {
        chunk_unref(resources_consume);
        return;
    }
    bool same = resources_consume == NULL ||
                (entry->resources != NULL &&
                 slice_equal(entry->resources->bytes, resources_consume->bytes));
    bool same_hash = openapi_hash == NULL || (entry->openapi_hash != NULL &&
                                              strcmp(entry->openapi_hash, openapi_hash) == 0);
    if (same && same_hash && entry->fresh == fresh) {
        chunk_unref(resources_consume);
        return;
    }
    entry->fresh = fresh;
    if (resources_consume != NULL) {
        chunk_unref(entry->resources);
        entry->resources = resources_consume;
    }
    if (!same_hash) {
        free(entry->openapi_hash);
        entry->openapi_hash = alloc_text(openapi_hash);
    }
    publish(services);
}

void api_services_heard_v2(struct api_services *services, const char *name,
                           struct chunk *document_consume, const char *hash)
{
    struct entry *entry = find(services, name);
    if (entry == NULL || (entry->openapi_v2 != NULL && strcmp(entry->openapi_v2_hash, hash) == 0)) {
        chunk_unref(document_consume);
        return;
    }
    chunk_unref(entry->openapi_v2);
    free(entry->openapi_v2_hash);
    entry->openapi_v2 = document_consume;
    entry->openapi_v2_hash = alloc_text(hash);
    publish(services);
}
