#include "lib/client/informer.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/client/label_index.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All entries under one key of one index. */
struct bucket {
    struct list entries;
    size_t count;
    char key[];
};

struct index_place {
    struct list link;
    struct bucket *bucket; /* NULL when not in this index. */
};

struct entry {
    const struct client_object *object;
    uint64_t epoch; /* Of the last (re)list that had it. */
    struct index_place places[INFORMER_INDEXES];
    struct labelled labelled;
};

struct informer {
    struct client *client;
    const struct api_kind *kind;
    bool has_nodes; /* Pods: INFORMER_BY_NODE. */
    bool synced;
    uint64_t epoch;
    struct client_watch *watch;
    struct hash_map *entries; /* "namespace/name" -> entry */
    struct hash_map *indexes[INFORMER_INDEXES];
    struct label_index *labels; /* NULL but for pods. */
    struct list handlers;
};

struct informers {
    struct client *client;
    bool metadata_only;
    struct hash_map *by_kind; /* pointer of the kind -> informer */
};

enum { KEY_SIZE = 512 }; /* Namespace and name are at most 253 bytes each. */

static struct slice entry_key(char text[KEY_SIZE], const char *namespace_, const char *name)
{
    int len = snprintf(text, KEY_SIZE, "%s/%s", namespace_, name);
    return slice_of(text, len < KEY_SIZE ? (size_t)len : KEY_SIZE - 1);
}

/* The key of an object in an index, or NULL when it is not in it. */
static const char *index_key(const struct informer *informer, enum informer_index index,
                             const struct client_object *object)
{
    const Meta__V1__OwnerReference *owner = api_meta_controller(object->meta);
    switch (index) {
    case INFORMER_BY_NAMESPACE:
        return client_object_namespace(object);
    case INFORMER_BY_OWNER:
        return owner == NULL ? NULL : owner->uid;
    case INFORMER_ORPHANS:
        return owner == NULL ? client_object_namespace(object) : NULL;
    case INFORMER_BY_NODE:
        if (informer->has_nodes) {
            const Core__V1__Pod *pod = object->message;
            return pod->spec->node_name == NULL ? "" : pod->spec->node_name;
        }
        return NULL;
    }
    return NULL;
}

static void place_leave(struct informer *informer, enum informer_index index,
                        struct index_place *place)
{
    struct bucket *bucket = place->bucket;
    if (bucket == NULL) {
        return;
    }
    list_remove(&place->link);
    place->bucket = NULL;
    if (--bucket->count == 0) {
        hash_map_remove(informer->indexes[index], slice_text(bucket->key));
        free(bucket);
    }
}

static void place_enter(struct informer *informer, enum informer_index index,
                        struct index_place *place, const char *key)
{
    struct hash_map *map = informer->indexes[index];
    struct slice text = slice_text(key);
    struct bucket *bucket = hash_map_get(map, text);
    if (bucket == NULL) {
        bucket = alloc_zeroed(sizeof(*bucket) + text.len + 1);
        memcpy(bucket->key, key, text.len);
        list_init(&bucket->entries);
        hash_map_set(map, text, bucket);
    }
    list_push_back(&bucket->entries, &place->link);
    bucket->count++;
    place->bucket = bucket;
}

static void entry_index(struct informer *informer, struct entry *entry)
{
    for (int i = 0; i < INFORMER_INDEXES; i++) {
        enum informer_index index = (enum informer_index)i;
        struct index_place *place = &entry->places[i];
        const char *key = index_key(informer, index, entry->object);
        if (place->bucket != NULL && key != NULL && strcmp(place->bucket->key, key) == 0) {
            continue;
        }
        place_leave(informer, index, place);
        if (key != NULL) {
            place_enter(informer, index, place, key);
        }
    }
}

static bool same_labels(const Meta__V1__ObjectMeta *a, const Meta__V1__ObjectMeta *b)
{
    return api_string_map_equal(API_STRING_MAP(a->labels, a->n_labels),
                                API_STRING_MAP(b->labels, b->n_labels));
}

/* `old` is what the entry was indexed as, or NULL. */
static void entry_label(struct informer *informer, struct entry *entry,
                        const struct client_object *old)
{
    if (informer->labels == NULL || (old != NULL && same_labels(old->meta, entry->object->meta))) {
        return;
    }
    label_index_leave(informer->labels, &entry->labelled);
    label_index_enter(informer->labels, &entry->labelled, entry->object->meta);
}

static void entry_free(struct informer *informer, struct entry *entry)
{
    if (informer->labels != NULL) {
        label_index_leave(informer->labels, &entry->labelled);
    }
    free(entry);
}

static void tell(struct informer *informer, const struct client_object *old_object,
                 const struct client_object *new_object)
{
    LIST_FOREACH(link, next, &informer->handlers)
    {
        struct informer_handler *handler = LIST_ENTRY(link, struct informer_handler, link);
        handler->changed(handler->data, old_object, new_object);
    }
}

static void entry_remove(struct informer *informer, struct slice key)
{
    struct entry *entry = hash_map_remove(informer->entries, key);
    if (entry == NULL) {
        return;
    }
    for (int i = 0; i < INFORMER_INDEXES; i++) {
        place_leave(informer, (enum informer_index)i, &entry->places[i]);
    }
    const struct client_object *object = entry->object;
    entry_free(informer, entry);
    tell(informer, object, NULL);
    client_object_unref(object);
}

static void entry_put(struct informer *informer, struct slice key,
                      const struct client_object *object)
{
    struct entry *entry = hash_map_get(informer->entries, key);
    const struct client_object *old = NULL;
    if (entry == NULL) {
        entry = alloc_zeroed(sizeof(*entry));
        for (int i = 0; i < INFORMER_INDEXES; i++) {
            list_init(&entry->places[i].link);
        }
        hash_map_set(informer->entries, key, entry);
    } else {
        old = entry->object;
    }
    entry->epoch = informer->epoch;
    if (old != NULL && old->version == object->version) {
        return; /* A relist that shows what is known. */
    }
    if (old != NULL && strcmp(client_object_uid(old), client_object_uid(object)) != 0) {
        /* Deleted and made again between two looks: handlers must see both. */
        entry_remove(informer, key);
        entry_put(informer, key, object);
        return;
    }
    entry->object = client_object_ref(object);
    entry_index(informer, entry);
    entry_label(informer, entry, old);
    tell(informer, old, object);
    client_object_unref(old);
}

static void watch_event(void *data, enum client_event type, const struct client_object *object)
{
    struct informer *informer = data;
    char text[KEY_SIZE];
    struct slice key = entry_key(text, client_object_namespace(object), client_object_name(object));
    if (type == CLIENT_DELETED) {
        entry_remove(informer, key);
    } else {
        entry_put(informer, key, object);
    }
}

static void watch_restart(void *data)
{
    struct informer *informer = data;
    informer->epoch++;
}

static void watch_synced(void *data)
{
    struct informer *informer = data;
    struct slice key;
    void *value;
    for (size_t at = 0; hash_map_next(informer->entries, &at, &key, &value);) {
        const struct entry *entry = value;
        if (entry->epoch != informer->epoch) {
            char text[KEY_SIZE];
            entry_remove(informer, entry_key(text, client_object_namespace(entry->object),
                                             client_object_name(entry->object)));
        }
    }
    if (informer->synced) {
        return;
    }
    informer->synced = true;
    LIST_FOREACH(link, next, &informer->handlers)
    {
        struct informer_handler *handler = LIST_ENTRY(link, struct informer_handler, link);
        if (handler->synced != NULL) {
            handler->synced(handler->data);
        }
    }
}

static const struct client_watch_ops informer_watch_ops = {
    .event = watch_event, .restart = watch_restart, .synced = watch_synced};

static struct informer *informer_new(struct client *client, const struct api_kind *kind,
                                     bool metadata_only)
{
    struct informer *informer = alloc_zeroed(sizeof(*informer));
    informer->client = client;
    informer->kind = kind;
    informer->has_nodes = kind->group[0] == '\0' && strcmp(kind->kind, "Pod") == 0;
    informer->entries = hash_map_new(/* seed= */ 0x696e666f);
    for (int i = 0; i < INFORMER_INDEXES; i++) {
        informer->indexes[i] = hash_map_new(/* seed= */ 0x696e6478);
    }
    informer->labels = informer->has_nodes ? label_index_new() : NULL;
    list_init(&informer->handlers);
    informer->watch = metadata_only
                          ? client_watch_metadata(client, kind, &informer_watch_ops, informer)
                          : client_watch(client, kind, &informer_watch_ops, informer);
    return informer;
}

static void informer_free(struct informer *informer)
{
    assert(list_empty(&informer->handlers));
    client_watch_stop(informer->client, informer->watch);
    void *value;
    for (size_t at = 0; hash_map_next(informer->entries, &at, NULL, &value);) {
        struct entry *entry = value;
        client_object_unref(entry->object);
        entry_free(informer, entry);
    }
    hash_map_free(informer->entries);
    label_index_free(informer->labels);
    for (int i = 0; i < INFORMER_INDEXES; i++) {
        for (size_t at = 0; hash_map_next(informer->indexes[i], &at, NULL, &value);) {
            free(value);
        }
        hash_map_free(informer->indexes[i]);
    }
    free(informer);
}

struct informers *informers_new(struct client *client)
{
    struct informers *informers = alloc_zeroed(sizeof(*informers));
    informers->client = client;
    informers->by_kind = hash_map_new(/* seed= */ 0x6b696e64);
    return informers;
}

struct informers *informers_new_metadata(struct client *client)
{
    struct informers *informers = informers_new(client);
    informers->metadata_only = true;
    return informers;
}

void informers_free(struct informers *informers)
{
    if (informers == NULL) {
        return;
    }
    void *informer;
    for (size_t at = 0; hash_map_next(informers->by_kind, &at, NULL, &informer);) {
        informer_free(informer);
    }
    hash_map_free(informers->by_kind);
    free(informers);
}

struct informer *informers_get(struct informers *informers, const struct api_kind *kind)
{
    assert(kind != NULL);
    char text[KEY_SIZE];
    struct slice key = entry_key(text, kind->group, kind->plural);
    struct informer *informer = hash_map_get(informers->by_kind, key);
    if (informer == NULL) {
        informer = informer_new(informers->client, kind, informers->metadata_only);
        hash_map_set(informers->by_kind, key, informer);
    }
    return informer;
}

void informers_drop(struct informers *informers, const struct api_kind *kind)
{
    char text[KEY_SIZE];
    struct informer *informer =
        hash_map_remove(informers->by_kind, entry_key(text, kind->group, kind->plural));
    assert(informer != NULL);
    informer_free(informer);
}

bool informers_synced(const struct informers *informers)
{
    void *informer;
    for (size_t at = 0; hash_map_next(informers->by_kind, &at, NULL, &informer);) {
        if (!informer_synced(informer)) {
            return false;
        }
    }
    return true;
}

void informer_add_handler(struct informer *informer, struct informer_handler *handler)
{
    list_init(&handler->link);
    void *value;
    for (size_t at = 0; hash_map_next(informer->entries, &at, NULL, &value);) {
        handler->changed(handler->data, NULL, ((const struct entry *)value)->object);
    }
    list_push_back(&informer->handlers, &handler->link);
    if (informer->synced && handler->synced != NULL) {
        handler->synced(handler->data);
    }
}

void informer_remove_handler(struct informer_handler *handler)
{
    if (handler->link.next != NULL) {
        list_remove(&handler->link);
    }
}

bool informer_synced(const struct informer *informer)
{
    return informer->synced;
}

uint64_t informer_revision(const struct informer *informer)
{
    return informer->synced ? client_watch_revision(informer->client, informer->watch) : 0;
}

size_t informer_count(const struct informer *informer)
{
    return hash_map_count(informer->entries);
}

const struct client_object *informer_get(const struct informer *informer, const char *namespace_,
                                         const char *name)
{
    char text[KEY_SIZE];
    const struct entry *entry = hash_map_get(informer->entries, entry_key(text, namespace_, name));
    return entry == NULL ? NULL : entry->object;
}

struct informer_list informer_select(const struct informer *informer, struct arena *arena,
                                     enum informer_index index, const char *key)
{
    const struct bucket *bucket = hash_map_get(informer->indexes[index], slice_text(key));
    if (bucket == NULL) {
        return (struct informer_list){NULL, 0};
    }
    const struct client_object **items =
        arena_array(arena, bucket->count, sizeof(const struct client_object *));
    size_t count = 0;
    LIST_FOREACH(link, next, &bucket->entries)
    {
        struct index_place *place = LIST_ENTRY(link, struct index_place, link);
        const struct entry *entry = CONTAINER_OF(place - index, struct entry, places[0]);
        items[count++] = entry->object;
    }
    assert(count == bucket->count);
    return (struct informer_list){items, count};
}

size_t informer_count_under(const struct informer *informer, enum informer_index index,
                            const char *key)
{
    const struct bucket *bucket = hash_map_get(informer->indexes[index], slice_text(key));
    return bucket == NULL ? 0 : bucket->count;
}

struct informer_list informer_select_labelled(const struct informer *informer, struct arena *arena,
                                              const char *namespace_, struct api_string_map labels)
{
    if (labels.count == 0) {
        return informer_select(informer, arena, INFORMER_BY_NAMESPACE, namespace_);
    }
    assert(informer->labels != NULL);
    const struct label_bucket *bucket = label_index_find(informer->labels, namespace_, labels);
    if (bucket == NULL) {
        return (struct informer_list){NULL, 0};
    }
    const struct client_object **items =
        arena_array(arena, bucket->count, sizeof(const struct client_object *));
    size_t count = 0;
    LIST_FOREACH(link, next, &bucket->places)
    {
        const struct label_place *place = LIST_ENTRY(link, struct label_place, link);
        items[count++] = CONTAINER_OF(place->labelled, struct entry, labelled)->object;
    }
    return (struct informer_list){items, count};
}

struct informer_list informer_all(const struct informer *informer, struct arena *arena)
{
    const struct client_object **items = arena_array(arena, hash_map_count(informer->entries) + 1,
                                                     sizeof(const struct client_object *));
    size_t count = 0;
    void *value;
    for (size_t at = 0; hash_map_next(informer->entries, &at, NULL, &value);) {
        items[count++] = ((const struct entry *)value)->object;
    }
    return (struct informer_list){items, count};
}
