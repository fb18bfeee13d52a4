#include "controllers/contents.h"

#include "controllers/kinds_of_content.h"
#include "lib/api/custom.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct contents {
    struct informers *informers; /* Of the table's kinds; borrowed. */
    struct informers *custom;    /* With metadata alone. */
    struct client *client;
    struct client_kinds_watch *kinds; /* NULL: there are no custom kinds. */
    struct list users;
    struct content **items;
    size_t count, room;
};

static void tell(const struct content *content, const struct client_object *old_object,
                 const struct client_object *new_object)
{
    LIST_FOREACH(link, next, &content->contents->users)
    {
        struct contents_user *user = LIST_ENTRY(link, struct contents_user, link);
        if (user->wants == NULL || user->wants(content->kind)) {
            user->changed(user->data, content, old_object, new_object);
        }
    }
}

static void object_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    tell(data, old_object, new_object);
}

static const struct content *add(struct contents *contents, const struct api_kind *kind,
                                 struct informers *informers)
{
    struct content *content = alloc_zeroed(sizeof(*content));
    *content = (struct content){.contents = contents,
                                .kind = custom_kind_ref(kind),
                                .objects = informers_get(informers, kind)};
    content->handler = (struct informer_handler){.changed = object_changed, .data = content};
    if (contents->count == contents->room) {
        contents->room = contents->room == 0 ? KINDS_OF_CONTENT_MAX : 2 * contents->room;
        contents->items = alloc_resize(contents->items, contents->room, sizeof(*contents->items));
    }
    contents->items[contents->count++] = content;
    informer_add_handler(content->objects, &content->handler);
    return content;
}

static void content_free(struct content *content)
{
    informer_remove_handler(&content->handler);
    custom_kind_unref(content->kind);
    free(content);
}

static void kind_added(void *data, const struct api_kind *kind)
{
    struct contents *contents = data;
    const struct content *content = add(contents, kind, contents->custom);
    LIST_FOREACH(link, next, &contents->users)
    {
        struct contents_user *user = LIST_ENTRY(link, struct contents_user, link);
        if (user->appeared != NULL && (user->wants == NULL || user->wants(kind))) {
            user->appeared(user->data, content);
        }
    }
}

static void kind_removed(void *data, const struct api_kind *kind)
{
    struct contents *contents = data;
    size_t i = 0;
    while (i < contents->count && contents->items[i]->kind != kind) {
        i++;
    }
    assert(i < contents->count);
    struct content *content = contents->items[i];
    contents->items[i] = contents->items[--contents->count];
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list left = informer_all(content->objects, arena);
    for (size_t j = 0; j < left.count; j++) {
        tell(content, left.items[j], NULL);
    }
    content_free(content);
    informers_drop(contents->custom, kind);
}

static const struct client_kinds_ops kinds_ops = {.added = kind_added, .removed = kind_removed};

/* Definitions are large, and nobody else here looks into them. */
static bool is_large(const struct api_kind *kind)
{
    return strcmp(kind->resource, "customresourcedefinitions.apiextensions.k8s.io") == 0;
}

struct contents *contents_new(struct client *client, struct informers *informers)
{
    struct contents *contents = alloc_zeroed(sizeof(*contents));
    const struct api_kind *kinds[KINDS_OF_CONTENT_MAX];
    size_t count = kinds_of_content(/* namespaced= */ false, kinds);
    contents->informers = informers;
    contents->custom = informers_new_metadata(client);
    contents->client = client;
    list_init(&contents->users);
    for (size_t i = 0; i < count; i++) {
        (void)add(contents, kinds[i], is_large(kinds[i]) ? contents->custom : informers);
    }
    contents->kinds = client_watch_kinds(client, &kinds_ops, contents);
    return contents;
}

void contents_free(struct contents *contents)
{
    if (contents == NULL) {
        return;
    }
    assert(list_empty(&contents->users));
    client_watch_kinds_stop(contents->client, contents->kinds);
    for (size_t i = 0; i < contents->count; i++) {
        content_free(contents->items[i]);
    }
    informers_free(contents->custom);
    free(contents->items);
    free(contents);
}

void contents_join(struct contents *contents, struct contents_user *user)
{
    list_init(&user->link);
    list_push_back(&contents->users, &user->link);
}

void contents_leave(struct contents_user *user)
{
    list_remove(&user->link);
}

bool contents_synced(const struct contents *contents)
{
    return informers_synced(contents->custom);
}

size_t contents_count(const struct contents *contents)
{
    return contents->count;
}

const struct content *contents_at(const struct contents *contents, size_t index)
{
    return contents->items[index];
}
