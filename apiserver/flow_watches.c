#include "apiserver/flow_watches.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct flow_watches {
    pthread_mutex_t lock;
    struct hash_map *counts; /* uint32_t of a scope; none of them is 0. */
};

struct flow_watches *flow_watches_new(uint64_t seed)
{
    struct flow_watches *watches = alloc_zeroed(sizeof(*watches));
    pthread_mutex_init(&watches->lock, NULL);
    watches->counts = hash_map_new(seed);
    return watches;
}

void flow_watches_free(struct flow_watches *watches)
{
    if (watches == NULL) {
        return;
    }
    struct slice key;
    void *count = NULL;
    for (size_t at = 0; hash_map_next(watches->counts, &at, &key, &count);) {
        free(count);
    }
    hash_map_free(watches->counts);
    pthread_mutex_destroy(&watches->lock);
    free(watches);
}

static char *scope_key(const struct access *access, const char *namespace, const char *name)
{
    return alloc_printf("%s/%s/%s/%s", access->group, access->resource, namespace, name);
}

static bool is_of_one_node(const struct access *watch)
{
    for (size_t i = 0; i < watch->fields.count && strcmp(watch->resource, "pods") == 0; i++) {
        const struct api_requirement *field = &watch->fields.items[i];
        if (strcmp(field->key, "spec.nodeName") == 0 && field->op == API_SELECTOR_IN &&
            field->value_count == 1 && field->values[0][0] != 0) {
            return true;
        }
    }
    return false;
}

/* One watch more of its scope, or one less. */
static void count_watch(struct flow_watches *watches, const struct access *watch, bool begins)
{
    if (is_of_one_node(watch)) {
        return;
    }
    CLEANUP(alloc_freep) char *key = scope_key(watch, watch->namespace, watch->name);
    pthread_mutex_lock(&watches->lock);
    uint32_t *count = hash_map_get(watches->counts, slice_text(key));
    assert(count != NULL || begins);
    if (count == NULL) {
        count = alloc_zeroed(sizeof(*count));
        (void)hash_map_set(watches->counts, slice_text(key), count);
    }
    *count += begins ? 1U : -1U;
    if (*count == 0) {
        free(hash_map_remove(watches->counts, slice_text(key)));
    }
    pthread_mutex_unlock(&watches->lock);
}

void flow_watches_add(struct flow_watches *watches, const struct access *watch)
{
    count_watch(watches, watch, /* begins= */ true);
}

void flow_watches_remove(struct flow_watches *watches, const struct access *watch)
{
    count_watch(watches, watch, /* begins= */ false);
}

/* Under the lock. */
static uint32_t count_of(const struct flow_watches *watches, const struct access *change,
                         const char *namespace, const char *name)
{
    CLEANUP(alloc_freep) char *key = scope_key(change, namespace, name);
    const uint32_t *count = hash_map_get(watches->counts, slice_text(key));
    return count == NULL ? 0 : *count;
}

uint32_t flow_watches_interested(struct flow_watches *watches, const struct access *change)
{
    pthread_mutex_lock(&watches->lock);
    uint32_t all = count_of(watches, change, "", "");
    if (change->namespace[0] != 0) {
        all += count_of(watches, change, change->namespace, "");
    }
    if (change->name[0] != 0) {
        all += count_of(watches, change, change->namespace, change->name);
    }
    pthread_mutex_unlock(&watches->lock);
    return all;
}

bool flow_watches_hear(const struct access *change)
{
    static const char *const verbs[] = {"create", "update", "patch", "delete"};
    bool changes = false;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        changes |= strcmp(change->verb, verbs[i]) == 0;
    }
    return changes && change->is_resource &&
           (strcmp(change->resource, "serviceaccounts") != 0 ||
            strcmp(change->subresource, "token") != 0);
}
